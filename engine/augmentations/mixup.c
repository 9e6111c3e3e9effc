/* mixup: rows of a batch are mixed in pairs, and their targets with them (Zhang et al., arXiv:1710.09412; torchvision's and timm's MixUp):
 *
 *   x ← λ x + (1 − λ) x'    y ← λ y + (1 − λ) y'    λ ~ Beta(α, α), one for a batch
 *
 * Beta numbers are made of gamma numbers, λ = g / (g + g'), and those by Marsaglia and Tsang ("A simple method for generating gamma
 * variables", ACM TOMS 26, 2000), below α = 1 as g(α + 1) u^(1/α); in logarithms, since small α's are tiny. */
#include "engine/augmentations/kinds.h"

const struct param augmentation_mixup_params[1] = {
    PARAM_NUMBER_ROW(struct augmentation, mixup, 0, 100, 0,
                     "alpha of mixup: pairs of rows and their targets are mixed, a share of Beta(alpha, alpha) of the one; 0: none"),
};

static double get(const struct augmentation *settings) { return settings->mixup; }

enum { ATTEMPTS = 64, NUMBERS = 4, RESERVED = (ATTEMPTS + 1) * NUMBERS };

/* In (0, 1]. */
static double draw_positive(const struct random_stream *stream, size_t index) { return 1 - (double)random_uniform(stream, index); }

/* ln of a gamma number of that shape; `which` tells those of a stream apart. Each attempt is taken with more than 95 %. */
static double draw_log_gamma(double shape, const struct random_stream *stream, size_t which) {
  const size_t first = which * RESERVED;
  const double raised = shape < 1 ? shape + 1 : shape, d = raised - 1.0 / 3, c = 1 / sqrt(9 * d);
  const double boost = shape < 1 ? log(draw_positive(stream, first)) / shape : 0;
  for (size_t attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const struct random_stream own = *stream;
    float normal;
    random_fill_normal(&own, first + attempt * NUMBERS, 1, &normal);
    const double x = (double)normal, root = 1 + c * x, v = root * root * root;
    if (v <= 0) continue;
    const double u = draw_positive(stream, first + attempt * NUMBERS + 2); /* the normal number is made of words 0 and 1 */
    if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return log(d * v) + boost;
  }
  return log(d) + boost;
}

static double draw_share(double amount, const struct random_stream *stream) {
  const double own = draw_log_gamma(amount, stream, 0), other = draw_log_gamma(amount, stream, 1);
  return 1 / (1 + exp(other - own));
}

const struct augmentation_kind augmentation_mixup = {.name = "mixup", .lane = 8, .get = get, .draw_share = draw_share};
