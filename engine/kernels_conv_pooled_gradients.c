/* Pooled convolutions (kernels_conv_pooled.h), backward. δ of a window goes to its winner's place p alone:
 *
 *   dw[f, c, k] = Σ over samples, windows of δ(f) · copy(c, p + shift(k))          dbias[f] = Σ of δ(f)
 *   the copy's gradient (c, p + shift(k)) += δ(f) · w[f, c, k]                     for each window and filter that has a winner
 *
 * Vectors hold channels side by side: images and their gradients are turned to [plane, channels], and for each window or filter those δ are
 * listed that have a winner. Where an image has few channels its dw is summed with filters side by side, from δ with zeros at the places
 * that didn't win. Letters: f filter, c channel, k tap, p place; n sample.
 */
#include "engine/kernels_conv_pooled_private.h"

#include <string.h>

#include "engine/reduce.h"

enum {
  CHUNK = 9,        /* taps (or terms) whose sums are in registers at once */
  LIST_MAX = 256,   /* δ in a list */
  GROUP_FILTERS = 8 /* that go over a turned image together, while it is in the cache */
};

/* How many of `count` are left for the chunk that begins at `first`. */
static size_t chunk_size(size_t count, size_t first) { return work_smaller(CHUNK, count - first); }

/* Where the taps (or terms) of a chunk see their values, from a place on. Those of a window of 3 × 3, the commonest, follow from two steps,
 * which takes no registers. `count` is a constant wherever this is inlined, THREE for 3 × 3. */
struct chunk_taps {
  const size_t *offsets;
  size_t step_y, step_x;
};
enum { THREE = 0 };

static inline __attribute__((always_inline)) size_t offset_of(size_t count, const struct chunk_taps *taps, size_t i) {
  return count == THREE ? taps->offsets[0] + i / 3 * taps->step_y + i % 3 * taps->step_x : taps->offsets[i];
}
static inline __attribute__((always_inline)) size_t count_of(size_t count) { return count == THREE ? CHUNK : count; }

static bool is_three(const struct pooled_plan *plan) { return plan->conv->y.size == 3 && plan->conv->x.size == 3; }

#define CHUNK_CASES(call_)                                                                                                                 \
  switch (is_three(plan) ? THREE : count) {                                                                                                \
  case THREE: call_(THREE); break;                                                                                                         \
  case 1: call_(1); break;                                                                                                                 \
  case 2: call_(2); break;                                                                                                                 \
  case 3: call_(3); break;                                                                                                                 \
  case 4: call_(4); break;                                                                                                                 \
  case 5: call_(5); break;                                                                                                                 \
  case 6: call_(6); break;                                                                                                                 \
  case 7: call_(7); break;                                                                                                                 \
  case 8: call_(8); break;                                                                                                                 \
  default: call_(CHUNK);                                                                                                                   \
  }

/* Turns places of copied channels to those of turned images. */
static void turn_places(struct pooled_plan *plan) {
  for (size_t tap = 0; tap < plan->taps; tap++) plan->shifts[tap] *= plan->channels;
  for (size_t window = 0; window < plan->windows; window++) plan->bases[window] *= plan->channels;
  for (size_t place = 0; place < POOLED_PLACES; place++) plan->steps[place] *= plan->channels;
}

/* The chunk of taps of turned images that begins at `tap`. */
static struct chunk_taps chunk_of(const struct pooled_plan *plan, size_t tap) {
  return (struct chunk_taps){.offsets = plan->shifts + tap, .step_y = plan->width * plan->channels, .step_x = plan->channels};
}

/* A turned image to one sample, without what padding made up. */
static void turn_back(const struct pooled_plan *plan, const float *turned, float *x) {
  const struct kernel_conv *conv = plan->conv;
  const size_t values = conv->y.in * conv->x.in;
  for (size_t y = 0; y < conv->y.in; y++) {
    for (size_t at = 0; at < conv->x.in; at += VECTOR_FLOATS) {
      const size_t count = work_smaller(VECTOR_FLOATS, conv->x.in - at);
      for (size_t c = 0; c < conv->channels; c += VECTOR_FLOATS)
        vector_turn(turned + pooled_turned_place(plan, y, at, c), plan->channels, count, work_smaller(VECTOR_FLOATS, conv->channels - c),
                    x + c * values + y * conv->x.in + at, values);
    }
  }
}

