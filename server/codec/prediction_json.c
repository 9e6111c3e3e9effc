#include "server/codec/prediction_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/param.h"
#include "server/codec/image_text.h"
#include "server/codec/json_text.h"
#include "server/codec/number_text.h"
#include "server/codec/reconstruction_text.h"
#include "server/codec/settings_json.h"
#include "server/data/csv.h"

static enum error_code cells_init(struct row_cells *cells, size_t count, struct error *error) {
  cells->count = count;
  cells->cells = calloc(cells->count + 1, sizeof *cells->cells);
  cells->numbers = calloc(cells->count + 1, sizeof *cells->numbers);
  cells->lists = calloc(cells->count + 1, sizeof *cells->lists);
  if (cells->cells != NULL && cells->numbers != NULL && cells->lists != NULL) return ERROR_NONE;
  row_cells_deinit(cells);
  return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
}

enum error_code row_cells_init(struct row_cells *cells, const struct preprocessor *preprocessor, struct error *error) {
  cells->features = preprocessor->features;
  return cells_init(cells, preprocessor->feature_count, error);
}

enum error_code target_cells_init(struct row_cells *cells, const struct preprocessor *preprocessor, struct error *error) {
  cells->features = NULL;
  return cells_init(cells, preprocessor->target_count, error);
}

void row_cells_deinit(struct row_cells *cells) {
  for (size_t i = 0; cells->lists != NULL && i < cells->count; i++) free(cells->lists[i]);
  free(cells->lists);
  free(cells->cells);
  free(cells->numbers);
  memset(cells, 0, sizeof *cells);
}

/* The shortest text that reads back as the same number: what a CSV file would most likely say. */
static void format_number(double number, char text[CELL_NUMBER_BYTES]) {
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(text, CELL_NUMBER_BYTES, "%.*g", digits, number);
    if (strtod(text, NULL) == number) return;
  }
}

/* The numbers of an array of arrays, one behind the other; sizes[rank] are those that each axis must have. */
static bool read_pixels(const json_t *value, const size_t *sizes, size_t rank, unsigned char **to, const char *pointer,
                        struct error *error) {
  char at[ERROR_POINTER_BYTES], given[JSON_QUOTE_BYTES];
  if (rank == 0) {
    const double number = json_number_value(value);
    if (json_is_number(value) && number >= 0 && number <= UINT8_MAX && number == floor(number)) {
      *(*to)++ = (unsigned char)number;
      return true;
    }
    error_add(error, pointer, "must be a pixel, a whole number from 0 to 255, not %s", json_quote(value, given));
    return false;
  }
  if (json_array_size(value) != sizes[0]) {
    error_add(error, pointer, "must be an array of %zu, not %s", sizes[0], json_quote(value, given));
    return false;
  }
  for (size_t i = 0; i < sizes[0]; i++) {
    error_pointer(at, pointer, "%zu", i);
    if (!read_pixels(json_array_get(value, i), sizes + 1, rank - 1, to, at, error)) return false;
  }
  return true;
}

/* Room for an image's pixels, which live as long as the cells. */
static unsigned char *reserve_pixels(struct row_cells *cells, size_t index, struct error *error) {
  free(cells->lists[index]);
  cells->lists[index] = malloc(image_encoding_get_width(&cells->features[index].image) + 1);
  if (cells->lists[index] == NULL) error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  return (unsigned char *)cells->lists[index];
}

/* A file in base64. */
static void read_image_file(struct row_cells *cells, size_t index, const json_t *value, const char *pointer, struct error *error) {
  const struct image_encoding *image = &cells->features[index].image;
  const struct image_shape shape = {image->channels, image->height, image->width};
  unsigned char *pixels = reserve_pixels(cells, index, error);
  struct error defect = {0};
  if (pixels == NULL) return;
  const enum error_code code = image_text_decode(json_string_value(value), &shape, pixels, &defect);
  if (code == ERROR_NONE)
    cells->cells[index] = (struct cell){.kind = CELL_PIXELS, .pixels = pixels};
  else if (code == ERROR_INVALID)
    error_add(error, pointer, "%s", defect.detail);
  else
    error_set(error, code, "%s", defect.detail);
}

