/* Convolution and pooling beside plain loops in float64, over many geometries. */
#include "engine/kernels_window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "tests/support/shuffled_parallel.h"
#include "tests/support/suite.h"

enum { CASES = 300, GUARDS = 16 };
static const float guard = 12345.0f;

/* Arrays end at the end of their allocation, so that the sanitizer build sees a read behind them. */
static float *make_array(size_t count, uint32_t lane) {
  float *values = malloc(count * sizeof *values);
  random_fill_normal(&(struct random_stream){.seed = 3, .purpose = 98, .lane = lane}, 0, count, values);
  return values;
}

static size_t draw(size_t which, uint32_t what, size_t low, size_t high) {
  const float uniform = random_uniform(&(struct random_stream){.seed = 5, .purpose = 97, .lane = what}, which);
  const size_t drawn = low + (size_t)(uniform * (float)(high - low + 1));
  return drawn < high ? drawn : high;
}

static struct kernel_axis draw_axis(size_t which, uint32_t what) {
  struct kernel_axis axis = {.size = draw(which, what, 1, 5),
                             .stride = draw(which, what + 1, 1, 4),
                             .dilation = draw(which, what + 2, 1, 3),
                             .before = draw(which, what + 3, 0, 4),
                             .after = draw(which, what + 4, 0, 4),
                             .in = draw(which, what + 5, 5, 40)};
  const size_t span = (axis.size - 1) * axis.dilation + 1;
  while (axis.in + axis.before + axis.after < span) axis.in++;
  axis.out = (axis.in + axis.before + axis.after - span) / axis.stride + 1;
  return axis;
}

static struct kernel_conv draw_conv(size_t which) {
  struct kernel_conv conv = {
      .batch = draw(which, 0, 1, 5), .groups = draw(which, 1, 1, 3), .y = draw_axis(which, 10), .x = draw_axis(which, 20)};
  conv.channels = conv.groups * draw(which, 2, 1, 10);
  conv.filters = conv.groups * draw(which, 3, 1, 40);
  conv.padding = (enum kernel_padding)draw(which, 4, 0, 3);
  conv.channels_last = draw(which, 5, 0, 3) == 0;
  if (conv.channels_last) conv.y = (struct kernel_axis){.in = 1, .out = 1, .size = 1, .stride = 1, .dilation = 1};
  return conv;
}

/* The value that a tap sees, SIZE_MAX: 0. Mirrors and repeats step by step. */
static size_t see(const struct kernel_axis *axis, enum kernel_padding padding, size_t place, size_t tap) {
  long at = (long)(place * axis->stride + tap * axis->dilation) - (long)axis->before, in = (long)axis->in;
  if (padding == KERNEL_PAD_ZEROS && (at < 0 || at >= in)) return SIZE_MAX;
  if (padding == KERNEL_PAD_REPLICATE) at = at < 0 ? 0 : at >= in ? in - 1 : at;
  if (padding == KERNEL_PAD_REFLECT) at = at < 0 ? -at : at >= in ? 2 * in - 2 - at : at;
  if (padding == KERNEL_PAD_CIRCULAR) at = (at % in + in) % in;
  return (size_t)at;
}

/* All three functions at once, by the definition, with the sums of magnitudes that bound what rounding may do. */
struct reference {
  double *z, *dx, *dw, *z_size, *dx_size, *dw_size;
};

