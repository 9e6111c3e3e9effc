/* Mean of each channel of an image, or of each feature of a sequence: z = 1/n Σ x, ∂C/∂x = δ / n. */
#include <string.h>

#include "engine/layers/global_pool.h"
#include "engine/layers/kinds.h"
#include "engine/reduce.h"

enum { VALUES_PER_NS = 4 };

struct job {
  struct global_view view;
  const struct pass *pass;
  size_t rows, rows_per_piece; /* samples · outer */
};

static struct job make_job(const struct layer *layer, const struct pass *pass) {
  struct job job = {.view = global_pool_view(layer), .pass = pass};
  job.rows = pass->batch * job.view.outer;
  job.rows_per_piece = parallel_items_per_piece(job.rows, job.view.count * job.view.inner / VALUES_PER_NS);
  return job;
}

static void forward_row(const struct global_view *view, size_t count, const float *x, float *z) {
  if (view->inner == 1) {
    *z = (float)(reduce_sum(count, x) / (double)count);
    return;
  }
  enum { COLUMNS = 64 };
  for (size_t first = 0; first < view->inner; first += COLUMNS) {
    const size_t columns = view->inner - first < COLUMNS ? view->inner - first : COLUMNS;
    double sums[COLUMNS] = {0};
    for (size_t i = 0; i < count; i++)
      for (size_t j = 0; j < columns; j++) sums[j] += (double)x[i * view->inner + first + j];
    for (size_t j = 0; j < columns; j++) z[first + j] = (float)(sums[j] / (double)count);
  }
}

static void forward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  const struct global_view *view = &job->view;
  for (size_t row = piece * job->rows_per_piece; row < (piece + 1) * job->rows_per_piece && row < job->rows; row++)
    forward_row(view, global_pool_count(view, job->pass->lengths[0], row), job->pass->x[0] + row * view->count * view->inner,
                job->pass->z + row * view->inner);
}

static void forward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass);
  parallel_run(pass->parallel, parallel_piece_count(job.rows, job.rows_per_piece), forward_piece, &job);
}

static void backward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  const struct global_view *view = &job->view;
  for (size_t row = piece * job->rows_per_piece; row < (piece + 1) * job->rows_per_piece && row < job->rows; row++) {
    const size_t count = global_pool_count(view, job->pass->lengths[0], row);
    const float share = 1.0f / (float)count;
    const float *restrict delta = job->pass->delta + row * view->inner;
    float *restrict dx = job->pass->dx[0] + row * view->count * view->inner;
    for (size_t i = 0; i < count; i++)
      for (size_t j = 0; j < view->inner; j++) dx[i * view->inner + j] = delta[j] * share;
    memset(dx + count * view->inner, 0, (view->count - count) * view->inner * sizeof *dx);
  }
}

static void backward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass);
  if (pass->dx[0] != NULL) parallel_run(pass->parallel, parallel_piece_count(job.rows, job.rows_per_piece), backward_piece, &job);
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct global_view view = global_pool_view(layer);
  for (size_t at = 0; at < pass->batch * view.outer * view.inner; at++) {
    const double *x = pass->x[0] + at / view.inner * view.count * view.inner + at % view.inner;
    const size_t count = global_pool_count(&view, pass->lengths[0], at / view.inner);
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += x[i * view.inner];
    pass->z[at] = sum / (double)count;
  }
}

const struct layer_kind layer_global_avg_pool = {
    .kind = {.name = "global_avg_pool",
             .summary = "mean of each channel of an image, or of each feature of a sequence over time",
             .params = global_pool_params,
             .param_count = PARAM_COUNT(global_pool_params),
             .settings_bytes = sizeof(struct global_pool)},
    .formula = "z = mean of x over all axes but that of channels or features",
    .gradient_formula = "∂C/∂x = δ / number of values averaged",
    .input_min = 1,
    .input_max = 1,
    .compile = global_pool_compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