/* [channels][height][width], of one channel also [height][width], or all pixels in one array. */
static void read_image(struct row_cells *cells, size_t index, const json_t *value, const char *pointer, struct error *error) {
  const struct image_encoding *image = &cells->features[index].image;
  const size_t sizes[] = {image->channels, image->height, image->width}, count = image_encoding_get_width(image);
  size_t depth = 0;
  for (const json_t *inner = value; json_is_array(inner) && depth < 3; inner = json_array_get(inner, 0)) depth++;
  unsigned char *to = reserve_pixels(cells, index, error);
  if (to == NULL) return;
  const bool is_plane = depth == 2 && image->channels == 1;
  if (depth == 2 && !is_plane)
    error_add(error, pointer, "must be arrays [%zu][%zu][%zu] (channels, height, width) of pixels, or one array of %zu", sizes[0], sizes[1],
              sizes[2], count);
  else if (depth == 1 ? read_pixels(value, &count, 1, &to, pointer, error)
                      : read_pixels(value, sizes + is_plane, is_plane ? 2 : 3, &to, pointer, error))
    cells->cells[index] = (struct cell){.kind = CELL_PIXELS, .pixels = (const uint8_t *)cells->lists[index]};
}

/* [steps][features] of numbers, for a feature whose steps have their own scales. */
static void read_steps(struct row_cells *cells, size_t index, const json_t *value, const char *pointer, struct error *error) {
  const size_t steps = json_array_size(value), features = cells->features[index].list.features;
  char at[ERROR_POINTER_BYTES], given[JSON_QUOTE_BYTES];
  free(cells->lists[index]);
  float *values = malloc((steps * features + 1) * sizeof *values);
  cells->lists[index] = (char *)values;
  if (values == NULL) error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  for (size_t i = 0; values != NULL && i < steps; i++) {
    const json_t *step = json_array_get(value, i);
    bool is_good = json_array_size(step) == features;
    for (size_t k = 0; k < features && is_good; k++) {
      const json_t *number = json_array_get(step, k);
      values[i * features + k] = (float)json_number_value(number);
      is_good = json_is_number(number) && isfinite(values[i * features + k]);
    }
    if (is_good) continue;
    error_pointer(at, pointer, "%zu", i);
    error_add(error, at, "must be an array of %zu numbers, a step, not %s", features, json_quote(step, given));
    return;
  }
  if (values != NULL) cells->cells[index] = (struct cell){.kind = CELL_STEPS, .values = values, .steps = steps};
}

/* An array of numbers, where a sequence is wanted, as text. */
static void read_list(struct row_cells *cells, size_t index, const json_t *value, const char *pointer, struct error *error) {
  char given[JSON_QUOTE_BYTES];
  if (cells->features != NULL && cells->features[index].kind == COLUMN_IMAGE && json_is_array(value)) {
    read_image(cells, index, value, pointer, error);
    return;
  }
  if (cells->features != NULL && cells->features[index].list.centers != NULL && json_is_array(value)) {
    read_steps(cells, index, value, pointer, error);
    return;
  }
  if (cells->features != NULL && cells->features[index].kind == COLUMN_IMAGE) {
    const struct image_encoding *image = &cells->features[index].image;
    error_add(error, pointer, "must be an image: its pixels as arrays [%zu][%zu][%zu], or a PNG or JPEG file as text in base64, not %s",
              image->channels, image->height, image->width, json_quote(value, given));
    return;
  }
  const bool takes_list = cells->features != NULL && cells->features[index].kind == COLUMN_SEQUENCE;
  if (!takes_list || !json_is_array(value)) {
    error_add(error, pointer, "must be %sa number, a string or null, not %s", takes_list ? "an array of numbers, " : "",
              json_quote(value, given));
    return;
  }
  free(cells->lists[index]);
  cells->lists[index] = json_dumps(value, JSON_COMPACT);
  cells->cells[index].kind = cells->lists[index] == NULL ? CELL_MISSING : CELL_TEXT;
  cells->cells[index].text = cells->lists[index];
  if (cells->lists[index] == NULL) error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
}

static void read_cell(struct row_cells *cells, size_t index, const json_t *value, const char *pointer, struct error *error) {
  struct cell *cell = &cells->cells[index];
  switch (json_typeof(value)) {
  case JSON_NULL: cell->kind = CELL_MISSING; break;
  case JSON_TRUE:
  case JSON_FALSE:
    cell->kind = CELL_TEXT;
    cell->text = json_is_true(value) ? "true" : "false";
    break;
  case JSON_STRING:
    if (cells->features != NULL && cells->features[index].kind == COLUMN_IMAGE) {
      read_image_file(cells, index, value, pointer, error);
      break;
    }
    cell->kind = csv_is_missing(json_string_value(value)) ? CELL_MISSING : CELL_TEXT;
    cell->text = json_string_value(value);
    break;
  case JSON_INTEGER:
  case JSON_REAL:
    cell->kind = CELL_NUMBER;
    cell->number = json_number_value(value);
    if (json_is_integer(value)) {
      snprintf(cells->numbers[index], CELL_NUMBER_BYTES, "%lld", (long long)json_integer_value(value));
    } else {
      format_number(cell->number, cells->numbers[index]);
    }
    cell->text = cells->numbers[index];
    break;
  default: read_list(cells, index, value, pointer, error);
  }
}

