/* Training speed of the engine alone: samples per second on networks from tiny to large. Run by bench/run.sh; alone with part of a case's
 * name, or all cases.
 *
 * Each case trains on random rows for about SECONDS_PER_RUN, RUNS times, after a run to warm up; printed are median, minimum and maximum
 * over the runs, the time of a step, the arithmetic that the matrix products of forward and backward pass stand for, and its share of the
 * peak: multiply-adds of this processor's vectors, in float32, measured before each case on one thread, so that both share the machine's
 * mood. With two threads, or in bfloat16, the share may be above 100 %.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/kernels.h"
#include "engine/random.h"
#include "engine/train.h"
#include "server/codec/settings_json.h"
#include "server/jobs/team.h"

#if defined(__AVX512F__)
enum { VECTOR_FLOATS = 16 };
#elif defined(__AVX__)
enum { VECTOR_FLOATS = 8 };
#else
enum { VECTOR_FLOATS = 4 };
#endif
enum {
  RUNS = 5,
  THREAD_ROUNDS = 9,
  ROWS = 4096,
  PEAK_RUNS = 20,
  PEAK_LOOPS = 100000,
  PEAK_CHAINS = 12,         /* sums that don't wait for each other */
  SMALL_PARAMETERS = 10000, /* up to which the clock is looked at … */
  STEPS_PER_LOOK = 16       /* … only every so many steps: a step of the smallest network is shorter than that look */
};
static const double SECONDS_PER_RUN = 0.5;

struct bench_case {
  const char *name;
  const char *network;
  size_t inputs, classes;
  size_t tokens; /* inputs are indices below this; 0: numbers */
  int batch_size;
  const char *train;
  size_t threads; /* 0: one; more: compared with the case before, which is the same with one */
};

#define LARGE_NETWORK                                                                                                                      \
  "{\"input\":{\"shape\":[784]},\"layers\":[{\"type\":\"dense\",\"units\":2048,\"activation\":\"relu\"},"                                  \
  "{\"type\":\"dense\",\"units\":2048,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":2048,\"activation\":\"relu\"},"               \
  "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}"

#define IMAGE_NETWORK                                                                                                                      \
  "{\"input\":{\"shape\":[1,28,28]},\"layers\":[{\"type\":\"conv2d\",\"filters\":16,\"kernel_size\":3,\"padding\":1,\"activation\":"       \
  "\"relu\"},"                                                                                                                             \
  "{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"conv2d\",\"filters\":32,\"kernel_size\":3,\"padding\":1,\"activation\":\"relu\"}" \
  ","                                                                                                                                      \
  "{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":128,\"activation\":\"relu\"},"           \
  "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}"

#define SCALED_CONVOLUTION(filters_, stride_, name_, activation_)                                                                          \
  "{\"type\":\"conv2d\",\"filters\":" filters_ ",\"kernel_size\":3,\"stride\":" stride_ ",\"padding\":1,\"bias\":false},"                  \
  "{\"type\":\"batch_norm\",\"name\":\"" name_ "\",\"activation\":\"" activation_ "\"},"
#define RESIDUAL_NETWORK                                                                                                                   \
  "{\"input\":{\"shape\":[3,32,32]},\"layers\":[" SCALED_CONVOLUTION("32", "1", "a", "relu") SCALED_CONVOLUTION("64", "2", "b", "relu")    \
      SCALED_CONVOLUTION("64", "1", "c", "relu") SCALED_CONVOLUTION(                                                                       \
          "64", "1", "d", "linear") "{\"type\":\"add\",\"inputs\":[\"b\",\"d\"],\"activation\":\"relu\"},{\"type\":\"global_avg_pool\"},"  \
                                    "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}"

#define BLOCK(input_, n_)                                                                                                                  \
  "{\"type\":\"layer_norm\",\"inputs\":[\"" input_ "\"]},{\"type\":\"self_attention\",\"heads\":4,\"causal\":true,\"name\":\"attention" n_ \
  "\"},"                                                                                                                                   \
  "{\"type\":\"add\",\"inputs\":[\"" input_ "\",\"attention" n_ "\"],\"name\":\"middle" n_ "\"},{\"type\":\"layer_norm\"},"                \
  "{\"type\":\"dense\",\"units\":512,\"activation\":\"gelu\"},{\"type\":\"dense\",\"units\":128,\"name\":\"narrow" n_ "\"},"               \
  "{\"type\":\"add\",\"inputs\":[\"middle" n_ "\",\"narrow" n_ "\"],\"name\":\"end" n_ "\"},"
#define TRANSFORMER                                                                                                                        \
  "{\"input\":{\"shape\":[64]},\"layers\":[{\"type\":\"embedding\",\"input_dim\":1000,\"output_dim\":128},"                                \
  "{\"type\":\"positional_embedding\",\"name\":\"tokens\"}," BLOCK("tokens", "1")                                                          \
      BLOCK("end1", "2") "{\"type\":\"global_avg_pool\"},{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}"

