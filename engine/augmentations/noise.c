/* noise: a normal number of that standard deviation is added to every value of a row (Keras's GaussianNoise). Inputs are scaled to about 1,
 * so that noise is in units of that. */
#include "engine/augmentations/kinds.h"

const struct param augmentation_noise_params[1] = {
    PARAM_NUMBER_ROW(struct augmentation, noise, 0, 1000, 0,
                     "standard deviation of the Gaussian noise that is added to every input, in units of a scaled input; 0: none"),
};

static double get(const struct augmentation *settings) { return settings->noise; }

static void change(double amount, const struct random_stream *stream, const struct shape *input, float *x) {
  enum { CHUNK = 256 };
  float normal[CHUNK];
  const size_t size = shape_size(input);
  const float deviation = (float)amount;
  for (size_t first = 0; first < size; first += CHUNK) {
    const size_t count = size - first < CHUNK ? size - first : CHUNK;
    random_fill_normal_fast(stream, first, count, normal);
    for (size_t i = 0; i < count; i++) x[first + i] += deviation * normal[i];
  }
}

const struct augmentation_kind augmentation_noise = {.name = "noise", .lane = 7, .get = get, .change = change};
