/* What a compiled network says of itself: its layers, shapes, counts and output, the weights that it starts with,
 * and the penalties on them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/activations/kinds.h"
#include "engine/network_private.h"

size_t network_layer_count(const struct network *network) { return network->node_count; }
const struct layer *network_get_layer(const struct network *network, size_t index) { return &network->nodes[index].layer; }
const char *network_get_layer_name(const struct network *network, size_t index) { return network->nodes[index].layer.name; }
const struct shape *network_get_input_shape(const struct network *network) { return &network->input; }
const struct shape *network_get_output_shape(const struct network *network) { return &network->nodes[network->node_count - 1].layer.out; }
bool network_has_output_lengths(const struct network *network) { return network->nodes[network->node_count - 1].lengths_at != NO_LENGTHS; }
size_t network_parameter_count(const struct network *network) { return network->parameter_count; }
size_t network_trained_count(const struct network *network) { return network->trained_count; }
size_t network_buffer_count(const struct network *network) { return network->buffer_count; }
double network_flops_per_sample(const struct network *network) { return network->flops_per_sample; }

size_t network_half_count(const struct network *network, size_t batch) {
  size_t largest = 0;
  for (size_t i = 0; i < network->node_count; i++) {
    const struct layer *layer = &network->nodes[i].layer;
    const size_t count = layer->half_per_sample * batch + layer->half_fixed;
    largest = count > largest ? count : largest;
  }
  return largest;
}

bool network_hides_values(const struct network *network) {
  for (size_t i = 0; i < network->node_count; i++)
    if (network->nodes[i].is_joined || network->nodes[i].keeps_slope || network->nodes[i].delta_at != i) return true;
  return false;
}

const struct spec *network_get_output_activation(const struct network *network) {
  static const struct spec linear = {.kind = &activation_linear.kind};
  const struct spec *activation = network->nodes[network->node_count - 1].activation;
  return activation != NULL ? activation : &linear;
}

struct loss_batch network_lay_out_loss(const struct network *network, const struct spec *loss, size_t samples) {
  const struct node *output = &network->nodes[network->node_count - 1];
  const struct shape *out = &output->layer.out;
  const bool has_steps = out->rank >= 2, is_class = loss_of(loss)->target_form == TARGET_CLASS;
  const size_t steps = has_steps ? out->sizes[0] : 1, rows_per_sample = is_class ? steps : 1;
  return (struct loss_batch){.rows = samples * rows_per_sample, .width = output->out_size / rows_per_sample, .steps = steps};
}

enum error_code network_check_loss(const struct network *network, const struct spec *loss, const char *pointer, struct error *error) {
  if (loss->kind == NULL) return error_add(error, pointer, "is needed: without a target nothing says which loss");
  const struct loss_kind *kind = (const struct loss_kind *)loss->kind;
  const char *activation = network_get_output_activation(network)->kind->name;
  const struct node *output = &network->nodes[network->node_count - 1];
  char text[SHAPE_TEXT_BYTES];
  shape_format(&output->layer.out, text, sizeof text);
  if (kind->fused_activation != NULL && strcmp(kind->fused_activation, activation) != 0)
    return error_add(error, pointer, "%s needs an output layer with activation \"%s\", but \"%s\" has \"%s\"", kind->kind.name,
                     kind->fused_activation, output->layer.name, activation);
  const struct shape *out = &output->layer.out;
  if (kind->target_form == TARGET_CLASS && ((out->rank != 1 && out->rank != 2) || out->sizes[out->rank - 1] < 2))
    return error_add(error, pointer,
                     "%s needs one output for each of at least two classes, [classes] or [time, classes], but the output of "
                     "\"%s\" is %s",
                     kind->kind.name, output->layer.name, text);
  return ERROR_NONE;
}

/* Start values */

static void fill_tensor(const struct layer_tensor *tensor, const struct random_stream *stream, float *values) {
  size_t size = shape_size(&tensor->shape), rows = tensor->shape.sizes[0];
  if (tensor->initializer == NULL || tensor->initializer->kind == NULL) {
    for (size_t i = 0; i < size; i++) values[i] = tensor->fill;
    return;
  }
  const struct initializer_kind *kind = (const struct initializer_kind *)tensor->initializer->kind;
  kind->fill(tensor->initializer->settings, stream, rows, size / rows, tensor->fan_in, tensor->fan_out, values);
  if (tensor->zero_row > 0) memset(values + (tensor->zero_row - 1) * (size / rows), 0, size / rows * sizeof *values);
}

void network_initialize(const struct network *network, uint64_t seed, float *parameters, float *buffers) {
  for (size_t i = 0; i < network->node_count; i++) {
    const struct layer *layer = &network->nodes[i].layer;
    for (size_t j = 0; j < layer->tensor_count; j++) {
      struct random_stream stream = {.seed = seed, .purpose = RANDOM_INITIALIZE, .epoch = j, .step = layer->index};
      fill_tensor(&layer->tensors[j], &stream, parameters + layer->tensors[j].offset);
    }
    for (size_t j = 0; j < layer->buffer_count; j++) fill_tensor(&layer->buffers[j], NULL, buffers + layer->buffers[j].offset);
  }
}

/* Penalties */

double network_penalty(const struct network *network, const float *parameters) {
  double penalty = 0;
  for (size_t i = 0; i < network->node_count; i++) {
    const struct layer *layer = &network->nodes[i].layer;
    const struct layer_common *common = layer->settings;
    if (layer->is_frozen || (common->l1 == 0 && common->l2 == 0)) continue;
    for (size_t j = 0; j < layer->tensor_count; j++) {
      if (!layer->tensors[j].is_penalized) continue;
      const float *weights = parameters + layer->tensors[j].offset;
      double absolute = 0, squared = 0;
      for (size_t k = 0; k < shape_size(&layer->tensors[j].shape); k++) {
        absolute += fabs((double)weights[k]);
        squared += (double)weights[k] * (double)weights[k];
      }
      penalty += common->l1 * absolute + common->l2 * squared;
    }
  }
  return penalty;
}

void network_add_penalty_gradient(const struct network *network, const float *parameters, float *gradients) {
  for (size_t i = 0; i < network->node_count; i++) {
    const struct layer *layer = &network->nodes[i].layer;
    const struct layer_common *common = layer->settings;
    if (layer->is_frozen || (common->l1 == 0 && common->l2 == 0)) continue;
    float l1 = (float)common->l1, two_l2 = (float)(2 * common->l2);
    for (size_t j = 0; j < layer->tensor_count; j++) {
      if (!layer->tensors[j].is_penalized) continue;
      const float *restrict weights = parameters + layer->tensors[j].offset;
      float *restrict gradient = gradients + layer->tensors[j].offset;
      size_t size = shape_size(&layer->tensors[j].shape);
      for (size_t k = 0; k < size; k++) {
        float sign = weights[k] > 0 ? 1.0f : weights[k] < 0 ? -1.0f : 0.0f;
        gradient[k] += l1 * sign + two_l2 * weights[k];
      }
    }
  }
}