/* δ of one sample to [windows, lanes]. */
static void turn_deltas(const struct pooled_plan *plan, const float *delta, float *turned) {
  for (size_t f = 0; f < plan->conv->filters; f += VECTOR_FLOATS)
    for (size_t window = 0; window < plan->windows; window += VECTOR_FLOATS)
      vector_turn(delta + f * plan->windows + window, plan->windows, work_smaller(VECTOR_FLOATS, plan->conv->filters - f),
                  work_smaller(VECTOR_FLOATS, plan->windows - window), turned + window * plan->lanes + f, plan->lanes);
}

/* Input gradient */

/* The δ of one window by their winners. */
struct winner_lists {
  size_t counts[POOLED_PLACES + 1];
  uint32_t filters[POOLED_PLACES + 1][LIST_MAX + VECTOR_FLOATS]; /* whole vectors may be stored */
  float deltas[POOLED_PLACES + 1][LIST_MAX + VECTOR_FLOATS];
};

/* Lists `count` filters from `first` on, at most a vector of them. */
static inline void list_filters(struct winner_lists *lists, size_t first, size_t count, const uint8_t *winners, const float *deltas) {
#if defined(__AVX512F__)
  const __mmask16 all = (__mmask16)((1u << count) - 1);
  const __m512i numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i filters = _mm512_add_epi32(_mm512_set1_epi32((int)first), numbers), winner = (__m512i)vector_load_bytes(winners);
  const __m512 delta = _mm512_loadu_ps(deltas);
  for (int place = 0; place < POOLED_PLACES; place++) {
    const __mmask16 mask = _mm512_mask_cmpeq_epi32_mask(all, winner, _mm512_set1_epi32(place));
    const size_t at = lists->counts[place];
    _mm512_storeu_si512(lists->filters[place] + at, _mm512_maskz_compress_epi32(mask, filters));
    _mm512_storeu_ps(lists->deltas[place] + at, _mm512_maskz_compress_ps(mask, delta));
    lists->counts[place] = at + (size_t)__builtin_popcount(mask);
  }
#else
  for (size_t i = 0; i < count; i++) {
    const size_t winner = winners[i], at = lists->counts[winner]++;
    lists->filters[winner][at] = (uint32_t)(first + i);
    lists->deltas[winner][at] = deltas[i];
  }
#endif
}

/* to[tap i] += Σ over the list of δ(f) · weights[f, i], both of one vector of channels. */
static inline __attribute__((always_inline)) void add_weights(size_t count, const struct winner_lists *lists, size_t place,
                                                              const float *weights, size_t filter_step, const struct chunk_taps *taps,
                                                              float *to) {
  vector sums[CHUNK] = {0};
  for (size_t e = 0; e < lists->counts[place]; e++) {
    const float delta = lists->deltas[place][e], *from = weights + lists->filters[place][e] * filter_step;
#pragma GCC unroll 9
    for (size_t i = 0; i < count_of(count); i++) sums[i] += delta * vector_load(from + i * VECTOR_FLOATS);
  }
#pragma GCC unroll 9
  for (size_t i = 0; i < count_of(count); i++) {
    float *sum = to + offset_of(count, taps, i);
    vector_store(sum, vector_load(sum) + sums[i]);
  }
}

/* Adds what the listed δ of a window make of all channels and taps. */
static void add_window(const struct pooled_plan *plan, const struct winner_lists *lists, size_t window, float *turned) {
  const size_t step = plan->taps * VECTOR_FLOATS;
  for (size_t place = 0; place < POOLED_PLACES; place++) {
    if (lists->counts[place] == 0) continue;
    float *to = turned + plan->bases[window] + plan->steps[place];
    for (size_t c = 0; c < plan->channels; c += VECTOR_FLOATS)
      for (size_t tap = 0; tap < plan->taps; tap += CHUNK) {
        const size_t count = chunk_size(plan->taps, tap);
        const float *weights = plan->weights + (c * plan->conv->filters * plan->taps) + tap * VECTOR_FLOATS;
        const struct chunk_taps taps = chunk_of(plan, tap);
#define ADD_WEIGHTS(count_) add_weights(count_, lists, place, weights, step, &taps, to + c)
        CHUNK_CASES(ADD_WEIGHTS)
      }
  }
}

