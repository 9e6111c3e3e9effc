/* datasets.c: what is known of a file, and the file's end. */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/assets.h"
#include "server/store/datasets.h"
#include "tests/support/store_scene.h"
#include "tests/support/suite.h"

static struct store_scene scene;

static void begin(void) { store_scene_begin(&scene); }
static void end(void) { store_scene_end(&scene); }

/* Two columns (a number, a category with three values), two bad rows, an index of three entries, and its file. */
static struct dataset_row make_row(const char *name, const char *file) {
  struct dataset_row row = {.sha256 = "abc", .bytes = 1234, .rows = 50, .delimiter = ';', .has_header = true, .index_stride = 20};
  (void)snprintf(row.name, sizeof row.name, "%s", name);
  (void)snprintf(row.file, sizeof row.file, "%s", file);
  (void)snprintf(row.tensor_file, sizeof row.tensor_file, "%s.tensors", file);
  row.record_bytes = 12;
  row.table_bytes = 99;
  row.column_count = 2;
  row.columns = calloc(2, sizeof *row.columns);
  row.columns[0] = (struct dataset_column){.name = strdup("x"), .kind = COLUMN_NUMERIC, .can_be_numeric = true, .missing = 3};
  row.columns[0].min = -1.5;
  row.columns[0].max = 1e300;
  row.columns[0].mean = 0.1;
  row.columns[0].std = 2;
  row.columns[1] = (struct dataset_column){.name = strdup("Größe \"y\""), .kind = COLUMN_CATEGORICAL, .has_categories = true};
  row.columns[1].datetime_form = 6;
  row.columns[1].min = row.columns[1].max = row.columns[1].mean = row.columns[1].std = NAN;
  row.columns[1].category_count = 3;
  row.columns[1].categories = calloc(3, sizeof *row.columns[1].categories);
  for (size_t i = 0; i < 3; i++)
    row.columns[1].categories[i] = (struct category){.value = strdup((char[]){(char)('a' + i), 0}), .count = i};
  row.columns[0].rank = 2;
  row.columns[0].sizes[0] = 1;
  row.columns[0].sizes[1] = 3;
  row.columns[0].element = ELEMENT_FLOAT32;
  row.columns[1].says_part = true;
  row.bad_row_count = 7;
  row.bad_rows_kept = 2;
  row.bad_rows = calloc(2, sizeof *row.bad_rows);
  row.bad_rows[0] = (struct bad_row){.line = 5, .reason = strdup("has 5 cells, the header has 4")};
  row.bad_rows[1] = (struct bad_row){.line = 9, .reason = strdup("ends within quotes")};
  row.index_count = 3;
  row.index = calloc(3, sizeof *row.index);
  row.index[1] = 0x123456789a;
  row.index[2] = 0xfffffffffffffffe;
  store_scene_make_file(&scene, row.file);
  store_scene_make_file(&scene, row.tensor_file);
  return row;
}

static void insert(const char *name, const char *file, char out_id[STORE_ID_BYTES]) {
  struct dataset_row row = make_row(name, file);
  ASSERT_OK(&scene, datasets_insert(scene.store, &row, &scene.error));
  memcpy(out_id, row.id, STORE_ID_BYTES);
  dataset_row_deinit(&row);
}

static void assert_columns_equal(const struct dataset_column *a, const struct dataset_column *b) {
  ck_assert_str_eq(a->name, b->name);
  ck_assert_int_eq(a->kind, b->kind);
  ck_assert_int_eq(a->can_be_numeric, b->can_be_numeric);
  ck_assert_int_eq(a->is_integral, b->is_integral);
  ck_assert_uint_eq(a->missing, b->missing);
  ck_assert(isnan(a->min) ? isnan(b->min) : a->min == b->min);
  ck_assert(isnan(a->max) ? isnan(b->max) : a->max == b->max);
  ck_assert(isnan(a->mean) ? isnan(b->mean) : a->mean == b->mean);
  ck_assert(isnan(a->std) ? isnan(b->std) : a->std == b->std);
  ck_assert_int_eq(a->has_categories, b->has_categories);
  ck_assert_int_eq(a->datetime_form, b->datetime_form);
  ck_assert_uint_eq(a->rank, b->rank);
  ck_assert_mem_eq(a->sizes, b->sizes, sizeof a->sizes);
  ck_assert_int_eq(a->element, b->element);
  ck_assert_int_eq(a->says_part, b->says_part);
}

