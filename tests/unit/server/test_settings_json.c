/* JSON ⇄ settings: every type of row is read, written and described; every mistake is told at its place, with what would be right. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/network.h"
#include "engine/train.h"
#include "server/codec/settings_json.h"
#include "tests/support/allocations.h"
#include "tests/support/suite.h"

/* A table with a row of each type. */
struct inner {
  int64_t depth;
  double share;
};
static const struct param inner_rows[] = {
    PARAM_INTEGER_ROW(struct inner, depth, 0, 10, 3, "levels"),
    PARAM_NUMBER_ROW(struct inner, share, 0, 1, 0.5, "part of the whole", .flags = PARAM_BELOW_MAX),
};
struct shared {
  int64_t warmup;
};
static const struct param shared_rows[] = {PARAM_INTEGER_ROW(struct shared, warmup, 0, 100, 0, "steps")};

struct everything {
  bool flag;
  int64_t units, length;
  double rate, bound;
  char title[LIMIT_NAME_BYTES + 1];
  int mode;
  struct spec optimizer, loss;
  struct specs layers;
  struct inner inner, stopping;
  bool is_stopping;
  struct shared shared;
  struct numbers weights;
  struct names inputs;
  struct shape shape;
  struct axis_sizes window, margin;
};
static const char *const modes[] = {"fast", "slow", NULL};
static const char *const margins[] = {"same", "none", NULL};
static const struct param rows[] = {
    PARAM_BOOLEAN_ROW(struct everything, flag, 1, "yes or no"),
    PARAM_INTEGER_ROW(struct everything, units, 1, LIMIT_UNITS, 0, "how many", .flags = PARAM_REQUIRED),
    PARAM_INTEGER_ROW(struct everything, length, 1, 9, 0, "how long", .flags = PARAM_AUTO | PARAM_OPTIONAL),
    PARAM_NUMBER_ROW(struct everything, rate, 0, INFINITY, 0.1, "how fast", .flags = PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(struct everything, bound, -1, 1, 0, "how far", .flags = PARAM_OPTIONAL),
    {.name = "title", .type = PARAM_TEXT, .offset = offsetof(struct everything, title), .help = "what it is called"},
    PARAM_CHOICE_ROW(struct everything, mode, modes, 1, "which way"),
    PARAM_KIND_ROW(struct everything, optimizer, &optimizer_kinds, "adam", "how to step"),
    PARAM_KIND_ROW(struct everything, loss, &loss_kinds, NULL, "what to minimize", .flags = PARAM_AUTO),
    {.name = "layers",
     .type = PARAM_KINDS,
     .offset = offsetof(struct everything, layers),
     .kinds = &layer_kinds,
     .help = "what is computed"},
    PARAM_OBJECT_ROW(struct everything, inner, inner_rows, "a part of its own"),
    PARAM_OBJECT_ROW(struct everything, stopping, inner_rows, "when to stop", .flags = PARAM_OPTIONAL,
                     .given_offset = offsetof(struct everything, is_stopping)),
    PARAM_INLINE_ROW(struct everything, shared, shared_rows),
    {.name = "weights",
     .type = PARAM_NUMBERS,
     .offset = offsetof(struct everything, weights),
     .flags = PARAM_OPTIONAL,
     .min = 0,
     .max = INFINITY,
     .word = "balanced",
     .help = "one for each"},
    {.name = "inputs", .type = PARAM_NAMES, .offset = offsetof(struct everything, inputs), .help = "from where"},
    {.name = "shape", .type = PARAM_SHAPE, .offset = offsetof(struct everything, shape), .help = "of what size"},
    PARAM_SIZES_ROW(struct everything, window, 2, 1, 99, 0, "how large on each axis", .flags = PARAM_OPTIONAL),
    PARAM_SIZES_ROW(struct everything, margin, 2, 0, 9, 4, "how much around", .choices = margins),
};

static struct everything settings;
static struct error error;

static enum error_code read_into(void *out_settings, const struct param *params, size_t count, const char *text) {
  json_error_t json_error;
  json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &json_error);
  ck_assert_msg(json != NULL, "%s in %s", json_error.text, text);
  error_clear(&error);
  ck_assert_int_eq(settings_init(out_settings, params, count, &error), ERROR_NONE);
  enum error_code code = settings_from_json(json, params, count, "", out_settings, &error);
  json_decref(json);
  return code;
}

