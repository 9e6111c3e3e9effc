#include "server/data/preprocessor.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/loss.h"
#include "server/data/csv.h"
#include "server/data/encode.h"

static void free_texts(char **texts, size_t count) {
  for (size_t i = 0; texts != NULL && i < count; i++) free(texts[i]);
  free(texts);
}

void preprocessor_deinit(struct preprocessor *preprocessor) {
  for (size_t i = 0; preprocessor->features != NULL && i < preprocessor->feature_count; i++) {
    struct feature *feature = &preprocessor->features[i];
    free(feature->name);
    free_texts(feature->categories, feature->category_count);
    free(feature->is_seen);
    free(feature->list.centers);
    free(feature->list.scales);
    number_bins_deinit(&feature->bins);
    text_encoding_deinit(&feature->text);
  }
  for (size_t i = 0; preprocessor->targets != NULL && i < preprocessor->target_count; i++) {
    free(preprocessor->targets[i].name);
    free(preprocessor->targets[i].source);
    free_texts(preprocessor->targets[i].classes, preprocessor->targets[i].class_count);
    free(preprocessor->targets[i].class_weights);
  }
  free(preprocessor->features);
  free(preprocessor->targets);
  free(preprocessor->clock.name);
  *preprocessor = (struct preprocessor){0};
}

/* count copies; NULL if memory is short. */
static char **copy_texts(char *const *texts, size_t count) {
  char **copies = calloc(count + 1, sizeof *copies);
  for (size_t i = 0; copies != NULL && i < count; i++) {
    copies[i] = strdup(texts[i]);
    if (copies[i] != NULL) continue;
    free_texts(copies, i);
    return NULL;
  }
  return copies;
}

/* NULL stays so. False: no memory. */
static bool copy_numbers(double **out_copy, const double *numbers, size_t count) {
  *out_copy = numbers == NULL ? NULL : malloc(count * sizeof *numbers);
  if (*out_copy != NULL) memcpy(*out_copy, numbers, count * sizeof *numbers);
  return numbers == NULL || *out_copy != NULL;
}

static bool copy_feature(struct feature *copy, const struct feature *feature) {
  *copy = *feature;
  copy->name = strdup(feature->name);
  copy->categories = copy_texts(feature->categories, feature->category_count);
  copy->is_seen = calloc(feature->category_count + 1, sizeof *copy->is_seen);
  if (copy->is_seen != NULL && feature->category_count > 0)
    memcpy(copy->is_seen, feature->is_seen, feature->category_count * sizeof *copy->is_seen);
  if (!copy_numbers(&copy->list.centers, feature->list.centers, feature->list.features) |
      !copy_numbers(&copy->list.scales, feature->list.scales, feature->list.features) |
      !copy_numbers(&copy->bins.edges, feature->bins.edges, feature->bins.width + 1))
    return false;
  struct error error = {0};
  const bool has_text = feature->kind != COLUMN_TEXT || text_encoding_copy(&copy->text, &feature->text, &error) == ERROR_NONE;
  return copy->name != NULL && copy->categories != NULL && copy->is_seen != NULL && has_text;
}

bool target_set_class_weights(struct target *target, const double *weights) {
  double *copy = calloc(target->class_count + 1, sizeof *copy);
  if (copy == NULL) return false;
  memcpy(copy, weights, target->class_count * sizeof *copy);
  free(target->class_weights);
  target->class_weights = copy;
  return true;
}

static bool copy_target(struct target *copy, const struct target *target) {
  *copy = *target;
  copy->name = strdup(target->name);
  copy->source = target->source == NULL ? NULL : strdup(target->source);
  copy->classes = copy_texts(target->classes, target->class_count);
  copy->class_weights = NULL;
  bool has_weights = target->class_weights == NULL || target_set_class_weights(copy, target->class_weights);
  return copy->name != NULL && (copy->source != NULL) == (target->source != NULL) && copy->classes != NULL && has_weights;
}

