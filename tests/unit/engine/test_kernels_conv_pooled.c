/* Pooled convolutions beside convolution, rectifier and pooling one after the other. */
#include "engine/kernels_conv_pooled.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "tests/support/shuffled_parallel.h"
#include "tests/support/suite.h"

enum { CASES = 120, GUARDS = 16, MANY = 70 };
static const float guard = 12345.0f;

/* Between two rows of guards; behind them the allocation ends, so that the sanitizer build sees a read there. */
static float *make_array(size_t count, uint32_t lane) {
  float *values = malloc((count + 2 * GUARDS) * sizeof *values);
  for (size_t i = 0; i < count + 2 * GUARDS; i++) values[i] = guard;
  random_fill_normal(&(struct random_stream){.seed = 4, .purpose = 98, .lane = lane}, 0, count, values + GUARDS);
  return values;
}

static void check_guards(const float *framed, size_t count) {
  for (size_t i = 0; i < GUARDS; i++) ck_assert(framed[i] == guard && framed[GUARDS + count + i] == guard);
}

static size_t draw(size_t which, uint32_t what, size_t low, size_t high) {
  const float uniform = random_uniform(&(struct random_stream){.seed = 6, .purpose = 97, .lane = what}, which);
  const size_t drawn = low + (size_t)(uniform * (float)(high - low + 1));
  return drawn < high ? drawn : high;
}

static struct kernel_axis draw_axis(size_t which, uint32_t what) {
  /* Windows of 3 × 3, which have ways of their own, as often as others. */
  struct kernel_axis axis = {
      .size = which % 2 == 0 ? 3 : draw(which, what, 1, 5), .stride = 1, .dilation = 1, .before = draw(which, what + 1, 0, 3)};
  axis.after = draw(which, what + 2, 0, 3);
  axis.in = draw(which, what + 3, 6, 40);
  axis.out = axis.in + axis.before + axis.after - axis.size + 1;
  return axis;
}

static struct kernel_axis halve(const struct kernel_axis *axis) {
  return (struct kernel_axis){.in = axis->out, .out = axis->out / 2, .size = 2, .stride = 2, .dilation = 1};
}

/* One pooled convolution; arrays between guards. */
struct scene {
  struct kernel_conv_pooled pooled;
  struct kernel_pool pool;
  size_t x_count, places, out, w_count, winner_bytes;
  float *x, *w, *bias, *delta, *z, *dx, *dw, *dbias, *work;
  uint8_t *winners;
};

static struct scene make_scene(size_t which, size_t batch) {
  struct kernel_conv conv = {.batch = batch, .groups = 1, .y = draw_axis(which, 10), .x = draw_axis(which, 20)};
  conv.channels = draw(which, 1, 0, 1) == 0 ? draw(which, 2, 1, 4) : draw(which, 2, 5, 40);
  conv.filters = draw(which, 3, 8, 70);
  if (which == 47) conv.filters = 300;
  struct scene s = {.pooled = {.conv = conv, .is_rectified = draw(which, 4, 0, 3) > 0}};
  s.pool = (struct kernel_pool){.outer = batch * conv.filters, .inner = 1, .y = halve(&conv.y), .x = halve(&conv.x)};
  s.x_count = batch * conv.channels * conv.y.in * conv.x.in;
  s.places = batch * conv.filters * conv.y.out * conv.x.out;
  s.out = batch * conv.filters * s.pool.y.out * s.pool.x.out;
  s.w_count = conv.filters * conv.channels * conv.y.size * conv.x.size;
  s.x = make_array(s.x_count, 1);
  s.w = make_array(s.w_count, 2);
  s.bias = make_array(conv.filters, 3);
  s.delta = make_array(s.out, 4);
  s.z = make_array(s.out, 5);
  s.dx = make_array(s.x_count, 6);
  s.dw = make_array(s.w_count, 7);
  s.dbias = make_array(conv.filters, 8);
  for (size_t i = 0; i < s.x_count; i += 3) s.x[GUARDS + i] = roundf(s.x[GUARDS + i]);
  if (which % 10 == 9) memset(s.x + GUARDS, 0, s.x_count * sizeof *s.x); /* all places are equal */
  s.winner_bytes = kernel_conv_pooled_winner_bytes(&conv);
  s.winners = malloc(batch * s.winner_bytes);
  const size_t bytes = kernel_conv_pooled_work_size(&conv) * sizeof(float);
  s.work = aligned_alloc(64, bytes);
  memset(s.work, 0xff, bytes); /* what no one has written is not a number */
  return s;
}

