/* cross_entropy: one class of K per sample; PyTorch's CrossEntropyLoss with its weighted mean and label smoothing. Computed with the
 * softmax, from z. With w the class weights, ε = label_smoothing, y the right class and W = Σₖ w_y over the batch:
 *
 *   C = 1/W Σₖ [ −(1 − ε) w_y log a_y − ε/K Σ_c w_c log a_c ]        log a_c = z_c − log Σ e^z
 *   ∂C/∂z_c = 1/W [ (1 − ε) w_y (a_c − [c = y]) + ε/K (a_c Σw − w_c) ]
 *
 * Targets that are shares of the classes, p_c, are 1 at y and 0 elsewhere only at their extremes; the general form is, with P = Σ_c p_c,
 *
 *   q_c = w_c [(1 − ε) p_c + ε/K P],   W = Σₖ Σ_c w_c p_c,   C = −1/W Σₖ Σ_c q_c log a_c,   ∂C/∂z_c = 1/W (a_c Σq − q_c)
 *
 * (PyTorch's for probabilities as targets, but with class weights it divides by the rows.)
 *
 * Rows whose target is ignore_index count neither in the sum nor in W. Any other target outside 0 … K − 1 makes the cost NaN, never a
 * read outside the arrays.
 */
#include <math.h>

#include "engine/losses/losses.h"
#include "engine/vector_math.h"

struct cross_entropy {
  double label_smoothing;
  struct numbers class_weights;
  int64_t ignore_index;
};

static const struct param params[] = {
    PARAM_NUMBER_ROW(struct cross_entropy, label_smoothing, 0, 1, 0, "share of each target that is spread evenly over all classes"),
    {.name = "class_weights",
     .type = PARAM_NUMBERS,
     .flags = PARAM_OPTIONAL,
     .offset = offsetof(struct cross_entropy, class_weights),
     .min = 0,
     .max = INFINITY,
     .word = "balanced",
     .help = "one factor per class, or \"balanced\": rows / (classes · rows of the class), from the training part"},
    PARAM_INTEGER_ROW(struct cross_entropy, ignore_index, LOSS_NO_CLASS, LIMIT_UNITS, LOSS_NO_CLASS,
                      "samples of this class index are left out"),
};

enum { ROW_IGNORED = -1, ROW_INVALID = -2 };

/* The row's class, or one of the above. */
static int64_t class_of(const struct cross_entropy *loss, const struct loss_batch *batch, size_t row) {
  float target = batch->target[row];
  if (target == (float)loss->ignore_index || target == LOSS_NO_CLASS) return ROW_IGNORED;
  return target >= 0 && target < (float)batch->width ? (int64_t)target : ROW_INVALID;
}

static double weight_at(const struct loss_batch *batch, size_t class_index) {
  return batch->class_weights == NULL ? 1.0 : batch->class_weights[class_index];
}

static double weight_sum(const struct loss_batch *batch) {
  double sum = 0;
  for (size_t c = 0; c < batch->width; c++) sum += weight_at(batch, c);
  return sum;
}

/* log Σ e^z of a row whose softmax is a: the greatest z plus log(1 + the others' a over the greatest), so that nothing overflows, and a
 * cost near 0 keeps its digits. */
static double log_sum_exp(const float *z, const float *a, size_t width) {
  size_t greatest = 0;
  float z_greatest = z[0];
  for (size_t c = 1; c < width; c++) {
    greatest = z[c] > z_greatest ? c : greatest;
    z_greatest = z[c] > z_greatest ? z[c] : z_greatest;
  }
  double others = 0;
  for (size_t c = 0; c < greatest; c++) others += (double)a[c];
  for (size_t c = greatest + 1; c < width; c++) others += (double)a[c];
  return (double)z_greatest + (double)vector_log1p((float)(others / (double)a[greatest]));
}

static double log_sum_exp64(const double *z, size_t width) {
  double greatest = z[0], sum = 0;
  for (size_t c = 1; c < width; c++) greatest = fmax(greatest, z[c]);
  for (size_t c = 0; c < width; c++) sum += exp(z[c] - greatest);
  return greatest + log1p(sum - 1);
}

/* ---- targets that are shares ---- */

/* p_c; of the class that is left out, 0. */
static double share_at(const struct cross_entropy *loss, const struct loss_batch *batch, size_t row, size_t c) {
  return (int64_t)c == loss->ignore_index ? 0 : (double)batch->target[row * batch->width + c];
}

