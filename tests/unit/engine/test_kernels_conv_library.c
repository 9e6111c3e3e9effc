/* Convolution by a library's primitives beside our own, in float32 and in bfloat16. Where there is no library, or none that wins here, the
 * kernels must say so. */
#include "engine/kernels_conv_library.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/kernels_conv_primitive.h"
#include "engine/random.h"
#include "tests/support/shuffled_parallel.h"
#include "tests/support/suite.h"

enum { RESULTS = 3, PRECISIONS = 2, GUARDS = 16 };
static const float guard = 12345.0f;
/* Of Σ |products|: both factors are rounded to 8 digits in bfloat16. */
static const double tolerances[PRECISIONS] = {2e-6, 8e-3};

#define AXIS(in_, out_, size_, stride_, dilation_, before_, after_)                                                                        \
  { .in = in_, .out = out_, .size = size_, .stride = stride_, .dilation = dilation_, .before = before_, .after = after_ }
static const struct kernel_conv cases[] = {
    {.batch = 70, .channels = 16, .filters = 32, .groups = 1, .y = AXIS(14, 14, 3, 1, 1, 1, 1), .x = AXIS(14, 14, 3, 1, 1, 1, 1)},
    {.batch = 19, .channels = 20, .filters = 24, .groups = 1, .y = AXIS(9, 9, 5, 1, 1, 2, 2), .x = AXIS(7, 7, 3, 1, 1, 1, 1)},
    {.batch = 33, .channels = 32, .filters = 48, .groups = 1, .y = AXIS(15, 8, 3, 2, 1, 1, 1), .x = AXIS(16, 8, 3, 2, 1, 1, 1)},
    {.batch = 3, .channels = 64, .filters = 16, .groups = 1, .y = AXIS(10, 10, 1, 1, 1, 0, 0), .x = AXIS(10, 10, 1, 1, 1, 0, 0)},
    {.batch = 5, .channels = 17, .filters = 33, .groups = 1, .y = AXIS(12, 8, 3, 1, 2, 0, 0), .x = AXIS(12, 12, 3, 1, 2, 2, 2)},
    {.batch = 1, .channels = 16, .filters = 16, .groups = 1, .y = AXIS(8, 8, 4, 1, 1, 1, 2), .x = AXIS(8, 8, 4, 1, 1, 1, 2)},
    {.batch = 40,
     .channels = 32,
     .filters = 64,
     .groups = 1,
     .y = AXIS(1, 1, 1, 1, 1, 0, 0),
     .x = AXIS(50, 50, 5, 1, 1, 2, 2),
     .channels_last = true},
    {.batch = 9, .channels = 3, .filters = 8, .groups = 1, .y = AXIS(11, 9, 3, 1, 1, 0, 0), .x = AXIS(11, 9, 3, 1, 1, 0, 0)},
    {.batch = 2, .channels = 160, .filters = 224, .groups = 1, .y = AXIS(5, 5, 3, 1, 1, 1, 1), .x = AXIS(5, 5, 3, 1, 1, 1, 1)},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static float *make_array(size_t count, uint32_t lane) {
  float *values = malloc(count * sizeof *values);
  ck_assert_ptr_nonnull(values);
  random_fill_normal(&(struct random_stream){.seed = 4, .purpose = 96, .lane = lane}, 0, count, values);
  return values;
}
/* Of working memory, on a cache line: what no one has written is not a number. */
static void *make_room(size_t bytes) {
  void *room = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
  ck_assert_ptr_nonnull(room);
  memset(room, 0xff, bytes);
  return room;
}

struct scene {
  struct kernel_conv conv;
  size_t counts[RESULTS]; /* of z, dx, dw */
  float *x, *w, *bias, *delta, *results[RESULTS];
};

static void scene_open(struct scene *s, const struct kernel_conv *conv) {
  *s = (struct scene){.conv = *conv};
  s->counts[0] = conv->batch * conv->filters * conv->y.out * conv->x.out;
  s->counts[1] = conv->batch * conv->channels * conv->y.in * conv->x.in;
  s->counts[2] = conv->filters * conv->channels * conv->y.size * conv->x.size;
  s->delta = make_array(s->counts[0], 1);
  s->x = make_array(s->counts[1], 2);
  s->w = make_array(s->counts[2], 3);
  s->bias = make_array(conv->filters, 4);
  for (size_t i = 0; i < RESULTS; i++) {
    s->results[i] = malloc((s->counts[i] + GUARDS) * sizeof(float));
    ck_assert_ptr_nonnull(s->results[i]);
    for (size_t k = 0; k < s->counts[i] + GUARDS; k++) s->results[i][k] = guard;
  }
}
static void scene_close(struct scene *s) {
  float *const owned[] = {s->x, s->w, s->bias, s->delta, s->results[0], s->results[1], s->results[2]};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

static void run_ours(struct scene *s) {
  float *work = make_room(kernel_conv_work_size(&s->conv) * sizeof(float));
  kernel_conv_forward(NULL, &s->conv, s->x, s->w, s->bias, s->results[0], work);
  kernel_conv_input_gradient(NULL, &s->conv, s->delta, s->w, s->results[1], work);
  kernel_conv_weight_gradient(NULL, &s->conv, s->x, s->delta, s->results[2], work);
  free(work);
}

/* False: the library doesn't take it. */
static bool run_library(struct scene *s, const struct parallel *parallel, bool is_half) {
  struct kernel_conv_room room;
  if (!kernel_conv_library_measure(&s->conv, is_half, &room)) return false;
  room.work = make_room(room.work_count * sizeof(float));
  if (is_half) room.half = make_room(room.half_count * sizeof(uint16_t));
  ck_assert(kernel_conv_library_forward(parallel, &s->conv, s->x, s->w, s->bias, s->results[0], &room));
  ck_assert(kernel_conv_library_input_gradient(parallel, &s->conv, s->delta, s->w, s->results[1], &room));
  ck_assert(kernel_conv_library_weight_gradient(parallel, &s->conv, s->x, s->delta, s->results[2], &room));
  free(room.work);
  free(room.half);
  return true;
}

static void take_sizes(size_t count, float *values) {
  for (size_t i = 0; i < count; i++) values[i] = fabsf(values[i]);
}
/* Σ |products| of each result. */
static void scene_open_sizes(struct scene *s, const struct kernel_conv *conv) {
  scene_open(s, conv);
  take_sizes(s->counts[0], s->delta);
  take_sizes(s->counts[1], s->x);
  take_sizes(s->counts[2], s->w);
  take_sizes(conv->filters, s->bias);
  run_ours(s);
}

START_TEST(the_librarys_convolution_is_ours_to_its_precision) {
  size_t taken = 0;
  for (size_t which = 0; which < CASES; which++) {
    struct scene ours, sizes, other;
    scene_open(&ours, &cases[which]);
    scene_open(&other, &cases[which]);
    scene_open_sizes(&sizes, &cases[which]);
    run_ours(&ours);
    if (run_library(&other, NULL, _i)) {
      double worst = 0;
      for (size_t i = 0; i < RESULTS; i++) {
        for (size_t k = 0; k < ours.counts[i]; k++) {
          const double difference = fabs((double)other.results[i][k] - (double)ours.results[i][k]);
          ck_assert_msg(difference <= tolerances[_i] * (double)sizes.results[i][k], "case %zu, result %zu: [%zu] is %g, not %g", which, i,
                        k, (double)other.results[i][k], (double)ours.results[i][k]);
          worst = fmax(worst, difference / (double)sizes.results[i][k]);
        }
        for (size_t k = 0; k < GUARDS; k++) ck_assert(other.results[i][ours.counts[i] + k] == guard);
      }
      if (_i == 1) ck_assert_double_gt(worst, 1e-4); /* it is bfloat16 indeed */
      taken++;
    }
    scene_close(&ours);
    scene_close(&other);
    scene_close(&sizes);
  }
  if (kernels_can_half()) ck_assert_uint_ge(taken, 6);
}
END_TEST

START_TEST(order_of_pieces_changes_no_bit) {
  for (size_t which = 0; which < CASES; which++) {
    struct scene one, other;
    scene_open(&one, &cases[which]);
    scene_open(&other, &cases[which]);
    struct shuffled_parallel state = {0};
    const struct parallel parallel = shuffled_parallel(&state);
    const bool is_taken = run_library(&one, NULL, _i);
    ck_assert(run_library(&other, &parallel, _i) == is_taken);
    for (size_t i = 0; i < RESULTS; i++) ck_assert_mem_eq(one.results[i], other.results[i], one.counts[i] * sizeof(float));
    if (which == 0 && is_taken) ck_assert_uint_gt(state.pieces, 2 * state.runs);
    scene_close(&one);
    scene_close(&other);
  }
}
END_TEST

START_TEST(a_sample_has_the_same_bits_alone_and_among_others) {
  for (size_t which = 0; which < CASES; which++) {
    struct kernel_conv lone = cases[which];
    struct scene all, one;
    lone.batch = 1;
    scene_open(&all, &cases[which]);
    scene_open(&one, &lone);
    if (run_library(&all, NULL, _i)) {
      const size_t last = cases[which].batch - 1;
      memcpy(one.x, all.x + last * one.counts[1], one.counts[1] * sizeof(float));
      memcpy(one.delta, all.delta + last * one.counts[0], one.counts[0] * sizeof(float));
      ck_assert(run_library(&one, NULL, _i));
      for (size_t i = 0; i < 2; i++) ck_assert_mem_eq(one.results[i], all.results[i] + last * one.counts[i], one.counts[i] * sizeof(float));
    }
    scene_close(&all);
    scene_close(&one);
  }
}
END_TEST

START_TEST(a_value_that_is_not_finite_is_not_lost) {
  struct scene s;
  scene_open(&s, &cases[0]);
  s.x[s.counts[1] / 2] = NAN;
  s.delta[s.counts[0] / 2] = INFINITY;
  if (run_library(&s, NULL, _i)) {
    for (size_t i = 0; i < RESULTS; i++) {
      size_t lost = 0;
      for (size_t k = 0; k < s.counts[i]; k++) lost += isfinite(s.results[i][k]) ? 0 : 1;
      ck_assert_uint_gt(lost, 0);
    }
  }
  scene_close(&s);
}
END_TEST

START_TEST(less_room_than_is_needed_is_refused) {
  struct scene s;
  scene_open(&s, &cases[0]);
  struct kernel_conv_room room;
  if (kernel_conv_library_measure(&s.conv, _i, &room)) {
    room.work = make_room(room.work_count * sizeof(float));
    if (_i == 1) room.half = make_room(room.half_count * sizeof(uint16_t));
    *(_i == 1 ? &room.half_count : &room.work_count) = 16;
    ck_assert(!kernel_conv_library_forward(NULL, &s.conv, s.x, s.w, s.bias, s.results[0], &room));
    free(room.work);
    free(room.half);
  }
  scene_close(&s);
}
END_TEST

START_TEST(groups_and_other_paddings_than_zeros_are_left_to_ours) {
  struct kernel_conv_room room;
  struct kernel_conv conv = cases[0];
  conv.groups = 2;
  ck_assert(!kernel_conv_library_measure(&conv, true, &room));
  conv = cases[0];
  conv.padding = KERNEL_PAD_REFLECT;
  ck_assert(!kernel_conv_library_measure(&conv, true, &room));
  ck_assert_uint_eq(room.work_count + room.half_count, 0);
}
END_TEST

static void ask_always(void) { kernel_conv_ask_library_always(true); }

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "library");
  tcase_add_checked_fixture(tcase, ask_always, NULL);
  tcase_add_loop_test(tcase, the_librarys_convolution_is_ours_to_its_precision, 0, PRECISIONS);
  tcase_add_loop_test(tcase, order_of_pieces_changes_no_bit, 0, PRECISIONS);
  tcase_add_loop_test(tcase, a_sample_has_the_same_bits_alone_and_among_others, 0, PRECISIONS);
  tcase_add_loop_test(tcase, a_value_that_is_not_finite_is_not_lost, 0, PRECISIONS);
  tcase_add_loop_test(tcase, less_room_than_is_needed_is_refused, 0, PRECISIONS);
  tcase_add_test(tcase, groups_and_other_paddings_than_zeros_are_left_to_ours);
}

int main(void) { return suite_main("kernels_conv_library", add_cases); }
