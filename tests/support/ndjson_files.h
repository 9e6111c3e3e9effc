/* NDJSON imported into a data directory of a test's own. */
#ifndef TESTS_SUPPORT_NDJSON_FILES_H
#define TESTS_SUPPORT_NDJSON_FILES_H

#include "server/data/import.h"

/* In portions of `portion` bytes; out_row is to be deinited if it went well. */
enum error_code ndjson_import(const char *data_dir, const char *bytes, size_t count, size_t portion, struct dataset_row *out_row,
                              struct error *error);

#endif
