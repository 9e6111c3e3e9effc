#include "tests/support/train_scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

static void require(enum error_code code, const struct error *error) {
  ck_assert_msg(code == ERROR_NONE, "%s: %s", error->item_count > 0 ? error->items[0].pointer : "", error->detail);
}

static void fill_rows(struct train_scene *scene, enum task task) {
  const size_t inputs = TRAIN_SCENE_INPUTS;
  for (size_t i = 0; i < TRAIN_SCENE_ROWS + TRAIN_SCENE_VALIDATION; i++) {
    const size_t class = i * 7 % TRAIN_SCENE_CLASSES;
    float *x = scene->x + i * inputs;
    random_fill_normal(&(struct random_stream){.seed = 3, .purpose = 77}, i * inputs, inputs, x);
    x[class] += 1.5f;
    if (task == TASK_CLASSIFICATION) {
      scene->y[i] = (float)(i % 29 == 0 ? (class + 1) % TRAIN_SCENE_CLASSES : class);
    } else {
      scene->y[2 * i] = x[0] - 0.5f * x[1] * x[2];
      scene->y[2 * i + 1] = x[3] + sinf(x[4]);
    }
  }
}

void train_scene_init(struct train_scene *scene, const char *layers, enum task task) {
  struct error error = {0};
  memset(scene, 0, sizeof *scene);
  network_spec_parse(&scene->spec, "6", layers);
  require(network_create(&scene->spec, &scene->network, &error), &error);
  require(settings_init(&scene->settings, train_params, train_param_count, &error), &error);
  scene->settings.batch_size = TRAIN_SCENE_ROWS;
  scene->settings.epochs = 10;
  scene->settings.seed = 11;
  fill_rows(scene, task);
  scene->data = (struct train_data){.task = task,
                                    .class_count = task == TASK_CLASSIFICATION ? TRAIN_SCENE_CLASSES : 0,
                                    .train = {.count = TRAIN_SCENE_ROWS, .x = scene->x, .y = scene->y}};
}

static void forget_reports(struct train_scene *scene) {
  for (size_t i = 0; i < scene->report_count; i++) free((void *)(uintptr_t)scene->reports[i].values);
  free(scene->reports);
  scene->reports = NULL;
  scene->report_count = 0;
}

void train_scene_deinit(struct train_scene *scene) {
  forget_reports(scene);
  trainer_destroy(scene->trainer);
  settings_deinit(&scene->settings, train_params, train_param_count);
  network_destroy(scene->network);
  network_spec_deinit(&scene->spec);
}

void train_scene_set(struct spec *field, const struct kind_table *kinds, const char *text) {
  spec_deinit(field);
  spec_parse(field, kinds, text);
}

void train_scene_validate(struct train_scene *scene) {
  const size_t width = scene->data.task == TASK_CLASSIFICATION ? 1 : 2;
  scene->data.validation = (struct train_rows){
      .count = TRAIN_SCENE_VALIDATION, .x = scene->x + TRAIN_SCENE_ROWS * TRAIN_SCENE_INPUTS, .y = scene->y + TRAIN_SCENE_ROWS * width};
}

void train_scene_start(struct train_scene *scene) {
  struct error error = {0};
  trainer_destroy(scene->trainer);
  require(trainer_create(scene->network, &scene->settings, &scene->data, NULL, &scene->trainer, &error), &error);
}

static void keep_report(void *context, const struct train_report *report) {
  struct train_scene *scene = context;
  scene->reports = realloc(scene->reports, (scene->report_count + 1) * sizeof *scene->reports);
  struct train_value *values = calloc(report->value_count, sizeof *values);
  if (scene->reports == NULL || values == NULL) abort();
  memcpy(values, report->values, report->value_count * sizeof *values);
  scene->reports[scene->report_count] = *report;
  scene->reports[scene->report_count++].values = values;
}

static enum error_code keep_nothing(void *context, const struct train_snapshot *snapshot, struct error *error) {
  (void)context;
  (void)snapshot;
  (void)error;
  return ERROR_NONE;
}

static enum train_request go_on(void *context) {
  (void)context;
  return TRAIN_CONTINUE;
}

void train_scene_run(struct train_scene *scene) {
  const struct train_sink sink = {.context = scene, .report = keep_report, .checkpoint = keep_nothing, .poll = go_on};
  struct error error = {0};
  forget_reports(scene);
  if (scene->trainer == NULL) train_scene_start(scene);
  require(trainer_run(scene->trainer, &sink, &scene->result, &error), &error);
}

double train_scene_value(const struct train_scene *scene, size_t index, const char *name) {
  const struct train_report *report = &scene->reports[index];
  for (size_t i = 0; i < report->value_count; i++)
    if (strcmp(report->values[i].name, name) == 0) return report->values[i].value;
  return NAN;
}

double train_scene_last(const struct train_scene *scene, const char *name) {
  return train_scene_value(scene, scene->report_count - 1, name);
}
