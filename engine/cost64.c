/* The cost of a batch in float64: the same graph walked forward with the kinds' forward64, as the literature writes it, with memory of its
 * own. Gradient checks take central differences of it. */
#include <stdlib.h>

#include "engine/network_private.h"

/* Each layer's z and a, one after the other, [batch, out …] each, and behind them room for a layer's work. */
struct memory64 {
  double *values, *work;
  size_t *starts; /* [node_count] */
};

static enum error_code memory64_init(struct memory64 *memory, const struct network *network, size_t batch, struct error *error) {
  size_t count = 0, values;
  bool is_overflow = false;
  *memory = (struct memory64){.starts = calloc(network->node_count, sizeof *memory->starts)};
  if (memory->starts == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for a float64 pass");
  for (size_t i = 0; i < network->node_count; i++) {
    memory->starts[i] = count;
    is_overflow = is_overflow || __builtin_mul_overflow(network->nodes[i].out_size, 2 * batch, &values) ||
                  __builtin_add_overflow(count, values, &count);
  }
  const struct layer *largest = network_find_largest_work(network, batch);
  const size_t work_start = count;
  is_overflow = is_overflow || __builtin_mul_overflow(largest->work_per_sample, batch, &values) ||
                __builtin_add_overflow(values, largest->work_fixed, &values) || __builtin_add_overflow(count, values, &count);
  if (!is_overflow) memory->values = calloc(count, sizeof *memory->values);
  if (memory->values != NULL) memory->work = memory->values + work_start;
  if (memory->values != NULL) return ERROR_NONE;
  free(memory->starts);
  return error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for a float64 pass over %zu samples", batch);
}

static double *get_z(const struct memory64 *memory, size_t index) { return memory->values + memory->starts[index]; }
static double *get_a(const struct memory64 *memory, const struct network *network, size_t batch, size_t index) {
  return get_z(memory, index) + batch * network->nodes[index].out_size;
}

static void forward_node(const struct network *network, const struct memory64 *memory, struct pass64 *pass, const double *x, size_t index) {
  const struct node *node = &network->nodes[index];
  for (size_t input = 0; input < node->layer.input_count; input++)
    pass->x[input] = node->sources[input] == SOURCE_INPUT ? x : get_a(memory, network, pass->batch, node->sources[input]);
  pass->z = get_z(memory, index);
  node->layer.kind->forward64(&node->layer, pass);
  double *a = get_a(memory, network, pass->batch, index);
  const struct shape *out = &node->layer.out;
  size_t width = out->rank == 0 ? 1 : out->sizes[out->rank - 1], count = pass->batch * node->out_size;
  if (node->activation != NULL)
    activation_of(node->activation)->forward64(node->activation->settings, count / width, width, pass->z, a);
  else
    for (size_t i = 0; i < count; i++) a[i] = pass->z[i];
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
  struct loss_batch batch = {
      .rows = options->batch, .width = network->nodes[last].out_size, .target = target, .class_weights = class_weights};
  const struct loss_kind *kind = (const struct loss_kind *)loss->kind;
  *out_cost = kind->cost64(loss->settings, &batch, get_z(&memory, last), get_a(&memory, network, options->batch, last));
  free(memory.values);
  free(memory.starts);
  return ERROR_NONE;
}
