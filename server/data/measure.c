/* What prepared_create will allocate, term by term in its order. */
#include <string.h>

#include "server/data/column_stats.h"
#include "server/data/encode.h"
#include "server/data/plan.h"
#include "server/data/row_storage.h"

enum {
  READING_BYTES = 512 << 10, /* file buffer, parser, one row */
  ALLOCATION_BYTES = 32      /* what malloc adds to a small block, at most */
};

/* A sum that remembers whether it overflowed. */
struct sum {
  size_t bytes;
  bool is_over;
};

static void add(struct sum *sum, uint64_t count, uint64_t bytes_each) {
  uint64_t bytes;
  if (__builtin_mul_overflow(count, bytes_each, &bytes) || bytes > SIZE_MAX ||
      __builtin_add_overflow(sum->bytes, (size_t)bytes, &sum->bytes)) {
    sum->is_over = true;
  }
}

static void add_texts(struct sum *sum, char *const *texts, size_t count) {
  add(sum, count + 1, sizeof *texts);
  for (size_t i = 0; i < count; i++) add(sum, 1, strlen(texts[i]) + 1 + ALLOCATION_BYTES);
}

/* The fitted copy of the layout. */
static void add_columns(struct sum *sum, const struct preprocessor *layout) {
  add(sum, layout->feature_count + 1, sizeof(struct feature));
  add(sum, layout->target_count + 1, sizeof(struct target));
  for (size_t i = 0; i < layout->feature_count; i++) {
    add_texts(sum, &layout->features[i].name, 1);
    if (layout->features[i].list.centers != NULL) add(sum, layout->features[i].list.features + ALLOCATION_BYTES, 2 * sizeof(double));
    if (layout->features[i].bins.width > 0) add(sum, 1, number_bins_measure(layout->features[i].bins.width) + ALLOCATION_BYTES);
    add_texts(sum, layout->features[i].categories, layout->features[i].category_count);
    add(sum, layout->features[i].category_count + ALLOCATION_BYTES, sizeof(bool));
  }
  for (size_t i = 0; i < layout->target_count; i++) {
    add_texts(sum, &layout->targets[i].name, 1);
    add_texts(sum, layout->targets[i].classes, layout->targets[i].class_count);
  }
}

/* The tables to encode with, the statistics to fit by. */
static void add_fitting(struct sum *sum, const struct data_plan *plan) {
  const struct preprocessor *layout = &plan->layout;
  add(sum, layout->feature_count + layout->target_count + 2,
      sizeof(struct moments) + sizeof(struct text_fit) + sizeof(struct datetime_fit) + sizeof(struct number_sample));
  add(sum, 1, encoder_measure(layout));
  if (plan->settings.number.encoding == NUMBER_PIECEWISE_LINEAR) add(sum, 1, number_sample_measure(plan->rows)); /* qsort's copy */
  for (size_t i = 0; i < layout->feature_count; i++) {
    if (layout->features[i].list.centers != NULL) add(sum, layout->features[i].list.features + 1, sizeof(struct moments));
    if (layout->features[i].kind == COLUMN_TEXT) add(sum, 1, text_fit_measure(&layout->features[i].text));
    if (layout->features[i].bins.width > 0) add(sum, 1, number_sample_measure(plan->rows) + ALLOCATION_BYTES);
  }
}

/* Windows: all rows once, where each window begins and what is to come behind it, and of the test part two baselines. */
static struct sum sum_windows(const struct data_plan *plan, const uint64_t parts[PART_COUNT]) {
  struct sum sum = {0};
  const uint64_t y_bytes = (uint64_t)plan->layout.target_width * sizeof(float);
  add(&sum, plan->rows, (uint64_t)preprocessor_get_row_width(&plan->layout) * sizeof(float));
  for (int part = 0; part < PART_COUNT; part++) add(&sum, parts[part], y_bytes + sizeof(uint32_t));
  add(&sum, parts[PART_TEST], 2 * y_bytes);
  add(&sum, 3 + 2 * PART_COUNT, ROW_STORAGE_ALIGNMENT_BYTES);
  return sum;
}

