/* In this order: names are read into roles and parts, arrays with one role are the columns of the table, their shapes are checked and say
 * the columns' kinds, then the rows are written part after part. */
#include "server/data/array_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/data/csv.h"
#include "server/data/split.h"

enum { NAME_BYTES = ARRAY_NAME_BYTES + 24 };

static const char *const part_words[PART_COUNT] = {"train", "validation", "test"};

/* What an array is for. Columns are written in this order. */
enum role { ROLE_FEATURES, ROLE_OTHER, ROLE_TARGET, ROLE_COUNT };

/* ---- names ---- */

static const struct {
  const char *word;
  enum role role;
  const char *column; /* its name in the table; NULL: the word itself */
} known_words[] = {
    {"images", ROLE_FEATURES, NULL},   {"image", ROLE_FEATURES, NULL},     {"x", ROLE_FEATURES, NULL},       {"data", ROLE_FEATURES, NULL},
    {"features", ROLE_FEATURES, NULL}, {"inputs", ROLE_FEATURES, NULL},    {"labels", ROLE_TARGET, "label"}, {"label", ROLE_TARGET, NULL},
    {"y", ROLE_TARGET, NULL},          {"targets", ROLE_TARGET, "target"}, {"target", ROLE_TARGET, NULL},
};
enum { KNOWN_WORDS = sizeof known_words / sizeof known_words[0] };

struct meaning {
  enum split_part part;
  enum role role;
  char column[ARRAY_NAME_BYTES];
};

static enum split_part find_part(const char *word, size_t bytes) {
  char text[16];
  if (bytes >= sizeof text) return PART_COUNT;
  memcpy(text, word, bytes);
  text[bytes] = '\0';
  return strcasecmp(text, "t10k") == 0 ? PART_TEST : split_part_of_word(text);
}

/* "train-images-idx3-ubyte.gz", "x_test.npy": the part is the first or the last word, what the file is called by is no word. */
static struct meaning read_name(const char *name) {
  static const char *const endings[] = {".gz", ".npy", ".idx", "-ubyte", "-idx1", "-idx2", "-idx3", "-idx4"};
  struct meaning meaning = {.part = PART_COUNT, .role = ROLE_OTHER};
  char *text = meaning.column;
  snprintf(text, sizeof meaning.column, "%s", name);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    const size_t bytes = strlen(text), ending_bytes = strlen(endings[i]);
    if (bytes > ending_bytes && strcasecmp(text + bytes - ending_bytes, endings[i]) == 0) text[bytes - ending_bytes] = '\0';
  }
  const size_t bytes = strlen(text), first = strcspn(text, "_-");
  size_t last = bytes;
  while (last > 0 && text[last - 1] != '_' && text[last - 1] != '-') last--;
  if (first < bytes && find_part(text, first) != PART_COUNT) {
    meaning.part = find_part(text, first);
    memmove(text, text + first + 1, bytes - first);
  } else if (last > 1 && find_part(text + last, bytes - last) != PART_COUNT) {
    meaning.part = find_part(text + last, bytes - last);
    text[last - 1] = '\0';
  }
  for (size_t i = 0; i < KNOWN_WORDS; i++) {
    if (strcasecmp(text, known_words[i].word) != 0) continue;
    meaning.role = known_words[i].role;
    if (known_words[i].column != NULL) snprintf(text, sizeof meaning.column, "%s", known_words[i].column);
    break;
  }
  if (meaning.part == PART_COUNT) meaning.part = PART_TRAIN;
  return meaning;
}

bool array_table_knows_name(const char *name) { return read_name(name).role != ROLE_OTHER; }

/* ---- columns ---- */

enum layout { LAYOUT_NUMBERS, LAYOUT_PLANES /* [c, h, w] or [h, w] */, LAYOUT_PIXELS /* [h, w, c] */, LAYOUT_SEQUENCE };

/* The arrays of all parts that are one column of the table, or several of numbers. */
struct group {
  enum role role;
  char name[ARRAY_NAME_BYTES];
  const struct named_array *parts[PART_COUNT]; /* NULL: that part has none */
  enum layout layout;
  size_t width;                /* LAYOUT_NUMBERS: columns */
  struct tensor_column tensor; /* of other layouts */
};

struct table {
  struct import *import;
  size_t group_count;
  struct group groups[ARRAY_TABLE_ARRAYS_MAX];
  uint64_t rows[PART_COUNT];
  const struct named_array *first[PART_COUNT]; /* that told the part's rows; NULL: there is no such part */
  size_t part_count, column_count, tensor_count;
  struct tensor_column tensors[ARRAY_TABLE_ARRAYS_MAX];
  unsigned char *record;
  char *texts; /* [column_count, ARRAY_NUMBER_BYTES] of one row */
  const char **cells;
};

