#include "server/data/association.h"

#include <math.h>
#include <stdlib.h>

#include "server/data/association_measures.h"
#include "server/data/cell_number.h"
#include "server/data/import.h"
#include "server/data/lookup.h"

enum { POLL_ROWS = 1024, ROWS_MIN = 3 };
static const double LEAK_SHARE = 0.98;

const char *const association_measure_names[] = {"none", "pearson", "correlation_ratio", "cramers_v", NULL};

struct sample {
  const struct association_request *request;
  size_t column_count;
  uint64_t stride;        /* every so many rows one is kept */
  size_t capacity, count; /* rows */
  float *values;          /* [column_count, capacity] */
  char **texts;           /* of all categories that the tables below look up */
  struct lookup *lookups; /* [column_count] of columns of classes; empty for others */
  double *origins;        /* [column_count] subtracted from numbers, so that float32 loses little of those far from 0 */
  double *row_offsets;    /* [column_count] a number less its row's, of the first row kept; NaN: not always the same */
};

static bool is_of_classes(const struct sample *sample, size_t column) {
  const struct dataset_column *of = &sample->request->dataset->columns[column];
  if (column == sample->request->target) return sample->request->is_class;
  return of->kind == COLUMN_CATEGORICAL && of->has_categories;
}

static bool is_used(const struct sample *sample, size_t column) {
  return is_of_classes(sample, column) || column_has_numbers(&sample->request->dataset->columns[column]);
}

static float get_value(const struct sample *sample, size_t column, const char *cell, double *out_number) {
  const struct dataset_column *of = &sample->request->dataset->columns[column];
  *out_number = NAN;
  if (!is_used(sample, column) || csv_is_missing(cell)) return NAN;
  if (is_of_classes(sample, column)) {
    const size_t index = lookup_find(&sample->lookups[column], cell);
    return index == LOOKUP_NONE ? NAN : (float)index;
  }
  if (!cell_get_number(of, cell, out_number)) return NAN;
  return (float)(*out_number - sample->origins[column]);
}

static enum error_code take_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  struct sample *sample = context;
  const struct association_request *request = sample->request;
  if (index % POLL_ROWS == 0 && request->poll != NULL && request->poll(request->poll_context))
    return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
  if (index % sample->stride != 0 || sample->count == sample->capacity) return ERROR_NONE;
  for (size_t column = 0; column < sample->column_count; column++) {
    double number;
    sample->values[column * sample->capacity + sample->count] = get_value(sample, column, cells[column], &number);
    const double offset = number - (double)index;
    if (sample->count == 0)
      sample->row_offsets[column] = offset;
    else if (sample->row_offsets[column] != offset)
      sample->row_offsets[column] = NAN;
  }
  sample->count++;
  return ERROR_NONE;
}

/* The tables borrow the texts of the dataset's categories, which are listed one behind the other for it. */
static enum error_code init_lookups(struct sample *sample, struct error *error) {
  const struct dataset_row *dataset = sample->request->dataset;
  size_t category_count = 0, first = 0;
  for (size_t i = 0; i < dataset->column_count; i++) category_count += dataset->columns[i].category_count;
  sample->texts = malloc((category_count + 1) * sizeof *sample->texts);
  if (sample->texts == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu categories", category_count);
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < dataset->column_count && code == ERROR_NONE; i++) {
    const struct dataset_column *column = &dataset->columns[i];
    if (!is_of_classes(sample, i)) continue;
    for (size_t k = 0; k < column->category_count; k++) sample->texts[first + k] = column->categories[k].value;
    code = lookup_init(&sample->lookups[i], sample->texts + first, column->category_count, error);
    first += column->category_count;
  }
  return code;
}

