/* shift: an image is moved by whole pixels, uniform in −shift … shift along each axis; what comes in from outside is background, for
 * images of bytes black. The same as torchvision's RandomCrop to the image's own size with padding = shift. */
#include "engine/augmentations/kinds.h"

enum { SHIFT_MAX = 4096 };

const struct param augmentation_shift_params[1] = {
    PARAM_INTEGER_ROW(struct augmentation, shift, 0, SHIFT_MAX, 0,
                      "move images by up to so many pixels along each axis, as a random crop with that padding does; 0: not"),
};

static double get(const struct augmentation *settings) { return (double)settings->shift; }

static double draw(double amount, float uniform) { return floor((double)uniform * (2 * amount + 1)) - amount; }

static void place(double amount, const struct random_stream *stream, const struct shape *image, struct affine *map) {
  (void)image;
  float uniform[2];
  random_fill_uniform(stream, 0, 2, uniform);
  const struct affine move = {.xx = 1, .yy = 1, .x = draw(amount, uniform[0]), .y = draw(amount, uniform[1])};
  affine_join(map, &move);
}

const struct augmentation_kind augmentation_shift = {.name = "shift", .lane = 4, .needs_image = true, .get = get, .place = place};
