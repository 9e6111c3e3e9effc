/* Passes: the forward and the backward walk over a network's layers, in float32. Nothing is allocated here.
 *
 * Backward, at each layer in reverse order:
 *   1. `delta` holds ∂C/∂a, written by the layers that take its output (for the output layer: by the loss); at padded
 *      steps, if its output has lengths, that becomes 0, and so δ will be
 *   2. its activation turns that into δ = ∂C/∂z in place (not where loss and activation are fused: then the loss wrote δ)
 *   3. the kind writes ∂C/∂w to the gradients and ∂C/∂x to its sources' `delta`, or to scratch memory if another layer did already;
 *      scratch is then added
 *
 * With pass_options.joins gradients that a layer hands on as they are stay where they are (node.delta_at); an activation that can leaves
 * ∂a/∂z in place of z, so that step 2 is a product; and two layers that can be are computed at the first one's turn, forward and backward:
 * the second one's turn is its activation's alone.
 */
#include <assert.h>
#include <string.h>

#include "engine/network_private.h"

enum { ACTIVATION_COST = 1 }; /* about nanoseconds per value */

/* One layer's activation, cut by rows. */
struct activation_job {
  const struct spec *activation;
  size_t rows, width, rows_per_piece;
  float *z, *a;
  float *delta;     /* NULL: forward */
  bool keeps_slope; /* forward leaves ∂a/∂z in place of z, and backward finds it there */
};

static void multiply(size_t count, const float *restrict by, float *restrict values) {
  for (size_t i = 0; i < count; i++) values[i] *= by[i];
}

static void activation_piece(void *argument, size_t piece) {
  const struct activation_job *job = argument;
  const struct activation_kind *kind = activation_of(job->activation);
  size_t begin = piece * job->rows_per_piece, rest = job->rows - begin, rows = rest < job->rows_per_piece ? rest : job->rows_per_piece;
  size_t start = begin * job->width;
  if (job->delta == NULL && job->keeps_slope)
    kind->forward_with_slope(job->activation->settings, rows, job->width, job->z + start, job->a + start);
  else if (job->delta != NULL && job->keeps_slope)
    multiply(rows * job->width, job->z + start, job->delta + start);
  else if (job->delta == NULL)
    kind->forward(job->activation->settings, rows, job->width, job->z + start, job->a + start);
  else
    kind->backward(job->activation->settings, rows, job->width, job->z + start, job->a + start, job->delta + start);
}

static void run_activation(const struct node *node, const struct node_memory *memory, const struct pass_options *options, float *delta) {
  const struct shape *out = &node->layer.out;
  size_t width = out->rank == 0 ? 1 : out->sizes[out->rank - 1];
  struct activation_job job = {.activation = node->activation, .rows = options->batch * (node->out_size / width), .width = width};
  job.rows_per_piece = parallel_items_per_piece(job.rows, width * ACTIVATION_COST);
  job.z = memory->z;
  job.keeps_slope = options->joins && options->training && node->keeps_slope;
  job.a = memory->a;
  job.delta = delta;
  parallel_run(options->parallel, parallel_piece_count(job.rows, job.rows_per_piece), activation_piece, &job);
}

static const uint32_t *get_lengths(const struct workspace *workspace, size_t at) {
  return at == NO_LENGTHS ? NULL : workspace->nodes[at].lengths;
}

/* ∂C/∂a, then δ, of a node. */
static float *get_delta(const struct workspace *workspace, const struct pass_options *options, size_t index) {
  return workspace->nodes[options->joins ? workspace->network->nodes[index].delta_at : index].delta;
}

