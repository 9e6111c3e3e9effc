/* Orthogonal (Saxe, McClelland, Ganguli: "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013):
 * a normal matrix whose shorter side is made orthonormal by modified Gram-Schmidt, each vector twice, in float64 inside. The diagonal of
 * the R that this amounts to is positive, so the result is evenly distributed among orthogonal matrices. */
#include <math.h>
#include <stdbool.h>

#include "engine/initializers/fill.h"
#include "engine/initializers/kinds.h"

struct orthogonal {
  double gain;
};
static const struct param params[] = {
    PARAM_NUMBER_ROW(struct orthogonal, gain, -INFINITY, INFINITY, 1, "factor on the orthonormal matrix"),
};

/* `count` vectors of `length` values; value i of vector v stands at v · vector_stride + i · value_stride. */
struct vectors {
  float *values;
  size_t count, length, vector_stride, value_stride;
};

static double dot(const struct vectors *vectors, size_t left, size_t right) {
  const float *left_values = vectors->values + left * vectors->vector_stride,
              *right_values = vectors->values + right * vectors->vector_stride;
  double sum = 0;
  for (size_t i = 0; i < vectors->length; i++)
    sum += (double)left_values[i * vectors->value_stride] * (double)right_values[i * vectors->value_stride];
  return sum;
}

static void scale(const struct vectors *vectors, size_t vector, double factor) {
  float *values = vectors->values + vector * vectors->vector_stride;
  for (size_t i = 0; i < vectors->length; i++)
    values[i * vectors->value_stride] = (float)(factor * (double)values[i * vectors->value_stride]);
}

/* Takes from `vector` its part along `unit`. */
static void subtract_projection(const struct vectors *vectors, size_t vector, size_t unit) {
  double projection = dot(vectors, vector, unit);
  float *values = vectors->values + vector * vectors->vector_stride;
  const float *unit_values = vectors->values + unit * vectors->vector_stride;
  for (size_t i = 0; i < vectors->length; i++) {
    size_t at = i * vectors->value_stride;
    values[at] = (float)((double)values[at] - projection * (double)unit_values[at]);
  }
}

static void orthonormalize(const struct vectors *vectors) {
  for (size_t vector = 0; vector < vectors->count; vector++) {
    for (int pass = 0; pass < 2; pass++) { /* what rounding left over from the first goes in the second */
      for (size_t unit = 0; unit < vector; unit++) subtract_projection(vectors, vector, unit);
      double norm = sqrt(dot(vectors, vector, vector));
      if (norm > 0) scale(vectors, vector, 1.0 / norm);
    }
  }
}

static void fill(const void *settings, const struct random_stream *stream, size_t rows, size_t columns, size_t fan_in, size_t fan_out,
                 float *weights) {
  (void)fan_in, (void)fan_out;
  const struct orthogonal *orthogonal = settings;
  random_fill_normal(stream, 0, rows * columns, weights);
  bool is_wide = rows <= columns;
  struct vectors vectors = {.values = weights,
                            .count = is_wide ? rows : columns,
                            .length = is_wide ? columns : rows,
                            .vector_stride = is_wide ? columns : 1,
                            .value_stride = is_wide ? 1 : columns};
  orthonormalize(&vectors);
  for (size_t vector = 0; vector < vectors.count; vector++) scale(&vectors, vector, orthogonal->gain);
}

const struct initializer_kind initializer_orthogonal = {
    .kind = {.name = "orthogonal",
             .summary = "rows or columns orthonormal, times gain",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct orthogonal)},
    .fill = fill,
};