/* Categories are compared as texts. */
static void settle_kinds(struct row_cells *cells, const struct preprocessor *preprocessor) {
  for (size_t i = 0; i < cells->count; i++) {
    bool is_category = preprocessor->features[i].kind != COLUMN_NUMERIC;
    if (is_category && cells->cells[i].kind == CELL_NUMBER) cells->cells[i].kind = CELL_TEXT;
  }
}

static const char *get_feature_name(const void *context, size_t index) {
  return ((const struct preprocessor *)context)->features[index].name;
}

static void refuse_key(const struct preprocessor *preprocessor, const char *key, const char *pointer, struct error *error) {
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    if (strcmp(target_get_column_name(&preprocessor->targets[i]), key) == 0) return;
  }
  if (preprocessor->clock.name != NULL && strcmp(preprocessor->clock.name, key) == 0) return;
  const char *nearest = param_suggest(key, preprocessor->feature_count, get_feature_name, preprocessor);
  if (nearest != NULL)
    error_add(error, pointer, "the model has no input \"%.64s\", did you mean \"%s\"?", key, nearest);
  else
    error_add(error, pointer, "the model has no input \"%.64s\"", key);
}

static void read_object(struct row_cells *cells, const struct preprocessor *preprocessor, const json_t *row, const char *pointer,
                        struct error *error) {
  char at[ERROR_POINTER_BYTES];
  size_t used_count = 0;
  for (size_t i = 0; i < cells->count; i++) {
    const json_t *value = json_object_get(row, preprocessor->features[i].name);
    cells->cells[i].kind = CELL_MISSING;
    if (value == NULL) continue;
    used_count++;
    error_pointer(at, pointer, "%s", preprocessor->features[i].name);
    read_cell(cells, i, value, at, error);
  }
  /* Rows may carry more than the inputs; but where an input is missing, what is neither input nor target is likely its misspelt name. */
  if (used_count == json_object_size(row) || used_count == cells->count) return;
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)row, key, value) {
    if (!error_has_room(error)) return;
    bool is_feature = false;
    for (size_t i = 0; i < cells->count && !is_feature; i++) is_feature = strcmp(preprocessor->features[i].name, key) == 0;
    if (is_feature) continue;
    error_pointer(at, pointer, "%s", key);
    refuse_key(preprocessor, key, at, error);
  }
}

static void read_array(struct row_cells *cells, const json_t *row, const char *pointer, struct error *error) {
  if (json_array_size(row) != cells->count) {
    error_add(error, pointer, "has %zu values, the model takes %zu: one per input, in the order of its \"inputs\"", json_array_size(row),
              cells->count);
    return;
  }
  char at[ERROR_POINTER_BYTES];
  for (size_t i = 0; i < cells->count; i++) {
    error_pointer(at, pointer, "%zu", i);
    read_cell(cells, i, json_array_get(row, i), at, error);
  }
}

enum error_code row_cells_from_json(struct row_cells *cells, const struct preprocessor *preprocessor, const json_t *row,
                                    const char *pointer, struct error *error) {
  struct error found = {0};
  char given[JSON_QUOTE_BYTES];
  if (json_is_object(row))
    read_object(cells, preprocessor, row, pointer, &found);
  else if (json_is_array(row))
    read_array(cells, row, pointer, &found);
  else
    error_add(&found, pointer, "must be an object {\"input\": value, …} or an array of values, not %s", json_quote(row, given));
  error_merge(error, &found);
  settle_kinds(cells, preprocessor);
  return found.code;
}

