/* The table of losses, and what is asked of a loss by its spec. Called by network.c, train.c and whoever walks kinds. */
#include "engine/losses/losses.h"

KIND_TABLE(loss, LOSS_KINDS)

enum error_code loss_check_width(const struct spec *loss, size_t width, const char *pointer, struct error *error) {
  const struct loss_kind *kind = loss_of(loss);
  return kind->check_width == NULL ? ERROR_NONE : kind->check_width(loss->settings, width, pointer, error);
}

const struct numbers *loss_class_weights(const struct spec *loss) {
  if (loss->kind != &loss_cross_entropy.kind) return NULL;
  const struct numbers *weights = loss_cross_entropy_class_weights(loss->settings);
  return weights->is_word || weights->count > 0 ? weights : NULL;
}

bool loss_resolve_class_weights(const struct spec *loss, size_t width, size_t count, const float *targets, double *weights) {
  const struct numbers *given = loss_class_weights(loss);
  if (given == NULL) return false;
  for (size_t c = 0; c < width; c++) weights[c] = given->is_word ? 0 : given->values[c];
  if (!given->is_word) return true;
  double known = 0;
  for (size_t i = 0; i < count; i++) {
    if (targets[i] == LOSS_NO_CLASS) continue;
    weights[(size_t)targets[i]]++;
    known++;
  }
  for (size_t c = 0; c < width; c++) weights[c] = weights[c] > 0 ? known / ((double)width * weights[c]) : 1;
  return true;
}
