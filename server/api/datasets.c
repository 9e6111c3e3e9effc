/* /v1/datasets: uploads streamed to disk, what is known of them, some of their rows, corrections of column kinds. */
#include <stdlib.h>
#include <string.h>

#include "engine/param.h"
#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/once.h"
#include "server/codec/dataset_json.h"
#include "server/data/gunzip.h"
#include "server/data/import.h"

enum {
  UPLOAD_PART_BYTES = 64 << 10,
  MAGIC_BYTES = 2,            /* that tell a format */
  PREVIEW_BYTES_MAX = 4 << 20 /* of one answer's cells */
};

static const struct {
  const char *word;
  char delimiter;
} delimiter_words[] = {{"comma", ','}, {"semicolon", ';'}, {"tab", '\t'}, {"pipe", '|'}, {",", ','}, {";", ';'}, {"\t", '\t'}, {"|", '|'}};

static enum error_code read_delimiter(const struct request *request, char *out_delimiter, struct error *error) {
  const char *text = request_get_query(request, "delimiter");
  if (text == NULL || strcmp(text, "auto") == 0) return ERROR_NONE;
  for (size_t i = 0; i < sizeof delimiter_words / sizeof delimiter_words[0]; i++) {
    if (strcmp(text, delimiter_words[i].word) != 0) continue;
    *out_delimiter = delimiter_words[i].delimiter;
    return ERROR_NONE;
  }
  return error_set(error, ERROR_MALFORMED, "query parameter \"delimiter\" must be auto, comma, semicolon, tab or pipe, or that character");
}

static enum error_code read_header(const struct request *request, int *out_header, struct error *error) {
  const char *text = request_get_query(request, "header");
  if (text == NULL || strcmp(text, "auto") == 0) return ERROR_NONE;
  bool is_yes = strcmp(text, "true") == 0;
  if (!is_yes && strcmp(text, "false") != 0)
    return error_set(error, ERROR_MALFORMED, "query parameter \"header\" must be true, false or auto");
  *out_header = is_yes ? 1 : 0;
  return ERROR_NONE;
}

static enum error_code read_options(const struct request *request, struct import_options *out_options, struct error *error) {
  *out_options = (struct import_options){.delimiter = 0, .header = -1};
  if (media_type_is(request->content_type, "text/tab-separated-values")) {
    out_options->delimiter = '\t';
  } else if (!media_type_is(request->content_type, "text/csv")) {
    return error_set(error, ERROR_MEDIA_TYPE, "Content-Type must be text/csv or text/tab-separated-values");
  }
  enum error_code code = read_delimiter(request, &out_options->delimiter, error);
  return code == ERROR_NONE ? read_header(request, &out_options->header, error) : code;
}

/* A bad or taken name is found before the file is sent. Without a key only: a repetition's name is taken, by itself. */
static enum error_code check_name(struct api *api, const struct request *request, struct error *error) {
  const char *name = request_get_query(request, "name");
  if (name == NULL) return ERROR_NONE;
  if (!store_is_name(name)) {
    return error_set(error, ERROR_INVALID, "query parameter \"name\" must be " STORE_NAME_RULE, LIMIT_NAME_BYTES);
  }
  if (request->idempotency_key != NULL) return ERROR_NONE;
  struct dataset_row row = {0};
  struct error missing = {0};
  enum error_code code = datasets_get(api->store, name, &row, &missing);
  if (code == ERROR_NOT_FOUND) return ERROR_NONE;
  dataset_row_deinit(&row);
  return code != ERROR_NONE ? error_set(error, code, "%s", missing.detail)
                            : error_set(error, ERROR_CONFLICT, "there is a dataset named \"%s\" already", name);
}

/* A body on its way into the import: decompressed first if it begins as gzip does. */
struct intake {
  struct import *import;
  struct gunzip *gunzip; /* NULL: plain */
  uint64_t bytes, bytes_max;
};

static enum error_code take_plain(void *context, const char *bytes, size_t byte_count, struct error *error) {
  return import_write(((struct intake *)context)->import, bytes, byte_count, error);
}