static enum error_code read(const char *text) { return read_into(&settings, rows, PARAM_COUNT(rows), text); }
static void release(void) { settings_deinit(&settings, rows, PARAM_COUNT(rows)); }

static const char full[] =
    "{\"flag\": false, \"units\": 7, \"length\": 4, \"rate\": 2, \"bound\": -0.5, \"title\": \"größer\", \"mode\": \"fast\","
    " \"optimizer\": {\"type\": \"sgd\", \"learning_rate\": 0.5, \"momentum\": 0.9, \"nesterov\": true}, \"loss\": \"huber\","
    " \"layers\": [{\"type\": \"dense\", \"units\": 3, \"activation\": {\"type\": \"elu\", \"alpha\": 0.5}, \"inputs\": \"input\"}, "
    "\"flatten\"],"
    " \"inner\": {\"depth\": 5}, \"stopping\": {\"share\": 0}, \"warmup\": 9, \"weights\": [1, 2.5], \"inputs\": [\"a\", \"b\"], "
    "\"shape\": [3, 28, 28], \"window\": [3, 5], \"margin\": \"same\"}";

START_TEST(every_type_of_row_is_read) {
  ck_assert_msg(read(full) == ERROR_NONE, "%s", error.detail);
  ck_assert(!settings.flag);
  ck_assert_int_eq(settings.units, 7);
  ck_assert_int_eq(settings.length, 4);
  ck_assert_double_eq(settings.rate, 2);
  ck_assert_double_eq(settings.bound, -0.5);
  ck_assert_str_eq(settings.title, "größer");
  ck_assert_int_eq(settings.mode, 0);
  ck_assert_str_eq(settings.optimizer.kind->name, "sgd");
  ck_assert_double_eq(((const struct optimizer_common *)settings.optimizer.settings)->learning_rate, 0.5);
  ck_assert_str_eq(settings.loss.kind->name, "huber");
  ck_assert_uint_eq(settings.layers.count, 2);
  const struct layer_common *dense = settings.layers.items[0].settings;
  ck_assert_str_eq(dense->activation.kind->name, "elu");
  ck_assert_uint_eq(dense->inputs.count, 1);
  ck_assert_str_eq(dense->inputs.items[0], "input");
  ck_assert_str_eq(settings.layers.items[1].kind->name, "flatten");
  ck_assert_int_eq(settings.inner.depth, 5);
  ck_assert_double_eq(settings.inner.share, 0.5);
  ck_assert(settings.is_stopping);
  ck_assert_double_eq(settings.stopping.share, 0);
  ck_assert_int_eq(settings.shared.warmup, 9);
  ck_assert_uint_eq(settings.weights.count, 2);
  ck_assert_double_eq(settings.weights.values[1], 2.5);
  ck_assert_uint_eq(settings.inputs.count, 2);
  ck_assert_uint_eq(settings.shape.rank, 3);
  ck_assert_uint_eq(settings.shape.sizes[2], 28);
  ck_assert_uint_eq(settings.window.count, 2);
  ck_assert_int_eq(sizes_at(&settings.window, 0), 3);
  ck_assert_int_eq(sizes_at(&settings.window, 1), 5);
  ck_assert_int_eq(settings.window.word, -1);
  ck_assert_int_eq(settings.margin.word, 0);
  release();
}
END_TEST

START_TEST(what_is_not_given_keeps_its_default) {
  ck_assert_int_eq(read("{\"units\": 1}"), ERROR_NONE);
  ck_assert(settings.flag);
  ck_assert(settings.length == PARAM_INTEGER_AUTO);
  ck_assert_double_eq(settings.rate, 0.1);
  ck_assert(isnan(settings.bound));
  ck_assert_int_eq(settings.mode, 1);
  ck_assert_str_eq(settings.optimizer.kind->name, "adam");
  ck_assert_ptr_null(settings.loss.kind);
  ck_assert(!settings.is_stopping);
  ck_assert_int_eq(settings.inner.depth, 3);
  ck_assert(!settings.weights.is_word);
  ck_assert_uint_eq(settings.weights.count, 0);
  release();
}
END_TEST

