#include "server/data/encode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/loss.h"
#include "server/data/column_stats.h"
#include "server/data/csv.h"

/* Its columns in this dataset may have the dates written in another order than in the one that was trained on. */
bool encoder_parse_date(const struct encoder *encoder, size_t index, const char *text, struct datetime *out_datetime) {
  const int form = encoder->dataset->columns[encoder->feature_columns[index]].datetime_form;
  const enum datetime_order order = form != 0 ? datetime_form_unpack(form).order : encoder->preprocessor->features[index].dates.form.order;
  return datetime_parse(text, order, out_datetime);
}

static const struct dataset_column *find_column(const struct dataset_row *dataset, const char *name, size_t hint, size_t *out_index) {
  for (size_t i = 0; i < dataset->column_count; i++) {
    size_t at = (hint + i) % dataset->column_count; /* usually where it was in the training dataset */
    if (strcmp(dataset->columns[at].name, name) != 0) continue;
    *out_index = at;
    return &dataset->columns[at];
  }
  return NULL;
}

static enum error_code place(const struct dataset_row *dataset, const char *name, size_t hint, bool needs_numbers, const char *pointer,
                             size_t *out_column, struct error *error) {
  const struct dataset_column *column = find_column(dataset, name, hint, out_column);
  if (column == NULL) return error_add(error, pointer, "dataset \"%s\" has no column \"%.100s\"", dataset->name, name);
  bool has_values = column->missing < dataset->rows;
  if (!needs_numbers || column->can_be_numeric || !has_values) return ERROR_NONE;
  char words[COLUMN_WORDS_BYTES];
  return error_add(error, pointer, "column \"%.60s\" of dataset \"%s\" %s; it must be numbers", name, dataset->name,
                   column_describe_words(column, "holds words", words));
}

/* Arrays of steps are read from the file of tensors, lists from cells. */
static enum error_code check_steps(const struct feature *feature, const struct dataset_row *dataset, size_t index, const char *pointer,
                                   struct error *error) {
  const struct dataset_column *column = &dataset->columns[index];
  if (feature->kind != COLUMN_SEQUENCE) return ERROR_NONE;
  const bool fits = feature->list.centers == NULL
                        ? column->rank == 0
                        : column->rank == 2 && column->element == ELEMENT_FLOAT32 && column->sizes[1] == feature->list.features;
  return fits ? ERROR_NONE
              : error_add(error, pointer, "column \"%.60s\" of dataset \"%s\" has no %s of %zu number%s a step, which the model takes",
                          feature->name, dataset->name, feature->list.centers == NULL ? "lists" : "arrays", feature->list.features,
                          feature->list.features == 1 ? "" : "s");
}

size_t encoder_measure(const struct preprocessor *preprocessor) {
  size_t bytes = (preprocessor->feature_count + preprocessor->target_count + 2) * (sizeof(size_t) + sizeof(struct lookup));
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    if (preprocessor->features[i].kind == COLUMN_CATEGORICAL) bytes += lookup_measure(preprocessor->features[i].category_count);
  }
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    if (preprocessor->targets[i].is_class) bytes += lookup_measure(preprocessor->targets[i].class_count);
  }
  return bytes;
}

