/* Traces (trace.h): passes as training makes them, with an observer that keeps ∂C/∂a, and a second copy of the weights for the step. */
#include "engine/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const trace_quantity_names[TRACE_QUANTITIES] = {"z",          "a",    "activation_derivative", "activation_jacobian",
                                                            "a_gradient", "delta"};

struct trace {
  const struct network *network; /* borrowed, as are the specs in options */
  struct trace_options options;
  struct workspace *workspace;
  struct optimizer_state optimizer;
  uint64_t epoch; /* steps taken: each is an epoch of its own over these rows */
  size_t parameter_count, buffer_count;
  size_t *starts; /* [layers]: where a layer's ∂C/∂a begins */
  float *block;   /* all below */
  float *input, *input_gradient, *target;
  float *parameters, *after, *gradients, *raw_gradients, *buffers;
  float *a_gradients; /* layer by layer, [rows, out …] each */
  float *derived;     /* what trace_get_… computes */
  double loss, penalty, gradient_norm;
};

/* How many floats each array has. */
struct sizes {
  size_t input, target, parameters, buffers, slots, scratch, outputs, derived, total;
};

static size_t count_scratch(const struct spec *optimizer) {
  return optimizer_of(optimizer)->scratch_count == NULL ? 0 : optimizer_of(optimizer)->scratch_count(optimizer->settings);
}

static size_t larger(size_t left, size_t right) { return left > right ? left : right; }

static size_t width_of(const struct layer *layer) { return layer->out.rank == 0 ? 1 : layer->out.sizes[layer->out.rank - 1]; }

static const struct spec *activation_at(const struct trace *trace, size_t layer) {
  const struct layer_common *common = network_get_layer(trace->network, layer)->settings;
  return common->activation.kind != NULL ? &common->activation : NULL;
}

/* Values of a layer's Jacobian; 0: it has none, or one that is too large. */
static size_t jacobian_count(const struct layer *layer, size_t rows) {
  const struct layer_common *common = layer->settings;
  if (common->activation.kind == NULL || !activation_of(&common->activation)->is_row_wise) return 0;
  size_t count;
  if (__builtin_mul_overflow(rows * shape_size(&layer->out), width_of(layer), &count)) return 0;
  return count <= TRACE_JACOBIAN_VALUES_MAX ? count : 0;
}

static enum error_code refuse_size(const struct trace_options *options, struct error *error) {
  return error_set(error, ERROR_OVER_BUDGET, "a trace of %zu rows needs more memory than can be addressed", options->row_count);
}

static enum error_code count_sizes(const struct network *network, const struct trace_options *options, struct sizes *out_sizes,
                                   struct error *error) {
  const size_t rows = options->row_count;
  struct sizes sizes = {.parameters = network_parameter_count(network), .buffers = network_buffer_count(network)};
  bool is_overflow = __builtin_mul_overflow(rows, shape_size(network_get_input_shape(network)), &sizes.input);
  is_overflow |= __builtin_mul_overflow(rows, shape_size(network_get_output_shape(network)), &sizes.target);
  is_overflow |=
      __builtin_mul_overflow(sizes.parameters, optimizer_of(options->optimizer)->slot_count(options->optimizer->settings), &sizes.slots);
  is_overflow |= __builtin_mul_overflow(sizes.parameters, count_scratch(options->optimizer), &sizes.scratch);
  for (size_t i = 0; i < network_layer_count(network) && !is_overflow; i++) {
    const struct layer *layer = network_get_layer(network, i);
    size_t outputs;
    is_overflow |=
        __builtin_mul_overflow(rows, shape_size(&layer->out), &outputs) || __builtin_add_overflow(sizes.outputs, outputs, &sizes.outputs);
    sizes.derived = larger(sizes.derived, larger(outputs, jacobian_count(layer, rows)));
    for (size_t t = 0; t < layer->tensor_count; t++) sizes.derived = larger(sizes.derived, shape_size(&layer->tensors[t].shape));
  }
  const size_t parts[] = {sizes.input,      sizes.input,   sizes.target, sizes.parameters, sizes.parameters, sizes.parameters,
                          sizes.parameters, sizes.buffers, sizes.slots,  sizes.scratch,    sizes.outputs,    sizes.derived};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) is_overflow |= __builtin_add_overflow(sizes.total, parts[i], &sizes.total);
  if (is_overflow || sizes.total > SIZE_MAX / sizeof(float) / 2) return refuse_size(options, error);
  *out_sizes = sizes;
  return ERROR_NONE;
}

