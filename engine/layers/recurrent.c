/* Through time and back: the driver of recurrent layers (recurrent.h).
 *
 * Samples don't see each other, so the batch is cut into blocks of BLOCK_ROWS samples, each of which goes through all steps on its own, in each
 * direction: that is a piece. All rows stand in the order [step][sample], so that one step of a block is one matrix, and all steps are one
 * too: ∂C/∂W_ih, ∂C/∂W_hh, without step 0, where h before is 0, and ∂C/∂x are one product each after the walk. W_hh h and its ∂C/∂h are
 * computed step by step, with W_hh arranged beforehand, and so is W_ih x unless W_ih is large (or x is rounded to bfloat16): then that is one
 * product before the walk.
 *
 *   gather x ─▶ for each step: g = x W_ihᵀ, u = h W_hhᵀ, or added to g, cell ─▶ z
 *   gather x ─▶ for each step, backward: δ + ∂C/∂h, cell's backward, ∂C/∂h = ∂C/∂u W_hh ─▶ ∂C/∂W_ih = ∂C/∂gᵀ x, ∂C/∂W_hh = ∂C/∂uᵀ h_before
 *
 * Step s of a sample is time s or, in the reverse direction, time length − 1 − s: so both begin at s = 0 and end at s = length − 1, which is
 * the output if only the last is asked for. Behind a sample's end h, c and all gradients are 0.
 *
 * `saved`, for each direction: g, h_before, and where the cell has them c and u, each for all steps. In inference g and the last two steps'
 * h and c are in `work`. BLOCK_ROWS changes no bits: each value is computed by the same operations wherever its row stands.
 */
#include "engine/layers/recurrent.h"

#include <stdio.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/vector_float.h"

const struct param recurrent_params[10] = {
    PARAM_INLINE_ROW(struct recurrent, common, layer_name_params),
    PARAM_INTEGER_ROW(struct recurrent, units, 1, LIMIT_UNITS, 0, "number of outputs of each step and direction", .flags = PARAM_REQUIRED),
    PARAM_BOOLEAN_ROW(struct recurrent, return_sequences, false, "whether the outputs of all steps come out, or the last real step's only"),
    PARAM_BOOLEAN_ROW(struct recurrent, bidirectional, false,
                      "whether a second set of weights goes from the last step to the first; its outputs follow the first's"),
    PARAM_BOOLEAN_ROW(struct recurrent, bias, true, "whether biases are added"),
    PARAM_INLINE_ROW(struct recurrent, common, layer_activation_params),
    PARAM_KIND_ROW(struct recurrent, initializer, &initializer_kinds, "glorot_uniform", "start values of the weights of the inputs"),
    PARAM_KIND_ROW(struct recurrent, recurrent_initializer, &initializer_kinds, "orthogonal",
                   "start values of the weights of the step before"),
    PARAM_KIND_ROW(struct recurrent, bias_initializer, &initializer_kinds, "zeros", "start values of the biases"),
    PARAM_INLINE_ROW(struct recurrent, common, layer_penalty_params),
};

enum { WEIGHT_IH, WEIGHT_HH, BIAS_IH, BIAS_HH }; /* of a direction, which has two or four tensors */
enum {
  BLOCK_ROWS = 16,
  DIRECTIONS = 2,       /* at most */
  LINE_FLOATS = 16,     /* arrays start on a cache line */
  KEPT_ARRAYS = 4,      /* of a direction, and … */
  WORK_ARRAYS = 7,      /* … what is in `work` besides */
  INFERENCE_STEPS = 2,  /* of h and c that inference keeps */
  NEAR_FLOATS = 1 << 16 /* of W_ih, arranged, that stay in the second cache beside W_hh */
};

static const struct recurrent *recurrent_of(const struct layer *layer) { return layer->settings; }
static size_t count_directions(const struct layer *layer) { return recurrent_of(layer)->bidirectional ? DIRECTIONS : 1; }
static size_t larger(size_t left, size_t right) { return left > right ? left : right; }
static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }

