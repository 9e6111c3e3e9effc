/* Networks: from spec to graph.
 *
 * network_create goes in steps, each of which may assume what the ones before have checked:
 *   names → edges (which layer takes which) → order (no cycle, nothing unused) → shapes (each kind's compile) → layout of the block.
 * The first two collect all errors; the later ones stop at the first, because its consequences would only confuse.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/activations/kinds.h"
#include "engine/network_private.h"

static const char input_name[] = "input";

/* Work of network_create, by position in the spec. */
struct builder {
  const struct network_spec *spec;
  struct network *network;
  size_t count;
  size_t *edges;         /* [count][LIMIT_LAYER_INPUTS]: spec index of the source, or SOURCE_INPUT */
  size_t *positions;     /* [count]: index in the order of computation; SIZE_MAX while unknown */
  size_t compiled_count; /* nodes whose shapes can be known: all, unless this is a draft */
  struct error *error;
};

static struct layer_common *common_at(const struct builder *builder, size_t index) {
  return layer_common_of(&builder->spec->layers.items[index]);
}

static size_t count_inputs(const struct builder *builder, size_t index) {
  size_t given = common_at(builder, index)->inputs.count;
  return given > 0 ? given : 1;
}

static void layer_pointer(char out_pointer[ERROR_POINTER_BYTES], size_t index, const char *field) {
  error_pointer(out_pointer, "/layers", "%zu", index);
  if (field != NULL) error_pointer(out_pointer, out_pointer, "%s", field);
}

/* Names */

static bool is_name_readable(const char *name) {
  for (; *name != '\0'; name++)
    if (!isalnum((unsigned char)*name) && strchr("_-.", *name) == NULL) return false;
  return true;
}

static size_t find_layer(const struct builder *builder, const char *name) {
  for (size_t i = 0; i < builder->count; i++)
    if (strcmp(common_at(builder, i)->name, name) == 0) return i;
  return SIZE_MAX;
}

static enum error_code check_names(const struct builder *builder) {
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < builder->count; i++) {
    char pointer[ERROR_POINTER_BYTES];
    const char *name = common_at(builder, i)->name;
    layer_pointer(pointer, i, "name");
    size_t first = find_layer(builder, name);
    if (name[0] == '\0')
      code = error_add(builder->error, pointer, "is missing: network_spec_resolve gives every layer one");
    else if (strcmp(name, input_name) == 0)
      code = error_add(builder->error, pointer, "can't be \"input\", which is the network's input");
    else if (!is_name_readable(name))
      code = error_add(builder->error, pointer, "may have letters, digits, _ - and . only");
    else if (first != i)
      code = error_add(builder->error, pointer, "is \"%s\", which is the name of layer %zu already", name, first);
  }
  return code;
}

/* Edges */

/* Names for suggestions: the layers' and then "input". */
static const char *known_name_at(const void *context, size_t index) {
  const struct builder *builder = context;
  return index < builder->count ? common_at(builder, index)->name : input_name;
}

static enum error_code check_input_count(const struct builder *builder, size_t index) {
  const struct layer_kind *kind = layer_kind_of(&builder->spec->layers.items[index]);
  size_t count = count_inputs(builder, index);
  if (count >= kind->input_min && count <= kind->input_max) return ERROR_NONE;
  char pointer[ERROR_POINTER_BYTES];
  layer_pointer(pointer, index, "inputs");
  if (kind->input_min == kind->input_max)
    return error_add(builder->error, pointer, "a layer of type %s takes exactly %zu input%s, not %zu", kind->kind.name, kind->input_min,
                     kind->input_min == 1 ? "" : "s", count);
  return error_add(builder->error, pointer, "a layer of type %s takes %zu to %zu inputs, not %zu: name the layers that it takes",
                   kind->kind.name, kind->input_min, kind->input_max, count);
}