static enum error_code take_part(struct intake *intake, const char *bytes, size_t byte_count, struct error *error) {
  const bool is_first = intake->bytes == 0;
  intake->bytes += byte_count;
  if (intake->bytes > intake->bytes_max)
    return error_set(error, ERROR_TOO_LARGE, "an upload may have %llu bytes", (unsigned long long)intake->bytes_max);
  enum error_code code = ERROR_NONE;
  if (is_first && gunzip_is_magic(bytes, byte_count)) code = gunzip_create(intake->bytes_max, take_plain, intake, &intake->gunzip, error);
  if (code != ERROR_NONE) return code;
  return intake->gunzip != NULL ? gunzip_feed(intake->gunzip, bytes, byte_count, error) : take_plain(intake, bytes, byte_count, error);
}

/* Fills the part as far as the body goes, so that its first bytes are there together. */
static enum error_code read_part(const struct request *request, char *part, size_t *out_bytes, struct error *error) {
  enum error_code code = ERROR_NONE;
  size_t bytes = 1;
  *out_bytes = 0;
  while (code == ERROR_NONE && bytes > 0 && *out_bytes < MAGIC_BYTES) {
    code = request->read(request->read_context, part + *out_bytes, UPLOAD_PART_BYTES - *out_bytes, &bytes, error);
    *out_bytes += bytes;
  }
  return code;
}

