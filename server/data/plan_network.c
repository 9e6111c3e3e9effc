/* What a plan owes to the network that the rows are for: tokens as they are, padding where cells are missing,
 * one output for two classes. */
#include <inttypes.h>
#include <math.h>

#include "server/data/plan_private.h"

void data_plan_get_network_target(const struct data_plan *plan, struct network_target *out_target) {
  *out_target = (struct network_target){.input = {.rank = 1, .sizes = {plan->layout.input_width}},
                                        .is_classification = plan->layout.task == TASK_CLASSIFICATION,
                                        .is_multilabel = plan->layout.task == TASK_MULTILABEL,
                                        .steps = preprocessor_count_steps(&plan->layout),
                                        .output_width = plan->layout.task == TASK_CLASSIFICATION ? plan->layout.targets[0].class_count
                                                                                                 : plan->layout.target_width};
  const struct feature *first = &plan->layout.features[0];
  const bool are_tokens = plan->layout.feature_count == 1 && first->kind == COLUMN_TEXT && first->text.form == TEXT_TOKENS;
  if (are_tokens) out_target->token_count = text_encoding_get_token_count(&first->text);
  if (first->kind == COLUMN_IMAGE && !plan->images_are_vectors)
    out_target->input = (struct shape){.rank = 3, .sizes = {first->image.channels, first->image.height, first->image.width}};
  const struct window *window = &plan->layout.window;
  if (window->length > 0 && plan->takes_steps)
    out_target->input = (struct shape){.rank = 2, .sizes = {window->length, preprocessor_get_row_width(&plan->layout)}};
  if (first->kind != COLUMN_SEQUENCE || plan->settings.sequence.form != SEQUENCE_STEPS) return;
  out_target->input = (struct shape){.rank = 2, .sizes = {first->list.length, first->list.features}};
  out_target->has_padding = plan->has_padding;
}

static void check_token_column(const struct feature *feature, const struct dataset_column *column, size_t count, int64_t padding,
                               struct error *error) {
  if (feature->kind != COLUMN_NUMERIC)
    (void)error_add(error, "/features",
                    "\"%.80s\" is %s, but the network begins with an embedding, which takes tokens: whole numbers from 0 to %zu",
                    column->name, plan_kind_word(column), count - 1);
  else if (!column->is_integral || column->min < 0 || column->max >= (double)count)
    (void)error_add(
        error, "/features",
        "\"%.80s\" has numbers from %g to %g%s, but the network begins with an embedding of %zu tokens: whole numbers from 0 to %zu",
        column->name, column->min, column->max, column->is_integral ? "" : ", not all of them whole", count, count - 1);
  else if (column->missing > 0 && padding < 0)
    (void)error_add(error, "/features",
                    "\"%.80s\" is missing in %" PRIu64 " rows: give the embedding a padding_idx, the token that stands for nothing",
                    column->name, column->missing);
}

/* What was refused of the training dataset's columns, of those of the test dataset: they are read by the same preprocessing. */
static void check_test_tokens(const struct dataset_row *test_dataset, const struct feature *feature, size_t count, int64_t padding,
                              struct error *error) {
  const struct dataset_column *column = plan_get_column(test_dataset, feature->name);
  if (feature->kind != COLUMN_NUMERIC || column == NULL || column->missing >= test_dataset->rows) return;
  if (!column->is_integral || column->min < 0 || column->max >= (double)count)
    (void)error_add(error, "/test_dataset",
                    "column \"%.60s\" of dataset \"%s\" has numbers from %g to %g%s, but the network begins with an embedding of %zu "
                    "tokens: whole numbers from 0 to %zu",
                    column->name, test_dataset->name, column->min, column->max, column->is_integral ? "" : ", not all of them whole", count,
                    count - 1);
  else if (column->missing > 0 && padding < 0)
    (void)error_add(error, "/test_dataset",
                    "column \"%.60s\" of dataset \"%s\" is missing in %" PRIu64
                    " rows: give the embedding a padding_idx, the token that stands for nothing",
                    column->name, test_dataset->name, column->missing);
}