START_TEST(null_and_words_say_auto_not_used_or_balanced) {
  ck_assert_int_eq(read("{\"units\": 1, \"length\": null, \"bound\": null, \"loss\": \"auto\", \"stopping\": null, \"inner\": null,"
                        " \"weights\": \"balanced\"}"),
                   ERROR_NONE);
  ck_assert(settings.length == PARAM_INTEGER_NONE);
  ck_assert(isnan(settings.bound));
  ck_assert_ptr_null(settings.loss.kind);
  ck_assert(!settings.is_stopping);
  ck_assert_int_eq(settings.inner.depth, 3);
  ck_assert(settings.weights.is_word);
  release();
  ck_assert_int_eq(read("{\"units\": 1, \"length\": \"auto\", \"stopping\": {}}"), ERROR_NONE);
  ck_assert(settings.length == PARAM_INTEGER_AUTO);
  ck_assert(settings.is_stopping);
  release();
}
END_TEST

START_TEST(sizes_are_one_number_for_all_axes_or_one_for_each) {
  ck_assert_int_eq(read("{\"units\": 1, \"margin\": 7}"), ERROR_NONE);
  ck_assert_int_eq(sizes_at(&settings.margin, 0), 7);
  ck_assert_int_eq(sizes_at(&settings.margin, 1), 7);
  ck_assert_uint_eq(settings.window.count, 0);
  release();
  ck_assert_int_eq(read("{\"units\": 1, \"window\": null, \"margin\": [0, 2]}"), ERROR_NONE);
  ck_assert_uint_eq(settings.window.count, 0);
  ck_assert_int_eq(sizes_at(&settings.margin, 0), 0);
  ck_assert_int_eq(sizes_at(&settings.margin, 1), 2);
  release();
  ck_assert_int_eq(read("{\"units\": 1, \"margin\": \"none\"}"), ERROR_NONE);
  ck_assert_int_eq(settings.margin.word, 1);
  release();
}
END_TEST

START_TEST(a_whole_real_number_is_an_integer) {
  ck_assert_int_eq(read("{\"units\": 16.0, \"shape\": [2.0]}"), ERROR_NONE);
  ck_assert_int_eq(settings.units, 16);
  ck_assert_uint_eq(settings.shape.sizes[0], 2);
  release();
}
END_TEST

