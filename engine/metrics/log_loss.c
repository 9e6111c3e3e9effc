/* log_loss: −1/n Σ ln p, p the probability given to what is true, kept off 0 and 1 by float32's epsilon; over
 * labels too, if there are several.
 *
 * A row of outputs that doesn't sum to 1 is divided by its sum. NAN if outputs can't be probabilities: below 0, all 0, above 1 alone.
 */
#include <float.h>
#include <math.h>

#include "engine/metrics/metrics.h"

static double minus_log(double p) { return -log(fmin(fmax(p, (double)FLT_EPSILON), 1 - (double)FLT_EPSILON)); }

static double loss_of_label(float output, bool is_true) {
  if (!(output >= 0 && output <= 1)) return NAN;
  return minus_log(is_true ? (double)output : 1 - (double)output);
}

static double loss_of_row(const float *outputs, size_t width, size_t actual) {
  double sum = 0;
  for (size_t j = 0; j < width; j++) {
    if (!(outputs[j] >= 0)) return NAN;
    sum += (double)outputs[j];
  }
  return sum > 0 && isfinite(sum) ? minus_log((double)outputs[actual] / sum) : (double)NAN;
}

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  enum error_code code = metric_check_classes(input, error);
  if (code != ERROR_NONE) return code;
  bool is_each_alone = input->task == TASK_MULTILABEL || input->width == 1;
  const size_t width = is_each_alone ? input->width : 1;
  size_t count = 0;
  double sum = 0;
  for (size_t i = 0; i < input->rows * width; i++) {
    if (!metric_counts(input, i / width, i % width)) continue;
    count++;
    sum += is_each_alone ? loss_of_label(input->outputs[i], input->targets[i] > 0.5f)
                         : loss_of_row(input->outputs + i * input->width, input->width, (size_t)input->targets[i]);
  }
  out_value->scalar = sum / (double)count;
  return ERROR_NONE;
}

const struct metric_kind metric_log_loss = {
    .kind = {.name = "log_loss", .summary = "mean of -ln of the probability given to what is true"},
    .tasks = METRIC_OF_CLASSES | METRIC_OF_LABELS,
    .is_better_when_higher = false,
    .compute = compute,
};
