/* Rows as they lie: floats or bytes, picked by number, overlapping; and a trainer to which it makes no difference how they lie. */
#include "engine/train_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "tests/support/allocations.h"
#include "tests/support/suite.h"
#include "tests/support/train_scene.h"

enum { INPUTS = TRAIN_SCENE_INPUTS, ROWS = TRAIN_SCENE_ROWS, ALL_ROWS = TRAIN_SCENE_ROWS + TRAIN_SCENE_VALIDATION };

static const struct shape row_of_three = {.rank = 1, .sizes = {3}};
static const struct shape two_channels = {.rank = 3, .sizes = {2, 1, 2}};

START_TEST(rows_that_stand_as_the_input_are_not_copied) {
  const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  float buffer[6];
  struct row_reader reader;
  row_reader_init(&reader, &(struct train_rows){.count = 3, .x = x}, &row_of_three);
  ck_assert_ptr_eq(row_reader_get(&reader, 1, 2, buffer), x + 3);
  row_reader_copy(&reader, 2, buffer);
  ck_assert_mem_eq(buffer, x + 6, 3 * sizeof *x);
}
END_TEST

START_TEST(a_stride_of_the_input_is_no_reason_to_copy_either) {
  const float x[] = {1, 2, 3, 4, 5, 6};
  struct row_reader reader;
  row_reader_init(&reader, &(struct train_rows){.count = 2, .x = x, .x_stride = 3}, &row_of_three);
  ck_assert_ptr_eq(row_reader_get(&reader, 1, 1, NULL), x + 3);
}
END_TEST

START_TEST(windows_overlap) {
  const float series[] = {1, 2, 3, 4, 5};
  const float expected[] = {1, 2, 3, 2, 3, 4, 3, 4, 5};
  float buffer[9];
  struct row_reader reader;
  row_reader_init(&reader, &(struct train_rows){.count = 3, .x = series, .x_stride = 1}, &row_of_three);
  ck_assert_ptr_eq(row_reader_get(&reader, 0, 3, buffer), buffer);
  ck_assert_mem_eq(buffer, expected, sizeof expected);
}
END_TEST

START_TEST(rows_are_picked_by_number) {
  const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const uint32_t which[] = {2, 0};
  const float expected[] = {7, 8, 9, 1, 2, 3};
  float buffer[6];
  struct row_reader reader;
  row_reader_init(&reader, &(struct train_rows){.count = 2, .x = x, .x_rows = which}, &row_of_three);
  ck_assert_ptr_eq(row_reader_get(&reader, 0, 2, buffer), buffer);
  ck_assert_mem_eq(buffer, expected, sizeof expected);
  row_reader_copy(&reader, 1, buffer);
  ck_assert_mem_eq(buffer, expected + 3, 3 * sizeof *expected);
}
END_TEST

START_TEST(windows_are_picked_by_number) {
  const float series[] = {1, 2, 3, 4, 5, 6};
  const uint32_t which[] = {3, 1};
  const float expected[] = {4, 5, 6, 2, 3, 4};
  float buffer[6];
  struct row_reader reader;
  row_reader_init(&reader, &(struct train_rows){.count = 2, .x = series, .x_stride = 1, .x_rows = which}, &row_of_three);
  ck_assert_mem_eq(row_reader_get(&reader, 0, 2, buffer), expected, sizeof expected);
}
END_TEST

START_TEST(bytes_become_centred_and_scaled_numbers_by_channel) {
  const uint8_t x[] = {0, 255, 10, 20, 1, 2, 3, 4};
  const uint32_t which[] = {1, 0};
  const float center[] = {128, 10}, scale[] = {64, 0.5f};
  const float expected[] = {-127 / 64.0f, -126 / 64.0f, -14, -12, -2, 127 / 64.0f, 0, 20};
  float buffer[8];
  struct row_reader reader;
  row_reader_init(&reader, &(struct train_rows){.count = 2, .x_bytes = x, .x_rows = which, .byte_center = center, .byte_scale = scale},
                  &two_channels);
  const float *got = row_reader_get(&reader, 0, 2, buffer);
  ck_assert_ptr_eq(got, buffer);
  for (size_t i = 0; i < 8; i++) ck_assert_float_eq(got[i], expected[i]);
}
END_TEST

