/* server/data/zip_reader.h: what is in an archive, in portions; what could mean harm or two things is refused by its name. */
#include "server/data/zip_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/allocations.h"
#include "tests/support/archive.h"
#include "tests/support/suite.h"

enum { PLAIN_BYTES_MAX = 1 << 30 };

struct text {
  char *bytes;
  size_t count;
};

static enum error_code append(void *context, const char *bytes, size_t byte_count, struct error *error) {
  struct text *text = context;
  (void)error;
  text->bytes = realloc(text->bytes, text->count + byte_count + 1);
  ck_assert_ptr_nonnull(text->bytes);
  memcpy(text->bytes + text->count, bytes, byte_count);
  text->count += byte_count;
  text->bytes[text->count] = '\0';
  return ERROR_NONE;
}

static enum error_code drop(void *context, const char *bytes, size_t byte_count, struct error *error) {
  (void)context, (void)bytes, (void)byte_count, (void)error;
  return ERROR_NONE;
}

static enum error_code open_bytes(const char *bytes, size_t count, uint64_t plain_bytes_max, FILE **out_file,
                                  struct zip_reader **out_reader, struct error *error) {
  *out_file = tmpfile();
  ck_assert_ptr_nonnull(*out_file);
  ck_assert_uint_eq(fwrite(bytes, 1, count, *out_file), count);
  ck_assert_int_eq(fflush(*out_file), 0);
  enum error_code code = zip_reader_open(fileno(*out_file), plain_bytes_max, out_reader, error);
  if (code != ERROR_NONE) fclose(*out_file);
  return code;
}

static enum error_code open_archive(const struct archive *archive, FILE **out_file, struct zip_reader **out_reader, struct error *error) {
  return open_bytes(archive->bytes, archive->count, PLAIN_BYTES_MAX, out_file, out_reader, error);
}

static void check_text(struct zip_reader *reader, size_t i, const char *name, const char *expected) {
  struct text text = {0};
  struct error error = {0};
  ck_assert_str_eq(zip_reader_get_entry(reader, i)->name, name);
  ck_assert_uint_eq(zip_reader_get_entry(reader, i)->plain_bytes, strlen(expected));
  ck_assert_int_eq(zip_reader_read(reader, i, append, &text, &error), ERROR_NONE);
  ck_assert_str_eq(text.bytes, expected);
  free(text.bytes);
}

START_TEST(files_are_read_in_the_archives_order_and_litter_is_passed_over) {
  for (int form = 0; form < 4; form++) {
    const bool is_zip64 = form >= 2;
    struct archive archive = {.is_zip64 = is_zip64};
    static const char *const litter[] = {"a/", "__MACOSX/a/._1.txt", "a/.DS_Store", "a/Thumbs.db", "a/._x"};
    archive_add(&archive, &(struct archive_entry){
                              .name = "z/é.txt", .bytes = "one", .count = 3, .method = form % 2 * ARCHIVE_DEFLATED, .is_zip64 = is_zip64});
    for (size_t i = 0; i < sizeof litter / sizeof litter[0]; i++) archive_add_text(&archive, litter[i], "");
    archive_add_text(&archive, "a/1.txt", "twotwotwotwotwotwotwotwo");
    archive_add(&archive, &(struct archive_entry){.name = "a..b/..c", .bytes = "3", .count = 1, .unix_mode = S_IFREG | 0644});
    archive_finish(&archive);
    ck_assert(zip_is_magic(archive.bytes, archive.count));
    FILE *file;
    struct zip_reader *reader;
    struct error error = {0};
    ck_assert_int_eq(open_archive(&archive, &file, &reader, &error), ERROR_NONE);
    ck_assert_uint_eq(zip_reader_get_count(reader), 3);
    for (int time = 0; time < 2; time++) {
      check_text(reader, 2, "a..b/..c", "3");
      check_text(reader, 0, "z/é.txt", "one");
      check_text(reader, 1, "a/1.txt", "twotwotwotwotwotwotwotwo");
    }
    zip_reader_close(reader);
    ck_assert_int_eq(fseek(file, 0, SEEK_SET), 0); /* still the caller's */
    fclose(file);
    archive_deinit(&archive);
  }
}
END_TEST

