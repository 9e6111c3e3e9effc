/* vertical_flip: an image is mirrored, upside down, with probability ½ (torchvision's RandomVerticalFlip). */
#include "engine/augmentations/kinds.h"

const struct param augmentation_vertical_flip_params[1] = {
    PARAM_BOOLEAN_ROW(struct augmentation, vertical_flip, false, "mirror every second image upside down"),
};

static double get(const struct augmentation *settings) { return settings->vertical_flip; }

static void place(double amount, const struct random_stream *stream, const struct shape *image, struct affine *map) {
  (void)amount, (void)image;
  const struct affine mirror = {.xx = 1, .yy = -1};
  if (random_uniform(stream, 0) < 0.5f) affine_join(map, &mirror);
}

const struct augmentation_kind augmentation_vertical_flip = {
    .name = "vertical_flip", .lane = 2, .needs_image = true, .get = get, .place = place};
