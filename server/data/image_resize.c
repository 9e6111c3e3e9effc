#include "server/data/image_resize.h"

#include <math.h>
#include <stdlib.h>

/* Output i of an axis is Σ weights[begin[i] + k] · input[first[i] + k], k below begin[i + 1] − begin[i]. Both first[i] and the last input
 * of i never decrease with i. */
struct axis {
  size_t in, out;
  size_t *first, *begin; /* [out], [out + 1] */
  float *weights;
};

struct image_resizer {
  size_t channels;
  struct axis horizontal, vertical;
  float *row;    /* [width of the output, channels]: an input row, resized horizontally */
  float *output; /* [height, width, channels] */
  size_t y;      /* rows taken */
  size_t done;   /* output rows that no further input row adds to */
};

/* In units of 1/out of an input pixel, output i covers [i·in, (i+1)·in) and input p covers [p·out, (p+1)·out). */
static size_t fill_area(struct axis *axis, size_t i, float *weights) {
  const size_t from = i * axis->in, to = from + axis->in, first = from / axis->out;
  size_t count = 0;
  for (size_t p = first; p * axis->out < to; p++) {
    const size_t left = p * axis->out > from ? p * axis->out : from, right = (p + 1) * axis->out < to ? (p + 1) * axis->out : to;
    weights[count++] = (float)((double)(right - left) / (double)axis->in);
  }
  axis->first[i] = first;
  return count;
}

static size_t fill_linear(struct axis *axis, size_t i, float *weights) {
  const double at = ((double)i + 0.5) * (double)axis->in / (double)axis->out - 0.5;
  const double clamped = at < 0 ? 0 : at > (double)(axis->in - 1) ? (double)(axis->in - 1) : at;
  const double low = floor(clamped);
  axis->first[i] = (size_t)low;
  weights[0] = (float)(1 - (clamped - low));
  if (clamped == low) return 1;
  weights[1] = (float)(clamped - low);
  return 2;
}

static bool axis_init(struct axis *axis, size_t in, size_t out) {
  *axis = (struct axis){.in = in, .out = out};
  axis->first = malloc(out * sizeof *axis->first);
  axis->begin = malloc((out + 1) * sizeof *axis->begin);
  axis->weights = malloc((in + 2 * out) * sizeof *axis->weights); /* neighbours share at most one input */
  if (axis->first == NULL || axis->begin == NULL || axis->weights == NULL) return false;
  axis->begin[0] = 0;
  for (size_t i = 0; i < out; i++) {
    float *weights = axis->weights + axis->begin[i];
    axis->begin[i + 1] = axis->begin[i] + (out <= in ? fill_area(axis, i, weights) : fill_linear(axis, i, weights));
  }
  return true;
}

static void axis_deinit(struct axis *axis) {
  free(axis->first);
  free(axis->begin);
  free(axis->weights);
}

enum error_code image_resizer_create(const struct image_shape *from, const struct image_shape *to, struct image_resizer **out_resizer,
                                     struct error *error) {
  *out_resizer = NULL;
  struct image_resizer *resizer = calloc(1, sizeof *resizer);
  if (resizer == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to resize an image");
  resizer->channels = to->channels;
  resizer->row = malloc(to->width * to->channels * sizeof *resizer->row);
  resizer->output = calloc(to->height * to->width * to->channels, sizeof *resizer->output);
  const bool is_whole = axis_init(&resizer->horizontal, from->width, to->width) & axis_init(&resizer->vertical, from->height, to->height);
  if (!is_whole || resizer->row == NULL || resizer->output == NULL) {
    image_resizer_destroy(resizer);
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to resize an image");
  }
  *out_resizer = resizer;
  return ERROR_NONE;
}

void image_resizer_destroy(struct image_resizer *resizer) {
  if (resizer == NULL) return;
  axis_deinit(&resizer->horizontal);
  axis_deinit(&resizer->vertical);
  free(resizer->row);
  free(resizer->output);
  free(resizer);
}

static void resize_row(const struct axis *axis, size_t channels, const uint8_t *pixels, float *row) {
  for (size_t x = 0; x < axis->out; x++) {
    const float *weights = axis->weights + axis->begin[x];
    const size_t taps = axis->begin[x + 1] - axis->begin[x];
    for (size_t c = 0; c < channels; c++) {
      const uint8_t *pixel = pixels + axis->first[x] * channels + c;
      float sum = 0;
      for (size_t k = 0; k < taps; k++) sum += weights[k] * (float)pixel[k * channels];
      row[x * channels + c] = sum;
    }
  }
}

void image_resizer_take_row(struct image_resizer *resizer, const uint8_t *pixels) {
  const struct axis *axis = &resizer->vertical;
  const size_t row_values = resizer->horizontal.out * resizer->channels, y = resizer->y++;
  if (y >= axis->in) return;
  resize_row(&resizer->horizontal, resizer->channels, pixels, resizer->row);
  for (size_t i = resizer->done; i < axis->out && axis->first[i] <= y; i++) {
    const size_t taps = axis->begin[i + 1] - axis->begin[i], k = y - axis->first[i];
    if (k + 1 >= taps) resizer->done = i + 1;
    if (k >= taps) continue;
    const float weight = axis->weights[axis->begin[i] + k];
    float *output = resizer->output + i * row_values;
    for (size_t v = 0; v < row_values; v++) output[v] += weight * resizer->row[v];
  }
}

uint8_t image_resizer_get(const struct image_resizer *resizer, size_t channel, size_t y, size_t x) {
  const float value = resizer->output[(y * resizer->horizontal.out + x) * resizer->channels + channel];
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : lrintf(value));
}