static struct group *find_group(struct table *table, const struct meaning *meaning) {
  for (size_t i = 0; i < table->group_count; i++) {
    const struct group *group = &table->groups[i];
    const bool is_same = meaning->role == ROLE_OTHER ? strcmp(group->name, meaning->column) == 0 : group->role == meaning->role;
    if (is_same && (meaning->role == ROLE_OTHER) == (group->role == ROLE_OTHER)) return &table->groups[i];
  }
  struct group *group = &table->groups[table->group_count++];
  *group = (struct group){.role = meaning->role};
  memcpy(group->name, meaning->column, sizeof group->name);
  return group;
}

static enum error_code add_array(struct table *table, const struct named_array *array, struct error *error) {
  const struct meaning meaning = read_name(array->name);
  char shape[ARRAY_SHAPE_BYTES];
  if (array->array.rank == 0)
    return error_set(error, ERROR_INVALID, "\"%s\" is a single number; its first axis must be the rows", array->name);
  struct group *group = find_group(table, &meaning);
  if (group->parts[meaning.part] != NULL)
    return error_set(error, ERROR_INVALID, "\"%s\" and \"%s\" are the same of the part \"%s\"; send one of them",
                     group->parts[meaning.part]->name, array->name, part_words[meaning.part]);
  group->parts[meaning.part] = array;
  const struct named_array *first = table->first[meaning.part];
  if (first == NULL) {
    table->first[meaning.part] = array;
    table->rows[meaning.part] = array->array.sizes[0];
    table->part_count++;
  } else if (first->array.sizes[0] != array->array.sizes[0]) {
    return error_set(error, ERROR_INVALID, "\"%s\" has %" PRIu64 " rows, but \"%s\" has %" PRIu64 " (%s); they must have as many",
                     first->name, first->array.sizes[0], array->name, array->array.sizes[0], array_format_shape(&array->array, shape));
  }
  return ERROR_NONE;
}

static bool is_channel_count(uint64_t size) { return size == 1 || size == 3 || size == 4; }

static enum error_code refuse_shape(const struct named_array *named, const char *hint, struct error *error) {
  char shape[ARRAY_SHAPE_BYTES];
  return error_set(error, ERROR_INVALID, "\"%s\" is %s %s; %s", named->name, array_format_shape(&named->array, shape),
                   array_type_names[named->array.type], hint);
}

static enum error_code set_tensor(struct group *group, const struct named_array *named, enum column_kind kind, size_t rank,
                                  const uint64_t sizes[COLUMN_RANK_MAX], struct error *error) {
  group->tensor = (struct tensor_column){.kind = kind, .rank = rank};
  if (kind != COLUMN_IMAGE) group->tensor.element = ELEMENT_FLOAT32;
  for (size_t i = 0; i < rank; i++) {
    if (sizes[i] > TENSOR_RECORD_BYTES_MAX || sizes[i] == 0)
      return refuse_shape(named, "the sizes of a row's array must be from 1 to some millions", error);
    group->tensor.sizes[i] = (size_t)sizes[i];
  }
  return ERROR_NONE;
}

/* What one array's shape and type make of its column. */
static enum error_code set_layout(struct group *group, const struct named_array *named, struct error *error) {
  const struct array *array = &named->array;
  const uint64_t *sizes = array->sizes;
  const bool is_picture = array->type == ARRAY_UINT8 || array->type == ARRAY_BOOL;
  group->layout = LAYOUT_NUMBERS;
  group->width = 1;
  if (array->rank == 1) return ERROR_NONE;
  if (array->rank == 2) {
    if (sizes[1] == 0 || sizes[1] >= CSV_COLUMNS_MAX)
      return refuse_shape(named, "an array of two axes becomes a column of numbers for each of 1 to 16383", error);
    group->width = (size_t)sizes[1];
    return ERROR_NONE;
  }
  if (array->rank == 3 && !is_picture) {
    group->layout = LAYOUT_SEQUENCE;
    return set_tensor(group, named, COLUMN_SEQUENCE, 2, (const uint64_t[]){sizes[1], sizes[2], 0}, error);
  }
  if (!is_picture) return refuse_shape(named, "images must be uint8, 0 to 255 (numbers from 0 to 1: (255 * x).astype(np.uint8))", error);
  group->layout = LAYOUT_PLANES;
  if (array->rank == 3) return set_tensor(group, named, COLUMN_IMAGE, 3, (const uint64_t[]){1, sizes[1], sizes[2]}, error);
  if (array->rank == 4 && is_channel_count(sizes[3])) {
    group->layout = LAYOUT_PIXELS;
    return set_tensor(group, named, COLUMN_IMAGE, 3, (const uint64_t[]){sizes[3], sizes[1], sizes[2]}, error);
  }
  if (array->rank == 4 && is_channel_count(sizes[1])) return set_tensor(group, named, COLUMN_IMAGE, 3, sizes + 1, error);
  return refuse_shape(named, "images are rows × height × width, or rows × height × width × channels with 1, 3 or 4 channels", error);
}

