/* store.c, names.c, migrate.c, sweep.c: opening, transactions, names, migrations, what is cleared away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/store/blobs.h"
#include "server/store/idempotency.h"
#include "server/store/networks.h"
#include "tests/support/store_scene.h"
#include "tests/support/suite.h"

static struct store_scene scene;

static void begin(void) { store_scene_begin(&scene); }
static void end(void) { store_scene_end(&scene); }

static enum error_code insert_network(const char *name) {
  struct network_row row = {.spec_json = strdup("{}")};
  (void)snprintf(row.name, sizeof row.name, "%s", name);
  enum error_code code = networks_insert(scene.store, &row, &scene.error);
  network_row_deinit(&row);
  return code;
}

static bool has_network(const char *name) {
  struct network_row row;
  struct error error = {0};
  enum error_code code = networks_get(scene.store, name, &row, &error);
  network_row_deinit(&row);
  return code == ERROR_NONE;
}

/* ---- opening ---- */

START_TEST(new_database_has_wal_full_sync_and_incremental_vacuum) {
  ck_assert_int_eq(store_scene_ask(&scene, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
  ck_assert_int_eq(store_scene_ask(&scene, "PRAGMA auto_vacuum"), 2);
  ck_assert_str_eq(store_get_data_dir(scene.store), scene.dir);
  store_scene_assert_whole(&scene);
}
END_TEST

START_TEST(database_and_directories_are_the_owners_alone) {
  char path[64];
  struct stat status;
  (void)snprintf(path, sizeof path, "%s/backpropd.db", scene.dir);
  ck_assert_int_eq(stat(path, &status), 0);
  ck_assert_uint_eq(status.st_mode & 0777, 0600);
  (void)snprintf(path, sizeof path, "%s/datasets", scene.dir);
  ck_assert_int_eq(stat(path, &status), 0);
  ck_assert_uint_eq(status.st_mode & 0777, 0700);
}
END_TEST

START_TEST(missing_directories_are_created) {
  char path[64];
  (void)snprintf(path, sizeof path, "%s/a/b", scene.dir);
  struct store *store;
  ASSERT_OK(&scene, store_open(path, &store, &scene.error));
  store_close(store);
}
END_TEST

START_TEST(second_opening_is_refused_and_names_the_directory) {
  struct store *second;
  ASSERT_FAILS(&scene, ERROR_CONFLICT, scene.dir, store_open(scene.dir, &second, &scene.error));
  ck_assert_ptr_null(second);
  ck_assert_int_eq(insert_network("still works"), ERROR_NONE);
}
END_TEST

START_TEST(another_process_is_refused_too) {
  pid_t child = fork();
  if (child == 0) {
    struct store *second;
    struct error error = {0};
    _exit(store_open(scene.dir, &second, &error) == ERROR_CONFLICT ? 0 : 1);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(file_in_place_of_the_directory_is_an_error) {
  char path[64];
  (void)snprintf(path, sizeof path, "%s/backpropd.db", scene.dir);
  struct store *store;
  ck_assert_int_eq(store_open(path, &store, &scene.error), ERROR_INTERNAL);
}
END_TEST

START_TEST(file_that_is_no_database_is_refused) {
  store_scene_close(&scene);
  char path[64];
  (void)snprintf(path, sizeof path, "%s/backpropd.db", scene.dir);
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  for (int i = 0; i < 1000; i++) (void)fputs("no database", file);
  (void)fclose(file);
  ASSERT_FAILS(&scene, ERROR_INTERNAL, "database", store_open(scene.dir, &scene.store, &scene.error));
}
END_TEST

START_TEST(closing_leaves_no_wal_behind) {
  ck_assert_int_eq(insert_network("x"), ERROR_NONE);
  store_scene_close(&scene);
  char path[64];
  (void)snprintf(path, sizeof path, "%s/backpropd.db-wal", scene.dir);
  ck_assert_int_ne(access(path, F_OK), 0);
  store_scene_reopen(&scene);
  ck_assert(has_network("x"));
}
END_TEST

START_TEST(open_store_can_be_checked) { ASSERT_OK(&scene, store_check(scene.store, &scene.error)); }
END_TEST

/* ---- migrations ---- */

START_TEST(migrations_are_recorded_and_not_repeated) {
  int64_t applied = store_scene_count(&scene, "migrations");
  ck_assert_int_ge(applied, 1);
  ck_assert_int_eq(insert_network("kept"), ERROR_NONE);
  store_scene_reopen(&scene);
  ck_assert_int_eq(store_scene_count(&scene, "migrations"), applied);
  ck_assert(has_network("kept"));
}
END_TEST

START_TEST(database_of_a_newer_program_is_refused) {
  store_scene_close(&scene);
  store_scene_execute(&scene, "INSERT INTO migrations VALUES (9000, '9000_future.sql', '', 0)");
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "newer", store_open(scene.dir, &scene.store, &scene.error));
}
END_TEST

START_TEST(database_with_other_migrations_is_refused) {
  store_scene_close(&scene);
  store_scene_execute(&scene, "UPDATE migrations SET sha256 = 'other' WHERE number = 1");
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "0001_tables.sql", store_open(scene.dir, &scene.store, &scene.error));
}
END_TEST

/* ---- transactions ---- */

START_TEST(writes_between_begin_and_commit_are_there_together) {
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ck_assert_int_eq(insert_network("one"), ERROR_NONE);
  ck_assert_int_eq(insert_network("two"), ERROR_NONE);
  ck_assert_int_eq(store_scene_count(&scene, "networks"), 0);
  ASSERT_OK(&scene, store_commit(scene.store, &scene.error));
  ck_assert_int_eq(store_scene_count(&scene, "networks"), 2);
}
END_TEST

START_TEST(transaction_reads_what_it_wrote) {
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ck_assert_int_eq(insert_network("one"), ERROR_NONE);
  ck_assert(has_network("one"));
  store_rollback(scene.store);
  ck_assert(!has_network("one"));
}
END_TEST

START_TEST(rollback_undoes_everything) {
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ck_assert_int_eq(insert_network("one"), ERROR_NONE);
  int64_t blob;
  ASSERT_OK(&scene, blobs_write(scene.store, "abc", 3, &blob, &scene.error));
  store_rollback(scene.store);
  ck_assert_int_eq(store_scene_count(&scene, "networks"), 0);
  ck_assert_int_eq(store_scene_count(&scene, "blobs"), 0);
}
END_TEST

START_TEST(failed_function_undoes_only_itself) {
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ck_assert_int_eq(insert_network("one"), ERROR_NONE);
  ck_assert_int_eq(insert_network("one"), ERROR_CONFLICT);
  ck_assert_int_eq(insert_network("two"), ERROR_NONE);
  ASSERT_OK(&scene, store_commit(scene.store, &scene.error));
  ck_assert_int_eq(store_scene_count(&scene, "networks"), 2);
}
END_TEST

START_TEST(begin_within_begin_is_undone_alone_or_with_all) {
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ck_assert_int_eq(insert_network("outer"), ERROR_NONE);
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ck_assert_int_eq(insert_network("inner undone"), ERROR_NONE);
  store_rollback(scene.store);
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ck_assert_int_eq(insert_network("inner kept"), ERROR_NONE);
  ASSERT_OK(&scene, store_commit(scene.store, &scene.error));
  ASSERT_OK(&scene, store_commit(scene.store, &scene.error));
  ck_assert(has_network("outer"));
  ck_assert(!has_network("inner undone"));
  ck_assert(has_network("inner kept"));
}
END_TEST

START_TEST(row_and_its_idempotency_record_are_there_together) {
  struct idempotency_row record = {.key = strdup("POST /v1/networks k"), .body_sha256 = "00", .status = 201, .body = strdup("{}")};
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ck_assert_int_eq(insert_network("n"), ERROR_NONE);
  ASSERT_OK(&scene, idempotency_insert(scene.store, &record, &scene.error));
  store_rollback(scene.store);
  ck_assert_int_eq(store_scene_count(&scene, "idempotency"), 0);
  ck_assert_int_eq(store_scene_count(&scene, "networks"), 0);
  idempotency_row_deinit(&record);
}
END_TEST

/* ---- ids and names ---- */

START_TEST(ids_have_their_prefix_and_differ) {
  char one[STORE_ID_BYTES], two[STORE_ID_BYTES];
  store_make_id("job", one);
  store_make_id("job", two);
  ck_assert_uint_eq(strlen(one), 20);
  ck_assert_int_eq(strncmp(one, "job_", 4), 0);
  ck_assert_str_ne(one, two);
  ck_assert(!store_is_name(one));
}
END_TEST

START_TEST(names_are_short_clean_utf8) {
  static const char *const good[] = {
      "a", "digits-mlp", "a b", "Größe", "日本", "😀", "...", ".a", "job_12", "job_3f9a3f9a3f9a3f9", "x_0123456789abcdefg"};
  static const char *const bad[] = {"",
                                    " a",
                                    "a ",
                                    "a/b",
                                    "a\\b",
                                    ".",
                                    "..",
                                    "a\nb",
                                    "a\x7f",
                                    "\xc2\x85",
                                    "\xff",
                                    "a\xc3",
                                    "\xc0\xaf",
                                    "\xed\xa0\x80",
                                    "\xf4\x90\x80\x80",
                                    "net_0123456789abcdef"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) ck_assert_msg(store_is_name(good[i]), "%s", good[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert_msg(!store_is_name(bad[i]), "%zu", i);
  char name[LIMIT_NAME_BYTES + 2];
  memset(name, 'x', sizeof name);
  name[LIMIT_NAME_BYTES + 1] = '\0';
  ck_assert(!store_is_name(name));
  name[LIMIT_NAME_BYTES] = '\0';
  ck_assert(store_is_name(name));
}
END_TEST

/* ---- clearing away ---- */

START_TEST(opening_removes_dataset_files_without_a_row) {
  store_scene_make_file(&scene, "upload-1.tmp");
  store_scene_make_file(&scene, "0123.csv");
  store_scene_reopen(&scene);
  ck_assert(!store_scene_has_file(&scene, "upload-1.tmp"));
  ck_assert(!store_scene_has_file(&scene, "0123.csv"));
}
END_TEST

START_TEST(opening_removes_blobs_that_nothing_refers_to) {
  unsigned char *bytes = store_scene_make_bytes(9 << 20, 1);
  int64_t blob;
  ASSERT_OK(&scene, blobs_write(scene.store, bytes, 9 << 20, &blob, &scene.error));
  free(bytes);
  ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), 3);
  store_scene_reopen(&scene);
  ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), 0);
  ck_assert_int_eq(store_scene_count(&scene, "blobs"), 0);
  ck_assert_int_eq(store_scene_count(&scene, "leftovers"), 0);
  ck_assert_int_lt(store_scene_ask(&scene, "PRAGMA page_count"), 200);
}
END_TEST

