/* Three walks over the file, so that no more than the matrices (of a large one in a mapped file) and a byte per row is ever held (a
 * small one is read once):
 *
 *   survey   which rows have a target, and of which class they are → part of each row (skipped if neither matters)
 *   fit      means, deviations, ranges and seen categories of the training rows → the preprocessor
 *   fill     every row through the preprocessor, into its part's matrix, in the file's order; of rows that are images, their numbers, as
 *            they are trained on where they lie in the mapped file of tensors
 */
#include "server/data/prepared.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/column_stats.h"
#include "server/data/csv.h"
#include "server/data/encode.h"
#include "server/data/import.h"
#include "server/data/prepared_private.h"

enum { POLL_ROWS = 1024, ALIGNMENT_FLOATS = ROW_STORAGE_ALIGNMENT_BYTES / sizeof(float) };

enum error_code prepared_check_poll(const struct builder *builder, uint64_t row, struct error *error) {
  if (row % POLL_ROWS != 0 || builder->poll == NULL || !builder->poll(builder->poll_context)) return ERROR_NONE;
  return error_set(error, ERROR_CONFLICT, "cancelled while the data was being prepared");
}

/* Of a series every row counts. */
static bool is_left_out(const struct builder *builder, const char *const *cells) {
  return builder->plan->layout.window.length == 0 && encoder_lacks_target(&builder->encoder, cells);
}

/* ---- survey ---- */

static enum error_code survey_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct builder *builder = context;
  enum error_code code = prepared_check_poll(builder, row, error);
  if (code != ERROR_NONE) return code;
  if (is_left_out(builder, cells)) {
    builder->left_out++;
    return ERROR_NONE;
  }
  if (builder->usable >= builder->plan->rows) {
    return error_set(error, ERROR_INTERNAL, "dataset \"%s\" has more rows with a target than were counted", builder->dataset->name);
  }
  if (builder->strata != NULL) {
    size_t stratum = lookup_find(&builder->encoder.targets[0], cells[builder->encoder.target_columns[0]]);
    if (stratum == LOOKUP_NONE)
      return error_set(error, ERROR_INTERNAL, "dataset \"%s\" has a class that was not counted", builder->dataset->name);
    builder->strata[builder->usable] = (int32_t)stratum;
  }
  if (builder->plan->settings.split.column[0] != '\0') {
    enum split_part part = split_part_of_word(cells[builder->split_column]);
    if (part == PART_COUNT)
      return error_set(error, ERROR_INTERNAL, "dataset \"%s\" has a part that was not counted", builder->dataset->name);
    builder->parts[builder->usable] = (uint8_t)part;
  }
  builder->usable++;
  return ERROR_NONE;
}

static bool needs_survey(const struct builder *builder) {
  uint64_t missing = 0;
  for (size_t i = 0; i < builder->preprocessor.target_count; i++)
    missing |= builder->dataset->columns[builder->encoder.target_columns[i]].missing;
  return missing > 0 || builder->strata != NULL || builder->plan->settings.split.column[0] != '\0';
}