static void add_tensors(struct layer *layer, size_t gates, size_t features, const char *suffix) {
  static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
  const struct recurrent *recurrent = recurrent_of(layer);
  const size_t units = (size_t)recurrent->units;
  for (size_t i = 0; i < (recurrent->bias ? 4u : 2u); i++) {
    const bool is_bias = i >= BIAS_IH;
    char name[32];
    (void)snprintf(name, sizeof name, "%s%s", names[i], suffix);
    const struct shape shape = {.rank = is_bias ? 1 : 2, .sizes = {gates, i == WEIGHT_IH ? features : units}};
    struct layer_tensor *tensor = layer_add_tensor(layer, name, &shape);
    tensor->initializer = is_bias          ? &recurrent->bias_initializer
                          : i == WEIGHT_IH ? &recurrent->initializer
                                           : &recurrent->recurrent_initializer;
    tensor->is_penalized = !is_bias;
    if (is_bias) tensor->fan_in = units;
  }
}

/* Whether W_ih x is computed step by step too, and so is still near when W_hh h is added: where all of W_ih is. In bfloat16 one product is
 * faster. */
static bool walks_inputs(const struct pass *pass, size_t gates, size_t features) {
  return pass->half == NULL && kernel_packed_count(gates, features) <= NEAR_FLOATS;
}

enum error_code recurrent_compile(const struct recurrent_cell *cell, struct layer *layer, struct error *error) {
  const struct recurrent *recurrent = recurrent_of(layer);
  const struct shape *in = &layer->in[0];
  char text[SHAPE_TEXT_BYTES];
  if (in->rank != 2)
    return error_set(error, ERROR_INVALID,
                     "%s layer \"%s\" takes sequences [time, features], but \"%s\" gives %s: reshape it, or put an embedding before it",
                     layer->kind->kind.name, layer->name, layer->input_names[0], shape_format(in, text, sizeof text));
  const size_t steps = in->sizes[0], features = in->sizes[1], units = (size_t)recurrent->units, directions = count_directions(layer);
  const size_t gates = cell->gate_count * units;
  layer->out = (struct shape){.rank = 1, .sizes = {directions * units}};
  if (recurrent->return_sequences) layer->out = (struct shape){.rank = 2, .sizes = {steps, directions * units}};
  layer->lengths = recurrent->return_sequences ? LAYER_LENGTHS_KEEP : LAYER_LENGTHS_END;
  add_tensors(layer, gates, features, "");
  if (directions > 1) add_tensors(layer, gates, features, "_reverse");
  const size_t kept = units * (cell->has_c ? 2u : 1u); /* h and c of a step */
  layer->saved_per_sample = directions * steps * (gates + kept + (cell->keeps_u ? gates : 0));
  layer->saved_fixed = directions * KEPT_ARRAYS * LINE_FLOATS;
  layer->work_per_sample = directions * (steps * (features + gates) + gates + 2 * units + INFERENCE_STEPS * kept);
  layer->work_fixed = directions * (4 * gates + larger(kernel_packed_count(gates, units), kernel_packed_count(units, gates)) +
                                    smaller(kernel_packed_count(gates, features), NEAR_FLOATS) + (WORK_ARRAYS + KEPT_ARRAYS) * LINE_FLOATS);
  layer->half_per_sample = steps * (gates + larger(features, units));
  layer->half_fixed = gates * larger(features, units) + KERNEL_HALF_SPARE;
  layer->flops_per_sample = 2.0 * (double)(directions * steps) * (double)gates * (double)(features + units);
  return ERROR_NONE;
}

/* Arrays of one direction; rows in the order of the top of this file. */
struct direction {
  bool is_reverse;
  const float *weight_ih, *weight_hh; /* [G, F], [G, H] */
  const struct layer_tensor *tensors;
  float *x;         /* [rows, F], gathered; then ∂C/∂x */
  float *g;         /* [rows, G] */
  float *h;         /* h before each step, [kept rows, H]; block of a step: find_kept */
  float *c;         /* c after each step, likewise; NULL: the cell has none */
  float *u;         /* [rows, G] if keeps_all_u, else of one step, [batch, G] */
  float *sums;      /* backward: Σ ∂C/∂g and, if keeps_all_u, Σ ∂C/∂u of each block, [blocks, 2, G]; where u of one step was */
  float *dh, *dc;   /* [batch, H]; dh holds the last step's h in forward */
  float *bias;      /* b_ih, b_hh [2, G], zeros if the layer has none */
  float *packed;    /* W_hh */
  float *packed_ih; /* W_ih, in forward, if the job walks_inputs */
};

