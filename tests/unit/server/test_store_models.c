/* models.c, blobs.c: weights and the model they belong to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/blobs.h"
#include "tests/support/store_scene.h"
#include "tests/support/suite.h"

static struct store_scene scene;

static void begin(void) { store_scene_begin(&scene); }
static void end(void) { store_scene_end(&scene); }

/* ---- blobs ---- */

START_TEST(blobs_of_every_size_come_back) {
  static const size_t sizes[] = {0,      1, 4095, STORE_PIECE_BYTES - 1, STORE_PIECE_BYTES, STORE_PIECE_BYTES + 1, 2 * STORE_PIECE_BYTES,
                                 9000001};
  static const int64_t pieces[] = {0, 1, 1, 1, 1, 2, 2, 3};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    unsigned char *bytes = store_scene_make_bytes(sizes[i], i), *found = malloc(sizes[i] + 1);
    int64_t blob;
    size_t byte_count;
    ASSERT_OK(&scene, blobs_write(scene.store, bytes, sizes[i], &blob, &scene.error));
    ASSERT_OK(&scene, blobs_get_size(scene.store, blob, &byte_count, &scene.error));
    ck_assert_uint_eq(byte_count, sizes[i]);
    ASSERT_OK(&scene, blobs_read(scene.store, blob, 0, found, sizes[i], &scene.error));
    ck_assert(memcmp(bytes, found, sizes[i]) == 0);
    ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), pieces[i]);
    blobs_discard(scene.store, blob);
    ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), 0);
    ck_assert_int_eq(store_scene_count(&scene, "blobs"), 0);
    free(bytes);
    free(found);
  }
}
END_TEST

START_TEST(part_of_a_blob_is_read_across_pieces) {
  const size_t byte_count = 2 * STORE_PIECE_BYTES + 100, offset = STORE_PIECE_BYTES - 50;
  unsigned char *bytes = store_scene_make_bytes(byte_count, 3), found[200];
  int64_t blob;
  ASSERT_OK(&scene, blobs_write(scene.store, bytes, byte_count, &blob, &scene.error));
  ASSERT_OK(&scene, blobs_read(scene.store, blob, offset, found, 200, &scene.error));
  ck_assert(memcmp(bytes + offset, found, 200) == 0);
  ck_assert_int_eq(blobs_read(scene.store, blob, byte_count - 199, found, 200, &scene.error), ERROR_INTERNAL);
  ck_assert_int_eq(blobs_read(scene.store, blob, SIZE_MAX, found, 200, &scene.error), ERROR_INTERNAL);
  free(bytes);
}
END_TEST

START_TEST(unknown_blob_is_not_found) {
  size_t byte_count;
  char byte;
  ck_assert_int_eq(blobs_get_size(scene.store, 99, &byte_count, &scene.error), ERROR_NOT_FOUND);
  ck_assert_int_eq(blobs_read(scene.store, 99, 0, &byte, 1, &scene.error), ERROR_NOT_FOUND);
  blobs_discard(scene.store, 99);
  blobs_discard(scene.store, 0);
}
END_TEST

START_TEST(blob_that_is_referred_to_can_not_be_discarded) {
  char job[STORE_ID_BYTES];
  store_scene_insert_job(&scene, "j", 50, job);
  static const size_t sizes[] = {10, 9 << 20};
  for (size_t i = 0; i < 2; i++) {
    unsigned char *bytes = store_scene_make_bytes(sizes[i], 1);
    int64_t blob;
    ASSERT_OK(&scene, blobs_write(scene.store, bytes, sizes[i], &blob, &scene.error));
    free(bytes);
    ASSERT_OK(&scene, store_scene_commit(&scene, &(struct job_update){.job_id = job, .checkpoint_blob = &blob}));
    blobs_discard(scene.store, blob);
    ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), i == 0 ? 1 : 3);
    ck_assert_int_eq(store_scene_count(&scene, "leftovers"), 0);
  }
}
END_TEST

/* ---- models ---- */

static enum error_code train(const char *job_name, const char *model_name, int64_t weights_blob, struct model_row *out_model) {
  char job[STORE_ID_BYTES];
  store_scene_insert_job(&scene, job_name, 50, job);
  *out_model = (struct model_row){.weights_blob = weights_blob};
  (void)snprintf(out_model->name, sizeof out_model->name, "%s", model_name);
  struct job_update update = {.job_id = job, .sets_state = true, .state = JOB_SUCCEEDED, .model = out_model};
  return store_scene_commit(&scene, &update);
}

static int64_t write_weights(size_t byte_count) {
  unsigned char *bytes = store_scene_make_bytes(byte_count, 9);
  int64_t blob;
  ASSERT_OK(&scene, blobs_write(scene.store, bytes, byte_count, &blob, &scene.error));
  free(bytes);
  return blob;
}

START_TEST(model_takes_its_jobs_name_made_unique) {
  struct model_row model;
  static const char long_name[] = "0123456789012345678901234567890123456789012345678901234567890\xc3\xa9x"; /* 64 bytes */
  ASSERT_OK(&scene, train("digits", "", write_weights(8), &model));
  ck_assert_str_eq(model.name, "digits");
  ASSERT_OK(&scene, train("other", "digits", write_weights(8), &model));
  ck_assert_str_eq(model.name, "digits-2");
  ASSERT_OK(&scene, train("third", "digits", write_weights(8), &model));
  ck_assert_str_eq(model.name, "digits-3");
  ASSERT_OK(&scene, train(long_name, "", write_weights(8), &model));
  ck_assert_str_eq(model.name, long_name);
  ASSERT_OK(&scene, train("fifth", long_name, write_weights(8), &model));
  ck_assert_str_eq(model.name, "0123456789012345678901234567890123456789012345678901234567890-2");
}
END_TEST

