#include "server/codec/model_json.h"

#include "server/codec/json_text.h"

/* What a prediction takes, in the order of rows that come as arrays: [{"name", "kind", "categories"?, "shape"?}]. */
static json_t *inputs_to_json(const json_t *preprocessing) {
  json_t *inputs = json_array();
  size_t index;
  json_t *feature;
  json_array_foreach(json_object_get(preprocessing, "features"), index, feature) {
    json_t *input = json_pack("{s:O, s:O}", "name", json_object_get(feature, "name"), "kind", json_object_get(feature, "kind"));
    json_t *categories = json_object_get(feature, "categories");
    if (categories != NULL) json_put(&input, "categories", json_incref(categories));
    json_t *shape = json_object_get(json_object_get(feature, "image"), "shape");
    if (shape != NULL) json_put(&input, "shape", json_incref(shape));
    json_append(&inputs, input);
  }
  return inputs;
}

/* What it gives: [{"name", "classes"?}]. */
static json_t *outputs_to_json(const json_t *preprocessing) {
  json_t *outputs = json_array();
  size_t index;
  json_t *target;
  json_array_foreach(json_object_get(preprocessing, "targets"), index, target) {
    json_t *output = json_pack("{s:O}", "name", json_object_get(target, "name"));
    json_t *classes = json_object_get(target, "classes");
    if (classes != NULL) json_put(&output, "classes", json_incref(classes));
    json_append(&outputs, output);
  }
  return outputs;
}

json_t *model_to_json(const struct model_row *row, bool is_whole) {
  json_t *preprocessing = json_read_own(row->preprocessing_json);
  json_t *json = json_pack("{s:s, s:s, s:s}", "id", row->id, "name", row->name, "job", row->job_id);
  if (json_is_object(preprocessing)) {
    json_t *task = json_object_get(preprocessing, "task");
    json_put(&json, "task", task == NULL ? json_null() : json_incref(task));
    if (is_whole) {
      json_put(&json, "inputs", inputs_to_json(preprocessing));
      json_put(&json, "outputs", outputs_to_json(preprocessing));
    }
  }
  if (is_whole) {
    json_put(&json, "network", json_read_own(row->network_json));
    json_put(&json, "preprocessing", json_incref(preprocessing));
    json_put(&json, "job_spec", json_read_own(row->job_spec_json));
  }
  json_decref(preprocessing);
  json_put(&json, "metrics", json_read_own(row->metrics_json));
  json_put(&json, "parameters", json_integer((json_int_t)row->parameter_count));
  json_put(&json, "weights_sha256", json_string(row->weights_sha256));
  json_put(&json, "created_at", json_time(row->created_ms));
  return json;
}
