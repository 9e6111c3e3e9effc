/* The table of activations. A new one: its file, its line in kinds.h, its row here. */
#include "engine/activations/kinds.h"

static const struct activation_kind *const activations[] = {
    &activation_linear,       &activation_sigmoid, &activation_tanh,    &activation_relu, &activation_leaky_relu,
    &activation_elu,          &activation_selu,    &activation_gelu,    &activation_silu, &activation_softplus,
    &activation_hard_sigmoid, &activation_mish,    &activation_softmax,
};

static const struct kind *get_activation(size_t index) { return &activations[index]->kind; }

const struct kind_table activation_kinds = {
    .sort = "activation", .count = sizeof activations / sizeof activations[0], .get = get_activation};
