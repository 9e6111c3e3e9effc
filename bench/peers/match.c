#include "bench/peers/match.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/random.h"

#define TRANSFORMER_BLOCK(input_, n_)                                                                                                      \
  "{\"type\":\"layer_norm\",\"inputs\":[\"" input_ "\"],\"name\":\"norm_a" n_ "\"},"                                                       \
  "{\"type\":\"self_attention\",\"heads\":4,\"causal\":true,\"name\":\"attention" n_ "\"},"                                                \
  "{\"type\":\"add\",\"inputs\":[\"" input_ "\",\"attention" n_ "\"],\"name\":\"sum_a" n_ "\"},"                                           \
  "{\"type\":\"layer_norm\",\"name\":\"norm_b" n_ "\"},"                                                                                   \
  "{\"type\":\"dense\",\"units\":512,\"activation\":\"gelu\",\"name\":\"wide" n_ "\"},"                                                    \
  "{\"type\":\"dense\",\"units\":128,\"name\":\"narrow" n_ "\"},"                                                                          \
  "{\"type\":\"add\",\"inputs\":[\"sum_a" n_ "\",\"narrow" n_ "\"],\"name\":\"sum_b" n_ "\"},"
#define TRANSFORMER                                                                                                                        \
  "{\"input\":{\"shape\":[64]},\"layers\":["                                                                                               \
  "{\"type\":\"embedding\",\"input_dim\":1000,\"output_dim\":128},"                                                                        \
  "{\"type\":\"positional_embedding\",\"name\":\"tokens\"}," TRANSFORMER_BLOCK("tokens", "1")                                              \
      TRANSFORMER_BLOCK("sum_b1", "2") "{\"type\":\"global_avg_pool\"},{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}"
#define CONVOLUTIONS                                                                                                                       \
  "{\"input\":{\"shape\":[1,28,28]},\"layers\":["                                                                                          \
  "{\"type\":\"conv2d\",\"filters\":16,\"kernel_size\":3,\"padding\":1,\"activation\":\"relu\"},{\"type\":\"max_pool2d\",\"pool_size\":2}" \
  ","                                                                                                                                      \
  "{\"type\":\"conv2d\",\"filters\":32,\"kernel_size\":3,\"padding\":1,\"activation\":\"relu\"},{\"type\":\"max_pool2d\",\"pool_size\":2}" \
  ","                                                                                                                                      \
  "{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":128,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":10,\"activation\":"     \
  "\"softmax\"}]}"

#define LSTM(features_)                                                                                                                    \
  "{\"input\":{\"shape\":[32," features_ "]},\"layers\":[{\"type\":\"lstm\",\"units\":128,\"name\":\"lstm\"},"                             \
  "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\",\"name\":\"classes\"}]}"

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
    {.key = "convolution-16-32-128-10-adam",
     .title = "convolution 16 - 32 - dense 128 - 10, batch 64, Adam",
     .network = CONVOLUTIONS,
     .widths = {784, 10},
     .hidden = "relu",
     .output = "softmax",
     .loss = "cross_entropy",
     .optimizer = "adam",
     .learning_rate = 0.001,
     .batch = 64,
     .rows = 2048,
     .epochs = 2,
     .has_bfloat16 = true},
    {.key = "lstm-128-of-16-adam",
     .title = "LSTM 128, 32 steps of 16, batch 32, Adam",
     .network = LSTM("16"),
     .widths = {32 * 16, 10},
     .hidden = "tanh",
     .output = "softmax",
     .loss = "cross_entropy",
     .optimizer = "adam",
     .learning_rate = 0.001,
     .batch = 32,
     .rows = 1024,
     .epochs = 2},
    {.key = "lstm-128-of-64-adam",
     .title = "LSTM 128, 32 steps of 64, batch 32, Adam",
     .network = LSTM("64"),
     .widths = {32 * 64, 10},
     .hidden = "tanh",
     .output = "softmax",
     .loss = "cross_entropy",
     .optimizer = "adam",
     .learning_rate = 0.001,
     .batch = 32,
     .rows = 1024,
     .epochs = 2},
    {.key = "transformer-adam",
     .title = "transformer 2x128, batch 32, Adam",
     .network = TRANSFORMER,
     .tokens = 1000,
     .widths = {64, 10},
     .hidden = "gelu",
     .output = "softmax",
     .loss = "cross_entropy",
     .optimizer = "adam",
     .learning_rate = 0.0001,
     .batch = 32,
     .rows = 512,
     .epochs = 1,
     .has_bfloat16 = true},
};
const size_t match_count = sizeof matches / sizeof matches[0];