START_TEST(bytes_without_center_and_scale_are_themselves) {
  uint8_t x[256];
  float buffer[256];
  for (size_t i = 0; i < 256; i++) x[i] = (uint8_t)i;
  struct row_reader reader;
  row_reader_init(&reader, &(struct train_rows){.count = 1, .x_bytes = x}, &(struct shape){.rank = 1, .sizes = {256}});
  row_reader_copy(&reader, 0, buffer);
  for (size_t i = 0; i < 256; i++) ck_assert_float_eq(buffer[i], (float)i);
}
END_TEST

/* An input that is no image has one center and scale for all, whatever its axes. */
START_TEST(inputs_without_channels_have_one_center) {
  const uint8_t x[] = {1, 2, 3, 4};
  const float center[] = {1}, scale[] = {2};
  float buffer[4];
  struct row_reader reader;
  row_reader_init(&reader, &(struct train_rows){.count = 1, .x_bytes = x, .byte_center = center, .byte_scale = scale},
                  &(struct shape){.rank = 2, .sizes = {2, 2}});
  row_reader_copy(&reader, 0, buffer);
  for (size_t i = 0; i < 4; i++) ck_assert_float_eq(buffer[i], (float)i / 2);
}
END_TEST

/* ---- a trainer's rows ---- */

/* The rows of the scene in bytes, reversed, with room between them; floats of the same values. */
struct lying {
  uint8_t bytes[ALL_ROWS * (INPUTS + 2)];
  float floats[ALL_ROWS * (INPUTS + 2)], plain[ALL_ROWS * INPUTS];
  uint32_t rows[ALL_ROWS];
  float center, scale;
};

static void lay(struct lying *lying, const struct train_scene *scene) {
  lying->center = 128;
  lying->scale = 32;
  for (size_t i = 0; i < ALL_ROWS; i++) {
    lying->rows[i] = (uint32_t)(ALL_ROWS - 1 - i);
    for (size_t j = 0; j < INPUTS; j++) {
      const float byte = fminf(fmaxf(roundf(scene->x[i * INPUTS + j] * lying->scale) + lying->center, 0), 255);
      const size_t at = lying->rows[i] * (INPUTS + 2) + j;
      lying->bytes[at] = (uint8_t)byte;
      lying->plain[i * INPUTS + j] = (byte - lying->center) / lying->scale; /* exact: the scale is a power of 2 */
      lying->floats[at] = lying->plain[i * INPUTS + j];
    }
  }
}

enum form { PLAIN, PICKED, BYTES };

static void set_rows(struct train_scene *scene, const struct lying *lying, enum form form) {
  for (size_t part = 0; part < 2; part++) {
    struct train_rows *rows = part == 0 ? &scene->data.train : &scene->data.validation;
    const size_t first = part == 0 ? 0 : ROWS;
    *rows = (struct train_rows){.count = rows->count, .y = rows->y};
    if (form == PLAIN) rows->x = lying->plain + first * INPUTS;
    if (form == PICKED) rows->x = lying->floats;
    if (form == BYTES) {
      rows->x_bytes = lying->bytes;
      rows->byte_center = &lying->center;
      rows->byte_scale = &lying->scale;
    }
    if (form == PLAIN) continue;
    rows->x_stride = INPUTS + 2;
    rows->x_rows = lying->rows + first;
  }
}

