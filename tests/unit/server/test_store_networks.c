/* networks.c, page.c: insertion, names, lists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/networks.h"
#include "tests/support/store_scene.h"
#include "tests/support/suite.h"

static struct store_scene scene;

static void begin(void) { store_scene_begin(&scene); }
static void end(void) { store_scene_end(&scene); }

static struct network_row make_row(const char *name) {
  struct network_row row = {.spec_json = strdup("{\"layers\":[]}")};
  (void)snprintf(row.name, sizeof row.name, "%s", name);
  return row;
}

static enum error_code insert(const char *name) {
  struct network_row row = make_row(name);
  enum error_code code = networks_insert(scene.store, &row, &scene.error);
  network_row_deinit(&row);
  return code;
}

START_TEST(inserted_network_is_found_by_id_and_by_name) {
  struct network_row row = make_row("digits"), found;
  ASSERT_OK(&scene, networks_insert(scene.store, &row, &scene.error));
  ck_assert_int_eq(strncmp(row.id, "net_", 4), 0);
  ck_assert_int_gt(row.created_ms, 1600000000000);
  const char *keys[] = {row.id, "digits"};
  for (size_t i = 0; i < 2; i++) {
    ASSERT_OK(&scene, networks_get(scene.store, keys[i], &found, &scene.error));
    ck_assert_str_eq(found.id, row.id);
    ck_assert_str_eq(found.name, "digits");
    ck_assert_str_eq(found.spec_json, "{\"layers\":[]}");
    ck_assert_int_eq(found.created_ms, row.created_ms);
    network_row_deinit(&found);
  }
  network_row_deinit(&row);
}
END_TEST

START_TEST(network_survives_reopening) {
  ck_assert_int_eq(insert("kept"), ERROR_NONE);
  store_scene_reopen(&scene);
  struct network_row found;
  ASSERT_OK(&scene, networks_get(scene.store, "kept", &found, &scene.error));
  network_row_deinit(&found);
}
END_TEST

START_TEST(unknown_network_is_not_found) {
  struct network_row found;
  ASSERT_FAILS(&scene, ERROR_NOT_FOUND, "there is no network \"nobody\"", networks_get(scene.store, "nobody", &found, &scene.error));
  ASSERT_FAILS(&scene, ERROR_NOT_FOUND, "network", networks_get(scene.store, "net_0123456789abcdef", &found, &scene.error));
  ASSERT_FAILS(&scene, ERROR_NOT_FOUND, "no such network", networks_get(scene.store, "\xff/\n", &found, &scene.error));
  ASSERT_FAILS(&scene, ERROR_NOT_FOUND, "nobody", networks_delete(scene.store, "nobody", &scene.error));
}
END_TEST

START_TEST(taken_name_is_a_conflict) {
  ck_assert_int_eq(insert("digits"), ERROR_NONE);
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "a network named \"digits\" exists already", insert("digits"));
  ck_assert_int_eq(store_scene_count(&scene, "networks"), 1);
}
END_TEST

START_TEST(what_is_no_name_is_refused) { ASSERT_FAILS(&scene, ERROR_INVALID, "64 bytes", insert("a/b")); }
END_TEST

START_TEST(nameless_networks_are_numbered_around_taken_names) {
  ck_assert_int_eq(insert("network-2"), ERROR_NONE);
  struct network_row row = make_row("");
  ASSERT_OK(&scene, networks_insert(scene.store, &row, &scene.error));
  ck_assert_str_eq(row.name, "network-2-2");
  network_row_deinit(&row);
  row = make_row("");
  ASSERT_OK(&scene, networks_insert(scene.store, &row, &scene.error));
  ck_assert_str_eq(row.name, "network-3");
  network_row_deinit(&row);
}
END_TEST

START_TEST(number_of_a_deleted_network_is_not_used_again) {
  ck_assert_int_eq(insert(""), ERROR_NONE);
  ASSERT_OK(&scene, networks_delete(scene.store, "network-1", &scene.error));
  ck_assert_int_eq(insert(""), ERROR_NONE);
  struct network_row found;
  ck_assert_int_eq(networks_get(scene.store, "network-1", &found, &scene.error), ERROR_NOT_FOUND);
  ASSERT_OK(&scene, networks_get(scene.store, "network-2", &found, &scene.error));
  network_row_deinit(&found);
}
END_TEST

/* ---- lists ---- */

