/* Workspaces: all memory of a pass in one block, cut up once.
 *
 *   for each layer: z, a (unless linear), lengths if it keeps any, and for training δ and what the layer saves; then room for the work of
 *   the layer that needs most of it; and for training scratch for gradients that are added. Layers that keep their source's values keep
 *   them in the source's place.
 */
#include <stdlib.h>

#include "engine/block.h"
#include "engine/network_private.h"

/* Hands out pieces of a block of floats, each on a cache line; without a block it only counts. */
struct cutter {
  float *block;
  size_t used; /* floats */
  bool is_overflow;
};

static float *cut(struct cutter *cutter, size_t per_sample, size_t batch, size_t fixed) {
  const size_t line = BLOCK_ALIGNMENT / sizeof(float);
  float *piece = cutter->block == NULL ? NULL : cutter->block + cutter->used;
  size_t count;
  bool is_overflow = __builtin_mul_overflow(per_sample, batch, &count) || __builtin_add_overflow(count, fixed, &count) ||
                     __builtin_add_overflow(count, line - 1, &count);
  count -= count % line;
  is_overflow = is_overflow || __builtin_add_overflow(cutter->used, count, &cutter->used);
  cutter->is_overflow = cutter->is_overflow || is_overflow;
  return piece;
}

const struct layer *network_find_largest_work(const struct network *network, size_t batch) {
  const struct layer *largest = &network->nodes[0].layer;
  double most = 0;
  for (size_t i = 0; i < network->node_count; i++) {
    const struct layer *layer = &network->nodes[i].layer;
    const double count = (double)layer->work_per_sample * (double)batch + (double)layer->work_fixed;
    if (count <= most) continue;
    most = count;
    largest = layer;
  }
  return largest;
}

/* Most scratch values per sample that one layer's edges need at once. */
static size_t scratch_size(const struct network *network) {
  size_t largest = 0;
  for (size_t i = 0; i < network->node_count; i++) {
    const struct node *node = &network->nodes[i];
    size_t size = 0;
    for (size_t input = 0; input < node->layer.input_count; input++)
      if (node->adds[input]) size += source_size(network, node->sources[input]);
    if (size > largest) largest = size;
  }
  return largest;
}

static void cut_up(const struct network *network, size_t batch, bool training, struct cutter *cutter, struct workspace *workspace) {
  static const struct node_memory nothing = {0};
  for (size_t i = 0; i < network->node_count; i++) {
    const struct node *node = &network->nodes[i];
    struct node_memory memory = {0};
    /* Without a workspace pieces are only counted; then no source has any. */
    const struct node_memory *source = node->shares_values && workspace != NULL ? &workspace->nodes[node->sources[0]] : &nothing;
    memory.z = node->shares_values ? source->a : cut(cutter, node->out_size, batch, 0);
    memory.a = node->activation == NULL ? memory.z : cut(cutter, node->out_size, batch, 0);
    if (node->lengths_at == i) memory.lengths = (uint32_t *)(void *)cut(cutter, 1, batch, 0);
    if (training) {
      memory.delta = node->shares_delta ? source->delta : cut(cutter, node->out_size, batch, 0);
      memory.saved = cut(cutter, node->layer.saved_per_sample, batch, node->layer.saved_fixed);
    }
    if (workspace != NULL) workspace->nodes[i] = memory;
  }
  const struct layer *largest = network_find_largest_work(network, batch);
  float *work = cut(cutter, largest->work_per_sample, batch, largest->work_fixed);
  if (workspace != NULL) workspace->work = work;
  if (!training) return;
  float *scratch = cut(cutter, scratch_size(network), batch, 0);
  if (workspace != NULL) workspace->scratch = scratch;
}

static size_t header_bytes(const struct network *network) {
  return sizeof(struct workspace) + network->node_count * sizeof(struct node_memory);
}

enum error_code workspace_measure(const struct network *network, size_t batch, bool training, size_t *out_bytes, struct error *error) {
  struct cutter cutter = {0};
  cut_up(network, batch, training, &cutter, NULL);
  size_t bytes;
  if (cutter.is_overflow || __builtin_mul_overflow(cutter.used, sizeof(float), &bytes) ||
      __builtin_add_overflow(bytes, header_bytes(network) + BLOCK_ALIGNMENT, &bytes))
    return error_set(error, ERROR_OVER_BUDGET, "a batch of %zu samples needs more memory than can be addressed", batch);
  *out_bytes = bytes;
  return ERROR_NONE;
}

enum error_code workspace_create(const struct network *network, size_t batch, bool training, struct workspace **out_workspace,
                                 struct error *error) {
  *out_workspace = NULL;
  size_t bytes = 0;
  enum error_code code = workspace_measure(network, batch, training, &bytes, error);
  if (code != ERROR_NONE) return code;
  struct workspace *workspace = calloc(1, header_bytes(network));
  size_t block_bytes = bytes - header_bytes(network);
  float *block = block_create(block_bytes - block_bytes % BLOCK_ALIGNMENT);
  if (workspace == NULL || block == NULL) {
    free(workspace);
    free(block);
    return error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory: a batch of %zu samples needs %zu bytes", batch, bytes);
  }
  struct cutter cutter = {.block = block};
  cut_up(network, batch, training, &cutter, workspace);
  workspace->batch = batch;
  workspace->training = training;
  workspace->block = block;
  workspace->network = network;
  *out_workspace = workspace;
  return ERROR_NONE;
}

void workspace_destroy(struct workspace *workspace) {
  if (workspace == NULL) return;
  free(workspace->block);
  free(workspace);
}

const float *workspace_get_output(const struct workspace *workspace) { return workspace->nodes[workspace->network->node_count - 1].a; }
const float *workspace_get_output_z(const struct workspace *workspace) { return workspace->nodes[workspace->network->node_count - 1].z; }
const uint32_t *workspace_get_lengths(const struct workspace *workspace, size_t layer) {
  size_t at = workspace->network->nodes[layer].lengths_at;
  return at == NO_LENGTHS ? NULL : workspace->nodes[at].lengths;
}
const uint32_t *workspace_get_output_lengths(const struct workspace *workspace) {
  return workspace_get_lengths(workspace, workspace->network->node_count - 1);
}
struct loss_batch workspace_get_loss_batch(const struct workspace *workspace, const struct spec *loss, size_t samples,
                                           const float *target) {
  struct loss_batch batch = network_lay_out_loss(workspace->network, loss, samples);
  batch.z = workspace_get_output_z(workspace);
  batch.a = workspace_get_output(workspace);
  batch.target = target;
  batch.lengths = workspace_get_output_lengths(workspace);
  return batch;
}
const float *workspace_get_z(const struct workspace *workspace, size_t layer) { return workspace->nodes[layer].z; }
const float *workspace_get_a(const struct workspace *workspace, size_t layer) { return workspace->nodes[layer].a; }
const float *workspace_get_delta(const struct workspace *workspace, size_t layer) { return workspace->nodes[layer].delta; }