/* Weights, validation and the doctor's facts are the same to the bit. */
START_TEST(a_trainer_does_not_care_how_its_rows_lie) {
  struct train_scene plain, other;
  struct lying *lying = calloc(1, sizeof *lying);
  train_scene_init(&plain, "dense units=8 activation=relu; dense units=3 activation=softmax", TASK_CLASSIFICATION);
  train_scene_init(&other, "dense units=8 activation=relu; dense units=3 activation=softmax", TASK_CLASSIFICATION);
  lay(lying, &plain);
  struct train_scene *scenes[] = {&plain, &other};
  for (size_t i = 0; i < 2; i++) {
    train_scene_validate(scenes[i]);
    set_rows(scenes[i], lying, i == 0 ? PLAIN : _i == 0 ? PICKED : BYTES);
    scenes[i]->settings.batch_size = 7;
    train_scene_run(scenes[i]);
  }
  const size_t bytes = network_parameter_count(plain.network) * sizeof(float);
  ck_assert_mem_eq(trainer_get_parameters(plain.trainer), trainer_get_parameters(other.trainer), bytes);
  ck_assert_double_eq(train_scene_last(&plain, "validation_loss"), train_scene_last(&other, "validation_loss"));
  ck_assert_double_eq(train_scene_last(&plain, "loss"), train_scene_last(&other, "loss"));
  struct diagnosis_finding left[DIAGNOSIS_RULES_MAX], right[DIAGNOSIS_RULES_MAX];
  const size_t count = trainer_list_findings(plain.trainer, UINT32_MAX, left);
  ck_assert_uint_eq(count, trainer_list_findings(other.trainer, UINT32_MAX, right));
  for (size_t i = 0; i < count; i++) ck_assert_str_eq(left[i].seen, right[i].seen);
  train_scene_deinit(&plain);
  train_scene_deinit(&other);
  free(lying);
}
END_TEST

/* ---- rows that are their own targets ---- */

static const char coder_layers[] = "dense units=3 activation=tanh; dense units=6";

static const struct {
  double noise, mixup;
  const char *loss;
} coders[] = {{0, 0, "mean_squared_error"}, {0.5, 0, "mean_squared_error"}, {0, 0.4, "huber"}, {0.5, 0.4, "mean_absolute_error"}};

/* As floats or bytes, varied or not: what is trained is what comes of the same rows with targets written beside them, which stay clean. */
START_TEST(a_row_may_be_its_own_target) {
  struct train_scene beside, own;
  struct lying *lying = calloc(1, sizeof *lying);
  struct train_scene *scenes[] = {&beside, &own};
  for (size_t i = 0; i < 2; i++) {
    struct train_scene *scene = scenes[i];
    train_scene_init(scene, coder_layers, TASK_REGRESSION);
    if (i == 0) lay(lying, scene);
    train_scene_validate(scene);
    set_rows(scene, lying, i == 0 ? PLAIN : _i % 2 == 0 ? PICKED : BYTES);
    scene->data.train.y = i == 0 ? lying->plain : NULL;
    scene->data.validation.y = i == 0 ? lying->plain + ROWS * INPUTS : NULL;
    scene->data.target_is_input = i == 1;
    scene->settings.batch_size = 7;
    scene->settings.augmentation =
        (struct augmentation){.is_given = true, .crop = 1, .noise = coders[_i / 2].noise, .mixup = coders[_i / 2].mixup};
    train_scene_set(&scene->settings.loss, &loss_kinds, coders[_i / 2].loss);
    train_scene_run(scene);
  }
  const size_t bytes = network_parameter_count(beside.network) * sizeof(float);
  ck_assert_mem_eq(trainer_get_parameters(beside.trainer), trainer_get_parameters(own.trainer), bytes);
  static const char *const values[] = {"loss", "mae", "validation_loss", "validation_mae"};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    ck_assert(isfinite(train_scene_last(&own, values[i])));
    ck_assert_double_eq(train_scene_last(&beside, values[i]), train_scene_last(&own, values[i]));
  }
  train_scene_deinit(&beside);
  train_scene_deinit(&own);
  free(lying);
}
END_TEST

START_TEST(a_network_that_gives_other_than_it_takes_can_give_nothing_back) {
  struct train_scene scene;
  struct error error = {0};
  train_scene_init(&scene, "dense units=5", TASK_REGRESSION);
  scene.data.target_is_input = true;
  ck_assert_int_eq(trainer_create(scene.network, &scene.settings, &scene.data, NULL, &scene.trainer, &error), ERROR_INVALID);
  ck_assert_str_eq(error.detail, "the network takes 6 values and gives 5, but is to give back what it takes");
  train_scene_deinit(&scene);
}
END_TEST

