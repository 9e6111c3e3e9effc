#include "bench/peers/ours.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/codec/settings_json.h"

enum { MATCH_JSON_BYTES = 2048, TENSORS_BYTES = 4096, LOSS_BATCH = 256 };

static double read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void require(enum error_code code, const struct error *error) {
  if (code == ERROR_NONE) return;
  fprintf(stderr, "bench-peers: %s (%s)\n", error->detail, error->item_count ? error->items[0].pointer : "");
  exit(1);
}

static void *allocate(size_t count, size_t bytes) {
  void *memory = calloc(count, bytes);
  if (memory == NULL) {
    fprintf(stderr, "bench-peers: no memory\n");
    exit(1);
  }
  return memory;
}

/* ---- the specs, as a client would write them ---- */

static void decode(const char *text, const struct param *params, size_t count, void *settings) {
  struct error error = {0};
  require(settings_init(settings, params, count, &error), &error);
  json_t *json = json_loads(text, 0, NULL);
  require(settings_from_json(json, params, count, "", settings, &error), &error);
  json_decref(json);
}

static void decode_network(struct ours *ours) {
  const struct match *match = ours->match;
  const size_t depth = match_depth(match);
  char text[MATCH_JSON_BYTES];
  if (match->network != NULL) {
    decode(match->network, network_params, PARAM_COUNT(network_params), &ours->spec);
    return;
  }
  int used = snprintf(text, sizeof text, "{\"input\":{\"shape\":[%zu]},\"layers\":[", match->widths[0]);
  for (size_t i = 0; i < depth; i++)
    used += snprintf(text + used, sizeof text - (size_t)used, "%s{\"type\":\"dense\",\"units\":%zu,\"activation\":\"%s\"}", i ? "," : "",
                     match->widths[i + 1], i + 1 < depth ? match->hidden : match->output);
  (void)snprintf(text + used, sizeof text - (size_t)used, "]}");
  decode(text, network_params, PARAM_COUNT(network_params), &ours->spec);
}

static void decode_settings(struct ours *ours, bool is_bfloat16) {
  const struct match *match = ours->match;
  char text[MATCH_JSON_BYTES], momentum[64] = "";
  if (strcmp(match->optimizer, "sgd") == 0) (void)snprintf(momentum, sizeof momentum, ",\"momentum\":%.9g", match->momentum);
  (void)snprintf(text, sizeof text,
                 "{\"loss\":\"%s\",\"optimizer\":{\"type\":\"%s\",\"learning_rate\":%.9g%s},\"epochs\":%zu,\"batch_size\":%zu,\"seed\":%d,"
                 "\"precision\":\"%s\"}",
                 match->loss, match->optimizer, match->learning_rate, momentum, match->epochs, match->batch, MATCH_SEED,
                 is_bfloat16 ? "bfloat16" : "float32");
  decode(text, train_params, train_param_count, &ours->settings);
}

/* ---- life ---- */

void ours_open(struct ours *ours, const struct match *match, bool is_bfloat16) {
  struct error error = {0};
  *ours = (struct ours){.match = match};
  decode_network(ours);
  decode_settings(ours, is_bfloat16);
  require(network_spec_resolve(&ours->spec, NULL, &error), &error);
  require(network_create(&ours->spec, &ours->network, &error), &error);
  ours->x = allocate(match->rows * match->widths[0], sizeof(float));
  ours->y = allocate(match->rows, sizeof(float));
  ours->outputs = allocate(match->rows * match->widths[match_depth(match)], sizeof(float));
  match_fill_rows(match, ours->x, ours->y);
  ours->data = (struct train_data){
      .task = TASK_CLASSIFICATION, .class_count = match_classes(match), .train = {.count = match->rows, .x = ours->x, .y = ours->y}};
  require(trainer_create(ours->network, &ours->settings, &ours->data, NULL, &ours->trainer, &error), &error);
  require(workspace_create(ours->network, LOSS_BATCH, false, &ours->workspace, &error), &error);
  const size_t parameter_count = network_parameter_count(ours->network);
  ours->start = allocate(parameter_count, sizeof(float));
  memcpy(ours->start, trainer_get_parameters(ours->trainer), parameter_count * sizeof(float));
  ours->block = allocate(trainer_get_block_count(ours->trainer), sizeof(float));
}

void ours_close(struct ours *ours) {
  trainer_destroy(ours->trainer);
  workspace_destroy(ours->workspace);
  network_destroy(ours->network);
  settings_deinit(&ours->settings, train_params, train_param_count);
  network_spec_deinit(&ours->spec);
  free(ours->x);
  free(ours->y);
  free(ours->start);
  free(ours->block);
  free(ours->outputs);
}

