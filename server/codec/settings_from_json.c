/* JSON → settings: one walk over the parameter table, one over the object's keys.
 *
 * Every value is checked here for type and range, so that each message can say what would be right and what was given; a kind's own
 * check follows once its parameters are right one by one. No error ends the walk, but for memory.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/json_text.h"
#include "server/codec/settings_json.h"

enum {
  NAMES_MAX = 16384,          /* entries of a NAMES field: as many as a dataset has columns */
  NAME_ITEM_BYTES_MAX = 1024, /* bytes of each: columns of data may have longer names than layers */
  KEYS_MAX = 128              /* parameters on one level, inline ones included */
};

static bool has_flag(const struct param *param, unsigned flag) { return (param->flags & flag) != 0; }

/* Grows as printf; what doesn't fit is cut. */
struct text {
  char bytes[ERROR_DETAIL_BYTES];
  size_t length;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text->bytes + text->length, sizeof text->bytes - text->length, format, arguments);
  va_end(arguments);
  if (length > 0) text->length += (size_t)length;
  if (text->length > sizeof text->bytes - 1) text->length = sizeof text->bytes - 1;
}

static size_t errors_so_far(const struct error *error) { return error->item_count + error->items_dropped; }

/* What would be right, in words */

static void describe_integer(const struct param *param, struct text *text) {
  text_add(text, "an integer from %.0f to %.0f", param->min, param->max);
}

static void describe_number(const struct param *param, struct text *text) {
  bool has_min = isfinite(param->min), has_max = isfinite(param->max);
  bool is_open = has_flag(param, PARAM_ABOVE_MIN) || has_flag(param, PARAM_BELOW_MAX);
  text_add(text, "a number");
  if (has_min && has_max && !is_open) {
    text_add(text, " from %.15g to %.15g", param->min, param->max);
    return;
  }
  if (has_min) text_add(text, has_flag(param, PARAM_ABOVE_MIN) ? " greater than %.15g" : " of at least %.15g", param->min);
  if (has_min && has_max) text_add(text, " and");
  if (has_max) text_add(text, has_flag(param, PARAM_BELOW_MAX) ? " less than %.15g" : " at most %.15g", param->max);
}

static void describe_choices(const struct param *param, struct text *text) {
  text_add(text, "one of ");
  for (size_t i = 0; param->choices[i] != NULL; i++) text_add(text, "%s\"%s\"", i == 0 ? "" : ", ", param->choices[i]);
}

static void describe_sizes(const struct param *param, struct text *text) {
  describe_integer(param, text);
  if (param->axis_count > 1) text_add(text, ", an array of %zu such integers", param->axis_count);
  for (size_t i = 0; param->choices != NULL && param->choices[i] != NULL; i++) text_add(text, " or \"%s\"", param->choices[i]);
}

static size_t kinds_min(const struct param *param) { return has_flag(param, PARAM_REQUIRED) ? 1 : 0; }
static size_t kinds_max(const struct param *param) { return param->max > 0 ? (size_t)param->max : LIMIT_LAYERS; }
static double shape_size_max(const struct param *param) { return param->max > 0 ? param->max : (double)INT32_MAX; }

static void describe(const struct param *param, struct text *text) {
  switch (param->type) {
  case PARAM_BOOLEAN: text_add(text, "true or false"); break;
  case PARAM_INTEGER: describe_integer(param, text); break;
  case PARAM_NUMBER: describe_number(param, text); break;
  case PARAM_TEXT: text_add(text, "a string of at most %d bytes", LIMIT_NAME_BYTES); break;
  case PARAM_CHOICE: describe_choices(param, text); break;
  case PARAM_KIND: text_add(text, "the name of a known %s or an object {\"type\": name, …}", param->kinds->sort); break;
  case PARAM_KINDS:
    text_add(text, "an array of %zu to %zu objects {\"type\": the %s's kind, …}", kinds_min(param), kinds_max(param), param->kinds->sort);
    break;
  case PARAM_NUMBERS: text_add(text, "an array of at most %d numbers", LIMIT_CLASS_WEIGHTS); break;
  case PARAM_NAMES:
    text_add(text, "a string or an array of %d to %d strings of at most %d bytes each", has_flag(param, PARAM_REQUIRED) ? 1 : 0, NAMES_MAX,
             NAME_ITEM_BYTES_MAX);
    break;
  case PARAM_SIZES: describe_sizes(param, text); break;
  case PARAM_SHAPE: text_add(text, "an array of 1 to %d integers from 1 to %.0f", LIMIT_RANK, shape_size_max(param)); break;
  case PARAM_OBJECT:
  case PARAM_INLINE: text_add(text, "an object"); break;
  }
  if (param->word != NULL) text_add(text, " or \"%s\"", param->word);
  if (has_flag(param, PARAM_AUTO)) text_add(text, " or \"auto\"");
  if (has_flag(param, PARAM_OPTIONAL)) text_add(text, " or null");
}

