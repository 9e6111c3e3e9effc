/* What all stored resources share: being asked for by an id or name that isn't there. */
#include <stdlib.h>
#include <string.h>

#include "engine/param.h"
#include "server/api/context.h"
#include "server/store/datasets.h"
#include "server/store/jobs.h"
#include "server/store/models.h"
#include "server/store/networks.h"

enum { NAMES_MAX = 200 }; /* the newest ones; a suggestion is a kindness, not a search */

static const char *const resource_words[] = {"network", "dataset", "job", "model"};

struct names_found {
  size_t count;
  char names[NAMES_MAX][LIMIT_NAME_BYTES + 1];
};

static void add_name(struct names_found *found, const char *name) {
  if (found->count < NAMES_MAX) snprintf(found->names[found->count++], LIMIT_NAME_BYTES + 1, "%s", name);
}

/* The names of one table's newest rows: list, copy, free. */
#define COLLECT(function_, row_, list_call_)                                                                                               \
  static void function_(struct store *store, const struct store_page *page, struct names_found *found) {                                   \
    struct row_ *rows = NULL;                                                                                                              \
    size_t count = 0;                                                                                                                      \
    char cursor[sizeof page->cursor];                                                                                                      \
    struct error error = {0};                                                                                                              \
    if ((list_call_) != ERROR_NONE) return;                                                                                                \
    for (size_t i = 0; i < count; i++) {                                                                                                   \
      add_name(found, rows[i].name);                                                                                                       \
      row_##_deinit(&rows[i]);                                                                                                             \
    }                                                                                                                                      \
    free(rows);                                                                                                                            \
  }
COLLECT(collect_networks, network_row, networks_list(store, page, &rows, &count, cursor, &error))
COLLECT(collect_datasets, dataset_row, datasets_list(store, page, &rows, &count, cursor, &error))
COLLECT(collect_jobs, job_row, jobs_list(store, page, 0, &rows, &count, cursor, &error))
COLLECT(collect_models, model_row, models_list(store, page, &rows, &count, cursor, &error))

static void (*const collectors[])(struct store *, const struct store_page *, struct names_found *) = {collect_networks, collect_datasets,
                                                                                                      collect_jobs, collect_models};

static const char *get_name(const void *context, size_t index) { return ((const struct names_found *)context)->names[index]; }

/* "no network is called "x"; did you mean "y"?" */
static void describe_missing(struct api *api, enum resource resource, const char *id_or_name, char *text, size_t text_bytes) {
  struct names_found *found = calloc(1, sizeof *found);
  const char *nearest = NULL;
  if (found != NULL) {
    struct store_page page = {.limit = NAMES_MAX};
    collectors[resource](api->store, &page, found);
    nearest = param_suggest(id_or_name, found->count, get_name, found);
  }
  if (nearest != NULL) {
    snprintf(text, text_bytes, "no %s has the id or name \"%.128s\"; did you mean \"%s\"?", resource_words[resource], id_or_name, nearest);
  } else {
    snprintf(text, text_bytes, "no %s has the id or name \"%.128s\"", resource_words[resource], id_or_name);
  }
  free(found);
}

enum error_code resource_explain(struct api *api, enum resource resource, const char *id_or_name, enum error_code code,
                                 struct error *error) {
  if (code != ERROR_NOT_FOUND) return code;
  char text[ERROR_DETAIL_BYTES];
  describe_missing(api, resource, id_or_name, text, sizeof text);
  error_clear(error);
  return error_set(error, ERROR_NOT_FOUND, "%s", text);
}

void resource_add_missing(struct api *api, enum resource resource, const char *id_or_name, const char *pointer, struct error *error) {
  char text[ERROR_DETAIL_BYTES];
  describe_missing(api, resource, id_or_name, text, sizeof text);
  error_add(error, pointer, "%s", text);
}

enum error_code resource_get_dataset(struct api *api, const char *id_or_name, struct dataset_row *out_row, struct error *error) {
  memset(out_row, 0, sizeof *out_row);
  enum error_code code = datasets_get(api->store, id_or_name, out_row, error);
  return resource_explain(api, RESOURCE_DATASET, id_or_name, code, error);
}

static const char *get_column_name(const void *context, size_t index) { return ((const struct dataset_row *)context)->columns[index].name; }

enum error_code resource_find_column(const struct dataset_row *dataset, const char *name_or_position, size_t *out_column,
                                     struct error *error) {
  for (size_t i = 0; i < dataset->column_count; i++) {
    if (strcmp(dataset->columns[i].name, name_or_position) != 0) continue;
    *out_column = i;
    return ERROR_NONE;
  }
  char *end = NULL;
  const unsigned long long position = strtoull(name_or_position, &end, 10);
  if (*name_or_position >= '0' && *name_or_position <= '9' && *end == '\0' && position < dataset->column_count) {
    *out_column = (size_t)position;
    return ERROR_NONE;
  }
  const char *nearest = param_suggest(name_or_position, dataset->column_count, get_column_name, dataset);
  return error_set(error, ERROR_NOT_FOUND,
                   "dataset \"%s\" has no column \"%.80s\"%s%.80s%s; a column's position, from 0 to %zu, would do as well", dataset->name,
                   name_or_position, nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest,
                   nearest == NULL ? "" : "\"?", dataset->column_count - 1);
}
