/* GET /v1/datasets/{id}/rows: some rows, or some of those that fulfil conditions. */
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/codec/dataset_json.h"
#include "server/data/import.h"
#include "server/data/row_filter.h"
#include "server/data/tensor_file.h"

enum {
  PREVIEW_BYTES_MAX = 4 << 20, /* of one answer's cells */
  SHORT_BYTES_MAX = 4 << 20,   /* of a file that is searched at once */
  POLL_ROWS = 1024
};

struct preview {
  const struct request *request;
  const struct dataset_row *dataset;
  struct tensor_file tensors;
  struct row_filter filter;
  uint64_t offset, limit; /* of the rows that match */
  uint64_t matching;      /* met so far */
  json_t *rows, *indices;
  size_t bytes;
};

static void add_row(struct preview *preview, uint64_t index, const char *const *cells) {
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
  json_append(&preview->rows, row);
  json_append(&preview->indices, json_integer((json_int_t)index));
}

static enum error_code take_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  struct preview *preview = context;
  if (index % POLL_ROWS == 0 && request_is_abandoned(preview->request))
    return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
  if (!row_filter_matches(&preview->filter, cells)) return ERROR_NONE;
  const uint64_t position = preview->matching++;
  if (position >= preview->offset && position - preview->offset < preview->limit && preview->bytes <= PREVIEW_BYTES_MAX)
    add_row(preview, index, cells);
  return preview->rows != NULL && preview->indices != NULL ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
}

/* Without conditions the rows are where the index says; with them, every row has to be looked at. */
static enum error_code read_rows(struct api *api, struct preview *preview, struct error *error) {
  const struct dataset_row *dataset = preview->dataset;
  const char *data_dir = store_get_data_dir(api->store);
  enum error_code code = tensor_file_open(data_dir, dataset, &preview->tensors, error);
  if (code == ERROR_NONE && preview->filter.count > 0) {
    code = dataset_read_rows(data_dir, dataset, 0, dataset->rows, take_row, preview, error);
  } else if (code == ERROR_NONE && preview->offset < dataset->rows) {
    preview->matching = preview->offset;
    code = dataset_read_rows(data_dir, dataset, preview->offset, preview->limit, take_row, preview, error);
  }
  if (preview->filter.count == 0) preview->matching = dataset->rows;
  tensor_file_close(&preview->tensors);
  return code;
}

static enum error_code read_query(struct preview *preview, struct error *error) {
  const struct request *request = preview->request;
  const char *where = request_get_query(request, "where");
  preview->limit = ROWS_LIMIT_DEFAULT;
  enum error_code code = query_get_number(request, (struct query_number){"offset", 0, INT64_MAX}, &preview->offset, error);
  if (code == ERROR_NONE) code = query_get_number(request, (struct query_number){"limit", 1, ROWS_LIMIT_MAX}, &preview->limit, error);
  if (code == ERROR_NONE && where != NULL) code = row_filter_parse(where, preview->dataset, &preview->filter, error);
  return code;
}

static json_t *list_names(const struct dataset_row *dataset) {
  json_t *names = json_array();
  for (size_t i = 0; i < dataset->column_count; i++) json_append(&names, json_string(dataset->columns[i].name));
  return names;
}

/* {"columns": [names], "rows": [[cells in that order]], "indices": [of the rows], "offset", "total"}: total are those that fulfil the
 * conditions; fewer rows than asked for where they are very long. */
enum error_code datasets_get_rows(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct dataset_row dataset;
  enum error_code code = resource_get_dataset(api, request->id, &dataset, error);
  if (code != ERROR_NONE) return code;
  struct preview preview = {.request = request, .dataset = &dataset};
  code = read_query(&preview, error);
  response->is_deferred = code == ERROR_NONE && !request->may_take_long && preview.filter.count > 0 && dataset.bytes > SHORT_BYTES_MAX;
  if (code == ERROR_NONE && !response->is_deferred) {
    preview.rows = json_array();
    preview.indices = json_array();
    code = read_rows(api, &preview, error);
    json_t *json = json_pack("{s:o, s:o, s:o, s:I, s:I}", "columns", list_names(&dataset), "rows", preview.rows, "indices", preview.indices,
                             "offset", (json_int_t)preview.offset, "total", (json_int_t)preview.matching);
    if (code == ERROR_NONE)
      code = respond_json(response, 200, json, error);
    else
      json_decref(json);
  }
  dataset_row_deinit(&dataset);
  return code;
}
