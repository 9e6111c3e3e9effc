/* The trainer: it learns, it allocates nothing, it stops, resumes and shares its work without changing a bit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/kernels_conv_primitive.h"
#include "engine/train.h"
#include "tests/support/allocations.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"
#include "tests/support/threads.h"

enum { ROWS = 203, VALIDATION_ROWS = 61, INPUTS = 6, CLASSES = 3, REPORTS_MAX = 4096 };

/* One training run with everything it needs. */
struct scene {
  struct network_spec spec;
  struct network *network;
  struct train_settings settings;
  struct train_data data;
  float x[(ROWS + VALIDATION_ROWS) * INPUTS], y[ROWS + VALIDATION_ROWS];
  struct trainer *trainer;
};

/* What a run said and left. */
struct record {
  size_t report_count;
  struct {
    uint64_t step, epoch;
    double sum;
  } reports[REPORTS_MAX];
  uint64_t polls, stop_at; /* 0: never */
  bool saves_always;
  size_t allocation_count; /* of the last sitting */
  struct train_position position;
  float *block;
  double last_loss, last_learning_rate, least_learning_rate, last_evaluations;
};

static struct error error;

static void require(enum error_code code) { ck_assert_msg(code == ERROR_NONE, "%s", error.detail); }

/* Three clouds of points; labels are which one, a few of them wrong. */
static void fill_rows(struct scene *scene) {
  for (size_t i = 0; i < ROWS + VALIDATION_ROWS; i++) {
    const size_t class = i * 7 % CLASSES;
    for (size_t j = 0; j < INPUTS; j++) {
      float noise;
      random_fill_normal(&(struct random_stream){.seed = 3, .purpose = 77}, i * INPUTS + j, 1, &noise);
      scene->x[i * INPUTS + j] = noise + (j == class ? 1.5f : 0.0f);
    }
    scene->y[i] = (float)(i % 29 == 0 ? (class + 1) % CLASSES : class);
  }
}

static void scene_init(struct scene *scene, const char *layers) {
  memset(scene, 0, sizeof *scene);
  network_spec_parse(&scene->spec, "6", layers);
  require(network_create(&scene->spec, &scene->network, &error));
  require(settings_init(&scene->settings, train_params, train_param_count, &error));
  scene->settings.batch_size = 16;
  scene->settings.epochs = 4;
  scene->settings.seed = 11;
  fill_rows(scene);
  scene->data = (struct train_data){.task = TASK_CLASSIFICATION,
                                    .class_count = CLASSES,
                                    .train = {.count = ROWS, .x = scene->x, .y = scene->y},
                                    .validation = {.count = VALIDATION_ROWS, .x = scene->x + ROWS * INPUTS, .y = scene->y + ROWS}};
}

static void scene_set(struct scene *scene, struct spec *field, const struct kind_table *kinds, const char *text) {
  (void)scene;
  spec_deinit(field);
  spec_parse(field, kinds, text);
}

static void scene_start(struct scene *scene, const struct parallel *parallel) {
  trainer_destroy(scene->trainer);
  require(trainer_create(scene->network, &scene->settings, &scene->data, parallel, &scene->trainer, &error));
}

static void scene_deinit(struct scene *scene) {
  trainer_destroy(scene->trainer);
  settings_deinit(&scene->settings, train_params, train_param_count);
  network_destroy(scene->network);
  network_spec_deinit(&scene->spec);
}

static void note_report(void *context, const struct train_report *report) {
  struct record *record = context;
  double sum = 0;
  for (size_t i = 0; i < report->value_count; i++) {
    const struct train_value *value = &report->values[i];
    if (isfinite(value->value)) sum += value->value * (double)(i + 1);
    if (strcmp(value->name, "loss") == 0) record->last_loss = value->value;
    if (strcmp(value->name, "evaluations") == 0) record->last_evaluations = value->value;
    if (strcmp(value->name, "learning_rate") == 0) record->last_learning_rate = value->value;
    if (strcmp(value->name, "learning_rate") == 0 && (record->least_learning_rate == 0 || value->value < record->least_learning_rate))
      record->least_learning_rate = value->value;
  }
  if (record->report_count == REPORTS_MAX) abort(); /* not ck_assert: it allocates */
  record->reports[record->report_count].step = report->step;
  record->reports[record->report_count].epoch = report->epoch;
  record->reports[record->report_count++].sum = sum;
}