enum error_code preprocessor_copy(struct preprocessor *out_copy, const struct preprocessor *preprocessor, struct error *error) {
  struct preprocessor copy = *preprocessor;
  copy.feature_count = copy.target_count = 0;
  copy.features = calloc(preprocessor->feature_count + 1, sizeof *copy.features);
  copy.targets = calloc(preprocessor->target_count + 1, sizeof *copy.targets);
  if (copy.clock.name != NULL) copy.clock.name = strdup(copy.clock.name);
  bool is_whole = copy.features != NULL && copy.targets != NULL && (copy.clock.name != NULL) == (preprocessor->clock.name != NULL);
  while (is_whole && copy.feature_count < preprocessor->feature_count) {
    size_t i = copy.feature_count++;
    is_whole = copy_feature(&copy.features[i], &preprocessor->features[i]);
  }
  while (is_whole && copy.target_count < preprocessor->target_count) {
    size_t i = copy.target_count++;
    is_whole = copy_target(&copy.targets[i], &preprocessor->targets[i]);
  }
  *out_copy = copy;
  if (is_whole) return ERROR_NONE;
  preprocessor_deinit(out_copy);
  return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the preprocessing of %zu columns", preprocessor->feature_count);
}

/* Scaled and rounded to float32; what float32 can't hold becomes its largest number. */
static float scale_number(double value, double center, double scale) {
  double scaled = (value - center) / scale;
  if (scaled > FLT_MAX) return FLT_MAX;
  return scaled < -FLT_MAX ? -FLT_MAX : (float)scaled;
}

bool feature_takes_number(const struct feature *feature, double number) {
  return feature->token_count == 0 || (number >= 0 && number < (double)feature->token_count && number == floor(number));
}

void encode_number(const struct feature *feature, double value, float *x) {
  if (feature->bins.width > 0)
    number_bins_encode(&feature->bins, value, x + feature->offset);
  else
    x[feature->offset] = scale_number(value, feature->center, feature->scale);
  if (feature->has_indicator) x[feature->offset + feature->width - 1] = 0;
}

void encode_category(const struct feature *feature, size_t index, float *x) {
  memset(x + feature->offset, 0, feature->width * sizeof *x);
  if (index < feature->category_count && feature->is_seen[index]) x[feature->offset + index] = 1;
}

void encode_text(const struct feature *feature, const char *text, float *x) {
  text_encoding_encode(&feature->text, text, x + feature->offset);
  if (feature->has_indicator) x[feature->offset + feature->width - 1] = 0;
}

void encode_datetime(const struct feature *feature, const struct datetime *datetime, float *x) {
  datetime_encode(&feature->dates, datetime, feature->center, feature->scale, x + feature->offset);
  if (feature->has_indicator) x[feature->offset + feature->width - 1] = 0;
}

bool encode_list(const struct feature *feature, const char *text, float *x) {
  if (!sequence_encode_text(&feature->list, text, feature->center, feature->scale, x + feature->offset)) return false;
  if (feature->has_indicator) x[feature->offset + feature->width - 1] = 0;
  return true;
}

void encode_missing(const struct feature *feature, float *x) {
  memset(x + feature->offset, 0, feature->width * sizeof *x);
  for (size_t i = 0; i < feature->width && feature->has_mask; i++) x[feature->offset + i] = (float)feature->mask;
  if (feature->has_mask) return;
  if (feature->kind == COLUMN_NUMERIC) encode_number(feature, feature->fill, x);
  if (feature->kind == COLUMN_SEQUENCE) sequence_encode_missing(&feature->list, x + feature->offset);
  if (feature->has_indicator) x[feature->offset + feature->width - 1] = 1;
}

void encode_class(const struct preprocessor *preprocessor, size_t index, bool as_values, float *y) {
  if (!as_values || preprocessor->output_width == 1) {
    y[0] = (float)index;
    return;
  }
  memset(y, 0, preprocessor->output_width * sizeof *y);
  y[index] = 1;
}

float encode_target_number(const struct target *target, double value) { return scale_number(value, target->center, target->scale); }

enum error_code preprocessor_add_field_error(struct error *error, const char *pointer, const char *name, const char *format, ...) {
  char field[ERROR_POINTER_BYTES], detail[ERROR_DETAIL_BYTES];
  size_t at = (size_t)snprintf(field, sizeof field, "%s/", pointer);
  for (; *name != '\0' && at + 3 < sizeof field; name++) {
    if (*name == '~' || *name == '/') {
      field[at++] = '~';
      field[at++] = *name == '~' ? '0' : '1';
    } else {
      field[at++] = *name;
    }
  }
  if (at < sizeof field) field[at] = '\0';
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  return error_add(error, field, "%s", detail);
}

static bool is_missing(const struct cell *cell) {
  return cell->kind == CELL_MISSING || (cell->kind == CELL_NUMBER && isnan(cell->number)) ||
         (cell->kind == CELL_TEXT && csv_is_missing(cell->text));
}