struct cell row_cells_get_time(const struct row_cells *cells, const struct preprocessor *preprocessor, const json_t *row) {
  const struct clock *clock = &preprocessor->clock;
  const size_t feature = preprocessor_find_clock(preprocessor);
  const json_t *value = clock->name == NULL ? NULL : json_object_get(row, clock->name);
  if (feature < preprocessor->feature_count) return cells->cells[feature];
  if (json_is_number(value)) return (struct cell){.kind = CELL_NUMBER, .number = json_number_value(value)};
  if (value == NULL || json_is_null(value)) return (struct cell){.kind = CELL_MISSING};
  const char *text = json_is_string(value) ? json_string_value(value) : "(neither text nor number)";
  return (struct cell){.kind = csv_is_missing(text) ? CELL_MISSING : CELL_TEXT, .text = text};
}

static void read_target(struct row_cells *cells, const struct preprocessor *preprocessor, size_t index, const json_t *value,
                        const char *pointer, struct error *error) {
  struct cell *cell = &cells->cells[index];
  const struct target *target = &preprocessor->targets[index];
  cell->kind = CELL_MISSING;
  if (value != NULL) read_cell(cells, index, value, pointer, error);
  const bool may_lack = preprocessor_count_steps(preprocessor) > 1; /* a step's, but not all: preprocessor_transform_target looks */
  if (!may_lack && (value == NULL || json_is_null(value)))
    error_add(error, pointer, "is missing: the target \"%.100s\" is needed", target->name);
  if (target->is_class && cell->kind == CELL_NUMBER) cell->kind = CELL_TEXT;
}

enum error_code target_cells_from_json(struct row_cells *cells, const struct preprocessor *preprocessor, const json_t *targets,
                                       const char *pointer, struct error *error) {
  struct error found = {0};
  const size_t count = cells->count;
  char at[ERROR_POINTER_BYTES], given[JSON_QUOTE_BYTES];
  if (json_is_array(targets) && json_array_size(targets) != count)
    error_add(&found, pointer, "has %zu values, the model has %zu target%s", json_array_size(targets), count, count == 1 ? "" : "s");
  for (size_t i = 0; i < count && found.code == ERROR_NONE && json_is_object(targets); i++) {
    error_pointer(at, pointer, "%s", preprocessor->targets[i].name);
    read_target(cells, preprocessor, i, json_object_get(targets, preprocessor->targets[i].name), at, &found);
  }
  for (size_t i = 0; i < count && found.code == ERROR_NONE && json_is_array(targets); i++) {
    error_pointer(at, pointer, "%zu", i);
    read_target(cells, preprocessor, i, json_array_get(targets, i), at, &found);
  }
  if (!json_is_object(targets) && !json_is_array(targets)) {
    if (count == 1)
      read_target(cells, preprocessor, 0, targets, pointer, &found);
    else
      error_add(&found, pointer, "must be an object {\"target\": value, …} or an array of %zu values, not %s", count,
                json_quote(targets, given));
  }
  error_merge(error, &found);
  return found.code;
}

/* Which class the outputs say, and how probable each is. */
static size_t count_classes(const struct preprocessor *preprocessor) { return preprocessor->targets[0].class_count; }

static bool has_steps(const struct preprocessor *preprocessor) { return preprocessor_count_steps(preprocessor) > 1; }

/* Of a class for each step, `outputs` are those of the step. */
static double get_probability(const struct preprocessor *preprocessor, const float *outputs, size_t class_index) {
  if (preprocessor->output_width > 1) return (double)outputs[class_index];
  return class_index == 1 ? (double)outputs[0] : 1.0 - (double)outputs[0];
}

/* The most probable class, the first among equals; −1 if no probability is finite. */
static long find_class(const struct preprocessor *preprocessor, const float *outputs) {
  long best = -1;
  for (size_t i = 0; i < count_classes(preprocessor); i++) {
    double probability = get_probability(preprocessor, outputs, i);
    if (!isfinite(probability)) continue;
    if (best < 0 || probability > get_probability(preprocessor, outputs, (size_t)best)) best = (long)i;
  }
  /* One sigmoid: more than a half is the second class, as the accuracy metric counts. */
  if (preprocessor->output_width == 1 && isfinite(outputs[0])) best = outputs[0] > 0.5f ? 1 : 0;
  return best;
}

/* Room for so many bytes, or NULL. */
static char *reserve(struct prediction_text *text, size_t bytes) {
  if (text->lacks_memory) return NULL;
  if (text->capacity - text->count < bytes) {
    const size_t capacity = text->capacity * 2 > text->count + bytes + 512 ? text->capacity * 2 : text->count + bytes + 512;
    char *grown = realloc(text->bytes, capacity);
    text->lacks_memory = grown == NULL;
    if (grown == NULL) return NULL;
    text->bytes = grown;
    text->capacity = capacity;
  }
  return text->bytes + text->count;
}

