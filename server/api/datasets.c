/* /v1/datasets: what is known of datasets, some of their rows, corrections of column kinds. dataset_upload.c takes new ones. */
#include <stdlib.h>
#include <string.h>

#include "engine/param.h"
#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/codec/dataset_json.h"
#include "server/data/import.h"

enum { PREVIEW_BYTES_MAX = 4 << 20 /* of one answer's cells */ };

enum error_code datasets_get_list(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct store_page page;
  enum error_code code = query_get_page(request, &page, error);
  if (code != ERROR_NONE) return code;
  struct dataset_row *rows = NULL;
  size_t count = 0;
  char next[sizeof page.cursor] = "";
  code = datasets_list(api->store, &page, &rows, &count, next, error);
  if (code != ERROR_NONE) return code;
  json_t *items = json_array();
  for (size_t i = 0; i < count; i++) {
    json_append(&items, dataset_to_json(&rows[i], false));
    dataset_row_deinit(&rows[i]);
  }
  free(rows);
  return respond_page(response, items, next, error);
}

enum error_code datasets_get_one(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct dataset_row row;
  enum error_code code = resource_get_dataset(api, request->id, &row, error);
  if (code != ERROR_NONE) return code;
  code = respond_json(response, 200, dataset_to_json(&row, true), error);
  dataset_row_deinit(&row);
  return code;
}

enum error_code datasets_delete_one(struct api *api, const struct request *request, struct response *response, struct error *error) {
  enum error_code code = datasets_delete(api->store, request->id, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_DATASET, request->id, code, error);
  store_vacuum(api->store);
  respond_nothing(response);
  return ERROR_NONE;
}

/* PATCH: {"name": …, "columns": {"zip": "categorical"} or [{"name": "zip", "kind": "categorical"}]} */
struct change {
  const struct dataset_row *row;
  const char *name;
  size_t change_count;
  struct column_change *changes; /* one place per column */
};

static const char *get_column_name(const void *context, size_t index) { return ((const struct dataset_row *)context)->columns[index].name; }
static const char *get_kind_name(const void *context, size_t index) {
  (void)context;
  return column_kind_names[index];
}

/* Why a column can't be of a kind; NULL if it can. */
static const char *find_obstacle(const struct dataset_column *column, enum column_kind kind) {
  if (column->rank > 0) return kind == column->kind ? NULL : "holds arrays of its own file; its kind can't be changed";
  if (kind == COLUMN_NUMERIC && !column->can_be_numeric)
    return "can't be numeric: it has values that are not numbers; categorical or text would do";
  if (kind == COLUMN_CATEGORICAL && !column->has_categories) return "can't be categorical: it has too many distinct values; text would do";
  if (kind == COLUMN_DATETIME && column->datetime_form == 0)
    return "can't be datetime: not all of its values are dates (2024-03-01, 2024-03-01T13:45:10Z), or nothing tells day from month";
  if (kind == COLUMN_SEQUENCE && column->list_longest == 0)
    return "can't be sequence: not all of its values are lists of numbers (0.1 0.2 0.3)";
  if (kind == COLUMN_IMAGE) return "can't be an image: it is a column of a table; upload images as IDX, NPY or ZIP";
  return NULL;
}

