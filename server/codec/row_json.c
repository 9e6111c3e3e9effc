#include "server/codec/row_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/param.h"
#include "server/codec/image_text.h"
#include "server/codec/json_text.h"
#include "server/codec/number_text.h"
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
