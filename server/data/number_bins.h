/* A number as its place among those of the training part: piecewise linear encoding (Gorishniy, Rubachev, Babenko: "On Embeddings for
 * Numerical Features in Tabular Deep Learning", 2022).
 *
 *   edges e₀ < e₁ < … < eₙ: quantiles of the training part, so that each of the n bins between them has about as many values; all its
 *   values where it has at most n + 1 of them
 *   x[i] = 0 below bin i, 1 above it, (v − eᵢ) / (eᵢ₊₁ − eᵢ) within it
 *
 * A unit that sums these up is a broken line with an edge at each quantile, where that of a scaled number is a straight one: skewed numbers
 * are spread evenly, and where a number means different things in different ranges no depth is needed to say so. Numbers below all edges
 * count as the first one, those above as the last. Threads: constant after fitting; may be shared.
 */
#ifndef SERVER_DATA_NUMBER_BINS_H
#define SERVER_DATA_NUMBER_BINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct number_bins {
  size_t width; /* floats; 0: numbers are not cut into bins */
  /* Fitted: */
  size_t count;  /* bins, at most width; the floats behind them are 0, as all are where the training part has not two values */
  double *edges; /* [width + 1], of which count + 1 are set where there are bins; owned */
};

/* False: no memory. */
__attribute__((warn_unused_result)) bool number_bins_init(struct number_bins *bins, size_t width);
void number_bins_deinit(struct number_bins *bins);
/* Bytes that number_bins_init allocates. */
static inline size_t number_bins_measure(size_t width) { return (width + 1) * sizeof(double); }

/* x[width] of a finite number. */
void number_bins_encode(const struct number_bins *bins, double value, float *x);

/* Fitting: every number of the training part, then finish. Of many, some are kept, evenly over the rows; which ones is a function of
 * `numbers_max` and the order alone. */
struct number_sample {
  double *numbers; /* [capacity], owned */
  size_t count, capacity;
  uint64_t seen, stride; /* one of each so many is kept */
};
/* Bytes that number_sample_init allocates. */
size_t number_sample_measure(uint64_t numbers_max);
/* False: no memory. */
__attribute__((warn_unused_result)) bool number_sample_init(struct number_sample *sample, uint64_t numbers_max);
void number_sample_deinit(struct number_sample *sample);
/* At most numbers_max times. */
void number_sample_add(struct number_sample *sample, double number);
/* Puts the sample in order, and fills the bins. */
void number_sample_finish(struct number_sample *sample, struct number_bins *bins);

#endif
