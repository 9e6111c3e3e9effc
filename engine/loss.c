/* Losses over sequences of different length: each sample's real steps stand together at its start, so that the kinds can be asked sample by
 * sample. With sum_s and weight_s of sample s, C = Σ sum_s / Σ weight_s, and its gradient within sample s is the sample's own, that of
 * sum_s / weight_s, times weight_s / Σ weight. */
#include "engine/loss.h"

#include <string.h>

/* One sample of a batch with lengths. */
struct sample {
  struct loss_batch real; /* its real steps only */
  size_t first, count;    /* its values in the output, padding included */
};

static bool is_class(const struct spec *loss) { return loss_of(loss)->target_form == TARGET_CLASS; }

static size_t count_samples(const struct spec *loss, const struct loss_batch *batch) {
  return is_class(loss) ? batch->rows / batch->steps : batch->rows;
}

/* Of a class target, a row is a step; of values, a row is a sample, whose first values are the real steps'. */
static struct sample get_sample(const struct spec *loss, const struct loss_batch *batch, size_t index) {
  const size_t step_size = is_class(loss) ? batch->width : batch->width / batch->steps, length = batch->lengths[index];
  struct sample sample = {.real = *batch, .first = index * batch->steps * step_size, .count = batch->steps * step_size};
  sample.real.lengths = NULL;
  sample.real.rows = is_class(loss) ? length : 1;
  sample.real.width = is_class(loss) ? step_size : length * step_size;
  sample.real.target = batch->target + (is_class(loss) && !batch->are_shares ? index * batch->steps : sample.first);
  if (batch->z != NULL) sample.real.z = batch->z + sample.first;
  if (batch->a != NULL) sample.real.a = batch->a + sample.first;
  return sample;
}

static double weigh(const struct spec *loss, const struct loss_batch *batch) {
  double weight = 0;
  for (size_t i = 0; i < count_samples(loss, batch); i++) {
    const struct sample sample = get_sample(loss, batch, i);
    weight += loss_of(loss)->weigh(loss->settings, &sample.real);
  }
  return weight;
}

void loss_evaluate(const struct spec *loss, const struct loss_batch *batch, double *sum, double *weight) {
  if (batch->lengths == NULL) {
    loss_of(loss)->evaluate(loss->settings, batch, sum, weight);
    return;
  }
  for (size_t i = 0; i < count_samples(loss, batch); i++) {
    const struct sample sample = get_sample(loss, batch, i);
    loss_of(loss)->evaluate(loss->settings, &sample.real, sum, weight);
  }
}

typedef void gradient_function(const void *settings, const struct loss_batch *batch, float *gradient);

static void write_gradient(const struct spec *loss, const struct loss_batch *batch, gradient_function *function, float *gradient) {
  if (batch->lengths == NULL) {
    function(loss->settings, batch, gradient);
    return;
  }
  const struct loss_kind *kind = loss_of(loss);
  const double total = weigh(loss, batch);
  for (size_t i = 0; i < count_samples(loss, batch); i++) {
    const struct sample sample = get_sample(loss, batch, i);
    const size_t real = sample.real.rows * sample.real.width;
    float *values = gradient + sample.first;
    function(loss->settings, &sample.real, values);
    const float share = total > 0 ? (float)(kind->weigh(loss->settings, &sample.real) / total) : 0;
    for (size_t j = 0; j < real; j++) values[j] *= share;
    memset(values + real, 0, (sample.count - real) * sizeof *values);
  }
}

void loss_gradient(const struct spec *loss, const struct loss_batch *batch, float *delta) {
  write_gradient(loss, batch, loss_of(loss)->gradient, delta);
}

void loss_a_gradient(const struct spec *loss, const struct loss_batch *batch, float *a_gradient) {
  write_gradient(loss, batch, loss_of(loss)->a_gradient, a_gradient);
}

double loss_cost64(const struct spec *loss, const struct loss_batch *batch, const double *z64, const double *a64) {
  const struct loss_kind *kind = loss_of(loss);
  if (batch->lengths == NULL) return kind->cost64(loss->settings, batch, z64, a64);
  double sum = 0;
  const double total = weigh(loss, batch);
  for (size_t i = 0; i < count_samples(loss, batch); i++) {
    const struct sample sample = get_sample(loss, batch, i);
    const double weight = kind->weigh(loss->settings, &sample.real);
    sum += weight > 0 ? weight * kind->cost64(loss->settings, &sample.real, z64 + sample.first, a64 + sample.first) : 0;
  }
  return total > 0 ? sum / total : 0;
}
