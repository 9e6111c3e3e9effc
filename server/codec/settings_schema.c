/* Parameter tables → their descriptions: JSON Schema for OpenAPI, and the plainer form of GET /v1/schema that the page's forms are made
 * from. Both are produced from the same rows that decide what is accepted.
 */
#include <math.h>
#include <string.h>

#include "engine/activation.h"
#include "engine/layer.h"
#include "engine/loss.h"
#include "engine/optimizer.h"
#include "engine/schedule.h"
#include "server/codec/settings_json.h"

static bool has_flag(const struct param *param, unsigned flag) { return (param->flags & flag) != 0; }

/* Sets a member if `is_wanted`. A failed allocation anywhere leaves a member out; memory that short ends the request elsewhere. */
static void set_if(bool is_wanted, json_t *object, const char *name, json_t *value) {
  if (is_wanted)
    (void)json_object_set_new(object, name, value);
  else
    json_decref(value);
}

static json_t *names_array(const char *const *names) {
  json_t *array = json_array();
  for (size_t i = 0; names[i] != NULL; i++) (void)json_array_append_new(array, json_string(names[i]));
  return array;
}

static json_t *whole_or_real(const struct param *param, double value) {
  bool is_whole = param->type == PARAM_INTEGER || param->type == PARAM_SIZES;
  return is_whole ? json_integer((json_int_t)value) : json_real(value);
}

/* The bounds of a row as minimum or exclusive minimum, maximum or exclusive maximum, under the given names. */
static void set_bounds(json_t *object, const struct param *param, const char *exclusive_minimum, const char *exclusive_maximum) {
  const char *low = has_flag(param, PARAM_ABOVE_MIN) ? exclusive_minimum : "minimum";
  const char *high = has_flag(param, PARAM_BELOW_MAX) ? exclusive_maximum : "maximum";
  if (isfinite(param->min)) (void)json_object_set_new(object, low, whole_or_real(param, param->min));
  if (isfinite(param->max)) (void)json_object_set_new(object, high, whole_or_real(param, param->max));
}

/* The default as JSON, or NULL where there is none. */
static json_t *default_to_json(const struct param *param) {
  if (has_flag(param, PARAM_REQUIRED) || param->type == PARAM_INLINE) return NULL;
  if (has_flag(param, PARAM_AUTO)) return json_string(param->default_name != NULL ? param->default_name : "auto");
  if (has_flag(param, PARAM_OPTIONAL)) return json_null();
  switch (param->type) {
  case PARAM_BOOLEAN: return json_boolean(param->default_value != 0);
  case PARAM_INTEGER:
  case PARAM_SIZES: return json_integer((json_int_t)param->default_value);
  case PARAM_NUMBER: return json_number(param->default_value);
  case PARAM_TEXT: return json_string(param->default_name != NULL ? param->default_name : "");
  case PARAM_CHOICE: return json_string(param->choices[(size_t)param->default_value]);
  case PARAM_KIND: return param->default_name != NULL ? json_string(param->default_name) : json_null();
  case PARAM_KINDS:
  case PARAM_NUMBERS:
  case PARAM_NAMES:
  case PARAM_SHAPE: return json_array();
  case PARAM_OBJECT:
  case PARAM_INLINE: break;
  }
  return NULL;
}

/* JSON Schema */

static json_t *typed(const char *type) { return json_pack("{s:s}", "type", type); }

static json_t *reference(const struct kind_table *kinds) {
  return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", kinds->sort));
}

static json_t *array_of(json_t *items, size_t min_items, size_t max_items) {
  json_t *schema = json_pack("{s:s, s:o}", "type", "array", "items", items);
  set_if(min_items > 0, schema, "minItems", json_integer((json_int_t)min_items));
  set_if(max_items > 0, schema, "maxItems", json_integer((json_int_t)max_items));
  return schema;
}

static json_t *number_schema(const struct param *param) {
  json_t *schema = typed(param->type == PARAM_INTEGER || param->type == PARAM_SIZES ? "integer" : "number");
  set_bounds(schema, param, "exclusiveMinimum", "exclusiveMaximum");
  return schema;
}

/* One for all axes, one for each, or a word. */
static json_t *sizes_schema(const struct param *param) {
  json_t *forms = json_array();
  (void)json_array_append_new(forms, number_schema(param));
  (void)json_array_append_new(forms, array_of(number_schema(param), param->axis_count, param->axis_count));
  if (param->choices != NULL)
    (void)json_array_append_new(forms, json_pack("{s:s, s:o}", "type", "string", "enum", names_array(param->choices)));
  return json_pack("{s:o}", "anyOf", forms);
}