static bool get_number(const struct cell *cell, double *out_number) {
  if (cell->kind == CELL_TEXT) return csv_parse_number(cell->text, out_number);
  *out_number = cell->number;
  return cell->kind == CELL_NUMBER && isfinite(cell->number);
}

size_t preprocessor_find_clock(const struct preprocessor *preprocessor) {
  size_t i = 0;
  while (i < preprocessor->feature_count &&
         (preprocessor->clock.name == NULL || strcmp(preprocessor->features[i].name, preprocessor->clock.name) != 0))
    i++;
  return i;
}

bool clock_read(const struct clock *clock, const struct cell *cell, double *out_time) {
  struct datetime datetime;
  if (!clock->has_dates) return get_number(cell, out_time);
  if (cell->kind != CELL_TEXT || !datetime_parse(cell->text, clock->order, &datetime)) return false;
  *out_time = datetime.instant;
  return true;
}

/* Few cells at a time come this way, so that a walk is enough; encode.c has tables for whole datasets. */
static size_t find_value(char *const *values, size_t count, const struct cell *cell) {
  if (cell->kind == CELL_TEXT) {
    size_t bytes = strlen(cell->text);
    const char *text = csv_trim(cell->text, &bytes);
    for (size_t i = 0; i < count; i++) {
      if (strncmp(values[i], text, bytes) == 0 && values[i][bytes] == '\0') return i;
    }
  }
  double wanted, number;
  if (!get_number(cell, &wanted)) return SIZE_MAX;
  size_t found = SIZE_MAX;
  for (size_t i = 0; i < count; i++) {
    if (!csv_parse_number(values[i], &number)) return SIZE_MAX;
    if (number == wanted) found = i;
  }
  return found;
}

static const char *quote_text(const struct cell *cell) { return cell->kind == CELL_TEXT ? cell->text : "(not finite)"; }

/* What a column takes besides dates that begin with the year. */
static const char *describe_order(const struct feature *feature) {
  static const char *const forms[] = {"", ", or the day first, as 31/12/2024", ", or the month first, as 12/31/2024"};
  return forms[feature->dates.form.order];
}

enum error_code preprocessor_transform(const struct preprocessor *preprocessor, const struct cell *cells, const char *pointer, float *x,
                                       struct error *error) {
  bool is_good = true;
  struct datetime datetime;
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    const struct feature *feature = &preprocessor->features[i];
    double number;
    if (feature->kind == COLUMN_IMAGE && cells[i].kind == CELL_PIXELS) {
      image_encoding_encode(&feature->image, cells[i].pixels, x + feature->offset);
    } else if (feature->kind == COLUMN_IMAGE) {
      (void)preprocessor_add_field_error(error, pointer, feature->name,
                                         "%s; \"%.100s\" takes an image: its %zu × %zu × %zu pixels, 0 to 255, as arrays",
                                         is_missing(&cells[i]) ? "is missing" : "is no image", feature->name, feature->image.channels,
                                         feature->image.height, feature->image.width);
      is_good = false;
    } else if (is_missing(&cells[i]) && feature->token_count > 0 && feature->fill < 0) {
      (void)preprocessor_add_field_error(error, pointer, feature->name,
                                         "is missing; \"%.100s\" takes a token, a whole number from 0 to %zu", feature->name,
                                         feature->token_count - 1);
      is_good = false;
    } else if (is_missing(&cells[i])) {
      encode_missing(feature, x);
    } else if (feature->kind == COLUMN_TEXT) {
      encode_text(feature, cells[i].text, x);
    } else if (feature->kind == COLUMN_CATEGORICAL) {
      encode_category(feature, find_value(feature->categories, feature->category_count, &cells[i]), x);
    } else if (feature->kind == COLUMN_SEQUENCE && feature->list.centers != NULL) {
      if (cells[i].kind == CELL_STEPS) {
        sequence_encode_steps(&feature->list, cells[i].values, cells[i].steps, 0, 1, x + feature->offset);
        continue;
      }
      (void)preprocessor_add_field_error(error, pointer, feature->name, "is no array of steps; \"%.100s\" takes [steps][%zu] numbers",
                                         feature->name, feature->list.features);
      is_good = false;
    } else if (feature->kind == COLUMN_SEQUENCE) {
      if (cells[i].kind == CELL_TEXT && encode_list(feature, cells[i].text, x)) continue;
      (void)preprocessor_add_field_error(
          error, pointer, feature->name,
          "\"%.100s\" is no list of numbers; \"%.100s\" takes lists as [0.1, 0.2, 0.3] or \"0.1 0.2 0.3\", or null where it is "
          "missing",
          quote_text(&cells[i]), feature->name);
      is_good = false;
    } else if (feature->kind == COLUMN_DATETIME && cells[i].kind == CELL_TEXT &&
               datetime_parse(cells[i].text, feature->dates.form.order, &datetime)) {
      encode_datetime(feature, &datetime, x);
    } else if (feature->kind == COLUMN_DATETIME) {
      (void)preprocessor_add_field_error(
          error, pointer, feature->name,
          "\"%.100s\" is no date; \"%.100s\" takes dates and times as 2024-03-01 or 2024-03-01T13:45:10Z%s, or null where "
          "it is missing",
          quote_text(&cells[i]), feature->name, describe_order(feature));
      is_good = false;
    } else if (get_number(&cells[i], &number) && !feature_takes_number(feature, number)) {
      (void)preprocessor_add_field_error(error, pointer, feature->name, "%.9g is no token; \"%.100s\" takes whole numbers from 0 to %zu",
                                         number, feature->name, feature->token_count - 1);
      is_good = false;
    } else if (get_number(&cells[i], &number)) {
      encode_number(feature, number, x);
    } else {
      (void)preprocessor_add_field_error(error, pointer, feature->name,
                                         "\"%.100s\" is no number; \"%.100s\" takes numbers, or null where it is missing",
                                         quote_text(&cells[i]), feature->name);
      is_good = false;
    }
  }
  return is_good ? ERROR_NONE : ERROR_INVALID;
}

