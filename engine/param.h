/* Parameters: the one description of what can be set on a layer, a loss, an optimizer, a job …
 *
 * A kind (dense, adam, cosine, …) is a constant record that starts with a struct kind: its name, a one-line summary and a
 * table of its parameters. Each row names a field of the kind's own settings struct by offset, with type, range, default
 * and help. JSON parsing, validation, the resolved spec, GET /v1/schema, OpenAPI and the page's forms all walk these tables;
 * nothing else knows a parameter's name.
 *
 * | type          | field in the settings struct | JSON                                                                               |
 * |---------------|------------------------------|------------------------------------------------------------------------------------|
 * | PARAM_BOOLEAN | bool                         | true, false                                                                        |
 * | PARAM_INTEGER | int64_t                      | integer; "auto" → PARAM_INTEGER_AUTO; null → PARAM_INTEGER_NONE                    |
 * | PARAM_NUMBER  | double                       | number; null → NAN if optional (PARAM_OPTIONAL)                                    |
 * | PARAM_TEXT    | char[LIMIT_NAME_BYTES + 1]   | string; "" is "not given"                                                          |
 * | PARAM_CHOICE  | int                          | one of a list of names; the value is its index                                     |
 * | PARAM_KIND    | struct spec                  | a kind's name, or {"type": name, parameters …}; "auto" and null → kind NULL        |
 * | PARAM_KINDS   | struct specs                 | array of such objects                                                              |
 * | PARAM_OBJECT  | the nested struct itself     | an object with a table of its own; null → all its defaults, "not used" if optional |
 * | PARAM_INLINE  | the nested struct itself     | no key: the nested table's keys stand at this level                                |
 * | PARAM_NUMBERS | struct numbers               | array of numbers, or the row's `word` ("balanced")                                 |
 * | PARAM_NAMES   | struct names                 | array of strings, or one string                                                    |
 * | PARAM_SHAPE   | struct shape                 | array of positive integers                                                         |
 * | PARAM_SIZES   | struct axis_sizes            | integer, array of one for each axis, or one of the row's words; null if optional   |
 *
 * Ownership: settings own what their KIND, NUMBERS and NAMES fields point to; settings_create and settings_destroy walk the table.
 * Threads: tables are constant; a settings object belongs to whoever holds it.
 */
#ifndef ENGINE_PARAM_H
#define ENGINE_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/limits.h"

enum param_type {
  PARAM_BOOLEAN,
  PARAM_INTEGER,
  PARAM_NUMBER,
  PARAM_TEXT,
  PARAM_CHOICE,
  PARAM_KIND,
  PARAM_KINDS,
  PARAM_OBJECT,
  PARAM_INLINE,
  PARAM_NUMBERS,
  PARAM_NAMES,
  PARAM_SHAPE,
  PARAM_SIZES
};

enum param_flag {
  PARAM_REQUIRED = 1,  /* must be given; has no default */
  PARAM_AUTO = 2,      /* accepts "auto"; that is the default unless PARAM_REQUIRED or default_name says otherwise */
  PARAM_OPTIONAL = 4,  /* accepts null, and that is the default: "not used" */
  PARAM_ABOVE_MIN = 8, /* the range excludes min (learning_rate > 0) */
  PARAM_BELOW_MAX = 16 /* the range excludes max (rate < 1) */
};

#define PARAM_INTEGER_AUTO INT64_MIN
#define PARAM_INTEGER_NONE (INT64_MIN + 1)

struct kind_table;

struct param {
  const char *name;
  const char *help; /* one line, with the unit */
  enum param_type type;
  unsigned flags;
  size_t offset;                  /* of the field in the settings struct */
  double min, max;                /* INTEGER, NUMBER, each entry of NUMBERS and SIZES; ±INFINITY: no bound, but always finite */
  double default_value;           /* BOOLEAN 0/1, INTEGER, NUMBER, CHOICE index, SIZES (alike on all axes) */
  const char *default_name;       /* KIND: the default kind's name; TEXT */
  const char *word;               /* NUMBERS: the word accepted instead of an array, or NULL */
  const char *const *choices;     /* CHOICE: names; SIZES: words accepted instead of numbers; NULL at the end */
  size_t axis_count;              /* SIZES: entries of its array */
  const struct kind_table *kinds; /* KIND, KINDS */
  const struct param *params;     /* OBJECT, INLINE: the nested table */
  size_t param_count;             /* rows in `params` */
  size_t given_offset;            /* OBJECT with PARAM_OPTIONAL: of a bool in the settings struct, true where an object was
                                            given. settings_init sets it to false; settings_check looks inside only if it is true */
};