static void compute_reference(const struct kernel_conv *q, const float *x, const float *w, const float *bias, const float *delta,
                              struct reference *out) {
  const size_t group_channels = q->channels / q->groups, group_filters = q->filters / q->groups;
  const size_t places = q->y.out * q->x.out, values = q->y.in * q->x.in, taps = q->y.size * q->x.size;
  for (size_t n = 0; n < q->batch; n++)
    for (size_t f = 0; f < q->filters; f++)
      for (size_t place = 0; place < places; place++) {
        const size_t z_at = n * q->filters * places + (q->channels_last ? place * q->filters + f : f * places + place);
        out->z[z_at] = (double)bias[f];
        out->z_size[z_at] = fabs((double)bias[f]);
        for (size_t c = 0; c < group_channels; c++)
          for (size_t tap = 0; tap < taps; tap++) {
            const size_t y = see(&q->y, q->padding, place / q->x.out, tap / q->x.size);
            const size_t x_at = see(&q->x, q->padding, place % q->x.out, tap % q->x.size);
            if (y == SIZE_MAX || x_at == SIZE_MAX) continue;
            const size_t channel = f / group_filters * group_channels + c, value = y * q->x.in + x_at;
            const size_t at = n * q->channels * values + (q->channels_last ? value * q->channels + channel : channel * values + value);
            const size_t w_at = (f * group_channels + c) * taps + tap;
            const double terms[3] = {(double)w[w_at] * (double)x[at], (double)w[w_at] * (double)delta[z_at],
                                     (double)x[at] * (double)delta[z_at]};
            out->z[z_at] += terms[0];
            out->z_size[z_at] += fabs(terms[0]);
            out->dx[at] += terms[1];
            out->dx_size[at] += fabs(terms[1]);
            out->dw[w_at] += terms[2];
            out->dw_size[w_at] += fabs(terms[2]);
          }
      }
}

static void compare(size_t which, const char *what, size_t count, const float *framed, const double *right, const double *size) {
  for (size_t i = 0; i < GUARDS; i++)
    ck_assert_msg(framed[i] == guard && framed[GUARDS + count + i] == guard, "case %zu: writes beside %s", which, what);
  for (size_t i = 0; i < count; i++)
    ck_assert_msg(fabs((double)framed[GUARDS + i] - right[i]) <= 1e-6 * size[i] + 1e-12, "case %zu: %s[%zu] is %g, not %g", which, what, i,
                  (double)framed[GUARDS + i], right[i]);
}

static float *make_framed(size_t count) {
  float *framed = malloc((count + 2 * GUARDS) * sizeof *framed);
  for (size_t i = 0; i < count + 2 * GUARDS; i++) framed[i] = guard;
  return framed;
}

/* Everything of one convolution. */
struct scene {
  struct kernel_conv conv;
  size_t x_count, z_count, w_count;
  float *x, *w, *bias, *delta, *work, *z, *dx, *dw; /* the last three framed */
};

static struct scene make_scene(const struct kernel_conv *conv) {
  struct scene s = {.conv = *conv};
  s.x_count = conv->batch * conv->channels * conv->y.in * conv->x.in;
  s.z_count = conv->batch * conv->filters * conv->y.out * conv->x.out;
  s.w_count = conv->filters * (conv->channels / conv->groups) * conv->y.size * conv->x.size;
  s.x = make_array(s.x_count, 1);
  s.w = make_array(s.w_count, 2);
  s.bias = make_array(conv->filters, 3);
  s.delta = make_array(s.z_count, 4);
  const size_t bytes = kernel_conv_work_size(conv) * sizeof(float);
  s.work = aligned_alloc(64, bytes);
  memset(s.work, 0xff, bytes); /* what no one has written is not a number */
  s.z = make_framed(s.z_count);
  s.dx = make_framed(s.x_count);
  s.dw = make_framed(s.w_count);
  return s;
}

static void free_scene(struct scene *s) {
  void *owned[] = {s->x, s->w, s->bias, s->delta, s->work, s->z, s->dx, s->dw};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

static void run_scene(struct scene *s, const struct parallel *parallel) {
  kernel_conv_forward(parallel, &s->conv, s->x, s->w, s->bias, s->z + GUARDS, s->work);
  kernel_conv_input_gradient(parallel, &s->conv, s->delta, s->w, s->dx + GUARDS, s->work);
  kernel_conv_weight_gradient(parallel, &s->conv, s->x, s->delta, s->dw + GUARDS, s->work);
}

START_TEST(convolution_is_what_its_definition_says) {
  for (size_t which = 0; which < CASES; which++) {
    const struct kernel_conv conv = draw_conv(which);
    struct scene s = make_scene(&conv);
    run_scene(&s, NULL);
    const size_t counts[] = {s.z_count, s.x_count, s.w_count};
    double *sums[6];
    for (size_t i = 0; i < 6; i++) sums[i] = calloc(counts[i % 3], sizeof(double));
    struct reference reference = {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]};
    compute_reference(&conv, s.x, s.w, s.bias, s.delta, &reference);
    compare(which, "z", s.z_count, s.z, reference.z, reference.z_size);
    compare(which, "dx", s.x_count, s.dx, reference.dx, reference.dx_size);
    compare(which, "dw", s.w_count, s.dw, reference.dw, reference.dw_size);
    for (size_t i = 0; i < 6; i++) free(sums[i]);
    free_scene(&s);
  }
}
END_TEST