static struct sum sum_matrices(const struct data_plan *plan, bool as_values) {
  struct sum sum = {0};
  const uint64_t parts[] = {plan->train_rows_max, plan->validation_rows_max, plan->test_rows_max};
  if (plan->layout.window.length > 0) return sum_windows(plan, parts);
  /* Of a mapped image, the number of its row is prepared. */
  uint64_t row_floats = (data_plan_is_mapped(plan) ? 1 : (uint64_t)plan->layout.input_width) + data_plan_get_target_width(plan, as_values);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    uint64_t row_bytes;
    if (__builtin_mul_overflow(row_floats, sizeof(float), &row_bytes)) sum.is_over = true;
    add(&sum, parts[i], row_bytes);
    add(&sum, 2, ROW_STORAGE_ALIGNMENT_BYTES);
  }
  return sum;
}

/* Where they stand in a file, they take no memory but the system's own. */
static void add_matrices(struct sum *sum, const struct data_plan *plan, bool as_values) {
  const struct sum matrices = sum_matrices(plan, as_values);
  if (matrices.is_over) sum->is_over = true;
  if (!row_storage_is_file(matrices.bytes)) add(sum, 1, matrices.bytes);
}

static enum error_code report_sum(const struct data_plan *plan, const struct sum *sum, size_t *out_bytes, struct error *error) {
  if (sum->is_over) {
    return error_set(error, ERROR_OVER_BUDGET, "the rows of dataset \"%s\" need more memory than can be addressed", plan->settings.dataset);
  }
  *out_bytes = sum->bytes;
  return ERROR_NONE;
}

enum error_code data_plan_measure_kept(const struct data_plan *plan, bool as_values, size_t *out_bytes, struct error *error) {
  struct sum kept = {0};
  add_matrices(&kept, plan, as_values);
  add_columns(&kept, &plan->layout);
  return report_sum(plan, &kept, out_bytes, error);
}

enum error_code data_plan_measure(const struct data_plan *plan, bool as_values, size_t *out_bytes, struct error *error) {
  /* First the rows are told apart (class, permutation, part of each), then the matrices are filled (part of each). */
  struct sum splitting = {0}, filling = {0}, both = {0};
  const bool has_strata = data_plan_has_strata(plan);
  add(&splitting, plan->rows, sizeof(uint8_t) + sizeof(uint32_t) + (has_strata ? sizeof(int32_t) : 0));
  if (plan->validation_from_training) add(&splitting, plan->train_rows_max + plan->validation_rows_max + 1, sizeof(uint8_t));
  if (has_strata) add(&splitting, plan->layout.targets[0].class_count + 1, 24);
  add(&filling, plan->rows, sizeof(uint8_t));
  if (plan->layout.window.length > 0) { /* when each row is, and where it so stands; its targets */
    const uint64_t columns = plan->layout.target_count / plan->layout.window.horizon;
    add(&splitting, plan->rows, sizeof(uint32_t) + sizeof(double) + sizeof(uint32_t));
    add(&filling, plan->rows, sizeof(uint32_t) + columns * sizeof(float));
  }
  add_matrices(&filling, plan, as_values);
  add_columns(&both, &plan->layout);
  add_fitting(&both, plan);
  add(&both, 1, READING_BYTES);
  add(&both, 1, plan->row_cache_bytes);
  add(&both, 1, splitting.bytes > filling.bytes ? splitting.bytes : filling.bytes);
  both.is_over = both.is_over || splitting.is_over || filling.is_over;
  return report_sum(plan, &both, out_bytes, error);
}

enum error_code data_plan_measure_disk(const struct data_plan *plan, bool as_values, size_t *out_bytes, struct error *error) {
  struct sum matrices = sum_matrices(plan, as_values);
  if (!row_storage_is_file(matrices.bytes)) matrices.bytes = 0;
  return report_sum(plan, &matrices, out_bytes, error);
}