/* Every part must have every column, and alike. */
static enum error_code lay_out_group(struct table *table, struct group *group, struct error *error) {
  const struct named_array *model = NULL;
  for (int part = 0; part < PART_COUNT; part++) {
    const struct named_array *named = group->parts[part];
    if (table->first[part] == NULL) continue;
    if (named == NULL)
      return error_set(error, ERROR_INVALID, "the part \"%s\" has \"%s\" but no %s; send them too, or leave them out of the other parts",
                       part_words[part], table->first[part]->name,
                       group->role == ROLE_TARGET     ? "labels"
                       : group->role == ROLE_FEATURES ? "images (or x)"
                                                      : group->name);
    enum error_code code = model == NULL ? set_layout(group, named, error) : ERROR_NONE;
    if (code != ERROR_NONE) return code;
    if (model == NULL) model = named;
    bool is_same = named->array.rank == model->array.rank && named->array.type == model->array.type;
    for (size_t i = 1; i < model->array.rank && is_same; i++) is_same = named->array.sizes[i] == model->array.sizes[i];
    if (is_same) continue;
    char shapes[2][ARRAY_SHAPE_BYTES];
    return error_set(error, ERROR_INVALID, "\"%s\" is %s %s, but \"%s\" is %s %s; all but the number of rows must be the same", model->name,
                     array_format_shape(&model->array, shapes[0]), array_type_names[model->array.type], named->name,
                     array_format_shape(&named->array, shapes[1]), array_type_names[named->array.type]);
  }
  /* Nothing predicts images; the likely slip is the two parts of a form taken for each other. */
  if (group->role == ROLE_TARGET && group->layout != LAYOUT_NUMBERS && group->tensor.kind == COLUMN_IMAGE)
    return refuse_shape(model, "labels are numbers, not images; are the names of the parts swapped?", error);
  if (group->role == ROLE_FEATURES && group->layout != LAYOUT_NUMBERS)
    snprintf(group->name, sizeof group->name, "%s", group->layout == LAYOUT_SEQUENCE ? "sequence" : "image");
  return ERROR_NONE;
}

static int compare_groups(const void *left, const void *right) {
  const struct group *a = left, *b = right;
  if (a->role != b->role) return a->role < b->role ? -1 : 1;
  return strcmp(a->name, b->name);
}

/* Columns in the order of their roles; tensors get their places in the record as tensor_file.h says. */
static enum error_code lay_out(struct table *table, struct error *error) {
  enum error_code code = ERROR_NONE;
  uint64_t rows = 0;
  for (int part = 0; part < PART_COUNT; part++) rows += table->rows[part];
  for (size_t i = 0; i < table->group_count && code == ERROR_NONE; i++) code = lay_out_group(table, &table->groups[i], error);
  if (code != ERROR_NONE) return code;
  if (rows == 0) return error_set(error, ERROR_INVALID, "\"%s\" has no rows; there must be at least one", table->groups[0].name);
  qsort(table->groups, table->group_count, sizeof table->groups[0], compare_groups);
  for (size_t i = 0; i < table->group_count; i++) {
    struct group *group = &table->groups[i];
    group->tensor.column = table->column_count;
    table->column_count += group->layout == LAYOUT_NUMBERS ? group->width : 1;
    if (group->layout != LAYOUT_NUMBERS) table->tensors[table->tensor_count++] = group->tensor;
  }
  table->column_count += table->part_count > 1;
  if (table->column_count > CSV_COLUMNS_MAX)
    return error_set(error, ERROR_INVALID, "the arrays make %zu columns; a table may have %d", table->column_count, CSV_COLUMNS_MAX);
  return ERROR_NONE;
}

/* ---- rows ---- */