START_TEST(order_of_pieces_changes_no_bit_of_a_convolution) {
  size_t pieces = 0, runs = 0;
  for (size_t which = 0; which < CASES; which += 6) {
    struct kernel_conv conv = draw_conv(which);
    conv.batch = 70;
    struct scene s = make_scene(&conv), other = make_scene(&conv);
    struct shuffled_parallel state = {0};
    const struct parallel parallel = shuffled_parallel(&state);
    run_scene(&s, NULL);
    run_scene(&other, &parallel);
    ck_assert_mem_eq(s.z, other.z, s.z_count * sizeof *s.z);
    ck_assert_mem_eq(s.dx, other.dx, s.x_count * sizeof *s.dx);
    ck_assert_mem_eq(s.dw, other.dw, s.w_count * sizeof *s.dw);
    pieces += state.pieces;
    runs += state.runs;
    free_scene(&s);
    free_scene(&other);
  }
  ck_assert_uint_gt(pieces, 2 * runs);
}
END_TEST

START_TEST(a_sample_has_the_same_bits_alone_and_among_others) {
  for (size_t which = 0; which < CASES; which += 6) {
    struct kernel_conv conv = draw_conv(which);
    conv.batch = 70;
    struct scene s = make_scene(&conv);
    run_scene(&s, NULL);
    const size_t x_size = s.x_count / conv.batch, z_size = s.z_count / conv.batch;
    conv.batch = 1;
    float *z = malloc(z_size * sizeof *z);
    for (size_t n = 0; n < 70; n += 23) {
      kernel_conv_forward(NULL, &conv, s.x + n * x_size, s.w, s.bias, z, s.work);
      ck_assert_mem_eq(z, s.z + GUARDS + n * z_size, z_size * sizeof *z);
    }
    free(z);
    free_scene(&s);
  }
}
END_TEST

START_TEST(work_that_cannot_be_counted_is_told) {
  const struct kernel_axis axis = {.in = SIZE_MAX / 256, .out = SIZE_MAX / 256, .size = 1, .stride = 1, .dilation = 1};
  const struct kernel_conv conv = {.batch = 1, .channels = 2, .filters = 2, .groups = 1, .y = axis, .x = axis};
  ck_assert_uint_eq(kernel_conv_work_size(&conv), 0);
}
END_TEST

START_TEST(sums_of_channels_are_right) {
  static const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {9, 70, 1}, {4, 3, 1000}};
  for (size_t which = 0; which < sizeof sizes / sizeof sizes[0]; which++) {
    const size_t outer = sizes[which][0], channels = sizes[which][1], inner = sizes[which][2];
    float *x = make_array(outer * channels * inner, 1), *sums = make_framed(channels);
    double *right = calloc(channels, sizeof *right), *size = calloc(channels, sizeof *size);
    kernel_channel_sums(NULL, outer, channels, inner, x, sums + GUARDS);
    for (size_t i = 0; i < outer * channels * inner; i++) {
      right[i / inner % channels] += (double)x[i];
      size[i / inner % channels] += fabs((double)x[i]);
    }
    compare(which, "sums", channels, sums, right, size);
    free(x);
    free(sums);
    free(right);
    free(size);
  }
}
END_TEST