/* The body into a file in the data directory, in bounded memory. */
static enum error_code receive(struct api *api, const struct request *request, const struct import_options *options,
                               struct dataset_row *out_row, struct error *error) {
  struct import *import = NULL;
  enum error_code code = import_begin(store_get_data_dir(api->store), options, &import, error);
  if (code != ERROR_NONE) return code;
  char *part = malloc(UPLOAD_PART_BYTES);
  if (part == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  struct intake intake = {.import = import, .bytes_max = api->options.limits.upload_bytes};
  for (size_t bytes = 1; code == ERROR_NONE && bytes > 0;) {
    code = read_part(request, part, &bytes, error);
    if (code == ERROR_NONE && bytes > 0) code = take_part(&intake, part, bytes, error);
  }
  if (code == ERROR_NONE && intake.gunzip != NULL) code = gunzip_finish(intake.gunzip, error);
  gunzip_destroy(intake.gunzip);
  free(part);
  if (code == ERROR_NONE) return import_finish(import, out_row, error);
  import_abort(import);
  return code;
}

struct dataset_insertion {
  struct api *api;
  struct dataset_row *row;
  bool is_inserted;
};

static enum error_code insert_dataset(void *context, struct response *response, struct error *error) {
  struct dataset_insertion *insertion = context;
  enum error_code code = datasets_insert(insertion->api->store, insertion->row, error);
  if (code != ERROR_NONE) return code;
  insertion->is_inserted = true;
  response_add_header(response, "Location", "/v1/datasets/%s", insertion->row->id);
  return respond_json(response, 201, dataset_to_json(insertion->row, true), error);
}

enum error_code datasets_post(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct import_options options;
  struct dataset_row row = {0};
  enum error_code code = read_options(request, &options, error);
  if (code == ERROR_NONE) code = check_name(api, request, error);
  if (code == ERROR_NONE) code = receive(api, request, &options, &row, error);
  if (code != ERROR_NONE) return code;
  const char *name = request_get_query(request, "name");
  if (name != NULL) snprintf(row.name, sizeof row.name, "%s", name);
  struct once once;
  struct dataset_insertion insertion = {.api = api, .row = &row};
  code = once_init(&once, request, row.sha256, error);
  if (code == ERROR_NONE) code = once_run(api, &once, insert_dataset, &insertion, response, error);
  /* Refused, answered from an earlier time, or rolled back: nothing refers to the file. */
  if (code != ERROR_NONE || !insertion.is_inserted) import_remove_files(store_get_data_dir(api->store), &row);
  dataset_row_deinit(&row);
  return code;
}

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

static enum error_code get_row(struct api *api, const char *id_or_name, struct dataset_row *out_row, struct error *error) {
  memset(out_row, 0, sizeof *out_row);
  enum error_code code = datasets_get(api->store, id_or_name, out_row, error);
  return resource_explain(api, RESOURCE_DATASET, id_or_name, code, error);
}

enum error_code datasets_get_one(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct dataset_row row;
  enum error_code code = get_row(api, request->id, &row, error);
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
    const char *nearest = kind_name == NULL ? NULL : param_suggest(kind_name, COLUMN_DATETIME + 1, get_kind_name, NULL);
    error_add(error, pointer, "must be \"numeric\", \"categorical\", \"text\" or \"datetime\"%s%s%s",
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
  enum error_code code = get_row(api, request->id, &row, error);
  if (code == ERROR_NONE) code = request_parse_object(request, &body, error);
  struct change change = {.row = &row};
  if (code == ERROR_NONE) code = read_change(body, &change, error);
  if (code == ERROR_NONE) code = datasets_update(api->store, row.id, change.name, change.changes, change.change_count, error);
  if (code == ERROR_NONE) code = get_row(api, row.id, &changed, error);
  if (code == ERROR_NONE) code = respond_json(response, 200, dataset_to_json(&changed, true), error);
  free(change.changes);
  json_decref(body);
  dataset_row_deinit(&row);
  dataset_row_deinit(&changed);
  return code;
}

struct preview {
  const struct dataset_row *dataset;
  struct tensor_file tensors;
  json_t *rows;
  size_t bytes;
  uint64_t count;
};

static enum error_code add_preview_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  struct preview *preview = context;
  if (preview->bytes > PREVIEW_BYTES_MAX) return ERROR_NONE;
  json_t *row = json_array();
  for (size_t i = 0; i < preview->dataset->column_count; i++) {
    const struct dataset_column *column = &preview->dataset->columns[i];
    if (column->rank > 0) {
      preview->bytes += 4 * dataset_column_count_elements(column);
      json_append(&row,
                  dataset_tensor_to_json(column, tensor_file_get(&preview->tensors, tensor_file_get_offset(preview->dataset, i), index)));
    } else {
      preview->bytes += strlen(cells[i]) + 4;
      json_append(&row, dataset_cell_to_json(column, cells[i]));
    }
  }
  preview->count++;
  return json_append(&preview->rows, row) ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
}

/* {"columns": [names], "rows": [[cells in that order]], "offset", "total"}; fewer rows than asked for where they are very long. */
enum error_code datasets_get_rows(struct api *api, const struct request *request, struct response *response, struct error *error) {
  uint64_t offset = 0, limit = ROWS_LIMIT_DEFAULT;
  enum error_code code = query_get_number(request, (struct query_number){"offset", 0, INT64_MAX}, &offset, error);
  if (code == ERROR_NONE) code = query_get_number(request, (struct query_number){"limit", 1, ROWS_LIMIT_MAX}, &limit, error);
  struct dataset_row row = {0};
  if (code == ERROR_NONE) code = get_row(api, request->id, &row, error);
  if (code != ERROR_NONE) return code;
  if (offset > row.rows) offset = row.rows;
  if (limit > row.rows - offset) limit = row.rows - offset;
  struct preview preview = {.dataset = &row, .rows = json_array()};
  const char *data_dir = store_get_data_dir(api->store);
  code = tensor_file_open(data_dir, &row, &preview.tensors, error);
  if (code == ERROR_NONE && limit > 0) code = dataset_read_rows(data_dir, &row, offset, limit, add_preview_row, &preview, error);
  tensor_file_close(&preview.tensors);
  json_t *names = json_array();
  for (size_t i = 0; i < row.column_count; i++) json_append(&names, json_string(row.columns[i].name));
  json_t *json = json_pack("{s:o, s:o, s:I, s:I}", "columns", names, "rows", preview.rows, "offset", (json_int_t)offset, "total",
                           (json_int_t)row.rows);
  dataset_row_deinit(&row);
  if (code == ERROR_NONE) return respond_json(response, 200, json, error);
  json_decref(json);
  return code;
}