/* Of numbers alone; and of all, where nothing says that any are categories. */
START_TEST(categories_have_no_part_in_the_absolute_error) {
  static const size_t spans[INPUTS] = {0, 2, 2, 0, 0, 0};
  static const double scale[INPUTS] = {1, 1e6, 1e6, 1, 1, 1};
  struct train_scene scene;
  train_scene_init(&scene, coder_layers, TASK_REGRESSION);
  scene.data.target_is_input = true;
  scene.data.train.y = NULL;
  scene.data.target_scale = scale;
  train_scene_run(&scene);
  ck_assert_double_gt(train_scene_last(&scene, "mae"), 1000);
  train_scene_deinit(&scene);
  train_scene_init(&scene, coder_layers, TASK_REGRESSION);
  scene.data.target_is_input = true;
  scene.data.train.y = NULL;
  scene.data.target_scale = scale;
  scene.data.category_spans = spans;
  train_scene_run(&scene);
  ck_assert_double_lt(train_scene_last(&scene, "mae"), 10);
  train_scene_deinit(&scene);
}
END_TEST

static void ignore_report(void *context, const struct train_report *report) { (void)context, (void)report; }
static enum train_request go_on(void *context) {
  (void)context;
  return TRAIN_CONTINUE;
}

START_TEST(training_on_bytes_allocates_what_was_measured_and_nothing_while_it_runs) {
  if (!allocations_can_count()) return;
  struct train_scene scene;
  struct lying *lying = calloc(1, sizeof *lying);
  train_scene_init(&scene, "dense units=3 activation=softmax", TASK_CLASSIFICATION);
  lay(lying, &scene);
  train_scene_validate(&scene);
  set_rows(&scene, lying, BYTES);
  scene.settings.batch_size = 1; /* the least room for rows */
  size_t measured = 0;
  struct error error = {0};
  ck_assert_int_eq(trainer_measure(scene.network, &scene.settings, &scene.data, &measured, &error), ERROR_NONE);
  const size_t before = allocations_live_bytes();
  train_scene_start(&scene);
  ck_assert_uint_le(allocations_live_bytes() - before, measured);
  struct train_result result;
  const struct train_sink sink = {.report = ignore_report, .poll = go_on};
  const size_t count = allocations_count();
  const enum error_code code = trainer_run(scene.trainer, &sink, &result, &error);
  const size_t allocated = allocations_count() - count;
  ck_assert_int_eq(code, ERROR_NONE);
  ck_assert_uint_eq(allocated, 0);
  train_scene_deinit(&scene);
  free(lying);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *rows = suite_add_case(suite, "rows");
  tcase_add_test(rows, rows_that_stand_as_the_input_are_not_copied);
  tcase_add_test(rows, a_stride_of_the_input_is_no_reason_to_copy_either);
  tcase_add_test(rows, windows_overlap);
  tcase_add_test(rows, rows_are_picked_by_number);
  tcase_add_test(rows, windows_are_picked_by_number);
  tcase_add_test(rows, bytes_become_centred_and_scaled_numbers_by_channel);
  tcase_add_test(rows, bytes_without_center_and_scale_are_themselves);
  tcase_add_test(rows, inputs_without_channels_have_one_center);
  TCase *trainer = suite_add_case(suite, "trainer");
  tcase_add_loop_test(trainer, a_trainer_does_not_care_how_its_rows_lie, 0, 2);
  tcase_add_loop_test(trainer, a_row_may_be_its_own_target, 0, 2 * sizeof coders / sizeof coders[0]);
  tcase_add_test(trainer, a_network_that_gives_other_than_it_takes_can_give_nothing_back);
  tcase_add_test(trainer, categories_have_no_part_in_the_absolute_error);
  tcase_add_test(trainer, training_on_bytes_allocates_what_was_measured_and_nothing_while_it_runs);
}

int main(void) { return suite_main("train_rows", add_cases); }