const char *ours_get_precision(const struct ours *ours) { return train_get_precision(&ours->settings); }

float *ours_copy_weights(const struct ours *ours, size_t *out_count) {
  float *weights = allocate(network_parameter_count(ours->network), sizeof(float));
  size_t count = 0;
  for (size_t i = 0; i < network_layer_count(ours->network); i++) {
    const struct layer *layer = network_get_layer(ours->network, i);
    for (size_t t = 0; t < layer->tensor_count; t++) {
      const size_t size = shape_size(&layer->tensors[t].shape);
      memcpy(weights + count, ours->start + layer->tensors[t].offset, size * sizeof(float));
      count += size;
    }
  }
  *out_count = count;
  return weights;
}

char *ours_list_tensors(const struct ours *ours) {
  char *text = allocate(TENSORS_BYTES, 1);
  size_t used = 0;
  for (size_t i = 0; i < network_layer_count(ours->network); i++) {
    const struct layer *layer = network_get_layer(ours->network, i);
    for (size_t t = 0; t < layer->tensor_count && used < TENSORS_BYTES; t++) {
      const struct layer_tensor *tensor = &layer->tensors[t];
      used += (size_t)snprintf(text + used, TENSORS_BYTES - used, "tensor %s.%s", layer->name, tensor->name);
      for (size_t axis = 0; axis < tensor->shape.rank && used < TENSORS_BYTES; axis++)
        used += (size_t)snprintf(text + used, TENSORS_BYTES - used, " %zu", tensor->shape.sizes[axis]);
      if (used < TENSORS_BYTES) used += (size_t)snprintf(text + used, TENSORS_BYTES - used, "\n");
    }
  }
  return text;
}

/* ---- the match ---- */

/* The loss of one row from its outputs a[width]. */
static double row_loss(const struct match *match, size_t width, const float *a, float class) {
  const double tiny = 1e-12;
  if (strcmp(match->loss, "cross_entropy") == 0) return -log(fmax(a[(size_t) class], tiny));
  if (strcmp(match->loss, "binary_cross_entropy") == 0) return -log(fmax(class > 0 ? (double)a[0] : 1 - (double)a[0], tiny));
  double sum = 0;
  for (size_t j = 0; j < width; j++) {
    const double target = width == 1 ? (double)class : j == (size_t) class, miss = (double)a[j] - target;
    sum += miss * miss;
  }
  return sum;
}

double ours_measure_loss(struct ours *ours, const float *parameters) {
  const struct match *match = ours->match;
  const size_t width = match->widths[match_depth(match)];
  predict_rows(ours->network, ours->workspace, LOSS_BATCH, NULL, parameters, trainer_get_buffers(ours->trainer), ours->x, match->rows,
               ours->outputs, NULL);
  double sum = 0;
  for (size_t row = 0; row < match->rows; row++) sum += row_loss(match, width, ours->outputs + row * width, ours->y[row]);
  return sum / (double)match->rows;
}

static void ignore_report(void *context, const struct train_report *report) { (void)context, (void)report; }
static enum error_code ignore_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *error) {
  (void)context, (void)snapshot, (void)error;
  return ERROR_NONE;
}
static enum train_request go_on(void *context) {
  (void)context;
  return TRAIN_CONTINUE;
}

static void run_once(struct ours *ours, double *spent, double *passed) {
  static const struct train_sink sink = {.report = ignore_report, .checkpoint = ignore_checkpoint, .poll = go_on};
  const struct train_position start = {.version = TRAIN_POSITION_VERSION};
  struct error error = {0};
  struct train_result result;
  require(trainer_restore(ours->trainer, &start, ours->block, trainer_get_block_count(ours->trainer), &error), &error);
  trainer_set_weights(ours->trainer, ours->start, NULL);
  const double wall = read_clock(CLOCK_MONOTONIC), processor = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  require(trainer_run(ours->trainer, &sink, &result, &error), &error);
  *spent += read_clock(CLOCK_PROCESS_CPUTIME_ID) - processor;
  *passed += read_clock(CLOCK_MONOTONIC) - wall;
  if (result.outcome != TRAIN_COMPLETED || result.step != match_steps(ours->match)) {
    fprintf(stderr, "bench-peers: ours did not complete: %s\n", result.detail);
    exit(1);
  }
}

struct outcome ours_run(struct ours *ours, double seconds) {
  double spent = 0, passed = 0;
  size_t runs = 0;
  for (; runs == 0 || spent < seconds; runs++) run_once(ours, &spent, &passed);
  return (struct outcome){.step_seconds = spent / (double)(runs * match_steps(ours->match)),
                          .share = spent / passed,
                          .loss = ours_measure_loss(ours, trainer_get_parameters(ours->trainer))};
}
