/* Parameter tables, walked: defaults, copies, checks and "did you mean".
 *
 * Settings are plain structs that own what their KIND, KINDS, NUMBERS and NAMES fields point to. settings_init first empties all fields,
 * so that settings_deinit may follow at any point, also after a failed allocation.
 */
#include "engine/param.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names */

enum { SUGGEST_BYTES_MAX = 64 }; /* longer names get no suggestion */

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }

/* Damerau-Levenshtein distance in its optimal string alignment form, blind to case: edits that lead from `left` to `right`, where
 * swapping two neighbours counts as one. */
static size_t edit_distance(const char *left, size_t left_length, const char *right, size_t right_length) {
  size_t rows[3][SUGGEST_BYTES_MAX + 1]; /* of i − 2, i − 1 and i */
  size_t *before_last = rows[0], *last = rows[1], *row = rows[2];
  for (size_t j = 0; j <= right_length; j++) last[j] = j;
  memset(before_last, 0, sizeof rows[0]);
  for (size_t i = 1; i <= left_length; i++) {
    row[0] = i;
    for (size_t j = 1; j <= right_length; j++) {
      int left_char = tolower((unsigned char)left[i - 1]), right_char = tolower((unsigned char)right[j - 1]);
      size_t best = last[j - 1] + (left_char != right_char);
      best = smaller(best, smaller(last[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && left_char == tolower((unsigned char)right[j - 2]) && right_char == tolower((unsigned char)left[i - 2]))
        best = smaller(best, before_last[j - 2] + 1);
      row[j] = best;
    }
    size_t *oldest = before_last;
    before_last = last;
    last = row;
    row = oldest;
  }
  return last[right_length];
}

const char *param_suggest(const char *name, size_t count, const char *(*name_at)(const void *context, size_t index), const void *context) {
  size_t length = strnlen(name, SUGGEST_BYTES_MAX + 1);
  if (length == 0 || length > SUGGEST_BYTES_MAX) return NULL;
  const char *nearest = NULL;
  size_t nearest_distance = length / 3 + 1;
  for (size_t i = 0; i < count; i++) {
    const char *known = name_at(context, i);
    size_t known_length = strnlen(known, SUGGEST_BYTES_MAX + 1);
    if (known_length > SUGGEST_BYTES_MAX) continue;
    size_t difference = length > known_length ? length - known_length : known_length - length;
    if (difference >= nearest_distance) continue; /* each edit makes up for one byte of it at most */
    size_t distance = edit_distance(name, length, known, known_length);
    if (distance < nearest_distance) {
      nearest_distance = distance;
      nearest = known;
    }
  }
  return nearest;
}

const struct kind *kind_table_find(const struct kind_table *table, const char *name) {
  for (size_t i = 0; i < table->count; i++) {
    const struct kind *kind = table->get(i);
    if (strcmp(kind->name, name) == 0) return kind;
  }
  return NULL;
}

static const char *kind_name_at(const void *context, size_t index) { return ((const struct kind_table *)context)->get(index)->name; }

const char *kind_table_suggest(const struct kind_table *table, const char *name) {
  return param_suggest(name, table->count, kind_name_at, table);
}

/* Ownership */

/* Empties the fields that own something, without freeing. */
static void settings_forget(void *settings, const struct param *params, size_t param_count) {
  for (size_t i = 0; i < param_count; i++) {
    void *field = param_field(settings, &params[i]);
    switch (params[i].type) {
    case PARAM_KIND: *(struct spec *)field = (struct spec){0}; break;
    case PARAM_KINDS: *(struct specs *)field = (struct specs){0}; break;
    case PARAM_NUMBERS: *(struct numbers *)field = (struct numbers){0}; break;
    case PARAM_NAMES: *(struct names *)field = (struct names){0}; break;
    case PARAM_OBJECT:
    case PARAM_INLINE: settings_forget(field, params[i].params, params[i].param_count); break;
    default: break;
    }
  }
}

static void specs_deinit(struct specs *specs) {
  for (size_t i = 0; i < specs->count; i++) spec_deinit(&specs->items[i]);
  free(specs->items);
  *specs = (struct specs){0};
}

static void names_deinit(struct names *names) {
  for (size_t i = 0; i < names->count; i++) free(names->items[i]);
  free(names->items);
  *names = (struct names){0};
}

void settings_deinit(void *settings, const struct param *params, size_t param_count) {
  for (size_t i = 0; i < param_count; i++) {
    void *field = param_field(settings, &params[i]);
    switch (params[i].type) {
    case PARAM_KIND: spec_deinit(field); break;
    case PARAM_KINDS: specs_deinit(field); break;
    case PARAM_NUMBERS: free(((struct numbers *)field)->values); break;
    case PARAM_NAMES: names_deinit(field); break;
    case PARAM_OBJECT:
    case PARAM_INLINE: settings_deinit(field, params[i].params, params[i].param_count); break;
    default: break;
    }
  }
  settings_forget(settings, params, param_count);
}

void spec_deinit(struct spec *spec) {
  if (spec->settings != NULL) {
    settings_deinit(spec->settings, spec->kind->params, spec->kind->param_count);
    free(spec->settings);
  }
  *spec = (struct spec){0};
}

/* Defaults */

static bool has_flag(const struct param *param, unsigned flag) { return (param->flags & flag) != 0; }

static void *allocate(size_t count, size_t bytes, struct error *error) {
  void *memory = calloc(count > 0 ? count : 1, bytes);
  if (memory == NULL) (void)error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for %zu settings of %zu bytes", count, bytes);
  return memory;
}

static int64_t default_integer(const struct param *param) {
  if (has_flag(param, PARAM_REQUIRED)) return PARAM_INTEGER_NONE;
  if (has_flag(param, PARAM_AUTO)) return PARAM_INTEGER_AUTO;
  if (has_flag(param, PARAM_OPTIONAL)) return PARAM_INTEGER_NONE;
  return (int64_t)param->default_value;
}

static enum error_code fill_default(void *settings, const struct param *param, struct error *error) {
  void *field = param_field(settings, param);
  bool is_absent = has_flag(param, PARAM_REQUIRED) || has_flag(param, PARAM_OPTIONAL);
  switch (param->type) {
  case PARAM_BOOLEAN: *(bool *)field = param->default_value != 0; break;
  case PARAM_INTEGER: *(int64_t *)field = default_integer(param); break;
  case PARAM_NUMBER: *(double *)field = is_absent || has_flag(param, PARAM_AUTO) ? (double)NAN : param->default_value; break;
  case PARAM_TEXT: snprintf(field, LIMIT_NAME_BYTES + 1, "%s", param->default_name != NULL ? param->default_name : ""); break;
  case PARAM_CHOICE: *(int *)field = is_absent ? -1 : (int)param->default_value; break;
  case PARAM_KIND:
    if (param->default_name == NULL) break;
    return spec_init(field, kind_table_find(param->kinds, param->default_name), error);
  case PARAM_OBJECT:
    if (has_flag(param, PARAM_OPTIONAL)) *((bool *)((char *)settings + param->given_offset)) = false;
    return settings_init(field, param->params, param->param_count, error);
  case PARAM_INLINE: return settings_init(field, param->params, param->param_count, error);
  case PARAM_SHAPE: *(struct shape *)field = (struct shape){0}; break;
  case PARAM_SIZES:
    *(struct axis_sizes *)field = (struct axis_sizes){.word = -1, .count = is_absent ? 0 : 1, .values = {(int64_t)param->default_value}};
    break;
  case PARAM_KINDS:
  case PARAM_NUMBERS:
  case PARAM_NAMES: break; /* emptied by settings_forget */
  }
  return ERROR_NONE;
}

enum error_code settings_init(void *settings, const struct param *params, size_t param_count, struct error *error) {
  settings_forget(settings, params, param_count);
  for (size_t i = 0; i < param_count; i++) {
    enum error_code code = fill_default(settings, &params[i], error);
    if (code != ERROR_NONE) {
      settings_deinit(settings, params, param_count);
      return code;
    }
  }
  return ERROR_NONE;
}

enum error_code spec_init(struct spec *out_spec, const struct kind *kind, struct error *error) {
  *out_spec = (struct spec){0};
  if (kind == NULL) return error_set(error, ERROR_INTERNAL, "a parameter table names a default kind that does not exist");
  if (kind->settings_bytes == 0) {
    out_spec->kind = kind;
    return ERROR_NONE;
  }
  void *settings = allocate(1, kind->settings_bytes, error);
  if (settings == NULL) return error->code;
  enum error_code code = settings_init(settings, kind->params, kind->param_count, error);
  if (code != ERROR_NONE) {
    free(settings);
    return code;
  }
  *out_spec = (struct spec){.kind = kind, .settings = settings};
  return ERROR_NONE;
}

/* Copies */

static enum error_code specs_copy(struct specs *out_copy, const struct specs *specs, struct error *error) {
  if (specs->count == 0) return ERROR_NONE;
  out_copy->items = allocate(specs->count, sizeof *specs->items, error);
  if (out_copy->items == NULL) return error->code;
  out_copy->count = specs->count;
  for (size_t i = 0; i < specs->count; i++) {
    enum error_code code = spec_copy(&out_copy->items[i], &specs->items[i], error);
    if (code != ERROR_NONE) return code;
  }
  return ERROR_NONE;
}

static enum error_code numbers_copy(struct numbers *out_copy, const struct numbers *numbers, struct error *error) {
  out_copy->is_word = numbers->is_word;
  if (numbers->count == 0) return ERROR_NONE;
  out_copy->values = allocate(numbers->count, sizeof *numbers->values, error);
  if (out_copy->values == NULL) return error->code;
  memcpy(out_copy->values, numbers->values, numbers->count * sizeof *numbers->values);
  out_copy->count = numbers->count;
  return ERROR_NONE;
}

static enum error_code names_copy(struct names *out_copy, const struct names *names, struct error *error) {
  if (names->count == 0) return ERROR_NONE;
  out_copy->items = allocate(names->count, sizeof *names->items, error);
  if (out_copy->items == NULL) return error->code;
  out_copy->count = names->count;
  for (size_t i = 0; i < names->count; i++) {
    size_t bytes = strlen(names->items[i]) + 1;
    out_copy->items[i] = allocate(1, bytes, error);
    if (out_copy->items[i] == NULL) return error->code;
    memcpy(out_copy->items[i], names->items[i], bytes);
  }
  return ERROR_NONE;
}

/* Gives `copy`, whose plain fields are copied and whose owning fields are empty, its own of everything that `settings` owns. */
static enum error_code copy_owned(void *copy, const void *settings, const struct param *params, size_t param_count, struct error *error) {
  for (size_t i = 0; i < param_count; i++) {
    void *to = param_field(copy, &params[i]);
    const void *from = param_field_const(settings, &params[i]);
    enum error_code code = ERROR_NONE;
    switch (params[i].type) {
    case PARAM_KIND: code = spec_copy(to, from, error); break;
    case PARAM_KINDS: code = specs_copy(to, from, error); break;
    case PARAM_NUMBERS: code = numbers_copy(to, from, error); break;
    case PARAM_NAMES: code = names_copy(to, from, error); break;
    case PARAM_OBJECT:
    case PARAM_INLINE: code = copy_owned(to, from, params[i].params, params[i].param_count, error); break;
    default: break;
    }
    if (code != ERROR_NONE) return code;
  }
  return ERROR_NONE;
}

enum error_code spec_copy(struct spec *out_copy, const struct spec *spec, struct error *error) {
  *out_copy = (struct spec){0};
  const struct kind *kind = spec->kind;
  if (spec->settings == NULL) {
    out_copy->kind = kind;
    return ERROR_NONE;
  }
  void *settings = allocate(1, kind->settings_bytes, error);
  if (settings == NULL) return error->code;
  memcpy(settings, spec->settings, kind->settings_bytes);
  settings_forget(settings, kind->params, kind->param_count);
  *out_copy = (struct spec){.kind = kind, .settings = settings};
  enum error_code code = copy_owned(settings, spec->settings, kind->params, kind->param_count, error);
  if (code != ERROR_NONE) spec_deinit(out_copy);
  return code;
}

/* Checks */

/* Adds "must be …" with the range in words for a value that is outside of it or not finite. */
static enum error_code check_range(double value, const struct param *param, const char *pointer, struct error *error) {
  bool above_min = has_flag(param, PARAM_ABOVE_MIN) ? value > param->min : value >= param->min;
  bool below_max = has_flag(param, PARAM_BELOW_MAX) ? value < param->max : value <= param->max;
  if (above_min && below_max && isfinite(value)) return ERROR_NONE;
  const char *low = has_flag(param, PARAM_ABOVE_MIN) ? "greater than" : "at least";
  const char *high = has_flag(param, PARAM_BELOW_MAX) ? "less than" : "at most";
  if (isfinite(param->min) && isfinite(param->max))
    return error_add(error, pointer, "must be %s %.15g and %s %.15g, not %.15g", low, param->min, high, param->max, value);
  if (isfinite(param->min)) return error_add(error, pointer, "must be finite and %s %.15g, not %.15g", low, param->min, value);
  if (isfinite(param->max)) return error_add(error, pointer, "must be finite and %s %.15g, not %.15g", high, param->max, value);
  return error_add(error, pointer, "must be a finite number, not %.15g", value);
}

static enum error_code check_integer(int64_t value, const struct param *param, const char *pointer, struct error *error) {
  if (value == PARAM_INTEGER_AUTO && has_flag(param, PARAM_AUTO)) return ERROR_NONE;
  if (value == PARAM_INTEGER_NONE && has_flag(param, PARAM_REQUIRED)) return error_add(error, pointer, "is required: %s", param->help);
  if (value == PARAM_INTEGER_NONE && has_flag(param, PARAM_OPTIONAL)) return ERROR_NONE;
  return check_range((double)value, param, pointer, error);
}

static enum error_code check_number(double value, const struct param *param, const char *pointer, struct error *error) {
  if (isnan(value) && has_flag(param, PARAM_REQUIRED)) return error_add(error, pointer, "is required: %s", param->help);
  if (isnan(value) && (has_flag(param, PARAM_OPTIONAL) || has_flag(param, PARAM_AUTO))) return ERROR_NONE;
  return check_range(value, param, pointer, error);
}

static enum error_code check_choice(int value, const struct param *param, const char *pointer, struct error *error) {
  if (value == -1 && has_flag(param, PARAM_REQUIRED)) return error_add(error, pointer, "is required: %s", param->help);
  if (value == -1 && has_flag(param, PARAM_OPTIONAL)) return ERROR_NONE;
  int count = 0;
  while (param->choices[count] != NULL) count++;
  if (value >= 0 && value < count) return ERROR_NONE;
  char names[ERROR_DETAIL_BYTES] = "";
  for (int i = 0; i < count; i++) {
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s\"%s\"", i == 0 ? "" : ", ", param->choices[i]);
  }
  return error_add(error, pointer, "must be one of %s", names);
}

static enum error_code check_kind(const struct spec *spec, const struct param *param, const char *pointer, struct error *error) {
  if (spec->kind != NULL) return spec_check(spec, pointer, error);
  if (has_flag(param, PARAM_AUTO) || has_flag(param, PARAM_OPTIONAL)) return ERROR_NONE;
  return error_add(error, pointer, "is required: %s", param->help);
}

static enum error_code check_kinds(const struct specs *specs, const struct param *param, const char *pointer, struct error *error) {
  if (specs->count == 0 && has_flag(param, PARAM_REQUIRED)) return error_add(error, pointer, "needs at least one %s", param->kinds->sort);
  enum error_code result = ERROR_NONE;
  for (size_t i = 0; i < specs->count; i++) {
    char item_pointer[ERROR_POINTER_BYTES];
    error_pointer(item_pointer, pointer, "%zu", i);
    enum error_code code = check_kind(&specs->items[i], param, item_pointer, error);
    if (code != ERROR_NONE) result = code;
  }
  return result;
}

static enum error_code check_numbers(const struct numbers *numbers, const struct param *param, const char *pointer, struct error *error) {
  if (numbers->is_word) return ERROR_NONE;
  if (numbers->count == 0 && has_flag(param, PARAM_REQUIRED)) return error_add(error, pointer, "is required: %s", param->help);
  enum error_code result = ERROR_NONE;
  for (size_t i = 0; i < numbers->count; i++) {
    char item_pointer[ERROR_POINTER_BYTES];
    error_pointer(item_pointer, pointer, "%zu", i);
    enum error_code code = check_range(numbers->values[i], param, item_pointer, error);
    if (code != ERROR_NONE) result = code;
  }
  return result;
}

static enum error_code check_shape(const struct shape *shape, const struct param *param, const char *pointer, struct error *error) {
  if (shape->rank == 0 && has_flag(param, PARAM_REQUIRED)) return error_add(error, pointer, "is required: %s", param->help);
  if (shape->rank > LIMIT_RANK) return error_add(error, pointer, "must have at most %d axes, not %zu", LIMIT_RANK, shape->rank);
  for (size_t i = 0; i < shape->rank; i++)
    if (shape->sizes[i] == 0) return error_add(error, pointer, "must have positive sizes only; the size of axis %zu is 0", i);
  return ERROR_NONE;
}

static enum error_code check_sizes(const struct axis_sizes *sizes, const struct param *param, const char *pointer, struct error *error) {
  if (sizes->word >= 0) return ERROR_NONE;
  if (sizes->count == 0 && has_flag(param, PARAM_REQUIRED)) return error_add(error, pointer, "is required: %s", param->help);
  if (sizes->count > 1 && sizes->count != param->axis_count)
    return error_add(error, pointer, "must be one integer, or %zu: one for each axis", param->axis_count);
  enum error_code result = ERROR_NONE;
  for (size_t i = 0; i < sizes->count; i++) {
    char item_pointer[ERROR_POINTER_BYTES];
    error_pointer(item_pointer, pointer, "%zu", i);
    enum error_code code = check_range((double)sizes->values[i], param, sizes->count == 1 ? pointer : item_pointer, error);
    if (code != ERROR_NONE) result = code;
  }
  return result;
}

static enum error_code check_field(const void *settings, const struct param *param, const char *pointer, struct error *error) {
  const void *field = param_field_const(settings, param);
  switch (param->type) {
  case PARAM_BOOLEAN: return ERROR_NONE;
  case PARAM_INTEGER: return check_integer(*(const int64_t *)field, param, pointer, error);
  case PARAM_NUMBER: return check_number(*(const double *)field, param, pointer, error);
  case PARAM_TEXT:
    if (has_flag(param, PARAM_REQUIRED) && *(const char *)field == '\0') return error_add(error, pointer, "is required: %s", param->help);
    return ERROR_NONE;
  case PARAM_CHOICE: return check_choice(*(const int *)field, param, pointer, error);
  case PARAM_KIND: return check_kind(field, param, pointer, error);
  case PARAM_KINDS: return check_kinds(field, param, pointer, error);
  case PARAM_OBJECT:
    if (has_flag(param, PARAM_OPTIONAL) && !*((const bool *)((const char *)settings + param->given_offset))) return ERROR_NONE;
    return settings_check(field, param->params, param->param_count, pointer, error);
  case PARAM_INLINE: return settings_check(field, param->params, param->param_count, pointer, error);
  case PARAM_NUMBERS: return check_numbers(field, param, pointer, error);
  case PARAM_NAMES:
    if (has_flag(param, PARAM_REQUIRED) && ((const struct names *)field)->count == 0)
      return error_add(error, pointer, "is required: %s", param->help);
    return ERROR_NONE;
  case PARAM_SHAPE: return check_shape(field, param, pointer, error);
  case PARAM_SIZES: return check_sizes(field, param, pointer, error);
  }
  return ERROR_NONE;
}

enum error_code settings_check(const void *settings, const struct param *params, size_t param_count, const char *pointer,
                               struct error *error) {
  enum error_code result = ERROR_NONE;
  for (size_t i = 0; i < param_count; i++) {
    char field_pointer[ERROR_POINTER_BYTES];
    error_pointer(field_pointer, pointer, "%s", params[i].name);
    bool is_inline = params[i].type == PARAM_INLINE; /* its keys stand at this level */
    enum error_code code = check_field(settings, &params[i], is_inline ? pointer : field_pointer, error);
    if (code != ERROR_NONE) result = code;
  }
  return result;
}

enum error_code spec_check(const struct spec *spec, const char *pointer, struct error *error) {
  const struct kind *kind = spec->kind;
  enum error_code code = ERROR_NONE;
  if (spec->settings != NULL) code = settings_check(spec->settings, kind->params, kind->param_count, pointer, error);
  if (kind->check == NULL) return code;
  enum error_code own_code = kind->check(spec->settings, pointer, error);
  return own_code != ERROR_NONE ? own_code : code;
}

/* Shapes */

size_t shape_size(const struct shape *shape) {
  size_t size = 1;
  for (size_t i = 0; i < shape->rank; i++) size *= shape->sizes[i];
  return size;
}

bool shape_equal(const struct shape *left, const struct shape *right) {
  return left->rank == right->rank && memcmp(left->sizes, right->sizes, left->rank * sizeof left->sizes[0]) == 0;
}

const char *shape_format(const struct shape *shape, char *text, size_t text_bytes) {
  size_t used = (size_t)snprintf(text, text_bytes, "[");
  for (size_t i = 0; i < shape->rank && used < text_bytes; i++)
    used += (size_t)snprintf(text + used, text_bytes - used, i == 0 ? "%zu" : ", %zu", shape->sizes[i]);
  if (used < text_bytes) snprintf(text + used, text_bytes - used, "]");
  return text;
}
