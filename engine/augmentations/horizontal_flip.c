/* horizontal_flip: an image is mirrored, left to right, with probability ½ (torchvision's RandomHorizontalFlip). */
#include "engine/augmentations/kinds.h"

const struct param augmentation_horizontal_flip_params[1] = {
    PARAM_BOOLEAN_ROW(struct augmentation, horizontal_flip, false, "mirror every second image left to right"),
};

static double get(const struct augmentation *settings) { return settings->horizontal_flip; }

static void place(double amount, const struct random_stream *stream, const struct shape *image, struct affine *map) {
  (void)amount, (void)image;
  const struct affine mirror = {.xx = -1, .yy = 1};
  if (random_uniform(stream, 0) < 0.5f) affine_join(map, &mirror);
}

const struct augmentation_kind augmentation_horizontal_flip = {
    .name = "horizontal_flip", .lane = 1, .needs_image = true, .get = get, .place = place};