/* What a row accepts besides null and its words. */
static json_t *plain_schema(const struct param *param) {
  size_t least = has_flag(param, PARAM_REQUIRED) ? 1 : 0;
  switch (param->type) {
  case PARAM_BOOLEAN: return typed("boolean");
  case PARAM_INTEGER:
  case PARAM_NUMBER: return number_schema(param);
  case PARAM_TEXT: return json_pack("{s:s, s:i}", "type", "string", "maxLength", LIMIT_NAME_BYTES);
  case PARAM_CHOICE: return json_pack("{s:s, s:o}", "type", "string", "enum", names_array(param->choices));
  case PARAM_KIND: return reference(param->kinds);
  case PARAM_KINDS: return array_of(reference(param->kinds), least, param->max > 0 ? (size_t)param->max : LIMIT_LAYERS);
  case PARAM_NUMBERS: return array_of(number_schema(param), least, LIMIT_CLASS_WEIGHTS);
  case PARAM_NAMES: return json_pack("{s:[o, o]}", "anyOf", typed("string"), array_of(typed("string"), least, 0));
  case PARAM_SIZES: return sizes_schema(param);
  case PARAM_SHAPE: return array_of(json_pack("{s:s, s:i}", "type", "integer", "minimum", 1), least, LIMIT_RANK);
  case PARAM_OBJECT:
  case PARAM_INLINE: break;
  }
  return settings_schema(param->params, param->param_count);
}

static json_t *param_schema(const struct param *param) {
  json_t *schema = plain_schema(param);
  const char *words[] = {param->word, has_flag(param, PARAM_AUTO) ? "auto" : NULL};
  bool is_optional = has_flag(param, PARAM_OPTIONAL);
  if (words[0] != NULL || words[1] != NULL || is_optional || param->type == PARAM_KIND) {
    json_t *forms = json_array();
    (void)json_array_append_new(forms, schema);
    for (size_t i = 0; i < 2; i++)
      if (words[i] != NULL) (void)json_array_append_new(forms, json_pack("{s:s}", "const", words[i]));
    if (is_optional) (void)json_array_append_new(forms, typed("null"));
    schema = json_pack("{s:o}", "anyOf", forms);
  }
  set_if(param->help != NULL, schema, "description", json_string(param->help != NULL ? param->help : ""));
  json_t *standard = default_to_json(param);
  if (standard != NULL) (void)json_object_set_new(schema, "default", standard);
  return schema;
}

static void add_properties(const struct param *params, size_t param_count, json_t *properties, json_t *required) {
  for (size_t i = 0; i < param_count; i++) {
    const struct param *param = &params[i];
    if (param->type == PARAM_INLINE) {
      add_properties(param->params, param->param_count, properties, required);
      continue;
    }
    (void)json_object_set_new(properties, param->name, param_schema(param));
    if (has_flag(param, PARAM_REQUIRED)) (void)json_array_append_new(required, json_string(param->name));
  }
}

static json_t *object_schema(json_t *properties, json_t *required) {
  json_t *schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties", properties);
  set_if(json_array_size(required) > 0, schema, "required", json_incref(required));
  json_decref(required);
  return schema;
}

json_t *settings_schema(const struct param *params, size_t param_count) {
  json_t *properties = json_object(), *required = json_array();
  add_properties(params, param_count, properties, required);
  return object_schema(properties, required);
}

static json_t *kind_schema(const struct kind *kind) {
  json_t *properties = json_pack("{s:{s:s}}", "type", "const", kind->name), *required = json_pack("[s]", "type");
  add_properties(kind->params, kind->param_count, properties, required);
  json_t *schema = object_schema(properties, required);
  (void)json_object_set_new(schema, "title", json_string(kind->name));
  (void)json_object_set_new(schema, "description", json_string(kind->summary));
  return schema;
}

/* A kind by its name alone, or as an object. */
static json_t *table_schema(const struct kind_table *kinds) {
  json_t *names = json_array(), *forms = json_array();
  (void)json_array_append_new(forms, json_pack("{s:s, s:O}", "type", "string", "enum", names));
  for (size_t i = 0; i < kinds->count; i++) {
    (void)json_array_append_new(names, json_string(kinds->get(i)->name));
    (void)json_array_append_new(forms, kind_schema(kinds->get(i)));
  }
  json_decref(names);
  return json_pack("{s:o}", "anyOf", forms);
}

