/* See transfer.h. Called where a job is submitted, and where its first step is prepared. */
#include "engine/transfer.h"

#include <stdio.h>
#include <string.h>

static bool find_layer(const struct network *network, const char *name, size_t *out_index) {
  for (size_t i = 0; i < network_layer_count(network); i++) {
    if (strcmp(network_get_layer_name(network, i), name) != 0) continue;
    *out_index = i;
    return true;
  }
  return false;
}

static bool are_same(size_t count, const struct layer_tensor *left, size_t right_count, const struct layer_tensor *right) {
  if (count != right_count) return false;
  for (size_t i = 0; i < count; i++)
    if (strcmp(left[i].name, right[i].name) != 0 || !shape_equal(&left[i].shape, &right[i].shape)) return false;
  return true;
}

enum transfer_fate transfer_judge(const struct network *from, const struct network *to, size_t index, size_t *out_source) {
  const struct layer *layer = network_get_layer(to, index);
  if (layer->tensor_count == 0 && layer->buffer_count == 0) return TRANSFER_NOTHING;
  if (!find_layer(from, layer->name, out_source)) return TRANSFER_NEW;
  const struct layer *source = network_get_layer(from, *out_source);
  const bool fits = source->kind == layer->kind && are_same(layer->tensor_count, layer->tensors, source->tensor_count, source->tensors) &&
                    are_same(layer->buffer_count, layer->buffers, source->buffer_count, source->buffers);
  return fits ? TRANSFER_TAKEN : TRANSFER_MISFIT;
}

/* "dense, weight [3, 4], bias [3]" */
static const char *describe(const struct layer *layer, char *text, size_t text_bytes) {
  int used = snprintf(text, text_bytes, "%s", layer->kind->kind.name);
  for (size_t i = 0; i < layer->tensor_count && used > 0 && (size_t)used < text_bytes; i++) {
    char shape[SHAPE_TEXT_BYTES];
    used += snprintf(text + used, text_bytes - (size_t)used, ", %s %s", layer->tensors[i].name,
                     shape_format(&layer->tensors[i].shape, shape, sizeof shape));
  }
  return text;
}

enum error_code transfer_check(const struct network *from, const struct network *to, const char *pointer, struct error *error) {
  enum error_code code = ERROR_NONE;
  size_t taken = 0;
  for (size_t i = 0; i < network_layer_count(to); i++) {
    size_t source = 0;
    const enum transfer_fate fate = transfer_judge(from, to, i, &source);
    taken += fate == TRANSFER_TAKEN;
    if (fate != TRANSFER_MISFIT) continue;
    char theirs[160], ours[160];
    const struct layer *layer = network_get_layer(to, i);
    code = error_add(error, pointer, "layer \"%s\" is %s in the model, but %s here: give it another name to start it anew", layer->name,
                     describe(network_get_layer(from, source), theirs, sizeof theirs), describe(layer, ours, sizeof ours));
  }
  if (code != ERROR_NONE || taken > 0) return code;
  return error_add(error, pointer, "no layer of this network has the name of one in the model, whose first is \"%s\"",
                   network_get_layer_name(from, 0));
}

/* Tensors, or buffers, of two layers that are the same. */
static enum error_code read_tensors(const struct transfer_source *source, bool is_buffer, const struct layer *from, const struct layer *to,
                                    float *out_values, struct error *error) {
  const size_t count = is_buffer ? to->buffer_count : to->tensor_count;
  const struct layer_tensor *theirs = is_buffer ? from->buffers : from->tensors, *ours = is_buffer ? to->buffers : to->tensors;
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < count && code == ERROR_NONE; i++)
    code = source->read(source->context, is_buffer, theirs[i].offset, shape_size(&ours[i].shape), out_values + ours[i].offset, error);
  return code;
}

enum error_code transfer_read(const struct network *from, const struct network *to, const struct transfer_source *source, float *parameters,
                              float *buffers, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < network_layer_count(to) && code == ERROR_NONE; i++) {
    size_t at = 0;
    if (transfer_judge(from, to, i, &at) != TRANSFER_TAKEN) continue;
    const struct layer *theirs = network_get_layer(from, at), *ours = network_get_layer(to, i);
    code = read_tensors(source, false, theirs, ours, parameters, error);
    if (code == ERROR_NONE) code = read_tensors(source, true, theirs, ours, buffers, error);
  }
  return code;
}
