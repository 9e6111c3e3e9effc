/* /v1/networks: specs, checked as far as they can be without a dataset. */
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/once.h"
#include "server/codec/network_json.h"
#include "server/store/networks.h"

/* A spec being checked. */
struct checked_network {
  struct network_spec spec;
  struct network *network; /* NULL while something waits for a dataset */
  size_t training_bytes;
};

static void checked_network_deinit(struct checked_network *checked) {
  network_destroy(checked->network);
  network_spec_deinit(&checked->spec);
}

/* Compiles and measures, if nothing waits for a dataset. */
static enum error_code compile(struct api *api, struct checked_network *checked, struct error *error) {
  if (!network_spec_is_complete(&checked->spec)) return ERROR_NONE;
  enum error_code code = network_create(&checked->spec, &checked->network, error);
  if (code == ERROR_NONE) code = network_measure_training(checked->network, &checked->training_bytes, error);
  if (code == ERROR_NONE) code = jobs_admit(api->jobs, checked->training_bytes, error);
  return code;
}

static enum error_code check_network(struct api *api, const json_t *body, struct checked_network *out_checked, struct error *error) {
  memset(out_checked, 0, sizeof *out_checked);
  enum error_code code = network_spec_from_json(body, "", &out_checked->spec, error);
  if (code != ERROR_NONE) return code;
  if (out_checked->spec.name[0] != '\0' && !store_is_name(out_checked->spec.name)) {
    code = error_add(error, "/name", "must be " STORE_NAME_RULE, LIMIT_NAME_BYTES);
  }
  if (code == ERROR_NONE) code = network_spec_resolve(&out_checked->spec, NULL, error);
  if (code == ERROR_NONE) code = compile(api, out_checked, error);
  return code;
}

/* {"id", "name", "complete", "spec", "summary", "created_at"}; a dry run has no id and no time. */
static json_t *network_to_json(const struct network_row *row, const struct checked_network *checked) {
  bool is_complete = checked->network != NULL;
  json_t *summary = is_complete ? network_summary(checked->network, checked->training_bytes) : json_null();
  json_t *json = row == NULL ? json_object() : json_pack("{s:s}", "id", row->id);
  json_put(&json, "name", json_string(row == NULL ? checked->spec.name : row->name));
  json_put(&json, "complete", json_boolean(is_complete));
  json_put(&json, "spec", network_spec_to_json(&checked->spec));
  json_put(&json, "summary", summary);
  if (row != NULL) json_put(&json, "created_at", json_time(row->created_ms));
  return json;
}

struct network_insertion {
  struct api *api;
  struct checked_network *checked;
};

static enum error_code insert_network(void *context, struct response *response, struct error *error) {
  struct network_insertion *insertion = context;
  struct network_row row = {0};
  json_t *spec = network_spec_to_json(&insertion->checked->spec);
  row.spec_json = json_write(spec);
  json_decref(spec);
  if (row.spec_json == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  memcpy(row.name, insertion->checked->spec.name, sizeof row.name);
  enum error_code code = networks_insert(insertion->api->store, &row, error);
  if (code == ERROR_NONE) {
    memcpy(insertion->checked->spec.name, row.name, sizeof row.name);
    response_add_header(response, "Location", "/v1/networks/%s", row.id);
    code = respond_json(response, 201, network_to_json(&row, insertion->checked), error);
  }
  network_row_deinit(&row);
  return code;
}

enum error_code networks_post(struct api *api, const struct request *request, struct response *response, struct error *error) {
  bool is_dry_run = false;
  struct once once;
  json_t *body = NULL;
  struct checked_network checked = {0};
  enum error_code code = query_get_boolean(request, "dry_run", &is_dry_run, error);
  if (code == ERROR_NONE) code = once_init(&once, request, NULL, error);
  if (code == ERROR_NONE) code = request_parse_object(request, &body, error);
  if (code == ERROR_NONE) code = check_network(api, body, &checked, error);
  if (code == ERROR_NONE && is_dry_run) {
    code = respond_json(response, 200, network_to_json(NULL, &checked), error);
  } else if (code == ERROR_NONE) {
    struct network_insertion insertion = {api, &checked};
    code = once_run(api, &once, insert_network, &insertion, response, error);
  }
  checked_network_deinit(&checked);
  json_decref(body);
  return code;
}

enum error_code networks_get_list(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct store_page page;
  enum error_code code = query_get_page(request, &page, error);
  if (code != ERROR_NONE) return code;
  struct network_row *rows = NULL;
  size_t count = 0;
  char next[sizeof page.cursor] = "";
  code = networks_list(api->store, &page, &rows, &count, next, error);
  if (code != ERROR_NONE) return code;
  json_t *items = json_array();
  for (size_t i = 0; i < count; i++) {
    json_append(&items, json_pack("{s:s, s:s, s:o, s:o}", "id", rows[i].id, "name", rows[i].name, "spec", json_read_own(rows[i].spec_json),
                                  "created_at", json_time(rows[i].created_ms)));
    network_row_deinit(&rows[i]);
  }
  free(rows);
  return respond_page(response, items, next, error);
}

/* A stored spec, checked again: it was accepted once, so what fails now is not the client's fault and only leaves the summary out. */
static enum error_code read_stored(const struct network_row *row, struct checked_network *out_checked, struct error *error) {
  memset(out_checked, 0, sizeof *out_checked);
  json_t *json = json_read_own(row->spec_json);
  enum error_code code = network_spec_from_json(json, "", &out_checked->spec, error);
  json_decref(json);
  if (code != ERROR_NONE) return error_set(error, ERROR_INTERNAL, "the stored network can't be read");
  memcpy(out_checked->spec.name, row->name, sizeof row->name);
  struct error ignored = {0};
  if (network_spec_is_complete(&out_checked->spec) && network_create(&out_checked->spec, &out_checked->network, &ignored) == ERROR_NONE &&
      network_measure_training(out_checked->network, &out_checked->training_bytes, &ignored) != ERROR_NONE) {
    network_destroy(out_checked->network);
    out_checked->network = NULL;
  }
  return ERROR_NONE;
}

enum error_code networks_get_one(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct network_row row = {0};
  enum error_code code = networks_get(api->store, request->id, &row, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_NETWORK, request->id, code, error);
  struct checked_network checked;
  code = read_stored(&row, &checked, error);
  if (code == ERROR_NONE) code = respond_json(response, 200, network_to_json(&row, &checked), error);
  checked_network_deinit(&checked);
  network_row_deinit(&row);
  return code;
}

enum error_code networks_delete_one(struct api *api, const struct request *request, struct response *response, struct error *error) {
  enum error_code code = networks_delete(api->store, request->id, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_NETWORK, request->id, code, error);
  store_vacuum(api->store);
  respond_nothing(response);
  return ERROR_NONE;
}