bool settings_schema_components(const struct param *params, size_t param_count, json_t *components) {
  for (size_t i = 0; i < param_count; i++) {
    const struct param *param = &params[i];
    bool has_kinds = param->type == PARAM_KIND || param->type == PARAM_KINDS;
    if (param->type == PARAM_OBJECT || param->type == PARAM_INLINE) {
      if (!settings_schema_components(param->params, param->param_count, components)) return false;
    }
    if (!has_kinds || json_object_get(components, param->kinds->sort) != NULL) continue;
    if (json_object_set_new(components, param->kinds->sort, table_schema(param->kinds)) != 0) return false;
    for (size_t k = 0; k < param->kinds->count; k++) {
      const struct kind *kind = param->kinds->get(k);
      if (!settings_schema_components(kind->params, kind->param_count, components)) return false;
    }
  }
  return true;
}

/* GET /v1/schema */

static const char *type_name(enum param_type type) {
  switch (type) {
  case PARAM_BOOLEAN: return "boolean";
  case PARAM_INTEGER: return "integer";
  case PARAM_NUMBER: return "number";
  case PARAM_TEXT: return "text";
  case PARAM_CHOICE: return "choice";
  case PARAM_KIND: return "kind";
  case PARAM_KINDS: return "kinds";
  case PARAM_NUMBERS: return "numbers";
  case PARAM_NAMES: return "names";
  case PARAM_SHAPE: return "shape";
  case PARAM_SIZES: return "sizes";
  case PARAM_OBJECT:
  case PARAM_INLINE: break;
  }
  return "object";
}

static json_t *param_to_json(const struct param *param) {
  json_t *object = json_pack("{s:s, s:s}", "name", param->name, "type", type_name(param->type));
  if (param->help != NULL) (void)json_object_set_new(object, "help", json_string(param->help));
  json_t *standard = default_to_json(param);
  if (standard != NULL) (void)json_object_set_new(object, "default", standard);
  bool has_range =
      param->type == PARAM_INTEGER || param->type == PARAM_NUMBER || param->type == PARAM_NUMBERS || param->type == PARAM_SIZES;
  if (has_range) set_bounds(object, param, "exclusive_minimum", "exclusive_maximum");
  if (param->choices != NULL) (void)json_object_set_new(object, "choices", names_array(param->choices));
  set_if(param->type == PARAM_SIZES, object, "axes", json_integer((json_int_t)param->axis_count));
  if (param->kinds != NULL) (void)json_object_set_new(object, "kinds", json_string(param->kinds->sort));
  if (param->word != NULL) (void)json_object_set_new(object, "word", json_string(param->word));
  set_if(has_flag(param, PARAM_AUTO), object, "auto", json_true());
  set_if(has_flag(param, PARAM_OPTIONAL), object, "optional", json_true());
  set_if(has_flag(param, PARAM_REQUIRED), object, "required", json_true());
  if (param->type == PARAM_OBJECT) (void)json_object_set_new(object, "parameters", params_to_json(param->params, param->param_count));
  return object;
}

static void append_params(json_t *array, const struct param *params, size_t param_count) {
  for (size_t i = 0; i < param_count; i++) {
    if (params[i].type == PARAM_INLINE)
      append_params(array, params[i].params, params[i].param_count);
    else
      (void)json_array_append_new(array, param_to_json(&params[i]));
  }
}

json_t *params_to_json(const struct param *params, size_t param_count) {
  json_t *array = json_array();
  append_params(array, params, param_count);
  return array;
}

/* The sorts whose records carry a formula. */
static const char *kind_formula(const struct kind_table *table, const struct kind *kind) {
  if (table == &layer_kinds) return ((const struct layer_kind *)kind)->formula;
  if (table == &activation_kinds) return ((const struct activation_kind *)kind)->formula;
  if (table == &loss_kinds) return ((const struct loss_kind *)kind)->formula;
  if (table == &optimizer_kinds) return ((const struct optimizer_kind *)kind)->formula;
  return table == &schedule_kinds ? ((const struct schedule_kind *)kind)->formula : NULL;
}

json_t *kind_table_to_json(const struct kind_table *table) {
  json_t *array = json_array();
  for (size_t i = 0; i < table->count; i++) {
    const struct kind *kind = table->get(i);
    const char *formula = kind_formula(table, kind);
    json_t *object = json_pack("{s:s, s:s}", "type", kind->name, "summary", kind->summary);
    if (formula != NULL) (void)json_object_set_new(object, "formula", json_string(formula));
    (void)json_object_set_new(object, "parameters", params_to_json(kind->params, kind->param_count));
    (void)json_array_append_new(array, object);
  }
  return array;
}
