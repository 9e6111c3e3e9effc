/* Activity: what the units of a layer do over a sample of rows, for diagnosis.
 *
 *   mean, std            of all values of a
 *   saturated fraction   share of values at which the activation is flat: |f′(z)| < ACTIVITY_FLAT · (its steepest slope).
 *                        Of activations flat at both ends: a sigmoid beyond |z| = 4.36, a tanh beyond 2.18.
 *   dead fraction        share of units that pass no gradient: |f′(z)| ≤ ACTIVITY_DEAD · (its steepest slope) at every value of the unit in
 *                        the sample. Of activations flat below: a relu whose output is 0 for every row.
 *
 * A unit is one index of the axis that carries features: the first of [units] and [channels, height, width] (a dead filter is dead
 * everywhere), the last of [time, features]. Padded steps of sequences don't count.
 * f′ is what the kind's own backward makes of 1, so that a kind says it once.
 */
#ifndef ENGINE_ACTIVITY_H
#define ENGINE_ACTIVITY_H

#include <stddef.h>
#include <stdint.h>

#include "engine/activation.h"
#include "engine/layer.h"

#define ACTIVITY_FLAT 0.05f
#define ACTIVITY_DEAD 0.001f

enum { ACTIVITY_VALUES_MAX = 1 << 16 }; /* about so many of a layer's values in one batch are looked at: its first rows, at least one */

/* Sums over a sample so far, from one or more batches. Plain data; all zeros: nothing yet. */
struct activity {
  double count, mean, square; /* values; their mean; sum of squared distances from it */
  double flat_count;          /* saturated values */
};

/* A layer's values in a batch. */
struct activity_batch {
  const struct shape *shape;     /* of one row */
  const struct spec *activation; /* NULL: linear */
  size_t rows;
  const uint32_t *lengths; /* [rows] real steps of each row; NULL: all */
  const float *z, *a;      /* [rows, shape] */
};

/* Units of a layer that can die, each with a float of memory in `peaks`; 0 if its units can't. */
size_t activity_unit_count(const struct shape *shape, const struct spec *activation);
/* Can values of this activation saturate? */
bool activity_can_saturate(const struct spec *activation);

/* Adds a batch to *activity and raises peaks[activity_unit_count], the largest |f′(z)| of each unit, which start at 0. */
void activity_add(struct activity *activity, float *peaks, const struct activity_batch *batch);

double activity_std(const struct activity *activity);
double activity_saturated_fraction(const struct activity *activity);
double activity_dead_fraction(const struct spec *activation, size_t unit_count, const float *peaks);

#endif