/* One mistake each: where it is told, and what the message says. */
static const struct {
  const char *text, *pointer, *detail;
} mistakes[] = {
    {"{}", "/units", "is required: how many"},
    {"{\"units\": 0}", "/units", "must be an integer from 1 to 1048576, not 0"},
    {"{\"units\": -1}", "/units", "must be an integer from 1 to 1048576, not -1"},
    {"{\"units\": 1e300}", "/units", "must be an integer from 1 to 1048576"},
    {"{\"units\": 1.5}", "/units", "not 1.5"},
    {"{\"units\": \"lots\"}", "/units", "must be an integer from 1 to 1048576, not \"lots\""},
    {"{\"units\": true}", "/units", "not true"},
    {"{\"units\": null}", "/units", "not null"},
    {"{\"units\": \"auto\"}", "/units", "not \"auto\""},
    {"{\"units\": [3]}", "/units", "not [3]"},
    {"{\"units\": []}", "/units", "not an empty array"},
    {"{\"units\": 9223372036854775807}", "/units", "not 9223372036854775807"},
    {"{\"units\": 1, \"length\": 10}", "/length", "must be an integer from 1 to 9 or \"auto\" or null, not 10"},
    {"{\"units\": 1, \"flag\": 1}", "/flag", "must be true or false, not 1"},
    {"{\"units\": 1, \"rate\": 0}", "/rate", "must be a number greater than 0, not 0"},
    {"{\"units\": 1, \"rate\": \"0.1\"}", "/rate", "not \"0.1\""},
    {"{\"units\": 1, \"bound\": 2}", "/bound", "must be a number from -1 to 1 or null, not 2"},
    {"{\"units\": 1, \"title\": 5}", "/title", "must be a string of at most 64 bytes"},
    {"{\"units\": 1, \"title\": \"0123456789012345678901234567890123456789012345678901234567890123x\"}", "/title", "at most 64 bytes"},
    {"{\"units\": 1, \"mode\": \"quick\"}", "/mode", "must be one of \"fast\", \"slow\", not \"quick\""},
    {"{\"units\": 1, \"optimizer\": \"adm\"}", "/optimizer", "\"adm\" is no optimizer; did you mean \"adam\"?"},
    {"{\"units\": 1, \"optimizer\": {\"type\": \"adm\"}}", "/optimizer/type", "Known: adam, adamw"},
    {"{\"units\": 1, \"optimizer\": {\"learning_rate\": 1}}", "/optimizer/type", "is required"},
    {"{\"units\": 1, \"optimizer\": {\"type\": 3}}", "/optimizer/type", "must be a string"},
    {"{\"units\": 1, \"optimizer\": null}", "/optimizer", "must be the name of a known optimizer"},
    {"{\"units\": 1, \"optimizer\": {\"type\": \"adam\", \"learning_rate\": -1}}", "/optimizer/learning_rate",
     "a number greater than 0, not -1"},
    {"{\"units\": 1, \"optimizer\": {\"type\": \"adam\", \"learning_rate\": 0}}", "/optimizer/learning_rate",
     "a number greater than 0, not 0"},
    {"{\"units\": 1, \"optimizer\": {\"type\": \"adam\", \"beta1\": 1}}", "/optimizer/beta1", "of at least 0 and less than 1, not 1"},
    {"{\"units\": 1, \"optimizer\": {\"type\": \"sgd\", \"nesterov\": true}}", "/optimizer/nesterov", "needs momentum"},
    {"{\"units\": 1, \"optimizer\": {\"type\": \"adam\", \"lr\": 1}}", "/optimizer/lr", "Known: type, learning_rate"},
    {"{\"units\": 1, \"layers\": {}}", "/layers", "must be an array"},
    {"{\"units\": 1, \"layers\": [{\"type\": \"dens\", \"units\": 1}]}", "/layers/0/type", "did you mean \"dense\"?"},
    {"{\"units\": 1, \"layers\": [{\"type\": \"flatten\"}, {\"type\": \"dense\"}]}", "/layers/1/units", "is required"},
    {"{\"units\": 1, \"layers\": [7]}", "/layers/0", "not 7"},
    {"{\"units\": 1, \"inner\": 3}", "/inner", "must be an object, not 3"},
    {"{\"units\": 1, \"inner\": {\"share\": 1}}", "/inner/share", "less than 1, not 1"},
    {"{\"units\": 1, \"stopping\": {\"depht\": 1}}", "/stopping/depht", "did you mean \"depth\"?"},
    {"{\"units\": 1, \"warmup\": 101}", "/warmup", "from 0 to 100"},
    {"{\"units\": 1, \"warm_up\": 1}", "/warm_up", "did you mean \"warmup\"?"},
    {"{\"units\": 1, \"weights\": [1, -1]}", "/weights/1", "must be a number of at least 0, not -1"},
    {"{\"units\": 1, \"weights\": \"equal\"}", "/weights", "or \"balanced\" or null, not \"equal\""},
    {"{\"units\": 1, \"inputs\": [\"a\", 2]}", "/inputs/1", "must be a string of 1 to 1024 bytes, not 2"},
    {"{\"units\": 1, \"inputs\": [\"\"]}", "/inputs/0", "must be a string of 1 to 1024 bytes, not \"\""},
    {"{\"units\": 1, \"inputs\": 7}", "/inputs", "array of 0 to 16384 strings of at most 1024 bytes each, not 7"},
    {"{\"units\": 1, \"shape\": [1, 2, 3, 4, 5]}", "/shape",
     "must be an array of 1 to 4 integers from 1 to 2147483647, not [1, 2, 3, 4, 5]"},
    {"{\"units\": 1, \"shape\": [0]}", "/shape/0", "must be an integer from 1 to 2147483647, not 0"},
    {"{\"units\": 1, \"shape\": [3, \"x\"]}", "/shape/1", "not \"x\""},
    {"{\"units\": 1, \"shape\": [3, [2]]}", "/shape/1", "not [2]"},
    {"{\"units\": 1, \"window\": 0}", "/window", "must be an integer from 1 to 99, an array of 2 such integers or null, not 0"},
    {"{\"units\": 1, \"window\": [3]}", "/window", "an array of 2 such integers or null, not [3]"},
    {"{\"units\": 1, \"window\": [[3]]}", "/window", "not an array of 1"},
    {"{\"units\": 1, \"window\": [3, \"same\"]}", "/window/1", "must be an integer from 1 to 99, not \"same\""},
    {"{\"units\": 1, \"margin\": \"some\"}", "/margin", "an array of 2 such integers or \"same\" or \"none\", not \"some\""},
    {"{\"units\": 1, \"margin\": null}", "/margin", "not null"},
    {"{\"units\": 1, \"a/b~c\": 1}", "/a~1b~0c", "is not a known key"},
    {"[]", "", "must be an object"},
};