void prediction_text_append(struct prediction_text *text, const char *bytes, size_t count) {
  char *to = reserve(text, count);
  if (to == NULL) return;
  memcpy(to, bytes, count);
  text->count += count;
}

static void append(struct prediction_text *text, const char *string) { prediction_text_append(text, string, strlen(string)); }

static char *write_escaped(char *to, unsigned char character) {
  static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
  const char *place = strchr(named, character);
  *to++ = '\\';
  if (place == NULL) return to + sprintf(to, "u%04X", character);
  *to++ = names[place - named];
  return to;
}

void prediction_text_append_string(struct prediction_text *text, const char *string) {
  enum { ESCAPED_BYTES = 7 }; /* \u001F and a NUL */
  char *start = reserve(text, strlen(string) * ESCAPED_BYTES + 2), *to = start;
  if (to == NULL) return;
  *to++ = '"';
  for (const unsigned char *at = (const unsigned char *)string; *at != '\0'; at++) {
    if (*at < 0x20 || *at == '"' || *at == '\\')
      to = write_escaped(to, *at);
    else
      *to++ = (char)*at;
  }
  *to++ = '"';
  text->count += (size_t)(to - start);
}

void prediction_text_append_number(struct prediction_text *text, double number) {
  char *to = reserve(text, NUMBER_TEXT_BYTES);
  if (to != NULL) text->count += (size_t)(number_write(to, number) - to);
}

/* ,"name": — without the comma for the first. */
static void append_key(struct prediction_text *text, size_t index, const char *name) {
  if (index > 0) append(text, ",");
  prediction_text_append_string(text, name);
  append(text, ":");
}

static void append_class(const struct preprocessor *preprocessor, const float *outputs, struct prediction_text *text) {
  const long found = find_class(preprocessor, outputs);
  if (found < 0)
    append(text, "null");
  else
    prediction_text_append_string(text, preprocessor->targets[0].classes[found]);
}

static void append_probabilities(const struct preprocessor *preprocessor, const float *outputs, struct prediction_text *text) {
  const struct target *target = &preprocessor->targets[0];
  append(text, "{");
  for (size_t i = 0; i < target->class_count; i++) {
    append_key(text, i, target->classes[i]);
    prediction_text_append_number(text, get_probability(preprocessor, outputs, i));
  }
  append(text, "}");
}

static void write_classification(const struct preprocessor *preprocessor, const float *outputs, struct prediction_text *text) {
  append(text, "\"class\":");
  append_class(preprocessor, outputs, text);
  append(text, ",\"probabilities\":");
  append_probabilities(preprocessor, outputs, text);
}

/* Of each step in the targets' order; null of padded ones. */
static void write_steps(const struct prediction *prediction, struct prediction_text *text,
                        void (*append_step)(const struct preprocessor *preprocessor, const float *outputs, struct prediction_text *text)) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  append(text, "{");
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    append_key(text, i, preprocessor->targets[i].name);
    if (i < prediction->real_count)
      append_step(preprocessor, prediction->outputs + i * count_classes(preprocessor), text);
    else
      append(text, "null");
  }
  append(text, "}");
}

static void write_classes(const struct prediction *prediction, struct prediction_text *text) {
  append(text, "\"classes\":");
  write_steps(prediction, text, append_class);
  append(text, ",\"probabilities\":");
  write_steps(prediction, text, append_probabilities);
}

static void write_labels(const struct prediction *prediction, struct prediction_text *text) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const float *outputs = prediction->outputs;
  append(text, "\"labels\":{");
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    append_key(text, i, preprocessor->targets[i].name);
    append(text, i >= prediction->real_count ? "null" : outputs[i] > 0.5f ? "true" : "false");
  }
  append(text, "},\"probabilities\":{");
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    append_key(text, i, preprocessor->targets[i].name);
    prediction_text_append_number(text, i < prediction->real_count ? (double)outputs[i] : (double)NAN);
  }
  append(text, "}");
}

static void write_values(const struct prediction *prediction, struct prediction_text *text) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const bool is_one = preprocessor->target_count == 1;
  append(text, is_one ? "\"value\":" : "\"values\":{");
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    if (!is_one) append_key(text, i, preprocessor->targets[i].name);
    prediction_text_append_number(
        text, i < prediction->real_count ? target_restore(&preprocessor->targets[i], (double)prediction->outputs[i]) : (double)NAN);
  }
  if (!is_one) append(text, "}");
}