/* "must be an integer from 1 to 1048576, not "lots"" */
static void reject(const json_t *value, const struct param *param, const char *pointer, struct error *error) {
  struct text right = {.length = 0};
  char given[JSON_QUOTE_BYTES];
  describe(param, &right);
  (void)error_add(error, pointer, "must be %s, not %s", right.bytes, json_quote(value, given));
}

/* The same of one entry of an array, at "/shape/1"; `right` says what an entry must be. */
static void reject_entry(const json_t *array, size_t index, const char *right, const char *pointer, struct error *error) {
  char entry_pointer[ERROR_POINTER_BYTES], given[JSON_QUOTE_BYTES];
  error_pointer(entry_pointer, pointer, "%zu", index);
  (void)error_add(error, entry_pointer, "must be %s, not %s", right, json_quote(json_array_get(array, index), given));
}

static void reject_whole_entry(const json_t *array, size_t index, double min, double max, const char *pointer, struct error *error) {
  struct text right = {.length = 0};
  text_add(&right, "an integer from %.0f to %.0f", min, max);
  reject_entry(array, index, right.bytes, pointer, error);
}

/* Single values */

static bool read_whole(const json_t *value, double min, double max, int64_t *out_integer) {
  if (json_is_integer(value)) {
    json_int_t integer = json_integer_value(value);
    if ((double)integer < min || (double)integer > max) return false;
    *out_integer = integer;
    return true;
  }
  if (!json_is_real(value)) return false;
  double real = json_real_value(value);
  if (real < min || real > max || real != floor(real) || fabs(real) > 9007199254740992.0) return false;
  *out_integer = (int64_t)real;
  return true;
}

static bool read_number(const json_t *value, const struct param *param, double *out_number) {
  if (!json_is_number(value)) return false;
  double number = json_number_value(value);
  bool above = has_flag(param, PARAM_ABOVE_MIN) ? number > param->min : number >= param->min;
  bool below = has_flag(param, PARAM_BELOW_MAX) ? number < param->max : number <= param->max;
  if (!above || !below || !isfinite(number)) return false;
  *out_number = number;
  return true;
}

static bool is_word(const json_t *value, const char *word) {
  return word != NULL && json_is_string(value) && strcmp(json_string_value(value), word) == 0;
}

static bool read_integer(const json_t *value, const struct param *param, int64_t *field) {
  if (has_flag(param, PARAM_AUTO) && is_word(value, "auto"))
    *field = PARAM_INTEGER_AUTO;
  else if (has_flag(param, PARAM_OPTIONAL) && json_is_null(value))
    *field = PARAM_INTEGER_NONE;
  else
    return read_whole(value, param->min, param->max, field);
  return true;
}

static bool read_number_field(const json_t *value, const struct param *param, double *field) {
  bool is_absent = (has_flag(param, PARAM_AUTO) && is_word(value, "auto")) || (has_flag(param, PARAM_OPTIONAL) && json_is_null(value));
  if (is_absent) *field = NAN;
  return is_absent || read_number(value, param, field);
}

static bool read_text(const json_t *value, const struct param *param, char *field) {
  if (has_flag(param, PARAM_OPTIONAL) && json_is_null(value)) {
    field[0] = '\0';
    return true;
  }
  if (!json_is_string(value) || json_string_length(value) > LIMIT_NAME_BYTES) return false;
  if (strlen(json_string_value(value)) != json_string_length(value)) return false;
  memcpy(field, json_string_value(value), json_string_length(value) + 1);
  return true;
}

static bool read_choice(const json_t *value, const struct param *param, int *field) {
  if (has_flag(param, PARAM_OPTIONAL) && json_is_null(value)) {
    *field = -1;
    return true;
  }
  for (int i = 0; param->choices[i] != NULL; i++) {
    if (!is_word(value, param->choices[i])) continue;
    *field = i;
    return true;
  }
  return false;
}

static bool read_boolean(const json_t *value, bool *field) {
  if (json_is_boolean(value)) *field = json_is_true(value);
  return json_is_boolean(value);
}