/* Pooling. Windows lie so that each has a value. */
static struct kernel_pool draw_pool(size_t which) {
  struct kernel_pool pool = {.outer = draw(which, 0, 1, 9), .inner = draw(which, 1, 0, 1) == 0 ? 1 : draw(which, 2, 1, 20)};
  pool.y = draw_axis(which, 10);
  pool.x = draw_axis(which, 20);
  struct kernel_axis *const axes[2] = {&pool.y, &pool.x};
  for (size_t i = 0; i < 2; i++) {
    const size_t span = (axes[i]->size - 1) * axes[i]->dilation + 1;
    axes[i]->before = axes[i]->after = axes[i]->size / 2;
    if (draw(which, 30, 0, 2) == 0) *axes[i] = (struct kernel_axis){.in = axes[i]->in, .size = 2, .stride = 2, .dilation = 1};
    const size_t padded = axes[i]->in + axes[i]->before + axes[i]->after;
    axes[i]->out = (padded < span ? 0 : padded - (axes[i]->size - 1) * axes[i]->dilation - 1) / axes[i]->stride + 1;
  }
  return pool;
}

static double *find(const struct kernel_pool *q, double *values, size_t out, size_t tap) {
  const size_t i = out % q->inner, place = out / q->inner % (q->y.out * q->x.out), outer = out / q->inner / (q->y.out * q->x.out);
  const size_t y = see(&q->y, KERNEL_PAD_ZEROS, place / q->x.out, tap / q->x.size),
               x = see(&q->x, KERNEL_PAD_ZEROS, place % q->x.out, tap % q->x.size);
  return y == SIZE_MAX || x == SIZE_MAX ? NULL : values + ((outer * q->y.in + y) * q->x.in + x) * q->inner + i;
}

