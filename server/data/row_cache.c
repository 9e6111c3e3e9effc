/* The first walk keeps what it reads as long as it fits what was reserved by the file's size; if it doesn't, every walk reads the file. */
#include "server/data/row_cache.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_BYTES_MAX = 2 << 20 };

/* A walk that keeps each row before it hands it on. */
struct keeping {
  struct row_cache *cache;
  dataset_row_handler *handler;
  void *context;
};

void row_cache_init(struct row_cache *cache, const char *data_dir, const struct dataset_row *dataset) {
  *cache = (struct row_cache){.data_dir = data_dir, .dataset = dataset};
}

void row_cache_deinit(struct row_cache *cache) {
  free(cache->text);
  free(cache->positions);
  free(cache->cells);
  row_cache_init(cache, cache->data_dir, cache->dataset);
}

/* A cell takes no more than in the file, where a delimiter or the row's end follows it. 0: too large to be kept. */
size_t row_cache_measure(const struct dataset_row *dataset) {
  uint64_t bytes;
  if (__builtin_mul_overflow(dataset->rows * sizeof(uint32_t), dataset->column_count, &bytes) ||
      __builtin_add_overflow(bytes, dataset->table_bytes + dataset->column_count * sizeof(char *), &bytes))
    return 0;
  return bytes > KEPT_BYTES_MAX ? 0 : (size_t)bytes;
}

/* Nothing, if the dataset is large; that there is no memory for it is no error. */
static void reserve(struct row_cache *cache) {
  const struct dataset_row *dataset = cache->dataset;
  if (row_cache_measure(dataset) == 0) return;
  cache->text = malloc((size_t)dataset->table_bytes + 1);
  cache->positions = malloc((size_t)dataset->rows * dataset->column_count * sizeof *cache->positions + 1);
  cache->cells = calloc(dataset->column_count + 1, sizeof *cache->cells);
  if (cache->text == NULL || cache->positions == NULL || cache->cells == NULL) row_cache_deinit(cache);
}

/* A row's cells lie one behind the other. False if they are more than was reserved for. */
static bool keep_row(struct row_cache *cache, const char *const *cells) {
  const size_t column_count = cache->dataset->column_count;
  const char *last = cells[column_count - 1];
  const size_t bytes = (size_t)(last - cells[0]) + strlen(last) + 1;
  if (cache->row_count == cache->dataset->rows || bytes > cache->dataset->table_bytes + 1 - cache->text_bytes) return false;
  uint32_t *positions = cache->positions + cache->row_count++ * column_count;
  for (size_t i = 0; i < column_count; i++) positions[i] = (uint32_t)(cache->text_bytes + (size_t)(cells[i] - cells[0]));
  memcpy(cache->text + cache->text_bytes, cells[0], bytes);
  cache->text_bytes += bytes;
  return true;
}

static enum error_code keep_and_hand_on(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct keeping *keeping = context;
  if (keeping->cache->text != NULL && !keep_row(keeping->cache, cells)) row_cache_deinit(keeping->cache);
  return keeping->handler(keeping->context, row, cells, error);
}

static enum error_code replay(const struct row_cache *cache, dataset_row_handler *handler, void *context, struct error *error) {
  const uint32_t *positions = cache->positions;
  enum error_code code = ERROR_NONE;
  for (size_t row = 0; row < cache->row_count && code == ERROR_NONE; row++) {
    for (size_t i = 0; i < cache->dataset->column_count; i++) cache->cells[i] = cache->text + *positions++;
    code = handler(context, row, cache->cells, error);
  }
  return code;
}

enum error_code row_cache_read(struct row_cache *cache, dataset_row_handler *handler, void *context, struct error *error) {
  if (cache->is_whole) return replay(cache, handler, context, error);
  struct keeping keeping = {.cache = cache, .handler = handler, .context = context};
  reserve(cache);
  enum error_code code = dataset_read_rows(cache->data_dir, cache->dataset, 0, cache->dataset->rows, keep_and_hand_on, &keeping, error);
  if (code == ERROR_NONE && cache->text != NULL)
    cache->is_whole = true;
  else
    row_cache_deinit(cache);
  return code;
}
