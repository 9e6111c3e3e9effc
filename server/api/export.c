/* GET /v1/models/{id}/export?format=: the model as a file that other programs read.
 *
 *   safetensors   u64 little-endian length of the header, the header as JSON padded with spaces to 8 bytes, then the tensors one behind the
 *                 other. Names "layer.tensor", as PyTorch's state_dict has them; "__metadata__" holds the specs as strings.
 *                 (https://huggingface.co/docs/safetensors)
 *   json          {"format", "version", "network", "preprocessing", "weights": {name: {"shape", "data"}}}, numbers that float32 reads back
 *                 exactly
 *
 * Weights go from the model to the file directly, never through a JSON tree.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/model_cache.h"

enum { HEADER_ALIGNMENT = 8, TENSOR_NAME_BYTES = LIMIT_NAME_BYTES + 40 };

/* One tensor of a model, trained or buffer. */
struct tensor {
  char name[TENSOR_NAME_BYTES];
  const struct shape *shape;
  const float *values;
  size_t count;
};

typedef void tensor_visitor(void *context, const struct tensor *tensor);

static void visit(const struct model *model, size_t layer_index, bool are_buffers, tensor_visitor *visitor, void *context) {
  const struct layer *layer = network_get_layer(model->network, layer_index);
  const struct layer_tensor *tensors = are_buffers ? layer->buffers : layer->tensors;
  size_t count = are_buffers ? layer->buffer_count : layer->tensor_count;
  for (size_t i = 0; i < count; i++) {
    struct tensor tensor = {.shape = &tensors[i].shape,
                            .values = (are_buffers ? model->buffers : model->parameters) + tensors[i].offset,
                            .count = shape_size(&tensors[i].shape)};
    snprintf(tensor.name, sizeof tensor.name, "%.*s.%.31s", LIMIT_NAME_BYTES, network_get_layer_name(model->network, layer_index),
             tensors[i].name);
    visitor(context, &tensor);
  }
}

/* Layer by layer, in the order of computation: parameters, then buffers. */
static void visit_tensors(const struct model *model, tensor_visitor *visitor, void *context) {
  for (size_t i = 0; i < network_layer_count(model->network); i++) {
    visit(model, i, false, visitor, context);
    visit(model, i, true, visitor, context);
  }
}

static json_t *shape_to_json(const struct shape *shape) {
  json_t *sizes = json_array();
  for (size_t i = 0; i < shape->rank; i++) json_append(&sizes, json_integer((json_int_t)shape->sizes[i]));
  return sizes;
}

struct safetensors_header {
  json_t *json;
  size_t offset; /* bytes from the end of the header */
};

static void add_to_header(void *context, const struct tensor *tensor) {
  struct safetensors_header *header = context;
  size_t end = header->offset + tensor->count * sizeof(float);
  json_put(&header->json, tensor->name,
           json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape_to_json(tensor->shape), "data_offsets",
                     (json_int_t)header->offset, (json_int_t)end));
  header->offset = end;
}

static void write_values(void *context, const struct tensor *tensor) { fwrite(tensor->values, sizeof(float), tensor->count, context); }

static enum error_code write_safetensors(const struct model *model, FILE *file, struct error *error) {
  struct safetensors_header header = {.json = json_object()};
  json_put(&header.json, "__metadata__",
           json_pack("{s:s, s:s, s:s, s:s, s:s}", "format", "pt", "name", model->row.name, "network", model->row.network_json,
                     "preprocessing", model->row.preprocessing_json, "weights_sha256", model->row.weights_sha256));
  visit_tensors(model, add_to_header, &header);
  char *text = header.json == NULL ? NULL : json_dumps(header.json, JSON_COMPACT);
  json_decref(header.json);
  if (text == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  size_t length = strlen(text), padded = (length + HEADER_ALIGNMENT - 1) / HEADER_ALIGNMENT * HEADER_ALIGNMENT;
  uint8_t length_bytes[8];
  for (size_t i = 0; i < sizeof length_bytes; i++) length_bytes[i] = (uint8_t)((uint64_t)padded >> (8 * i));
  fwrite(length_bytes, 1, sizeof length_bytes, file);
  fprintf(file, "%s%*s", text, (int)(padded - length), "");
  free(text);
  visit_tensors(model, write_values, file);
  return ERROR_NONE;
}

struct json_writer {
  FILE *file;
  size_t count;
};

static void write_tensor_json(void *context, const struct tensor *tensor) {
  struct json_writer *writer = context;
  json_t *name = json_string(tensor->name), *shape = shape_to_json(tensor->shape);
  char *name_text = json_write(name), *shape_text = json_write(shape);
  fprintf(writer->file, "%s%s:{\"shape\":%s,\"data\":[", writer->count++ == 0 ? "" : ",", name_text == NULL ? "\"\"" : name_text,
          shape_text == NULL ? "[]" : shape_text);
  for (size_t i = 0; i < tensor->count; i++) {
    if (i > 0) fputc(',', writer->file);
    if (isfinite(tensor->values[i]))
      fprintf(writer->file, "%.9g", (double)tensor->values[i]);
    else
      fputs("null", writer->file);
  }
  fputs("]}", writer->file);
  free(name_text);
  free(shape_text);
  json_decref(name);
  json_decref(shape);
}

static void write_json(const struct model *model, FILE *file) {
  json_t *name = json_string(model->row.name);
  char *name_text = json_write(name);
  json_decref(name);
  fprintf(file,
          "{\"format\":\"backpropd\",\"version\":1,\"name\":%s,\"weights_sha256\":\"%s\",\"network\":%s,\"preprocessing\":%s,\"weights\":{",
          name_text == NULL ? "\"\"" : name_text, model->row.weights_sha256, model->row.network_json, model->row.preprocessing_json);
  free(name_text);
  struct json_writer writer = {.file = file};
  visit_tensors(model, write_tensor_json, &writer);
  fputs("}}\n", file);
}

/* Names may hold quotes and more: in the header only what every client understands. */
static void add_file_name(struct response *response, const struct model *model, const char *extension) {
  char safe[LIMIT_NAME_BYTES + 1];
  size_t length = 0;
  for (const char *at = model->row.name; *at != '\0' && length + 1 < sizeof safe; at++) {
    bool is_safe = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || strchr("-_.", *at) != NULL;
    safe[length++] = is_safe ? *at : '_';
  }
  safe[length] = '\0';
  response_add_header(response, "Content-Disposition", "attachment; filename=\"%s.%s\"", safe, extension);
}

enum error_code models_export(struct api *api, const struct request *request, struct response *response, struct error *error) {
  const char *format = request_get_query(request, "format");
  if (format == NULL) format = "safetensors";
  bool is_json = strcmp(format, "json") == 0;
  if (!is_json && strcmp(format, "safetensors") != 0) {
    return error_set(error, ERROR_MALFORMED, "query parameter \"format\" must be safetensors or json");
  }
  struct model *model;
  FILE *file = NULL;
  enum error_code code = model_cache_take(api->models, request->id, &model, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_MODEL, request->id, code, error);
  code = temporary_open(api, &file, error);
  if (code == ERROR_NONE && is_json) write_json(model, file);
  if (code == ERROR_NONE && !is_json) code = write_safetensors(model, file, error);
  if (code == ERROR_NONE) {
    add_file_name(response, model, is_json ? "json" : "safetensors");
    code = respond_file(response, is_json ? "application/json" : "application/octet-stream", file, error);
  } else if (file != NULL) {
    fclose(file);
  }
  model_cache_return(api->models, model);
  return code;
}