START_TEST(a_mistake_is_told_at_its_place_with_what_would_be_right) {
  ck_assert_int_eq(read(mistakes[_i].text), ERROR_INVALID);
  ck_assert_msg(error.item_count == 1, "%zu errors, the second: %s %s", error.item_count, error.items[1].pointer, error.items[1].detail);
  ck_assert_str_eq(error.items[0].pointer, mistakes[_i].pointer);
  ck_assert_msg(strstr(error.items[0].detail, mistakes[_i].detail) != NULL, "said: %s", error.items[0].detail);
  release();
}
END_TEST

START_TEST(all_mistakes_are_told_at_once) {
  ck_assert_int_eq(
      read("{\"units\": 0, \"mod\": 1, \"rate\": [], \"layers\": [{\"type\": \"dense\"}, {\"type\": \"nothing\"}], \"shape\": 3}"),
      ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, 6);
  release();
}
END_TEST

START_TEST(more_mistakes_than_fit_are_counted) {
  char text[8192] = "{\"units\": 1";
  for (int i = 0; i < 100; i++) sprintf(text + strlen(text), ", \"unknown_key_%d\": 1", i);
  strcat(text, "}");
  ck_assert_int_eq(read(text), ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, ERROR_ITEM_MAX);
  ck_assert_uint_eq(error.items_dropped, 100 - ERROR_ITEM_MAX);
  release();
}
END_TEST

START_TEST(a_long_wrong_value_is_cut_between_characters) {
  char text[2048] = "{\"units\": \"";
  for (int i = 0; i < 300; i++) strcat(text, "ä");
  strcat(text, "\"}");
  ck_assert_int_eq(read(text), ERROR_INVALID);
  json_t *detail = json_string(error.items[0].detail); /* NULL if it is not UTF-8 */
  ck_assert_ptr_nonnull(detail);
  ck_assert_uint_lt(strlen(error.items[0].detail), 150);
  json_decref(detail);
  release();
}
END_TEST

START_TEST(errors_already_collected_do_not_make_good_settings_bad) {
  json_t *json = json_loads("{\"units\": 3}", 0, NULL);
  error_clear(&error);
  error_add(&error, "/elsewhere", "is wrong");
  ck_assert_int_eq(settings_init(&settings, rows, PARAM_COUNT(rows), &error), ERROR_NONE);
  ck_assert_int_eq(settings_from_json(json, rows, PARAM_COUNT(rows), "/here", &settings, &error), ERROR_NONE);
  json_decref(json);
  release();
}
END_TEST

