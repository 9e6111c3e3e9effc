/* Softmax: aⱼ = e^(zⱼ − max z) / Σₖ e^(zₖ − max z) over each row; δⱼ = aⱼ (gⱼ − Σₖ gₖ aₖ) with g = ∂C/∂a. */
#include <math.h>

#include "engine/activations/kinds.h"
#include "engine/vector_math.h"

static void forward(const void *settings, size_t rows, size_t width, const float *z, float *a) {
  (void)settings;
  for (size_t row = 0; row < rows; row++) {
    const float *z_row = z + row * width;
    float *a_row = a + row * width, largest = z_row[0];
    for (size_t j = 1; j < width; j++) largest = z_row[j] > largest ? z_row[j] : largest;
    for (size_t j = 0; j < width; j++) a_row[j] = z_row[j] - largest;
  }
  size_t count = rows * width;
#pragma GCC ivdep
  for (size_t i = 0; i < count; i++) a[i] = vector_exp(a[i]);
  for (size_t row = 0; row < rows; row++) {
    float *a_row = a + row * width;
    double sum = 0;
    for (size_t j = 0; j < width; j++) sum += (double)a_row[j];
    float scale = (float)(1.0 / sum);
    for (size_t j = 0; j < width; j++) a_row[j] *= scale;
  }
}

static void backward(const void *settings, size_t rows, size_t width, const float *z, const float *a, float *delta) {
  (void)settings, (void)z;
  for (size_t row = 0; row < rows; row++) {
    const float *a_row = a + row * width;
    float *delta_row = delta + row * width;
    double dot = 0;
    for (size_t j = 0; j < width; j++) dot += (double)delta_row[j] * (double)a_row[j];
    for (size_t j = 0; j < width; j++) delta_row[j] = a_row[j] * (delta_row[j] - (float)dot);
  }
}

static void forward64(const void *settings, size_t rows, size_t width, const double *z, double *a) {
  (void)settings;
  for (size_t row = 0; row < rows; row++) {
    const double *z_row = z + row * width;
    double *a_row = a + row * width, largest = z_row[0], sum = 0;
    for (size_t j = 1; j < width; j++) largest = fmax(largest, z_row[j]);
    for (size_t j = 0; j < width; j++) sum += a_row[j] = exp(z_row[j] - largest);
    for (size_t j = 0; j < width; j++) a_row[j] /= sum;
  }
}

/* Up to a constant, which softmax takes away. */
static float inverse(float a) { return logf(a); }

const struct activation_kind activation_softmax = {
    .kind = {.name = "softmax", .summary = "probabilities over the last axis"},
    .formula = "a_j = exp(z_j) / sum_k exp(z_k)",
    .inverse = inverse,
    .is_row_wise = true,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
