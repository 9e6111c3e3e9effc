/* Losses: the cost C of a batch and ∂C/∂a or, fused with the output activation, ∂C/∂z. One file per kind in losses/.
 *
 * A batch's cost is sum / weight: sums and weights add up over batches, so that the loss of a whole dataset is exact whatever the
 * batches were. Output and target are [rows, width]; for TARGET_CLASS the target is [rows], class indices held as float.
 * A batch whose weight is 0 (every row ignored) costs nothing and has the gradient 0.
 *
 * Where the output is a sequence [time, classes] and the target a class for each step, rows are steps: the loss is averaged over steps.
 * Of sequences of different length only the real steps count; the loss_… functions below leave the padding out, kinds never see it.
 */
#ifndef ENGINE_LOSS_H
#define ENGINE_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/param.h"

enum { LOSS_NO_CLASS = -100 }; /* a step's target that isn't known; PyTorch's, and the default of cross_entropy's ignore_index */

enum target_form {
  TARGET_VALUES, /* one number per output */
  TARGET_CLASS   /* the index of the right output */
};

struct loss_batch {
  size_t rows, width;
  const float *z;              /* pre-activation of the output layer, [rows, width] */
  const float *a;              /* network output, [rows, width] */
  const float *target;         /* [rows, width] or, TARGET_CLASS, [rows] */
  bool are_shares;             /* TARGET_CLASS: target is [rows, width] nevertheless, the share of each class; all 0: not known */
  const double *class_weights; /* resolved class weights [width], or NULL: all 1 */
  size_t steps;                /* along axis 0 of a sample, where `lengths` are given or rows are steps; else 1 */
  const uint32_t *lengths;     /* [samples] how many of them are real; NULL: all */
};

struct loss_kind {
  struct kind kind;
  const char *formula;
  enum target_form target_form;
  double target_min, target_max; /* TARGET_VALUES: what it is defined for; both 0: any number */
  /* Name of the output activation that this loss is computed together with, from z, stably; NULL: any activation, from a. */
  const char *fused_activation;
  /* Adds the batch's Σ to *sum and its normalizer to *weight. */
  void (*evaluate)(const void *settings, const struct loss_batch *batch, double *sum, double *weight);
  /* The normalizer alone. */
  double (*weigh)(const void *settings, const struct loss_batch *batch);
  /* Writes the gradient of sum/weight of this batch to delta[rows, width]: by z if fused_activation, else by a. */
  void (*gradient)(const void *settings, const struct loss_batch *batch, float *delta);
  /* Writes ∂C/∂a to a_gradient[rows, width], for whoever wants to see what the fused gradient goes past. NULL where gradient is by a. It is
   * large where an output is far from its target, and not finite where that output is 0: hence the fusion. */
  void (*a_gradient)(const void *settings, const struct loss_batch *batch, float *a_gradient);
  /* The same cost in float64 from float64 outputs: z64 and a64 are [rows, width]. The reference of gradient checks. */
  double (*cost64)(const void *settings, const struct loss_batch *batch, const double *z64, const double *a64);
  /* Checks settings that depend on the network's `width` outputs (one class weight for each, say). May be NULL. */
  enum error_code (*check_width)(const void *settings, size_t width, const char *pointer, struct error *error);
};

extern const struct kind_table loss_kinds;

static inline bool loss_has_target_range(const struct loss_kind *loss) { return loss->target_min < loss->target_max; }

static inline const struct loss_kind *loss_of(const struct spec *spec) { return (const struct loss_kind *)spec->kind; }

/* The kind's evaluate, gradient, a_gradient and cost64 over the real steps of the batch; gradients at padded steps are 0. To be called
 * rather than the kind's own. */
void loss_evaluate(const struct spec *loss, const struct loss_batch *batch, double *sum, double *weight);
void loss_gradient(const struct spec *loss, const struct loss_batch *batch, float *delta);
void loss_a_gradient(const struct spec *loss, const struct loss_batch *batch, float *a_gradient);
double loss_cost64(const struct spec *loss, const struct loss_batch *batch, const double *z64, const double *a64);

/* kind->check_width, if it has one. */
__attribute__((warn_unused_result)) enum error_code loss_check_width(const struct spec *loss, size_t width, const char *pointer,
                                                                     struct error *error);

/* class_weights: settings of losses that take them keep a struct numbers. Returns NULL if the kind has none or none were given. */
const struct numbers *loss_class_weights(const struct spec *loss);

/* Fills weights[width] from the settings; "balanced" is n / (classes · count of the class) over these targets, classes that do not occur
 * weigh 1. Needs checked settings (loss_check_width) and targets. False, with nothing written, if the loss has no class weights. */
bool loss_resolve_class_weights(const struct spec *loss, size_t width, size_t count, const float *targets, double *weights);

#endif