static size_t fixed_bytes(const struct network *network) { return sizeof(struct trace) + network_layer_count(network) * sizeof(size_t); }

enum error_code trace_measure(const struct network *network, const struct trace_options *options, size_t *out_bytes, struct error *error) {
  struct sizes sizes;
  size_t bytes = 0;
  enum error_code code = count_sizes(network, options, &sizes, error);
  if (code == ERROR_NONE) code = workspace_measure(network, options->row_count, true, &bytes, error);
  if (code != ERROR_NONE) return code;
  if (__builtin_add_overflow(bytes, sizes.total * sizeof(float) + fixed_bytes(network), out_bytes)) return refuse_size(options, error);
  return ERROR_NONE;
}

/* Cuts the block up, in the order of `parts` above. */
static void cut_up(struct trace *trace, const struct sizes *sizes) {
  float *at = trace->block;
  trace->input = at, at += sizes->input;
  trace->input_gradient = at, at += sizes->input;
  trace->target = at, at += sizes->target;
  trace->parameters = at, at += sizes->parameters;
  trace->after = at, at += sizes->parameters;
  trace->gradients = at, at += sizes->parameters;
  trace->raw_gradients = at, at += sizes->parameters;
  trace->buffers = at, at += sizes->buffers;
  for (size_t i = 0; i * sizes->parameters < sizes->slots; i++) trace->optimizer.slots[i] = at, at += sizes->parameters;
  for (size_t i = 0; i * sizes->parameters < sizes->scratch; i++) trace->optimizer.scratch[i] = at, at += sizes->parameters;
  trace->a_gradients = at, at += sizes->outputs;
  trace->derived = at;
  for (size_t i = 0, start = 0; i < network_layer_count(trace->network); i++) {
    trace->starts[i] = start;
    start += trace->options.row_count * shape_size(&network_get_layer(trace->network, i)->out);
  }
}

