/* GET /v1/datasets/{id}/columns/{column}/histogram: how a column's values are spread. */
#include <math.h>
#include <stdlib.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/codec/settings_json.h"
#include "server/data/cell_number.h"
#include "server/data/histogram.h"

enum { SHORT_BYTES_MAX = 4 << 20 /* of a file that is read at once */ };

static bool is_abandoned(void *context) { return request_is_abandoned(context); }

static int compare_counts(const void *left, const void *right) {
  const struct category *a = *(const struct category *const *)left, *b = *(const struct category *const *)right;
  return (a->count < b->count) - (a->count > b->count);
}

/* Categories, the commonest first. */
static enum error_code respond_categories(const struct dataset_column *column, struct response *response, struct error *error) {
  const struct category **sorted = malloc((column->category_count + 1) * sizeof(const struct category *));
  if (sorted == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  for (size_t i = 0; i < column->category_count; i++) sorted[i] = &column->categories[i];
  qsort(sorted, column->category_count, sizeof *sorted, compare_counts);
  json_t *values = json_array(), *counts = json_array();
  for (size_t i = 0; i < column->category_count; i++) {
    json_append(&values, json_string(sorted[i]->value));
    json_append(&counts, json_integer((json_int_t)sorted[i]->count));
  }
  free(sorted);
  return respond_json(response, 200,
                      json_pack("{s:s, s:s, s:s, s:o, s:o, s:I}", "column", column->name, "kind", column_kind_names[column->kind], "of",
                                "categories", "categories", values, "counts", counts, "missing", (json_int_t)column->missing),
                      error);
}

static json_t *edge_to_json(const struct dataset_column *column, double edge) {
  char text[DATETIME_TEXT_BYTES];
  return column->kind == COLUMN_DATETIME ? json_string(datetime_format(edge, text)) : json_number(edge);
}

static enum error_code respond_bins(const struct dataset_column *column, const struct histogram *histogram, struct response *response,
                                    struct error *error) {
  json_t *edges = json_array(), *counts = json_array();
  for (size_t i = 0; i <= histogram->bin_count; i++) json_append(&edges, edge_to_json(column, histogram->edges[i]));
  for (size_t i = 0; i < histogram->bin_count; i++) json_append(&counts, json_integer((json_int_t)histogram->counts[i]));
  return respond_json(response, 200,
                      json_pack("{s:s, s:s, s:s, s:o, s:o, s:I}", "column", column->name, "kind", column_kind_names[column->kind], "of",
                                column_has_numbers(column) ? "values" : "characters", "edges", edges, "counts", counts, "missing",
                                (json_int_t)histogram->missing),
                      error);
}

static enum error_code respond_column(struct api *api, const struct request *request, const struct dataset_row *dataset, size_t position,
                                      struct response *response, struct error *error) {
  const struct dataset_column *column = &dataset->columns[position];
  uint64_t bins = 0;
  enum error_code code = query_get_number(request, (struct query_number){"bins", 1, HISTOGRAM_BINS_MAX}, &bins, error);
  if (code != ERROR_NONE) return code;
  const bool is_of_categories = column->kind == COLUMN_CATEGORICAL && column->has_categories;
  if (is_of_categories && bins > 0)
    return error_set(
        error, ERROR_MALFORMED,
        "query parameter \"bins\" is of numbers, dates and texts; column \"%.80s\" has categories, each of which is counted: leave "
        "it out",
        column->name);
  if (is_of_categories) return respond_categories(column, response, error);
  response->is_deferred = !request->may_take_long && dataset->bytes > SHORT_BYTES_MAX;
  if (response->is_deferred) return ERROR_NONE;
  struct histogram histogram;
  code = histogram_read(store_get_data_dir(api->store), dataset, position, (size_t)bins, is_abandoned, (void *)request, &histogram, error);
  return code == ERROR_NONE ? respond_bins(column, &histogram, response, error) : code;
}

enum error_code datasets_get_histogram(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct dataset_row dataset;
  size_t position = 0;
  enum error_code code = resource_get_dataset(api, request->id, &dataset, error);
  if (code != ERROR_NONE) return code;
  code = resource_find_column(&dataset, request->part, &position, error);
  if (code == ERROR_NONE) code = respond_column(api, request, &dataset, position, response, error);
  dataset_row_deinit(&dataset);
  return code;
}
