/* Pooled convolutions (kernels_conv_pooled.h), forward, of windows of 3 × 3: Winograd's minimal filtering F(2 × 2, 3 × 3) (Lavin,
 * Gray: "Fast algorithms for convolutional neural networks", 2015), which takes 16 multiplications for the four places of a pooling
 * window where the sums take 36:
 *
 *   z = Aᵀ [ Σ over c of (G w(f, c) Gᵀ) ⊙ (Bᵀ d(c) B) ] A + bias(f)      d: the 4 × 4 values that the window's places see
 *
 *        ⎡1  0 −1  0⎤        ⎡ 1   0   0 ⎤
 *   Bᵀ = ⎢0  1  1  0⎥    G = ⎢ ½   ½   ½ ⎥    Aᵀ = ⎡1  1  1  0⎤
 *        ⎢0 −1  1  0⎥        ⎢ ½  −½   ½ ⎥         ⎣0  1 −1 −1⎦
 *        ⎣0  1  0 −1⎦        ⎣ 0   0   1 ⎦
 *
 * Sums run over channels, then over the 16 points in order. Rounding is about twice that of the sums of products. Where registers are few
 * (or channels, or other windows) there is nothing to gain, and kernels_conv_pooled.c sums products.
 */
#include "engine/kernels_conv_pooled_private.h"

enum {
  SIDE = 4,
  TILE_WINDOWS = 5 /* whose four places, and a sum each, fill the registers */
};

bool pooled_can_winograd(const struct kernel_conv *conv) {
#if defined(__AVX512F__)
  return conv->y.size == 3 && conv->x.size == 3 && conv->channels >= VECTOR_FLOATS / 2;
#else
  (void)conv;
  return false;
#endif
}

/* Weights: [filters, channels, 3, 3] → [vectors of filters, points, channels, the vector's filters] */

/* G g, of three values that lie `step` vectors apart. */
static inline void expand(const vector *g, size_t step, vector out[SIDE], size_t out_step) {
  const vector outer = 0.5f * (g[0] + g[2 * step]), inner = 0.5f * g[step];
  out[0] = g[0];
  out[out_step] = outer + inner;
  out[2 * out_step] = outer - inner;
  out[3 * out_step] = g[2 * step];
}

static void transform_filters(const vector taps[POOLED_THREE_TAPS], size_t point_step, float *to) {
  vector rows[SIDE * 3], points[POOLED_POINTS]; /* G g, G g Gᵀ */
  for (size_t x = 0; x < 3; x++) expand(taps + x, 3, rows + x, 3);
  for (size_t y = 0; y < SIDE; y++) expand(rows + y * 3, 1, points + y * SIDE, 1);
  for (size_t point = 0; point < POOLED_POINTS; point++) vector_store(to + point * point_step, points[point]);
}

void pooled_transform_weights(const struct pooled_plan *plan, const float *w) {
  const size_t channels = plan->conv->channels, point_step = channels * VECTOR_FLOATS;
  float *to = plan->weights;
  for (size_t first = 0; first < plan->lanes; first += VECTOR_FLOATS, to += POOLED_POINTS * point_step) {
    const size_t filters = work_smaller(VECTOR_FLOATS, plan->conv->filters - first);
    for (size_t c = 0; c < channels; c++) {
      vector taps[POOLED_THREE_TAPS] = {0};
      for (size_t f = 0; f < filters; f++)
        for (size_t tap = 0; tap < POOLED_THREE_TAPS; tap++) taps[tap][f] = w[((first + f) * channels + c) * POOLED_THREE_TAPS + tap];
      transform_filters(taps, point_step, to + c * VECTOR_FLOATS);
    }
  }
}

/* Images: turned, → [windows, points, channels] */

/* Bᵀ d, of four values that lie `step` vectors apart. */
static inline void reduce(const vector *d, size_t step, vector *out, size_t out_step) {
  out[0] = d[0] - d[2 * step];
  out[out_step] = d[step] + d[2 * step];
  out[2 * out_step] = d[2 * step] - d[step];
  out[3 * out_step] = d[step] - d[3 * step];
}

static void transform_image(const struct pooled_plan *plan, const float *turned, float *to) {
  for (size_t window = 0; window < plan->windows; window++, to += POOLED_POINTS * plan->channels) {
    const float *from = turned + plan->bases[window] * plan->channels;
    for (size_t c = 0; c < plan->channels; c += VECTOR_FLOATS) {
      vector values[POOLED_POINTS], rows[POOLED_POINTS], points[POOLED_POINTS];
#pragma GCC unroll 16
      for (size_t i = 0; i < POOLED_POINTS; i++) values[i] = vector_load(from + (i / SIDE * plan->width + i % SIDE) * plan->channels + c);
#pragma GCC unroll 4
      for (size_t x = 0; x < SIDE; x++) reduce(values + x, SIDE, rows + x, SIDE);
#pragma GCC unroll 4
      for (size_t y = 0; y < SIDE; y++) reduce(rows + y * SIDE, 1, points + y * SIDE, 1);
#pragma GCC unroll 16
      for (size_t i = 0; i < POOLED_POINTS; i++) vector_store(to + i * plan->channels + c, points[i]);
    }
  }
}