/* P */
static double sum_shares(const struct cross_entropy *loss, const struct loss_batch *batch, size_t row) {
  double sum = 0;
  for (size_t c = 0; c < batch->width; c++) sum += share_at(loss, batch, row, c);
  return sum;
}

/* q_c; `all` is P. */
static double pull_at(const struct cross_entropy *loss, const struct loss_batch *batch, size_t row, size_t c, double all) {
  const double smoothing = loss->label_smoothing;
  return weight_at(batch, c) * ((1 - smoothing) * share_at(loss, batch, row, c) + smoothing / (double)batch->width * all);
}

static double weigh_shares(const struct cross_entropy *loss, const struct loss_batch *batch) {
  double total = 0;
  for (size_t row = 0; row < batch->rows; row++)
    for (size_t c = 0; c < batch->width; c++) total += weight_at(batch, c) * share_at(loss, batch, row, c);
  return total;
}

static void evaluate_shares(const struct cross_entropy *loss, const struct loss_batch *batch, double *sum, double *weight) {
  *weight += weigh_shares(loss, batch);
  for (size_t row = 0; row < batch->rows; row++) {
    const float *z = batch->z + row * batch->width;
    const double norm = log_sum_exp(z, batch->a + row * batch->width, batch->width), all = sum_shares(loss, batch, row);
    for (size_t c = 0; c < batch->width; c++) *sum += pull_at(loss, batch, row, c, all) * (norm - (double)z[c]);
  }
}

static double cost64_shares(const struct cross_entropy *loss, const struct loss_batch *batch, const double *z64) {
  const double total = weigh_shares(loss, batch);
  double sum = 0;
  for (size_t row = 0; row < batch->rows; row++) {
    const double *z = z64 + row * batch->width, norm = log_sum_exp64(z, batch->width), all = sum_shares(loss, batch, row);
    for (size_t c = 0; c < batch->width; c++) sum += pull_at(loss, batch, row, c, all) * (norm - z[c]);
  }
  return total > 0 ? sum / total : 0;
}

static void gradient_shares(const struct cross_entropy *loss, const struct loss_batch *batch, float *delta) {
  const double total = weigh_shares(loss, batch), scale = total > 0 ? 1 / total : 0;
  for (size_t row = 0; row < batch->rows; row++) {
    const float *a = batch->a + row * batch->width;
    const double all = sum_shares(loss, batch, row);
    float *d = delta + row * batch->width;
    double pulls = 0;
    for (size_t c = 0; c < batch->width; c++) pulls += pull_at(loss, batch, row, c, all);
    for (size_t c = 0; c < batch->width; c++) d[c] = (float)(scale * (pulls * (double)a[c] - pull_at(loss, batch, row, c, all)));
  }
}

static void a_gradient_shares(const struct cross_entropy *loss, const struct loss_batch *batch, float *a_gradient_out) {
  const double total = weigh_shares(loss, batch);
  for (size_t row = 0; row < batch->rows; row++) {
    const double all = sum_shares(loss, batch, row);
    for (size_t c = 0; c < batch->width; c++) {
      const size_t i = row * batch->width + c;
      const double pull = pull_at(loss, batch, row, c, all);
      a_gradient_out[i] = pull == 0 ? 0 : (float)(-pull / total / (double)batch->a[i]);
    }
  }
}

/* ---- targets that are classes ---- */

static double weigh(const void *settings, const struct loss_batch *batch) {
  const struct cross_entropy *loss = settings;
  double total = 0;
  if (batch->are_shares) return weigh_shares(loss, batch);
  for (size_t row = 0; row < batch->rows; row++) {
    int64_t y = class_of(loss, batch, row);
    if (y >= 0) total += weight_at(batch, (size_t)y);
  }
  return total;
}

static void evaluate(const void *settings, const struct loss_batch *batch, double *sum, double *weight) {
  const struct cross_entropy *loss = settings;
  if (batch->are_shares) {
    evaluate_shares(loss, batch, sum, weight);
    return;
  }
  double smoothing = loss->label_smoothing, share = smoothing / (double)batch->width;
  for (size_t row = 0; row < batch->rows; row++) {
    const float *z = batch->z + row * batch->width;
    int64_t y = class_of(loss, batch, row);
    if (y == ROW_IGNORED) continue;
    if (y == ROW_INVALID) {
      *sum = NAN;
      continue;
    }
    double norm = log_sum_exp(z, batch->a + row * batch->width, batch->width), w = weight_at(batch, (size_t)y);
    *sum += (1 - smoothing) * w * (norm - (double)z[y]);
    for (size_t c = 0; smoothing > 0 && c < batch->width; c++) *sum += share * weight_at(batch, c) * (norm - (double)z[c]);
    *weight += w;
  }
}

