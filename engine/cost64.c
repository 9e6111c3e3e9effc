/* The cost of a batch in float64: the same graph walked forward with the kinds' forward64, as the literature writes it, with memory of its
 * own. Gradient checks take central differences of it. */
#include <stdlib.h>

#include "engine/network_private.h"

/* Each layer's z and a, one after the other, [batch, out …] each, and behind them room for a layer's work. */
struct memory64 {
  double *values, *work;
  size_t *starts;    /* [node_count] */
  uint32_t *lengths; /* [node_count, batch], used at the nodes that keep lengths */
};

static enum error_code refuse_size(size_t batch, struct error *error) {
  return error_set(error, ERROR_OVER_BUDGET, "a float64 pass over %zu samples needs more memory than can be addressed", batch);
}

/* Values of all layers' z and a, which end where *out_work_start says, and of the room for work. Fills starts[node_count] unless NULL. */
static enum error_code count_values(const struct network *network, size_t batch, size_t *starts, size_t *out_work_start, size_t *out_count,
                                    struct error *error) {
  size_t count = 0, values;
  bool is_overflow = false;
  for (size_t i = 0; i < network->node_count; i++) {
    if (starts != NULL) starts[i] = count;
    is_overflow = is_overflow || __builtin_mul_overflow(network->nodes[i].out_size, 2 * batch, &values) ||
                  __builtin_add_overflow(count, values, &count);
  }
  const struct layer *largest = network_find_largest_work(network, batch);
  *out_work_start = count;
  is_overflow = is_overflow || __builtin_mul_overflow(largest->work_per_sample, batch, &values) ||
                __builtin_add_overflow(values, largest->work_fixed, &values) || __builtin_add_overflow(count, values, &count);
  *out_count = count;
  return is_overflow ? refuse_size(batch, error) : ERROR_NONE;
}

enum error_code network_cost64_measure(const struct network *network, size_t batch, size_t *out_bytes, struct error *error) {
  size_t work_start, count, bytes, lengths;
  enum error_code code = count_values(network, batch, NULL, &work_start, &count, error);
  if (code != ERROR_NONE) return code;
  if (__builtin_mul_overflow(count, sizeof(double), &bytes) ||
      __builtin_mul_overflow(network->node_count * sizeof(uint32_t), batch, &lengths) ||
      __builtin_add_overflow(bytes, network->node_count * sizeof(size_t), &bytes) || __builtin_add_overflow(bytes, lengths, out_bytes))
    return refuse_size(batch, error);
  return ERROR_NONE;
}

static enum error_code memory64_init(struct memory64 *memory, const struct network *network, size_t batch, struct error *error) {
  size_t work_start = 0, count = 0;
  *memory = (struct memory64){.starts = calloc(network->node_count, sizeof *memory->starts)};
  enum error_code code = count_values(network, batch, memory->starts, &work_start, &count, error);
  if (code == ERROR_NONE) memory->lengths = calloc(network->node_count, batch * sizeof *memory->lengths);
  if (memory->lengths != NULL && memory->starts != NULL) memory->values = calloc(count, sizeof *memory->values);
  if (memory->values != NULL) {
    memory->work = memory->values + work_start;
    return ERROR_NONE;
  }
  free(memory->starts);
  free(memory->lengths);
  if (code != ERROR_NONE) return code;
  return error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for a float64 pass over %zu samples", batch);
}

static double *get_z(const struct memory64 *memory, size_t index) { return memory->values + memory->starts[index]; }
static double *get_a(const struct memory64 *memory, const struct network *network, size_t batch, size_t index) {
  return get_z(memory, index) + batch * network->nodes[index].out_size;
}

static uint32_t *get_lengths(const struct memory64 *memory, const struct network *network, size_t batch, size_t index) {
  const size_t at = source_lengths_at(network, index);
  return at == NO_LENGTHS ? NULL : memory->lengths + at * batch;
}

/* 0 behind each sample's last real step, as in float32. */
static void clear_padding(const struct node *node, const uint32_t *lengths, size_t batch, double *values) {
  for (size_t sample = 0; sample < batch && lengths != NULL; sample++)
    for (size_t i = lengths[sample] * (node->out_size / node->layer.out.sizes[0]); i < node->out_size; i++)
      values[sample * node->out_size + i] = 0;
}

static void forward_node(const struct network *network, const struct memory64 *memory, struct pass64 *pass, const double *x, size_t index) {
  const struct node *node = &network->nodes[index];
  for (size_t input = 0; input < node->layer.input_count; input++) {
    pass->x[input] = node->sources[input] == SOURCE_INPUT ? x : get_a(memory, network, pass->batch, node->sources[input]);
    pass->lengths[input] = get_lengths(memory, network, pass->batch, node->sources[input]);
  }
  pass->z = get_z(memory, index);
  uint32_t *lengths = get_lengths(memory, network, pass->batch, index);
  pass->out_lengths = node->layer.lengths == LAYER_LENGTHS_OWN ? lengths : NULL;
  node->layer.kind->forward64(&node->layer, pass);
  if (node->lengths_at == index && node->layer.lengths == LAYER_LENGTHS_KEEP)
    lengths_take_shorter(&node->layer, pass->lengths, pass->batch, lengths);
  double *a = get_a(memory, network, pass->batch, index);
  const struct shape *out = &node->layer.out;
  size_t width = out->rank == 0 ? 1 : out->sizes[out->rank - 1], count = pass->batch * node->out_size;
  if (node->activation != NULL)
    activation_of(node->activation)->forward64(node->activation->settings, count / width, width, pass->z, a);
  else
    for (size_t i = 0; i < count; i++) a[i] = pass->z[i];
  clear_padding(node, lengths, pass->batch, a);
}

enum error_code network_cost64(const struct network *network, const struct pass_options *options, const double *x, const double *parameters,
                               const double *buffers, const struct spec *loss, const double *class_weights, const float *target,
                               double *out_cost, struct error *error) {
  struct memory64 memory;
  enum error_code code = memory64_init(&memory, network, options->batch, error);
  if (code != ERROR_NONE) return code;
  struct pass64 pass = {.batch = options->batch,
                        .training = options->training,
                        .seed = options->seed,
                        .epoch = options->epoch,
                        .step = options->step,
                        .parameters = parameters,
                        .buffers = buffers,
                        .work = memory.work};
  for (size_t i = 0; i < network->node_count; i++) forward_node(network, &memory, &pass, x, i);
  size_t last = network->node_count - 1;
  struct loss_batch batch = network_lay_out_loss(network, loss, options->batch);
  batch.target = target;
  batch.class_weights = class_weights;
  batch.lengths = get_lengths(&memory, network, options->batch, last);
  *out_cost = loss_cost64(loss, &batch, get_z(&memory, last), get_a(&memory, network, options->batch, last));
  free(memory.lengths);
  free(memory.values);
  free(memory.starts);
  return ERROR_NONE;
}