static void input_gradient_piece(void *argument, size_t piece) {
  const struct pooled_job *job = argument;
  const struct pooled_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const struct pooled_samples samples = pooled_samples_of(job, piece);
  float *turned = pooled_slot(plan, piece), *deltas = turned + plan->turned;
  for (size_t n = samples.first; n < samples.end; n++) {
    const uint8_t *winners = job->known_winners + n * plan->windows * plan->lanes;
    turn_deltas(plan, job->delta + n * conv->filters * plan->windows, deltas);
    memset(turned, 0, plan->turned * sizeof *turned);
    for (size_t window = 0; window < plan->windows; window++, winners += plan->lanes) {
      for (size_t first = 0; first < conv->filters; first += LIST_MAX) {
        struct winner_lists lists;
        memset(lists.counts, 0, sizeof lists.counts);
        const size_t end = work_smaller(first + LIST_MAX, conv->filters);
        for (size_t f = first; f < end; f += VECTOR_FLOATS)
          list_filters(&lists, f, work_smaller(VECTOR_FLOATS, end - f), winners + f, deltas + window * plan->lanes + f);
        add_window(plan, &lists, window, turned);
      }
    }
    turn_back(plan, turned, job->out + n * conv->channels * conv->y.in * conv->x.in);
  }
}

/* [filters, channels, taps] → [vectors of channels, filters, taps, the vector's channels] */
static void arrange_by_channel(const struct pooled_plan *plan, const float *w) {
  const struct kernel_conv *conv = plan->conv;
  float *to = plan->weights;
  for (size_t first = 0; first < plan->channels; first += VECTOR_FLOATS)
    for (size_t f = 0; f < conv->filters; f++)
      for (size_t tap = 0; tap < plan->taps; tap++, to += VECTOR_FLOATS)
        for (size_t c = 0; c < VECTOR_FLOATS; c++)
          to[c] = first + c < conv->channels ? w[(f * conv->channels + first + c) * plan->taps + tap] : 0;
}

void kernel_conv_pooled_input_gradient(const struct parallel *parallel, const struct kernel_conv_pooled *pooled, const float *delta,
                                       const uint8_t *winners, const float *w, float *dx, float *work) {
  struct pooled_plan plan = pooled_begin(&pooled->conv, work);
  struct pooled_job job = {.plan = &plan, .delta = delta, .known_winners = winners, .out = dx};
  arrange_by_channel(&plan, w);
  turn_places(&plan);
  pooled_run(parallel, &job, plan.windows * pooled->conv.filters * plan.taps * plan.channels / POOLED_PRODUCTS_PER_NS, input_gradient_piece,
             NULL);
}

/* Weight gradient, channels side by side */

/* δ of one filter and sample that have a winner, and its place in the turned image. */
struct delta_list {
  size_t count;
  size_t places[LIST_MAX];
  float deltas[LIST_MAX];
};

static void list_deltas(const struct pooled_plan *plan, const float *delta, const uint8_t *winners, size_t first, size_t end,
                        struct delta_list *list) {
  list->count = 0;
  for (size_t window = first; window < end; window++) {
    const size_t winner = winners[window * plan->lanes];
    list->places[list->count] = plan->bases[window] + plan->steps[winner];
    list->deltas[list->count] = delta[window];
    list->count += winner != POOLED_NO_WINNER;
  }
}

/* to[i] += Σ over the list of δ · from[place + tap i], of one vector of channels. */
static inline __attribute__((always_inline)) void add_values(size_t count, const struct delta_list *list, const float *from,
                                                             const struct chunk_taps *taps, float *to) {
  vector sums[CHUNK] = {0};
  for (size_t e = 0; e < list->count; e++) {
    const float delta = list->deltas[e], *at = from + list->places[e];
#pragma GCC unroll 9
    for (size_t i = 0; i < count_of(count); i++) sums[i] += delta * vector_load(at + offset_of(count, taps, i));
  }
#pragma GCC unroll 9
  for (size_t i = 0; i < count_of(count); i++) vector_store(to + i * VECTOR_FLOATS, vector_load(to + i * VECTOR_FLOATS) + sums[i]);
}