static enum error_code note_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *out_error) {
  (void)out_error;
  struct record *record = context;
  record->position = *snapshot->position;
  memcpy(record->block, snapshot->block, snapshot->block_count * sizeof(float));
  return ERROR_NONE;
}

static enum train_request note_poll(void *context) {
  struct record *record = context;
  record->polls++;
  if (record->polls == record->stop_at) return TRAIN_STOP;
  return record->saves_always ? TRAIN_CHECKPOINT : TRAIN_CONTINUE;
}

static struct train_result run(struct scene *scene, struct record *record) {
  const struct train_sink sink = {.context = record, .report = note_report, .checkpoint = note_checkpoint, .poll = note_poll};
  struct train_result result;
  const size_t before = allocations_count();
  const enum error_code code = trainer_run(scene->trainer, &sink, &result, &error);
  record->allocation_count = allocations_count() - before; /* Check's own assertions allocate too */
  require(code);
  return result;
}

static struct record *record_create(const struct scene *scene) {
  struct record *record = calloc(1, sizeof *record);
  ck_assert_ptr_nonnull(record);
  record->block = calloc(trainer_get_block_count(scene->trainer), sizeof(float));
  ck_assert_ptr_nonnull(record->block);
  return record;
}

static void record_destroy(struct record *record) {
  free(record->block);
  free(record);
}

static const char plain_layers[] = "dense units=12 activation=relu name=hidden; dense units=3 activation=softmax";
static const char rich_layers[] = "dense units=12 activation=tanh name=a l2=0.001; batch_norm name=n; dropout rate=0.3 name=d; "
                                  "dense units=12 activation=relu name=b; add inputs=d,b name=s; dense units=3 activation=softmax";

START_TEST(training_learns_three_clouds) {
  struct scene scene;
  scene_init(&scene, plain_layers);
  scene.settings.epochs = 40;
  scene_set(&scene, &scene.settings.optimizer, &optimizer_kinds, "adam learning_rate=0.01");
  scene_start(&scene, NULL);
  struct record *record = record_create(&scene);
  const struct train_result result = run(&scene, record);
  ck_assert_int_eq(result.outcome, TRAIN_COMPLETED);
  ck_assert_uint_eq(result.epoch, 40);
  ck_assert_uint_eq(result.step, trainer_get_total_steps(scene.trainer));
  ck_assert_double_lt(record->last_loss, 0.6);
  ck_assert_double_gt(record->last_loss, 0.0);
  record_destroy(record);
  scene_deinit(&scene);
}
END_TEST

START_TEST(the_training_loop_allocates_nothing) {
  if (!allocations_can_count()) return;
  struct scene scene;
  scene_init(&scene, rich_layers);
  scene_start(&scene, NULL);
  struct record *record = record_create(&scene);
  record->saves_always = true;
  (void)run(&scene, record);
  ck_assert_uint_eq(record->allocation_count, 0);
  record_destroy(record);
  scene_deinit(&scene);
}
END_TEST

/* Runs to the end, stopped and restored in a new trainer after every `stop_at` polls. */
static void run_in_pieces(struct scene *scene, struct record *record, uint64_t stop_at) {
  struct train_result result;
  record->stop_at = stop_at;
  size_t sittings = 0;
  do {
    record->polls = 0;
    result = run(scene, record);
    sittings++;
    if (result.outcome != TRAIN_STOPPED) break;
    scene_start(scene, NULL);
    require(trainer_restore(scene->trainer, &record->position, record->block, trainer_get_block_count(scene->trainer), &error));
  } while (sittings < 10000);
  ck_assert_uint_gt(sittings, 2);
}

static void check_same(const struct record *left, const struct record *right) {
  ck_assert_uint_eq(left->report_count, right->report_count);
  for (size_t i = 0; i < left->report_count; i++) {
    ck_assert_uint_eq(left->reports[i].step, right->reports[i].step);
    ck_assert_uint_eq(left->reports[i].epoch, right->reports[i].epoch);
    ck_assert_msg(left->reports[i].sum == right->reports[i].sum, "report %zu of step %llu", i, (unsigned long long)left->reports[i].step);
  }
}

static const char *const optimizers[] = {"sgd learning_rate=0.05 momentum=0.9",
                                         "adagrad",
                                         "rmsprop",
                                         "adadelta",
                                         "adam",
                                         "adamw amsgrad=1",
                                         "nadam",
                                         "adamax",
                                         "radam",
                                         "lion",
                                         "rprop",
                                         "lbfgs history_size=3",
                                         "lbfgs history_size=3 line_search=strong_wolfe",
                                         "lbfgs history_size=2 max_iter=3"};