/* The share of the training rows that validates, where the split column names none: assigned among them alone, then spread over all. */
static enum error_code take_validation(struct builder *builder, struct error *error) {
  const size_t count = (size_t)builder->sizes[PART_TRAIN];
  const uint64_t wanted = split_size(builder->plan->settings.split.validation, count);
  uint8_t *parts = malloc(count + 1);
  if (parts == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to split %zu rows", count);
  for (size_t i = 0, k = 0; builder->strata != NULL && i < builder->usable; i++)
    if (builder->parts[i] == PART_TRAIN) builder->strata[k++] = builder->strata[i];
  const struct split_request request = {.seed = builder->plan->seed,
                                        .count = count,
                                        .validation = (size_t)wanted,
                                        .strata = builder->strata,
                                        .stratum_count = builder->plan->layout.targets[0].class_count};
  enum error_code code = split_assign(&request, parts, error);
  for (size_t i = 0, k = 0; code == ERROR_NONE && i < builder->usable; i++)
    if (builder->parts[i] == PART_TRAIN) builder->parts[i] = parts[k++];
  free(parts);
  builder->sizes[PART_VALIDATION] = wanted;
  builder->sizes[PART_TRAIN] -= wanted;
  return code;
}

static enum error_code assign_parts(struct builder *builder, struct error *error) {
  const struct data_plan *plan = builder->plan;
  if (plan->settings.split.column[0] != '\0') {
    for (size_t i = 0; i < builder->usable; i++) builder->sizes[builder->parts[i]]++;
    if (builder->sizes[PART_TRAIN] == 0) return error_add(error, "/split/column", "no row of the training part has a target");
    return plan->validation_from_training ? take_validation(builder, error) : ERROR_NONE;
  }
  enum error_code code = data_plan_split(plan, builder->usable, builder->sizes, error);
  if (code != ERROR_NONE) return code;
  const struct split_request request = {.seed = plan->seed,
                                        .count = builder->usable,
                                        .validation = (size_t)builder->sizes[PART_VALIDATION],
                                        .test = (size_t)builder->sizes[PART_TEST],
                                        .strata = builder->strata,
                                        .stratum_count = plan->layout.targets[0].class_count};
  return split_assign(&request, builder->parts, error);
}

static size_t find_split_column(const struct builder *builder) {
  size_t i = 0;
  while (i + 1 < builder->dataset->column_count && strcmp(builder->dataset->columns[i].name, builder->plan->settings.split.column) != 0)
    i++;
  return i;
}

static enum error_code survey(struct builder *builder, struct error *error) {
  if (builder->plan->layout.window.length > 0) return prepared_survey_windows(builder, error);
  const struct data_plan *plan = builder->plan;
  enum error_code code = ERROR_NONE;
  builder->parts = malloc((size_t)plan->rows);
  bool has_strata = data_plan_has_strata(plan);
  if (has_strata) builder->strata = malloc((size_t)plan->rows * sizeof *builder->strata);
  if (builder->parts == NULL || (has_strata && builder->strata == NULL)) {
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to split %zu rows", (size_t)plan->rows);
  }
  builder->split_column = find_split_column(builder);
  if (needs_survey(builder)) {
    code = row_cache_read(&builder->rows, survey_row, builder, error);
  } else {
    builder->usable = (size_t)plan->rows;
  }
  if (code == ERROR_NONE) code = assign_parts(builder, error);
  free(builder->strata);
  builder->strata = NULL;
  return code;
}

/* ---- fit ---- */

static bool add_listed(void *context, double number) {
  struct reciprocal reciprocal = {0};
  moments_add(context, &reciprocal, number);
  return true;
}

/* Whether it is one shows when the rows are filled in. */
static void fit_list(const struct builder *builder, size_t index, const char *text) {
  const struct moments before = builder->features[index];
  if (!sequence_walk(text, add_listed, &builder->features[index])) builder->features[index] = before;
}

/* Each number of a step by itself, over all steps that are taken. */
static void fit_steps(struct builder *builder, size_t index, uint64_t row) {
  const struct sequence_encoding *list = &builder->preprocessor.features[index].list;
  const float *values = encoder_get_steps(&builder->encoder, index, row);
  for (size_t i = 0; i < sequence_get_width(list); i++) {
    struct reciprocal reciprocal = {0};
    moments_add(&builder->steps[index][i % list->features], &reciprocal, (double)values[i]);
  }
}

static enum error_code fit_features(struct builder *builder, uint64_t row, const char *const *cells, struct reciprocal *reciprocal,
                                    struct error *error) {
  for (size_t i = 0; i < builder->preprocessor.feature_count; i++) {
    struct feature *feature = &builder->preprocessor.features[i];
    const char *text = cells[builder->encoder.feature_columns[i]];
    if (feature->kind == COLUMN_IMAGE) {
      image_fit_add(&builder->image, &feature->image, encoder_get_pixels(&builder->encoder, i, row));
      continue;
    }
    if (feature->kind == COLUMN_SEQUENCE && feature->list.centers != NULL) {
      fit_steps(builder, i, row);
      continue;
    }
    if (csv_is_missing(text)) continue;
    if (feature->kind == COLUMN_TEXT) {
      text_fit_add(&builder->texts[i], &feature->text, text);
      continue;
    }
    if (feature->kind == COLUMN_CATEGORICAL) {
      size_t category = lookup_find(&builder->encoder.features[i], text);
      if (category != LOOKUP_NONE) feature->is_seen[category] = true;
      continue;
    }
    if (feature->kind == COLUMN_SEQUENCE) {
      fit_list(builder, i, text);
      continue;
    }
    struct datetime datetime;
    if (feature->kind == COLUMN_DATETIME && encoder_parse_date(&builder->encoder, i, text, &datetime)) {
      datetime_fit_add(&builder->dates[i], &feature->dates, &datetime);
      moments_add(&builder->features[i], reciprocal, datetime.instant);
      continue;
    }
    double number;
    if (!csv_parse_number(text, &number)) {
      return error_set(error, ERROR_INTERNAL, "column \"%.100s\" of dataset \"%s\" has words that were not counted", feature->name,
                       builder->dataset->name);
    }
    moments_add(&builder->features[i], reciprocal, number);
    if (feature->bins.width > 0) number_sample_add(&builder->numbers[i], number);
  }
  return ERROR_NONE;
}

/* Targets of one column that are one behind the other: the forecasts of some rows ahead. */
static size_t get_horizon(const struct builder *builder) {
  return builder->preprocessor.window.length > 0 ? builder->preprocessor.window.horizon : 1;
}

static enum error_code fit_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct builder *builder = context;
  enum error_code code = prepared_check_poll(builder, row, error);
  if (code != ERROR_NONE || is_left_out(builder, cells)) return code;
  if (builder->parts[builder->usable++] != PART_TRAIN) return ERROR_NONE;
  struct reciprocal reciprocal = {0};
  const size_t horizon = get_horizon(builder);
  for (size_t i = 0; i < builder->preprocessor.target_count; i += horizon) {
    double number;
    if (builder->preprocessor.targets[i].is_class || !csv_parse_number(cells[builder->encoder.target_columns[i]], &number)) continue;
    moments_add(&builder->targets[i], &reciprocal, number);
  }
  return fit_features(builder, row, cells, &reciprocal, error);
}