static enum error_code write_header(struct table *table, struct error *error) {
  char(*names)[NAME_BYTES] = calloc(table->column_count, sizeof *names);
  if (names == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", table->column_count);
  size_t column = 0;
  for (size_t i = 0; i < table->group_count; i++) {
    const struct group *group = &table->groups[i];
    const size_t count = group->layout == LAYOUT_NUMBERS ? group->width : 1;
    for (size_t k = 0; k < count; k++, column++) {
      if (count == 1)
        snprintf(names[column], NAME_BYTES, "%s", group->name);
      else
        snprintf(names[column], NAME_BYTES, "%s_%zu", group->name, k);
      table->cells[column] = names[column];
    }
  }
  if (table->part_count > 1) table->cells[column] = "part";
  enum error_code code = import_add_row(table->import, table->cells, table->column_count, error);
  free(names);
  return code;
}

static enum error_code refuse_infinity(const struct named_array *named, uint64_t row, struct error *error) {
  return error_set(error, ERROR_INVALID, "\"%s\" has an infinite number in row %" PRIu64 "; numbers must be finite (nan: missing)",
                   named->name, row);
}

static enum error_code fill_cells(struct table *table, int part, uint64_t row, struct error *error) {
  size_t column = 0;
  for (size_t i = 0; i < table->group_count; i++) {
    const struct group *group = &table->groups[i];
    if (group->layout != LAYOUT_NUMBERS) {
      table->cells[column++] = "";
      continue;
    }
    const struct named_array *named = group->parts[part];
    for (size_t k = 0; k < group->width; k++, column++) {
      char *text = table->texts + column * ARRAY_NUMBER_BYTES;
      if (!array_format_number(&named->array, row * group->width + k, text)) return refuse_infinity(named, row, error);
      table->cells[column] = text;
    }
  }
  if (table->part_count > 1) table->cells[column] = part_words[part];
  return ERROR_NONE;
}

static enum error_code fill_tensor(const struct group *group, int part, uint64_t row, unsigned char *to, struct error *error) {
  const struct array *array = &group->parts[part]->array;
  size_t count = 1;
  for (size_t i = 0; i < group->tensor.rank; i++) count *= group->tensor.sizes[i];
  const uint64_t first = row * count;
  if (group->layout == LAYOUT_PLANES) {
    memcpy(to, array->elements + first, count);
  } else if (group->layout == LAYOUT_PIXELS) {
    const size_t channels = group->tensor.sizes[0], pixels = count / channels;
    for (size_t i = 0; i < pixels; i++)
      for (size_t c = 0; c < channels; c++) to[c * pixels + i] = array->elements[first + i * channels + c];
  } else {
    for (size_t i = 0; i < count; i++) {
      const float number = (float)array_get_number(array, first + i);
      if (!isfinite(number))
        return error_set(error, ERROR_INVALID, "\"%s\" has a number that is not finite, or too large for float32, in row %" PRIu64,
                         group->parts[part]->name, row);
      memcpy(to + i * sizeof number, &number, sizeof number);
    }
  }
  return ERROR_NONE;
}

static enum error_code add_record(struct table *table, int part, uint64_t row, struct error *error) {
  enum error_code code = ERROR_NONE;
  size_t tensor = 0;
  for (size_t i = 0; i < table->group_count && code == ERROR_NONE; i++) {
    if (table->groups[i].layout == LAYOUT_NUMBERS) continue;
    const size_t offset = tensor_columns_get_offset(table->tensors, tensor++);
    code = fill_tensor(&table->groups[i], part, row, table->record + offset, error);
  }
  return code == ERROR_NONE ? import_add_records(table->import, table->record, 1, error) : code;
}

static enum error_code write_part(struct table *table, int part, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (uint64_t row = 0; row < table->rows[part] && code == ERROR_NONE; row++) {
    code = fill_cells(table, part, row, error);
    if (code == ERROR_NONE) code = import_add_row(table->import, table->cells, table->column_count, error);
    if (code == ERROR_NONE && table->tensor_count > 0) code = add_record(table, part, row, error);
  }
  return code;
}

static enum error_code write_rows(struct table *table, struct error *error) {
  enum error_code code = ERROR_NONE;
  if (table->tensor_count > 0) code = import_set_tensors(table->import, table->tensors, table->tensor_count, error);
  if (code != ERROR_NONE) return code;
  if (table->part_count > 1) import_set_part_column(table->import, table->column_count - 1);
  table->cells = calloc(table->column_count, sizeof *table->cells);
  table->texts = calloc(table->column_count, ARRAY_NUMBER_BYTES);
  if (table->tensor_count > 0) table->record = calloc(1, import_get_record_bytes(table->import));
  if (table->cells == NULL || table->texts == NULL || (table->tensor_count > 0 && table->record == NULL))
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", table->column_count);
  if (code == ERROR_NONE) code = write_header(table, error);
  for (int part = 0; part < PART_COUNT && code == ERROR_NONE; part++) code = write_part(table, part, error);
  free(table->cells);
  free(table->texts);
  free(table->record);
  return code;
}

enum error_code array_table_import(const struct named_array *arrays, size_t count, struct import *import, struct error *error) {
  if (count == 0 || count > ARRAY_TABLE_ARRAYS_MAX)
    return error_set(error, ERROR_INVALID, "there are %zu arrays; 1 to %d are taken", count, ARRAY_TABLE_ARRAYS_MAX);
  struct table *table = calloc(1, sizeof *table);
  if (table == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu arrays", count);
  table->import = import;
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < count && code == ERROR_NONE; i++) code = add_array(table, &arrays[i], error);
  if (code == ERROR_NONE) code = lay_out(table, error);
  if (code == ERROR_NONE) code = write_rows(table, error);
  free(table);
  return code;
}
