/* Settings → JSON, the resolved form. Reads what settings_from_json wrote, and writes what it can read. */
#include <math.h>

#include "engine/activation.h"
#include "engine/initializer.h"
#include "server/codec/settings_json.h"

json_t *json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static bool has_flag(const struct param *param, unsigned flag) { return (param->flags & flag) != 0; }

static json_t *absent_to_json(const struct param *param) { return has_flag(param, PARAM_AUTO) ? json_string("auto") : json_null(); }

static json_t *integer_to_json(int64_t value) {
  if (value == PARAM_INTEGER_AUTO) return json_string("auto");
  return value == PARAM_INTEGER_NONE ? json_null() : json_integer(value);
}

/* Short words where there is nothing more to say, in the places where people write them so. */
static bool is_plain(const struct param *param, const struct spec *spec) {
  return spec->kind->param_count == 0 && (param->kinds == &activation_kinds || param->kinds == &initializer_kinds);
}

static json_t *kind_to_json(const struct param *param, const struct spec *spec) {
  if (spec->kind == NULL) return absent_to_json(param);
  return is_plain(param, spec) ? json_string(spec->kind->name) : spec_to_json(spec);
}

static json_t *specs_to_json(const struct specs *specs) {
  json_t *array = json_array();
  for (size_t i = 0; i < specs->count; i++) {
    if (json_array_append_new(array, spec_to_json(&specs->items[i])) == 0) continue;
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *numbers_to_json(const struct param *param, const struct numbers *numbers) {
  if (numbers->is_word) return json_string(param->word);
  if (numbers->count == 0 && has_flag(param, PARAM_OPTIONAL)) return json_null();
  json_t *array = json_array();
  for (size_t i = 0; i < numbers->count; i++) {
    if (json_array_append_new(array, json_number(numbers->values[i])) == 0) continue;
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *names_to_json(const struct param *param, const struct names *names) {
  if (names->count == 0 && has_flag(param, PARAM_OPTIONAL)) return json_null();
  json_t *array = json_array();
  for (size_t i = 0; i < names->count; i++) {
    if (json_array_append_new(array, json_string(names->items[i])) == 0) continue;
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *shape_to_json(const struct param *param, const struct shape *shape) {
  if (shape->rank == 0 && has_flag(param, PARAM_OPTIONAL)) return json_null();
  json_t *array = json_array();
  for (size_t i = 0; i < shape->rank; i++) {
    if (json_array_append_new(array, json_integer((json_int_t)shape->sizes[i])) == 0) continue;
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *sizes_to_json(const struct param *param, const struct axis_sizes *sizes) {
  if (sizes->word >= 0) return json_string(param->choices[sizes->word]);
  if (sizes->count <= 1) return sizes->count == 0 ? json_null() : json_integer(sizes->values[0]);
  json_t *array = json_array();
  for (size_t i = 0; i < sizes->count; i++) {
    if (json_array_append_new(array, json_integer(sizes->values[i])) == 0) continue;
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *object_to_json(const struct param *param, const void *settings) {
  bool is_given = !has_flag(param, PARAM_OPTIONAL) || *(const bool *)((const char *)settings + param->given_offset);
  return is_given ? settings_to_json(param_field_const(settings, param), param->params, param->param_count) : json_null();
}

static json_t *field_to_json(const struct param *param, const void *settings) {
  const void *field = param_field_const(settings, param);
  switch (param->type) {
  case PARAM_BOOLEAN: return json_boolean(*(const bool *)field);
  case PARAM_INTEGER: return integer_to_json(*(const int64_t *)field);
  case PARAM_NUMBER: return isnan(*(const double *)field) ? absent_to_json(param) : json_number(*(const double *)field);
  case PARAM_TEXT: return *(const char *)field == '\0' && has_flag(param, PARAM_OPTIONAL) ? json_null() : json_string(field);
  case PARAM_CHOICE: return *(const int *)field < 0 ? json_null() : json_string(param->choices[*(const int *)field]);
  case PARAM_KIND: return kind_to_json(param, field);
  case PARAM_KINDS: return specs_to_json(field);
  case PARAM_NUMBERS: return numbers_to_json(param, field);
  case PARAM_NAMES: return names_to_json(param, field);
  case PARAM_SHAPE: return shape_to_json(param, field);
  case PARAM_SIZES: return sizes_to_json(param, field);
  case PARAM_OBJECT: return object_to_json(param, settings);
  case PARAM_INLINE: break; /* add_fields */
  }
  return NULL;
}

static bool add_fields(json_t *object, const void *settings, const struct param *params, size_t param_count) {
  for (size_t i = 0; i < param_count; i++) {
    bool is_added;
    if (params[i].type == PARAM_INLINE)
      is_added = add_fields(object, param_field_const(settings, &params[i]), params[i].params, params[i].param_count);
    else
      is_added = json_object_set_new(object, params[i].name, field_to_json(&params[i], settings)) == 0;
    if (!is_added) return false;
  }
  return true;
}

json_t *settings_to_json(const void *settings, const struct param *params, size_t param_count) {
  json_t *object = json_object();
  if (add_fields(object, settings, params, param_count)) return object;
  json_decref(object);
  return NULL;
}

json_t *spec_to_json(const struct spec *spec) {
  if (spec->kind == NULL) return json_null();
  json_t *object = json_object();
  if (json_object_set_new(object, "type", json_string(spec->kind->name)) == 0 &&
      add_fields(object, spec->settings, spec->kind->params, spec->kind->param_count))
    return object;
  json_decref(object);
  return NULL;
}
