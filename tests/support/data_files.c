#include "tests/support/data_files.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *data_dir_create(void) {
  char *data_dir = strdup("/tmp/backpropd-data-XXXXXX");
  ck_assert_ptr_nonnull(data_dir);
  ck_assert_ptr_nonnull(mkdtemp(data_dir));
  return data_dir;
}

/* Calls unlink for each file if `remove` is set; returns how many there were. */
static size_t walk_files(const char *data_dir, bool remove_files) {
  char path[512];
  snprintf(path, sizeof path, "%s/datasets", data_dir);
  DIR *folder = opendir(path);
  if (folder == NULL) return 0;
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    count++;
    if (remove_files) unlinkat(dirfd(folder), entry->d_name, 0);
  }
  closedir(folder);
  if (remove_files) rmdir(path);
  return count;
}

void data_dir_remove(char *data_dir) {
  walk_files(data_dir, true);
  ck_assert_int_eq(rmdir(data_dir), 0);
  free(data_dir);
}

size_t data_dir_count_files(const char *data_dir) { return walk_files(data_dir, false); }

enum error_code data_import(const char *data_dir, const char *bytes, size_t count, size_t portion, struct dataset_row *out_row,
                            struct error *error) {
  const struct import_options options = {.header = -1};
  struct import *import = NULL;
  enum error_code code = import_begin(data_dir, &options, &import, error);
  if (code != ERROR_NONE) return code;
  for (size_t at = 0; at < count; at += portion) {
    code = import_write(import, bytes + at, count - at < portion ? count - at : portion, error);
    if (code == ERROR_NONE) continue;
    import_abort(import);
    return code;
  }
  code = import_finish(import, out_row, error);
  if (code == ERROR_NONE) snprintf(out_row->name, sizeof out_row->name, "test");
  return code;
}

void data_import_text(const char *data_dir, const char *text, struct dataset_row *out_row) {
  struct error error = {0};
  enum error_code code = data_import(data_dir, text, strlen(text), strlen(text) + 1, out_row, &error);
  ck_assert_msg(code == ERROR_NONE, "import failed: %s", error.detail);
}

void data_import_file(const char *data_dir, const char *path, struct dataset_row *out_row) {
  size_t count;
  char *bytes = data_read_file(path, &count);
  struct error error = {0};
  enum error_code code = data_import(data_dir, bytes, count, 10007, out_row, &error);
  ck_assert_msg(code == ERROR_NONE, "import of %s failed: %s", path, error.detail);
  free(bytes);
}

char *data_read_file(const char *path, size_t *out_count) {
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "can't open %s (tests run in the project's root)", path);
  ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
  size_t count = (size_t)ftell(file);
  rewind(file);
  char *bytes = malloc(count + 1);
  ck_assert_ptr_nonnull(bytes);
  ck_assert_uint_eq(fread(bytes, 1, count, file), count);
  bytes[count] = '\0';
  fclose(file);
  *out_count = count;
  return bytes;
}

static void names_free(struct names *names) {
  for (size_t i = 0; i < names->count; i++) free(names->items[i]);
  free(names->items);
  *names = (struct names){0};
}

void data_names_set(struct names *names, const char *text) {
  names_free(names);
  while (*text != '\0') {
    size_t bytes = strcspn(text, ",");
    names->items = realloc(names->items, (names->count + 1) * sizeof *names->items);
    ck_assert_ptr_nonnull(names->items);
    names->items[names->count++] = strndup(text, bytes);
    text += bytes + (text[bytes] == ',');
  }
}

void data_settings_make(struct data_settings *settings, const char *targets) {
  struct error error = {0};
  ck_assert_int_eq(settings_init(settings, data_params, data_param_count, &error), ERROR_NONE);
  snprintf(settings->dataset, sizeof settings->dataset, "test");
  data_names_set(&settings->target, targets);
}

void data_settings_free(struct data_settings *settings) { settings_deinit(settings, data_params, data_param_count); }