START_TEST(vacuum_returns_pages_to_the_file_system) {
  unsigned char *bytes = store_scene_make_bytes(20 << 20, 1);
  int64_t blob;
  ASSERT_OK(&scene, blobs_write(scene.store, bytes, 20 << 20, &blob, &scene.error));
  free(bytes);
  char path[64];
  struct stat status;
  (void)snprintf(path, sizeof path, "%s/backpropd.db", scene.dir);
  blobs_discard(scene.store, blob);
  ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), 0);
  ck_assert_int_gt(store_scene_ask(&scene, "PRAGMA freelist_count"), 4000);
  store_vacuum(scene.store);
  ck_assert_int_eq(store_scene_ask(&scene, "PRAGMA freelist_count"), 0);
  ck_assert_int_eq(stat(path, &status), 0);
  ck_assert_int_lt(status.st_size, 1 << 20);
  (void)snprintf(path, sizeof path, "%s/backpropd.db-wal", scene.dir);
  ck_assert_int_eq(stat(path, &status), 0);
  ck_assert_int_eq(status.st_size, 0);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *opening = suite_add_case(suite, "opening");
  tcase_add_checked_fixture(opening, begin, end);
  tcase_add_test(opening, new_database_has_wal_full_sync_and_incremental_vacuum);
  tcase_add_test(opening, database_and_directories_are_the_owners_alone);
  tcase_add_test(opening, missing_directories_are_created);
  tcase_add_test(opening, second_opening_is_refused_and_names_the_directory);
  tcase_add_test(opening, another_process_is_refused_too);
  tcase_add_test(opening, file_in_place_of_the_directory_is_an_error);
  tcase_add_test(opening, file_that_is_no_database_is_refused);
  tcase_add_test(opening, closing_leaves_no_wal_behind);
  tcase_add_test(opening, open_store_can_be_checked);
  tcase_add_test(opening, migrations_are_recorded_and_not_repeated);
  tcase_add_test(opening, database_of_a_newer_program_is_refused);
  tcase_add_test(opening, database_with_other_migrations_is_refused);
  TCase *transactions = suite_add_case(suite, "transactions");
  tcase_add_checked_fixture(transactions, begin, end);
  tcase_add_test(transactions, writes_between_begin_and_commit_are_there_together);
  tcase_add_test(transactions, transaction_reads_what_it_wrote);
  tcase_add_test(transactions, rollback_undoes_everything);
  tcase_add_test(transactions, failed_function_undoes_only_itself);
  tcase_add_test(transactions, begin_within_begin_is_undone_alone_or_with_all);
  tcase_add_test(transactions, row_and_its_idempotency_record_are_there_together);
  TCase *names = suite_add_case(suite, "names");
  tcase_add_test(names, ids_have_their_prefix_and_differ);
  tcase_add_test(names, names_are_short_clean_utf8);
  TCase *clearing = suite_add_case(suite, "clearing away");
  tcase_add_checked_fixture(clearing, begin, end);
  tcase_add_test(clearing, opening_removes_dataset_files_without_a_row);
  tcase_add_test(clearing, opening_removes_blobs_that_nothing_refers_to);
  tcase_add_test(clearing, vacuum_returns_pages_to_the_file_system);
}

int main(void) { return suite_main("store", add_cases); }
