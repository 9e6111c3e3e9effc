/* /v1/models: what training has left behind. */
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/model_cache.h"
#include "server/codec/model_json.h"

enum error_code models_get_list(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct store_page page;
  enum error_code code = query_get_page(request, &page, error);
  if (code != ERROR_NONE) return code;
  struct model_row *rows = NULL;
  size_t count = 0;
  char next[sizeof page.cursor] = "";
  code = models_list(api->store, &page, &rows, &count, next, error);
  if (code != ERROR_NONE) return code;
  json_t *items = json_array();
  for (size_t i = 0; i < count; i++) {
    json_append(&items, model_to_json(&rows[i], false));
    model_row_deinit(&rows[i]);
  }
  free(rows);
  return respond_page(response, items, next, error);
}

enum error_code models_get_one(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct model_row row = {0};
  enum error_code code = models_get(api->store, request->id, &row, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_MODEL, request->id, code, error);
  code = respond_json(response, 200, model_to_json(&row, true), error);
  model_row_deinit(&row);
  return code;
}

enum error_code models_delete_one(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct model_row row = {0};
  enum error_code code = models_get(api->store, request->id, &row, error);
  if (code == ERROR_NONE) code = models_delete(api->store, row.id, error);
  if (code == ERROR_NONE) {
    model_cache_forget(api->models, row.id);
    store_vacuum(api->store);
    respond_nothing(response);
  }
  model_row_deinit(&row);
  return resource_explain(api, RESOURCE_MODEL, request->id, code, error);
}