enum error_code encoder_init(struct encoder *encoder, const struct preprocessor *preprocessor, const struct dataset_row *dataset,
                             const char *pointer, struct error *error) {
  const size_t feature_count = preprocessor->feature_count, target_count = preprocessor->target_count;
  *encoder = (struct encoder){.preprocessor = preprocessor, .dataset = dataset};
  encoder->feature_columns = calloc(feature_count + 1, sizeof *encoder->feature_columns);
  encoder->target_columns = calloc(target_count + 1, sizeof *encoder->target_columns);
  encoder->features = calloc(feature_count + 1, sizeof *encoder->features);
  encoder->targets = calloc(target_count + 1, sizeof *encoder->targets);
  enum error_code code = ERROR_NONE;
  if (encoder->feature_columns == NULL || encoder->target_columns == NULL || encoder->features == NULL || encoder->targets == NULL) {
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to encode %zu columns", feature_count);
  }
  for (size_t i = 0; i < feature_count && code == ERROR_NONE; i++) {
    const struct feature *feature = &preprocessor->features[i];
    code = place(dataset, feature->name, feature->column, feature->kind == COLUMN_NUMERIC, pointer, &encoder->feature_columns[i], error);
    if (code == ERROR_NONE && feature->kind == COLUMN_IMAGE &&
        !image_encoding_fits(&feature->image, &dataset->columns[encoder->feature_columns[i]]))
      code = error_add(error, pointer, "column \"%.60s\" of dataset \"%s\" has no images of %zu × %zu × %zu, which the model takes",
                       feature->name, dataset->name, feature->image.channels, feature->image.height, feature->image.width);
    if (code == ERROR_NONE) code = check_steps(feature, dataset, encoder->feature_columns[i], pointer, error);
    if (code == ERROR_NONE && feature->kind == COLUMN_CATEGORICAL)
      code = lookup_init(&encoder->features[i], feature->categories, feature->category_count, error);
  }
  for (size_t i = 0; i < target_count && preprocessor->is_reconstruction; i++) encoder->target_columns[i] = encoder->feature_columns[i];
  for (size_t i = 0; i < target_count && !preprocessor->is_reconstruction && code == ERROR_NONE; i++) {
    const struct target *target = &preprocessor->targets[i];
    code = place(dataset, target_get_column_name(target), target->column, !target->is_class, pointer, &encoder->target_columns[i], error);
    if (code == ERROR_NONE && target->is_class) code = lookup_init(&encoder->targets[i], target->classes, target->class_count, error);
  }
  if (code != ERROR_NONE) encoder_deinit(encoder);
  return code;
}

void encoder_deinit(struct encoder *encoder) {
  if (encoder->preprocessor == NULL) return;
  for (size_t i = 0; encoder->features != NULL && i < encoder->preprocessor->feature_count; i++) lookup_deinit(&encoder->features[i]);
  for (size_t i = 0; encoder->targets != NULL && i < encoder->preprocessor->target_count; i++) lookup_deinit(&encoder->targets[i]);
  free(encoder->feature_columns);
  free(encoder->target_columns);
  free(encoder->features);
  free(encoder->targets);
  *encoder = (struct encoder){0};
}

static enum error_code refuse_word(const struct encoder *encoder, const char *name, const char *text, uint64_t row, struct error *error) {
  return error_set(error, ERROR_INVALID, "row %" PRIu64 " of dataset \"%s\": \"%.100s\" is no number, column \"%.100s\" takes numbers",
                   row + 1, encoder->dataset->name, text, name);
}

const uint8_t *encoder_get_pixels(const struct encoder *encoder, size_t index, uint64_t row) {
  return tensor_file_get(encoder->tensors, tensor_file_get_offset(encoder->dataset, encoder->feature_columns[index]), row);
}

const float *encoder_get_steps(const struct encoder *encoder, size_t index, uint64_t row) {
  return tensor_file_get(encoder->tensors, tensor_file_get_offset(encoder->dataset, encoder->feature_columns[index]), row);
}

