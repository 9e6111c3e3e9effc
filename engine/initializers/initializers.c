/* The table of initializers. A new one: its file, its line in kinds.h, its row here. */
#include "engine/initializers/kinds.h"

static const struct initializer_kind *const initializers[] = {
    &initializer_glorot_uniform, &initializer_glorot_normal, &initializer_he_uniform, &initializer_he_normal, &initializer_lecun_normal,
    &initializer_uniform,        &initializer_normal,        &initializer_orthogonal, &initializer_zeros,
};

static const struct kind *get_initializer(size_t index) { return &initializers[index]->kind; }

const struct kind_table initializer_kinds = {
    .sort = "initializer", .count = sizeof initializers / sizeof initializers[0], .get = get_initializer};