/* What was written and read again is written the same. */
static void check_round_trip(const struct param *params, size_t count, size_t bytes, const char *text) {
  void *first = calloc(1, bytes), *second = calloc(1, bytes);
  ck_assert_msg(read_into(first, params, count, text) == ERROR_NONE, "%s: %s", text, error.detail);
  json_t *once = settings_to_json(first, params, count);
  ck_assert_ptr_nonnull(once);
  char *written = json_dumps(once, JSON_INDENT(1));
  ck_assert_msg(read_into(second, params, count, written) == ERROR_NONE, "%s at %s in %s", error.detail, error.items[0].pointer, written);
  json_t *twice = settings_to_json(second, params, count);
  ck_assert_msg(json_equal(once, twice), "%s", written);
  free(written);
  json_decref(once);
  json_decref(twice);
  settings_deinit(first, params, count);
  settings_deinit(second, params, count);
  free(first);
  free(second);
}

START_TEST(what_was_written_is_read_as_the_same) {
  check_round_trip(rows, PARAM_COUNT(rows), sizeof(struct everything), full);
  check_round_trip(rows, PARAM_COUNT(rows), sizeof(struct everything), "{\"units\": 1}");
  check_round_trip(rows, PARAM_COUNT(rows), sizeof(struct everything),
                   "{\"units\": 1, \"window\": 2, \"margin\": [1, 1], \"length\": null, \"weights\": \"balanced\", \"stopping\": {}, "
                   "\"rate\": 0.1234567890123456789}");
  check_round_trip(train_params, train_param_count, sizeof(struct train_settings), "{}");
  check_round_trip(
      train_params, train_param_count, sizeof(struct train_settings),
      "{\"algorithm\": {\"type\": \"backprop\"}, \"loss\": {\"type\": \"cross_entropy\", \"class_weights\": [1, 2]}, \"clip_norm\": 1.0,"
      " \"schedule\": {\"type\": \"cosine\", \"warmup_steps\": 100}, \"seed\": 9007199254740992,"
      " \"early_stopping\": {\"monitor\": \"validation_loss\", \"patience\": 5, \"min_delta\": 0, \"restore_best\": true}}");
  check_round_trip(
      network_params, PARAM_COUNT(network_params), sizeof(struct network_spec),
      "{\"name\": \"digits-mlp\", \"input\": {\"shape\": [64]}, \"layers\": [{\"type\": \"dense\", \"units\": 64, \"activation\": \"relu\","
      " \"name\": \"hidden\"}, {\"type\": \"dropout\", \"rate\": 0.2}, {\"type\": \"dense\", \"units\": \"auto\", \"activation\": "
      "\"auto\"}]}");
}
END_TEST

static bool has_required(const struct param *params, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if ((params[i].flags & PARAM_REQUIRED) != 0) return true;
    if (params[i].type == PARAM_INLINE && has_required(params[i].params, params[i].param_count)) return true;
  }
  return false;
}

/* Each kind of a table with its defaults, by name. Kinds that need a parameter to be given are left to the tests of that kind. */
static void check_defaults(const struct kind_table *table) {
  for (size_t i = 0; i < table->count; i++) {
    const struct kind *kind = table->get(i);
    struct spec spec;
    ck_assert_int_eq(spec_init(&spec, kind, &error), ERROR_NONE);
    if (kind->param_count > 0 && !has_required(kind->params, kind->param_count)) {
      json_t *json = spec_to_json(&spec);
      ck_assert_str_eq(json_string_value(json_object_get(json, "type")), kind->name);
      json_object_del(json, "type");
      ck_assert_msg(settings_from_json(json, kind->params, kind->param_count, "", spec.settings, &error) == ERROR_NONE, "%s: %s %s",
                    kind->name, error.items[0].pointer, error.items[0].detail);
      json_decref(json);
    }
    spec_deinit(&spec);
  }
}

START_TEST(the_defaults_of_every_kind_pass_their_own_table) {
  error_clear(&error);
  check_defaults(&layer_kinds);
  check_defaults(&activation_kinds);
  check_defaults(&initializer_kinds);
  check_defaults(&loss_kinds);
  check_defaults(&optimizer_kinds);
  check_defaults(&schedule_kinds);
  check_defaults(&algorithm_kinds);
}
END_TEST