/* Products and the way back, Aᵀ m A, of some windows and one vector of filters */

struct tile {
  size_t channels, step, lanes; /* of the convolution; of transformed images; of winners */
  bool is_rectified;
  const float *values;  /* [windows, points, channels, rounded up] */
  const float *weights; /* [points, channels, vector] */
  vector bias;
  float *held;      /* [windows, vector] */
  uint8_t *winners; /* [windows, lanes]; NULL: nobody wants them */
};

/* windows is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void compute_windows(size_t windows, const struct tile *t) {
  static const int signs[SIDE][2] = {{1, 0}, {1, 1}, {1, -1}, {0, -1}}; /* A */
  const float *weights = t->weights, *values = t->values;
  const size_t channels = t->channels, window_step = POOLED_POINTS * t->step;
  vector places[TILE_WINDOWS][POOLED_PLACES] = {0};
#pragma GCC unroll 16
  for (size_t point = 0; point < POOLED_POINTS; point++, values += t->step) {
    vector sums[TILE_WINDOWS] = {0};
    for (size_t c = 0; c < channels; c++, weights += VECTOR_FLOATS) {
      const vector weight = vector_load(weights);
#pragma GCC unroll 5
      for (size_t i = 0; i < windows; i++) sums[i] += values[i * window_step + c] * weight;
    }
#pragma GCC unroll 4
    for (size_t p = 0; p < POOLED_PLACES; p++) {
      const int sign = signs[point / SIDE][p / 2] * signs[point % SIDE][p % 2];
#pragma GCC unroll 5
      for (size_t i = 0; i < windows && sign != 0; i++) places[i][p] = sign > 0 ? places[i][p] + sums[i] : places[i][p] - sums[i];
    }
  }
#pragma GCC unroll 5
  for (size_t i = 0; i < windows; i++) {
    vector largest;
    vector_lanes winner;
#pragma GCC unroll 4
    for (size_t p = 0; p < POOLED_PLACES; p++) places[i][p] += t->bias;
    pooled_choose(places[i], t->is_rectified, &largest, &winner);
    vector_store(t->held + i * VECTOR_FLOATS, largest);
    if (t->winners != NULL) vector_store_bytes(t->winners + i * t->lanes, winner);
  }
}

#define TILE_KIND(windows_)                                                                                                                \
  static __attribute__((noinline)) void tile_##windows_(const struct tile *t) { compute_windows(windows_, t); }
TILE_KIND(1)
TILE_KIND(2)
TILE_KIND(3)
TILE_KIND(4)
TILE_KIND(5)

void pooled_forward_winograd(const struct pooled_job *job, size_t n, float *slot) {
  static void (*const kinds[TILE_WINDOWS])(const struct tile *) = {tile_1, tile_2, tile_3, tile_4, tile_5};
  const struct pooled_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t tiles = (plan->windows + TILE_WINDOWS - 1) / TILE_WINDOWS;
  float *turned = slot, *transformed = turned + plan->turned, *held = transformed + plan->transformed;
  pooled_turn_image(plan, job->x + n * conv->channels * conv->y.in * conv->x.in, turned);
  transform_image(plan, turned, transformed);
  for (size_t f = 0; f < plan->lanes; f += VECTOR_FLOATS) {
    struct tile tile = {.channels = conv->channels, .step = plan->channels, .lanes = plan->lanes, .is_rectified = job->is_rectified};
    tile.weights = plan->weights + f * POOLED_POINTS * conv->channels;
    if (job->bias != NULL) tile.bias = vector_load_some(job->bias + f, conv->filters - f);
    for (size_t i = 0, window = 0; i < tiles; i++) {
      const size_t end = (i + 1) * plan->windows / tiles; /* tiles of about equal size */
      tile.values = transformed + window * POOLED_POINTS * plan->channels;
      tile.held = held + window * VECTOR_FLOATS;
      if (job->winners != NULL) tile.winners = job->winners + (n * plan->windows + window) * plan->lanes + f;
      kinds[end - window - 1](&tile);
      window = end;
    }
    pooled_turn_windows(plan, held, VECTOR_FLOATS, work_smaller(VECTOR_FLOATS, conv->filters - f),
                        job->out + (n * conv->filters + f) * plan->windows);
  }
}
