#include "server/data/association_measures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS_MAX = 64, BIN_ROWS_MIN = 10, ALONE_ROWS_MIN = 20 };

static bool are_present(const struct variable *x, const struct variable *y, size_t i) {
  return !isnan(x->values[i]) && !isnan(y->values[i]);
}

/* r = Σ (x − x̄)(y − ȳ) / √(Σ (x − x̄)² · Σ (y − ȳ)²), the means first, for accuracy. */
double measure_pearson(const struct variable *x, const struct variable *y, size_t count) {
  double n = 0, x_sum = 0, y_sum = 0, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < count; i++) {
    if (!are_present(x, y, i)) continue;
    n++;
    x_sum += (double)x->values[i];
    y_sum += (double)y->values[i];
  }
  for (size_t i = 0; i < count; i++) {
    if (!are_present(x, y, i)) continue;
    const double dx = (double)x->values[i] - x_sum / n, dy = (double)y->values[i] - y_sum / n;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return xx > 0 && yy > 0 ? fmax(-1, fmin(1, xy / sqrt(xx) / sqrt(yy))) : NAN;
}

/* η² = Σ_c n_c (ȳ_c − ȳ)² / Σ (y − ȳ)² */
double measure_correlation_ratio(const struct variable *classes, const struct variable *numbers, size_t count, double *table) {
  double *counts = table, *sums = table + classes->class_count;
  double n = 0, sum = 0, total = 0, between = 0;
  memset(table, 0, 2 * classes->class_count * sizeof *table);
  for (size_t i = 0; i < count; i++) {
    if (!are_present(classes, numbers, i)) continue;
    const size_t class = (size_t)classes->values[i];
    n++;
    sum += (double)numbers->values[i];
    counts[class]++;
    sums[class] += (double)numbers->values[i];
  }
  size_t class_count = 0;
  for (size_t i = 0; i < count; i++) {
    if (!are_present(classes, numbers, i)) continue;
    const double d = (double)numbers->values[i] - sum / n;
    total += d * d;
  }
  for (size_t class = 0; class < classes->class_count; class ++) {
    if (counts[class] == 0) continue;
    const double d = sums[class] / counts[class] - sum / n;
    between += counts[class] * d * d;
    class_count++;
  }
  return total > 0 && class_count > 1 ? sqrt(fmin(1, between / total)) : NAN;
}

double measure_cramers_v(const struct variable *x, const struct variable *y, size_t count, double *table) {
  const size_t rows = x->class_count, columns = y->class_count;
  memset(table, 0, (rows * columns + rows + columns) * sizeof *table);
  double *row_sums = table + rows * columns, *column_sums = row_sums + rows;
  double n = 0, square = 0; /* Σ O² / (R · C), so that χ² = n (Σ … − 1) */
  for (size_t i = 0; i < count; i++) {
    if (!are_present(x, y, i)) continue;
    const size_t row = (size_t)x->values[i], column = (size_t)y->values[i];
    table[row * columns + column]++;
    row_sums[row]++;
    column_sums[column]++;
    n++;
  }
  size_t rows_used = 0, columns_used = 0;
  for (size_t row = 0; row < rows; row++) rows_used += row_sums[row] > 0;
  for (size_t column = 0; column < columns; column++) columns_used += column_sums[column] > 0;
  for (size_t row = 0; row < rows; row++) {
    for (size_t column = 0; column < columns; column++) {
      const double observed = table[row * columns + column];
      if (observed > 0) square += observed / row_sums[row] * (observed / column_sums[column]);
    }
  }
  const size_t least = rows_used < columns_used ? rows_used : columns_used;
  return least > 1 ? sqrt(fmax(0, fmin(1, (square - 1) / (double)(least - 1)))) : NAN;
}

/* ---- alone ---- */

/* What a bin or a category of x has told of y so far. */
struct predictor {
  size_t bin_count, class_count; /* class_count 0: of numbers */
  size_t used_bins;
  float edges[BINS_MAX]; /* of numbers x: bin b has x < edges[b], the last one all others */
  bool has_edges;
  double *sums;   /* [bin_count + 1, class_count or 1]; the last row is that of all bins together */
  double *counts; /* [bin_count + 1] */
};

static int compare_floats(const void *left, const void *right) {
  const float a = *(const float *)left, b = *(const float *)right;
  return (a > b) - (a < b);
}

