/* erasing: with probability `erasing` a rectangle of an image becomes 0 in all channels (Zhong et al., arXiv:1708.04896; torchvision's
 * RandomErasing with its scale and ratio): of 2 to 33 % of the area, height by width log-uniform in 0.3 … 3.3, anywhere within. One that
 * doesn't fit is drawn anew, ten times at most. */
#include "engine/augmentations/kinds.h"

enum { ATTEMPTS = 10, NUMBERS = 4 };
static const double least_area = 0.02, greatest_area = 0.33, least_ratio = 0.3, greatest_ratio = 3.3;

const struct param augmentation_erasing_params[1] = {
    PARAM_NUMBER_ROW(struct augmentation, erasing, 0, 1, 0, "probability that a random rectangle of an image is set to 0"),
};

static double get(const struct augmentation *settings) { return settings->erasing; }

struct rectangle {
  size_t top, left, height, width;
};

static bool draw(const struct random_stream *stream, size_t attempt, const struct shape *image, struct rectangle *out) {
  const size_t height = image->sizes[1], width = image->sizes[2];
  float uniform[NUMBERS];
  random_fill_uniform(stream, (1 + attempt) * NUMBERS, NUMBERS, uniform);
  const double area = (double)(height * width) * (least_area + (double)uniform[0] * (greatest_area - least_area));
  const double ratio = exp(log(least_ratio) + (double)uniform[1] * log(greatest_ratio / least_ratio));
  out->height = (size_t)lround(sqrt(area * ratio));
  out->width = (size_t)lround(sqrt(area / ratio));
  if (out->height >= height || out->width >= width || out->height == 0 || out->width == 0) return false;
  out->top = (size_t)((double)uniform[2] * (double)(height - out->height + 1));
  out->left = (size_t)((double)uniform[3] * (double)(width - out->width + 1));
  return true;
}

static void change(double amount, const struct random_stream *stream, const struct shape *image, float *x) {
  if ((double)random_uniform(stream, 0) >= amount) return;
  struct rectangle hole;
  size_t attempt = 0;
  while (attempt < ATTEMPTS && !draw(stream, attempt, image, &hole)) attempt++;
  if (attempt == ATTEMPTS) return;
  const size_t height = image->sizes[1], width = image->sizes[2];
  for (size_t channel = 0; channel < image->sizes[0]; channel++)
    for (size_t y = hole.top; y < hole.top + hole.height; y++)
      for (size_t i = 0; i < hole.width; i++) x[(channel * height + y) * width + hole.left + i] = 0;
}

const struct augmentation_kind augmentation_erasing = {.name = "erasing", .lane = 6, .needs_image = true, .get = get, .change = change};