START_TEST(everything_about_a_dataset_comes_back) {
  struct dataset_row row = make_row("digits", "f.csv"), found;
  ASSERT_OK(&scene, datasets_insert(scene.store, &row, &scene.error));
  ASSERT_OK(&scene, datasets_get(scene.store, "digits", &found, &scene.error));
  ck_assert_str_eq(found.id, row.id);
  ck_assert_str_eq(found.file, "f.csv");
  ck_assert_str_eq(found.sha256, "abc");
  ck_assert_uint_eq(found.bytes, 1234);
  ck_assert_str_eq(found.tensor_file, "f.csv.tensors");
  ck_assert_uint_eq(found.record_bytes, 12);
  ck_assert_uint_eq(found.table_bytes, 99);
  ck_assert_uint_eq(found.rows, 50);
  ck_assert_int_eq(found.delimiter, ';');
  ck_assert(found.has_header);
  ck_assert_uint_eq(found.index_stride, 20);
  ck_assert_uint_eq(found.bad_row_count, 7);
  ck_assert_uint_eq(found.column_count, 2);
  for (size_t i = 0; i < 2; i++) assert_columns_equal(&row.columns[i], &found.columns[i]);
  ck_assert_uint_eq(found.columns[0].category_count, 0);
  ck_assert_uint_eq(found.columns[1].category_count, 3);
  ck_assert_str_eq(found.columns[1].categories[2].value, "c");
  ck_assert_uint_eq(found.columns[1].categories[2].count, 2);
  ck_assert_uint_eq(found.bad_rows_kept, 2);
  ck_assert_uint_eq(found.bad_rows[1].line, 9);
  ck_assert_str_eq(found.bad_rows[1].reason, "ends within quotes");
  ck_assert_uint_eq(found.index_count, 3);
  ck_assert_mem_eq(found.index, row.index, 3 * sizeof *row.index);
  dataset_row_deinit(&found);
  dataset_row_deinit(&row);
}
END_TEST

static void apply(sqlite3 *db, const char *migration) {
  const struct asset *asset = assets_find(migration);
  ck_assert_ptr_nonnull(asset);
  char *message = NULL;
  sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
  sqlite3_exec(db, (const char *)asset->bytes, NULL, NULL, &message);
  ck_assert_msg(message == NULL, "%s: %s", migration, message);
  ck_assert_int_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
}

static int count_rows(void *context, int column_count, char **values, char **names) {
  (void)names;
  ck_assert_int_eq(column_count, 1);
  *(int *)context = atoi(values[0]);
  return 0;
}

static int ask(sqlite3 *db, const char *sql) {
  int number = -1;
  ck_assert_int_eq(sqlite3_exec(db, sql, count_rows, &number, NULL), SQLITE_OK);
  return number;
}

/* Foreign keys are on, as in the server: dropping a table deletes from those that refer to it. */
START_TEST(tables_that_are_made_anew_keep_what_older_ones_held) {
  sqlite3 *db;
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL);
  apply(db, "migrations/0001_tables.sql");
  static const char *const rows[] = {
      "INSERT INTO datasets VALUES (1, 'ds_1', 'old', 'f.csv', 'abc', 1, 1, 44, 1, 0, 64, x'00', 1)",
      "INSERT INTO dataset_columns VALUES (1, 0, 'a', 0, 1, 1, 0, 1, 2, 1.5, 0.5, 1), (1, 1, 'b', 3, 0, 0, 0, NULL, NULL, NULL, NULL, 1)",
      "INSERT INTO dataset_categories VALUES (1, 0, 0, '1', 1), (1, 0, 1, '2', 1), (1, 1, 0, 'x', 2)"};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) ck_assert_int_eq(sqlite3_exec(db, rows[i], NULL, NULL, NULL), SQLITE_OK);
  apply(db, "migrations/0004_datetime.sql");
  ck_assert_int_eq(ask(db, "SELECT count(*) FROM dataset_columns WHERE datetime_form = 0"), 2);
  ck_assert_int_eq(ask(db, "SELECT kind FROM dataset_columns WHERE name = 'b'"), 3);
  ck_assert_int_eq(ask(db, "SELECT count(*) FROM dataset_categories"), 3);
  ck_assert_int_eq(sqlite3_exec(db, "DELETE FROM datasets", NULL, NULL, NULL), SQLITE_OK); /* the references are as they were */
  ck_assert_int_eq(ask(db, "SELECT count(*) FROM dataset_categories"), 0);
  sqlite3_close(db);
}
END_TEST

