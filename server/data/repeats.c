#include "server/data/repeats.h"

#include <stdlib.h>
#include <string.h>

#include "server/data/duplicates.h"
#include "server/data/image_import.h"
#include "server/data/import.h"
#include "server/data/plan.h"
#include "server/data/split.h"
#include "server/data/tensor_file.h"

enum { POLL_ROWS = 1024 };

struct walk {
  const struct repeats_request *request;
  struct repeats *repeats;
  struct duplicates all, train;   /* train: of the training part, where a column tells parts */
  const struct dataset_row *rows; /* whose file is being read */
  const size_t *columns;          /* [request->dataset->column_count] where its columns stand there */
  bool *is_content;               /* [the same] not which part a row is of, nor what file it was or where it stood in it */
  struct tensor_file tensors;     /* of it */
};

static bool says_parts(const struct dataset_column *column) {
  if (column->kind != COLUMN_CATEGORICAL || !column->has_categories || column->category_count < 2) return false;
  for (size_t i = 0; i < column->category_count; i++)
    if (split_part_of_word(column->categories[i].value) == PART_COUNT) return false;
  return column->missing == 0;
}

static size_t find_part_column(const struct dataset_row *dataset) {
  size_t i = 0;
  while (i < dataset->column_count && !says_parts(&dataset->columns[i])) i++;
  return i;
}

/* The names of files of images, which an archive gives a column of its own. */
static bool is_file_name(const struct dataset_row *dataset, size_t index) {
  bool has_image = false;
  for (size_t i = 0; i < dataset->column_count; i++) has_image |= dataset->columns[i].kind == COLUMN_IMAGE;
  return has_image && dataset->columns[index].rank == 0 && strcmp(dataset->columns[index].name, IMAGE_FILE_COLUMN) == 0;
}

static uint64_t hash_row(const struct walk *walk, uint64_t index, const char *const *cells) {
  const struct dataset_row *dataset = walk->request->dataset;
  uint64_t hash = duplicates_start(&walk->all);
  for (size_t i = 0; i < dataset->column_count; i++) {
    const struct dataset_column *column = &walk->rows->columns[walk->columns[i]];
    if (!walk->is_content[i]) continue;
    if (column->rank == 0)
      hash = duplicates_hash_text(hash, cells[walk->columns[i]]);
    else
      hash = duplicates_hash_bytes(hash, tensor_file_get(&walk->tensors, tensor_file_get_offset(walk->rows, walk->columns[i]), index),
                                   dataset_column_count_elements(column) * tensor_element_bytes(column->element));
  }
  return hash;
}

static enum error_code check_poll(const struct walk *walk, uint64_t index, struct error *error) {
  const struct repeats_request *request = walk->request;
  if (index % POLL_ROWS != 0 || request->poll == NULL || !request->poll(request->poll_context)) return ERROR_NONE;
  return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
}

static bool is_of_training(const struct walk *walk, const char *const *cells) {
  return split_part_of_word(cells[walk->columns[walk->repeats->part_column]]) == PART_TRAIN;
}

static enum error_code take_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  struct walk *walk = context;
  struct repeats *repeats = walk->repeats;
  uint64_t hash = hash_row(walk, index, cells), first_row;
  if (repeats->copies_shown < REPEATS_SHOWN && duplicates_find(&walk->all, hash, &first_row) > 0)
    repeats->copies_first[repeats->copies_shown++] = (struct repeat){.row = index, .first_row = first_row};
  enum error_code code = check_poll(walk, index, error);
  if (code == ERROR_NONE) code = duplicates_add(&walk->all, hash, index, error);
  if (code == ERROR_NONE && repeats->part_column < walk->rows->column_count && is_of_training(walk, cells))
    code = duplicates_add(&walk->train, hash, index, error);
  return code;
}

static enum error_code compare_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  struct walk *walk = context;
  struct repeats *repeats = walk->repeats;
  const bool is_own = walk->rows == walk->request->dataset;
  uint64_t first_row;
  if (is_own && is_of_training(walk, cells)) return ERROR_NONE;
  if (duplicates_find(is_own ? &walk->train : &walk->all, hash_row(walk, index, cells), &first_row) > 0) {
    repeats->shared++;
    if (repeats->shared_shown < REPEATS_SHOWN)
      repeats->shared_first[repeats->shared_shown++] = (struct repeat){.row = index, .first_row = first_row};
  }
  return check_poll(walk, index, error);
}

