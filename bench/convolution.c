/* build/bench/convolution [ROUNDS]: our kernels of convolution beside the library's primitives, in float32 and in bfloat16, with all
 * copies from and to our arrays counted: processor time of one thread for a batch, the smallest of so many rounds that go by turns,
 * and how many times as long ours take. Of the pooled kernels, which compute convolution, rectifier and pooling at once, the time
 * beside, where there are such.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/kernels.h"
#include "engine/kernels_conv_library.h"
#include "engine/kernels_conv_pooled.h"
#include "engine/kernels_conv_primitive.h"
#include "engine/random.h"

enum { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, DIRECTIONS };
enum { OURS, FLOAT32, BFLOAT16, POOLED, KINDS };
static const char *const direction_names[DIRECTIONS] = {"forward", "input gradient", "weight gradient"};

struct shape_case {
  size_t batch, channels, filters, size, window, stride, padding;
  bool is_sequence;
};
static const struct shape_case cases[] = {
    {64, 1, 16, 28, 3, 1, 1, false},    {64, 16, 32, 14, 3, 1, 1, false},  {64, 32, 64, 14, 3, 1, 1, false},
    {64, 64, 128, 8, 3, 1, 1, false},   {64, 64, 64, 16, 3, 1, 1, false},  {64, 128, 128, 8, 3, 1, 1, false},
    {64, 64, 128, 16, 3, 2, 1, false},  {64, 32, 64, 14, 5, 1, 2, false},  {64, 3, 32, 32, 3, 1, 1, false},
    {64, 64, 256, 14, 1, 1, 0, false},  {64, 256, 64, 14, 1, 1, 0, false}, {64, 20, 24, 14, 3, 1, 1, false},
    {64, 16, 16, 8, 3, 1, 1, false},    {64, 64, 64, 128, 3, 1, 1, true},  {64, 32, 64, 64, 5, 1, 2, true},
    {64, 256, 256, 8, 3, 1, 1, false},  {32, 256, 512, 7, 3, 1, 1, false}, {16, 512, 512, 7, 3, 1, 1, false},
    {32, 512, 1024, 7, 1, 1, 0, false},
};

struct scene {
  struct kernel_conv conv;
  struct kernel_conv_pooled pooled;
  bool can_pool;
  struct kernel_conv_room rooms[KINDS];
  float *x, *w, *bias, *z, *delta, *dx, *dw, *pool_z, *pool_work;
  uint8_t *winners;
};

static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static void *take(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
  if (memory == NULL) exit(1);
  return memory;
}
static float *make_array(size_t count, uint32_t lane) {
  float *values = take(count * sizeof *values);
  random_fill_normal(&(struct random_stream){.seed = 1, .purpose = 90, .lane = lane}, 0, count, values);
  return values;
}

static void scene_open(struct scene *s, const struct shape_case *c) {
  const size_t places = (c->size + 2 * c->padding - c->window) / c->stride + 1;
  const struct kernel_axis axis = {
      .in = c->size, .out = places, .size = c->window, .stride = c->stride, .dilation = 1, .before = c->padding, .after = c->padding};
  *s = (struct scene){.conv = {.batch = c->batch, .channels = c->channels, .filters = c->filters, .groups = 1, .y = axis, .x = axis}};
  if (c->is_sequence) s->conv.y = (struct kernel_axis){.in = 1, .out = 1, .size = 1, .stride = 1, .dilation = 1};
  s->conv.channels_last = c->is_sequence;
  const size_t in = s->conv.y.in * s->conv.x.in, out = s->conv.y.out * s->conv.x.out, taps = s->conv.y.size * s->conv.x.size;
  s->x = make_array(c->batch * c->channels * in, 1);
  s->w = make_array(c->filters * c->channels * taps, 2);
  s->bias = make_array(c->filters, 3);
  s->delta = make_array(c->batch * c->filters * out, 4);
  s->z = make_array(c->batch * c->filters * out, 5);
  s->dx = make_array(c->batch * c->channels * in, 6);
  s->dw = make_array(c->filters * c->channels * taps, 7);
  s->rooms[OURS].work_count = kernel_conv_work_size(&s->conv);
  s->rooms[OURS].work = take(s->rooms[OURS].work_count * sizeof(float));
  for (int kind = FLOAT32; kind <= BFLOAT16; kind++) {
    struct kernel_conv_room *room = &s->rooms[kind];
    if (!kernel_conv_library_measure(&s->conv, kind == BFLOAT16, room)) continue;
    room->work = take(room->work_count * sizeof(float));
    if (kind == BFLOAT16) room->half = take(room->half_count * sizeof(uint16_t));
  }
  const struct kernel_axis pool_axis = {.in = places, .out = places / 2, .size = 2, .stride = 2, .dilation = 1};
  const struct kernel_pool pool = {.outer = c->batch * c->filters, .inner = 1, .y = pool_axis, .x = pool_axis};
  s->pooled = (struct kernel_conv_pooled){.conv = s->conv, .is_rectified = true};
  s->can_pool = !c->is_sequence && kernel_conv_pooled_can(&s->conv, &pool);
  if (!s->can_pool) return;
  s->pool_z = make_array(c->batch * c->filters * out / 4, 8);
  s->pool_work = take(kernel_conv_pooled_work_size(&s->conv) * sizeof(float));
  s->winners = take(c->batch * kernel_conv_pooled_winner_bytes(&s->conv));
  kernel_conv_pooled_forward(NULL, &s->pooled, s->x, s->w, s->bias, s->pool_z, s->winners, s->pool_work);
}

static void scene_close(struct scene *s) {
  float *const arrays[] = {s->x, s->w, s->bias, s->z, s->delta, s->dx, s->dw, s->pool_z, s->pool_work};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) free(arrays[i]);
  for (int kind = 0; kind < KINDS; kind++) {
    free(s->rooms[kind].work);
    free(s->rooms[kind].half);
  }
  free(s->winners);
}

static void run_ours(const struct scene *s, int direction) {
  float *work = s->rooms[OURS].work;
  if (direction == FORWARD) kernel_conv_forward(NULL, &s->conv, s->x, s->w, s->bias, s->z, work);
  if (direction == INPUT_GRADIENT) kernel_conv_input_gradient(NULL, &s->conv, s->delta, s->w, s->dx, work);
  if (direction == WEIGHT_GRADIENT) kernel_conv_weight_gradient(NULL, &s->conv, s->x, s->delta, s->dw, work);
}
static bool run_library(const struct scene *s, int direction, const struct kernel_conv_room *room) {
  if (direction == FORWARD) return kernel_conv_library_forward(NULL, &s->conv, s->x, s->w, s->bias, s->z, room);
  if (direction == INPUT_GRADIENT) return kernel_conv_library_input_gradient(NULL, &s->conv, s->delta, s->w, s->dx, room);
  return kernel_conv_library_weight_gradient(NULL, &s->conv, s->x, s->delta, s->dw, room);
}
static void run_pooled(const struct scene *s, int direction) {
  const struct kernel_conv_pooled *pooled = &s->pooled;
  if (direction == FORWARD) kernel_conv_pooled_forward(NULL, pooled, s->x, s->w, s->bias, s->pool_z, s->winners, s->pool_work);
  if (direction == INPUT_GRADIENT) kernel_conv_pooled_input_gradient(NULL, pooled, s->pool_z, s->winners, s->w, s->dx, s->pool_work);
  if (direction == WEIGHT_GRADIENT)
    kernel_conv_pooled_weight_gradient(NULL, pooled, s->x, s->pool_z, s->winners, s->dw, s->bias, s->pool_work);
}

static bool run(const struct scene *s, int direction, int kind) {
  switch (kind) {
  case OURS: run_ours(s, direction); return true;
  case POOLED:
    if (s->can_pool) run_pooled(s, direction);
    return s->can_pool;
  default: return s->rooms[kind].work != NULL && run_library(s, direction, &s->rooms[kind]);
  }
}

static void measure(const struct scene *s, const struct shape_case *c, int direction, int rounds) {
  double best[KINDS];
  for (int kind = 0; kind < KINDS; kind++) best[kind] = INFINITY;
  for (int round = 0; round < rounds; round++) {
    for (int kind = 0; kind < KINDS; kind++) {
      const double begin = now_us();
      if (run(s, direction, kind)) best[kind] = fmin(best[kind], now_us() - begin);
    }
  }
  const struct kernel_conv *conv = &s->conv;
  const double flops =
      2.0 * (double)(conv->batch * conv->channels * conv->filters * conv->y.size * conv->x.size * conv->y.out * conv->x.out);
  char name[64];
  (void)snprintf(name, sizeof name, "%zux%zu-%zu on %s%zu, window %zu/%zu", c->batch, c->channels, c->filters, c->is_sequence ? "" : "2 x ",
                 c->size, c->window, c->stride);
  printf("%-38s %-15s %8.0f us %4.0f GFLOP/s", name, direction_names[direction], best[OURS], flops / best[OURS] * 1e-3);
  for (int kind = FLOAT32; kind < KINDS; kind++) {
    if (isinf(best[kind]))
      printf("        -");
    else
      printf("  %6.2fx", best[OURS] / best[kind]);
  }
  printf("\n");
}

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 20;
  kernel_conv_ask_library_always(true);
  printf("convolution, kernels %s: ours; how many times as long as the library's in float32 and in bfloat16, and as the pooled ones\n",
         kernels_name());
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct scene scene;
    scene_open(&scene, &cases[i]);
    for (int direction = 0; direction < DIRECTIONS; direction++) measure(&scene, &cases[i], direction, rounds);
    scene_close(&scene);
  }
  return 0;
}