/* The archive with that entry between two good ones is refused, and the reason tells its name. */
static void check_refused(const struct archive_entry *entry, const char *shown_name, const char *reason) {
  struct archive archive = {0};
  archive_add_text(&archive, "a/1.txt", "one");
  archive_add(&archive, entry);
  archive_add_text(&archive, "a/2.txt", "two");
  archive_finish(&archive);
  FILE *file;
  struct zip_reader *reader;
  struct error error = {0};
  ck_assert_msg(open_archive(&archive, &file, &reader, &error) == ERROR_INVALID, "%s should be refused: %s", entry->name, reason);
  ck_assert_ptr_null(reader);
  if (shown_name != NULL) ck_assert_msg(strstr(error.detail, shown_name) != NULL, "%s: %s", shown_name, error.detail);
  ck_assert_msg(strstr(error.detail, reason) != NULL, "%s: %s", reason, error.detail);
  archive_deinit(&archive);
}

START_TEST(names_that_could_lead_elsewhere_are_refused) {
  static const struct {
    const char *name, *reason;
  } cases[] = {
      {"/etc/passwd", "absolute"},    {"../x", "\"..\""},       {"a/../../x", "\"..\""}, {"a/..", "\"..\""},           {"..", "\"..\""},
      {"a\\b.png", "slash"},          {"C:/x", "drive letter"}, {"c:x", "drive letter"}, {"a/\x1b[2J.png", "control"}, {"a/1.txt", "twice"},
      {"__MACOSX/../../x", "\"..\""}, {"a/\x7f", "control"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const bool is_plain = strcmp(cases[i].reason, "control") != 0;
    check_refused(&(struct archive_entry){.name = cases[i].name, .bytes = "x", .count = 1}, is_plain ? cases[i].name : "entry",
                  cases[i].reason);
  }
  check_refused(&(struct archive_entry){.name = "a/1.png\0.txt", .name_bytes = 12, .bytes = "x", .count = 1}, "a/1.png", "NUL");
  check_refused(&(struct archive_entry){.name = "a/1.png\0.txt", .name_bytes = 12, .bytes = "x", .count = 1, .flags = 1 << 11}, NULL,
                "ZIP");
}
END_TEST

START_TEST(links_devices_encrypted_and_strangely_compressed_entries_are_refused) {
  check_refused(&(struct archive_entry){.name = "a/l", .bytes = "/etc/passwd", .count = 11, .unix_mode = S_IFLNK | 0777}, "a/l",
                "symbolic link");
  check_refused(&(struct archive_entry){.name = "a/d", .bytes = "", .unix_mode = S_IFCHR | 0666}, "a/d", "neither a file");
  check_refused(&(struct archive_entry){.name = "a/e", .bytes = "0123456789ab", .count = 12, .flags = 1}, "a/e", "encrypted");
  check_refused(&(struct archive_entry){.name = "a/m", .bytes = "x", .count = 1, .method = 12}, "a/m", "deflate");
}
END_TEST

START_TEST(broken_entries_are_told_and_others_stay_readable) {
  static const struct archive_entry broken[] = {
      {.name = "a/b.txt", .bytes = "abc", .count = 3, .has_wrong_checksum = true},
      {.name = "a/b.txt", .bytes = "abcabcabcabcabc", .count = 15, .method = ARCHIVE_DEFLATED, .claimed_count = 10},
      {.name = "a/b.txt", .bytes = "abcabcabcabcabc", .count = 15, .method = ARCHIVE_DEFLATED, .claimed_count = 20},
  };
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
    struct archive archive = {0};
    archive_add(&archive, &broken[i]);
    archive_add_text(&archive, "a/1.txt", "one");
    archive_finish(&archive);
    FILE *file;
    struct zip_reader *reader;
    struct error error = {0};
    ck_assert_int_eq(open_archive(&archive, &file, &reader, &error), ERROR_NONE);
    ck_assert_int_eq(zip_reader_read(reader, 0, drop, NULL, &error), ERROR_INVALID);
    ck_assert_msg(strstr(error.detail, "a/b.txt") != NULL && strstr(error.detail, "broken") != NULL, "%s", error.detail);
    check_text(reader, 1, "a/1.txt", "one");
    zip_reader_close(reader);
    fclose(file);
    archive_deinit(&archive);
  }
}
END_TEST