/* A column that is constant, or empty, in the training part is left as wide as it is. */
static void fit_numbers(const struct moments *moments, int scaling, double *out_center, double *out_scale) {
  *out_center = 0;
  *out_scale = 1;
  if (scaling == SCALING_NONE || moments->count == 0) return;
  *out_center = scaling == SCALING_MIN_MAX ? moments->min : moments_get_mean(moments);
  double scale = scaling == SCALING_MIN_MAX ? moments->max - moments->min : moments_get_std(moments);
  if (scale > 0) *out_scale = scale;
}

/* Seconds since 1970 are no numbers for a network as they are. */
static int get_scaling(const struct builder *builder, const struct feature *feature) {
  const int scaling = builder->plan->settings.scaling;
  return feature->kind == COLUMN_DATETIME && scaling == SCALING_NONE ? SCALING_STANDARD : scaling;
}

static void drop_fits(struct builder *builder) {
  for (size_t i = 0; builder->steps != NULL && i < builder->preprocessor.feature_count; i++) free(builder->steps[i]);
  free(builder->steps);
  builder->steps = NULL;
  for (size_t i = 0; builder->texts != NULL && i < builder->preprocessor.feature_count; i++) text_fit_deinit(&builder->texts[i]);
  for (size_t i = 0; builder->numbers != NULL && i < builder->preprocessor.feature_count; i++) number_sample_deinit(&builder->numbers[i]);
  free(builder->texts);
  free(builder->dates);
  free(builder->numbers);
  builder->texts = NULL;
  builder->dates = NULL;
  builder->numbers = NULL;
}