static const char *const schedules[] = {
    "constant", "step", "exponential", "cosine warmup_steps=7", "one_cycle", "reduce_on_plateau patience=1"};

enum { OPTIMIZERS = sizeof optimizers / sizeof optimizers[0] };

/* One of every kind, and how many evaluations a step takes. */
static const struct {
  const char *text;
  uint64_t passes;
} algorithms[] = {
    {"backprop", 1},
    {"finite_differences", 103}, /* for the 51 weights below */
    {"random_search candidates=3", 4},
    {"genetic population=9 tournament_size=2", 9},
    {"learning_rate_range_test max_learning_rate=0.1", 1},
};
enum { ALGORITHMS = sizeof algorithms / sizeof algorithms[0] };

/* "adam" of "adam learning_rate=0.1" */
static bool is_named(const char *text, const char *name) {
  const size_t length = strlen(name);
  return strncmp(text, name, length) == 0 && (text[length] == ' ' || text[length] == '\0');
}

START_TEST(every_kind_is_among_those_that_are_stopped_here) {
  for (size_t i = 0; i < optimizer_kinds.count; i++) {
    size_t found = 0;
    for (size_t k = 0; k < OPTIMIZERS; k++) found += is_named(optimizers[k], optimizer_kinds.get(i)->name);
    ck_assert_msg(found > 0, "%s", optimizer_kinds.get(i)->name);
  }
  for (size_t i = 0; i < algorithm_kinds.count; i++) {
    size_t found = 0;
    for (size_t k = 0; k < ALGORITHMS; k++) found += is_named(algorithms[k].text, algorithm_kinds.get(i)->name);
    ck_assert_msg(found > 0, "%s", algorithm_kinds.get(i)->name);
  }
}
END_TEST

/* The same run in one sitting and in many, stopped after every `stop_at` polls: the same reports, weights and buffers. */
static void check_that_stopping_changes_nothing(struct scene *scene, uint64_t stop_at) {
  scene_start(scene, NULL);
  struct record *whole = record_create(scene), *pieces = record_create(scene);
  (void)run(scene, whole);
  const size_t bytes = network_parameter_count(scene->network) * sizeof(float),
               buffer_bytes = network_buffer_count(scene->network) * sizeof(float);
  float *parameters = malloc(bytes + 1), *buffers = malloc(buffer_bytes + 1);
  memcpy(parameters, trainer_get_parameters(scene->trainer), bytes);
  memcpy(buffers, trainer_get_buffers(scene->trainer), buffer_bytes);
  scene_start(scene, NULL);
  run_in_pieces(scene, pieces, stop_at);
  check_same(whole, pieces);
  ck_assert_mem_eq(parameters, trainer_get_parameters(scene->trainer), bytes);
  ck_assert_mem_eq(buffers, trainer_get_buffers(scene->trainer), buffer_bytes);
  free(parameters);
  free(buffers);
  record_destroy(whole);
  record_destroy(pieces);
}

/* Stops come between the passes of a step, too: then it is taken again. */
START_TEST(a_stop_within_a_step_changes_nothing) {
  struct scene scene;
  scene_init(&scene, "dense units=4 activation=tanh l2=0.001; batch_norm; dropout rate=0.3; dense units=3 activation=softmax");
  scene_set(&scene, &scene.settings.algorithm, &algorithm_kinds, algorithms[_i % ALGORITHMS].text);
  scene.settings.accumulate_steps = _i < (int)ALGORITHMS ? 1 : 3;
  scene.settings.batch_size = 40;
  scene.settings.epochs = 3;
  scene.settings.ema_decay = 0.9;
  scene.settings.early_stopping = (struct early_stopping){.is_enabled = true, .patience = 2, .restore_best = true};
  /* Enough polls for a step, for the validation behind it, and for a part of the step that the stop comes into. */
  const uint64_t passes = algorithms[_i % ALGORITHMS].passes * (uint64_t)scene.settings.accumulate_steps;
  check_that_stopping_changes_nothing(&scene, passes + passes / 2 + 4);
  scene_deinit(&scene);
}
END_TEST