static enum error_code sample_init(struct sample *sample, const struct association_request *request, struct error *error) {
  const struct dataset_row *dataset = request->dataset;
  const size_t columns = dataset->column_count;
  const uint64_t rows_max = ASSOCIATION_CELLS / columns > 0 ? ASSOCIATION_CELLS / columns : 1;
  const uint64_t stride = (dataset->rows + rows_max - 1) / rows_max;
  *sample = (struct sample){.request = request, .column_count = columns, .stride = stride > 0 ? stride : 1};
  sample->capacity = (size_t)((dataset->rows + sample->stride - 1) / sample->stride);
  sample->values = malloc((columns * sample->capacity + 1) * sizeof *sample->values);
  sample->lookups = calloc(columns, sizeof *sample->lookups);
  sample->origins = calloc(columns, sizeof *sample->origins);
  sample->row_offsets = calloc(columns, sizeof *sample->row_offsets);
  if (sample->values == NULL || sample->lookups == NULL || sample->origins == NULL || sample->row_offsets == NULL)
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a sample of %zu rows", sample->capacity);
  for (size_t i = 0; i < columns; i++) sample->origins[i] = isnan(dataset->columns[i].mean) ? 0 : dataset->columns[i].mean;
  return init_lookups(sample, error);
}

static void sample_deinit(struct sample *sample) {
  for (size_t i = 0; sample->lookups != NULL && i < sample->column_count; i++) lookup_deinit(&sample->lookups[i]);
  free(sample->lookups);
  free(sample->texts);
  free(sample->values);
  free(sample->origins);
  free(sample->row_offsets);
}

static struct variable get_variable(const struct sample *sample, size_t column) {
  return (struct variable){.values = sample->values + column * sample->capacity,
                           .class_count = is_of_classes(sample, column) ? sample->request->dataset->columns[column].category_count : 0};
}

static double measure(const struct sample *sample, enum association_measure kind, const struct variable *x, const struct variable *y,
                      double *table) {
  if (kind == ASSOCIATION_PEARSON) return measure_pearson(x, y, sample->count);
  if (kind == ASSOCIATION_CRAMER) return measure_cramers_v(x, y, sample->count, table);
  return x->class_count > 0 ? measure_correlation_ratio(x, y, sample->count, table) : measure_correlation_ratio(y, x, sample->count, table);
}

static enum error_code associate(const struct sample *sample, size_t column, struct association *association, struct error *error) {
  const struct variable x = get_variable(sample, column), y = get_variable(sample, sample->request->target);
  const enum association_measure kind = x.class_count > 0 && y.class_count > 0   ? ASSOCIATION_CRAMER
                                        : x.class_count > 0 || y.class_count > 0 ? ASSOCIATION_RATIO
                                                                                 : ASSOCIATION_PEARSON;
  const size_t larger = x.class_count > y.class_count ? x.class_count : y.class_count;
  double *table = malloc((x.class_count * y.class_count + 2 * larger + 2) * sizeof *table);
  if (table == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to compare columns");
  const double value = measure(sample, kind, &x, &y, table);
  free(table);
  if (isnan(value)) return ERROR_NONE;
  association->measure = kind;
  association->value = value;
  enum error_code code = measure_alone(&x, &y, sample->count, &association->has_alone, &association->alone, &association->baseline, error);
  association->is_leak = code == ERROR_NONE && association->has_alone && association->baseline < 1 &&
                         association->alone - association->baseline >= LEAK_SHARE * (1 - association->baseline);
  return code;
}

enum error_code associations_read(const struct association_request *request, struct association *out_associations, uint64_t *out_rows_read,
                                  struct error *error) {
  struct sample sample;
  const struct dataset_row *dataset = request->dataset;
  for (size_t i = 0; i < dataset->column_count; i++) out_associations[i] = (struct association){0};
  enum error_code code = sample_init(&sample, request, error);
  if (code == ERROR_NONE) code = dataset_read_rows(request->data_dir, dataset, 0, dataset->rows, take_row, &sample, error);
  for (size_t i = 0; i < dataset->column_count && code == ERROR_NONE; i++) {
    out_associations[i].counts_rows = sample.count >= ROWS_MIN && !isnan(sample.row_offsets[i]);
    if (request->target < dataset->column_count && i != request->target && is_used(&sample, i))
      code = associate(&sample, i, &out_associations[i], error);
  }
  *out_rows_read = sample.count;
  sample_deinit(&sample);
  return code;
}
