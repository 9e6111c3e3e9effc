/* Settings of a job that could change nothing: that someone set them says that the dataset, or the network, is not what he thinks.
 *
 * Whether a setting was given is told by its value: one that differs from its default, or from what "auto" comes to. So a resolved spec,
 * which says all of them, can be sent again. */
#include <string.h>

#include "engine/param.h"
#include "server/data/plan.h"

static bool has_kind(const struct data_plan *plan, enum column_kind kind) {
  for (size_t i = 0; i < plan->layout.feature_count; i++)
    if (plan->layout.features[i].kind == kind) return true;
  return false;
}

/* The default of a setting, by the table that describes it. */
static double get_default(const char *object, const char *name) {
  for (size_t i = 0; i < data_param_count; i++) {
    const struct param *outer = &data_params[i];
    for (size_t k = 0; strcmp(outer->name, object) == 0 && k < outer->param_count; k++)
      if (strcmp(outer->params[k].name, name) == 0) return outer->params[k].default_value;
  }
  return 0;
}

static void check_text(const struct data_plan *plan, const struct network_spec *network, struct error *error) {
  static const char no_text[] = "is of columns of text, and none of the features is one: leave it out";
  const struct text_settings *text = &plan->settings.text;
  const bool has_text = has_kind(plan, COLUMN_TEXT), are_tokens = text->encoding == TEXT_ENCODING_TOKENS;
  const struct {
    const char *name;
    int64_t value;
    const char *idle; /* why it changes nothing; NULL: it does */
  } settings[] = {
      {"tokens", text->tokens, NULL},
      {"lowercase", text->lowercase, NULL},
      {"vocabulary", text->vocabulary, NULL},
      {"min_frequency", text->min_frequency, NULL},
      {"max_length", text->max_length,
       are_tokens ? NULL
                  : "is of sequences of tokens, for a network that begins with an embedding; tf_idf counts the tokens of the whole text: "
                    "leave it out"},
      {"ngrams", text->ngrams, are_tokens ? "is of tf_idf; a sequence has its tokens one by one: leave it out" : NULL},
  };
  if (!has_text && are_tokens != network_spec_takes_tokens(network)) (void)error_add(error, "/text/encoding", no_text);
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    const char *idle = has_text ? settings[i].idle : no_text;
    if (idle == NULL || (double)settings[i].value == get_default("text", settings[i].name)) continue;
    char pointer[ERROR_POINTER_BYTES];
    error_pointer(pointer, "/text", "%s", settings[i].name);
    (void)error_add(error, pointer, "%s", idle);
  }
}

static void check_sequence(const struct data_plan *plan, struct error *error) {
  static const char no_list[] = "is of columns of lists of numbers, and none of the features is one: leave it out";
  const struct sequence_settings *sequence = &plan->settings.sequence;
  if (has_kind(plan, COLUMN_SEQUENCE)) return;
  if (sequence->form == SEQUENCE_STEPS) (void)error_add(error, "/sequence/form", no_list);
  if ((double)sequence->max_length != get_default("sequence", "max_length")) (void)error_add(error, "/sequence/max_length", no_list);
}

static void check_number(const struct data_plan *plan, struct error *error) {
  const struct number_settings *number = &plan->settings.number;
  const bool has_bins = number->encoding == NUMBER_PIECEWISE_LINEAR;
  if (has_bins && !has_kind(plan, COLUMN_NUMERIC))
    (void)error_add(error, "/number/encoding", "is of columns of numbers, and none of the features is one: leave it out");
  else if (!has_bins && (double)number->bins != get_default("number", "bins"))
    (void)error_add(error, "/number/bins", "is of \"piecewise_linear\": leave it out, or set number.encoding to that");
}

static bool is_scaled(const struct feature *feature) {
  return feature->kind != COLUMN_CATEGORICAL && feature->kind != COLUMN_TEXT && feature->bins.width == 0;
}

static void check_scaling(const struct data_plan *plan, struct error *error) {
  if (plan->settings.scaling != SCALING_MIN_MAX) return;
  for (size_t i = 0; i < plan->layout.feature_count; i++)
    if (is_scaled(&plan->layout.features[i])) return;
  (void)error_add(error, "/scaling", "is of numbers as they are, and none of the features has any: leave it out");
}

/* What a window can't have is left aside where no features are named; a dataset of images is none of a series. */
static void check_window(const struct data_plan *plan, const struct dataset_row *dataset, struct error *error) {
  if (!plan->settings.window.is_enabled || plan->settings.features.count > 0) return;
  for (size_t i = 0; i < dataset->column_count; i++) {
    const struct dataset_column *column = &dataset->columns[i];
    if (column->rank == 0 && column->kind != COLUMN_IMAGE) continue;
    (void)error_add(error, "/window",
                    "is of rows of a table, and \"%.80s\" is of %s: leave window out, or name the columns to learn from in features",
                    column->name, column->kind == COLUMN_IMAGE ? "images" : "arrays");
    return;
  }
}

/* Shares beside a column that says the parts. The resolved spec of a job with a test_dataset says test 0. */
static void check_split(const struct data_plan *plan, const struct dataset_row *dataset, struct error *error) {
  const struct data_split *split = &plan->settings.split;
  static const char told[] = "changes nothing: the column \"%.80s\" (split.column) says which rows these are; leave one of them out";
  bool says_part = false;
  for (size_t i = 0; i < dataset->column_count; i++)
    says_part |= dataset->columns[i].says_part && strcmp(dataset->columns[i].name, split->column) == 0;
  const bool has_validation = split->validation > 0 && split->validation != get_default("split", "validation");
  const bool has_test = split->test > 0 && split->test != get_default("split", "test");
  if (has_test && plan->settings.test_dataset[0] != '\0')
    (void)error_add(error, "/split/test", "changes nothing: test_dataset is the test part; leave one of them out");
  if (split->column[0] == '\0') return;
  if (has_validation && !(says_part && plan->validation_from_training)) (void)error_add(error, "/split/validation", told, split->column);
  if (has_test && plan->settings.test_dataset[0] == '\0') (void)error_add(error, "/split/test", told, split->column);
}

enum error_code data_plan_check_effects(const struct data_plan *plan, const struct plan_datasets *datasets,
                                        const struct network_spec *network, struct error *error) {
  struct error found = {0};
  check_text(plan, network, &found);
  check_sequence(plan, &found);
  check_number(plan, &found);
  check_scaling(plan, &found);
  check_window(plan, datasets->dataset, &found);
  check_split(plan, datasets->dataset, &found);
  return error_merge(error, &found);
}