/* Adds the round's samples to the sums of a group of filters, [filters, vectors of channels, taps, the vector's channels]. */
static void filters_piece(void *argument, size_t piece) {
  const struct pooled_job *job = argument;
  const struct pooled_plan *plan = job->plan;
  const size_t filters = plan->conv->filters, begin = piece * GROUP_FILTERS, end = work_smaller(begin + GROUP_FILTERS, filters);
  for (size_t n = job->first; n < job->end; n++) {
    const float *turned = pooled_slot(plan, n - job->first);
    for (size_t f = begin; f < end; f++) {
      const float *delta = job->delta + (n * filters + f) * plan->windows;
      const uint8_t *winners = job->known_winners + n * plan->windows * plan->lanes + f;
      for (size_t first = 0; first < plan->windows; first += LIST_MAX) {
        struct delta_list list;
        list_deltas(plan, delta, winners, first, work_smaller(first + LIST_MAX, plan->windows), &list);
        plan->bias_sums[f] += reduce_sum(list.count, list.deltas);
        for (size_t c = 0; c < plan->channels; c += VECTOR_FLOATS)
          for (size_t tap = 0; tap < plan->taps; tap += CHUNK) {
            const size_t count = chunk_size(plan->taps, tap);
            float *sums = plan->sums + (f * plan->channels + c) * plan->taps + tap * VECTOR_FLOATS;
            const struct chunk_taps taps = chunk_of(plan, tap);
#define ADD_VALUES(count_) add_values(count_, &list, turned + c, &taps, sums)
            CHUNK_CASES(ADD_VALUES)
          }
      }
    }
  }
}

static void turn_piece(void *argument, size_t piece) {
  const struct pooled_job *job = argument;
  const struct kernel_conv *conv = job->plan->conv;
  const struct pooled_samples samples = pooled_samples_of(job, piece);
  for (size_t n = samples.first; n < samples.end; n++)
    pooled_turn_image(job->plan, job->x + n * conv->channels * conv->y.in * conv->x.in, pooled_slot(job->plan, n - job->first));
}

static void sum_by_channel(const struct parallel *parallel, struct pooled_job *job, float *dw) {
  const struct pooled_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  pooled_clear_slots(plan, plan->turned);
  for (size_t first = 0; first < conv->batch; first = job->end) {
    job->first = first;
    job->end = work_smaller(first + plan->slot_count, conv->batch);
    job->samples = parallel_items_per_piece(job->end - first, plan->turned);
    parallel_run(parallel, parallel_piece_count(job->end - first, job->samples), turn_piece, job);
    parallel_run(parallel, parallel_piece_count(conv->filters, GROUP_FILTERS), filters_piece, job);
  }
  for (size_t f = 0; f < conv->filters; f++)
    for (size_t c = 0; c < conv->channels; c++)
      for (size_t tap = 0; tap < plan->taps; tap++)
        dw[(f * conv->channels + c) * plan->taps + tap] =
            plan->sums[(f * plan->channels + c / VECTOR_FLOATS * VECTOR_FLOATS) * plan->taps + tap * VECTOR_FLOATS + c % VECTOR_FLOATS];
}

/* Weight gradient, filters side by side */

/* Adds a sample to sums[i] of one vector of filters: Σ over windows, places of δ with zeros · from[place + term i]. */
static inline __attribute__((always_inline)) void add_terms(size_t count, const struct pooled_plan *plan, const float *delta,
                                                            const uint8_t *winners, const float *from, const struct chunk_taps *taps,
                                                            float *to) {
  vector sums[CHUNK] = {0};
  for (size_t row = 0; row < plan->windows_y; row++, from += 2 * plan->width) {
    for (size_t x = 0; x < plan->windows_x; x++, delta += plan->lanes, winners += plan->lanes) {
      const vector_lanes all = (vector_lanes)vector_load(delta), winner = vector_load_bytes(winners);
      const vector upper_left = (vector)(all & (winner == 0)), upper_right = (vector)(all & (winner == 1));
      const vector lower_left = (vector)(all & (winner == 2)), lower_right = (vector)(all & (winner == 3));
#pragma GCC unroll 9
      for (size_t i = 0; i < count_of(count); i++) {
        const float *at = from + 2 * x + offset_of(count, taps, i);
        sums[i] += at[0] * upper_left;
        sums[i] += at[1] * upper_right;
        sums[i] += at[plan->width] * lower_left;
        sums[i] += at[plan->width + 1] * lower_right;
      }
    }
  }
#pragma GCC unroll 9
  for (size_t i = 0; i < count_of(count); i++) vector_store(to + i * plan->lanes, vector_load(to + i * plan->lanes) + sums[i]);
}