/* Numeric columns hold tokens, and cells that are missing are padding. Of the tokens of a text this says nothing. */
static enum error_code set_tokens(struct data_plan *plan, const struct plan_datasets *datasets, size_t count, int64_t padding,
                                  struct error *error) {
  const size_t items_before = plan_count_items(error);
  struct preprocessor *layout = &plan->layout;
  if (layout->features[0].kind == COLUMN_TEXT) return ERROR_NONE;
  if (plan->settings.scaling != SCALING_NONE)
    (void)error_add(error, "/scaling",
                    "must be \"none\" or \"auto\": the network begins with an embedding, which takes tokens as they are");
  if (plan->settings.number.encoding != NUMBER_SCALED)
    (void)error_add(error, "/number/encoding", "must be \"scaled\": the network begins with an embedding, which takes tokens as they are");
  layout->input_width = 0;
  for (size_t i = 0; i < layout->feature_count; i++) {
    struct feature *feature = &layout->features[i];
    if (error_has_room(error)) check_token_column(feature, &datasets->dataset->columns[feature->column], count, padding, error);
    if (datasets->test_dataset != NULL && error_has_room(error)) check_test_tokens(datasets->test_dataset, feature, count, padding, error);
    feature->has_indicator = false;
    feature->offset = layout->input_width++;
    feature->width = 1;
    feature->fill = (double)padding;
    feature->token_count = count;
  }
  return plan_count_items(error) > items_before ? ERROR_INVALID : ERROR_NONE;
}

/* What is missing is what the network leaves out. */
static void set_mask(struct data_plan *plan, double value) {
  struct preprocessor *layout = &plan->layout;
  layout->input_width = 0;
  for (size_t i = 0; i < layout->feature_count; i++) {
    struct feature *feature = &layout->features[i];
    if (feature->kind == COLUMN_TEXT) continue;
    feature->width -= feature->has_indicator;
    feature->has_indicator = false;
    feature->has_mask = true;
    feature->mask = value;
    feature->list.is_masked = true;
    feature->list.padding = (float)value;
  }
  for (size_t i = 0; i < layout->feature_count; i++) {
    layout->features[i].offset = layout->input_width;
    layout->input_width += layout->features[i].width;
  }
  if (layout->window.length > 0) layout->input_width *= layout->window.length;
}

void data_plan_set_single_output(struct data_plan *plan) { plan->layout.output_width = 1; }

/* How a network that says its input sees an image is said by it; else by what its layers take. */
static enum error_code set_images(struct data_plan *plan, const struct network_spec *network, struct error *error) {
  struct feature *feature = &plan->layout.features[0];
  if (feature->kind != COLUMN_IMAGE) return ERROR_NONE;
  const struct shape *input = &network->input.shape;
  struct image_encoding *image = &feature->image;
  plan->images_are_vectors = input->rank == 0 && network_spec_takes_vectors(network);
  image->is_uniform = plan->images_are_vectors || (input->rank > 0 && input->rank < 3);
  const bool is_other =
      input->rank == 3 && (input->sizes[0] != image->channels || input->sizes[1] != image->height || input->sizes[2] != image->width);
  if (!is_other) return ERROR_NONE;
  return error_add(error, "/network",
                   "its input is [%zu, %zu, %zu], but the images of \"%.80s\" are [%zu, %zu, %zu] (channels, height, width)",
                   input->sizes[0], input->sizes[1], input->sizes[2], feature->name, image->channels, image->height, image->width);
}

enum error_code data_plan_follow_network(struct data_plan *plan, const struct plan_datasets *datasets, const struct network_spec *network,
                                         struct error *error) {
  size_t token_count;
  int64_t padding;
  double mask;
  plan->takes_steps = network_spec_takes_steps(network);
  if (plan->layout.window.length > 0 && network_spec_takes_tokens(network))
    return error_add(error, "/window", "must be left out: the network begins with an embedding, which takes tokens, not rows of a series");
  enum error_code code = set_images(plan, network, error);
  if (code == ERROR_NONE && network_spec_get_tokens(network, &token_count, &padding))
    code = set_tokens(plan, datasets, token_count, padding, error);
  if (code == ERROR_NONE && network_spec_get_mask(network, &mask)) set_mask(plan, mask);
  return code;
}