static enum error_code find_source(const struct builder *builder, size_t index, size_t input, size_t *out_source) {
  const char *name = common_at(builder, index)->inputs.items[input];
  *out_source = strcmp(name, input_name) == 0 ? SOURCE_INPUT : find_layer(builder, name);
  if (*out_source != SIZE_MAX || strcmp(name, input_name) == 0) return ERROR_NONE;
  char pointer[ERROR_POINTER_BYTES];
  layer_pointer(pointer, index, "inputs");
  error_pointer(pointer, pointer, "%zu", input);
  const char *suggestion = param_suggest(name, builder->count + 1, known_name_at, builder);
  if (suggestion != NULL) return error_add(builder->error, pointer, "no layer is named \"%.64s\"; did you mean \"%s\"?", name, suggestion);
  return error_add(builder->error, pointer, "no layer is named \"%.64s\"", name);
}

static enum error_code find_edges(const struct builder *builder) {
  enum error_code result = ERROR_NONE;
  for (size_t i = 0; i < builder->count; i++) {
    size_t *sources = builder->edges + i * LIMIT_LAYER_INPUTS;
    enum error_code code = check_input_count(builder, i);
    const struct names *inputs = &common_at(builder, i)->inputs;
    if (inputs->count == 0) sources[0] = i == 0 ? SOURCE_INPUT : i - 1;
    for (size_t input = 0; input < inputs->count && code == ERROR_NONE; input++) code = find_source(builder, i, input, &sources[input]);
    if (code != ERROR_NONE) result = code;
  }
  return result;
}

/* Order */

/* The layers that are in the way lead in circles: follows unordered inputs until a layer comes up again, and names the circle. */
static enum error_code report_cycle(const struct builder *builder) {
  size_t index = 0, next_input = 0;
  while (builder->positions[index] != SIZE_MAX) index++;
  /* After `count` steps we are on the circle for sure. */
  size_t on_circle = index;
  for (size_t step = 0; step <= builder->count; step++) {
    for (size_t input = 0; input < count_inputs(builder, on_circle); input++) {
      size_t source = builder->edges[on_circle * LIMIT_LAYER_INPUTS + input];
      if (source == SOURCE_INPUT || builder->positions[source] != SIZE_MAX) continue;
      index = on_circle;
      next_input = input;
      on_circle = source;
      break;
    }
  }
  /* Layer `index` takes `on_circle`, by its input number next_input. */
  char text[ERROR_DETAIL_BYTES], pointer[ERROR_POINTER_BYTES];
  snprintf(text, sizeof text, "\"%s\"", common_at(builder, on_circle)->name);
  size_t at = on_circle;
  do {
    for (size_t input = 0; input < count_inputs(builder, at); input++) {
      size_t source = builder->edges[at * LIMIT_LAYER_INPUTS + input];
      if (source == SOURCE_INPUT || builder->positions[source] != SIZE_MAX) continue;
      at = source;
      break;
    }
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, " takes \"%s\"", common_at(builder, at)->name);
  } while (at != on_circle);
  layer_pointer(pointer, index, "inputs");
  if (common_at(builder, index)->inputs.count > 0) error_pointer(pointer, pointer, "%zu", next_input);
  return error_add(builder->error, pointer, "the layers form a cycle: %s", text);
}

static bool is_ready(const struct builder *builder, size_t index) {
  if (builder->positions[index] != SIZE_MAX) return false;
  for (size_t input = 0; input < count_inputs(builder, index); input++) {
    size_t source = builder->edges[index * LIMIT_LAYER_INPUTS + input];
    if (source != SOURCE_INPUT && builder->positions[source] == SIZE_MAX) return false;
  }
  return true;
}

/* Orders the layers so that each comes after what it takes; of those that could come next, the first in the spec does. */
static enum error_code find_order(const struct builder *builder) {
  struct network *network = builder->network;
  for (size_t i = 0; i < builder->count; i++) builder->positions[i] = SIZE_MAX;
  for (size_t position = 0; position < builder->count; position++) {
    size_t index = 0;
    while (index < builder->count && !is_ready(builder, index)) index++;
    if (index == builder->count) return report_cycle(builder);
    builder->positions[index] = position;
    network->nodes[position].spec_index = index;
  }
  return ERROR_NONE;
}