START_TEST(nameless_dataset_gets_a_name_and_a_taken_one_is_a_conflict) {
  char id[STORE_ID_BYTES];
  insert("", "f1.csv", id);
  struct dataset_row row = make_row("dataset-1", "f2.csv");
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "a dataset named \"dataset-1\" exists already", datasets_insert(scene.store, &row, &scene.error));
  dataset_row_deinit(&row);
  ck_assert_int_eq(store_scene_count(&scene, "dataset_columns"), 2);
}
END_TEST

START_TEST(list_has_columns_but_no_categories) {
  char id[STORE_ID_BYTES], next[sizeof(((struct store_page *)0)->cursor)];
  insert("one", "f1.csv", id);
  insert("two", "f2.csv", id);
  struct dataset_row *rows;
  size_t count;
  ASSERT_OK(&scene, datasets_list(scene.store, &(struct store_page){.limit = 10}, &rows, &count, next, &scene.error));
  ck_assert_uint_eq(count, 2);
  ck_assert_str_eq(rows[0].name, "two");
  ck_assert_str_eq(rows[1].name, "one");
  ck_assert_uint_eq(rows[1].column_count, 2);
  ck_assert_ptr_null(rows[1].columns[1].categories);
  ck_assert_ptr_null(rows[1].bad_rows);
  ck_assert_ptr_null(rows[1].index);
  for (size_t i = 0; i < count; i++) dataset_row_deinit(&rows[i]);
  free(rows);
}
END_TEST

START_TEST(update_renames_and_sets_kinds) {
  char id[STORE_ID_BYTES];
  insert("old", "f.csv", id);
  const struct column_change change = {.column = 0, .kind = COLUMN_CATEGORICAL};
  ASSERT_OK(&scene, datasets_update(scene.store, id, "new", &change, 1, &scene.error));
  struct dataset_row found;
  ck_assert_int_eq(datasets_get(scene.store, "old", &found, &scene.error), ERROR_NOT_FOUND);
  ASSERT_OK(&scene, datasets_get(scene.store, "new", &found, &scene.error));
  ck_assert_int_eq(found.columns[0].kind, COLUMN_CATEGORICAL);
  dataset_row_deinit(&found);
}
END_TEST

START_TEST(update_that_can_not_be_whole_changes_nothing) {
  char id[STORE_ID_BYTES];
  insert("taken", "f1.csv", id);
  insert("old", "f2.csv", id);
  const struct column_change changes[] = {{.column = 0, .kind = COLUMN_TEXT}, {.column = 2, .kind = COLUMN_TEXT}};
  ASSERT_FAILS(&scene, ERROR_INVALID, "no column 2", datasets_update(scene.store, id, "new", changes, 2, &scene.error));
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "exists already", datasets_update(scene.store, id, "taken", changes, 1, &scene.error));
  struct dataset_row found;
  ASSERT_OK(&scene, datasets_get(scene.store, "old", &found, &scene.error));
  ck_assert_int_eq(found.columns[0].kind, COLUMN_NUMERIC);
  dataset_row_deinit(&found);
  ASSERT_OK(&scene, datasets_update(scene.store, id, "old", NULL, 0, &scene.error));
}
END_TEST

START_TEST(deleted_dataset_leaves_no_row_and_no_file) {
  char id[STORE_ID_BYTES];
  insert("gone", "f.csv", id);
  ASSERT_OK(&scene, datasets_delete(scene.store, "gone", &scene.error));
  static const char *const tables[] = {"datasets", "dataset_columns", "dataset_categories", "dataset_bad_rows", "leftovers"};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) ck_assert_int_eq(store_scene_count(&scene, tables[i]), 0);
  ck_assert(!store_scene_has_file(&scene, "f.csv"));
  ck_assert(!store_scene_has_file(&scene, "f.csv.tensors"));
  ASSERT_FAILS(&scene, ERROR_NOT_FOUND, "gone", datasets_delete(scene.store, "gone", &scene.error));
}
END_TEST

START_TEST(deletion_that_is_rolled_back_keeps_the_file) {
  char id[STORE_ID_BYTES];
  insert("kept", "f.csv", id);
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ASSERT_OK(&scene, datasets_delete(scene.store, id, &scene.error));
  store_rollback(scene.store);
  ck_assert(store_scene_has_file(&scene, "f.csv"));
  ck_assert(store_scene_has_file(&scene, "f.csv.tensors"));
  ck_assert_int_eq(store_scene_count(&scene, "datasets"), 1);
}
END_TEST