/* What a kind sees of inputs that a layer doesn't have is left as it is: clearing it would take longer than a small layer. */
static void prepare_pass(const struct workspace *workspace, const struct pass_options *options, const float *x, size_t index,
                         struct pass *out_pass) {
  const struct node *node = &workspace->network->nodes[index];
  const struct node_memory *memory = &workspace->nodes[index];
  out_pass->batch = options->batch;
  out_pass->training = options->training;
  out_pass->row_by_row = options->row_by_row;
  out_pass->seed = options->seed;
  out_pass->epoch = options->epoch;
  out_pass->step = options->step;
  out_pass->z = memory->z;
  out_pass->saved = memory->saved;
  out_pass->work = workspace->work;
  out_pass->delta = get_delta(workspace, options, index);
  out_pass->skips_gradients = options->skips_frozen && node->layer.is_frozen;
  out_pass->parallel = options->parallel;
  out_pass->half = options->half;
  out_pass->out_lengths = node->layer.lengths == LAYER_LENGTHS_OWN ? memory->lengths : NULL;
  for (size_t input = 0; input < node->layer.input_count; input++) {
    size_t source = node->sources[input];
    out_pass->x[input] = source == SOURCE_INPUT ? x : workspace->nodes[source].a;
    out_pass->lengths[input] = get_lengths(workspace, source_lengths_at(workspace->network, source));
  }
}

void lengths_take_shorter(const struct layer *layer, const uint32_t *const *lengths, size_t batch, uint32_t *out_lengths) {
  for (size_t sample = 0; sample < batch; sample++) {
    uint32_t shortest = UINT32_MAX;
    for (size_t input = 0; input < layer->input_count; input++)
      if (lengths[input] != NULL && lengths[input][sample] < shortest) shortest = lengths[input][sample];
    out_lengths[sample] = shortest;
  }
}

/* Sets values [batch, out …] of a node to 0 behind each sample's last real step. */
static void clear_padding(const struct workspace *workspace, size_t index, size_t batch, float *values) {
  const struct node *node = &workspace->network->nodes[index];
  const uint32_t *lengths = get_lengths(workspace, node->lengths_at);
  if (lengths == NULL) return;
  size_t step_size = node->out_size / node->layer.out.sizes[0];
  for (size_t sample = 0; sample < batch; sample++) {
    size_t real = lengths[sample] * step_size;
    memset(values + sample * node->out_size + real, 0, (node->out_size - real) * sizeof *values);
  }
}

void network_forward(const struct network *network, struct workspace *workspace, const struct pass_options *options, const float *x,
                     const float *parameters, float *buffers) {
  assert(workspace->network == network && options->batch <= workspace->batch && (workspace->training || !options->training));
  struct pass pass;
  pass.parameters = parameters;
  pass.buffers = buffers;
  pass.gradients = NULL;
  for (size_t i = 0; i < network->node_count; i++) {
    const struct node *node = &network->nodes[i];
    const bool joins = options->joins && node->joined_with != NO_NODE;
    prepare_pass(workspace, options, x, i, &pass);
    if (joins) {
      pass.z = workspace->nodes[node->joined_with].z;
      node->layer.kind->forward_joined(&node->layer, node->activation, &pass);
      continue;
    }
    if (!options->joins || !node->is_joined) node->layer.kind->forward(&node->layer, &pass);
    if (node->lengths_at == i && node->layer.lengths == LAYER_LENGTHS_KEEP)
      lengths_take_shorter(&node->layer, pass.lengths, options->batch, workspace->nodes[i].lengths);
    if (node->activation != NULL) run_activation(node, &workspace->nodes[i], options, NULL);
    clear_padding(workspace, i, options->batch, workspace->nodes[i].a);
  }
}

static void add_values(size_t count, const float *restrict from, float *restrict to) {
  for (size_t i = 0; i < count; i++) to[i] += from[i];
}

/* Where the gradient of an edge has to arrive; NULL: nobody needs it. */
static float *find_target(const struct workspace *workspace, const struct pass_options *options, size_t source, float *input_gradient) {
  if (source == SOURCE_INPUT) return input_gradient;
  const bool is_needed = !options->skips_frozen || workspace->network->nodes[source].needs_gradient;
  return is_needed || input_gradient != NULL ? get_delta(workspace, options, source) : NULL;
}