static void add_change(struct change *change, const char *column_name, const json_t *kind_json, const char *pointer, struct error *error) {
  const struct dataset_row *row = change->row;
  size_t column = 0;
  while (column < row->column_count && strcmp(row->columns[column].name, column_name) != 0) column++;
  if (column == row->column_count) {
    const char *nearest = param_suggest(column_name, row->column_count, get_column_name, row);
    error_add(error, pointer, "no column is named \"%.64s\"%s%s%s", column_name, nearest == NULL ? "" : ", did you mean \"",
              nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    return;
  }
  const char *kind_name = json_string_value(kind_json);
  size_t kind = 0;
  while (kind_name != NULL && column_kind_names[kind] != NULL && strcmp(column_kind_names[kind], kind_name) != 0) kind++;
  if (kind_name == NULL || column_kind_names[kind] == NULL) {
    const char *nearest = kind_name == NULL ? NULL : param_suggest(kind_name, COLUMN_SEQUENCE + 1, get_kind_name, NULL);
    error_add(error, pointer, "must be \"numeric\", \"categorical\", \"text\", \"datetime\" or \"sequence\"%s%s%s",
              nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    return;
  }
  const char *obstacle = find_obstacle(&row->columns[column], (enum column_kind)kind);
  if (obstacle != NULL) {
    error_add(error, pointer, "column \"%.64s\" %s", column_name, obstacle);
    return;
  }
  for (size_t i = 0; i < change->change_count; i++) {
    if (change->changes[i].column == column) {
      error_add(error, pointer, "column \"%.64s\" is given twice", column_name);
      return;
    }
  }
  change->changes[change->change_count++] = (struct column_change){column, (enum column_kind)kind};
}

static void read_columns(struct change *change, const json_t *columns, struct error *error) {
  char pointer[ERROR_POINTER_BYTES];
  if (json_is_object(columns)) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)columns, key, value) {
      if (!error_has_room(error)) return;
      error_pointer(pointer, "/columns", "%s", key);
      add_change(change, key, value, pointer, error);
    }
    return;
  }
  if (!json_is_array(columns)) {
    error_add(error, "/columns", "must be an object {\"column\": \"kind\"} or an array of {\"name\", \"kind\"}");
    return;
  }
  static const char *const known[] = {"name", "kind", NULL};
  for (size_t i = 0; i < json_array_size(columns) && error_has_room(error); i++) {
    const json_t *item = json_array_get(columns, i);
    error_pointer(pointer, "/columns", "%zu", i);
    const char *name = json_string_value(json_object_get(item, "name"));
    if (name == NULL) {
      error_add(error, pointer, "must be an object {\"name\": column, \"kind\": kind}");
      continue;
    }
    object_check_keys(item, known, pointer, error);
    char kind_pointer[ERROR_POINTER_BYTES];
    error_pointer(kind_pointer, pointer, "kind");
    add_change(change, name, json_object_get(item, "kind"), kind_pointer, error);
  }
}

static enum error_code read_change(const json_t *body, struct change *change, struct error *error) {
  static const char *const known[] = {"name", "columns", NULL};
  object_check_keys(body, known, "", error);
  const json_t *name = json_object_get(body, "name"), *columns = json_object_get(body, "columns");
  change->name = json_string_value(name);
  if (name != NULL && (change->name == NULL || !store_is_name(change->name))) {
    error_add(error, "/name", "must be " STORE_NAME_RULE, LIMIT_NAME_BYTES);
  }
  change->changes = calloc(change->row->column_count + 1, sizeof *change->changes);
  if (change->changes == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  if (columns != NULL) read_columns(change, columns, error);
  return error->code;
}

enum error_code datasets_patch(struct api *api, const struct request *request, struct response *response, struct error *error) {
  json_t *body = NULL;
  struct dataset_row row = {0}, changed = {0};
  enum error_code code = resource_get_dataset(api, request->id, &row, error);
  if (code == ERROR_NONE) code = request_parse_object(request, &body, error);
  struct change change = {.row = &row};
  if (code == ERROR_NONE) code = read_change(body, &change, error);
  if (code == ERROR_NONE) code = datasets_update(api->store, row.id, change.name, change.changes, change.change_count, error);
  if (code == ERROR_NONE) code = resource_get_dataset(api, row.id, &changed, error);
  if (code == ERROR_NONE) code = respond_json(response, 200, dataset_to_json(&changed, true), error);
  free(change.changes);
  json_decref(body);
  dataset_row_deinit(&row);
  dataset_row_deinit(&changed);
  return code;
}