static void add_bias(const struct pooled_plan *plan, const float *delta, const uint8_t *winners, float *to) {
  vector sum = {0};
  for (size_t window = 0; window < plan->windows; window++, delta += plan->lanes, winners += plan->lanes)
    sum += (vector)((vector_lanes)vector_load(delta) & (vector_load_bytes(winners) != POOLED_NO_WINNER));
  vector_store(to, vector_load(to) + sum);
}

/* Sums of a piece's samples: [terms, lanes], and behind them those of the bias. */
static void terms_piece(void *argument, size_t piece) {
  const struct pooled_job *job = argument;
  const struct pooled_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const struct pooled_samples samples = pooled_samples_of(job, piece);
  float *image = pooled_slot(plan, piece), *delta = image + plan->image, *partial = delta + plan->pool;
  memset(partial, 0, plan->partial * sizeof *partial);
  for (size_t n = samples.first; n < samples.end; n++) {
    const uint8_t *winners = job->known_winners + n * plan->windows * plan->lanes;
    pooled_copy_image(plan, job->x + n * conv->channels * conv->y.in * conv->x.in, image);
    turn_deltas(plan, job->delta + n * conv->filters * plan->windows, delta);
    for (size_t f = 0; f < plan->lanes; f += VECTOR_FLOATS) {
      for (size_t term = 0; term < plan->terms; term += CHUNK) {
        const size_t count = chunk_size(plan->terms, term);
        size_t offsets[CHUNK];
        for (size_t i = 0; i < count; i++) offsets[i] = (term + i) / plan->taps * plan->plane + plan->shifts[(term + i) % plan->taps];
        const struct chunk_taps taps = {.offsets = offsets, .step_y = plan->width, .step_x = 1};
#define ADD_TERMS(count_) add_terms(count_, plan, delta + f, winners + f, image, &taps, partial + term * plan->lanes + f)
        CHUNK_CASES(ADD_TERMS)
      }
      add_bias(plan, delta + f, winners + f, partial + plan->terms * plan->lanes + f);
    }
  }
}

static void add_partials(const struct pooled_job *job, size_t piece_count) {
  const struct pooled_plan *plan = job->plan;
  for (size_t piece = 0; piece < piece_count; piece++) {
    const float *partial = pooled_slot(plan, piece) + plan->image + plan->pool;
    for (size_t i = 0; i < plan->partial; i++) plan->sums[i] += partial[i];
    for (size_t f = 0; f < plan->lanes; f++) plan->bias_sums[f] += (double)partial[plan->terms * plan->lanes + f];
  }
}

static void sum_by_filter(const struct parallel *parallel, struct pooled_job *job, float *dw) {
  const struct pooled_plan *plan = job->plan;
  const size_t filters = plan->conv->filters;
  pooled_clear_slots(plan, plan->image);
  pooled_run(parallel, job, POOLED_PLACES * plan->windows * plan->terms * plan->lanes / POOLED_PRODUCTS_PER_NS, terms_piece, add_partials);
  for (size_t f = 0; f < filters; f++)
    for (size_t term = 0; term < plan->terms; term++) dw[f * plan->terms + term] = plan->sums[term * plan->lanes + f];
}

void kernel_conv_pooled_weight_gradient(const struct parallel *parallel, const struct kernel_conv_pooled *pooled, const float *x,
                                        const float *delta, const uint8_t *winners, float *dw, float *dbias, float *work) {
  struct pooled_plan plan = pooled_begin(&pooled->conv, work);
  struct pooled_job job = {.plan = &plan, .x = x, .delta = delta, .known_winners = winners};
  memset(plan.sums, 0, plan.sum_count * sizeof *plan.sums);
  memset(plan.bias_sums, 0, plan.lanes * sizeof *plan.bias_sums);
  if (plan.has_filter_lanes) {
    sum_by_filter(parallel, &job, dw);
  } else {
    turn_places(&plan);
    sum_by_channel(parallel, &job, dw);
  }
  for (size_t f = 0; f < pooled->conv.filters && dbias != NULL; f++) dbias[f] = (float)plan.bias_sums[f];
}