START_TEST(a_stopped_run_goes_on_bit_for_bit) {
  struct scene scene;
  scene_init(&scene, rich_layers);
  scene_set(&scene, &scene.settings.optimizer, &optimizer_kinds, optimizers[(size_t)_i % OPTIMIZERS]);
  const bool is_full_batch = optimizer_of(&scene.settings.optimizer)->is_full_batch;
  if (is_full_batch) {
    scene.settings.batch_size = ROWS;
    scene.settings.epochs = 80;
  }
  scene_set(&scene, &scene.settings.schedule, &schedule_kinds, schedules[_i % 6]);
  scene.settings.early_stopping =
      (struct early_stopping){.is_enabled = _i % 2 == 0, .patience = is_full_batch ? 80 : 2, .restore_best = true};
  /* At least so many polls that a sitting gets through a validation, or a line search of 25 points, which a stop makes start anew. */
  check_that_stopping_changes_nothing(&scene, (is_full_batch ? 30 : 6) + (uint64_t)_i % 8);
  scene_deinit(&scene);
}
END_TEST

/* Rows that are their own targets, as bytes; noise is on what goes in alone. */
static void make_autoencoder(struct scene *scene, const char *layers, uint8_t bytes[(ROWS + VALIDATION_ROWS) * INPUTS]) {
  static const float center = 100, scale = 40;
  scene_init(scene, layers);
  for (size_t i = 0; i < (ROWS + VALIDATION_ROWS) * INPUTS; i++) bytes[i] = (uint8_t)(100 + 20 * fmaxf(fminf(scene->x[i], 4), -4));
  scene->data = (struct train_data){
      .task = TASK_REGRESSION,
      .target_is_input = true,
      .train = {.count = ROWS, .x_bytes = bytes, .byte_center = &center, .byte_scale = &scale},
      .validation = {.count = VALIDATION_ROWS, .x_bytes = bytes + ROWS * INPUTS, .byte_center = &center, .byte_scale = &scale}};
  scene->settings.augmentation = (struct augmentation){.is_given = true, .crop = 1, .noise = 0.3};
}

START_TEST(a_stopped_autoencoder_goes_on_bit_for_bit) {
  struct scene scene;
  uint8_t bytes[(ROWS + VALIDATION_ROWS) * INPUTS];
  make_autoencoder(&scene, "dense units=4 activation=tanh; batch_norm; dense units=6", bytes);
  check_that_stopping_changes_nothing(&scene, 6);
  scene_deinit(&scene);
}
END_TEST

/* A checkpoint that is copied as late as a sink may. */
struct late_copy {
  struct train_snapshot snapshot;
  float *at_once;
  size_t checkpoint_count, settle_count;
  bool is_open, has_changed, was_settled_twice;
};

static enum error_code begin_late_copy(void *context, const struct train_snapshot *snapshot, struct error *out_error) {
  (void)out_error;
  struct late_copy *copy = context;
  copy->snapshot = *snapshot;
  memcpy(copy->at_once, snapshot->block, snapshot->block_count * sizeof(float));
  copy->checkpoint_count++;
  copy->is_open = true;
  return ERROR_NONE;
}

static void end_late_copy(void *context) {
  struct late_copy *copy = context;
  const struct train_snapshot *snapshot = &copy->snapshot;
  const size_t first = snapshot->fleeting_count, count = snapshot->block_count - first;
  copy->has_changed = copy->has_changed || memcmp(snapshot->block + first, copy->at_once + first, count * sizeof(float)) != 0;
  copy->was_settled_twice = copy->was_settled_twice || !copy->is_open;
  copy->is_open = false;
  copy->settle_count++;
}

static void ignore_report(void *context, const struct train_report *report) { (void)context, (void)report; }
static enum train_request save_always(void *context) {
  (void)context;
  return TRAIN_CHECKPOINT;
}

/* Copied a pass later, a checkpoint is what it was when it was taken: nothing but buffers is written before settle is called. */
START_TEST(a_checkpoint_stays_as_it_is_until_it_is_settled) {
  struct scene scene;
  scene_init(&scene, rich_layers);
  scene_set(&scene, &scene.settings.optimizer, &optimizer_kinds, optimizers[_i]);
  scene.settings.clip_norm = 0.5;
  scene.settings.early_stopping = (struct early_stopping){.is_enabled = true, .patience = 2, .restore_best = true};
  scene_start(&scene, NULL);
  struct late_copy copy = {.at_once = calloc(trainer_get_block_count(scene.trainer), sizeof(float))};
  const struct train_sink sink = {
      .context = &copy, .report = ignore_report, .checkpoint = begin_late_copy, .poll = save_always, .settle = end_late_copy};
  struct train_result result;
  require(trainer_run(scene.trainer, &sink, &result, &error));
  ck_assert(!copy.has_changed);
  ck_assert(!copy.was_settled_twice);
  ck_assert_uint_gt(copy.checkpoint_count, result.step);
  ck_assert_uint_eq(copy.settle_count + copy.is_open, copy.checkpoint_count);
  ck_assert_uint_ge(copy.snapshot.fleeting_count, network_buffer_count(scene.network));
  ck_assert_uint_lt(copy.snapshot.fleeting_count, network_buffer_count(scene.network) + 16);
  free(copy.at_once);
  scene_deinit(&scene);
}
END_TEST