struct job {
  const struct recurrent_cell *cell;
  const struct layer *layer;
  const struct pass *pass;
  size_t steps, features, units, gates; /* gates: G */
  size_t kept_steps;                    /* of h and c: all, or INFERENCE_STEPS */
  bool keeps_all_u;
  bool walks_inputs;
  size_t direction_count, block_count;
  struct direction directions[DIRECTIONS];
};

static float *take(float **next, size_t count) {
  float *taken = *next;
  *next += (count + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
  return taken;
}

/* What is kept between forward and backward, from `saved`; in inference, where there is none, from `work`. */
static void take_kept(const struct job *job, struct direction *direction, float **next) {
  const size_t rows = job->pass->batch * job->steps, kept = job->pass->batch * job->kept_steps * job->units;
  direction->g = take(next, rows * job->gates);
  direction->h = take(next, kept);
  if (job->cell->has_c) direction->c = take(next, kept);
  if (job->keeps_all_u) direction->u = take(next, rows * job->gates);
}

static struct job make_job(const struct recurrent_cell *cell, const struct layer *layer, const struct pass *pass) {
  struct job job = {.cell = cell, .layer = layer, .pass = pass, .direction_count = count_directions(layer)};
  job.steps = layer->in[0].sizes[0];
  job.features = layer->in[0].sizes[1];
  job.units = (size_t)recurrent_of(layer)->units;
  job.gates = cell->gate_count * job.units;
  job.kept_steps = pass->training ? job.steps : INFERENCE_STEPS;
  job.keeps_all_u = pass->training && cell->keeps_u;
  job.walks_inputs = walks_inputs(pass, job.gates, job.features);
  job.block_count = parallel_piece_count(pass->batch, BLOCK_ROWS);
  float *saved = pass->saved, *work = pass->work;
  const size_t tensor_count = layer->tensor_count / job.direction_count;
  for (size_t d = 0; d < job.direction_count; d++) {
    struct direction *direction = &job.directions[d];
    direction->is_reverse = d > 0;
    direction->tensors = layer->tensors + d * tensor_count;
    direction->weight_ih = pass->parameters + direction->tensors[WEIGHT_IH].offset;
    direction->weight_hh = pass->parameters + direction->tensors[WEIGHT_HH].offset;
    direction->x = take(&work, pass->batch * job.steps * job.features);
    direction->u = direction->sums = take(&work, (pass->batch + 2) * job.gates); /* a block has one sample at least */
    direction->dh = take(&work, pass->batch * job.units);
    direction->dc = take(&work, pass->batch * job.units);
    direction->bias = take(&work, 2 * job.gates);
    direction->packed = take(&work, larger(kernel_packed_count(job.gates, job.units), kernel_packed_count(job.units, job.gates)));
    direction->packed_ih = take(&work, smaller(kernel_packed_count(job.gates, job.features), NEAR_FLOATS));
    take_kept(&job, direction, pass->training ? &saved : &work);
  }
  return job;
}

/* A piece: some samples, through all steps of one direction. */
struct block {
  const struct job *job;
  const struct direction *direction;
  size_t first, rows; /* samples */
  size_t steps;       /* of the longest */
};

static size_t length_of(const struct job *job, size_t sample) {
  return job->pass->lengths[0] == NULL ? job->steps : job->pass->lengths[0][sample];
}

static struct block find_block(const struct job *job, size_t piece) {
  const size_t first = piece % job->block_count * BLOCK_ROWS, rest = job->pass->batch - first;
  struct block block = {.job = job, .direction = &job->directions[piece / job->block_count], .first = first};
  block.rows = rest < BLOCK_ROWS ? rest : BLOCK_ROWS;
  for (size_t i = 0; i < block.rows; i++) block.steps = larger(block.steps, length_of(job, first + i));
  return block;
}

/* The block's first row of a step in arrays that have all steps, or `kept_steps` of them. */
static size_t find_row(const struct block *block, size_t step) { return step * block->job->pass->batch + block->first; }
static size_t find_kept(const struct block *block, size_t step) { return find_row(block, step % block->job->kept_steps); }

/* Where in x, z, δ the block's sample i is at a step before its end. */
static size_t find_time(const struct block *block, size_t i, size_t step) {
  return block->direction->is_reverse ? length_of(block->job, block->first + i) - 1 - step : step;
}

/* x of the block, in the order of its steps; 0 behind a sample's end. */
static void gather(const struct block *block) {
  const struct job *job = block->job;
  const size_t bytes = job->features * sizeof(float);
  for (size_t i = 0; i < block->rows; i++) {
    const size_t length = length_of(job, block->first + i);
    const float *x = job->pass->x[0] + (block->first + i) * job->steps * job->features;
    for (size_t step = 0; step < job->steps; step++) {
      float *row = block->direction->x + (find_row(block, step) + i) * job->features;
      if (step < length)
        memcpy(row, x + find_time(block, i, step) * job->features, bytes);
      else
        memset(row, 0, bytes);
    }
  }
}

/* The cell's view of one step. */
static struct recurrent_step make_step(const struct block *block, size_t step) {
  const struct job *job = block->job;
  const struct direction *direction = block->direction;
  const size_t units = job->units, row = find_row(block, step), local = block->first * units;
  struct recurrent_step view = {.settings = job->layer->settings, .rows = block->rows, .units = units};
  view.g = direction->g + row * job->gates;
  view.u = direction->u + (job->keeps_all_u ? row : block->first) * job->gates;
  view.bias_ih = direction->bias;
  view.bias_hh = direction->bias + job->gates;
  view.h_before = direction->h + find_kept(block, step) * units;
  view.h = step + 1 < block->steps ? direction->h + find_kept(block, step + 1) * units : direction->dh + local;
  if (job->cell->has_c) {
    view.c = direction->c + find_kept(block, step) * units;
    /* Before the first step c is 0, as h is. */
    view.c_before = step > 0 ? direction->c + find_kept(block, step - 1) * units : view.h_before;
  }
  view.dh = direction->dh + local;
  view.dc = direction->dc + local;
  return view;
}

/* Row of a sample's output, or of its δ, at a step; SIZE_MAX if it has none there. */
static size_t find_output(const struct block *block, size_t i, size_t step) {
  const struct job *job = block->job;
  const size_t sample = block->first + i, length = length_of(job, sample);
  if (step >= length) return SIZE_MAX;
  if (recurrent_of(job->layer)->return_sequences) return sample * job->steps + find_time(block, i, step);
  return step + 1 == length ? sample : SIZE_MAX;
}

static size_t output_start(const struct block *block, size_t row) {
  const struct job *job = block->job;
  return row * job->direction_count * job->units + (block->direction->is_reverse ? job->units : 0);
}

/* Lets h out where it is asked for, and sets h and c of samples that have ended to 0. */
static void put_out(const struct block *block, const struct recurrent_step *view, size_t step) {
  const size_t units = view->units, bytes = units * sizeof(float);
  for (size_t i = 0; i < block->rows; i++) {
    const size_t row = find_output(block, i, step);
    if (row != SIZE_MAX) memcpy(block->job->pass->z + output_start(block, row), view->h + i * units, bytes);
    if (step < length_of(block->job, block->first + i)) continue;
    memset(view->h + i * units, 0, bytes);
    if (view->c != NULL) memset(view->c + i * units, 0, bytes);
  }
}

static void gather_piece(void *argument, size_t piece) {
  const struct block block = find_block(argument, piece);
  gather(&block);
}

/* u = h W_hhᵀ, or added to g where the cell has no u of its own; h before the first step is 0. */
static void take_h_before(const struct block *block, const struct recurrent_step *view, size_t step) {
  const struct job *job = block->job;
  const bool keeps_u = job->cell->keeps_u;
  float *u = keeps_u ? view->u : view->g;
  if (step == 0) {
    memset(block->direction->h + find_kept(block, 0) * job->units, 0, block->rows * job->units * sizeof(float));
    if (keeps_u) memset(u, 0, block->rows * job->gates * sizeof(float));
  } else if (job->pass->half != NULL) {
    kernel_half_packed_matmul(block->rows, job->gates, job->units, view->h_before, block->direction->packed, u, !keeps_u);
  } else {
    kernel_packed_matmul(block->rows, job->gates, job->units, view->h_before, block->direction->packed, u, !keeps_u);
  }
}

static void forward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  const struct block block = find_block(job, piece);
  for (size_t step = 0; step < block.steps; step++) {
    const struct recurrent_step view = make_step(&block, step);
    if (job->walks_inputs) {
      const float *x = block.direction->x + find_row(&block, step) * job->features;
      kernel_packed_matmul(block.rows, job->gates, job->features, x, block.direction->packed_ih, view.g, false);
    }
    take_h_before(&block, &view, step);
    job->cell->forward(&view);
    put_out(&block, &view, step);
  }
}

