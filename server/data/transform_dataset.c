/* A dataset through a model's preprocessor, in portions: for evaluate. */
#include <stdlib.h>

#include "server/data/encode.h"
#include "server/data/import.h"
#include "server/data/prepared.h"

typedef enum error_code portion_handler(void *context, const float *x, const float *y, size_t count, struct error *error);

struct transformer {
  struct encoder encoder;
  bool as_values;
  size_t portion, count; /* rows at most, and so far */
  size_t x_width, y_width;
  float *x, *y;
  portion_handler *handler;
  void *context;
};

static enum error_code flush(struct transformer *transformer, struct error *error) {
  size_t count = transformer->count;
  transformer->count = 0;
  return count == 0 ? ERROR_NONE : transformer->handler(transformer->context, transformer->x, transformer->y, count, error);
}

static enum error_code take_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct transformer *transformer = context;
  bool is_missing;
  float *x = transformer->x + transformer->count * transformer->x_width, *y = transformer->y + transformer->count * transformer->y_width;
  enum error_code code = encoder_encode_target(&transformer->encoder, cells, row, transformer->as_values, y, &is_missing, error);
  if (code != ERROR_NONE || is_missing) return code;
  code = encoder_encode(&transformer->encoder, cells, row, x, error);
  if (code != ERROR_NONE || ++transformer->count < transformer->portion) return code;
  return flush(transformer, error);
}

enum error_code preprocessor_read_dataset(const struct preprocessor *preprocessor, const char *data_dir, const struct dataset_row *dataset,
                                          bool as_values, size_t portion,
                                          enum error_code (*handler)(void *context, const float *x, const float *y, size_t count,
                                                                     struct error *error),
                                          void *context, struct error *error) {
  struct transformer transformer = {.as_values = as_values, .portion = portion, .handler = handler, .context = context};
  transformer.x_width = preprocessor->input_width;
  transformer.y_width = preprocessor_get_target_width(preprocessor, as_values);
  size_t x_floats, y_floats;
  if (__builtin_mul_overflow(portion, transformer.x_width, &x_floats) || __builtin_mul_overflow(portion, transformer.y_width, &y_floats)) {
    return error_set(error, ERROR_OVER_BUDGET, "%zu rows need more memory than can be addressed", portion);
  }
  enum error_code code = encoder_init(&transformer.encoder, preprocessor, dataset, "/dataset", error);
  if (code != ERROR_NONE) return code;
  struct tensor_file tensors;
  code = tensor_file_open(data_dir, dataset, &tensors, error);
  transformer.encoder.tensors = &tensors;
  transformer.x = calloc(x_floats, sizeof *transformer.x);
  transformer.y = calloc(y_floats, sizeof *transformer.y);
  if (code == ERROR_NONE && (transformer.x == NULL || transformer.y == NULL))
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu rows at a time", portion);
  if (code == ERROR_NONE) code = dataset_read_rows(data_dir, dataset, 0, dataset->rows, take_row, &transformer, error);
  if (code == ERROR_NONE) code = flush(&transformer, error);
  free(transformer.x);
  free(transformer.y);
  encoder_deinit(&transformer.encoder);
  tensor_file_close(&tensors);
  return code;
}