/* Large enough that the kernels cut their work into several pieces. */
static const char wide_layers[] =
    "dense units=300 activation=gelu; batch_norm; dropout rate=0.2; dense units=200 activation=tanh; layer_norm; "
    "dense units=3 activation=softmax";

/* Convolutions that a library computes where there is one, in either precision. */
static const char convolution_layers[] =
    "dense units=256; reshape shape=16x4x4; conv2d filters=24 kernel_size=3 padding=same; batch_norm activation=relu; conv2d filters=16 "
    "kernel_size=3 stride=2; flatten; dense units=3 activation=softmax";
static const char recurrent_layers[] =
    "dense units=64; reshape shape=8x8; lstm units=40 return_sequences=1; gru units=24; dense units=3 activation=softmax";
static const char *const threaded_layers[] = {wide_layers, convolution_layers, recurrent_layers};
enum { PRECISIONS = 2, THREADED = sizeof threaded_layers / sizeof threaded_layers[0] };

static void scene_init_threaded(struct scene *scene, const char *layers, int precision) {
  kernel_conv_ask_library_always(true);
  scene_init(scene, layers);
  scene->settings.batch_size = 128;
  scene->settings.precision = precision;
}

/* In float32 and in bfloat16; and of rows that are to be given back. */
START_TEST(any_number_of_threads_gives_the_same_bits) {
  float *expected = NULL;
  uint8_t bytes_of_rows[(ROWS + VALIDATION_ROWS) * INPUTS];
  for (size_t threads = 1; threads <= 4; threads *= 2) {
    struct scene scene;
    if (_i < PRECISIONS * THREADED)
      scene_init_threaded(&scene, threaded_layers[_i / PRECISIONS], _i % PRECISIONS);
    else
      make_autoencoder(&scene, "dense units=300 activation=gelu; dense units=200 activation=tanh; dense units=6", bytes_of_rows);
    scene.settings.batch_size = 128;
    const struct parallel parallel = threads_make_parallel(threads);
    scene_start(&scene, &parallel);
    struct record *record = record_create(&scene);
    (void)run(&scene, record);
    const size_t bytes = network_parameter_count(scene.network) * sizeof(float);
    if (expected == NULL) {
      expected = malloc(bytes);
      memcpy(expected, trainer_get_parameters(scene.trainer), bytes);
    }
    ck_assert_mem_eq(expected, trainer_get_parameters(scene.trainer), bytes);
    record_destroy(record);
    scene_deinit(&scene);
  }
  free(expected);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits_in_every_algorithm) {
  float *expected = NULL;
  for (size_t threads = 1; threads <= 4; threads *= 2) {
    struct scene scene;
    scene_init(&scene, "dense units=20 activation=tanh; dropout rate=0.2; dense units=3 activation=softmax");
    scene_set(&scene, &scene.settings.algorithm, &algorithm_kinds, algorithms[_i].text);
    scene.settings.batch_size = 64;
    scene.settings.epochs = 2;
    const struct parallel parallel = threads_make_parallel(threads);
    scene_start(&scene, &parallel);
    struct record *record = record_create(&scene);
    (void)run(&scene, record);
    const size_t bytes = network_parameter_count(scene.network) * sizeof(float);
    if (expected == NULL) {
      expected = malloc(bytes);
      memcpy(expected, trainer_get_parameters(scene.trainer), bytes);
    }
    ck_assert_mem_eq(expected, trainer_get_parameters(scene.trainer), bytes);
    record_destroy(record);
    scene_deinit(&scene);
  }
  free(expected);
}
END_TEST