/* Names on a page, as "c b a"; the cursor moves on. */
static void list(struct store_page *page, char *out_names, size_t names_bytes) {
  struct network_row *rows;
  size_t count, used = 0;
  char next[sizeof page->cursor];
  ASSERT_OK(&scene, networks_list(scene.store, page, &rows, &count, next, &scene.error));
  out_names[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    used += (size_t)snprintf(out_names + used, names_bytes - used, "%s%s", i ? " " : "", rows[i].name);
    ck_assert_ptr_nonnull(rows[i].spec_json);
    network_row_deinit(&rows[i]);
  }
  free(rows);
  memcpy(page->cursor, next, sizeof next);
}

START_TEST(empty_list_has_no_further_page) {
  struct store_page page = {.limit = 10};
  char names[64];
  list(&page, names, sizeof names);
  ck_assert_str_eq(names, "");
  ck_assert_str_eq(page.cursor, "");
}
END_TEST

START_TEST(pages_are_newest_first_and_end) {
  for (const char *name = "abcde"; *name; name++) ck_assert_int_eq(insert((char[]){*name, '\0'}), ERROR_NONE);
  struct store_page page = {.limit = 2};
  char names[64];
  list(&page, names, sizeof names);
  ck_assert_str_eq(names, "e d");
  list(&page, names, sizeof names);
  ck_assert_str_eq(names, "c b");
  ck_assert_str_ne(page.cursor, "");
  list(&page, names, sizeof names);
  ck_assert_str_eq(names, "a");
  ck_assert_str_eq(page.cursor, "");
}
END_TEST

START_TEST(full_last_page_has_no_cursor) {
  ck_assert_int_eq(insert("a"), ERROR_NONE);
  ck_assert_int_eq(insert("b"), ERROR_NONE);
  struct store_page page = {.limit = 2};
  char names[64];
  list(&page, names, sizeof names);
  ck_assert_str_eq(names, "b a");
  ck_assert_str_eq(page.cursor, "");
}
END_TEST

START_TEST(pages_neither_lose_nor_repeat_while_rows_come_and_go) {
  for (const char *name = "abcd"; *name; name++) ck_assert_int_eq(insert((char[]){*name, '\0'}), ERROR_NONE);
  struct store_page page = {.limit = 2};
  char names[64];
  list(&page, names, sizeof names);
  ck_assert_str_eq(names, "d c");
  ck_assert_int_eq(insert("e"), ERROR_NONE);
  ASSERT_OK(&scene, networks_delete(scene.store, "c", &scene.error));
  list(&page, names, sizeof names);
  ck_assert_str_eq(names, "b a");
}
END_TEST

START_TEST(foreign_cursor_is_refused) {
  static const char *const cursors[] = {"x", "c", "c00000000000000001", "cffffffffffffffff", "c000000000000000g", "1 OR 1=1"};
  for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
    struct store_page page = {.limit = 2};
    (void)snprintf(page.cursor, sizeof page.cursor, "%s", cursors[i]);
    struct network_row *rows;
    size_t count;
    char next[sizeof page.cursor];
    ASSERT_FAILS(&scene, ERROR_MALFORMED, "cursor", networks_list(scene.store, &page, &rows, &count, next, &scene.error));
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *networks = suite_add_case(suite, "networks");
  tcase_add_checked_fixture(networks, begin, end);
  tcase_add_test(networks, inserted_network_is_found_by_id_and_by_name);
  tcase_add_test(networks, network_survives_reopening);
  tcase_add_test(networks, unknown_network_is_not_found);
  tcase_add_test(networks, taken_name_is_a_conflict);
  tcase_add_test(networks, what_is_no_name_is_refused);
  tcase_add_test(networks, nameless_networks_are_numbered_around_taken_names);
  tcase_add_test(networks, number_of_a_deleted_network_is_not_used_again);
  TCase *lists = suite_add_case(suite, "lists");
  tcase_add_checked_fixture(lists, begin, end);
  tcase_add_test(lists, empty_list_has_no_further_page);
  tcase_add_test(lists, pages_are_newest_first_and_end);
  tcase_add_test(lists, full_last_page_has_no_cursor);
  tcase_add_test(lists, pages_neither_lose_nor_repeat_while_rows_come_and_go);
  tcase_add_test(lists, foreign_cursor_is_refused);
}

int main(void) { return suite_main("store networks", add_cases); }