static enum error_code check_all_used(const struct builder *builder) {
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i + 1 < builder->count; i++) {
    bool is_used = false;
    for (size_t j = 0; j < builder->count && !is_used; j++)
      for (size_t input = 0; input < count_inputs(builder, j); input++) is_used |= builder->edges[j * LIMIT_LAYER_INPUTS + input] == i;
    if (is_used) continue;
    char pointer[ERROR_POINTER_BYTES];
    layer_pointer(pointer, i, NULL);
    code = error_add(builder->error, pointer, "no layer takes the output of \"%s\": name it in another's inputs, or leave it out",
                     common_at(builder, i)->name);
  }
  return code;
}

/* Shapes */

/* The product of the sizes, or 0 if it is over the limit or a size is 0. */
static size_t bounded_size(const struct shape *shape, size_t limit) {
  size_t size = 1;
  for (size_t i = 0; i < shape->rank; i++)
    if (__builtin_mul_overflow(size, shape->sizes[i], &size) || size > limit) return 0;
  return size;
}

static enum error_code check_out_size(const struct builder *builder, const struct node *node) {
  if (bounded_size(&node->layer.out, LIMIT_SAMPLE_VALUES) > 0) return ERROR_NONE;
  char pointer[ERROR_POINTER_BYTES], text[SHAPE_TEXT_BYTES];
  layer_pointer(pointer, node->spec_index, NULL);
  return error_add(builder->error, pointer, "the output of \"%s\", %s, is too large: a sample may have at most %d values", node->layer.name,
                   shape_format(&node->layer.out, text, sizeof text), LIMIT_SAMPLE_VALUES);
}

/* Says of each input whether it has lengths, before the layer is compiled. */
static void mark_lengths(const struct network *network, struct node *node) {
  for (size_t input = 0; input < node->layer.input_count; input++)
    node->layer.has_lengths[input] = source_lengths_at(network, node->sources[input]) != NO_LENGTHS;
}

/* Decides, after it, where the output's lengths are kept: with one input's that they are, or by the node itself. */
static size_t place_lengths(const struct network *network, const struct node *node) {
  const struct layer *layer = &node->layer;
  size_t at = NO_LENGTHS;
  if (layer->lengths == LAYER_LENGTHS_OWN) at = layer->index;
  for (size_t input = 0; input < layer->input_count && layer->lengths == LAYER_LENGTHS_KEEP; input++) {
    size_t source_at = source_lengths_at(network, node->sources[input]);
    if (source_at == NO_LENGTHS || source_at == at) continue;
    at = at == NO_LENGTHS ? source_at : layer->index;
  }
  assert(at == NO_LENGTHS || layer->out.rank >= 2);
  return at;
}

/* What a kind has found wrong with a layer: of the whole, or of some parameters. */
static enum error_code report_layer(const struct builder *builder, const struct node *node, const struct error *found) {
  char layer[ERROR_POINTER_BYTES];
  layer_pointer(layer, node->spec_index, NULL);
  if (found->item_count == 0) return error_add(builder->error, layer, "%s", found->detail);
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < found->item_count; i++) {
    char pointer[ERROR_POINTER_BYTES];
    (void)snprintf(pointer, sizeof pointer, "%.80s%.79s", layer, found->items[i].pointer);
    code = error_add(builder->error, pointer, "%s", found->items[i].detail);
  }
  return code;
}