static void gradient(const void *settings, const struct loss_batch *batch, float *delta) {
  const struct cross_entropy *loss = settings;
  if (batch->are_shares) {
    gradient_shares(loss, batch, delta);
    return;
  }
  double smoothing = loss->label_smoothing, share = smoothing / (double)batch->width, all = weight_sum(batch);
  double total = weigh(loss, batch);
  double scale = total > 0 ? 1 / total : 0;
  for (size_t row = 0; row < batch->rows; row++) {
    const float *a = batch->a + row * batch->width;
    float *d = delta + row * batch->width;
    int64_t y = class_of(loss, batch, row);
    if (y < 0) {
      for (size_t c = 0; c < batch->width; c++) d[c] = y == ROW_IGNORED ? 0 : NAN;
      continue;
    }
    double w = (1 - smoothing) * weight_at(batch, (size_t)y);
    float factor = (float)(scale * (w + share * all));
    for (size_t c = 0; c < batch->width; c++) d[c] = factor * a[c];
    d[y] -= (float)(scale * w);
    for (size_t c = 0; smoothing > 0 && c < batch->width; c++) d[c] -= (float)(scale * share * weight_at(batch, c));
  }
}

/* ∂C/∂a_c = −1/W [ (1 − ε) w_y [c = y] + ε/K w_c ] / a_c */
static void a_gradient(const void *settings, const struct loss_batch *batch, float *a_gradient_out) {
  const struct cross_entropy *loss = settings;
  if (batch->are_shares) {
    a_gradient_shares(loss, batch, a_gradient_out);
    return;
  }
  double smoothing = loss->label_smoothing, share = smoothing / (double)batch->width, total = weigh(loss, batch);
  for (size_t row = 0; row < batch->rows; row++) {
    const int64_t y = class_of(loss, batch, row);
    for (size_t c = 0; c < batch->width; c++) {
      const size_t i = row * batch->width + c;
      const double w = weight_at(batch, c), part = (c == (size_t)y ? (1 - smoothing) * w : 0) + share * w;
      a_gradient_out[i] = y == ROW_INVALID ? NAN : y == ROW_IGNORED || part == 0 ? 0 : (float)(-part / total / (double)batch->a[i]);
    }
  }
}

static double cost64(const void *settings, const struct loss_batch *batch, const double *z64, const double *a64) {
  const struct cross_entropy *loss = settings;
  (void)a64;
  if (batch->are_shares) return cost64_shares(loss, batch, z64);
  double sum = 0, total = weigh(loss, batch), share = loss->label_smoothing / (double)batch->width;
  for (size_t row = 0; row < batch->rows; row++) {
    const double *z = z64 + row * batch->width;
    int64_t y = class_of(loss, batch, row);
    if (y == ROW_IGNORED) continue;
    if (y == ROW_INVALID) return NAN;
    double norm = log_sum_exp64(z, batch->width);
    sum += (1 - loss->label_smoothing) * weight_at(batch, (size_t)y) * (norm - z[y]);
    for (size_t c = 0; c < batch->width; c++) sum += share * weight_at(batch, c) * (norm - z[c]);
  }
  return total > 0 ? sum / total : 0;
}

static enum error_code check_width(const void *settings, size_t width, const char *pointer, struct error *error) {
  const struct cross_entropy *loss = settings;
  const struct numbers *weights = &loss->class_weights;
  if (weights->is_word || weights->count == 0) return ERROR_NONE;
  char path[ERROR_POINTER_BYTES];
  error_pointer(path, pointer, "class_weights");
  if (weights->count != width)
    return error_add(error, path, "must be one number for each of the %zu classes, not %zu", width, weights->count);
  for (size_t c = 0; c < width; c++)
    if (weights->values[c] > 0) return ERROR_NONE;
  return error_add(error, path, "must have at least one number above 0, or there is nothing to learn");
}

const struct numbers *loss_cross_entropy_class_weights(const void *settings) {
  return &((const struct cross_entropy *)settings)->class_weights;
}

const struct loss_kind loss_cross_entropy = {
    .kind = {.name = "cross_entropy",
             .summary = "for softmax outputs: one class of several",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct cross_entropy)},
    .formula = "C = −1/n Σₖ log a_y",
    .target_form = TARGET_CLASS,
    .fused_activation = "softmax",
    .evaluate = evaluate,
    .weigh = weigh,
    .gradient = gradient,
    .a_gradient = a_gradient,
    .cost64 = cost64,
    .check_width = check_width,
};