/* "\"a\", \"b\", \"c\", …" for an error. */
static const char *list_values(char *const *values, size_t count, char *text, size_t text_bytes) {
  size_t at = 0;
  text[0] = '\0';
  for (size_t i = 0; i < count && at + 48 < text_bytes; i++) {
    at += (size_t)snprintf(text + at, text_bytes - at, "%s\"%.32s\"", i > 0 ? ", " : "", values[i]);
    if (i == 4 && count > 6) {
      snprintf(text + at, text_bytes - at, ", … (%zu in all)", count);
      break;
    }
  }
  return text;
}

static enum error_code transform_class(const struct preprocessor *preprocessor, const struct target *target, const struct cell *cell,
                                       const char *pointer, size_t *out_index, struct error *error) {
  char known[240];
  *out_index = find_value(target->classes, target->class_count, cell);
  if (*out_index < target->class_count) return ERROR_NONE;
  const char *what = preprocessor->task == TASK_MULTILABEL ? "label" : "class";
  char number[32] = "";
  if (cell->kind == CELL_NUMBER) snprintf(number, sizeof number, "%.17g", cell->number);
  return preprocessor_add_field_error(error, pointer, target->name, "\"%.60s\" is no %s of \"%.60s\"; known: %s",
                                      cell->kind == CELL_TEXT ? cell->text : number, what, target->name,
                                      list_values(target->classes, target->class_count, known, sizeof known));
}

enum error_code preprocessor_transform_target(const struct preprocessor *preprocessor, const struct cell *cells, const char *pointer,
                                              bool as_values, float *y, struct error *error) {
  const bool has_steps = preprocessor_count_steps(preprocessor) > 1;
  size_t missing = 0;
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    const struct target *target = &preprocessor->targets[i];
    double number;
    size_t index = 0;
    if (has_steps && is_missing(&cells[i])) {
      y[i] = LOSS_NO_CLASS;
      if (++missing < preprocessor->target_count) continue;
    }
    if (is_missing(&cells[i]))
      return preprocessor_add_field_error(error, pointer, target->name, "is missing; the target \"%.100s\" is needed", target->name);
    if (target->is_class) {
      enum error_code code = transform_class(preprocessor, target, &cells[i], pointer, &index, error);
      if (code != ERROR_NONE) return code;
      if (preprocessor->task == TASK_CLASSIFICATION && !has_steps) {
        encode_class(preprocessor, index, as_values, y);
      } else {
        y[i] = (float)index;
      }
    } else if (get_number(&cells[i], &number)) {
      y[i] = encode_target_number(target, number);
    } else {
      return preprocessor_add_field_error(error, pointer, target->name, "\"%.100s\" is no number; the target \"%.100s\" is one",
                                          quote_text(&cells[i]), target->name);
    }
  }
  return ERROR_NONE;
}