static enum error_code compile_node(const struct builder *builder, struct node *node) {
  struct network *network = builder->network;
  const struct spec *spec = &builder->spec->layers.items[node->spec_index];
  struct layer *layer = &node->layer;
  layer->kind = layer_kind_of(spec);
  layer->settings = spec->settings;
  layer->index = (size_t)(node - network->nodes);
  layer->name = layer_common_of(spec)->name;
  layer->is_frozen = !layer_common_of(spec)->trainable;
  layer->input_count = count_inputs(builder, node->spec_index);
  for (size_t input = 0; input < layer->input_count; input++) {
    size_t source = builder->edges[node->spec_index * LIMIT_LAYER_INPUTS + input];
    node->sources[input] = source == SOURCE_INPUT ? SOURCE_INPUT : builder->positions[source];
    const struct node *source_node = source == SOURCE_INPUT ? NULL : &network->nodes[node->sources[input]];
    layer->in[input] = source_node == NULL ? network->input : source_node->layer.out;
    layer->input_names[input] = source_node == NULL ? input_name : source_node->layer.name;
  }
  mark_lengths(network, node);
  struct error error = {0};
  if (layer->kind->compile(layer, &error) != ERROR_NONE) return report_layer(builder, node, &error);
  enum error_code code = check_out_size(builder, node);
  if (code != ERROR_NONE) return code;
  node->out_size = shape_size(&layer->out);
  node->lengths_at = place_lengths(network, node);
  const struct spec *activation = &layer_common_of(spec)->activation;
  if (activation->kind != NULL && activation->kind != &activation_linear.kind) node->activation = activation;
  return ERROR_NONE;
}

/* Layout */

/* Puts one tensor behind those before it. False if the block would be too large to be counted in bytes. */
static bool place_tensor(struct layer_tensor *tensor, size_t *count) {
  size_t size = bounded_size(&tensor->shape, SIZE_MAX / 64), bytes;
  tensor->offset = *count;
  if (size == 0 || __builtin_add_overflow(*count, size, count)) return false;
  return !__builtin_mul_overflow(*count, 16 * sizeof(float), &bytes); /* room for gradients and optimizer state too */
}

static enum error_code report_size(const struct builder *builder, const struct node *node) {
  char pointer[ERROR_POINTER_BYTES];
  layer_pointer(pointer, node->spec_index, NULL);
  return error_add(builder->error, pointer, "layer \"%s\" makes the network too large for any machine", node->layer.name);
}

/* The parameters of the layers that are frozen, or of those that aren't. */
static enum error_code lay_out_parameters(const struct builder *builder, bool are_frozen) {
  struct network *network = builder->network;
  for (size_t i = 0; i < builder->compiled_count; i++) {
    struct node *node = &network->nodes[i];
    if (node->layer.is_frozen != are_frozen) continue;
    for (size_t k = 0; k < node->layer.tensor_count; k++)
      if (!place_tensor(&node->layer.tensors[k], &network->parameter_count)) return report_size(builder, node);
  }
  return ERROR_NONE;
}

static enum error_code lay_out(const struct builder *builder) {
  struct network *network = builder->network;
  enum error_code code = lay_out_parameters(builder, false);
  network->trained_count = network->parameter_count;
  if (code == ERROR_NONE) code = lay_out_parameters(builder, true);
  for (size_t i = 0; i < builder->compiled_count && code == ERROR_NONE; i++) {
    struct node *node = &network->nodes[i];
    for (size_t k = 0; k < node->layer.buffer_count; k++)
      if (!place_tensor(&node->layer.buffers[k], &network->buffer_count)) return report_size(builder, node);
    network->flops_per_sample += node->layer.flops_per_sample;
  }
  return code;
}

/* Which layers a backward pass that skips frozen ones has to reach. */
static void mark_needs(const struct builder *builder) {
  struct network *network = builder->network;
  for (size_t i = 0; i < builder->compiled_count; i++) {
    struct node *node = &network->nodes[i];
    node->needs_gradient = node->layer.tensor_count > 0 && !node->layer.is_frozen;
    for (size_t input = 0; input < node->layer.input_count; input++)
      if (node->sources[input] != SOURCE_INPUT) node->needs_gradient |= network->nodes[node->sources[input]].needs_gradient;
  }
}

