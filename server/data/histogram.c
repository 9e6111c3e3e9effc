#include "server/data/histogram.h"

#include <math.h>
#include <string.h>

#include "server/data/cell_number.h"
#include "server/data/import.h"

enum { DEFAULT_BINS_MAX = 60, POLL_ROWS = 1024, TEXT_BINS_MAX = 22 /* 2^21 is beyond CSV_CELL_BYTES_MAX */ };

struct counter {
  const struct dataset_column *column;
  size_t position;
  bool is_text;
  bool (*poll)(void *context);
  void *poll_context;
  double low, bins_per_unit;
  struct histogram *histogram;
};

static void lay_out_numbers(const struct dataset_column *column, uint64_t present, size_t bin_count, struct histogram *histogram) {
  const double range = column->max - column->min;
  size_t bins = bin_count > 0 ? bin_count : (size_t)fmin(fmax(ceil(2 * cbrt((double)present)), 1), DEFAULT_BINS_MAX);
  double low = column->min, width = column->max / (double)bins - column->min / (double)bins; /* `range` may be beyond a double */
  if (range == 0) {
    bins = 1;
    low -= 0.5;
    width = 1;
  } else if (bin_count == 0 && column->is_integral && column->kind == COLUMN_NUMERIC && range < DEFAULT_BINS_MAX) {
    bins = (size_t)range + 1;
    low -= 0.5;
    width = 1;
  }
  histogram->bin_count = bins;
  for (size_t i = 0; i <= bins; i++) histogram->edges[i] = low + width * (double)i;
  if (range > 0 && low == column->min) histogram->edges[bins] = column->max;
}

/* 0, 1, 2–3, 4–7 … characters. */
static void lay_out_lengths(struct histogram *histogram) {
  histogram->bin_count = TEXT_BINS_MAX;
  for (size_t i = 0; i <= TEXT_BINS_MAX; i++) histogram->edges[i] = i == 0 ? 0 : ldexp(1, (int)i - 1);
}

static size_t count_characters(const char *text) {
  size_t count = 0;
  for (; *text != '\0'; text++) count += ((unsigned char)*text & 0xC0) != 0x80;
  return count;
}

static size_t find_bin(const struct counter *counter, double value) {
  const struct histogram *histogram = counter->histogram;
  const double place = (value - counter->low) * counter->bins_per_unit;
  size_t bin = place > 0 ? (size_t)place : 0;
  if (bin >= histogram->bin_count) bin = histogram->bin_count - 1;
  /* The edges that the client sees decide, whatever the rounding of `place`. */
  while (bin > 0 && value < histogram->edges[bin]) bin--;
  while (bin + 1 < histogram->bin_count && value >= histogram->edges[bin + 1]) bin++;
  return bin;
}

static enum error_code count_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  struct counter *counter = context;
  const char *cell = cells[counter->position];
  if (index % POLL_ROWS == 0 && counter->poll != NULL && counter->poll(counter->poll_context))
    return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
  double value;
  if (counter->is_text && !csv_is_missing(cell))
    value = (double)count_characters(cell);
  else if (counter->is_text || !cell_get_number(counter->column, cell, &value)) {
    counter->histogram->missing++;
    return ERROR_NONE;
  }
  size_t bin = counter->is_text ? (value < 1 ? 0 : (size_t)ilogb(value) + 1) : find_bin(counter, value);
  counter->histogram->counts[bin]++;
  return ERROR_NONE;
}

static void drop_empty_end(struct histogram *histogram) {
  while (histogram->bin_count > 1 && histogram->counts[histogram->bin_count - 1] == 0) histogram->bin_count--;
}

enum error_code histogram_read(const char *data_dir, const struct dataset_row *dataset, size_t column, size_t bin_count,
                               bool (*poll)(void *context), void *context, struct histogram *out_histogram, struct error *error) {
  const struct dataset_column *of = &dataset->columns[column];
  const bool is_text = !column_has_numbers(of);
  memset(out_histogram, 0, sizeof *out_histogram);
  if (of->kind == COLUMN_IMAGE) return error_set(error, ERROR_INVALID, "column \"%.80s\" has images, which have no histogram", of->name);
  if (of->missing >= dataset->rows) return error_set(error, ERROR_INVALID, "column \"%.80s\" is missing in every row", of->name);
  if (is_text)
    lay_out_lengths(out_histogram);
  else
    lay_out_numbers(of, dataset->rows - of->missing, bin_count, out_histogram);
  struct counter counter = {.column = of,
                            .position = column,
                            .is_text = is_text,
                            .poll = poll,
                            .poll_context = context,
                            .low = out_histogram->edges[0],
                            .histogram = out_histogram};
  counter.bins_per_unit = (double)out_histogram->bin_count / (out_histogram->edges[out_histogram->bin_count] - counter.low);
  enum error_code code = dataset_read_rows(data_dir, dataset, 0, dataset->rows, count_row, &counter, error);
  if (code == ERROR_NONE && is_text) drop_empty_end(out_histogram);
  return code;
}