/* Counted from outside: by the polls, of which there is one before each pass of those that take several. */
START_TEST(every_algorithm_counts_its_evaluations_and_ends_with_the_budget) {
  struct scene scene;
  scene_init(&scene, "dense units=3 activation=softmax"); /* 21 weights */
  scene_set(&scene, &scene.settings.algorithm, &algorithm_kinds, algorithms[_i].text);
  scene.data.validation.count = 0;
  scene.settings.batch_size = 64; /* four batches an epoch */
  scene.settings.epochs = 1000;
  static const double each[] = {1, 43, 4, 9, 1};
  scene.settings.max_evaluations = (int64_t)(5 * each[_i]) + 1; /* a step begun is finished */
  scene_start(&scene, NULL);
  ck_assert_uint_eq(trainer_get_total_steps(scene.trainer), 6);
  struct record *record = record_create(&scene);
  const struct train_result result = run(&scene, record);
  ck_assert_int_eq(result.outcome, TRAIN_COMPLETED);
  ck_assert_uint_eq(result.step, 6);
  ck_assert_uint_eq(result.epoch, 2); /* the second is cut short, and reported */
  ck_assert_uint_eq(record->reports[record->report_count - 1].epoch, 2);
  ck_assert_double_eq(record->last_evaluations, 6 * each[_i]);
  if (each[_i] > 1) ck_assert_double_eq((double)record->polls, 6 * (each[_i] + 1));
  record_destroy(record);
  scene_deinit(&scene);
}
END_TEST

/* 203 rows: batches of 48 make a step of four and, of the last 11 rows, one alone, whose gradient must not count as much. */
START_TEST(accumulated_gradients_are_those_of_one_large_batch) {
  static const char layers[] = "dense units=12 activation=tanh l2=0.01; dense units=3 activation=softmax";
  struct scene large, small;
  scene_init(&large, layers);
  scene_init(&small, layers);
  struct scene *both[] = {&large, &small};
  struct record *records[2];
  for (size_t i = 0; i < 2; i++) {
    scene_set(both[i], &both[i]->settings.optimizer, &optimizer_kinds, "sgd learning_rate=0.5 momentum=0.9");
    scene_set(both[i], &both[i]->settings.loss, &loss_kinds, "cross_entropy class_weights=1,2,5");
    both[i]->settings.batch_size = i == 0 ? 203 : 48;
    both[i]->settings.accumulate_steps = i == 0 ? 1 : 5;
    both[i]->settings.epochs = 20;
    scene_start(both[i], NULL);
    ck_assert_uint_eq(trainer_get_steps_per_epoch(both[i]->trainer), 1);
    records[i] = record_create(both[i]);
    (void)run(both[i], records[i]);
  }
  ck_assert_double_le(fabs(records[0]->last_loss - records[1]->last_loss), 1e-5);
  for (size_t i = 0; i < network_parameter_count(large.network); i++)
    ck_assert_float_le(fabsf(trainer_get_parameters(large.trainer)[i] - trainer_get_parameters(small.trainer)[i]), 2e-5f);
  for (size_t i = 0; i < 2; i++) {
    record_destroy(records[i]);
    scene_deinit(both[i]);
  }
}
END_TEST

START_TEST(bfloat16_learns_as_float32_does) {
  double losses[PRECISIONS];
  for (int precision = 0; precision < PRECISIONS; precision++) {
    struct scene scene;
    scene_init_threaded(&scene, threaded_layers[_i], precision);
    ck_assert_str_eq(train_get_precision(&scene.settings), precision == 1 && kernels_can_half() ? "bfloat16" : "float32");
    scene_start(&scene, NULL);
    struct record *record = record_create(&scene);
    (void)run(&scene, record);
    losses[precision] = record->last_loss;
    record_destroy(record);
    scene_deinit(&scene);
  }
  ck_assert_double_le(fabs(losses[1] - losses[0]), 2e-2 * losses[0]);
  ck_assert((losses[0] != losses[1]) == kernels_can_half());
}
END_TEST

/* A stopped run in bfloat16 is the uninterrupted one, too. */
START_TEST(a_stopped_run_in_bfloat16_goes_on_bit_for_bit) {
  struct scene scene;
  scene_init_threaded(&scene, threaded_layers[_i], 1);
  scene_start(&scene, NULL);
  struct record *whole = record_create(&scene), *pieces = record_create(&scene);
  (void)run(&scene, whole);
  const size_t bytes = network_parameter_count(scene.network) * sizeof(float);
  float *parameters = malloc(bytes);
  memcpy(parameters, trainer_get_parameters(scene.trainer), bytes);
  scene_start(&scene, NULL);
  run_in_pieces(&scene, pieces, 3);
  check_same(whole, pieces);
  ck_assert_mem_eq(parameters, trainer_get_parameters(scene.trainer), bytes);
  free(parameters);
  record_destroy(whole);
  record_destroy(pieces);
  scene_deinit(&scene);
}
END_TEST