static void free_scene(struct scene *s) {
  void *owned[] = {s->x, s->w, s->bias, s->delta, s->z, s->dx, s->dw, s->dbias, s->work, s->winners};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

static void run_scene(struct scene *s, const struct parallel *parallel) {
  kernel_conv_pooled_forward(parallel, &s->pooled, s->x + GUARDS, s->w + GUARDS, s->bias + GUARDS, s->z + GUARDS, s->winners, s->work);
  kernel_conv_pooled_weight_gradient(parallel, &s->pooled, s->x + GUARDS, s->delta + GUARDS, s->winners, s->dw + GUARDS, s->dbias + GUARDS,
                                     s->work);
  kernel_conv_pooled_input_gradient(parallel, &s->pooled, s->delta + GUARDS, s->winners, s->w + GUARDS, s->dx + GUARDS, s->work);
  check_guards(s->z, s->out);
  check_guards(s->dw, s->w_count);
  check_guards(s->dbias, s->pooled.conv.filters);
  check_guards(s->dx, s->x_count);
}

static void rectify(size_t count, const float *z, float *a) {
  for (size_t i = 0; i < count; i++) a[i] = z[i] < 0 ? 0 : z[i];
}

static void compare(size_t which, const char *what, size_t count, size_t terms, const float *framed, const float *right) {
  const double bound = 1e-5 * sqrt((double)terms);
  for (size_t i = 0; i < count; i++)
    ck_assert_msg(fabs((double)framed[GUARDS + i] - (double)right[i]) <= bound * (1 + fabs((double)right[i])),
                  "case %zu: %s[%zu] is %g, not %g", which, what, i, (double)framed[GUARDS + i], (double)right[i]);
}

static void check_scene(size_t which, struct scene *s) {
  const struct kernel_conv *conv = &s->pooled.conv;
  float *z = malloc(s->places * sizeof *z), *a = malloc(s->places * sizeof *a), *delta = malloc(s->places * sizeof *delta);
  float *out = malloc(s->out * sizeof *out), *dx = malloc(s->x_count * sizeof *dx), *dw = malloc(s->w_count * sizeof *dw);
  float *dbias = malloc(conv->filters * sizeof *dbias), *work = aligned_alloc(64, kernel_conv_work_size(conv) * sizeof *work);
  kernel_conv_forward(NULL, conv, s->x + GUARDS, s->w + GUARDS, s->bias + GUARDS, z, work);
  memcpy(a, z, s->places * sizeof *a);
  if (s->pooled.is_rectified) rectify(s->places, z, a);
  kernel_max_pool_forward(NULL, &s->pool, a, out);
  kernel_max_pool_backward(NULL, &s->pool, a, out, s->delta + GUARDS, delta);
  for (size_t i = 0; i < s->places && s->pooled.is_rectified; i++)
    if (z[i] <= 0) delta[i] = 0;
  kernel_conv_weight_gradient(NULL, conv, s->x + GUARDS, delta, dw, work);
  kernel_channel_sums(NULL, conv->batch, conv->filters, conv->y.out * conv->x.out, delta, dbias);
  kernel_conv_input_gradient(NULL, conv, delta, s->w + GUARDS, dx, work);
  compare(which, "z", s->out, conv->channels * conv->y.size * conv->x.size, s->z, out);
  compare(which, "dw", s->w_count, s->out, s->dw, dw);
  compare(which, "dbias", conv->filters, s->out, s->dbias, dbias);
  compare(which, "dx", s->x_count, conv->filters * conv->y.size * conv->x.size, s->dx, dx);
  void *owned[] = {z, a, delta, out, dx, dw, dbias, work};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

START_TEST(it_is_convolution_rectifier_and_pooling) {
  for (size_t which = 0; which < CASES; which++) {
    struct scene s = make_scene(which, 1 + which % 3);
    ck_assert(kernel_conv_pooled_can(&s.pooled.conv, &s.pool));
    run_scene(&s, NULL);
    check_scene(which, &s);
    free_scene(&s);
  }
}
END_TEST

START_TEST(order_of_pieces_changes_no_bit) {
  size_t pieces = 0, runs = 0;
  for (size_t which = 0; which < CASES; which += 7) {
    struct scene s = make_scene(which, MANY), other = make_scene(which, MANY);
    struct shuffled_parallel state = {0};
    const struct parallel parallel = shuffled_parallel(&state);
    run_scene(&s, NULL);
    run_scene(&other, &parallel);
    ck_assert_mem_eq(s.z, other.z, s.out * sizeof *s.z);
    ck_assert_mem_eq(s.winners, other.winners, MANY * s.winner_bytes);
    ck_assert_mem_eq(s.dx, other.dx, (GUARDS + s.x_count) * sizeof *s.dx);
    ck_assert_mem_eq(s.dw, other.dw, (GUARDS + s.w_count) * sizeof *s.dw);
    ck_assert_mem_eq(s.dbias, other.dbias, (GUARDS + s.pooled.conv.filters) * sizeof *s.dbias);
    pieces += state.pieces;
    runs += state.runs;
    free_scene(&s);
    free_scene(&other);
  }
  ck_assert_uint_gt(pieces, 2 * runs);
}
END_TEST

START_TEST(a_sample_has_the_same_bits_alone_and_among_others) {
  for (size_t which = 0; which < CASES; which += 17) {
    struct scene s = make_scene(which, MANY);
    run_scene(&s, NULL);
    const size_t x_size = s.x_count / MANY, z_size = s.out / MANY;
    struct kernel_conv_pooled one = s.pooled;
    one.conv.batch = 1;
    float *z = malloc(z_size * sizeof *z), *dx = malloc(x_size * sizeof *dx);
    for (size_t n = 0; n < MANY; n += 23) {
      kernel_conv_pooled_forward(NULL, &one, s.x + GUARDS + n * x_size, s.w + GUARDS, s.bias + GUARDS, z, NULL, s.work);
      ck_assert_mem_eq(z, s.z + GUARDS + n * z_size, z_size * sizeof *z);
      kernel_conv_pooled_input_gradient(NULL, &one, s.delta + GUARDS + n * z_size, s.winners + n * s.winner_bytes, s.w + GUARDS, dx,
                                        s.work);
      ck_assert_mem_eq(dx, s.dx + GUARDS + n * x_size, x_size * sizeof *dx);
    }
    free(z);
    free(dx);
    free_scene(&s);
  }
}
END_TEST

START_TEST(what_is_not_a_number_stays_seen) {
  struct scene s = make_scene(0, 2);
  const size_t in = s.x_count / s.pooled.conv.batch;
  s.x[GUARDS + in / 2] = NAN;
  run_scene(&s, NULL);
  size_t count = 0;
  for (size_t i = 0; i < s.out; i++) count += isnan(s.z[GUARDS + i]) != 0;
  ck_assert_uint_ge(count, s.pooled.conv.filters);
  free_scene(&s);
}
END_TEST

/* Other strides, distances, groups, paddings and windows are left to convolution and pooling. */
START_TEST(what_it_cannot_do_is_told) {
  struct scene s = make_scene(1, 1);
  const struct kernel_conv good = s.pooled.conv;
  const struct kernel_pool pool = s.pool;
  ck_assert(kernel_conv_pooled_can(&good, &pool));
  struct kernel_conv conv = good;
  conv.y.stride = 2;
  ck_assert(!kernel_conv_pooled_can(&conv, &pool));
  conv = good, conv.x.dilation = 2;
  ck_assert(!kernel_conv_pooled_can(&conv, &pool));
  conv = good, conv.groups = 2;
  ck_assert(!kernel_conv_pooled_can(&conv, &pool));
  conv = good, conv.padding = KERNEL_PAD_REFLECT;
  ck_assert(!kernel_conv_pooled_can(&conv, &pool));
  conv = good, conv.channels_last = true;
  ck_assert(!kernel_conv_pooled_can(&conv, &pool));
  struct kernel_pool other = pool;
  other.x.size = 3;
  ck_assert(!kernel_conv_pooled_can(&good, &other));
  other = pool, other.y.stride = 1;
  ck_assert(!kernel_conv_pooled_can(&good, &other));
  other = pool, other.y.before = 1;
  ck_assert(!kernel_conv_pooled_can(&good, &other));
  other = pool, other.x.out++;
  ck_assert(!kernel_conv_pooled_can(&good, &other));
  conv = good, conv.y.in = conv.y.out = conv.x.in = conv.x.out = SIZE_MAX / 256;
  ck_assert_uint_eq(kernel_conv_pooled_work_size(&conv), 0);
  free_scene(&s);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "pooled convolution");
  tcase_add_test(test_case, it_is_convolution_rectifier_and_pooling);
  tcase_add_test(test_case, order_of_pieces_changes_no_bit);
  tcase_add_test(test_case, a_sample_has_the_same_bits_alone_and_among_others);
  tcase_add_test(test_case, what_is_not_a_number_stays_seen);
  tcase_add_test(test_case, what_it_cannot_do_is_told);
}

int main(void) { return suite_main("pooled convolution", add_cases); }
