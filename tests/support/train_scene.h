/* A small training run, for tests of what the trainer does with settings: three clouds of points in six dimensions, as classes or, for a
 * regression, as two numbers that follow from x. What is told is kept: each report's values by name. */
#ifndef TESTS_SUPPORT_TRAIN_SCENE_H
#define TESTS_SUPPORT_TRAIN_SCENE_H

#include "engine/train.h"

enum { TRAIN_SCENE_ROWS = 120, TRAIN_SCENE_VALIDATION = 40, TRAIN_SCENE_INPUTS = 6, TRAIN_SCENE_CLASSES = 3, TRAIN_SCENE_VALUES = 64 };

struct train_scene {
  struct network_spec spec;
  struct network *network;
  struct train_settings settings;
  struct train_data data;
  float x[(TRAIN_SCENE_ROWS + TRAIN_SCENE_VALIDATION) * TRAIN_SCENE_INPUTS], y[(TRAIN_SCENE_ROWS + TRAIN_SCENE_VALIDATION) * 2];
  struct trainer *trainer; /* of the last run */
  struct train_result result;
  size_t report_count;
  struct train_report *reports; /* their values are kept, too */
};

/* Batches of all training rows, 10 epochs, no validation part, unless changed before it runs. `layers` as in specs.h, input 6. */
void train_scene_init(struct train_scene *scene, const char *layers, enum task task);
void train_scene_deinit(struct train_scene *scene);
void train_scene_set(struct spec *field, const struct kind_table *kinds, const char *text);
/* The rows after the training part's validate. */
void train_scene_validate(struct train_scene *scene);
/* A trainer with its start weights; frees the one before. */
void train_scene_start(struct train_scene *scene);
/* Runs the trainer, started if it isn't, to its end. */
void train_scene_run(struct train_scene *scene);
/* The value of that name in report `index`; NAN if it has none. */
double train_scene_value(const struct train_scene *scene, size_t index, const char *name);
double train_scene_last(const struct train_scene *scene, const char *name);

#endif