static enum error_code begin_fit(struct builder *builder, struct error *error) {
  struct preprocessor *preprocessor = &builder->preprocessor;
  builder->features = calloc(preprocessor->feature_count + 1, sizeof *builder->features);
  builder->targets = calloc(preprocessor->target_count + 1, sizeof *builder->targets);
  builder->texts = calloc(preprocessor->feature_count + 1, sizeof *builder->texts);
  builder->dates = calloc(preprocessor->feature_count + 1, sizeof *builder->dates);
  builder->steps = calloc(preprocessor->feature_count + 1, sizeof *builder->steps);
  builder->numbers = calloc(preprocessor->feature_count + 1, sizeof *builder->numbers);
  bool is_whole = builder->steps != NULL && builder->features != NULL && builder->targets != NULL && builder->texts != NULL &&
                  builder->dates != NULL && builder->numbers != NULL;
  for (size_t i = 0; i < preprocessor->feature_count && is_whole; i++) {
    struct feature *feature = &preprocessor->features[i];
    if (feature->kind == COLUMN_CATEGORICAL) memset(feature->is_seen, false, feature->category_count * sizeof *feature->is_seen);
    memset(feature->dates.is_used, false, sizeof feature->dates.is_used);
    enum error_code code = feature->kind == COLUMN_TEXT ? text_fit_init(&builder->texts[i], &feature->text, error) : ERROR_NONE;
    if (code != ERROR_NONE) return code;
    if (feature->bins.width > 0) is_whole = number_sample_init(&builder->numbers[i], builder->plan->rows);
    if (feature->list.centers == NULL) continue;
    builder->steps[i] = calloc(feature->list.features, sizeof **builder->steps);
    is_whole = builder->steps[i] != NULL;
  }
  return is_whole ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "no memory to fit %zu columns", preprocessor->feature_count);
}

static enum error_code fit(struct builder *builder, struct error *error) {
  struct preprocessor *preprocessor = &builder->preprocessor;
  enum error_code code = begin_fit(builder, error);
  if (code != ERROR_NONE) return code;
  builder->usable = 0;
  code = row_cache_read(&builder->rows, fit_row, builder, error);
  if (code != ERROR_NONE) return code;
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    struct feature *feature = &preprocessor->features[i];
    for (size_t k = 0; feature->list.centers != NULL && k < feature->list.features; k++)
      fit_numbers(&builder->steps[i][k], builder->plan->settings.scaling, &feature->list.centers[k], &feature->list.scales[k]);
    if (feature->kind == COLUMN_IMAGE) image_fit_finish(&builder->image, builder->plan->settings.scaling, &feature->image);
    if (feature->kind == COLUMN_TEXT) code = text_fit_finish(&builder->texts[i], &feature->text, error);
    if (code != ERROR_NONE) return code;
    if (feature->kind == COLUMN_CATEGORICAL || feature->kind == COLUMN_TEXT || feature->token_count > 0) continue;
    if (feature->bins.width > 0) number_sample_finish(&builder->numbers[i], &feature->bins);
    fit_numbers(&builder->features[i], get_scaling(builder, feature), &feature->center, &feature->scale);
    if (preprocessor->window.length > 0) feature->dates.is_used[DATETIME_INSTANT] = false; /* what is forecast lies beyond all trained on */
    feature->fill = builder->features[i].count > 0 ? moments_get_mean(&builder->features[i]) : 0;
  }
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    struct target *target = &preprocessor->targets[i];
    const size_t horizon = get_horizon(builder);
    if (!target->is_class) fit_numbers(&builder->targets[i / horizon * horizon], SCALING_STANDARD, &target->center, &target->scale);
    if (!preprocessor->is_reconstruction) continue;
    target->center = preprocessor->features[i].center;
    target->scale = preprocessor->features[i].scale;
  }
  drop_fits(builder);
  return ERROR_NONE;
}

/* ---- fill ---- */

static size_t align(size_t floats) { return (floats + ALIGNMENT_FLOATS - 1) / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS; }

/* Floats of a row's x: of a mapped one its number, which takes as much. */
static size_t get_x_width(const struct builder *builder) {
  return data_plan_is_mapped(builder->plan) ? sizeof(uint32_t) / sizeof(float) : builder->preprocessor.input_width;
}