enum error_code trace_create(const struct network *network, const struct trace_options *options, struct trace **out_trace,
                             struct error *error) {
  *out_trace = NULL;
  struct sizes sizes;
  enum error_code code = count_sizes(network, options, &sizes, error);
  if (code != ERROR_NONE) return code;
  struct trace *trace = calloc(1, sizeof *trace);
  if (trace == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for a trace");
  *trace = (struct trace){.network = network, .options = *options, .parameter_count = sizes.parameters, .buffer_count = sizes.buffers};
  trace->starts = calloc(network_layer_count(network), sizeof *trace->starts);
  trace->block = calloc(sizes.total, sizeof *trace->block);
  if (trace->starts == NULL || trace->block == NULL)
    code = error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for a trace of %zu rows", options->row_count);
  if (code == ERROR_NONE) code = workspace_create(network, options->row_count, true, &trace->workspace, error);
  if (code != ERROR_NONE) {
    trace_destroy(trace);
    return code;
  }
  cut_up(trace, &sizes);
  network_initialize(network, options->seed, trace->parameters, trace->buffers);
  *out_trace = trace;
  return ERROR_NONE;
}

void trace_destroy(struct trace *trace) {
  if (trace == NULL) return;
  workspace_destroy(trace->workspace);
  free(trace->block);
  free(trace->starts);
  free(trace);
}

float *trace_get_parameters(struct trace *trace) { return trace->parameters; }
float *trace_get_buffers(struct trace *trace) { return trace->buffers; }
float *trace_get_input(struct trace *trace) { return trace->input; }
float *trace_get_target(struct trace *trace) { return trace->target; }

/* Passes */

static struct loss_batch output_batch(const struct trace *trace) {
  struct loss_batch batch = workspace_get_loss_batch(trace->workspace, trace->options.loss, trace->options.row_count, trace->target);
  batch.class_weights = trace->options.class_weights;
  return batch;
}

static void forward(struct trace *trace, const struct pass_options *options, const float *parameters) {
  network_forward(trace->network, trace->workspace, options, trace->input, parameters, trace->buffers);
  const struct loss_batch batch = output_batch(trace);
  double sum = 0, weight = 0;
  loss_evaluate(trace->options.loss, &batch, &sum, &weight);
  trace->loss = weight > 0 ? sum / weight : sum;
  trace->penalty = network_penalty(trace->network, parameters);
}

static void keep_a_gradient(void *context, size_t layer, const float *a_gradient) {
  struct trace *trace = context;
  const size_t count = trace->options.row_count * shape_size(&network_get_layer(trace->network, layer)->out);
  memcpy(trace->a_gradients + trace->starts[layer], a_gradient, count * sizeof(float));
}

static struct pass_options make_options(const struct trace *trace, uint64_t epoch) {
  return (struct pass_options){.batch = trace->options.row_count, .training = true, .seed = trace->options.seed, .epoch = epoch};
}

/* Forward and backward at these weights; penalties included in the gradient. */
static void pass(struct trace *trace, const struct pass_options *options, const float *parameters, float *gradients) {
  forward(trace, options, parameters);
  network_backward(trace->network, trace->workspace, options, trace->input, parameters, trace->options.loss, trace->options.class_weights,
                   trace->target, gradients, trace->input_gradient);
  network_add_penalty_gradient(trace->network, parameters, gradients);
}

void trace_pass(struct trace *trace) {
  const struct loss_kind *loss = loss_of(trace->options.loss);
  const struct pass_observer observer = {.context = trace, .see_a_gradient = keep_a_gradient};
  struct pass_options options = make_options(trace, trace->epoch);
  options.observer = &observer;
  pass(trace, &options, trace->parameters, trace->raw_gradients);
  const struct loss_batch batch = output_batch(trace);
  if (network_is_fused(trace->network, trace->options.loss) && loss->a_gradient != NULL)
    loss_a_gradient(trace->options.loss, &batch, trace->a_gradients + trace->starts[network_layer_count(trace->network) - 1]);
  double squares = 0;
  for (size_t i = 0; i < network_trained_count(trace->network); i++)
    squares += (double)trace->raw_gradients[i] * (double)trace->raw_gradients[i];
  trace->gradient_norm = sqrt(squares);
}

/* The cost for an optimizer's search. */
static bool evaluate_at(void *context, float *weights, double *out_cost, float *gradients) {
  struct trace *trace = context;
  const struct pass_options options = make_options(trace, trace->epoch);
  const size_t trained = network_trained_count(trace->network);
  memcpy(weights + trained, trace->parameters + trained, (trace->parameter_count - trained) * sizeof(float));
  pass(trace, &options, weights, gradients);
  *out_cost = trace->loss + trace->penalty;
  return true;
}

void trace_update(struct trace *trace) {
  const struct spec *optimizer = trace->options.optimizer;
  const struct optimizer_kind *kind = optimizer_of(optimizer);
  const size_t count = network_trained_count(trace->network); /* frozen layers have their gradients shown, but take no step */
  memcpy(trace->gradients, trace->raw_gradients, trace->parameter_count * sizeof(float));
  memcpy(trace->after, trace->parameters, trace->parameter_count * sizeof(float));
  gradient_clip(trace->options.clip_norm, trace->options.clip_value, trace->gradient_norm, count, trace->gradients);
  const double learning_rate = ((const struct optimizer_common *)optimizer->settings)->learning_rate;
  if (count_scratch(optimizer) == 0) {
    kind->step(optimizer->settings, learning_rate, NULL, count, trace->after, trace->gradients, &trace->optimizer);
    return;
  }
  const struct cost_function function = {.context = trace, .start = trace->loss + trace->penalty, .evaluate = evaluate_at};
  (void)kind->search(optimizer->settings, learning_rate, &function, count, trace->after, trace->gradients, &trace->optimizer);
  trace_pass(trace); /* what the search's passes have overwritten */
}

void trace_advance(struct trace *trace) {
  float *before = trace->parameters;
  trace->parameters = trace->after;
  trace->after = before;
  trace->epoch++;
}

void trace_look_ahead(struct trace *trace) {
  const struct pass_options options = make_options(trace, trace->epoch + 1);
  forward(trace, &options, trace->after);
}

double trace_get_loss(const struct trace *trace) { return trace->loss; }
double trace_get_penalty(const struct trace *trace) { return trace->penalty; }
double trace_get_gradient_norm(const struct trace *trace) { return trace->gradient_norm; }

/* Looking */

/* f′(z): what the activation's backward makes of ones. */
static const float *derive(struct trace *trace, size_t index, size_t count) {
  const struct spec *activation = activation_at(trace, index);
  const size_t width = width_of(network_get_layer(trace->network, index));
  if (activation != NULL && activation_of(activation)->is_row_wise) return NULL;
  for (size_t i = 0; i < count; i++) trace->derived[i] = 1;
  if (activation != NULL)
    activation_of(activation)
        ->backward(activation->settings, count / width, width, workspace_get_z(trace->workspace, index),
                   workspace_get_a(trace->workspace, index), trace->derived);
  return trace->derived;
}

/* ∂a_k/∂z_j, row k: what backward makes of a 1 at k among 0s. */
static const float *derive_jacobian(struct trace *trace, size_t index, size_t count) {
  const struct spec *activation = activation_at(trace, index);
  const size_t width = width_of(network_get_layer(trace->network, index));
  const float *z = workspace_get_z(trace->workspace, index), *a = workspace_get_a(trace->workspace, index);
  if (count == 0) return NULL;
  memset(trace->derived, 0, count * sizeof(float));
  for (size_t i = 0; i < count / width; i++) { /* i is row · width + k */
    const size_t row = i / width;
    float *jacobian_row = trace->derived + i * width;
    jacobian_row[i % width] = 1;
    activation_of(activation)->backward(activation->settings, 1, width, z + row * width, a + row * width, jacobian_row);
  }
  return trace->derived;
}

const float *trace_get_values(struct trace *trace, size_t layer, enum trace_quantity quantity, size_t *out_count) {
  const struct layer *shape = network_get_layer(trace->network, layer);
  const bool is_output = layer + 1 == network_layer_count(trace->network);
  *out_count = trace->options.row_count * shape_size(&shape->out);
  switch (quantity) {
  case TRACE_Z: return workspace_get_z(trace->workspace, layer);
  case TRACE_A: return workspace_get_a(trace->workspace, layer);
  case TRACE_ACTIVATION_DERIVATIVE: return derive(trace, layer, *out_count);
  case TRACE_ACTIVATION_JACOBIAN:
    *out_count = jacobian_count(shape, trace->options.row_count);
    return derive_jacobian(trace, layer, *out_count);
  case TRACE_A_GRADIENT:
    if (is_output && network_is_fused(trace->network, trace->options.loss) && loss_of(trace->options.loss)->a_gradient == NULL) return NULL;
    return trace->a_gradients + trace->starts[layer];
  case TRACE_DELTA: return workspace_get_delta(trace->workspace, layer);
  case TRACE_QUANTITIES: break;
  }
  return NULL;
}

const float *trace_get_tensor(struct trace *trace, size_t layer, size_t tensor, enum trace_tensor_quantity quantity, size_t *out_count) {
  const struct layer_tensor *view = &network_get_layer(trace->network, layer)->tensors[tensor];
  const float *before = trace->parameters + view->offset, *after = trace->after + view->offset;
  *out_count = shape_size(&view->shape);
  switch (quantity) {
  case TRACE_VALUE: return before;
  case TRACE_GRADIENT: return trace->raw_gradients + view->offset;
  case TRACE_STEP:
    for (size_t i = 0; i < *out_count; i++) trace->derived[i] = after[i] - before[i];
    return trace->derived;
  case TRACE_AFTER: return after;
  case TRACE_TENSOR_QUANTITIES: break;
  }
  return NULL;
}

const float *trace_get_input_gradient(const struct trace *trace) { return trace->input_gradient; }