static bool read_shape(const json_t *value, const struct param *param, const char *pointer, struct shape *field, struct error *error) {
  struct shape shape = {.rank = json_array_size(value)};
  if (json_is_null(value) && has_flag(param, PARAM_OPTIONAL)) {
    *field = shape;
    return true;
  }
  if (!json_is_array(value) || shape.rank > LIMIT_RANK || (shape.rank == 0 && has_flag(param, PARAM_REQUIRED))) return false;
  bool is_right = true;
  for (size_t i = 0; i < shape.rank; i++) {
    int64_t size = 1;
    if (!read_whole(json_array_get(value, i), 1, shape_size_max(param), &size)) {
      reject_whole_entry(value, i, 1, shape_size_max(param), pointer, error);
      is_right = false;
    }
    shape.sizes[i] = (size_t)size;
  }
  if (is_right) *field = shape;
  return true;
}

static bool read_sizes(const json_t *value, const struct param *param, const char *pointer, struct axis_sizes *field, struct error *error) {
  struct axis_sizes sizes = {.word = -1, .count = json_is_array(value) ? json_array_size(value) : 1};
  bool is_none = has_flag(param, PARAM_OPTIONAL) && json_is_null(value);
  for (int i = 0; param->choices != NULL && param->choices[i] != NULL; i++)
    if (is_word(value, param->choices[i])) sizes.word = i;
  if (is_none || sizes.word >= 0) {
    sizes.count = 0;
    *field = sizes;
    return true;
  }
  if (!json_is_array(value) && !read_whole(value, param->min, param->max, &sizes.values[0])) return false;
  if (json_is_array(value) && sizes.count != param->axis_count) return false;
  bool is_right = true;
  for (size_t i = 0; i < sizes.count && json_is_array(value); i++) {
    if (read_whole(json_array_get(value, i), param->min, param->max, &sizes.values[i])) continue;
    reject_whole_entry(value, i, param->min, param->max, pointer, error);
    is_right = false;
  }
  if (is_right) *field = sizes;
  return true;
}

/* Lists */