/* What every kind has. The first member of struct layer_kind, struct loss_kind, … */
struct kind {
  const char *name;    /* "dense" */
  const char *summary; /* one line */
  const struct param *params;
  size_t param_count;
  size_t settings_bytes; /* sizeof its settings struct; 0 if it has no parameters */
  /* Checks what ranges can't say (nesterov needs momentum). Adds field errors below `pointer`. May be NULL. */
  enum error_code (*check)(const void *settings, const char *pointer, struct error *error);
};

/* All kinds of one sort. `get(i)` for i < count. */
struct kind_table {
  const char *sort; /* "layer", "optimizer" … as errors and /v1/schema name it */
  size_t count;
  const struct kind *(*get)(size_t index);
};

/* A folder's kinds are one list, which declares them and makes their table. In the folder's header:
 *   #define LAYER_KINDS(row) row(layer, dense) row(layer, dropout) …
 *   LAYER_KINDS(KIND_DECLARE)
 * and in one of its files:
 *   KIND_TABLE(layer, LAYER_KINDS)
 * for records such as `const struct layer_kind layer_dense`, whose first member is `struct kind kind`. */
#define KIND_DECLARE(sort_, name_) extern const struct sort_##_kind sort_##_##name_;
#define KIND_ENTRY(sort_, name_) &sort_##_##name_.kind,
#define KIND_TABLE(sort_, list_)                                                                                                           \
  static const struct kind *const sort_##_list[] = {list_(KIND_ENTRY)};                                                                    \
  static const struct kind *sort_##_get(size_t index) { return sort_##_list[index]; }                                                      \
  const struct kind_table sort_##_kinds = {.sort = #sort_, .count = sizeof sort_##_list / sizeof sort_##_list[0], .get = sort_##_get};

/* A kind with its settings: the resolved form of {"type": …}. Owns `settings` (NULL if the kind has none). */
struct spec {
  const struct kind *kind; /* NULL: not given, or "auto" */
  void *settings;
};

struct specs {
  size_t count;
  struct spec *items; /* owned, each too */
};

struct numbers {
  bool is_word; /* the row's word was given instead of numbers */
  size_t count;
  double *values; /* owned */
};

struct names {
  size_t count;
  char **items; /* owned, each too */
};

struct shape {
  size_t rank; /* 0: a scalar, or "not given" */
  size_t sizes[LIMIT_RANK];
};

/* How long a window, its step, its margin … is on each axis. */
struct axis_sizes {
  int word;     /* index of the word that was given instead; −1: none */
  size_t count; /* 1: alike on all axes; 0: a word, or not given */
  int64_t values[LIMIT_RANK];
};

/* Row makers, so that a table reads like documentation:
 *   static const struct param params[] = {
 *     PARAM_INTEGER_ROW(struct dense, units, 1, LIMIT_UNITS, 0, "number of outputs", .flags = PARAM_REQUIRED), …
 * A row whose JSON name differs from its field's says .name = "…" last. */