static void put_biases(const struct job *job, const struct direction *direction) {
  const float *parameters = job->pass->parameters;
  const size_t bytes = job->gates * sizeof(float);
  memset(direction->bias, 0, 2 * bytes);
  if (!recurrent_of(job->layer)->bias) return;
  memcpy(direction->bias, parameters + direction->tensors[BIAS_IH].offset, bytes);
  memcpy(direction->bias + job->gates, parameters + direction->tensors[BIAS_HH].offset, bytes);
}

/* W_ih x of all steps, or W_ih arranged for each. */
static void prepare_inputs(const struct job *job, const struct direction *direction) {
  const struct pass *pass = job->pass;
  const size_t rows = pass->batch * job->steps;
  if (job->walks_inputs)
    kernel_pack_nt(job->gates, job->features, direction->weight_ih, direction->packed_ih);
  else if (pass->row_by_row)
    kernel_dense_rows(rows, job->gates, job->features, direction->x, direction->weight_ih, NULL, direction->g);
  else if (pass->half != NULL)
    kernel_half_matmul_nt(pass->parallel, rows, job->gates, job->features, direction->x, direction->weight_ih, direction->g, pass->half);
  else
    kernel_matmul_nt(pass->parallel, rows, job->gates, job->features, direction->x, direction->weight_ih, direction->g, false);
}