static void out_of_memory(struct error *error) { (void)error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for these settings"); }

static void read_numbers(const json_t *value, const struct param *param, const char *pointer, struct numbers *field, struct error *error) {
  struct numbers numbers = {.is_word = is_word(value, param->word), .count = json_array_size(value)};
  bool is_empty = numbers.is_word || (has_flag(param, PARAM_OPTIONAL) && json_is_null(value));
  if (!is_empty &&
      (!json_is_array(value) || numbers.count > LIMIT_CLASS_WEIGHTS || (numbers.count == 0 && has_flag(param, PARAM_REQUIRED)))) {
    reject(value, param, pointer, error);
    return;
  }
  if (numbers.count > 0) {
    numbers.values = calloc(numbers.count, sizeof *numbers.values);
    if (numbers.values == NULL) {
      out_of_memory(error);
      return;
    }
  }
  for (size_t i = 0; i < numbers.count; i++) {
    if (read_number(json_array_get(value, i), param, &numbers.values[i])) continue;
    struct text right = {.length = 0};
    describe_number(param, &right);
    reject_entry(value, i, right.bytes, pointer, error);
  }
  free(field->values);
  *field = numbers;
}

static bool is_name(const json_t *value) {
  size_t length = json_string_length(value);
  return json_is_string(value) && length > 0 && length <= NAME_ITEM_BYTES_MAX && strlen(json_string_value(value)) == length;
}

static void names_free(struct names *names) {
  for (size_t i = 0; i < names->count; i++) free(names->items[i]);
  free(names->items);
  *names = (struct names){0};
}

static void read_names(const json_t *value, const struct param *param, const char *pointer, struct names *field, struct error *error) {
  bool is_single = json_is_string(value);
  size_t count = is_single ? 1 : json_array_size(value);
  bool is_none = json_is_null(value) && has_flag(param, PARAM_OPTIONAL);
  bool is_fitting = is_none || is_single || (json_is_array(value) && count <= NAMES_MAX && (count > 0 || !has_flag(param, PARAM_REQUIRED)));
  if (!is_fitting || (is_single && !is_name(value))) {
    reject(value, param, pointer, error);
    return;
  }
  for (size_t i = 0; i < count && !is_single; i++) {
    if (is_name(json_array_get(value, i))) continue;
    struct text right = {.length = 0};
    text_add(&right, "a string of 1 to %d bytes", NAME_ITEM_BYTES_MAX);
    reject_entry(value, i, right.bytes, pointer, error);
    is_fitting = false;
  }
  if (!is_fitting) return;
  names_free(field);
  if (count == 0) return;
  field->items = calloc(count, sizeof *field->items);
  if (field->items == NULL) {
    out_of_memory(error);
    return;
  }
  for (; field->count < count; field->count++) {
    char *copy = strdup(json_string_value(is_single ? value : json_array_get(value, field->count)));
    if (copy == NULL) {
      out_of_memory(error);
      return;
    }
    field->items[field->count] = copy;
  }
}

/* Kinds */

static void read_object(const json_t *object, bool is_kind, const struct param *params, size_t param_count, const char *pointer,
                        void *settings, struct error *error);

static void reject_kind(const char *name, const struct kind_table *kinds, const char *pointer, struct error *error) {
  struct text known = {.length = 0};
  for (size_t i = 0; i < kinds->count; i++) text_add(&known, "%s%s", i == 0 ? "" : ", ", kinds->get(i)->name);
  const char *nearest = kind_table_suggest(kinds, name);
  char given[JSON_QUOTE_BYTES];
  json_t *value = json_string(name);
  json_quote(value, given);
  json_decref(value);
  if (nearest != NULL)
    (void)error_add(error, pointer, "%s is no %s; did you mean \"%s\"? Known: %s", given, kinds->sort, nearest, known.bytes);
  else
    (void)error_add(error, pointer, "%s is no %s. Known: %s", given, kinds->sort, known.bytes);
}

static void read_kind(const json_t *value, const struct param *param, const char *pointer, struct spec *field, struct error *error) {
  bool is_none = (has_flag(param, PARAM_AUTO) && is_word(value, "auto")) || (has_flag(param, PARAM_OPTIONAL) && json_is_null(value));
  if (is_none) {
    spec_deinit(field);
    return;
  }
  char type_pointer[ERROR_POINTER_BYTES];
  error_pointer(type_pointer, pointer, "type");
  const json_t *type = json_is_object(value) ? json_object_get(value, "type") : value;
  if (!json_is_string(type)) {
    if (json_is_object(value) && type == NULL)
      (void)error_add(error, type_pointer, "is required: the kind of %s", param->kinds->sort);
    else if (json_is_object(value))
      (void)error_add(error, type_pointer, "must be a string: the kind of %s", param->kinds->sort);
    else
      reject(value, param, pointer, error);
    return;
  }
  const struct kind *kind = kind_table_find(param->kinds, json_string_value(type));
  if (kind == NULL) {
    reject_kind(json_string_value(type), param->kinds, json_is_object(value) ? type_pointer : pointer, error);
    return;
  }
  struct spec spec;
  if (spec_init(&spec, kind, error) != ERROR_NONE) return;
  size_t errors_before = errors_so_far(error);
  read_object(json_is_object(value) ? value : NULL, true, kind->params, kind->param_count, pointer, spec.settings, error);
  if (errors_so_far(error) == errors_before && kind->check != NULL) (void)kind->check(spec.settings, pointer, error);
  spec_deinit(field);
  *field = spec;
}

static void read_kinds(const json_t *value, const struct param *param, const char *pointer, struct specs *field, struct error *error) {
  size_t count = json_array_size(value);
  if (!json_is_array(value) || count < kinds_min(param) || count > kinds_max(param)) {
    reject(value, param, pointer, error);
    return;
  }
  for (size_t i = 0; i < field->count; i++) spec_deinit(&field->items[i]);
  free(field->items);
  *field = (struct specs){0};
  if (count == 0) return;
  field->items = calloc(count, sizeof *field->items);
  if (field->items == NULL) {
    out_of_memory(error);
    return;
  }
  field->count = count;
  for (size_t i = 0; i < count && error->code != ERROR_OUT_OF_MEMORY; i++) {
    char item_pointer[ERROR_POINTER_BYTES];
    error_pointer(item_pointer, pointer, "%zu", i);
    read_kind(json_array_get(value, i), param, item_pointer, &field->items[i], error);
  }
}

/* Objects */

/* Null is "not used" where the row is optional, and all its defaults elsewhere: either way what is there stays. */
static void read_nested(const json_t *value, const struct param *param, const char *pointer, void *settings, struct error *error) {
  if (json_is_null(value)) return;
  if (!json_is_object(value)) {
    reject(value, param, pointer, error);
    return;
  }
  if (has_flag(param, PARAM_OPTIONAL)) *(bool *)((char *)settings + param->given_offset) = true;
  read_object(value, false, param->params, param->param_count, pointer, param_field(settings, param), error);
}

static void read_field(const json_t *value, const struct param *param, const char *pointer, void *settings, struct error *error) {
  void *field = param_field(settings, param);
  bool is_right = true;
  switch (param->type) {
  case PARAM_BOOLEAN: is_right = read_boolean(value, field); break;
  case PARAM_INTEGER: is_right = read_integer(value, param, field); break;
  case PARAM_NUMBER: is_right = read_number_field(value, param, field); break;
  case PARAM_TEXT: is_right = read_text(value, param, field); break;
  case PARAM_CHOICE: is_right = read_choice(value, param, field); break;
  case PARAM_SHAPE: is_right = read_shape(value, param, pointer, field, error); break;
  case PARAM_SIZES: is_right = read_sizes(value, param, pointer, field, error); break;
  case PARAM_KIND: read_kind(value, param, pointer, field, error); break;
  case PARAM_KINDS: read_kinds(value, param, pointer, field, error); break;
  case PARAM_NUMBERS: read_numbers(value, param, pointer, field, error); break;
  case PARAM_NAMES: read_names(value, param, pointer, field, error); break;
  case PARAM_OBJECT: read_nested(value, param, pointer, settings, error); break;
  case PARAM_INLINE: break; /* its keys stand at the outer level: read_params */
  }
  if (!is_right) reject(value, param, pointer, error);
}

/* The names of a level, those of inline tables included. */
struct keys {
  size_t count;
  const char *names[KEYS_MAX];
};

static void keys_add(struct keys *keys, const struct param *params, size_t param_count) {
  for (size_t i = 0; i < param_count; i++) {
    if (params[i].type == PARAM_INLINE)
      keys_add(keys, params[i].params, params[i].param_count);
    else if (keys->count < KEYS_MAX)
      keys->names[keys->count++] = params[i].name;
  }
}

static const char *key_at(const void *context, size_t index) { return ((const struct keys *)context)->names[index]; }

static bool keys_contain(const struct keys *keys, const char *name) {
  for (size_t i = 0; i < keys->count; i++)
    if (strcmp(keys->names[i], name) == 0) return true;
  return false;
}

static void reject_unknown_keys(const json_t *object, const struct keys *keys, const char *pointer, struct error *error) {
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)object, name, value) {
    if (keys_contain(keys, name)) continue;
    char member_pointer[ERROR_POINTER_BYTES];
    error_pointer(member_pointer, pointer, "%s", name);
    struct text known = {.length = 0};
    for (size_t i = 0; i < keys->count; i++) text_add(&known, "%s%s", i == 0 ? "" : ", ", keys->names[i]);
    const char *nearest = param_suggest(name, keys->count, key_at, keys);
    if (nearest != NULL)
      (void)error_add(error, member_pointer, "is not a known key; did you mean \"%s\"? Known: %s", nearest, known.bytes);
    else
      (void)error_add(error, member_pointer, "is not a known key. Known: %s", known.bytes);
  }
}

