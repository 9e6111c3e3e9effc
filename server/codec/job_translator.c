#include "server/codec/job_translator.h"

#include <math.h>
#include <stdlib.h>

#include "server/codec/job_json.h"
#include "server/codec/network_json.h"
#include "server/codec/preprocessor_json.h"
#include "server/codec/settings_json.h"

static char *write_and_free(json_t *json) {
  char *text = json_write(json);
  json_decref(json);
  return text;
}

/* A text that this program wrote; if it can't be read now, that is our fault, not a client's. */
static enum error_code parse_own(const char *text, json_t **out_json, struct error *error) {
  *out_json = json_loads(text, 0, NULL);
  return *out_json == NULL ? error_set(error, ERROR_INTERNAL, "a stored JSON text can't be read") : ERROR_NONE;
}

static enum error_code decode_job_spec(const char *text, struct job_spec *out_spec, struct error *error) {
  json_t *json;
  enum error_code code = parse_own(text, &json, error);
  if (code != ERROR_NONE) return code;
  code = job_spec_from_json(json, out_spec, error);
  if (code != ERROR_NONE) job_spec_deinit(out_spec);
  json_decref(json);
  return code;
}

static enum error_code decode_network_spec(const char *text, struct network_spec *out_spec, struct error *error) {
  json_t *json;
  enum error_code code = parse_own(text, &json, error);
  if (code != ERROR_NONE) return code;
  code = network_spec_from_json(json, "", out_spec, error);
  json_decref(json);
  return code;
}

static json_t *values_to_json(const struct train_value *values, size_t count) {
  json_t *object = json_object();
  for (size_t i = 0; i < count; i++) json_put(&object, values[i].name, json_number(values[i].value));
  return object;
}

/* Names of the values that are null because they aren't finite; nothing is put if all are. */
static void put_non_finite(json_t **object, const struct train_value *values, size_t count) {
  json_t *names = json_array();
  for (size_t i = 0; i < count; i++)
    if (!isfinite(values[i].value)) json_append(&names, json_string(values[i].name));
  if (names == NULL || json_array_size(names) > 0)
    json_put(object, "non_finite", names);
  else
    json_decref(names);
}

static char *encode_report(const struct train_report *report) {
  json_t *object = json_pack("{s:I, s:I, s:b, s:o}", "step", (json_int_t)report->step, "epoch", (json_int_t)report->epoch, "is_epoch_end",
                             (int)report->is_epoch_end, "values", values_to_json(report->values, report->value_count));
  put_non_finite(&object, report->values, report->value_count);
  return write_and_free(object);
}

static char *encode_values(const struct train_value *values, size_t count, uint64_t epoch) {
  json_t *object = json_pack("{s:I}", "epoch", (json_int_t)epoch);
  for (size_t i = 0; i < count; i++) json_put(&object, values[i].name, json_number(values[i].value));
  put_non_finite(&object, values, count);
  return write_and_free(object);
}

static json_t *finding_to_json(const struct diagnosis_finding *finding) {
  const struct diagnosis_rule *rule = finding->rule;
  json_t *numbers = json_object(), *advice = json_array();
  for (size_t i = 0; i < DIAGNOSIS_NUMBERS && rule->number_names[i] != NULL; i++)
    json_put(&numbers, rule->number_names[i], json_number(finding->numbers[i]));
  for (size_t i = 0; i < finding->advice_count; i++) json_append(&advice, json_string(finding->advice[i]));
  return json_pack("{s:s, s:s, s:b, s:s?, s:I, s:I, s:I, s:o, s:s, s:s, s:s, s:o}", "code", rule->code, "severity",
                   diagnosis_severity_names[finding->severity], "active", (int)finding->is_active, "layer", finding->layer, "first_epoch",
                   (json_int_t)finding->first_epoch, "last_epoch", (json_int_t)finding->last_epoch, "step", (json_int_t)finding->step,
                   "numbers", numbers, "rule", rule->rule, "seen", finding->seen, "why", rule->why, "try", advice);
}

static char *encode_finding(const struct diagnosis_finding *finding) { return write_and_free(finding_to_json(finding)); }

static char *encode_findings(const struct diagnosis_finding *findings, size_t count) {
  json_t *array = json_array();
  for (size_t i = 0; i < count; i++) json_append(&array, finding_to_json(&findings[i]));
  return write_and_free(array);
}

static char *encode_state(enum job_state state, const char *stop_reason, const char *model_id) {
  const char *reason = stop_reason != NULL && stop_reason[0] != '\0' ? stop_reason : NULL;
  const char *model = model_id != NULL && model_id[0] != '\0' ? model_id : NULL;
  return write_and_free(json_pack("{s:s, s:s?, s:s?}", "state", job_state_names[state], "stop_reason", reason, "model", model));
}

static char *encode_error(const struct error *error) {
  json_t *items = json_array();
  for (size_t i = 0; i < error->item_count; i++) {
    json_append(&items, json_pack("{s:s, s:s}", "pointer", error->items[i].pointer, "detail", error->items[i].detail));
  }
  return write_and_free(json_pack("{s:s, s:s, s:o}", "code", error_code_name(error->code), "detail", error->detail, "errors", items));
}

static char *encode_preprocessor(const struct preprocessor *preprocessor) { return write_and_free(preprocessor_to_json(preprocessor)); }

