#include "server/api/planning.h"

#include "server/codec/network_json.h"

/* What a sigmoid is to give back has to lie where it can. */
static int choose_scaling(const struct network_spec *network, const struct data_settings *data, bool are_steps) {
  if (data->task == TASK_CHOICE_RECONSTRUCTION && network_spec_ends_in_sigmoid(network)) return SCALING_MIN_MAX;
  return !are_steps && network_spec_takes_unscaled(network) ? SCALING_NONE : SCALING_STANDARD;
}

/* Lists of numbers are padded by ourselves, so that masking is no reason not to scale them. */
static void resolve_encodings(const struct network_spec *network, const struct dataset_row *dataset, struct data_settings *data) {
  const bool are_steps = !data->window.is_enabled && network_spec_takes_steps(network) && data_plan_has_sequence(dataset, data);
  if (data->sequence.form == SEQUENCE_AUTO) data->sequence.form = are_steps ? SEQUENCE_STEPS : SEQUENCE_FLAT;
  if (data->scaling == SCALING_AUTO) data->scaling = choose_scaling(network, data, are_steps);
  if (data->text.encoding == TEXT_ENCODING_AUTO)
    data->text.encoding = network_spec_takes_tokens(network) ? TEXT_ENCODING_TOKENS : TEXT_ENCODING_TF_IDF;
}

enum error_code plan_for_network(const struct planning *planning, struct data_settings *data, struct data_plan *out_plan,
                                 struct error *error) {
  resolve_encodings(planning->network, planning->dataset, data);
  enum error_code code = data_plan_create(planning->dataset, planning->test_dataset, data, planning->seed, out_plan, error);
  const struct plan_datasets datasets = {planning->dataset, planning->test_dataset};
  if (code == ERROR_NONE) code = data_plan_follow_network(out_plan, &datasets, planning->network, error);
  if (code != ERROR_NONE) return code;
  const struct preprocessor *layout = &out_plan->layout;
  const bool has_two_classes = layout->task == TASK_CLASSIFICATION && layout->target_count == 1 && layout->targets[0].class_count == 2;
  if (has_two_classes && network_spec_ends_in_one_sigmoid(planning->network)) data_plan_set_single_output(out_plan);
  return ERROR_NONE;
}