START_TEST(activations_without_parameters_are_plain_words) {
  ck_assert_int_eq(read("{\"units\": 1, \"loss\": \"squared_error\", \"layers\": [{\"type\": \"dense\", \"units\": 2, \"activation\": "
                        "{\"type\": \"relu\"}}]}"),
                   ERROR_NONE);
  json_t *json = settings_to_json(&settings, rows, PARAM_COUNT(rows));
  ck_assert_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(json, "layers"), 0), "activation")), "relu");
  ck_assert_str_eq(json_string_value(json_object_get(json_object_get(json, "loss"), "type")), "squared_error");
  json_decref(json);
  release();
}
END_TEST

/* Whichever allocation fails: an error, nothing lost, and settings that can be freed. */
START_TEST(short_memory_is_an_error_and_leaks_nothing) {
  if (!allocations_can_count()) return;
  json_t *json = json_loads(full, 0, NULL);
  size_t failures = 0;
  enum error_code code = ERROR_OUT_OF_MEMORY;
  for (size_t successes = 0; code != ERROR_NONE; successes++) {
    error_clear(&error);
    ck_assert_int_eq(settings_init(&settings, rows, PARAM_COUNT(rows), &error), ERROR_NONE);
    allocations_fail_after(successes);
    code = settings_from_json(json, rows, PARAM_COUNT(rows), "", &settings, &error);
    allocations_fail_after(SIZE_MAX);
    release();
    if (code != ERROR_NONE) {
      ck_assert_int_eq(code, ERROR_OUT_OF_MEMORY);
      failures++;
    }
    ck_assert_uint_lt(failures, 1000);
  }
  ck_assert_uint_gt(failures, 5);
  size_t live = allocations_live();
  ck_assert_int_eq(read(full), ERROR_NONE);
  release();
  ck_assert_uint_eq(allocations_live(), live);
  json_decref(json);
}
END_TEST

static const json_t *member(const json_t *json, const char *path) {
  char copy[256], *rest;
  snprintf(copy, sizeof copy, "%s", path);
  for (char *key = strtok_r(copy, "/", &rest); key != NULL; key = strtok_r(NULL, "/", &rest)) {
    json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key)) : json_object_get(json, key);
    ck_assert_msg(json != NULL, "no %s in %s", key, path);
  }
  return json;
}

START_TEST(the_json_schema_says_what_is_accepted) {
  json_t *schema = settings_schema(rows, PARAM_COUNT(rows)), *components = json_object();
  ck_assert(settings_schema_components(rows, PARAM_COUNT(rows), components));
  ck_assert(json_is_false(member(schema, "additionalProperties")));
  ck_assert_uint_eq(json_array_size(member(schema, "required")), 1);
  ck_assert_int_eq(json_integer_value(member(schema, "properties/units/minimum")), 1);
  ck_assert_int_eq(json_integer_value(member(schema, "properties/units/maximum")), LIMIT_UNITS);
  ck_assert_double_eq(json_number_value(member(schema, "properties/rate/exclusiveMinimum")), 0);
  ck_assert_str_eq(json_string_value(member(schema, "properties/length/anyOf/1/const")), "auto");
  ck_assert_str_eq(json_string_value(member(schema, "properties/weights/anyOf/1/const")), "balanced");
  ck_assert_str_eq(json_string_value(member(schema, "properties/optimizer/anyOf/0/$ref")), "#/components/schemas/optimizer");
  ck_assert_ptr_nonnull(json_object_get(member(schema, "properties"), "warmup"));
  ck_assert_str_eq(json_string_value(member(components, "optimizer/anyOf/1/properties/type/const")), "adam");
  ck_assert_ptr_nonnull(member(components, "layer"));
  ck_assert_ptr_nonnull(member(components, "activation")); /* which only layers refer to */
  ck_assert_ptr_nonnull(member(components, "initializer"));
  json_decref(schema);
  json_decref(components);
}
END_TEST