START_TEST(bombs_are_refused_by_size_by_ratio_and_by_directory) {
  FILE *file;
  struct zip_reader *reader;
  struct archive archive = {0};
  archive_add_text(&archive, "a", "0123456789");
  archive_add_text(&archive, "b", "0123456789");
  archive_finish(&archive);
  struct error error = {0};
  ck_assert_int_eq(open_bytes(archive.bytes, archive.count, 19, &file, &reader, &error), ERROR_TOO_LARGE);
  ck_assert_int_eq(open_bytes(archive.bytes, archive.count, 20, &file, &reader, &error), ERROR_NONE);
  zip_reader_close(reader);
  fclose(file);
  archive_deinit(&archive);

  const size_t zeros_bytes = 72 << 20;
  char *zeros = calloc(zeros_bytes, 1);
  ck_assert_ptr_nonnull(zeros);
  archive_add(&archive, &(struct archive_entry){.name = "z", .bytes = zeros, .count = zeros_bytes, .method = ARCHIVE_DEFLATED});
  archive_finish(&archive);
  free(zeros);
  ck_assert_int_eq(open_archive(&archive, &file, &reader, &error), ERROR_TOO_LARGE);
  ck_assert_ptr_nonnull(strstr(error.detail, "bomb"));
  archive_deinit(&archive);

  /* One that says it is small unpacks no further than it says. */
  static const char as[4096];
  archive_add(&archive,
              &(struct archive_entry){.name = "z", .bytes = as, .count = sizeof as, .method = ARCHIVE_DEFLATED, .claimed_count = 1});
  archive_finish(&archive);
  ck_assert_int_eq(open_archive(&archive, &file, &reader, &error), ERROR_NONE);
  ck_assert_int_eq(zip_reader_read(reader, 0, drop, NULL, &error), ERROR_INVALID);
  zip_reader_close(reader);
  fclose(file);
  archive_deinit(&archive);

  archive = (struct archive){.is_zip64 = true, .claimed_entries = ZIP_ENTRIES_MAX + 1};
  archive_add_text(&archive, "a", "0123456789");
  archive_finish(&archive);
  ck_assert_int_eq(open_archive(&archive, &file, &reader, &error), ERROR_TOO_LARGE);
  ck_assert_ptr_nonnull(strstr(error.detail, "entries"));
  archive_deinit(&archive);
}
END_TEST

START_TEST(what_is_no_archive_is_refused) {
  FILE *file;
  struct zip_reader *reader;
  struct error error = {0};
  ck_assert(!zip_is_magic("PK", 2));
  ck_assert(!zip_is_magic("PKxx", 4));
  ck_assert_int_eq(open_bytes("", 0, PLAIN_BYTES_MAX, &file, &reader, &error), ERROR_INVALID);
  ck_assert_int_eq(open_bytes("PK\3\4hello", 9, PLAIN_BYTES_MAX, &file, &reader, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.detail, "no directory"));
  struct archive archive = {0};
  archive_add_text(&archive, "a", "0123456789");
  archive_finish(&archive);
  const size_t live = allocations_live();
  for (size_t count = 0; count < archive.count; count++) {
    error_clear(&error);
    ck_assert_int_eq(open_bytes(archive.bytes, count, PLAIN_BYTES_MAX, &file, &reader, &error), ERROR_INVALID);
  }
  ck_assert_uint_eq(allocations_live(), live);
  archive_deinit(&archive);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "zip_reader");
  tcase_add_test(tcase, files_are_read_in_the_archives_order_and_litter_is_passed_over);
  tcase_add_test(tcase, names_that_could_lead_elsewhere_are_refused);
  tcase_add_test(tcase, links_devices_encrypted_and_strangely_compressed_entries_are_refused);
  tcase_add_test(tcase, broken_entries_are_told_and_others_stay_readable);
  tcase_add_test(tcase, bombs_are_refused_by_size_by_ratio_and_by_directory);
  tcase_add_test(tcase, what_is_no_archive_is_refused);
}

int main(void) { return suite_main("zip_reader", add_cases); }