START_TEST(another_seed_gives_other_weights) {
  float first[2] = {0, 0};
  for (int seed = 0; seed < 2; seed++) {
    struct scene scene;
    scene_init(&scene, plain_layers);
    scene.settings.seed = seed;
    scene_start(&scene, NULL);
    struct record *record = record_create(&scene);
    (void)run(&scene, record);
    first[seed] = trainer_get_parameters(scene.trainer)[0];
    record_destroy(record);
    scene_deinit(&scene);
  }
  ck_assert(first[0] != first[1]);
}
END_TEST

START_TEST(a_learning_rate_far_too_high_diverges_and_names_the_layer) {
  struct scene scene;
  scene_init(&scene, plain_layers);
  scene_set(&scene, &scene.settings.optimizer, &optimizer_kinds, "sgd learning_rate=1e30");
  scene_start(&scene, NULL);
  struct record *record = record_create(&scene);
  const struct train_result result = run(&scene, record);
  ck_assert_int_eq(result.outcome, TRAIN_DIVERGED);
  ck_assert_str_ne(result.diverged_layer, "");
  ck_assert_ptr_nonnull(strstr(result.detail, result.diverged_layer));
  record_destroy(record);
  scene_deinit(&scene);
}
END_TEST

START_TEST(early_stopping_ends_and_brings_back_the_best_epoch) {
  struct scene scene;
  scene_init(&scene, "dense units=64 activation=relu; dense units=3 activation=softmax");
  scene.settings.epochs = 500;
  scene_set(&scene, &scene.settings.optimizer, &optimizer_kinds, "adam learning_rate=0.02");
  scene.settings.early_stopping = (struct early_stopping){.is_enabled = true, .patience = 4, .restore_best = true};
  scene_start(&scene, NULL);
  struct record *record = record_create(&scene);
  const struct train_result result = run(&scene, record);
  ck_assert_int_eq(result.outcome, TRAIN_EARLY_STOPPED);
  ck_assert_uint_eq(result.epoch, result.best_epoch + 4);
  /* The weights are those of a run that ends at the best epoch. */
  struct scene shorter;
  scene_init(&shorter, "dense units=64 activation=relu; dense units=3 activation=softmax");
  shorter.settings.epochs = (int64_t)result.best_epoch;
  scene_set(&shorter, &shorter.settings.optimizer, &optimizer_kinds, "adam learning_rate=0.02");
  scene_start(&shorter, NULL);
  struct record *other = record_create(&shorter);
  (void)run(&shorter, other);
  ck_assert_mem_eq(trainer_get_parameters(scene.trainer), trainer_get_parameters(shorter.trainer),
                   network_parameter_count(scene.network) * sizeof(float));
  record_destroy(other);
  scene_deinit(&shorter);
  record_destroy(record);
  scene_deinit(&scene);
}
END_TEST

START_TEST(balanced_class_weights_make_the_rare_class_count_as_much) {
  struct scene scene;
  scene_init(&scene, plain_layers);
  for (size_t i = 0; i < ROWS; i++) scene.y[i] = i % 10 == 0 ? 2.0f : i % 2 == 0 ? 1.0f : 0.0f;
  scene_set(&scene, &scene.settings.loss, &loss_kinds, "cross_entropy class_weights=balanced");
  scene_start(&scene, NULL);
  struct record *balanced = record_create(&scene);
  (void)run(&scene, balanced);
  const float weighted = trainer_get_parameters(scene.trainer)[0];
  scene_set(&scene, &scene.settings.loss, &loss_kinds, "cross_entropy");
  scene_start(&scene, NULL);
  struct record *plain = record_create(&scene);
  (void)run(&scene, plain);
  ck_assert(weighted != trainer_get_parameters(scene.trainer)[0]);
  record_destroy(balanced);
  record_destroy(plain);
  scene_deinit(&scene);
}
END_TEST