/* One block for all matrices, each aligned. The plan's measure adds up the same sizes, so that they can't overflow here. */
static enum error_code allocate(struct builder *builder, struct error *error) {
  size_t disk_bytes; /* by the plan: what was not counted as memory is in a file */
  enum error_code code = data_plan_measure_disk(builder->plan, builder->as_values, &disk_bytes, error);
  if (code != ERROR_NONE) return code;
  if (builder->test_dataset != NULL) builder->sizes[PART_TEST] = builder->plan->test_rows_max;
  size_t x_width = get_x_width(builder), y_width = data_plan_get_target_width(builder->plan, builder->as_values);
  size_t floats = 0;
  for (int part = 0; part < PART_COUNT; part++)
    floats += align((size_t)builder->sizes[part] * x_width) + align((size_t)builder->sizes[part] * y_width);
  code = row_storage_open(builder->data_dir, floats * sizeof(float), disk_bytes > 0, &builder->storage, error);
  if (code != ERROR_NONE) return code;
  float *next = builder->storage.floats;
  for (int part = 0; part < PART_COUNT; part++) {
    builder->x[part] = next;
    builder->y[part] = next + align((size_t)builder->sizes[part] * x_width);
    next = builder->y[part] + align((size_t)builder->sizes[part] * y_width);
  }
  return ERROR_NONE;
}

static enum error_code fill_row(struct builder *builder, enum split_part part, uint64_t row, const char *const *cells,
                                struct error *error) {
  size_t at = (size_t)builder->filled[part];
  if (at >= builder->sizes[part]) return error_set(error, ERROR_INTERNAL, "a part of the rows is larger than was counted");
  size_t x_width = get_x_width(builder), y_width = data_plan_get_target_width(builder->plan, builder->as_values);
  bool is_missing;
  enum error_code code =
      encoder_encode_target(&builder->encoder, cells, row, builder->as_values, builder->y[part] + at * y_width, &is_missing, error);
  if (code == ERROR_NONE && data_plan_is_mapped(builder->plan))
    memcpy(builder->x[part] + at, &(uint32_t){(uint32_t)row}, sizeof(uint32_t));
  else if (code == ERROR_NONE)
    code = encoder_encode(&builder->encoder, cells, row, builder->x[part] + at * x_width, error);
  if (code == ERROR_NONE) builder->filled[part]++;
  return code;
}

static enum error_code fill_own_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct builder *builder = context;
  enum error_code code = prepared_check_poll(builder, row, error);
  if (code != ERROR_NONE || is_left_out(builder, cells)) return code;
  return fill_row(builder, (enum split_part)builder->parts[builder->usable++], row, cells, error);
}

static enum error_code fill_test_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct builder *builder = context;
  enum error_code code = prepared_check_poll(builder, row, error);
  if (code != ERROR_NONE) return code;
  if (!is_left_out(builder, cells)) return fill_row(builder, PART_TEST, row, cells, error);
  builder->left_out++;
  return ERROR_NONE;
}

static enum error_code fill(struct builder *builder, struct error *error) {
  if (builder->preprocessor.window.length > 0) return prepared_fill_windows(builder, error);
  enum error_code code = allocate(builder, error);
  builder->usable = 0;
  if (code == ERROR_NONE) code = row_cache_read(&builder->rows, fill_own_row, builder, error);
  if (code != ERROR_NONE || builder->test_dataset == NULL) return code;
  encoder_deinit(&builder->encoder);
  code = encoder_init(&builder->encoder, &builder->preprocessor, builder->test_dataset, "/test_dataset", error);
  if (code == ERROR_NONE) code = tensor_file_open(builder->data_dir, builder->test_dataset, &builder->test_tensors, error);
  if (code != ERROR_NONE) return code;
  builder->encoder.tensors = &builder->test_tensors;
  builder->test_column = builder->encoder.feature_columns[0];
  return dataset_read_rows(builder->data_dir, builder->test_dataset, 0, builder->test_dataset->rows, fill_test_row, builder, error);
}

/* ---- all together ---- */

static struct train_rows get_rows(const struct builder *builder, enum split_part part) {
  if (builder->preprocessor.window.length > 0) return prepared_get_windows(builder, part);
  struct train_rows rows = {.count = (size_t)builder->filled[part], .y = builder->preprocessor.is_reconstruction ? NULL : builder->y[part]};
  if (!data_plan_is_mapped(builder->plan)) {
    rows.x = builder->x[part];
    return rows;
  }
  const bool is_other = part == PART_TEST && builder->test_dataset != NULL;
  const struct feature *feature = &builder->preprocessor.features[0];
  const struct dataset_row *dataset = is_other ? builder->test_dataset : builder->dataset;
  const struct tensor_file *tensors = is_other ? &builder->test_tensors : &builder->tensors;
  rows.x_bytes = tensor_file_get(tensors, tensor_file_get_offset(dataset, is_other ? builder->test_column : feature->column), 0);
  rows.x_stride = tensors->record_bytes;
  const void *numbers = builder->x[part];
  rows.x_rows = numbers;
  rows.byte_center = feature->image.center;
  rows.byte_scale = feature->image.scale;
  return rows;
}