static const struct bench_case cases[] = {
    {.name = "2-8-1, batch 4, SGD",
     .network = "{\"input\":{\"shape\":[2]},\"layers\":[{\"type\":\"dense\",\"units\":8,\"activation\":\"tanh\"},"
                "{\"type\":\"dense\",\"units\":1,\"activation\":\"sigmoid\"}]}",
     .inputs = 2,
     .classes = 0,
     .batch_size = 4,
     .train = "{\"loss\":\"binary_cross_entropy\",\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":0.01}}"},
    {.name = "30-32-32-2, batch 16, Adam",
     .network = "{\"input\":{\"shape\":[30]},\"layers\":[{\"type\":\"dense\",\"units\":32,\"activation\":\"relu\"},"
                "{\"type\":\"dense\",\"units\":32,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":2,\"activation\":\"softmax\"}]}",
     .inputs = 30,
     .classes = 2,
     .batch_size = 16,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "784-128-10, batch 32, SGD with momentum",
     .network = "{\"input\":{\"shape\":[784]},\"layers\":[{\"type\":\"dense\",\"units\":128,\"activation\":\"relu\"},"
                "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}",
     .inputs = 784,
     .classes = 10,
     .batch_size = 32,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":0.001,\"momentum\":0.9}}"},
    {.name = "784-128-10, batch 32, Adam",
     .network = "{\"input\":{\"shape\":[784]},\"layers\":[{\"type\":\"dense\",\"units\":128,\"activation\":\"relu\"},"
                "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}",
     .inputs = 784,
     .classes = 10,
     .batch_size = 32,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "convolution 16 - 32, dense 128 - 10 on 1x28x28, batch 64, Adam",
     .network = IMAGE_NETWORK,
     .inputs = 784,
     .classes = 10,
     .batch_size = 64,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "residual convolutions 32 - 64 - 64 - 64 on 3x32x32, batch 64, Adam",
     .network = RESIDUAL_NETWORK,
     .inputs = 3072,
     .classes = 10,
     .batch_size = 64,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "residual convolutions 32 - 64 - 64 - 64 on 3x32x32, batch 64, Adam, bfloat16",
     .network = RESIDUAL_NETWORK,
     .inputs = 3072,
     .classes = 10,
     .batch_size = 64,
     .train = "{\"loss\":\"cross_entropy\",\"precision\":\"bfloat16\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "LSTM 128, 32 steps of 64, batch 32, Adam",
     .network = "{\"input\":{\"shape\":[32,64]},\"layers\":[{\"type\":\"lstm\",\"units\":128},"
                "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}",
     .inputs = 2048,
     .classes = 10,
     .batch_size = 32,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "LSTM 128, 32 steps of 64, batch 32, Adam, bfloat16",
     .network = "{\"input\":{\"shape\":[32,64]},\"layers\":[{\"type\":\"lstm\",\"units\":128},"
                "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}",
     .inputs = 2048,
     .classes = 10,
     .batch_size = 32,
     .train = "{\"loss\":\"cross_entropy\",\"precision\":\"bfloat16\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "transformer 2x128, 64 tokens, batch 32, Adam",
     .network = TRANSFORMER,
     .inputs = 64,
     .tokens = 1000,
     .classes = 10,
     .batch_size = 32,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "784-512-512-10, batch 128, Adam",
     .network = "{\"input\":{\"shape\":[784]},\"layers\":[{\"type\":\"dense\",\"units\":512,\"activation\":\"relu\"},"
                "{\"type\":\"dense\",\"units\":512,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}",
     .inputs = 784,
     .classes = 10,
     .batch_size = 128,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "784-512-512-10, batch 128, Adam, bfloat16",
     .network = "{\"input\":{\"shape\":[784]},\"layers\":[{\"type\":\"dense\",\"units\":512,\"activation\":\"relu\"},"
                "{\"type\":\"dense\",\"units\":512,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}",
     .inputs = 784,
     .classes = 10,
     .batch_size = 128,
     .train = "{\"loss\":\"cross_entropy\",\"precision\":\"bfloat16\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "784-3x2048-10, batch 256, Adam",
     .network = LARGE_NETWORK,
     .inputs = 784,
     .classes = 10,
     .batch_size = 256,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
    {.name = "784-3x2048-10, batch 256, Adam, 2 threads",
     .network = LARGE_NETWORK,
     .inputs = 784,
     .classes = 10,
     .batch_size = 256,
     .train = "{\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}",
     .threads = 2},
    {.name = "784-3x2048-10, batch 256, Adam, bfloat16",
     .network = LARGE_NETWORK,
     .inputs = 784,
     .classes = 10,
     .batch_size = 256,
     .train = "{\"loss\":\"cross_entropy\",\"precision\":\"bfloat16\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.0001}}"},
};

