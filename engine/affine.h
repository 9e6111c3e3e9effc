/* Maps of an image's plane onto itself, and images seen through them.
 *
 * Places are counted in pixels from the image's centre, y down; a map tells for each place of the new image the place of the old one that
 * is seen there:
 *
 *   (x', y') = A (x, y) + t
 *
 * Maps are joined before any pixel is touched, so that however many there are, pixels are interpolated once.
 */
#ifndef ENGINE_AFFINE_H
#define ENGINE_AFFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/param.h"

struct affine {
  double xx, xy, yx, yy; /* A = [xx xy; yx yy] */
  double x, y;           /* t */
};

static const struct affine affine_identity = {.xx = 1, .yy = 1};

/* What is seen through `first` is then looked at through `next`: map ← map ∘ next. */
void affine_join(struct affine *map, const struct affine *next);

bool affine_is_identity(const struct affine *map);
/* It moves and mirrors whole pixels: nothing is interpolated. */
bool affine_is_exact(const struct affine *map);

/* Floats of scratch that affine_apply needs for an image [channels, height, width]: its planes with a margin of one pixel. */
size_t affine_measure_scratch(const struct shape *image);

/* The image x[channels, height, width] as seen through the map, in place; bilinear between pixels, and background[channels] where the old
 * image has none. */
void affine_apply(const struct affine *map, const struct shape *image, const float *background, float *scratch, float *x);

#endif