START_TEST(weights_belong_to_one_model) {
  struct model_row model;
  int64_t blob = write_weights(8);
  ASSERT_OK(&scene, train("one", "", blob, &model));
  ck_assert_int_eq(train("two", "", blob, &model), ERROR_INTERNAL);
  ck_assert_int_eq(train("three", "", 99, &model), ERROR_INTERNAL);
  ck_assert_int_eq(store_scene_count(&scene, "models"), 1);
  ck_assert_int_eq(store_scene_ask(&scene, "SELECT count(*) FROM jobs WHERE state = 6"), 1);
}
END_TEST

START_TEST(models_are_listed_newest_first) {
  struct model_row model, *rows;
  size_t count;
  char next[sizeof(((struct store_page *)0)->cursor)];
  ASSERT_OK(&scene, train("one", "", write_weights(8), &model));
  ASSERT_OK(&scene, train("two", "", write_weights(8), &model));
  ASSERT_OK(&scene, models_list(scene.store, &(struct store_page){.limit = 5}, &rows, &count, next, &scene.error));
  ck_assert_uint_eq(count, 2);
  ck_assert_str_eq(rows[0].name, "two");
  ck_assert_str_eq(rows[1].name, "one");
  for (size_t i = 0; i < count; i++) model_row_deinit(&rows[i]);
  free(rows);
}
END_TEST

START_TEST(deleted_model_takes_its_weights_along) {
  struct model_row model;
  static const size_t sizes[] = {8, 9 << 20};
  for (size_t i = 0; i < 2; i++) {
    ASSERT_OK(&scene, train("", "m", write_weights(sizes[i]), &model));
    ASSERT_OK(&scene, models_delete(scene.store, i == 0 ? "m" : model.id, &scene.error));
    ck_assert_int_eq(store_scene_count(&scene, "models"), 0);
    ck_assert_int_eq(store_scene_count(&scene, "blobs"), 0);
    ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), 0);
    ck_assert_int_eq(store_scene_count(&scene, "leftovers"), 0);
  }
  ck_assert_int_eq(models_delete(scene.store, "m", &scene.error), ERROR_NOT_FOUND);
  ck_assert_int_eq(models_get(scene.store, "m", &model, &scene.error), ERROR_NOT_FOUND);
}
END_TEST

START_TEST(clearing_goes_on_at_the_next_opening) {
  struct model_row model;
  ASSERT_OK(&scene, train("", "m", write_weights(9 << 20), &model));
  store_scene_close(&scene);
  /* As a crash between the transaction and its clearing leaves it. */
  store_scene_execute(&scene, "INSERT INTO leftovers (kind, target) SELECT 0, weights_blob FROM models; DELETE FROM models;"
                              "INSERT INTO events (job, seq, kind, step, epoch, at_ms, data) VALUES (99, 1, 1, 0, 0, 0, '');"
                              "INSERT INTO leftovers (kind, target) VALUES (1, 99);"
                              "INSERT INTO leftovers (kind, target, file) VALUES (2, 0, 'gone.csv');");
  store_scene_make_file(&scene, "gone.csv");
  store_scene_reopen(&scene);
  ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), 0);
  ck_assert_int_eq(store_scene_count(&scene, "blobs"), 0);
  ck_assert_int_eq(store_scene_ask(&scene, "SELECT count(*) FROM events WHERE job = 99"), 0);
  ck_assert_int_eq(store_scene_count(&scene, "leftovers"), 0);
  ck_assert(!store_scene_has_file(&scene, "gone.csv"));
}
END_TEST

START_TEST(leftover_that_can_not_be_cleared_keeps_no_other_waiting) {
  struct model_row model;
  ASSERT_OK(&scene, train("", "m", write_weights(9 << 20), &model));
  /* A file's name that names a directory: it can't be unlinked. */
  store_scene_execute(&scene, "INSERT INTO leftovers (kind, target, file) VALUES (2, 0, '.')");
  ASSERT_OK(&scene, models_delete(scene.store, "m", &scene.error));
  ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), 0);
  ck_assert_int_eq(store_scene_count(&scene, "leftovers"), 1);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *blobs = suite_add_case(suite, "blobs");
  tcase_add_checked_fixture(blobs, begin, end);
  tcase_add_test(blobs, blobs_of_every_size_come_back);
  tcase_add_test(blobs, part_of_a_blob_is_read_across_pieces);
  tcase_add_test(blobs, unknown_blob_is_not_found);
  tcase_add_test(blobs, blob_that_is_referred_to_can_not_be_discarded);
  TCase *models = suite_add_case(suite, "models");
  tcase_add_checked_fixture(models, begin, end);
  tcase_add_test(models, model_takes_its_jobs_name_made_unique);
  tcase_add_test(models, weights_belong_to_one_model);
  tcase_add_test(models, models_are_listed_newest_first);
  tcase_add_test(models, deleted_model_takes_its_weights_along);
  tcase_add_test(models, clearing_goes_on_at_the_next_opening);
  tcase_add_test(models, leftover_that_can_not_be_cleared_keeps_no_other_waiting);
}

int main(void) { return suite_main("store models", add_cases); }