/* Everything of one case, alive while it runs. */
struct bench {
  struct network_spec spec;
  struct train_settings settings;
  struct network *network;
  struct trainer *trainer;
  struct team *team; /* NULL: one thread */
  float *x, *y;
  uint64_t steps, steps_per_look;
  double until;
};

static double read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void ignore_report(void *context, const struct train_report *report) { (void)context, (void)report; }
static enum error_code ignore_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *error) {
  (void)context, (void)snapshot, (void)error;
  return ERROR_NONE;
}
static enum train_request count_step(void *context) {
  struct bench *bench = context;
  bench->steps++;
  if (bench->steps % bench->steps_per_look != 0) return TRAIN_CONTINUE;
  return read_clock(CLOCK_MONOTONIC) < bench->until ? TRAIN_CONTINUE : TRAIN_STOP;
}

static void require(enum error_code code, const struct error *error) {
  if (code == ERROR_NONE) return;
  fprintf(stderr, "bench: %s (%s)\n", error->detail, error->item_count ? error->items[0].pointer : "");
  exit(1);
}

static void decode(const char *text, const struct param *params, size_t count, void *settings, struct error *error) {
  require(settings_init(settings, params, count, error), error);
  json_t *json = json_loads(text, 0, NULL);
  require(settings_from_json(json, params, count, "", settings, error), error);
  json_decref(json);
}

static void bench_open(struct bench *bench, const struct bench_case *which, struct error *error) {
  memset(bench, 0, sizeof *bench);
  decode(which->network, network_params, PARAM_COUNT(network_params), &bench->spec, error);
  decode(which->train, train_params, train_param_count, &bench->settings, error);
  bench->settings.epochs = LIMIT_EPOCHS;
  bench->settings.batch_size = which->batch_size;
  require(network_spec_resolve(&bench->spec, NULL, error), error);
  require(network_create(&bench->spec, &bench->network, error), error);
  bench->x = malloc(ROWS * which->inputs * sizeof(float));
  bench->y = malloc(ROWS * sizeof(float));
  if (bench->x == NULL || bench->y == NULL) exit(1);
  random_fill_normal(&(struct random_stream){.seed = 1}, 0, ROWS * which->inputs, bench->x);
  if (which->tokens > 0) random_fill_uniform(&(struct random_stream){.seed = 1}, 0, ROWS * which->inputs, bench->x);
  for (size_t i = 0; i < ROWS * which->inputs && which->tokens > 0; i++) bench->x[i] = floorf(bench->x[i] * (float)which->tokens);
  random_fill_uniform(&(struct random_stream){.seed = 2}, 0, ROWS, bench->y);
  if (which->threads > 1) require(team_create(which->threads, &bench->team, error), error);
  const float classes = which->classes ? (float)which->classes : 2.0f;
  for (size_t i = 0; i < ROWS; i++) bench->y[i] = (float)(int)(bench->y[i] * classes);
  const struct train_data data = {.task = TASK_CLASSIFICATION,
                                  .class_count = which->classes ? which->classes : 2,
                                  .train = {.count = ROWS, .x = bench->x, .y = bench->y}};
  require(trainer_create(bench->network, &bench->settings, &data, bench->team == NULL ? NULL : team_get_parallel(bench->team),
                         &bench->trainer, error),
          error);
  bench->steps_per_look = network_parameter_count(bench->network) <= SMALL_PARAMETERS ? STEPS_PER_LOOK : 1;
}

static void bench_close(struct bench *bench) {
  trainer_destroy(bench->trainer);
  team_destroy(bench->team);
  network_destroy(bench->network);
  settings_deinit(&bench->settings, train_params, train_param_count);
  network_spec_deinit(&bench->spec);
  free(bench->x);
  free(bench->y);
}

/* Steps per second of `clock`. */
static double run_once(struct bench *bench, clockid_t clock, struct error *error) {
  const struct train_sink sink = {.context = bench, .report = ignore_report, .checkpoint = ignore_checkpoint, .poll = count_step};
  struct train_result result;
  bench->steps = 0;
  const double start = read_clock(clock);
  bench->until = read_clock(CLOCK_MONOTONIC) + SECONDS_PER_RUN;
  require(trainer_run(bench->trainer, &sink, &result, error), error);
  if (result.outcome == TRAIN_DIVERGED) {
    fprintf(stderr, "bench: %s\n", result.detail);
    exit(1);
  }
  return (double)bench->steps / (read_clock(clock) - start);
}