/* An estimate that is off by more would let a job in that doesn't fit, or keep one out that does. */
START_TEST(the_measured_bytes_are_those_that_are_allocated) {
  if (!allocations_can_count()) return;
  struct scene scene;
  scene_init(&scene, "dense units=700 activation=relu; dense units=500 activation=gelu; dense units=3 activation=softmax");
  scene.settings.batch_size = 64;
  scene.settings.precision = _i;
  scene.settings.early_stopping = (struct early_stopping){.is_enabled = true, .patience = 4, .restore_best = true};
  size_t measured;
  require(trainer_measure(scene.network, &scene.settings, &scene.data, &measured, &error));
  const size_t before = allocations_live_bytes();
  scene_start(&scene, NULL);
  const size_t allocated = allocations_live_bytes() - before;
  ck_assert_msg(fabs((double)measured - (double)allocated) <= 0.05 * (double)allocated, "measured %zu, allocated %zu", measured, allocated);
  scene_deinit(&scene);
}
END_TEST

START_TEST(a_checkpoint_of_another_job_is_refused) {
  struct scene scene;
  scene_init(&scene, plain_layers);
  scene_start(&scene, NULL);
  const size_t count = trainer_get_block_count(scene.trainer);
  float *block = calloc(count + 1, sizeof(float));
  struct train_position position = {.version = TRAIN_POSITION_VERSION};
  ck_assert_int_eq(trainer_restore(scene.trainer, &position, block, count + 1, &error), ERROR_INVALID);
  position.version++;
  error_clear(&error);
  ck_assert_int_eq(trainer_restore(scene.trainer, &position, block, count, &error), ERROR_INVALID);
  position = (struct train_position){.version = TRAIN_POSITION_VERSION, .step = trainer_get_total_steps(scene.trainer) + 1};
  error_clear(&error);
  ck_assert_int_eq(trainer_restore(scene.trainer, &position, block, count, &error), ERROR_INVALID);
  error_clear(&error);
  free(block);
  scene_deinit(&scene);
}
END_TEST

START_TEST(a_loss_that_does_not_fit_the_output_is_an_error_at_its_field) {
  struct scene scene;
  scene_init(&scene, "dense units=3 activation=linear");
  scene_set(&scene, &scene.settings.loss, &loss_kinds, "cross_entropy");
  ck_assert_int_eq(train_settings_resolve(&scene.settings, scene.network, TASK_CLASSIFICATION, &error), ERROR_INVALID);
  ck_assert_uint_ge(error.item_count, 1);
  ck_assert_ptr_nonnull(strstr(error.items[0].pointer, "/loss"));
  error_clear(&error);
  scene_deinit(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "train");
  tcase_add_test(tcase, training_learns_three_clouds);
  tcase_add_test(tcase, the_training_loop_allocates_nothing);
  tcase_add_test(tcase, every_kind_is_among_those_that_are_stopped_here);
  tcase_add_loop_test(tcase, a_stopped_run_goes_on_bit_for_bit, 0, 2 * OPTIMIZERS);
  tcase_add_loop_test(tcase, a_stop_within_a_step_changes_nothing, 0, 2 * ALGORITHMS);
  tcase_add_test(tcase, a_stopped_autoencoder_goes_on_bit_for_bit);
  tcase_add_loop_test(tcase, any_number_of_threads_gives_the_same_bits_in_every_algorithm, 0, ALGORITHMS);
  tcase_add_loop_test(tcase, every_algorithm_counts_its_evaluations_and_ends_with_the_budget, 0, ALGORITHMS);
  tcase_add_test(tcase, accumulated_gradients_are_those_of_one_large_batch);
  tcase_add_loop_test(tcase, a_checkpoint_stays_as_it_is_until_it_is_settled, 0, 7);
  tcase_add_loop_test(tcase, any_number_of_threads_gives_the_same_bits, 0, PRECISIONS * THREADED + 1);
  tcase_add_loop_test(tcase, bfloat16_learns_as_float32_does, 0, THREADED);
  tcase_add_loop_test(tcase, a_stopped_run_in_bfloat16_goes_on_bit_for_bit, 0, THREADED);
  tcase_add_test(tcase, another_seed_gives_other_weights);
  tcase_add_test(tcase, a_learning_rate_far_too_high_diverges_and_names_the_layer);
  tcase_add_test(tcase, early_stopping_ends_and_brings_back_the_best_epoch);
  tcase_add_test(tcase, balanced_class_weights_make_the_rare_class_count_as_much);
  tcase_add_loop_test(tcase, the_measured_bytes_are_those_that_are_allocated, 0, 2);
  tcase_add_test(tcase, a_checkpoint_of_another_job_is_refused);
  tcase_add_test(tcase, a_loss_that_does_not_fit_the_output_is_an_error_at_its_field);
}

int main(void) { return suite_main("train", add_cases); }