static void read_params(const json_t *object, const struct param *params, size_t param_count, const char *pointer, void *settings,
                        struct error *error) {
  for (size_t i = 0; i < param_count && error->code != ERROR_OUT_OF_MEMORY; i++) {
    const struct param *param = &params[i];
    if (param->type == PARAM_INLINE) {
      read_params(object, param->params, param->param_count, pointer, param_field(settings, param), error);
      continue;
    }
    char field_pointer[ERROR_POINTER_BYTES];
    error_pointer(field_pointer, pointer, "%s", param->name);
    const json_t *value = json_object_get(object, param->name);
    if (value != NULL)
      read_field(value, param, field_pointer, settings, error);
    else if (has_flag(param, PARAM_REQUIRED))
      (void)error_add(error, field_pointer, "is required: %s", param->help);
  }
}

/* `object` NULL: no key given. A kind's object has the key "type" besides its parameters. */
static void read_object(const json_t *object, bool is_kind, const struct param *params, size_t param_count, const char *pointer,
                        void *settings, struct error *error) {
  struct keys keys = {.count = 0};
  if (is_kind) keys.names[keys.count++] = "type";
  keys_add(&keys, params, param_count);
  if (object != NULL) reject_unknown_keys(object, &keys, pointer, error);
  read_params(object, params, param_count, pointer, settings, error);
}

enum error_code settings_from_json(const json_t *object, const struct param *params, size_t param_count, const char *pointer,
                                   void *settings, struct error *error) {
  size_t errors_before = errors_so_far(error);
  if (!json_is_object(object)) return error_add(error, pointer, "must be an object");
  read_object(object, false, params, param_count, pointer, settings, error);
  if (error->code == ERROR_OUT_OF_MEMORY) return error->code;
  return errors_so_far(error) == errors_before ? ERROR_NONE : error->code;
}