START_TEST(opening_keeps_files_with_a_row) {
  char id[STORE_ID_BYTES];
  insert("kept", "f.csv", id);
  store_scene_make_file(&scene, "f.csv.tmp");
  store_scene_make_file(&scene, ".f.tensors.part");
  store_scene_reopen(&scene);
  ck_assert(store_scene_has_file(&scene, "f.csv"));
  ck_assert(store_scene_has_file(&scene, "f.csv.tensors"));
  ck_assert(!store_scene_has_file(&scene, "f.csv.tmp"));
  ck_assert(!store_scene_has_file(&scene, ".f.tensors.part"));
}
END_TEST

/* A queued job on the dataset. */
static void insert_job(const char *name, const char *dataset, const char *test_dataset, char out_id[STORE_ID_BYTES]) {
  struct job_row job = {.spec_json = strdup("{}"), .network_json = strdup("{}")};
  (void)snprintf(job.name, sizeof job.name, "%s", name);
  (void)snprintf(job.dataset_id, sizeof job.dataset_id, "%s", dataset);
  (void)snprintf(job.test_dataset_id, sizeof job.test_dataset_id, "%s", test_dataset);
  ASSERT_OK(&scene, jobs_insert(scene.store, &job, "{}", &scene.error));
  memcpy(out_id, job.id, STORE_ID_BYTES);
  job_row_deinit(&job);
}

START_TEST(dataset_of_unfinished_jobs_stays_as_it_is) {
  char train[STORE_ID_BYTES], test[STORE_ID_BYTES], job[STORE_ID_BYTES];
  insert("train", "f1.csv", train);
  insert("test", "f2.csv", test);
  insert_job("busy", train, test, job);
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "1 unfinished job uses the dataset \"train\", which can't be deleted meanwhile: \"busy\"",
               datasets_delete(scene.store, train, &scene.error));
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "\"busy\"", datasets_delete(scene.store, test, &scene.error));
  const struct column_change change = {.column = 0, .kind = COLUMN_TEXT}, same = {.column = 0, .kind = COLUMN_NUMERIC};
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "\"busy\"", datasets_update(scene.store, train, NULL, &change, 1, &scene.error));
  ASSERT_OK(&scene, datasets_update(scene.store, train, "renamed", &same, 1, &scene.error));
  struct job_update finish = {.job_id = job, .sets_state = true, .state = JOB_CANCELLED, .stop_reason = "cancelled"};
  ASSERT_OK(&scene, store_scene_commit(&scene, &finish));
  ASSERT_OK(&scene, datasets_delete(scene.store, train, &scene.error));
  ck_assert(!store_scene_has_file(&scene, "f1.csv"));
}
END_TEST

START_TEST(job_on_a_deleted_dataset_is_refused) {
  struct job_row job = {.spec_json = strdup("{}"), .network_json = strdup("{}"), .dataset_id = "data_0123456789abcdef"};
  ASSERT_FAILS(&scene, ERROR_NOT_FOUND, "dataset", jobs_insert(scene.store, &job, "{}", &scene.error));
  ck_assert_int_eq(store_scene_count(&scene, "jobs"), 0);
  job_row_deinit(&job);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *datasets = suite_add_case(suite, "datasets");
  tcase_add_checked_fixture(datasets, begin, end);
  tcase_add_test(datasets, everything_about_a_dataset_comes_back);
  tcase_add_test(datasets, tables_that_are_made_anew_keep_what_older_ones_held);
  tcase_add_test(datasets, nameless_dataset_gets_a_name_and_a_taken_one_is_a_conflict);
  tcase_add_test(datasets, list_has_columns_but_no_categories);
  tcase_add_test(datasets, update_renames_and_sets_kinds);
  tcase_add_test(datasets, update_that_can_not_be_whole_changes_nothing);
  tcase_add_test(datasets, deleted_dataset_leaves_no_row_and_no_file);
  tcase_add_test(datasets, deletion_that_is_rolled_back_keeps_the_file);
  tcase_add_test(datasets, opening_keeps_files_with_a_row);
  tcase_add_test(datasets, dataset_of_unfinished_jobs_stays_as_it_is);
  tcase_add_test(datasets, job_on_a_deleted_dataset_is_refused);
}

int main(void) { return suite_main("store datasets", add_cases); }