enum { STREAM_X = 101, STREAM_Y, STREAM_CENTER }; /* purposes beside the engine's own */
enum { CASE_BYTES = 8192 };

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

/* One token in so many says its class. */
enum { TOKENS_PER_HINT = 8 };

static void fill_tokens(const struct match *match, float class, float *values) {
  for (size_t i = 0; i < match->widths[0]; i++) {
    const float place = values[i] * TOKENS_PER_HINT; /* uniform below TOKENS_PER_HINT: below 1 it is a hint */
    values[i] = place < 1 ? class : (float)(size_t)((place - 1) / (TOKENS_PER_HINT - 1) * (float)match->tokens);
  }
}

/* Two inputs: the class is whether their signs agree (XOR). More: a cloud around each class's centre, near enough to overlap. */
void match_fill_rows(const struct match *match, float *x, float *y) {
  const size_t inputs = match->widths[0], classes = match_classes(match);
  const struct random_stream x_stream = {.seed = MATCH_SEED, .purpose = STREAM_X};
  if (match->tokens > 0)
    random_fill_uniform(&x_stream, 0, match->rows * inputs, x);
  else
    random_fill_normal(&x_stream, 0, match->rows * inputs, x);
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
    if (match->tokens > 0) {
      fill_tokens(match, y[row], values);
      continue;
    }
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

static bool write_case(const struct match *match, const char *folder, const char *names) {
  char text[CASE_BYTES];
  int used = snprintf(text, sizeof text, "hidden %s\noutput %s\nloss %s\noptimizer %s\nlearning_rate %.9g\nmomentum %.9g\n", match->hidden,
                      match->output, match->loss, match->optimizer, match->learning_rate, match->momentum);
  used += snprintf(text + used, sizeof text - (size_t)used, "batch %zu\nrows %zu\nsteps %zu\nclasses %zu\nwidths", match->batch,
                   match->rows, match_steps(match), match_classes(match));
  for (size_t i = 0; i <= match_depth(match); i++) used += snprintf(text + used, sizeof text - (size_t)used, " %zu", match->widths[i]);
  used += snprintf(text + used, sizeof text - (size_t)used, "\ntokens %zu\n%s", match->tokens, match->network == NULL ? "" : names);
  if ((size_t)used >= sizeof text) return false;
  if (match->network != NULL && !write_file(folder, "network.json", match->network, strlen(match->network))) return false;
  return write_file(folder, "case.txt", text, (size_t)used);
}

bool match_write(const struct match *match, const char *folder, const struct match_weights *weights) {
  (void)mkdir(folder, 0777);
  const size_t x_count = match->rows * match->widths[0];
  float *x = malloc(x_count * sizeof *x), *y = malloc(match->rows * sizeof *y);
  uint32_t *order = match_create_order(match);
  bool is_written = x != NULL && y != NULL && order != NULL;
  if (is_written) {
    match_fill_rows(match, x, y);
    is_written = write_case(match, folder, weights->names) && write_file(folder, "x.f32", x, x_count * sizeof *x) &&
                 write_file(folder, "y.f32", y, match->rows * sizeof *y) &&
                 write_file(folder, "order.u32", order, match->epochs * match->rows * sizeof *order) &&
                 write_file(folder, "weights.f32", weights->values, weights->count * sizeof *weights->values);
  }
  free(x);
  free(y);
  free(order);
  return is_written;
}
