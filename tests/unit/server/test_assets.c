/* server/embed.sh, assets.h: files compiled into the program. */
#include <stdio.h>
#include <string.h>

#include "server/assets.h"
#include "tests/support/suite.h"

START_TEST(first_migration_is_compiled_in_whole) {
  const struct asset *asset = assets_find("migrations/0001_tables.sql");
  ck_assert_ptr_nonnull(asset);
  FILE *file = fopen("migrations/0001_tables.sql", "rb");
  if (!file) return; /* run from elsewhere than the repository's root */
  char bytes[65536];
  size_t byte_count = fread(bytes, 1, sizeof bytes, file);
  (void)fclose(file);
  ck_assert_uint_eq(asset->byte_count, byte_count);
  ck_assert_int_eq(memcmp(asset->bytes, bytes, byte_count), 0);
  ck_assert_int_eq(asset->bytes[byte_count], 0);
}
END_TEST

START_TEST(every_asset_is_found_by_its_path_and_they_are_sorted) {
  size_t count;
  const struct asset *assets = assets_get(&count);
  ck_assert_uint_ge(count, 1);
  for (size_t i = 0; i < count; i++) {
    ck_assert_ptr_eq(assets_find(assets[i].path), &assets[i]);
    if (i > 0) ck_assert_int_lt(strcmp(assets[i - 1].path, assets[i].path), 0);
  }
}
END_TEST

START_TEST(unknown_path_is_not_found) {
  ck_assert_ptr_null(assets_find("migrations/9999_none.sql"));
  ck_assert_ptr_null(assets_find(""));
  ck_assert_ptr_null(assets_find("zzz"));
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *assets = suite_add_case(suite, "assets");
  tcase_add_test(assets, first_migration_is_compiled_in_whole);
  tcase_add_test(assets, every_asset_is_found_by_its_path_and_they_are_sorted);
  tcase_add_test(assets, unknown_path_is_not_found);
}

int main(void) { return suite_main("assets", add_cases); }
