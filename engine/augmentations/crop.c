/* crop: of an image only a part is kept and made as large as the whole was (torchvision's RandomResizedCrop). The part's area is uniform in
 * crop … 1 of the image's; its width by its height, in units of the image's own, is log-uniform in ¾ … 4/3, as far as it fits; it lies
 * anywhere within. */
#include "engine/augmentations/kinds.h"

const struct param augmentation_crop_params[1] = {
    PARAM_NUMBER_ROW(struct augmentation, crop, 0, 1, 1,
                     "least share of an image's area that a random crop keeps, which is made as large as the image again; 1: no crop",
                     .flags = PARAM_ABOVE_MIN),
};

static double get(const struct augmentation *settings) { return 1 - settings->crop; }

static void place(double amount, const struct random_stream *stream, const struct shape *image, struct affine *map) {
  static const double widest = 4.0 / 3;
  float uniform[4];
  random_fill_uniform(stream, 0, 4, uniform);
  const double area = 1 - amount * (double)uniform[0];
  const double most = log(fmin(widest, 1 / area)); /* wider, or the other way narrower, it would stand out */
  const double ratio = exp((2 * (double)uniform[1] - 1) * most);
  const double width = sqrt(area * ratio), height = sqrt(area / ratio);
  const struct affine part = {.xx = width,
                              .yy = height,
                              .x = ((double)uniform[2] - 0.5) * (1 - width) * (double)image->sizes[2],
                              .y = ((double)uniform[3] - 0.5) * (1 - height) * (double)image->sizes[1]};
  affine_join(map, &part);
}

const struct augmentation_kind augmentation_crop = {.name = "crop", .lane = 5, .needs_image = true, .get = get, .place = place};
