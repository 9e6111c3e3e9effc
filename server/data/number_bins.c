#include "server/data/number_bins.h"

#include <stdlib.h>

/* Of 48 bins each has 700 then. */
enum { SAMPLE_MAX = 1 << 15 };

bool number_bins_init(struct number_bins *bins, size_t width) {
  *bins = (struct number_bins){.width = width, .edges = calloc(width + 1, sizeof *bins->edges)};
  return bins->edges != NULL;
}

void number_bins_deinit(struct number_bins *bins) {
  free(bins->edges);
  *bins = (struct number_bins){0};
}

/* The bin in which the value lies: the last one whose lower edge it reaches. */
static size_t find_bin(const struct number_bins *bins, double value) {
  size_t low = 0, high = bins->count; /* edges[low] ≤ value < edges[high], or the value is outside */
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    if (value < bins->edges[middle])
      high = middle;
    else
      low = middle;
  }
  return low;
}

void number_bins_encode(const struct number_bins *bins, double value, float *x) {
  for (size_t i = 0; i < bins->width; i++) x[i] = 0;
  if (bins->count == 0) return;
  const size_t bin = find_bin(bins, value);
  const double low = bins->edges[bin], high = bins->edges[bin + 1];
  for (size_t i = 0; i < bin; i++) x[i] = 1;
  /* Halves, so that no difference of two large numbers overflows. */
  const double share = (value / 2 - low / 2) / (high / 2 - low / 2);
  x[bin] = share <= 0 ? 0 : share >= 1 ? 1 : (float)share;
}

static uint64_t get_stride(uint64_t numbers_max) { return numbers_max == 0 ? 1 : (numbers_max - 1) / SAMPLE_MAX + 1; }

static size_t get_capacity(uint64_t numbers_max) { return (size_t)(numbers_max / get_stride(numbers_max)) + 1; }

size_t number_sample_measure(uint64_t numbers_max) { return get_capacity(numbers_max) * sizeof(double); }

bool number_sample_init(struct number_sample *sample, uint64_t numbers_max) {
  *sample = (struct number_sample){.capacity = get_capacity(numbers_max), .stride = get_stride(numbers_max)};
  sample->numbers = malloc(sample->capacity * sizeof *sample->numbers);
  return sample->numbers != NULL;
}

void number_sample_deinit(struct number_sample *sample) {
  free(sample->numbers);
  *sample = (struct number_sample){0};
}

void number_sample_add(struct number_sample *sample, double number) {
  if (sample->seen++ % sample->stride == 0 && sample->count < sample->capacity) sample->numbers[sample->count++] = number;
}

static int compare(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

/* How many of the sorted numbers differ, or limit + 1 if there are more. */
static size_t count_distinct(const double *sorted, size_t count, size_t limit) {
  size_t distinct = count > 0;
  for (size_t i = 1; i < count && distinct <= limit; i++) distinct += sorted[i] > sorted[i - 1];
  return distinct;
}

void number_sample_finish(struct number_sample *sample, struct number_bins *bins) {
  const size_t count = sample->count;
  if (count > 0) qsort(sample->numbers, count, sizeof *sample->numbers, compare);
  const bool has_all = count_distinct(sample->numbers, count, bins->width + 1) <= bins->width + 1;
  const size_t candidates = has_all ? count : bins->width + 1;
  size_t edges = 0;
  for (size_t i = 0; i < candidates; i++) {
    const double number = sample->numbers[has_all ? i : i * (count - 1) / bins->width];
    if (edges == 0 || number > bins->edges[edges - 1]) bins->edges[edges++] = number;
  }
  bins->count = edges > 0 ? edges - 1 : 0;
}
