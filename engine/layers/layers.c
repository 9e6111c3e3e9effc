/* The table of layers, the parameters that they share, and how a kind declares its tensors. A new kind: its file and its row
 * in kinds.h. */
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "engine/layers/kinds.h"

KIND_TABLE(layer, LAYER_KINDS)

const struct param layer_name_params[3] = {
    {.name = "name",
     .type = PARAM_TEXT,
     .offset = offsetof(struct layer_common, name),
     .help = "letters, digits, _ - and .; by default the type and the position, as in dense_0"},
    {.name = "inputs",
     .type = PARAM_NAMES,
     .offset = offsetof(struct layer_common, inputs),
     .help = "names of the layers whose outputs it takes, \"input\" is the network's; by default the layer before"},
    PARAM_BOOLEAN_ROW(struct layer_common, trainable, true,
                      "false: training leaves its weights as they are; batch_norm then uses its running statistics"),
};

const struct param layer_activation_params[1] = {
    PARAM_KIND_ROW(struct layer_common, activation, &activation_kinds, "linear",
                   "applied to the output; \"auto\" (last layer only) follows from the target", .flags = PARAM_AUTO),
};

const struct param layer_penalty_params[2] = {
    PARAM_NUMBER_ROW(struct layer_common, l1, 0, INFINITY, 0, "l1 times the sum of |w| over the weights is added to the cost"),
    PARAM_NUMBER_ROW(struct layer_common, l2, 0, INFINITY, 0, "l2 times the sum of w squared over the weights is added to the cost"),
};

static struct layer_tensor *append(struct layer_tensor *tensors, size_t *count, const char *name, const struct shape *shape) {
  assert(*count < LIMIT_LAYER_TENSORS);
  struct layer_tensor *tensor = &tensors[(*count)++];
  *tensor = (struct layer_tensor){.shape = *shape, .fan_in = 1, .fan_out = shape->sizes[0]};
  for (size_t i = 1; i < shape->rank; i++) tensor->fan_in *= shape->sizes[i];
  snprintf(tensor->name, sizeof tensor->name, "%s", name);
  return tensor;
}

struct layer_tensor *layer_add_tensor(struct layer *layer, const char *name, const struct shape *shape) {
  return append(layer->tensors, &layer->tensor_count, name, shape);
}

struct layer_tensor *layer_add_buffer(struct layer *layer, const char *name, const struct shape *shape, float fill) {
  struct layer_tensor *buffer = append(layer->buffers, &layer->buffer_count, name, shape);
  buffer->fill = fill;
  return buffer;
}