void recurrent_forward(const struct recurrent_cell *cell, const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(cell, layer, pass);
  const size_t piece_count = job.direction_count * job.block_count;
  parallel_run(pass->parallel, piece_count, gather_piece, &job);
  for (size_t d = 0; d < job.direction_count; d++) {
    put_biases(&job, &job.directions[d]);
    prepare_inputs(&job, &job.directions[d]);
    (pass->half != NULL ? kernel_half_pack_nt : kernel_pack_nt)(job.gates, job.units, job.directions[d].weight_hh,
                                                                job.directions[d].packed);
  }
  parallel_run(pass->parallel, piece_count, forward_piece, &job);
}

/* ∂C/∂h += δ of the samples that have an output at this step. */
static void take_delta(const struct block *block, const struct recurrent_step *view, size_t step) {
  for (size_t i = 0; i < block->rows; i++) {
    const size_t row = find_output(block, i, step);
    if (row == SIZE_MAX) continue;
    const float *restrict delta = block->job->pass->delta + output_start(block, row);
    float *restrict dh = view->dh + i * view->units;
    for (size_t j = 0; j < view->units; j++) dh[j] += delta[j];
  }
}

/* Steps at which no sample of the block is any more have no part in the weights' gradients. */
static void clear_rest(const struct block *block) {
  const struct job *job = block->job;
  const size_t gates_bytes = block->rows * job->gates * sizeof(float), units_bytes = block->rows * job->units * sizeof(float);
  for (size_t step = block->steps; step < job->steps; step++) {
    const size_t row = find_row(block, step);
    memset(block->direction->g + row * job->gates, 0, gates_bytes);
    memset(block->direction->h + row * job->units, 0, units_bytes);
    if (job->keeps_all_u) memset(block->direction->u + row * job->gates, 0, gates_bytes);
  }
}

/* sums[width] += Σ over rows of x */
static void add_rows(size_t rows, size_t width, const float *restrict x, float *restrict sums) {
  for (size_t j = 0; j < width; j += VECTOR_FLOATS) {
    vector sum = vector_load_some(sums + j, width - j);
    for (size_t row = 0; row < rows; row++) sum += vector_load_some(x + row * width + j, width - j);
    vector_store_some(sums + j, sum, width - j);
  }
}

