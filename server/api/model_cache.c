#include "server/api/model_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/job_json.h"
#include "server/codec/json_text.h"
#include "server/codec/network_json.h"
#include "server/codec/preprocessor_json.h"
#include "server/store/blobs.h"

enum { WEIGHTS_ALIGNMENT = 64, BATCH_ROWS_MAX = 64, BATCH_BYTES_MAX = 1 << 20 };
static const double BATCH_ROW_FLOPS_MAX = 2e6; /* a row that takes longer isn't computed on http's thread */

struct model_cache {
  struct store *store;
  pthread_mutex_t mutex; /* guards all below, and user_count, is_cached and next of every model */
  struct model *first;   /* most recently used */
  size_t bytes;
  uint64_t forgotten_count;
};

enum error_code model_cache_create(struct store *store, struct model_cache **out_cache, struct error *error) {
  struct model_cache *cache = calloc(1, sizeof *cache);
  if (cache == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  cache->store = store;
  pthread_mutex_init(&cache->mutex, NULL);
  *out_cache = cache;
  return ERROR_NONE;
}

static void model_destroy(struct model *model) {
  if (model == NULL) return;
  network_destroy(model->network);
  network_spec_deinit(&model->spec);
  job_spec_deinit(&model->job_spec);
  preprocessor_deinit(&model->preprocessor);
  model_row_deinit(&model->row);
  free(model->parameters);
  workspace_destroy(model->batch.workspace);
  free(model->batch.x);
  free(model->batch.outputs);
  free(model->batch.lengths);
  free(model);
}

void model_cache_destroy(struct model_cache *cache) {
  if (cache == NULL) return;
  for (struct model *model = cache->first; model != NULL;) {
    struct model *next = model->next;
    model_destroy(model);
    model = next;
  }
  pthread_mutex_destroy(&cache->mutex);
  free(cache);
}

static enum error_code parse_own(const char *text, json_t **out_json, struct error *error) {
  *out_json = text == NULL ? NULL : json_loads(text, 0, NULL);
  return *out_json == NULL ? error_set(error, ERROR_INTERNAL, "a stored model's description can't be read") : ERROR_NONE;
}

static enum error_code load_descriptions(struct model *model, struct error *error) {
  json_t *network = NULL, *preprocessing = NULL, *job_spec = NULL;
  enum error_code code = parse_own(model->row.network_json, &network, error);
  if (code == ERROR_NONE) code = parse_own(model->row.preprocessing_json, &preprocessing, error);
  if (code == ERROR_NONE) code = parse_own(model->row.job_spec_json, &job_spec, error);
  if (code == ERROR_NONE) code = network_spec_from_json(network, "", &model->spec, error);
  if (code == ERROR_NONE) code = network_create(&model->spec, &model->network, error);
  if (code == ERROR_NONE) code = preprocessor_from_json(preprocessing, &model->preprocessor, error);
  if (code == ERROR_NONE) code = job_spec_from_json(job_spec, &model->job_spec, error);
  json_decref(network);
  json_decref(preprocessing);
  json_decref(job_spec);
  return code == ERROR_NONE ? ERROR_NONE : error_set(error, ERROR_INTERNAL, "a stored model can't be used: %.200s", error->detail);
}

static enum error_code load_weights(struct store *store, struct model *model, struct error *error) {
  size_t parameters = network_parameter_count(model->network), buffers = network_buffer_count(model->network);
  size_t bytes = (parameters + buffers) * sizeof(float), stored = 0;
  enum error_code code = blobs_get_size(store, model->row.weights_blob, &stored, error);
  if (code != ERROR_NONE) return code;
  if (stored != bytes)
    return error_set(error, ERROR_INTERNAL, "a stored model has %zu bytes of weights, its network needs %zu", stored, bytes);
  /* on cache lines, as the kernels like it */
  model->parameters = aligned_alloc(WEIGHTS_ALIGNMENT, (bytes / WEIGHTS_ALIGNMENT + 1) * WEIGHTS_ALIGNMENT);
  if (model->parameters == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "the model's weights take %zu bytes", bytes);
  model->buffers = model->parameters + parameters;
  model->bytes = bytes + sizeof *model;
  return bytes == 0 ? ERROR_NONE : blobs_read(store, model->row.weights_blob, 0, model->parameters, bytes, error);
}

/* How many rows fit into the work and the memory that gathering may take; none if not even one does. */
static size_t count_batch_rows(const struct model *model, size_t *out_bytes) {
  const double flops = network_flops_per_sample(model->network);
  size_t rows = flops > BATCH_ROW_FLOPS_MAX ? 0 : BATCH_ROWS_MAX;
  const size_t row_bytes = (model->preprocessor.input_width + model->preprocessor.output_width) * sizeof(float) + sizeof(uint32_t);
  for (; rows > 0; rows /= 2) {
    struct error ignored;
    size_t bytes = 0;
    error_clear(&ignored);
    if (workspace_measure(model->network, rows, false, &bytes, &ignored) != ERROR_NONE) continue;
    *out_bytes = bytes + rows * row_bytes;
    if (*out_bytes <= BATCH_BYTES_MAX) return rows;
  }
  return 0;
}

static enum error_code make_batch(struct model *model, struct error *error) {
  struct model_batch *batch = &model->batch;
  size_t bytes = 0;
  batch->row_max = count_batch_rows(model, &bytes);
  if (batch->row_max == 0) return ERROR_NONE;
  batch->x = calloc(batch->row_max * model->preprocessor.input_width + 1, sizeof *batch->x);
  batch->outputs = calloc(batch->row_max * model->preprocessor.output_width + 1, sizeof *batch->outputs);
  const bool has_lengths = network_has_output_lengths(model->network);
  if (has_lengths) batch->lengths = calloc(batch->row_max, sizeof *batch->lengths);
  if (batch->x == NULL || batch->outputs == NULL || (has_lengths && batch->lengths == NULL))
    return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  model->bytes += bytes;
  return workspace_create(model->network, batch->row_max, false, &batch->workspace, error);
}

static enum error_code model_load(struct store *store, const char *id, struct model **out_model, struct error *error) {
  struct model *model = calloc(1, sizeof *model);
  if (model == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  enum error_code code = models_get(store, id, &model->row, error);
  if (code == ERROR_NONE) code = load_descriptions(model, error);
  if (code == ERROR_NONE) code = load_weights(store, model, error);
  if (code == ERROR_NONE) code = make_batch(model, error);
  if (code != ERROR_NONE) {
    model_destroy(model);
    return code;
  }
  *out_model = model;
  return ERROR_NONE;
}

/* Under the mutex. Takes the model out of the list; the caller destroys it if it has no users. */
static void unlink_model(struct model_cache *cache, struct model *model) {
  for (struct model **link = &cache->first; *link != NULL; link = &(*link)->next) {
    if (*link != model) continue;
    *link = model->next;
    model->next = NULL;
    model->is_cached = false;
    cache->bytes -= model->bytes;
    return;
  }
}

static void push_front(struct model_cache *cache, struct model *model) {
  model->next = cache->first;
  cache->first = model;
  model->is_cached = true;
  cache->bytes += model->bytes;
}

/* Under the mutex: the cached model of that id or name, moved to the front and with one more user; or NULL. */
static struct model *take_cached(struct model_cache *cache, const char *id_or_name) {
  for (struct model *model = cache->first; model != NULL; model = model->next) {
    if (strcmp(model->row.id, id_or_name) != 0 && strcmp(model->row.name, id_or_name) != 0) continue;
    unlink_model(cache, model);
    push_front(cache, model);
    model->user_count++;
    return model;
  }
  return NULL;
}

/* Under the mutex: drops the least recently used models that nobody uses until the rest fits. */
static void make_room(struct model_cache *cache) {
  while (cache->bytes > MODEL_CACHE_BYTES_MAX) {
    struct model *victim = NULL;
    for (struct model *model = cache->first; model != NULL; model = model->next) {
      if (model->user_count == 0) victim = model;
    }
    if (victim == NULL) return;
    unlink_model(cache, victim);
    model_destroy(victim);
  }
}

/* Reads a model in, outside the mutex, and takes it; another thread may have been quicker, then that one's copy counts. */
static enum error_code load_and_take(struct model_cache *cache, const char *id_or_name, uint64_t forgotten_before, struct model **out_model,
                                     struct error *error) {
  struct model *loaded = NULL;
  enum error_code code = model_load(cache->store, id_or_name, &loaded, error);
  if (code != ERROR_NONE) return code;
  pthread_mutex_lock(&cache->mutex);
  struct model *model = take_cached(cache, loaded->row.id);
  if (model == NULL) {
    loaded->user_count = 1;
    /* Something was deleted while this one was read, perhaps this one: use it, but don't keep it. */
    if (cache->forgotten_count == forgotten_before) push_front(cache, loaded);
    model = loaded;
    loaded = NULL;
    make_room(cache);
  }
  pthread_mutex_unlock(&cache->mutex);
  model_destroy(loaded);
  *out_model = model;
  return ERROR_NONE;
}

enum error_code model_cache_take(struct model_cache *cache, const char *id_or_name, struct model **out_model, struct error *error) {
  pthread_mutex_lock(&cache->mutex);
  *out_model = take_cached(cache, id_or_name);
  uint64_t forgotten_before = cache->forgotten_count;
  pthread_mutex_unlock(&cache->mutex);
  return *out_model != NULL ? ERROR_NONE : load_and_take(cache, id_or_name, forgotten_before, out_model, error);
}

struct model *model_cache_take_cached(struct model_cache *cache, const char *id_or_name) {
  pthread_mutex_lock(&cache->mutex);
  struct model *model = take_cached(cache, id_or_name);
  pthread_mutex_unlock(&cache->mutex);
  return model;
}

void model_cache_return(struct model_cache *cache, struct model *model) {
  if (model == NULL) return;
  pthread_mutex_lock(&cache->mutex);
  model->user_count--;
  bool is_garbage = model->user_count == 0 && !model->is_cached;
  if (!is_garbage) make_room(cache);
  pthread_mutex_unlock(&cache->mutex);
  if (is_garbage) model_destroy(model);
}

void model_cache_forget(struct model_cache *cache, const char *id) {
  pthread_mutex_lock(&cache->mutex);
  struct model *model = take_cached(cache, id);
  if (model != NULL) unlink_model(cache, model);
  cache->forgotten_count++;
  pthread_mutex_unlock(&cache->mutex);
  model_cache_return(cache, model);
}

size_t model_cache_get_bytes(struct model_cache *cache) {
  pthread_mutex_lock(&cache->mutex);
  size_t bytes = cache->bytes;
  pthread_mutex_unlock(&cache->mutex);
  return bytes;
}