/* What a client is told is what it gets: every default, of every kind that has any, is written for settings where it was left out. */
static void check_told_defaults(const struct kind_table *table) {
  json_t *described = kind_table_to_json(table);
  for (size_t i = 0; i < table->count; i++) {
    const struct kind *kind = table->get(i);
    if (kind->settings_bytes == 0) continue;
    struct spec spec;
    ck_assert_int_eq(spec_init(&spec, kind, &error), ERROR_NONE);
    json_t *written = settings_to_json(spec.settings, kind->params, kind->param_count);
    json_t *parameters = json_object_get(json_array_get(described, i), "parameters"), *parameter;
    size_t index;
    json_array_foreach(parameters, index, parameter) {
      const char *name = json_string_value(json_object_get(parameter, "name"));
      json_t *standard = json_object_get(parameter, "default"), *value = json_object_get(written, name);
      if (standard == NULL) continue;
      if (json_is_object(value) && json_is_string(standard)) value = json_object_get(value, "type");
      ck_assert_msg(json_equal(standard, value), "%s's %s", kind->name, name);
    }
    json_decref(written);
    spec_deinit(&spec);
  }
  json_decref(described);
}

START_TEST(defaults_told_are_those_that_hold) {
  const struct kind_table *const tables[] = {&layer_kinds, &activation_kinds, &initializer_kinds,
                                             &loss_kinds,  &optimizer_kinds,  &schedule_kinds};
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) check_told_defaults(tables[i]);
}
END_TEST

START_TEST(every_kind_is_described_with_all_its_parameters) {
  json_t *optimizers = kind_table_to_json(&optimizer_kinds);
  ck_assert_uint_eq(json_array_size(optimizers), optimizer_kinds.count);
  ck_assert_str_eq(json_string_value(member(optimizers, "0/type")), "adam");
  ck_assert_str_eq(json_string_value(member(optimizers, "0/parameters/0/name")), "learning_rate");
  ck_assert_double_eq(json_number_value(member(optimizers, "0/parameters/0/default")), 1e-3);
  ck_assert_uint_gt(strlen(json_string_value(member(optimizers, "0/formula"))), 10);
  json_decref(optimizers);
  json_t *schedules = kind_table_to_json(&schedule_kinds);
  ck_assert_str_eq(json_string_value(member(schedules, "0/parameters/0/name")), "warmup_steps"); /* of an inline table */
  json_decref(schedules);
  json_t *parameters = params_to_json(train_params, train_param_count);
  ck_assert_str_eq(json_string_value(member(parameters, "2/kinds")), "optimizer");
  ck_assert_str_eq(json_string_value(member(parameters, "2/default")), "adam");
  json_decref(parameters);
}
END_TEST

START_TEST(numbers_that_are_not_finite_become_null) {
  const double values[] = {NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < 3; i++) {
    json_t *json = json_number(values[i]);
    ck_assert(json_is_null(json));
    json_decref(json);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "settings_json");
  tcase_add_test(tcase, every_type_of_row_is_read);
  tcase_add_test(tcase, what_is_not_given_keeps_its_default);
  tcase_add_test(tcase, null_and_words_say_auto_not_used_or_balanced);
  tcase_add_test(tcase, sizes_are_one_number_for_all_axes_or_one_for_each);
  tcase_add_test(tcase, a_whole_real_number_is_an_integer);
  tcase_add_loop_test(tcase, a_mistake_is_told_at_its_place_with_what_would_be_right, 0, (int)(sizeof mistakes / sizeof mistakes[0]));
  tcase_add_test(tcase, all_mistakes_are_told_at_once);
  tcase_add_test(tcase, more_mistakes_than_fit_are_counted);
  tcase_add_test(tcase, a_long_wrong_value_is_cut_between_characters);
  tcase_add_test(tcase, errors_already_collected_do_not_make_good_settings_bad);
  tcase_add_test(tcase, what_was_written_is_read_as_the_same);
  tcase_add_test(tcase, the_defaults_of_every_kind_pass_their_own_table);
  tcase_add_test(tcase, activations_without_parameters_are_plain_words);
  tcase_add_test(tcase, short_memory_is_an_error_and_leaks_nothing);
  tcase_add_test(tcase, the_json_schema_says_what_is_accepted);
  tcase_add_test(tcase, defaults_told_are_those_that_hold);
  tcase_add_test(tcase, every_kind_is_described_with_all_its_parameters);
  tcase_add_test(tcase, numbers_that_are_not_finite_become_null);
}

int main(void) { return suite_main("settings_json", add_cases); }