/* Bins of equally many values; equal values stay together. */
static void set_edges(struct predictor *predictor, float *values, size_t count) {
  qsort(values, count, sizeof *values, compare_floats);
  size_t bins = count / BIN_ROWS_MIN < BINS_MAX ? count / BIN_ROWS_MIN : BINS_MAX;
  if (bins == 0) bins = 1;
  predictor->has_edges = true;
  predictor->used_bins = 0;
  for (size_t bin = 1; bin < bins; bin++) {
    const float edge = values[bin * count / bins];
    const float before = predictor->used_bins == 0 ? values[0] : predictor->edges[predictor->used_bins - 1];
    if (edge > before) predictor->edges[predictor->used_bins++] = edge;
  }
}

static size_t get_bin(const struct predictor *predictor, float value) {
  if (!predictor->has_edges) return (size_t)value;
  size_t bin = 0;
  while (bin < predictor->used_bins && value >= predictor->edges[bin]) bin++;
  return bin;
}

static size_t get_width(const struct predictor *predictor) { return predictor->class_count > 0 ? predictor->class_count : 1; }

static void learn(struct predictor *predictor, size_t bin, float y) {
  const size_t width = get_width(predictor), bins[] = {bin, predictor->bin_count};
  for (int i = 0; i < 2; i++) {
    predictor->counts[bins[i]]++;
    if (predictor->class_count > 0)
      predictor->sums[bins[i] * width + (size_t)y]++;
    else
      predictor->sums[bins[i]] += (double)y;
  }
}

static double predict(const struct predictor *predictor, size_t bin) {
  if (predictor->counts[bin] == 0) bin = predictor->bin_count;
  if (predictor->class_count == 0) return predictor->sums[bin] / predictor->counts[bin];
  const double *counts = predictor->sums + bin * predictor->class_count;
  size_t best = 0;
  for (size_t class = 1; class < predictor->class_count; class ++)
    if (counts[class] > counts[best]) best = class;
  return (double)best;
}

/* Accuracy of classes, R² of numbers. */
struct score {
  double count, hits, baseline_hits; /* classes */
  double sum, squares, errors;       /* numbers */
};

static void score_add(struct score *score, const struct predictor *predictor, size_t bin, float y) {
  const double answer = predict(predictor, bin), constant = predict(predictor, predictor->bin_count);
  score->count++;
  score->hits += answer == (double)y;
  score->baseline_hits += constant == (double)y;
  const double d = (double)y - constant;
  score->sum += d;
  score->squares += d * d;
  score->errors += ((double)y - answer) * ((double)y - answer);
}

static void run_predictor(struct predictor *predictor, const struct variable *x, const struct variable *y, size_t count,
                          struct score *score) {
  for (size_t i = 0; i < count; i += 2)
    if (are_present(x, y, i)) learn(predictor, get_bin(predictor, x->values[i]), y->values[i]);
  for (size_t i = 1; i < count; i += 2)
    if (are_present(x, y, i)) score_add(score, predictor, get_bin(predictor, x->values[i]), y->values[i]);
}

static size_t take_even(const struct variable *x, const struct variable *y, size_t count, float *values) {
  size_t taken = 0;
  for (size_t i = 0; i < count; i += 2)
    if (are_present(x, y, i)) values[taken++] = x->values[i];
  return taken;
}

enum error_code measure_alone(const struct variable *x, const struct variable *y, size_t count, bool *out_is_known, double *out_score,
                              double *out_baseline, struct error *error) {
  struct predictor predictor = {.bin_count = x->class_count > 0 ? x->class_count : BINS_MAX, .class_count = y->class_count};
  struct score score = {0};
  float *values = malloc((count + 1) * sizeof *values);
  predictor.sums = calloc((predictor.bin_count + 1) * get_width(&predictor), sizeof *predictor.sums);
  predictor.counts = calloc(predictor.bin_count + 1, sizeof *predictor.counts);
  enum error_code code = ERROR_NONE;
  if (values == NULL || predictor.sums == NULL || predictor.counts == NULL) {
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to compare columns");
  } else {
    const size_t learned = take_even(x, y, count, values);
    if (x->class_count == 0 && learned > 0) set_edges(&predictor, values, learned);
    if (learned >= ALONE_ROWS_MIN) run_predictor(&predictor, x, y, count, &score);
  }
  free(values);
  free(predictor.sums);
  free(predictor.counts);
  const double spread = score.squares - score.sum * score.sum / fmax(score.count, 1);
  *out_is_known = code == ERROR_NONE && score.count >= ALONE_ROWS_MIN && (y->class_count > 0 || spread > 0);
  if (!*out_is_known) return code;
  *out_score = y->class_count > 0 ? score.hits / score.count : 1 - score.errors / spread;
  *out_baseline = y->class_count > 0 ? score.baseline_hits / score.count : 0;
  return code;
}