/* Of a layer's forward pass, the products with its input; a recurrent layer's others are with the h of the step before. */
static double count_input_flops(const struct layer *layer) {
  double inputs = 0, others = 0; /* weights */
  for (size_t i = 0; i < layer->tensor_count; i++) {
    const struct layer_tensor *tensor = &layer->tensors[i];
    if (tensor->shape.rank < 2) continue;
    *(strncmp(tensor->name, "weight_hh", strlen("weight_hh")) == 0 ? &others : &inputs) += (double)shape_size(&tensor->shape);
  }
  return inputs == 0 ? 0 : layer->flops_per_sample * inputs / (inputs + others);
}

typedef float vector __attribute__((vector_size(VECTOR_FLOATS * sizeof(float))));

/* The most multiply-adds per second that this thread was seen to do in registers, in GFLOP/s. */
static double measure_peak(void) {
  volatile float factor = 0.999f, term = 0.001f; /* unknown to the compiler */
  double best = 0;
  vector chains[PEAK_CHAINS];
  for (int chain = 0; chain < PEAK_CHAINS; chain++)
    chains[chain] = (vector){0} + (float)chain; /* all different, or they would be computed once */
  for (int run = 0; run < PEAK_RUNS; run++) {
    const vector x = (vector){0} + factor, y = (vector){0} + term;
    const double start = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < PEAK_LOOPS; i++) {
#pragma GCC unroll 16
      for (int chain = 0; chain < PEAK_CHAINS; chain++) chains[chain] = chains[chain] * x + y;
    }
    const double rate = 2.0 * PEAK_LOOPS * PEAK_CHAINS * VECTOR_FLOATS / (read_clock(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e-9;
    best = rate > best ? rate : best;
  }
  float sum = 0;
  for (int chain = 0; chain < PEAK_CHAINS; chain++) sum += chains[chain][0];
  term = sum; /* or all of it would be left out */
  return best;
}

static int compare_numbers(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* Two threads beside one, by turns and by the clock on the wall: on a busy machine the best round says what two processors can do. */
static void compare_threads(const struct bench_case *one, const struct bench_case *two) {
  struct error error = {0};
  struct bench benches[2];
  double ratios[THREAD_ROUNDS];
  bench_open(&benches[0], one, &error);
  bench_open(&benches[1], two, &error);
  for (size_t round = 0; round < THREAD_ROUNDS; round++) {
    const double alone = run_once(&benches[0], CLOCK_MONOTONIC, &error);
    ratios[round] = run_once(&benches[1], CLOCK_MONOTONIC, &error) / alone;
  }
  qsort(ratios, THREAD_ROUNDS, sizeof ratios[0], compare_numbers);
  printf("%s, beside one, time that goes by: %.2fx as fast [%.2f … %.2f]\n", two->name, ratios[THREAD_ROUNDS / 2], ratios[0],
         ratios[THREAD_ROUNDS - 1]);
  bench_close(&benches[0]);
  bench_close(&benches[1]);
}

int main(int argument_count, char **arguments) {
  const char *key = argument_count > 1 ? arguments[1] : "";
  printf("training, processor time of one thread if not said, kernels %s: median [min … max] of %d runs of %.1f s\n", kernels_name(), RUNS,
         SECONDS_PER_RUN);
  printf("%-42s %28s %12s %10s %10s\n", "network, batch, optimizer", "samples/s", "us/step", "GFLOP/s", "of peak");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    if (strstr(cases[i].name, key) == NULL) continue;
    struct error error = {0};
    struct bench bench;
    const double peak = measure_peak();
    bench_open(&bench, &cases[i], &error);
    double rates[RUNS];
    /* Of one thread its processor time, so that what else the machine does takes nothing but cache; of several the time that goes by. */
    const clockid_t clock = bench.team == NULL ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    (void)run_once(&bench, clock, &error);
    for (size_t run = 0; run < RUNS; run++) rates[run] = run_once(&bench, clock, &error);
    qsort(rates, RUNS, sizeof rates[0], compare_numbers);
    const double batch = cases[i].batch_size, median = rates[RUNS / 2];
    /* Backward costs twice the forward pass, less the ∂C/∂x of the first layer, which nobody needs. */
    const double input_flops = count_input_flops(network_get_layer(bench.network, 0));
    const double flops = batch * (3 * network_flops_per_sample(bench.network) - input_flops);
    printf("%-42s %10.0f [%.0f … %.0f] %12.2f %10.1f %4.0f%% of %.0f\n", cases[i].name, median * batch, rates[0] * batch,
           rates[RUNS - 1] * batch, 1e6 / median, median * flops * 1e-9, median * flops * 1e-7 / peak, peak);
    fflush(stdout);
    bench_close(&bench);
    if (cases[i].threads > 1) compare_threads(&cases[i - 1], &cases[i]);
  }
  return 0;
}
