/* rotation: an image is turned about its centre by an angle uniform in −rotation … rotation degrees (torchvision's RandomRotation, but
 * bilinear). Turned against the clock by θ, place (x, y), y down, shows what was at
 *
 *   (x cos θ − y sin θ, x sin θ + y cos θ)
 */
#include "engine/augmentations/kinds.h"

const struct param augmentation_rotation_params[1] = {
    PARAM_NUMBER_ROW(struct augmentation, rotation, 0, 180, 0, "turn images by up to so many degrees either way; 0: not"),
};

static double get(const struct augmentation *settings) { return settings->rotation; }

static void place(double amount, const struct random_stream *stream, const struct shape *image, struct affine *map) {
  (void)image;
  static const double degree = 3.14159265358979323846 / 180;
  const double angle = (2 * (double)random_uniform(stream, 0) - 1) * amount * degree;
  const struct affine turn = {.xx = cos(angle), .xy = -sin(angle), .yx = sin(angle), .yy = cos(angle)};
  affine_join(map, &turn);
}

const struct augmentation_kind augmentation_rotation = {.name = "rotation", .lane = 3, .needs_image = true, .get = get, .place = place};
