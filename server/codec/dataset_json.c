#include "server/codec/dataset_json.h"

#include <string.h>

#include "server/codec/json_text.h"
#include "server/codec/settings_json.h"
#include "server/data/csv.h"
#include "server/data/datetime.h"

enum { SHOWN_ELEMENTS_MAX = 4096 }; /* of a tensor as nested numbers */

static json_t *categories_to_json(const struct dataset_column *column, json_t **out_counts) {
  json_t *values = json_array(), *counts = json_array();
  for (size_t i = 0; i < column->category_count; i++) {
    json_append(&values, json_string(column->categories[i].value));
    json_append(&counts, json_integer((json_int_t)column->categories[i].count));
  }
  *out_counts = counts;
  return values;
}

/* Of a column of dates, in seconds since 1970. */
static json_t *instant_to_json(double instant) {
  char text[DATETIME_TEXT_BYTES];
  return json_string(datetime_format(instant, text));
}

static json_t *shape_to_json(const struct dataset_column *column) {
  json_t *shape = json_array();
  for (size_t i = 0; i < column->rank; i++) json_append(&shape, json_integer((json_int_t)column->sizes[i]));
  return shape;
}

static json_t *first_word_to_json(const struct dataset_column *column) {
  if (column->first_word == NULL) return json_null();
  return json_pack("{s:I, s:s}", "line", (json_int_t)column->first_word_line, "value", column->first_word);
}

static json_t *column_to_json(const struct dataset_column *column, bool is_whole) {
  json_t *(*to_json)(double number) = column->datetime_form != 0 ? instant_to_json : json_number;
  json_t *json = json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o}", "name", column->name, "kind", column_kind_names[column->kind], "missing",
                           (json_int_t)column->missing, "min", to_json(column->min), "max", to_json(column->max), "mean",
                           to_json(column->mean), "std", json_number(column->std));
  if (column->rank > 0) {
    json_put(&json, "shape", shape_to_json(column));
    json_put(&json, "element", json_string(tensor_element_names[column->element]));
  }
  if (column->list_longest > 0) json_put(&json, "max_length", json_integer((json_int_t)column->list_longest));
  if (!is_whole) return json;
  bool shows_categories = column->kind == COLUMN_CATEGORICAL && column->has_categories;
  json_t *counts = json_null();
  json_t *values = shows_categories ? categories_to_json(column, &counts) : json_null();
  json_put(&json, "first_word", first_word_to_json(column));
  json_put(&json, "categories", values);
  json_put(&json, "category_counts", counts);
  return json;
}

static json_t *bad_rows_to_json(const struct dataset_row *row) {
  json_t *first = json_array();
  for (size_t i = 0; i < row->bad_rows_kept; i++) {
    json_append(&first, json_pack("{s:I, s:s}", "line", (json_int_t)row->bad_rows[i].line, "reason", row->bad_rows[i].reason));
  }
  return json_pack("{s:I, s:o}", "count", (json_int_t)row->bad_row_count, "first", first);
}

json_t *dataset_to_json(const struct dataset_row *row, bool is_whole) {
  json_t *columns = json_array();
  for (size_t i = 0; i < row->column_count; i++) json_append(&columns, column_to_json(&row->columns[i], is_whole));
  char delimiter[2] = {row->delimiter, '\0'};
  const char *part_column = NULL;
  for (size_t i = 0; i < row->column_count; i++)
    if (row->columns[i].says_part) part_column = row->columns[i].name;
  json_t *json = json_pack("{s:s, s:s, s:I, s:I, s:s, s:o, s:s, s:b, s:s?, s:o}", "id", row->id, "name", row->name, "rows",
                           (json_int_t)row->rows, "bytes", (json_int_t)row->bytes, "sha256", row->sha256, "columns", columns, "delimiter",
                           delimiter, "header", (int)row->has_header, "part_column", part_column, "created_at", json_time(row->created_ms));
  if (is_whole)
    json_put(&json, "bad_rows", bad_rows_to_json(row));
  else
    json_put(&json, "bad_row_count", json_integer((json_int_t)row->bad_row_count));
  return json;
}

json_t *dataset_cell_to_json(const struct dataset_column *column, const char *text) {
  if (csv_is_missing(text)) return json_null();
  double number;
  if (column->kind != COLUMN_NUMERIC || !csv_parse_number(text, &number)) return json_string(text);
  if (column->is_integral && number >= -9007199254740992.0 && number <= 9007199254740992.0) return json_integer((json_int_t)number);
  return json_number(number);
}

/* sizes[level] arrays, one for each index along that axis; *elements goes on behind what was taken. */
static json_t *nest(const struct dataset_column *column, size_t level, const unsigned char **elements) {
  json_t *array = json_array();
  for (size_t i = 0; i < column->sizes[level]; i++) {
    if (level + 1 < column->rank && level + 1 < COLUMN_RANK_MAX) {
      json_append(&array, nest(column, level + 1, elements));
    } else if (column->element == ELEMENT_UINT8) {
      json_append(&array, json_integer(*(*elements)++));
    } else {
      float value;
      memcpy(&value, *elements, sizeof value);
      *elements += sizeof value;
      json_append(&array, json_number((double)value));
    }
  }
  return array;
}

json_t *dataset_tensor_to_json(const struct dataset_column *column, const void *elements) {
  if (dataset_column_count_elements(column) > SHOWN_ELEMENTS_MAX)
    return json_pack("{s:o, s:s}", "shape", shape_to_json(column), "element", tensor_element_names[column->element]);
  const unsigned char *next = elements;
  return nest(column, 0, &next);
}