/* The first edge met in a backward pass writes the gradient of its source, the others add to it. */
static enum error_code mark_edges(const struct builder *builder) {
  struct network *network = builder->network;
  bool *is_written = calloc(network->node_count + 1, sizeof *is_written); /* the last is the network's input */
  if (is_written == NULL)
    return error_set(builder->error, ERROR_OUT_OF_MEMORY, "not enough memory for a network of %zu layers", network->node_count);
  for (size_t i = network->node_count; i-- > 0;) {
    struct node *node = &network->nodes[i];
    for (size_t input = 0; input < node->layer.input_count; input++) {
      size_t source = node->sources[input] == SOURCE_INPUT ? network->node_count : node->sources[input];
      node->adds[input] = is_written[source];
      is_written[source] = true;
    }
  }
  free(is_written);
  return ERROR_NONE;
}

/* The only node that takes this one's output, as its only input; or NO_NODE. */
static size_t find_only_taker(const struct network *network, size_t index) {
  size_t taker = NO_NODE, count = 0;
  for (size_t i = index + 1; i < network->node_count; i++) {
    const struct node *node = &network->nodes[i];
    for (size_t input = 0; input < node->layer.input_count; input++) {
      if (node->sources[input] != index) continue;
      taker = i;
      count += node->layer.input_count;
    }
  }
  return count == 1 ? taker : NO_NODE;
}

/* Which layers can be computed in one go with the next. */
static void join_nodes(const struct builder *builder) {
  struct network *network = builder->network;
  for (size_t i = 0; i < builder->compiled_count; i++) {
    struct node *node = &network->nodes[i];
    node->joined_with = NO_NODE;
    node->delta_at = i;
    /* The output's z is the loss's. */
    const bool is_free = i + 1 < builder->compiled_count && !node->layer.kind->reads_z;
    node->keeps_slope = is_free && node->activation != NULL && activation_of(node->activation)->forward_with_slope != NULL;
  }
  for (size_t i = 0; i < builder->compiled_count; i++) {
    struct node *node = &network->nodes[i];
    const size_t taker = find_only_taker(network, i);
    if (node->layer.kind->join == NULL || node->is_joined || node->lengths_at != NO_LENGTHS || taker >= builder->compiled_count) continue;
    if (!node->layer.kind->join(&node->layer, node->activation, &network->nodes[taker].layer)) continue;
    node->joined_with = taker;
    network->nodes[taker].is_joined = true;
  }
}

/* Which layers keep the values of their source, in its place, where nobody else takes them. δ goes the same way unless the source's
 * activation makes another one of it. */
static void share_values(const struct builder *builder) {
  struct network *network = builder->network;
  for (size_t i = 0; i < builder->compiled_count; i++) {
    struct node *node = &network->nodes[i];
    const size_t source = node->sources[0];
    if (!node->layer.kind->keeps_values || source == SOURCE_INPUT || find_only_taker(network, source) != i) continue;
    if (network->nodes[source].lengths_at != NO_LENGTHS || node->keeps_slope) continue; /* a slope in z's place would spoil a */
    node->shares_values = true;
    node->shares_delta = network->nodes[source].activation == NULL;
  }
}

/* Whether all layers that take a node's output take off what is added to a channel of it. */
static bool is_shift_lost(const struct network *network, size_t index) {
  bool is_lost = index + 1 < network->node_count && network->nodes[index].activation == NULL;
  for (size_t i = index + 1; i < network->node_count && is_lost; i++) {
    const struct node *taker = &network->nodes[i];
    for (size_t input = 0; input < taker->layer.input_count; input++)
      if (taker->sources[input] == index)
        is_lost = is_lost && (taker->layer.takes_off_shifts || (taker->layer.passes_shifts_on && taker->loses_shifts));
  }
  return is_lost;
}

/* A bias whose channel's mean is taken off right after has the gradient 0. Computed, that is the noise of sums that cancel, from which
 * optimizers that divide by a gradient's size make steps. */
static void mark_lost_shifts(const struct builder *builder) {
  struct network *network = builder->network;
  for (size_t i = network->node_count; i-- > 0;) {
    struct node *node = &network->nodes[i];
    node->loses_shifts = is_shift_lost(network, i);
    for (size_t t = 0; t < node->layer.tensor_count; t++) {
      struct layer_tensor *tensor = &node->layer.tensors[t];
      tensor->is_lost = tensor->is_shift && node->loses_shifts;
    }
  }
}

