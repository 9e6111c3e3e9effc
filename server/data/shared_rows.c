/* Prepared test rows that were trained on as well. */
#include "server/data/duplicates.h"
#include "server/data/prepared.h"

enum { KEPT_MAX = 1 << 16 };

struct part {
  struct row_reader reader;
  const float *y;
  size_t target_width;
};

static struct part open_part(const struct train_rows *rows, const struct shape *input, size_t target_width) {
  struct part part = {.y = rows->y, .target_width = target_width};
  row_reader_init(&part.reader, rows, input);
  return part;
}

/* Of the row as it lies there: both parts lie in the same form. */
static uint64_t hash_row(const struct duplicates *duplicates, const struct part *part, size_t row) {
  const uint64_t hash = duplicates_hash_bytes(duplicates_start(duplicates), row_reader_locate(&part->reader, row), part->reader.bytes);
  if (part->y == NULL) return hash;
  return duplicates_hash_bytes(hash, part->y + row * part->target_width, part->target_width * sizeof *part->y);
}

enum error_code prepared_count_shared_rows(const struct prepared *prepared, const struct shape *input, size_t target_width,
                                           uint64_t *out_count, bool *out_is_estimate, struct error *error) {
  const struct train_rows *train_rows = &prepared->data.train, *test_rows = &prepared->test;
  struct duplicates duplicates;
  *out_count = 0;
  *out_is_estimate = false;
  if (train_rows->count == 0 || test_rows->count == 0 || (train_rows->x_bytes == NULL) != (test_rows->x_bytes == NULL)) return ERROR_NONE;
  const struct part train = open_part(train_rows, input, target_width), test = open_part(test_rows, input, target_width);
  enum error_code code = duplicates_init(&duplicates, KEPT_MAX, error);
  for (size_t i = 0; i < train_rows->count && code == ERROR_NONE; i++)
    code = duplicates_add(&duplicates, hash_row(&duplicates, &train, i), i, error);
  for (size_t i = 0; i < test_rows->count && code == ERROR_NONE; i++) {
    uint64_t first;
    *out_count += duplicates_find(&duplicates, hash_row(&duplicates, &test, i), &first) > 0;
  }
  *out_count *= duplicates_get_scale(&duplicates);
  *out_is_estimate = duplicates_get_scale(&duplicates) > 1;
  duplicates_deinit(&duplicates);
  return code;
}
