/* Largest value of each channel of an image, or of each feature of a sequence; its gradient goes to the first of those that are largest. */
#include <math.h>
#include <string.h>

#include "engine/layers/global_pool.h"
#include "engine/layers/kinds.h"

enum { VALUES_PER_NS = 2 };

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

static void forward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  const struct global_view *view = &job->view;
  for (size_t row = piece * job->rows_per_piece; row < (piece + 1) * job->rows_per_piece && row < job->rows; row++) {
    const float *restrict x = job->pass->x[0] + row * view->count * view->inner;
    float *restrict z = job->pass->z + row * view->inner;
    const size_t count = global_pool_count(view, job->pass->lengths[0], row);
    for (size_t j = 0; j < view->inner; j++) z[j] = -INFINITY;
    for (size_t i = 0; i < count; i++)
      for (size_t j = 0; j < view->inner; j++) z[j] = x[i * view->inner + j] <= z[j] ? z[j] : x[i * view->inner + j];
  }
}

static void forward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass);
  parallel_run(pass->parallel, parallel_piece_count(job.rows, job.rows_per_piece), forward_piece, &job);
}

static void backward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  const struct global_view *view = &job->view;
  const size_t size = view->count * view->inner;
  for (size_t row = piece * job->rows_per_piece; row < (piece + 1) * job->rows_per_piece && row < job->rows; row++) {
    const float *x = job->pass->x[0] + row * size, *z = job->pass->z + row * view->inner, *delta = job->pass->delta + row * view->inner;
    float *dx = job->pass->dx[0] + row * size;
    const size_t count = global_pool_count(view, job->pass->lengths[0], row);
    memset(dx, 0, size * sizeof *dx);
    for (size_t j = 0; j < view->inner; j++) {
      size_t i = 0;
      while (i < count && x[i * view->inner + j] != z[j]) i++;
      if (i < count) dx[i * view->inner + j] = delta[j];
    }
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
    pass->z[at] = -INFINITY;
    for (size_t i = 0; i < global_pool_count(&view, pass->lengths[0], at / view.inner); i++)
      pass->z[at] = fmax(pass->z[at], x[i * view.inner]);
  }
}

const struct layer_kind layer_global_max_pool = {
    .kind = {.name = "global_max_pool",
             .summary = "largest value of each channel of an image, or of each feature of a sequence over time",
             .params = global_pool_params,
             .param_count = PARAM_COUNT(global_pool_params),
             .settings_bytes = sizeof(struct global_pool)},
    .formula = "z = max of x over all axes but that of channels or features",
    .gradient_formula = "∂C/∂x = δ at the greatest x, else 0",
    .reads_z = true,
    .input_min = 1,
    .input_max = 1,
    .compile = global_pool_compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