static char *encode_network_spec(const struct network_spec *spec) { return write_and_free(network_spec_to_json(spec)); }

static json_t *entry_to_json(const struct metric_value *value, size_t row, size_t column) {
  double number = value->matrix[row * value->column_count + column];
  return column < value->ratio_column_count ? json_number(number) : json_integer((json_int_t)number);
}

/* Names of the rows of per_class and confusion_matrix: classes, or labels; NULL where the preprocessor has none for that row. */
static const char *get_row_name(const struct preprocessor *preprocessor, size_t row) {
  if (preprocessor == NULL || preprocessor->target_count == 0) return NULL;
  if (preprocessor->task == TASK_MULTILABEL) return row < preprocessor->target_count ? preprocessor->targets[row].name : NULL;
  const struct target *target = &preprocessor->targets[0];
  return row < target->class_count ? target->classes[row] : NULL;
}

/* {"<class>": {"precision": …, "recall": …}}, if columns have names; else rows as arrays. */
static json_t *matrix_to_json(const struct metric_value *value, const struct preprocessor *preprocessor) {
  if (value->column_names == NULL) {
    json_t *rows = json_array();
    for (size_t i = 0; i < value->row_count; i++) {
      json_t *row = json_array();
      for (size_t k = 0; k < value->column_count; k++) json_append(&row, entry_to_json(value, i, k));
      json_append(&rows, row);
    }
    return rows;
  }
  json_t *by_name = json_object();
  for (size_t i = 0; i < value->row_count; i++) {
    char number[24];
    snprintf(number, sizeof number, "%zu", i);
    const char *name = get_row_name(preprocessor, i);
    json_t *columns = json_object();
    for (size_t k = 0; k < value->column_count; k++) json_put(&columns, value->column_names[k], entry_to_json(value, i, k));
    json_put(&by_name, name == NULL ? number : name, columns);
  }
  return by_name;
}

static json_t *classes_to_json(const struct preprocessor *preprocessor, const struct metric_input *input) {
  json_t *names = json_array();
  size_t count = input->task == TASK_CLASSIFICATION ? input->class_count : input->width;
  for (size_t i = 0; i < count && get_row_name(preprocessor, i) != NULL; i++)
    json_append(&names, json_string(get_row_name(preprocessor, i)));
  return names;
}

/* {"naive": {"mae", "rmse"}, …} */
static json_t *baselines_to_json(const struct metric_input *input, struct error *error) {
  static const char *const names[] = {"mae", "rmse"};
  json_t *json = json_object();
  for (size_t i = 0; i < input->baseline_count; i++) {
    struct metric_input baseline = *input;
    baseline.outputs = input->baselines[i].outputs;
    json_t *metrics = json_object();
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
      const struct metric_kind *metric = (const struct metric_kind *)kind_table_find(&metric_kinds, names[k]);
      struct metric_value value = {0};
      if (metric->compute(&baseline, &value, error) == ERROR_NONE) json_put(&metrics, names[k], json_number(value.scalar));
      metric_value_deinit(&value);
    }
    json_put(&json, input->baselines[i].name, metrics);
  }
  return json;
}

enum error_code metrics_to_json(const struct metric_input *input, double loss, const struct preprocessor *preprocessor, json_t **out_json,
                                struct error *error) {
  json_t *json = json_pack("{s:o}", "loss", json_number(loss));
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < metric_kinds.count && code == ERROR_NONE; i++) {
    const struct metric_kind *metric = (const struct metric_kind *)metric_kinds.get(i);
    if (!metric_applies(metric, input)) continue;
    struct metric_value value = {0};
    code = metric->compute(input, &value, error);
    if (code == ERROR_NONE) {
      bool is_matrix = value.row_count > 0 && value.matrix != NULL;
      json_put(&json, metric->kind.name, is_matrix ? matrix_to_json(&value, preprocessor) : json_number(value.scalar));
    }
    metric_value_deinit(&value);
  }
  if (code == ERROR_NONE && input->task != TASK_REGRESSION) json_put(&json, "classes", classes_to_json(preprocessor, input));
  if (code == ERROR_NONE && input->baseline_count > 0) json_put(&json, "baselines", baselines_to_json(input, error));
  if (code == ERROR_NONE && json == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  if (code != ERROR_NONE) {
    json_decref(json);
    json = NULL;
  }
  *out_json = json;
  return code;
}

static char *encode_metrics(const struct metric_input *input, double loss, const struct preprocessor *preprocessor, struct error *error) {
  json_t *json;
  return metrics_to_json(input, loss, preprocessor, &json, error) == ERROR_NONE ? write_and_free(json) : NULL;
}

static char *encode_model_metrics(const char *best_json, const char *test_json) {
  return write_and_free(json_pack("{s:o, s:o}", "best", json_read_own(best_json), "test", json_read_own(test_json)));
}

const struct job_translator job_translator = {
    .decode_job_spec = decode_job_spec,
    .decode_network_spec = decode_network_spec,
    .encode_report = encode_report,
    .encode_values = encode_values,
    .encode_findings = encode_findings,
    .encode_finding = encode_finding,
    .encode_state = encode_state,
    .encode_error = encode_error,
    .encode_preprocessor = encode_preprocessor,
    .encode_network_spec = encode_network_spec,
    .encode_metrics = encode_metrics,
    .encode_model_metrics = encode_model_metrics,
};