/* All steps; builder's arrays are allocated. */
static enum error_code build(const struct builder *builder) {
  struct network *network = builder->network;
  enum error_code code = check_names(builder), edges_code = find_edges(builder);
  if (code == ERROR_NONE) code = edges_code;
  if (code == ERROR_NONE) code = find_order(builder);
  if (code == ERROR_NONE) code = check_all_used(builder);
  for (size_t i = 0; i < builder->compiled_count && code == ERROR_NONE; i++) code = compile_node(builder, &network->nodes[i]);
  if (code == ERROR_NONE) code = lay_out(builder);
  if (code == ERROR_NONE) join_nodes(builder);
  if (code == ERROR_NONE) share_values(builder);
  if (code == ERROR_NONE) mark_needs(builder);
  if (code == ERROR_NONE) mark_lost_shifts(builder);
  if (code == ERROR_NONE) code = mark_edges(builder);
  if (code == ERROR_NONE && builder->compiled_count == network->node_count) network_place_deltas(network);
  return code;
}

static enum error_code check_input(const struct shape *input, struct error *error) {
  if (input->rank == 0)
    return error_add(error, "/input/shape", "is needed: without a dataset nothing says what goes in, such as [4] for four features");
  if (input->rank > LIMIT_RANK || bounded_size(input, LIMIT_SAMPLE_VALUES) == 0)
    return error_add(error, "/input/shape", "must have 1 to %d positive sizes whose product is at most %d", LIMIT_RANK,
                     LIMIT_SAMPLE_VALUES);
  return ERROR_NONE;
}

/* Builds a network of which the first `compiled_count` layers, in the order of computation, are compiled. */
static enum error_code create(const struct network_spec *spec, size_t compiled_count, struct network **out_network, struct error *error) {
  size_t count = spec->layers.count;
  if (count == 0) return error_add(error, "/layers", "needs at least one layer");
  if (count > LIMIT_LAYERS) return error_add(error, "/layers", "may have at most %d layers, not %zu", LIMIT_LAYERS, count);
  enum error_code code = compiled_count > 0 ? check_input(&spec->input.shape, error) : ERROR_NONE;
  if (code != ERROR_NONE) return code;
  struct builder builder = {.spec = spec, .count = count, .compiled_count = compiled_count, .error = error};
  builder.edges = calloc(count * LIMIT_LAYER_INPUTS, sizeof *builder.edges);
  builder.positions = calloc(count, sizeof *builder.positions);
  builder.network = calloc(1, sizeof *builder.network);
  struct node *nodes = calloc(count, sizeof *nodes);
  if (builder.edges == NULL || builder.positions == NULL || builder.network == NULL || nodes == NULL) {
    code = error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for a network of %zu layers", count);
    free(nodes);
    goto cleanup;
  }
  *builder.network = (struct network){.spec = spec, .input = spec->input.shape, .node_count = count, .nodes = nodes};
  builder.network->input_size = shape_size(&spec->input.shape);
  code = build(&builder);
  if (code != ERROR_NONE) goto cleanup;
  *out_network = builder.network;
  builder.network = NULL;
cleanup:
  network_destroy(builder.network);
  free(builder.positions);
  free(builder.edges);
  return code;
}

enum error_code network_create(const struct network_spec *spec, struct network **out_network, struct error *error) {
  *out_network = NULL;
  return create(spec, spec->layers.count, out_network, error);
}

enum error_code network_check_draft(const struct network_spec *spec, enum network_known known, struct error *error) {
  struct network *network = NULL;
  size_t count = spec->layers.count, known_count = known == NETWORK_KNOWN_ALL || count == 0 ? count : count - 1;
  const bool knows_nothing = known == NETWORK_KNOWN_NOTHING || spec->input.shape.rank == 0;
  enum error_code code = create(spec, knows_nothing ? 0 : known_count, &network, error);
  network_destroy(network);
  return code;
}

void network_destroy(struct network *network) {
  if (network == NULL) return;
  free(network->nodes);
  free(network);
}
