#include "bench/peers/match.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/random.h"

/* FANN knows neither cross entropy nor Adam nor momentum in batches, so that it gets two matches of its own. */
const struct match matches[] = {
    {.key = "2-8-1-sgd",
     .title = "2-8-1, batch 4, SGD",
     .widths = {2, 8, 1},
     .hidden = "tanh",
     .output = "sigmoid",
     .loss = "binary_cross_entropy",
     .optimizer = "sgd",
     .learning_rate = 0.1,
     .batch = 4,
     .rows = 4096,
     .epochs = 2},
    {.key = "30-32-32-2-adam",
     .title = "30-32-32-2, batch 16, Adam",
     .widths = {30, 32, 32, 2},
     .hidden = "relu",
     .output = "softmax",
     .loss = "cross_entropy",
     .optimizer = "adam",
     .learning_rate = 0.001,
     .batch = 16,
     .rows = 4096,
     .epochs = 8},
    {.key = "784-128-10-sgd",
     .title = "784-128-10, batch 32, SGD with momentum",
     .widths = {784, 128, 10},
     .hidden = "relu",
     .output = "softmax",
     .loss = "cross_entropy",
     .optimizer = "sgd",
     .learning_rate = 0.001,
     .momentum = 0.9,
     .batch = 32,
     .rows = 4096,
     .epochs = 4},
    {.key = "784-128-10-adam",
     .title = "784-128-10, batch 32, Adam",
     .widths = {784, 128, 10},
     .hidden = "relu",
     .output = "softmax",
     .loss = "cross_entropy",
     .optimizer = "adam",
     .learning_rate = 0.0001,
     .batch = 32,
     .rows = 4096,
     .epochs = 4},
    {.key = "784-512-512-10-adam",
     .title = "784-512-512-10, batch 128, Adam",
     .widths = {784, 512, 512, 10},
     .hidden = "relu",
     .output = "softmax",
     .loss = "cross_entropy",
     .optimizer = "adam",
     .learning_rate = 0.0001,
     .batch = 128,
     .rows = 4096,
     .epochs = 2,
     .has_bfloat16 = true},
    {.key = "784-2048-2048-2048-10-adam",
     .title = "784-2048-2048-2048-10, batch 256, Adam",
     .widths = {784, 2048, 2048, 2048, 10},
     .hidden = "relu",
     .output = "softmax",
     .loss = "cross_entropy",
     .optimizer = "adam",
     .learning_rate = 0.0001,
     .batch = 256,
     .rows = 2048,
     .epochs = 1,
     .has_bfloat16 = true},
    {.key = "2-8-1-squares",
     .title = "2-8-1, batch 4, SGD, squared error",
     .widths = {2, 8, 1},
     .hidden = "sigmoid",
     .output = "sigmoid",
     .loss = "squared_error",
     .optimizer = "sgd",
     .learning_rate = 0.5,
     .batch = 4,
     .rows = 4096,
     .epochs = 2},
    {.key = "784-128-10-squares",
     .title = "784-128-10, batch 32, SGD, squared error",
     .widths = {784, 128, 10},
     .hidden = "sigmoid",
     .output = "sigmoid",
     .loss = "squared_error",
     .optimizer = "sgd",
     .learning_rate = 0.05,
     .batch = 32,
     .rows = 4096,
     .epochs = 2},
};
const size_t match_count = sizeof matches / sizeof matches[0];

enum { STREAM_X = 101, STREAM_Y, STREAM_CENTER }; /* purposes beside the engine's own */

size_t match_depth(const struct match *match) {
  size_t depth = 0;
  while (depth + 1 < MATCH_WIDTHS && match->widths[depth + 1] != 0) depth++;
  return depth;
}
size_t match_steps(const struct match *match) { return match->rows / match->batch * match->epochs; }
size_t match_classes(const struct match *match) {
  const size_t width = match->widths[match_depth(match)];
  return width == 1 ? 2 : width;
}