void prediction_write_json(const struct prediction *prediction, struct prediction_text *text) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const float *outputs = prediction->outputs;
  append(text, "{");
  switch (preprocessor->task) {
  case TASK_CLASSIFICATION:
    if (has_steps(preprocessor))
      write_classes(prediction, text);
    else
      write_classification(preprocessor, outputs, text);
    break;
  case TASK_MULTILABEL: write_labels(prediction, text); break;
  case TASK_REGRESSION:
    if (preprocessor->is_reconstruction)
      reconstruction_write_json(prediction, text);
    else
      write_values(prediction, text);
    break;
  }
  bool is_finite = true;
  for (size_t i = 0; i < preprocessor->output_width; i++) is_finite = is_finite && isfinite(outputs[i]);
  append(text, is_finite ? "}" : ",\"non_finite\":true}");
}

void csv_write_cell(FILE *file, const char *text) {
  if (strpbrk(text, ",\"\r\n") == NULL) {
    fputs(text, file);
    return;
  }
  fputc('"', file);
  for (const char *at = text; *at != '\0'; at++) {
    if (*at == '"') fputc('"', file);
    fputc(*at, file);
  }
  fputc('"', file);
}

void csv_write_heading(FILE *file, const char *prefix, const char *name) {
  char *heading = NULL;
  if (asprintf(&heading, "%s%s", prefix, name) < 0) return;
  csv_write_cell(file, heading);
  free(heading);
}

void prediction_write_csv_header(const struct preprocessor *preprocessor, FILE *file) {
  if (preprocessor->is_reconstruction) {
    reconstruction_write_csv_header(preprocessor, file);
  } else if (preprocessor->task == TASK_CLASSIFICATION && !has_steps(preprocessor)) {
    fputs("class", file);
    for (size_t i = 0; i < count_classes(preprocessor); i++) {
      fputc(',', file);
      csv_write_heading(file, "probability_", preprocessor->targets[0].classes[i]);
    }
  } else if (preprocessor->task == TASK_REGRESSION && preprocessor->target_count == 1) {
    fputs("value", file);
  } else {
    for (size_t i = 0; i < preprocessor->target_count; i++) {
      if (i > 0) fputc(',', file);
      csv_write_cell(file, preprocessor->targets[i].name);
      if (preprocessor->task == TASK_REGRESSION) continue;
      fputc(',', file);
      csv_write_heading(file, "probability_", preprocessor->targets[i].name);
    }
  }
  fputc('\n', file);
}

void csv_write_number(FILE *file, double number) {
  if (isfinite(number)) fprintf(file, "%.9g", number);
}

/* The class and how probable it is. */
static void write_csv_step(const struct preprocessor *preprocessor, const float *outputs, FILE *file) {
  const long found = find_class(preprocessor, outputs);
  if (found >= 0) csv_write_cell(file, preprocessor->targets[0].classes[found]);
  fputc(',', file);
  if (found >= 0) csv_write_number(file, get_probability(preprocessor, outputs, (size_t)found));
}

static void write_csv_target(const struct prediction *prediction, size_t index, FILE *file) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const double output = (double)prediction->outputs[index];
  if (index >= prediction->real_count) {
    if (preprocessor->task != TASK_REGRESSION) fputc(',', file);
  } else if (preprocessor->task == TASK_CLASSIFICATION) {
    write_csv_step(preprocessor, prediction->outputs + index * count_classes(preprocessor), file);
  } else if (preprocessor->task == TASK_REGRESSION) {
    csv_write_number(file, target_restore(&preprocessor->targets[index], output));
  } else {
    fprintf(file, "%s,", output > 0.5 ? "true" : "false");
    csv_write_number(file, output);
  }
}

void prediction_write_csv(const struct prediction *prediction, FILE *file) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const float *outputs = prediction->outputs;
  if (preprocessor->is_reconstruction) {
    reconstruction_write_csv(prediction, file);
  } else if (preprocessor->task == TASK_CLASSIFICATION && !has_steps(preprocessor)) {
    long found = find_class(preprocessor, outputs);
    if (found >= 0) csv_write_cell(file, preprocessor->targets[0].classes[found]);
    for (size_t i = 0; i < count_classes(preprocessor); i++) {
      fputc(',', file);
      csv_write_number(file, get_probability(preprocessor, outputs, i));
    }
  } else {
    for (size_t i = 0; i < preprocessor->target_count; i++) {
      if (i > 0) fputc(',', file);
      write_csv_target(prediction, i, file);
    }
  }
  fputc('\n', file);
}