/* ∂C/∂h of the step before += ∂C/∂u W_hh. Meanwhile the gates of that step are fetched: it is long since they were written. */
static void send_back(const struct block *block, const struct recurrent_step *view) {
  const struct job *job = block->job;
  const float *du = job->keeps_all_u ? view->u : view->g, *du_before = du - job->pass->batch * job->gates;
  if (job->pass->half != NULL)
    kernel_half_packed_matmul(block->rows, job->units, job->gates, du, block->direction->packed, view->dh, true);
  else
    kernel_packed_matmul_before(block->rows, job->units, job->gates, du, block->direction->packed, view->dh, true, du_before);
}

static void backward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  const struct block block = find_block(job, piece);
  const size_t bytes = block.rows * job->units * sizeof(float);
  memset(block.direction->dh + block.first * job->units, 0, bytes);
  memset(block.direction->dc + block.first * job->units, 0, bytes);
  float *sums = block.direction->sums + piece % job->block_count * 2 * job->gates;
  memset(sums, 0, 2 * job->gates * sizeof *sums);
  gather(&block);
  for (size_t step = block.steps; step-- > 0;) {
    const struct recurrent_step view = make_step(&block, step);
    take_delta(&block, &view, step);
    job->cell->backward(&view);
    add_rows(block.rows, job->gates, view.g, sums);
    if (job->keeps_all_u) add_rows(block.rows, job->gates, view.u, sums + job->gates);
    if (step == 0) break;
    send_back(&block, &view);
  }
  clear_rest(&block);
}

/* A weight's gradient, [G, width], is Σ over rows of ∂C/∂u or ∂C/∂g, [rows, G], times what the weight was multiplied by. */
struct outer_products {
  size_t rows, width;
  const float *d, *by;
};

static void multiply_gradient(const struct job *job, const struct outer_products *sum, float *gradient) {
  const struct pass *pass = job->pass;
  if (pass->half != NULL)
    kernel_half_matmul_tn(pass->parallel, job->gates, sum->width, sum->rows, sum->d, sum->by, gradient, pass->half);
  else
    kernel_matmul_tn(pass->parallel, job->gates, sum->width, sum->rows, sum->d, sum->by, gradient, false);
}

static void write_bias_gradients(const struct job *job, const struct direction *direction) {
  float *bias_ih = job->pass->gradients + direction->tensors[BIAS_IH].offset;
  float *bias_hh = job->pass->gradients + direction->tensors[BIAS_HH].offset;
  for (size_t j = 0; j < job->gates; j++) {
    double sum_g = 0, sum_u = 0;
    for (size_t block = 0; block < job->block_count; block++) {
      sum_g += (double)direction->sums[2 * block * job->gates + j];
      sum_u += (double)direction->sums[(2 * block + 1) * job->gates + j];
    }
    bias_ih[j] = (float)sum_g;
    bias_hh[j] = (float)(job->keeps_all_u ? sum_u : sum_g);
  }
}

static void write_gradients(const struct job *job, const struct direction *direction) {
  const struct pass *pass = job->pass;
  const size_t batch = pass->batch, rows = batch * job->steps;
  if (!pass->skips_gradients) {
    const float *du = job->keeps_all_u ? direction->u : direction->g;
    const struct outer_products by_x = {rows, job->features, direction->g, direction->x};
    /* Without the first step, before which h is 0. */
    const struct outer_products by_h = {rows - batch, job->units, du + batch * job->gates, direction->h + batch * job->units};
    multiply_gradient(job, &by_x, pass->gradients + direction->tensors[WEIGHT_IH].offset);
    multiply_gradient(job, &by_h, pass->gradients + direction->tensors[WEIGHT_HH].offset);
    if (recurrent_of(job->layer)->bias) write_bias_gradients(job, direction);
  }
  if (pass->dx[0] == NULL) return;
  if (pass->half != NULL)
    kernel_half_matmul_nn(pass->parallel, rows, job->features, job->gates, direction->g, direction->weight_ih, direction->x, pass->half);
  else
    kernel_matmul_nn(pass->parallel, rows, job->features, job->gates, direction->g, direction->weight_ih, direction->x, false);
}