#define PARAM_BOOLEAN_ROW(type_, field_, default_, help_, ...)                                                                             \
  { .name = #field_, .type = PARAM_BOOLEAN, .offset = offsetof(type_, field_), .default_value = (default_), .help = (help_), ##__VA_ARGS__ }
#define PARAM_INTEGER_ROW(type_, field_, min_, max_, default_, help_, ...)                                                                 \
  {                                                                                                                                        \
    .name = #field_, .type = PARAM_INTEGER, .offset = offsetof(type_, field_), .min = (double)(min_), .max = (double)(max_),               \
    .default_value = (double)(default_), .help = (help_), ##__VA_ARGS__                                                                    \
  }
#define PARAM_NUMBER_ROW(type_, field_, min_, max_, default_, help_, ...)                                                                  \
  {                                                                                                                                        \
    .name = #field_, .type = PARAM_NUMBER, .offset = offsetof(type_, field_), .min = (min_), .max = (max_), .default_value = (default_),   \
    .help = (help_), ##__VA_ARGS__                                                                                                         \
  }
#define PARAM_SIZES_ROW(type_, field_, axis_count_, min_, max_, default_, help_, ...)                                                      \
  {                                                                                                                                        \
    .name = #field_, .type = PARAM_SIZES, .offset = offsetof(type_, field_), .axis_count = (axis_count_), .min = (double)(min_),           \
    .max = (double)(max_), .default_value = (double)(default_), .help = (help_), ##__VA_ARGS__                                             \
  }
#define PARAM_CHOICE_ROW(type_, field_, choices_, default_, help_, ...)                                                                    \
  {                                                                                                                                        \
    .name = #field_, .type = PARAM_CHOICE, .offset = offsetof(type_, field_), .choices = (choices_), .default_value = (default_),          \
    .help = (help_), ##__VA_ARGS__                                                                                                         \
  }
#define PARAM_KIND_ROW(type_, field_, kinds_, default_name_, help_, ...)                                                                   \
  {                                                                                                                                        \
    .name = #field_, .type = PARAM_KIND, .offset = offsetof(type_, field_), .kinds = (kinds_), .default_name = (default_name_),            \
    .help = (help_), ##__VA_ARGS__                                                                                                         \
  }

#define PARAM_INLINE_ROW(type_, field_, params_)                                                                                           \
  { .name = "", .type = PARAM_INLINE, .offset = offsetof(type_, field_), .params = (params_), .param_count = PARAM_COUNT(params_) }
#define PARAM_OBJECT_ROW(type_, field_, params_, help_, ...)                                                                               \
  {                                                                                                                                        \
    .name = #field_, .type = PARAM_OBJECT, .offset = offsetof(type_, field_), .params = (params_), .param_count = PARAM_COUNT(params_),    \
    .help = (help_), ##__VA_ARGS__                                                                                                         \
  }

#define PARAM_COUNT(table_) (sizeof(table_) / sizeof((table_)[0]))

/* The kind of that name, or NULL. */
const struct kind *kind_table_find(const struct kind_table *table, const char *name);

/* The known name nearest to `name` (Damerau-Levenshtein distance, at most a third of its length), or NULL. For "did you mean". */
const char *kind_table_suggest(const struct kind_table *table, const char *name);

/* Nearest of `count` names in the same sense; `name_at(context, i)` gives them. */
const char *param_suggest(const char *name, size_t count, const char *(*name_at)(const void *context, size_t index), const void *context);

/* Fills a settings object of `param_count` rows with defaults. KIND fields get their default kind with its defaults. A required field
 * gets the value that says "missing": PARAM_INTEGER_NONE, NAN, "", choice −1, kind NULL, no entries, rank 0, count 0 without a word.
 * Storage is the caller's; free what it owns with settings_deinit. Returns ERROR_OUT_OF_MEMORY at worst. */
__attribute__((warn_unused_result)) enum error_code settings_init(void *settings, const struct param *params, size_t param_count,
                                                                  struct error *error);
void settings_deinit(void *settings, const struct param *params, size_t param_count);

/* A spec of that kind with default settings. spec_deinit frees the settings and empties the spec. */
__attribute__((warn_unused_result)) enum error_code spec_init(struct spec *out_spec, const struct kind *kind, struct error *error);
void spec_deinit(struct spec *spec);
__attribute__((warn_unused_result)) enum error_code spec_copy(struct spec *out_copy, const struct spec *spec, struct error *error);

/* Checks the settings of a spec as settings_check does, then by the kind's own check. `spec->kind` is not NULL. */
__attribute__((warn_unused_result)) enum error_code spec_check(const struct spec *spec, const char *pointer, struct error *error);

/* Field access for whoever walks a table. */
static inline void *param_field(void *settings, const struct param *param) { return (char *)settings + param->offset; }
static inline const void *param_field_const(const void *settings, const struct param *param) {
  return (const char *)settings + param->offset;
}

/* Checks one settings object against its table: ranges, required fields, each kind's own check, recursively.
 * Adds an item for each error, `pointer` + "/" + name. */
__attribute__((warn_unused_result)) enum error_code settings_check(const void *settings, const struct param *params, size_t param_count,
                                                                   const char *pointer, struct error *error);

/* Its value on an axis; it has numbers. */
static inline int64_t sizes_at(const struct axis_sizes *sizes, size_t axis) { return sizes->values[sizes->count == 1 ? 0 : axis]; }

/* Number of values in one sample: the product of the sizes; 1 for rank 0. */
size_t shape_size(const struct shape *shape);
bool shape_equal(const struct shape *left, const struct shape *right);
enum { SHAPE_TEXT_BYTES = 96 }; /* enough for any shape */
/* "[3, 28, 28]" into `text`; returns `text`. */
const char *shape_format(const struct shape *shape, char *text, size_t text_bytes);

#endif