static struct random_stream stream(uint32_t purpose, uint64_t step) {
  return (struct random_stream){.seed = MATCH_SEED, .purpose = purpose, .step = step};
}

/* Two inputs: the class is whether their signs agree (XOR). More: a cloud around each class's centre, near enough to overlap. */
void match_fill_rows(const struct match *match, float *x, float *y) {
  const size_t inputs = match->widths[0], classes = match_classes(match);
  random_fill_normal(&(struct random_stream){.seed = MATCH_SEED, .purpose = STREAM_X}, 0, match->rows * inputs, x);
  random_fill_uniform(&(struct random_stream){.seed = MATCH_SEED, .purpose = STREAM_Y}, 0, match->rows, y);
  const float spread = 1.5f / sqrtf((float)inputs);
  for (size_t row = 0; row < match->rows; row++) {
    float *values = x + row * inputs;
    if (inputs == 2) {
      y[row] = values[0] * values[1] > 0 ? 1 : 0;
      continue;
    }
    const size_t class = (size_t)(y[row] * (float)classes);
    y[row] = (float)class;
    const struct random_stream centers = stream(STREAM_CENTER, class);
    for (size_t i = 0; i < inputs; i++) values[i] += spread * (random_uniform(&centers, i) * 2 - 1);
  }
}

uint32_t *match_create_order(const struct match *match) {
  uint32_t *order = malloc(match->epochs * match->rows * sizeof *order);
  if (order == NULL) return NULL;
  for (size_t epoch = 0; epoch < match->epochs; epoch++) {
    const struct random_stream shuffle = {.seed = MATCH_SEED, .purpose = RANDOM_SHUFFLE, .epoch = epoch};
    random_permutation(&shuffle, match->rows, order + epoch * match->rows);
  }
  return order;
}

/* ---- files ---- */

static bool write_file(const char *folder, const char *name, const void *bytes, size_t byte_count) {
  char path[512];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  bool is_written = file != NULL && fwrite(bytes, 1, byte_count, file) == byte_count;
  if (file != NULL && fclose(file) != 0) is_written = false;
  if (!is_written) perror(path);
  return is_written;
}

static bool write_case(const struct match *match, const char *folder) {
  char text[1024];
  int used = snprintf(text, sizeof text, "hidden %s\noutput %s\nloss %s\noptimizer %s\nlearning_rate %.9g\nmomentum %.9g\n", match->hidden,
                      match->output, match->loss, match->optimizer, match->learning_rate, match->momentum);
  used += snprintf(text + used, sizeof text - (size_t)used, "batch %zu\nrows %zu\nsteps %zu\nclasses %zu\nwidths", match->batch,
                   match->rows, match_steps(match), match_classes(match));
  for (size_t i = 0; i <= match_depth(match); i++) used += snprintf(text + used, sizeof text - (size_t)used, " %zu", match->widths[i]);
  used += snprintf(text + used, sizeof text - (size_t)used, "\n");
  return write_file(folder, "case.txt", text, (size_t)used);
}

bool match_write(const struct match *match, const char *folder, const float *weights, size_t weight_count) {
  (void)mkdir(folder, 0777);
  const size_t x_count = match->rows * match->widths[0];
  float *x = malloc(x_count * sizeof *x), *y = malloc(match->rows * sizeof *y);
  uint32_t *order = match_create_order(match);
  bool is_written = x != NULL && y != NULL && order != NULL;
  if (is_written) {
    match_fill_rows(match, x, y);
    is_written = write_case(match, folder) && write_file(folder, "x.f32", x, x_count * sizeof *x) &&
                 write_file(folder, "y.f32", y, match->rows * sizeof *y) &&
                 write_file(folder, "order.u32", order, match->epochs * match->rows * sizeof *order) &&
                 write_file(folder, "weights.f32", weights, weight_count * sizeof *weights);
  }
  free(x);
  free(y);
  free(order);
  return is_written;
}