/* Training rows are gathered in any order, the others one after the other. */
static void advise_order(const struct builder *builder) {
  const size_t row_bytes = get_x_width(builder) * sizeof(float);
  row_storage_expect_any_order(&builder->storage, builder->x[PART_TRAIN], (size_t)builder->filled[PART_TRAIN] * row_bytes);
  row_storage_expect_order(&builder->storage, builder->x[PART_VALIDATION], (size_t)builder->filled[PART_VALIDATION] * row_bytes);
  row_storage_expect_order(&builder->storage, builder->x[PART_TEST], (size_t)builder->filled[PART_TEST] * row_bytes);
}

static void hand_over(struct builder *builder, struct prepared *out_prepared) {
  const struct preprocessor *preprocessor = &builder->preprocessor;
  if (preprocessor->window.length == 0) advise_order(builder);
  *out_prepared = (struct prepared){
      .data = {.task = preprocessor->task,
               .class_count = preprocessor->task == TASK_CLASSIFICATION ? preprocessor->targets[0].class_count : 0,
               .target_steps = preprocessor_count_steps(preprocessor) > 1 ? preprocessor->target_count : 0,
               .target_is_input = preprocessor->is_reconstruction,
               .train = get_rows(builder, PART_TRAIN),
               .validation = get_rows(builder, PART_VALIDATION)},
      .test = get_rows(builder, PART_TEST),
      .left_out = builder->left_out,
      .storage = builder->storage,
      .tensors = builder->tensors,
      .test_tensors = builder->test_tensors,
      .baselines = {builder->baselines[0], builder->baselines[1]},
  };
  out_prepared->preprocessor = builder->preprocessor;
  builder->preprocessor = (struct preprocessor){0};
  builder->storage = (struct row_storage){0};
  builder->tensors = builder->test_tensors = (struct tensor_file){0};
}

enum error_code prepared_create(const char *data_dir, const struct dataset_row *dataset, const struct dataset_row *test_dataset,
                                const struct data_plan *plan, bool as_values, bool (*poll)(void *context), void *context,
                                struct prepared *out_prepared, struct error *error) {
  struct builder builder = {.data_dir = data_dir,
                            .dataset = dataset,
                            .test_dataset = test_dataset,
                            .plan = plan,
                            .as_values = as_values,
                            .poll = poll,
                            .poll_context = context};
  row_cache_init(&builder.rows, data_dir, dataset);
  enum error_code code = preprocessor_copy(&builder.preprocessor, &plan->layout, error);
  if (code == ERROR_NONE) code = encoder_init(&builder.encoder, &builder.preprocessor, dataset, "/dataset", error);
  if (code == ERROR_NONE) code = tensor_file_open(data_dir, dataset, &builder.tensors, error);
  builder.encoder.tensors = &builder.tensors;
  if (code == ERROR_NONE) code = survey(&builder, error);
  if (code == ERROR_NONE) code = fit(&builder, error);
  if (code == ERROR_NONE) code = fill(&builder, error);
  row_cache_deinit(&builder.rows);
  drop_fits(&builder);
  encoder_deinit(&builder.encoder);
  if (code == ERROR_NONE) hand_over(&builder, out_prepared);
  preprocessor_deinit(&builder.preprocessor);
  free(builder.strata);
  free(builder.parts);
  free(builder.features);
  free(builder.targets);
  free(builder.positions);
  free(builder.series);
  row_storage_close(&builder.storage);
  tensor_file_close(&builder.tensors);
  tensor_file_close(&builder.test_tensors);
  return code;
}

void prepared_deinit(struct prepared *prepared) {
  preprocessor_deinit(&prepared->preprocessor);
  row_storage_close(&prepared->storage);
  tensor_file_close(&prepared->tensors);
  tensor_file_close(&prepared->test_tensors);
  *prepared = (struct prepared){0};
}
