#include "tests/support/whole_upload.h"

#include <check.h>

#include "tests/support/allocations.h"
#include "tests/support/data_files.h"

enum { ALLOCATIONS_MAX = 10000 };

enum error_code upload_whole(const struct upload_options *options, const struct bytes *body, size_t portion, struct dataset_row *out_row,
                             struct error *error) {
  struct upload *upload;
  enum error_code code = upload_begin(options, &upload, error);
  if (code != ERROR_NONE) return code;
  for (size_t at = 0; at < body->count; at += portion) {
    code = upload_write(upload, body->at + at, body->count - at < portion ? body->count - at : portion, error);
    if (code == ERROR_NONE) continue;
    upload_abort(upload);
    return code;
  }
  return upload_finish(upload, out_row, error);
}

void upload_whole_without_memory(const struct upload_options *options, const struct bytes *body, size_t portion) {
  const size_t live = allocations_live();
  bool succeeded = false;
  for (size_t successes = 0; !succeeded && successes < ALLOCATIONS_MAX; successes++) {
    struct dataset_row row;
    struct error error = {0};
    allocations_fail_after(successes);
    const enum error_code code = upload_whole(options, body, portion, &row, &error);
    allocations_fail_after(SIZE_MAX);
    succeeded = code == ERROR_NONE;
    if (succeeded) {
      import_remove_files(options->data_dir, &row);
      dataset_row_deinit(&row);
    } else {
      ck_assert_msg(code == ERROR_OUT_OF_MEMORY, "%d: %s", (int)code, error.detail);
    }
    ck_assert_uint_eq(allocations_live(), live);
    ck_assert_uint_eq(data_dir_count_files(options->data_dir), 0);
  }
  ck_assert(succeeded);
}
