/* JSON ⇄ network specs, and what can be said of a compiled network: shapes, parameters, FLOPs, bytes. */
#ifndef SERVER_CODEC_NETWORK_JSON_H
#define SERVER_CODEC_NETWORK_JSON_H

#include <jansson.h>

#include "engine/network.h"

enum { NETWORK_SUMMARY_BATCH = 32 }; /* the batch size that a summary's training bytes are for */

/* `pointer` is the object's own ("" or "/network"). On error *out_spec is empty. */
__attribute__((warn_unused_result)) enum error_code network_spec_from_json(const json_t *json, const char *pointer,
                                                                           struct network_spec *out_spec, struct error *error);
/* The resolved form. New reference, or NULL. */
json_t *network_spec_to_json(const struct network_spec *spec);

/* False while something waits for a dataset: the input's shape, "auto" units or activations. */
bool network_spec_is_complete(const struct network_spec *spec);

/* Whether the activation of the network's last layer is a sigmoid, asked for by name. */
bool network_spec_ends_in_sigmoid(const struct network_spec *spec);

/* Whether the network ends in one sigmoid: the classical output for two classes. A layer without "units" passes its input on. */
bool network_spec_ends_in_one_sigmoid(const struct network_spec *spec);

/* Bytes of weights, gradients, optimizer state and workspace for training with default settings in batches of NETWORK_SUMMARY_BATCH. */
__attribute__((warn_unused_result)) enum error_code network_measure_training(const struct network *network, size_t *out_bytes,
                                                                             struct error *error);

/* {"input_shape", "output_shape", "layers": [{"name", "type", "activation", "inputs", "input_shapes", "output_shape", "tensors",
 *  "parameters", "flops_per_sample"}], "parameters", "buffers", "flops_per_sample", "bytes": {"weights", "training", "batch_size"}}. New
 * reference, or NULL. */
json_t *network_summary(const struct network *network, size_t training_bytes);

#endif