/* ∂C/∂x of a block's samples, back in the order of time: the sum over directions, 0 behind a sample's end. */
static void scatter_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  for (size_t d = 0; d < job->direction_count; d++) {
    const struct block block = find_block(job, d * job->block_count + piece);
    for (size_t i = 0; i < block.rows; i++) {
      const size_t sample = block.first + i, length = length_of(job, sample);
      float *dx = job->pass->dx[0] + sample * job->steps * job->features;
      for (size_t step = 0; step < length; step++) {
        const float *restrict row = block.direction->x + (find_row(&block, step) + i) * job->features;
        float *restrict to = dx + find_time(&block, i, step) * job->features;
        for (size_t j = 0; j < job->features; j++) to[j] = d == 0 ? row[j] : to[j] + row[j];
      }
      memset(dx + length * job->features, 0, (job->steps - length) * job->features * sizeof *dx);
    }
  }
}

void recurrent_backward(const struct recurrent_cell *cell, const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(cell, layer, pass);
  for (size_t d = 0; d < job.direction_count; d++)
    (pass->half != NULL ? kernel_half_pack_nn : kernel_pack_nn)(job.units, job.gates, job.directions[d].weight_hh,
                                                                job.directions[d].packed);
  parallel_run(pass->parallel, job.direction_count * job.block_count, backward_piece, &job);
  for (size_t d = 0; d < job.direction_count; d++) write_gradients(&job, &job.directions[d]);
  if (pass->dx[0] != NULL) parallel_run(pass->parallel, job.block_count, scatter_piece, &job);
}

/* Float64: row by row and step by step, as the literature writes it. */

/* y[G] = W v + b */
static void multiply64(size_t gates, size_t width, const double *weight, const double *v, const double *bias, double *y) {
  for (size_t j = 0; j < gates; j++) {
    y[j] = bias == NULL ? 0 : bias[j];
    for (size_t i = 0; i < width; i++) y[j] += weight[j * width + i] * v[i];
  }
}

static void walk64(const struct recurrent_cell *cell, const struct layer *layer, const struct pass64 *pass, size_t sample,
                   bool is_reverse) {
  const struct recurrent *recurrent = recurrent_of(layer);
  const size_t steps = layer->in[0].sizes[0], features = layer->in[0].sizes[1], units = (size_t)recurrent->units;
  const size_t gates = cell->gate_count * units, directions = count_directions(layer), at = is_reverse ? units : 0;
  const struct layer_tensor *tensors = layer->tensors + (is_reverse ? layer->tensor_count / directions : 0);
  const double *bias_ih = recurrent->bias ? pass->parameters + tensors[BIAS_IH].offset : NULL;
  const double *bias_hh = recurrent->bias ? pass->parameters + tensors[BIAS_HH].offset : NULL;
  double *g = pass->work, *u = g + gates, *h = u + gates, *c = h + units;
  const size_t length = pass->lengths[0] == NULL ? steps : pass->lengths[0][sample];
  memset(h, 0, 2 * units * sizeof *h);
  for (size_t step = 0; step < length; step++) {
    const size_t time = is_reverse ? length - 1 - step : step;
    multiply64(gates, features, pass->parameters + tensors[WEIGHT_IH].offset, pass->x[0] + (sample * steps + time) * features, bias_ih, g);
    multiply64(gates, units, pass->parameters + tensors[WEIGHT_HH].offset, h, bias_hh, u);
    cell->forward64(layer->settings, units, g, u, h, c);
    if (recurrent->return_sequences)
      memcpy(pass->z + (sample * steps + time) * directions * units + at, h, units * sizeof *h);
    else if (step + 1 == length)
      memcpy(pass->z + sample * directions * units + at, h, units * sizeof *h);
  }
}

void recurrent_forward64(const struct recurrent_cell *cell, const struct layer *layer, const struct pass64 *pass) {
  for (size_t sample = 0; sample < pass->batch; sample++)
    for (size_t d = 0; d < count_directions(layer); d++) walk64(cell, layer, pass, sample, d > 0);
}
