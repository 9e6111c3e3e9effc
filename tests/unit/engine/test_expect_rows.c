/* The trainer tells ahead which rows it will take: each of an epoch once, before it is gathered, but for those of the first batch. */
#include <string.h>

#include "tests/support/suite.h"
#include "tests/support/train_scene.h"

enum { ROWS = TRAIN_SCENE_ROWS, EPOCHS = 3 };

struct told {
  size_t count[ROWS], total;
};

static void keep(void *context, const struct row_reader *reader, const uint32_t *rows, size_t count) {
  struct told *told = context;
  ck_assert_uint_gt(count, 0);
  for (size_t i = 0; i < count; i++) {
    ck_assert_uint_lt(rows[i], ROWS);
    ck_assert_ptr_eq(row_reader_locate(reader, rows[i]), reader->base + rows[i] * TRAIN_SCENE_INPUTS * sizeof(float));
    told->count[rows[i]]++;
  }
  told->total += count;
}

static const int64_t batch_sizes[] = {1, 7, 40, 64, 100, ROWS};

START_TEST(each_row_is_told_of_once_an_epoch) {
  struct told told = {0};
  struct train_scene scene;
  train_scene_init(&scene, "dense units=3 activation=softmax", TASK_CLASSIFICATION);
  scene.settings.batch_size = batch_sizes[_i];
  scene.settings.epochs = EPOCHS;
  scene.data.expect_rows = keep;
  scene.data.expect_context = &told;
  train_scene_start(&scene);
  train_scene_run(&scene);
  ck_assert_uint_eq(told.total, EPOCHS * (ROWS - (size_t)batch_sizes[_i]));
  for (size_t i = 0; i < ROWS; i++) ck_assert_uint_le(told.count[i], EPOCHS);
  train_scene_deinit(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "expect_rows");
  tcase_add_loop_test(test_case, each_row_is_told_of_once_an_epoch, 0, sizeof batch_sizes / sizeof batch_sizes[0]);
}

int main(void) { return suite_main("expect_rows", add_cases); }