static enum error_code walk_over(struct walk *walk, const struct dataset_row *rows, const size_t *columns, dataset_row_handler *handler,
                                 struct error *error) {
  walk->rows = rows;
  walk->columns = columns;
  enum error_code code = tensor_file_open(walk->request->data_dir, rows, &walk->tensors, error);
  if (code == ERROR_NONE) code = dataset_read_rows(walk->request->data_dir, rows, 0, rows->rows, handler, walk, error);
  tensor_file_close(&walk->tensors);
  return code;
}

/* Where the columns of `dataset` stand in `rows`. */
static enum error_code map_columns(const struct dataset_row *dataset, const struct dataset_row *rows, size_t *columns,
                                   const bool *is_content, struct error *error) {
  for (size_t i = 0; i < dataset->column_count; i++) {
    size_t at = 0;
    while (at < rows->column_count && strcmp(rows->columns[at].name, dataset->columns[i].name) != 0) at++;
    if (at == rows->column_count && is_content[i])
      return error_set(error, ERROR_INVALID, "dataset \"%s\" has no column \"%.80s\"; it needs those of \"%s\" to be compared with it",
                       rows->name, dataset->columns[i].name, dataset->name);
    columns[i] = at == rows->column_count ? 0 : at;
  }
  return ERROR_NONE;
}

static enum error_code run_walks(struct walk *walk, size_t *columns, struct error *error) {
  const struct repeats_request *request = walk->request;
  struct repeats *repeats = walk->repeats;
  const struct duplicates *train = &walk->all;
  enum error_code code = map_columns(request->dataset, request->dataset, columns, walk->is_content, error);
  if (code == ERROR_NONE) code = walk_over(walk, request->dataset, columns, take_row, error);
  if (code == ERROR_NONE && request->test_dataset != NULL) {
    code = map_columns(request->dataset, request->test_dataset, columns, walk->is_content, error);
    if (code == ERROR_NONE) code = walk_over(walk, request->test_dataset, columns, compare_row, error);
  } else if (code == ERROR_NONE && repeats->has_parts) {
    train = &walk->train;
    code = walk_over(walk, request->dataset, columns, compare_row, error);
  }
  repeats->copies = duplicates_count(&walk->all);
  repeats->shared *= duplicates_get_scale(train);
  repeats->is_estimate = duplicates_get_scale(&walk->all) > 1 || duplicates_get_scale(train) > 1;
  return code;
}

enum error_code repeats_read(const struct repeats_request *request, struct repeats *out_repeats, struct error *error) {
  const struct dataset_row *dataset = request->dataset;
  *out_repeats = (struct repeats){.part_column = find_part_column(dataset)};
  out_repeats->has_parts = request->test_dataset != NULL || out_repeats->part_column < dataset->column_count;
  struct walk walk = {.request = request, .repeats = out_repeats};
  size_t *columns = calloc(dataset->column_count + 1, sizeof *columns);
  walk.is_content = calloc(dataset->column_count + 1, sizeof *walk.is_content);
  for (size_t i = 0; walk.is_content != NULL && i < dataset->column_count; i++)
    walk.is_content[i] = i != out_repeats->part_column && !is_file_name(dataset, i) && !data_plan_is_row_number(dataset, i);
  enum error_code code =
      columns != NULL && walk.is_content != NULL ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "no memory to compare rows");
  if (code == ERROR_NONE) code = duplicates_init(&walk.all, DUPLICATES_KEPT, error);
  if (code == ERROR_NONE) code = duplicates_init(&walk.train, DUPLICATES_KEPT, error);
  walk.train.key = walk.all.key; /* one hash for both */
  if (code == ERROR_NONE) code = run_walks(&walk, columns, error);
  duplicates_deinit(&walk.all);
  duplicates_deinit(&walk.train);
  free(columns);
  free(walk.is_content);
  return code;
}
