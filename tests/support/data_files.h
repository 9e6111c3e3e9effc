/* Datasets for tests: a data directory of the test's own, and files or texts imported into it. */
#ifndef TESTS_SUPPORT_DATA_FILES_H
#define TESTS_SUPPORT_DATA_FILES_H

#include "server/data/data_settings.h"
#include "server/data/import.h"

/* A new temporary directory; data_dir_remove deletes it with all it holds, and frees the path. */
char *data_dir_create(void);
void data_dir_remove(char *data_dir);
/* Files in <data-dir>/datasets, whatever their names. */
size_t data_dir_count_files(const char *data_dir);

/* Imports bytes, in portions of `portion`, with delimiter and header found; the name is "test". */
enum error_code data_import(const char *data_dir, const char *bytes, size_t count, size_t portion, struct dataset_row *out_row,
                            struct error *error);
/* The same, of a whole text or file; the test fails if that does. */
void data_import_text(const char *data_dir, const char *text, struct dataset_row *out_row);
void data_import_file(const char *data_dir, const char *path, struct dataset_row *out_row);

/* Contents of a file, NUL-terminated, to be freed; the test fails if it can't be read. */
char *data_read_file(const char *path, size_t *out_count);

/* Defaults, with these targets (comma-separated). Free with data_settings_free. */
void data_settings_make(struct data_settings *settings, const char *targets);
void data_settings_free(struct data_settings *settings);
/* Replaces a list of names by comma-separated ones. */
void data_names_set(struct names *names, const char *text);

#endif