/* Step 3 for one layer. */
static void backward_layer(struct workspace *workspace, const struct pass_options *options, struct pass *pass, size_t index,
                           float *input_gradient) {
  const struct network *network = workspace->network;
  const struct node *node = &network->nodes[index];
  float *scratch = workspace->scratch;
  float *targets[LIMIT_LAYER_INPUTS]; /* where the gradient of each edge has to arrive */
  for (size_t input = 0; input < node->layer.input_count; input++) {
    size_t source = node->sources[input];
    targets[input] = find_target(workspace, options, source, input_gradient);
    pass->dx[input] = targets[input];
    if (!node->adds[input] || targets[input] == NULL) continue;
    pass->dx[input] = scratch;
    scratch += pass->batch * source_size(network, source);
  }
  if (options->joins && node->joined_with != NO_NODE)
    node->layer.kind->backward_joined(&node->layer, node->activation, pass);
  else
    node->layer.kind->backward(&node->layer, pass);
  for (size_t i = 0; i < node->layer.tensor_count && !pass->skips_gradients; i++) {
    const struct layer_tensor *tensor = &node->layer.tensors[i];
    if (tensor->is_lost) memset(pass->gradients + tensor->offset, 0, shape_size(&tensor->shape) * sizeof *pass->gradients);
  }
  for (size_t input = 0; input < node->layer.input_count; input++)
    if (pass->dx[input] != targets[input])
      add_values(pass->batch * source_size(network, node->sources[input]), pass->dx[input], targets[input]);
}

bool network_is_fused(const struct network *network, const struct spec *loss) {
  const char *activation = loss_of(loss)->fused_activation;
  return activation != NULL && strcmp(activation, network_get_output_activation(network)->kind->name) == 0;
}

/* Step 1 for the output layer. */
static void run_loss(const struct network *network, struct workspace *workspace, const struct pass_options *options,
                     const struct spec *loss, const double *class_weights, const float *target) {
  struct loss_batch batch = workspace_get_loss_batch(workspace, loss, options->batch, target);
  batch.class_weights = class_weights;
  batch.are_shares = options->has_shares;
  loss_gradient(loss, &batch, workspace->nodes[network->node_count - 1].delta);
}

void network_backward(const struct network *network, struct workspace *workspace, const struct pass_options *options, const float *x,
                      const float *parameters, const struct spec *loss, const double *class_weights, const float *target, float *gradients,
                      float *input_gradient) {
  assert(workspace->network == network && options->batch <= workspace->batch && workspace->training && options->training);
  assert(!options->joins || options->observer == NULL);
  run_loss(network, workspace, options, loss, class_weights, target);
  const bool is_fused = network_is_fused(network, loss);
  struct pass pass;
  pass.parameters = parameters;
  pass.buffers = NULL;
  pass.gradients = gradients;
  for (size_t i = network->node_count; i-- > 0;) {
    const struct node *node = &network->nodes[i];
    const bool is_delta = is_fused && i + 1 == network->node_count;
    if (options->skips_frozen && !node->needs_gradient && input_gradient == NULL) continue;
    if (options->joins && node->joined_with != NO_NODE) {
      prepare_pass(workspace, options, x, i, &pass);
      pass.delta = get_delta(workspace, options, node->joined_with);
      backward_layer(workspace, options, &pass, i, input_gradient);
      continue;
    }
    float *delta = get_delta(workspace, options, i);
    clear_padding(workspace, i, options->batch, delta);
    if (options->observer != NULL && !is_delta) options->observer->see_a_gradient(options->observer->context, i, delta);
    if (node->activation != NULL && !is_delta) run_activation(node, &workspace->nodes[i], options, delta);
    if (options->joins && node->is_joined) continue;
    prepare_pass(workspace, options, x, i, &pass);
    backward_layer(workspace, options, &pass, i, input_gradient);
  }
}