static void check_pool(size_t which, bool is_mean, const struct parallel *parallel) {
  const struct kernel_pool q = draw_pool(which);
  const size_t in = q.outer * q.y.in * q.x.in * q.inner, out = q.outer * q.y.out * q.x.out * q.inner, taps = q.y.size * q.x.size;
  float *x = make_array(in, 1), *delta = make_array(out, 2), *z = make_framed(out), *dx = make_framed(in);
  for (size_t i = 0; i < in; i += 3) x[i] = roundf(x[i]); /* some are equal */
  double *x64 = calloc(in, sizeof *x64), *z64 = calloc(out, sizeof *z64), *dx64 = calloc(in, sizeof *dx64),
         *ones = calloc(in + out, sizeof *ones);
  for (size_t i = 0; i < in; i++) x64[i] = (double)x[i];
  for (size_t i = 0; i < in + out; i++) ones[i] = (double)taps * 4;
  const struct kernel_mean mean = {.divisor = draw(which, 40, 0, 1) * 7, .counts_padding = draw(which, 41, 0, 1) == 1};
  for (size_t o = 0; o < out; o++) {
    const size_t place = o / q.inner % (q.y.out * q.x.out);
    double *largest = NULL;
    const double share = is_mean ? 1.0 / (double)kernel_mean_divisor(&q, &mean, place / q.x.out, place % q.x.out) : 0;
    for (size_t tap = 0; tap < taps; tap++) {
      double *seen = find(&q, x64, o, tap);
      if (seen == NULL) continue;
      if (largest == NULL || *seen > *largest) largest = seen;
      z64[o] += *seen * share;
      dx64[seen - x64] += (double)delta[o] * share;
    }
    ck_assert_ptr_nonnull(largest);
    if (is_mean) continue;
    z64[o] = *largest;
    dx64[largest - x64] += (double)delta[o];
  }
  if (is_mean) {
    kernel_mean_pool_forward(parallel, &q, &mean, x, z + GUARDS);
    kernel_mean_pool_backward(parallel, &q, &mean, delta, dx + GUARDS);
  } else {
    kernel_max_pool_forward(parallel, &q, x, z + GUARDS);
    kernel_max_pool_backward(parallel, &q, x, z + GUARDS, delta, dx + GUARDS);
  }
  compare(which, is_mean ? "mean" : "max", out, z, z64, ones);
  compare(which, is_mean ? "dx of mean" : "dx of max", in, dx, dx64, ones);
  void *owned[] = {x, delta, z, dx, x64, z64, dx64, ones};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

START_TEST(pooling_is_what_its_definition_says) {
  struct shuffled_parallel state = {0};
  const struct parallel parallel = shuffled_parallel(&state);
  for (size_t which = 0; which < CASES; which++) check_pool(which, _i == 1, which % 2 == 0 ? &parallel : NULL);
}
END_TEST

/* 4 · 10⁹ taps a window, of which 81 see a value: only those may cost time. */
START_TEST(a_window_far_larger_than_the_image_sees_all_of_it) {
  enum { SIDE = 9, PLACES = 10, WINDOW = 65536 };
  const struct kernel_axis axis = {
      .in = SIDE, .out = PLACES, .size = WINDOW, .stride = 1, .dilation = 1, .before = WINDOW / 2, .after = WINDOW / 2};
  const struct kernel_pool pool = {.outer = 1, .inner = 1, .y = axis, .x = axis};
  const struct kernel_mean mean = {.counts_padding = false};
  float x[SIDE * SIDE], dx[SIDE * SIDE], z[PLACES * PLACES], delta[PLACES * PLACES];
  for (size_t i = 0; i < SIDE * SIDE; i++) x[i] = (float)((i * 7) % (SIDE * SIDE));
  for (size_t i = 0; i < PLACES * PLACES; i++) delta[i] = 0.81f;
  kernel_mean_pool_forward(NULL, &pool, &mean, x, z);
  for (size_t i = 0; i < PLACES * PLACES; i++) ck_assert_float_eq_tol(z[i], 40, 1e-4f);
  kernel_mean_pool_backward(NULL, &pool, &mean, delta, dx);
  for (size_t i = 0; i < SIDE * SIDE; i++) ck_assert_float_eq_tol(dx[i], 1, 1e-5f);
  kernel_max_pool_forward(NULL, &pool, x, z);
  for (size_t i = 0; i < PLACES * PLACES; i++) ck_assert_float_eq(z[i], 80);
  kernel_max_pool_backward(NULL, &pool, x, z, delta, dx);
  for (size_t i = 0; i < SIDE * SIDE; i++) ck_assert_float_eq_tol(dx[i], x[i] >= 80 ? 81 : 0, 1e-3f);
}
END_TEST

START_TEST(what_is_not_a_number_stays_the_largest) {
  enum { SIDE = 6 };
  const struct kernel_axis square = {.in = SIDE, .out = SIDE / 2, .size = 2, .stride = 2, .dilation = 1};
  const struct kernel_axis wide = {.in = SIDE, .out = SIDE / 3, .size = 3, .stride = 3, .dilation = 1};
  const struct kernel_pool pools[] = {{.outer = 1, .inner = 1, .y = square, .x = square}, {.outer = 1, .inner = 1, .y = wide, .x = wide}};
  for (size_t i = 0; i < 2; i++) {
    for (size_t at = 0; at < SIDE * SIDE; at++) {
      float x[SIDE * SIDE] = {0}, z[SIDE * SIDE];
      x[at] = NAN;
      kernel_max_pool_forward(NULL, &pools[i], x, z);
      size_t count = 0;
      for (size_t o = 0; o < pools[i].y.out * pools[i].x.out; o++) count += isnan(z[o]) != 0;
      ck_assert_uint_eq(count, 1);
    }
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "window kernels");
  tcase_add_test(test_case, convolution_is_what_its_definition_says);
  tcase_add_test(test_case, order_of_pieces_changes_no_bit_of_a_convolution);
  tcase_add_test(test_case, a_sample_has_the_same_bits_alone_and_among_others);
  tcase_add_test(test_case, work_that_cannot_be_counted_is_told);
  tcase_add_test(test_case, sums_of_channels_are_right);
  tcase_add_loop_test(test_case, pooling_is_what_its_definition_says, 0, 2);
  tcase_add_test(test_case, what_is_not_a_number_stays_the_largest);
  tcase_add_test(test_case, a_window_far_larger_than_the_image_sees_all_of_it);
}

int main(void) { return suite_main("window kernels", add_cases); }
