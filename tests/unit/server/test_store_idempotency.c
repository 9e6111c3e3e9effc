/* idempotency.c: first answers, for a day. */
#include <stdlib.h>
#include <string.h>

#include "server/store/idempotency.h"
#include "tests/support/store_scene.h"
#include "tests/support/suite.h"

static struct store_scene scene;

static void begin(void) { store_scene_begin(&scene); }
static void end(void) { store_scene_end(&scene); }

static enum error_code insert(const char *key, const char *location) {
  struct idempotency_row row = {.key = strdup(key), .body_sha256 = "f00d", .status = 202, .body = strdup("{\"id\":1}")};
  row.location = location ? strdup(location) : NULL;
  enum error_code code = idempotency_insert(scene.store, &row, &scene.error);
  idempotency_row_deinit(&row);
  return code;
}

START_TEST(first_answer_comes_back) {
  ck_assert_int_eq(insert("POST /v1/jobs a", "/v1/jobs/x"), ERROR_NONE);
  ck_assert_int_eq(insert("POST /v1/jobs b", NULL), ERROR_NONE);
  struct idempotency_row found;
  ASSERT_OK(&scene, idempotency_get(scene.store, "POST /v1/jobs a", &found, &scene.error));
  ck_assert_str_eq(found.key, "POST /v1/jobs a");
  ck_assert_str_eq(found.body_sha256, "f00d");
  ck_assert_int_eq(found.status, 202);
  ck_assert_str_eq(found.location, "/v1/jobs/x");
  ck_assert_str_eq(found.body, "{\"id\":1}");
  idempotency_row_deinit(&found);
  ASSERT_OK(&scene, idempotency_get(scene.store, "POST /v1/jobs b", &found, &scene.error));
  ck_assert_ptr_null(found.location);
  idempotency_row_deinit(&found);
}
END_TEST

START_TEST(new_key_is_not_found) {
  struct idempotency_row found;
  ck_assert_int_eq(idempotency_get(scene.store, "POST /v1/jobs new", &found, &scene.error), ERROR_NOT_FOUND);
}
END_TEST

START_TEST(same_key_twice_is_a_conflict) {
  ck_assert_int_eq(insert("k", NULL), ERROR_NONE);
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "idempotency key", insert("k", NULL));
}
END_TEST

START_TEST(key_counts_for_a_day_and_is_then_removed) {
  ck_assert_int_eq(insert("old", NULL), ERROR_NONE);
  ck_assert_int_eq(insert("young", NULL), ERROR_NONE);
  store_scene_close(&scene);
  store_scene_execute(&scene, "UPDATE idempotency SET created_ms = created_ms - 24 * 3600000 WHERE key = 'old'");
  store_scene_execute(&scene, "UPDATE idempotency SET created_ms = created_ms - 23 * 3600000 WHERE key = 'young'");
  store_scene_reopen(&scene);
  struct idempotency_row found;
  ck_assert_int_eq(idempotency_get(scene.store, "old", &found, &scene.error), ERROR_NOT_FOUND);
  ASSERT_OK(&scene, idempotency_get(scene.store, "young", &found, &scene.error));
  idempotency_row_deinit(&found);
  ck_assert_int_eq(insert("another", NULL), ERROR_NONE);
  ck_assert_int_eq(store_scene_count(&scene, "idempotency"), 2);
  ck_assert_int_eq(insert("old", NULL), ERROR_NONE);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *idempotency = suite_add_case(suite, "idempotency");
  tcase_add_checked_fixture(idempotency, begin, end);
  tcase_add_test(idempotency, first_answer_comes_back);
  tcase_add_test(idempotency, new_key_is_not_found);
  tcase_add_test(idempotency, same_key_twice_is_a_conflict);
  tcase_add_test(idempotency, key_counts_for_a_day_and_is_then_removed);
}

int main(void) { return suite_main("store idempotency", add_cases); }