enum error_code encoder_encode(const struct encoder *encoder, const char *const *cells, uint64_t row, float *x, struct error *error) {
  const struct preprocessor *preprocessor = encoder->preprocessor;
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    const struct feature *feature = &preprocessor->features[i];
    const char *text = cells[encoder->feature_columns[i]];
    double number;
    struct datetime datetime;
    if (feature->kind == COLUMN_IMAGE) {
      image_encoding_encode(&feature->image, encoder_get_pixels(encoder, i, row), x + feature->offset);
    } else if (feature->kind == COLUMN_SEQUENCE && feature->list.centers != NULL) {
      const size_t steps = encoder->dataset->columns[encoder->feature_columns[i]].sizes[0];
      sequence_encode_steps(&feature->list, encoder_get_steps(encoder, i, row), steps, 0, 1, x + feature->offset);
    } else if (csv_is_missing(text) && feature->token_count > 0 && feature->fill < 0) {
      return error_set(error, ERROR_INVALID,
                       "row %" PRIu64
                       " of dataset \"%s\" has nothing in column \"%.100s\", which takes tokens: whole numbers from 0 to %zu",
                       row + 1, encoder->dataset->name, feature->name, feature->token_count - 1);
    } else if (csv_is_missing(text)) {
      encode_missing(feature, x);
    } else if (feature->kind == COLUMN_TEXT) {
      encode_text(feature, text, x);
    } else if (feature->kind == COLUMN_CATEGORICAL) {
      encode_category(feature, lookup_find(&encoder->features[i], text), x);
    } else if (feature->kind == COLUMN_SEQUENCE) {
      if (encode_list(feature, text, x)) continue;
      return error_set(error, ERROR_INVALID,
                       "row %" PRIu64 " of dataset \"%s\": \"%.100s\" is no list of numbers, column \"%.100s\" takes lists, as "
                       "\"0.1 0.2 0.3\"",
                       row + 1, encoder->dataset->name, text, feature->name);
    } else if (feature->kind == COLUMN_DATETIME && encoder_parse_date(encoder, i, text, &datetime)) {
      encode_datetime(feature, &datetime, x);
    } else if (feature->kind == COLUMN_DATETIME) {
      return error_set(error, ERROR_INVALID,
                       "row %" PRIu64 " of dataset \"%s\": \"%.100s\" is no date, column \"%.100s\" takes dates, as 2024-03-01 or "
                       "2024-03-01T13:45:10Z",
                       row + 1, encoder->dataset->name, text, feature->name);
    } else if (csv_parse_number(text, &number) && !feature_takes_number(feature, number)) {
      return error_set(error, ERROR_INVALID,
                       "row %" PRIu64 " of dataset \"%s\": \"%.100s\" is no token; column \"%.100s\" takes whole numbers from 0 to %zu",
                       row + 1, encoder->dataset->name, text, feature->name, feature->token_count - 1);
    } else if (csv_parse_number(text, &number)) {
      encode_number(feature, number, x);
    } else {
      return refuse_word(encoder, feature->name, text, row, error);
    }
  }
  return ERROR_NONE;
}

static enum error_code encode_one_target(const struct encoder *encoder, size_t index, const char *text, uint64_t row, bool as_values,
                                         float *y, struct error *error) {
  const struct preprocessor *preprocessor = encoder->preprocessor;
  const struct target *target = &preprocessor->targets[index];
  double number;
  if (!target->is_class) {
    if (!csv_parse_number(text, &number)) return refuse_word(encoder, target->name, text, row, error);
    y[index] = encode_target_number(target, number);
    return ERROR_NONE;
  }
  size_t class_index = lookup_find(&encoder->targets[index], text);
  if (class_index == LOOKUP_NONE) {
    return error_set(error, ERROR_INVALID, "row %" PRIu64 " of dataset \"%s\": \"%.100s\" is none of the %zu known values of \"%.100s\"",
                     row + 1, encoder->dataset->name, text, target->class_count, target->name);
  }
  if (preprocessor->task == TASK_CLASSIFICATION && preprocessor->target_count == 1) {
    encode_class(preprocessor, class_index, as_values, y);
  } else {
    y[index] = (float)class_index;
  }
  return ERROR_NONE;
}

/* An image is in the file of tensors, and none is missing there. */
static bool is_target_missing(const struct encoder *encoder, size_t index, const char *const *cells) {
  const struct preprocessor *preprocessor = encoder->preprocessor;
  if (preprocessor->is_reconstruction && preprocessor->features[index].kind == COLUMN_IMAGE) return false;
  return csv_is_missing(cells[encoder->target_columns[index]]);
}

bool encoder_lacks_target(const struct encoder *encoder, const char *const *cells) {
  const size_t target_count = encoder->preprocessor->target_count;
  size_t missing = 0;
  for (size_t i = 0; i < target_count; i++) missing += is_target_missing(encoder, i, cells);
  return preprocessor_count_steps(encoder->preprocessor) > 1 ? missing == target_count : missing > 0;
}

enum error_code encoder_encode_target(const struct encoder *encoder, const char *const *cells, uint64_t row, bool as_values, float *y,
                                      bool *out_missing, struct error *error) {
  const size_t target_count = encoder->preprocessor->target_count;
  *out_missing = encoder_lacks_target(encoder, cells);
  if (encoder->preprocessor->is_reconstruction) return ERROR_NONE;
  for (size_t i = 0; i < target_count && !*out_missing; i++) {
    if (csv_is_missing(cells[encoder->target_columns[i]])) { /* of a sequence of classes */
      y[i] = LOSS_NO_CLASS;
      continue;
    }
    enum error_code code = encode_one_target(encoder, i, cells[encoder->target_columns[i]], row, as_values, y, error);
    if (code != ERROR_NONE) return code;
  }
  return ERROR_NONE;
}
