#include "tests/support/specs.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 4096 };

static void copy_text(char out_text[TEXT_BYTES], const char *text) {
  ck_assert_uint_lt(strlen(text), TEXT_BYTES);
  strcpy(out_text, text);
}

struct shape shape_parse(const char *text) {
  struct shape shape = {0};
  while (*text != '\0') {
    char *end;
    ck_assert_uint_lt(shape.rank, LIMIT_RANK);
    shape.sizes[shape.rank++] = strtoul(text, &end, 10);
    ck_assert_ptr_ne(end, text);
    text = *end == 'x' ? end + 1 : end;
  }
  return shape;
}

static void parse_names(struct names *names, const char *value) {
  char text[TEXT_BYTES], *rest;
  copy_text(text, value);
  names->items = calloc(LIMIT_LAYER_INPUTS + 4, sizeof *names->items);
  for (char *name = strtok_r(text, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
    names->items[names->count++] = strdup(name);
}

static void parse_numbers(struct numbers *numbers, const struct param *param, const char *value) {
  free(numbers->values);
  *numbers = (struct numbers){.is_word = param->word != NULL && strcmp(param->word, value) == 0};
  if (numbers->is_word) return;
  numbers->values = calloc(LIMIT_CLASS_WEIGHTS, sizeof *numbers->values);
  while (*value != '\0') {
    char *end;
    numbers->values[numbers->count++] = strtod(value, &end);
    ck_assert_ptr_ne(end, value);
    value = *end == ',' ? end + 1 : end;
  }
}

static int parse_choice(const struct param *param, const char *value) {
  int index = 0;
  while (param->choices[index] != NULL && strcmp(param->choices[index], value) != 0) index++;
  ck_assert_msg(param->choices[index] != NULL, "no choice \"%s\" of %s", value, param->name);
  return index;
}

static void parse_kind(struct spec *spec, const struct param *param, const char *value) {
  char text[TEXT_BYTES];
  copy_text(text, value);
  for (char *c = text; *c != '\0'; c++)
    if (*c == ':') *c = ' ';
  spec_deinit(spec);
  if (strcmp(text, "auto") != 0) spec_parse(spec, param->kinds, text);
}

static void parse_sizes(struct axis_sizes *sizes, const struct param *param, const char *value) {
  *sizes = (struct axis_sizes){.word = -1};
  for (int i = 0; param->choices != NULL && param->choices[i] != NULL; i++)
    if (strcmp(param->choices[i], value) == 0) sizes->word = i;
  if (sizes->word >= 0) return;
  const struct shape shape = shape_parse(value);
  ck_assert(shape.rank == 1 || shape.rank == param->axis_count);
  sizes->count = shape.rank;
  for (size_t i = 0; i < shape.rank; i++) sizes->values[i] = (int64_t)shape.sizes[i];
}

static void set_field(void *field, const struct param *param, const char *value) {
  switch (param->type) {
  case PARAM_BOOLEAN: *(bool *)field = atoi(value) != 0; break;
  case PARAM_INTEGER: *(int64_t *)field = strcmp(value, "auto") == 0 ? PARAM_INTEGER_AUTO : atoll(value); break;
  case PARAM_NUMBER: *(double *)field = strtod(value, NULL); break;
  case PARAM_TEXT: snprintf(field, LIMIT_NAME_BYTES + 1, "%s", value); break;
  case PARAM_CHOICE: *(int *)field = parse_choice(param, value); break;
  case PARAM_KIND: parse_kind(field, param, value); break;
  case PARAM_NUMBERS: parse_numbers(field, param, value); break;
  case PARAM_NAMES: parse_names(field, value); break;
  case PARAM_SHAPE: *(struct shape *)field = shape_parse(value); break;
  case PARAM_SIZES: parse_sizes(field, param, value); break;
  default: ck_abort_msg("parameter %s can't be set by text", param->name);
  }
}

static bool set_in(void *settings, const struct param *params, size_t param_count, const char *key, const char *value) {
  for (size_t i = 0; i < param_count; i++) {
    void *field = param_field(settings, &params[i]);
    if (params[i].type == PARAM_INLINE) {
      if (set_in(field, params[i].params, params[i].param_count, key, value)) return true;
    } else if (strcmp(params[i].name, key) == 0) {
      set_field(field, &params[i], value);
      return true;
    }
  }
  return false;
}

void spec_set(struct spec *spec, const char *key, const char *value) {
  bool is_known = spec->settings != NULL && set_in(spec->settings, spec->kind->params, spec->kind->param_count, key, value);
  ck_assert_msg(is_known, "%s has no parameter \"%s\"", spec->kind->name, key);
}

void spec_parse(struct spec *out_spec, const struct kind_table *kinds, const char *text) {
  char copy[TEXT_BYTES], *rest;
  struct error error = {0};
  copy_text(copy, text);
  char *word = strtok_r(copy, " ", &rest);
  const struct kind *kind = kind_table_find(kinds, word);
  ck_assert_msg(kind != NULL, "no %s \"%s\"", kinds->sort, word);
  ck_assert_int_eq(spec_init(out_spec, kind, &error), ERROR_NONE);
  while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
    char *value = strchr(word, '=');
    ck_assert_msg(value != NULL, "\"%s\" lacks =", word);
    *value++ = '\0';
    spec_set(out_spec, word, value);
  }
}

void network_spec_parse_unresolved(struct network_spec *out_spec, const char *input, const char *layers) {
  char copy[TEXT_BYTES], *rest;
  copy_text(copy, layers);
  *out_spec = (struct network_spec){.input.shape = shape_parse(input)};
  out_spec->layers.items = calloc(64, sizeof *out_spec->layers.items);
  for (char *layer = strtok_r(copy, ";", &rest); layer != NULL; layer = strtok_r(NULL, ";", &rest)) {
    ck_assert_uint_lt(out_spec->layers.count, 64);
    spec_parse(&out_spec->layers.items[out_spec->layers.count++], &layer_kinds, layer);
  }
}

void network_spec_parse(struct network_spec *out_spec, const char *input, const char *layers) {
  struct error error = {0};
  network_spec_parse_unresolved(out_spec, input, layers);
  ck_assert_msg(network_spec_resolve(out_spec, NULL, &error) == ERROR_NONE, "%s: %s", layers, error.detail);
}
