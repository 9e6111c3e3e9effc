/* Which settings learn Fashion-MNIST in the fewest steps: 784-128-10 from the engine alone, on the images as bytes. What bench/fashion.c
 * then does with the whole program was found so.
 *
 *   build/bench/fashion_settings FOLDER SEEDS 'TRAIN SETTINGS AS IN A JOB SPEC' ['LAYERS']
 *
 * prints for each seed the test accuracy and processor times, and their means.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "engine/train.h"
#include "server/codec/settings_json.h"

enum { SIZE = 784, CLASSES = 10, PREDICT_BATCH = 256 };

static double read_clock(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void require(enum error_code code, const struct error *error) {
  if (code == ERROR_NONE) return;
  fprintf(stderr, "fashion_settings: %s (%s)\n", error->detail, error->item_count ? error->items[0].pointer : "");
  exit(1);
}

/* The bytes of an IDX file behind its header; *out_count: how many. */
static uint8_t *read_idx(const char *folder, const char *name, size_t header_bytes, size_t *out_count) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  gzFile file = gzopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "fashion_settings: no %s\n", path);
    exit(1);
  }
  enum { ROOM = 60000 * SIZE };
  uint8_t *bytes = malloc(ROOM), header[16];
  gzbuffer(file, 1 << 18);
  if (bytes == NULL || gzread(file, header, (unsigned)header_bytes) != (int)header_bytes) exit(1);
  *out_count = (size_t)gzread(file, bytes, ROOM);
  gzclose(file);
  return bytes;
}

struct part {
  size_t count;
  uint8_t *x;
  float *y;
};

static struct part read_part(const char *folder, const char *prefix) {
  char images[64], labels[64];
  size_t count;
  struct part part;
  snprintf(images, sizeof images, "%s-images-idx3-ubyte.gz", prefix);
  snprintf(labels, sizeof labels, "%s-labels-idx1-ubyte.gz", prefix);
  part.x = read_idx(folder, images, 16, &count);
  uint8_t *classes = read_idx(folder, labels, 8, &part.count);
  if (count != part.count * SIZE) exit(1);
  part.y = malloc(part.count * sizeof(float));
  for (size_t i = 0; i < part.count; i++) part.y[i] = classes[i];
  free(classes);
  return part;
}

static void decode(const char *text, const struct param *params, size_t count, void *settings, struct error *error) {
  require(settings_init(settings, params, count, error), error);
  json_t *json = json_loads(text, 0, NULL);
  if (json == NULL) exit(1);
  require(settings_from_json(json, params, count, "", settings, error), error);
  json_decref(json);
}

static void ignore_report(void *context, const struct train_report *report) { (void)context, (void)report; }
static enum train_request go_on(void *context) {
  (void)context;
  return TRAIN_CONTINUE;
}

static double measure_accuracy(const struct network *network, const struct trainer *trainer, const struct train_rows *test,
                               struct error *error) {
  struct workspace *workspace;
  struct row_reader reader;
  static float x[PREDICT_BATCH * SIZE], outputs[PREDICT_BATCH * CLASSES];
  size_t right = 0;
  require(workspace_create(network, PREDICT_BATCH, false, &workspace, error), error);
  row_reader_init(&reader, test, network_get_input_shape(network));
  for (size_t first = 0; first < test->count; first += PREDICT_BATCH) {
    const size_t count = test->count - first < PREDICT_BATCH ? test->count - first : PREDICT_BATCH;
    predict_rows(network, workspace, PREDICT_BATCH, NULL, trainer_get_parameters(trainer), trainer_get_buffers(trainer),
                 row_reader_get(&reader, first, count, x), count, outputs, NULL);
    for (size_t i = 0; i < count; i++) right += metric_class_of(outputs + i * CLASSES, CLASSES) == (size_t)test->y[first + i];
  }
  workspace_destroy(workspace);
  return (double)right / (double)test->count;
}

int main(int argument_count, char **arguments) {
  if (argument_count < 4) {
    fprintf(stderr, "usage: fashion_settings FOLDER SEEDS TRAIN_SETTINGS [LAYERS]\n");
    return 2;
  }
  struct error error = {0};
  struct network_spec spec;
  struct network *network;
  char text[4096];
  const char *layers = argument_count > 4 ? arguments[4]
                                          : "{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":128,\"activation\":\"relu\"},"
                                            "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}";
  snprintf(text, sizeof text, "{\"input\":{\"shape\":[1,28,28]},\"layers\":[%s]}", layers);
  decode(text, network_params, PARAM_COUNT(network_params), &spec, &error);
  require(network_spec_resolve(&spec, NULL, &error), &error);
  require(network_create(&spec, &network, &error), &error);
  const double start = read_clock();
  const struct part train = read_part(arguments[1], "train"), test = read_part(arguments[1], "t10k");
  const double read = read_clock() - start;
  static const float center = 72.94f, scale = 90.02f; /* of the training images */
  const struct train_rows train_rows = {
      .count = train.count, .x_bytes = train.x, .y = train.y, .byte_center = &center, .byte_scale = &scale};
  const struct train_rows test_rows = {.count = test.count, .x_bytes = test.x, .y = test.y, .byte_center = &center, .byte_scale = &scale};
  const struct train_data data = {.task = TASK_CLASSIFICATION, .class_count = CLASSES, .train = train_rows};
  const int seeds = atoi(arguments[2]);
  double accuracies = 0, times = 0;
  printf("%.2f s read;", read);
  for (int seed = 0; seed < seeds; seed++) {
    struct train_settings settings;
    struct trainer *trainer;
    struct train_result result;
    decode(arguments[3], train_params, train_param_count, &settings, &error);
    settings.seed = seed;
    require(trainer_create(network, &settings, &data, NULL, &trainer, &error), &error);
    const struct train_sink sink = {.report = ignore_report, .poll = go_on};
    const double before = read_clock();
    require(trainer_run(trainer, &sink, &result, &error), &error);
    const double time = read_clock() - before, accuracy = measure_accuracy(network, trainer, &test_rows, &error);
    printf(" %.2f %% %.2f s", 100 * accuracy, time);
    fflush(stdout);
    accuracies += accuracy;
    times += time;
    trainer_destroy(trainer);
    settings_deinit(&settings, train_params, train_param_count);
  }
  printf("; mean %.2f %% %.2f s\n", 100 * accuracies / seeds, times / seeds);
  network_destroy(network);
  network_spec_deinit(&spec);
  return 0;
}
