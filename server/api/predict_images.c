/* Predictions of many images: those of a ZIP archive, or the files of a form. CSV, a line for each with its file's name, computed in
 * batches and held in a temporary file until all are done, so that an image that can't be decoded refuses the request whole. */
#include <stdlib.h>
#include <string.h>

#include "server/api/predict_private.h"
#include "server/data/image_import.h"
#include "server/data/image_layout.h"
#include "server/data/multipart.h"
#include "server/data/spool.h"

enum { PORTION_BYTES = 64 << 10 };

struct image_batch {
  struct predictor predictor;
  const struct feature *feature;
  uint8_t *pixels; /* of one image */
  char **names;    /* [batch] of those that wait, owned */
  size_t count;
  uint64_t total;
  FILE *file;
};

static enum error_code batch_init(struct image_batch *batch, struct api *api, const struct request *request, struct error *error) {
  *batch = (struct image_batch){0};
  enum error_code code = predictor_init(&batch->predictor, api, request->id, 0, error);
  if (code == ERROR_NONE) code = predictor_get_lone_feature(&batch->predictor, COLUMN_IMAGE, "images", &batch->feature, error);
  if (code == ERROR_NONE) code = temporary_open(api, &batch->file, error);
  if (code != ERROR_NONE) return code;
  batch->pixels = malloc(image_encoding_get_width(&batch->feature->image));
  batch->names = calloc(batch->predictor.batch, sizeof *batch->names);
  if (batch->pixels == NULL || batch->names == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  fputs("file,", batch->file);
  prediction_write_csv_header(&batch->predictor.model->preprocessor, batch->file);
  return ERROR_NONE;
}

static void batch_run(struct image_batch *batch) {
  struct predictor *predictor = &batch->predictor;
  if (batch->count == 0) return;
  predictor_run(predictor, batch->count);
  const struct predictor_rows rows = {predictor->x, predictor->outputs, predictor->lengths, batch->count};
  for (size_t i = 0; i < batch->count; i++) {
    csv_write_cell(batch->file, batch->names[i]);
    fputc(',', batch->file);
    const struct prediction row = predictor_get_row(predictor->model, &rows, i);
    prediction_write_csv(&row, batch->file);
    free(batch->names[i]);
  }
  batch->count = 0;
}

static enum error_code batch_add(struct image_batch *batch, const char *name, const char *bytes, size_t count, struct error *error) {
  const struct image_encoding *image = &batch->feature->image;
  const struct image_shape shape = {image->channels, image->height, image->width};
  struct error defect = {0};
  enum error_code code = image_decode(bytes, count, &shape, batch->pixels, &defect);
  if (code == ERROR_OUT_OF_MEMORY) return error_set(error, code, "out of memory");
  if (code != ERROR_NONE) return error_set(error, ERROR_INVALID, "\"%.100s\" %.200s", name, defect.detail);
  struct predictor *predictor = &batch->predictor;
  code = preprocessor_transform(&predictor->model->preprocessor, &(struct cell){.kind = CELL_PIXELS, .pixels = batch->pixels}, "",
                                predictor->x + batch->count * predictor->input_width, error);
  if (code != ERROR_NONE) return code;
  char *copy = strdup(name);
  if (copy == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  batch->names[batch->count++] = copy;
  batch->total++;
  if (batch->count == predictor->batch) batch_run(batch);
  return ERROR_NONE;
}

/* The answer, unless `code` is an error already. */
static enum error_code batch_finish(struct image_batch *batch, enum error_code code, struct response *response, struct error *error) {
  if (code == ERROR_NONE && batch->total == 0) code = error_set(error, ERROR_INVALID, "there is no image to predict");
  if (code == ERROR_NONE) batch_run(batch);
  for (size_t i = 0; i < batch->count; i++) free(batch->names[i]);
  free(batch->names);
  free(batch->pixels);
  predictor_deinit(&batch->predictor);
  if (code == ERROR_NONE) return respond_file(response, "text/csv; charset=utf-8", batch->file, error);
  if (batch->file != NULL) fclose(batch->file);
  return code;
}

/* ---- an archive ---- */

static enum error_code add_entries(struct image_batch *batch, const struct request *request, struct zip_reader *reader,
                                   struct error *error) {
  struct image_layout layout;
  struct image_bytes bytes = {0};
  enum error_code code = image_layout_init(&layout, reader, error);
  if (code != ERROR_NONE) return code;
  for (size_t i = 0; code == ERROR_NONE && i < layout.count; i++) {
    if (request_is_abandoned(request)) code = error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
    if (code == ERROR_NONE) code = image_bytes_read(&bytes, reader, layout.files[i].entry, SIZE_MAX, error);
    if (code == ERROR_NONE) code = batch_add(batch, layout.files[i].name, bytes.bytes, bytes.count, error);
  }
  free(bytes.bytes);
  image_layout_deinit(&layout);
  return code;
}

static enum error_code spool_body(const struct request *request, struct spool *spool, struct error *error) {
  char *portion = malloc(PORTION_BYTES);
  if (portion == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  enum error_code code = ERROR_NONE;
  for (size_t bytes = 1; code == ERROR_NONE && bytes > 0;) {
    code = request->read(request->read_context, portion, PORTION_BYTES, &bytes, error);
    if (code == ERROR_NONE && bytes > 0) code = spool_write(spool, portion, bytes, error);
  }
  free(portion);
  return code;
}

enum error_code predict_archive(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct image_batch batch;
  struct spool spool = {.fd = -1};
  struct zip_reader *reader = NULL;
  enum error_code code = batch_init(&batch, api, request, error);
  if (code == ERROR_NONE) code = spool_open(store_get_data_dir(api->store), &spool, error);
  if (code == ERROR_NONE) code = spool_body(request, &spool, error);
  if (code == ERROR_NONE) code = zip_reader_open(spool.fd, api->options.limits.upload_bytes, &reader, error);
  if (code == ERROR_NONE) code = add_entries(&batch, request, reader, error);
  zip_reader_close(reader);
  spool_close(&spool);
  return batch_finish(&batch, code, response, error);
}

/* ---- a form ---- */

struct form {
  struct image_batch *batch;
  struct body_bytes bytes;
  char name[MULTIPART_NAME_BYTES_MAX + 1];
};

static enum error_code begin_file(void *context, const struct multipart_part *part, struct error *error) {
  struct form *form = context;
  (void)error;
  form->bytes.count = 0;
  snprintf(form->name, sizeof form->name, "%s", part->file_name[0] != '\0' ? part->file_name : part->name);
  return ERROR_NONE;
}

static enum error_code take_file(void *context, const char *bytes, size_t byte_count, struct error *error) {
  struct form *form = context;
  return body_append(&form->bytes, bytes, byte_count, IMAGE_FILE_BYTES_MAX, error);
}

static enum error_code end_file(void *context, struct error *error) {
  struct form *form = context;
  return batch_add(form->batch, form->name, form->bytes.count > 0 ? form->bytes.bytes : "", form->bytes.count, error);
}

static enum error_code feed_form(const struct request *request, struct multipart *multipart, struct error *error) {
  char *portion = malloc(PORTION_BYTES);
  if (portion == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  enum error_code code = ERROR_NONE;
  for (size_t bytes = 1; code == ERROR_NONE && bytes > 0;) {
    code = request->read(request->read_context, portion, PORTION_BYTES, &bytes, error);
    if (code == ERROR_NONE && bytes > 0) code = multipart_feed(multipart, portion, bytes, error);
  }
  free(portion);
  return code == ERROR_NONE ? multipart_finish(multipart, error) : code;
}

enum error_code predict_form(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct image_batch batch;
  struct form form = {.batch = &batch};
  struct multipart *multipart = NULL;
  char boundary[MULTIPART_BOUNDARY_BYTES_MAX + 1];
  const struct multipart_handlers handlers = {&form, begin_file, take_file, end_file};
  if (!multipart_find_boundary(request->content_type, boundary))
    return error_set(error, ERROR_MALFORMED, "Content-Type multipart/form-data needs a boundary");
  enum error_code code = batch_init(&batch, api, request, error);
  if (code == ERROR_NONE) code = multipart_create(boundary, &handlers, &multipart, error);
  if (code == ERROR_NONE) code = feed_form(request, multipart, error);
  multipart_destroy(multipart);
  free(form.bytes.bytes);
  return batch_finish(&batch, code, response, error);
}
