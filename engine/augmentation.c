/* The table of augmentations, and what is done with it to a batch. */
#include "engine/augmentation.h"

#include "engine/augmentations/kinds.h"

enum { ROWS_AHEAD = 2, FLOATS_PER_LINE = 16 };

/* Nanoseconds that one value costs, about; what decides how rows are shared out must not depend on anything but the job. */
enum { VALUE_COST = 4 };

#define KIND_ROW(sort_, name_) &sort_##_##name_,
static const struct augmentation_kind *const kinds[AUGMENTATION_COUNT] = {AUGMENTATION_KINDS(KIND_ROW)};

#define PARAM_ROW(sort_, name_) {.name = "", .type = PARAM_INLINE, .params = sort_##_##name_##_params, .param_count = 1},
const struct param augmentation_params[AUGMENTATION_COUNT] = {AUGMENTATION_KINDS(PARAM_ROW)};

const struct augmentation_kind *augmentation_get(size_t index) { return kinds[index]; }

static double amount_of(size_t index, const struct augmentation *settings) { return settings->is_given ? kinds[index]->get(settings) : 0; }

bool augmentation_mixes(const struct augmentation *settings) {
  for (size_t i = 0; i < AUGMENTATION_COUNT; i++)
    if (kinds[i]->draw_share != NULL && amount_of(i, settings) > 0) return true;
  return false;
}

void augmenter_init(struct augmenter *augmenter, const struct augmentation *settings, const struct shape *input, uint64_t seed,
                    size_t batch_size) {
  *augmenter = (struct augmenter){.settings = settings, .input = *input, .seed = seed, .batch_size = batch_size};
  for (size_t i = 0; i < AUGMENTATION_COUNT; i++) {
    if (amount_of(i, settings) <= 0) continue;
    augmenter->places = augmenter->places || kinds[i]->place != NULL;
    augmenter->changes = augmenter->changes || kinds[i]->change != NULL;
    augmenter->mixes = augmenter->mixes || kinds[i]->draw_share != NULL;
  }
  augmenter->piece_rows = parallel_items_per_piece(batch_size, shape_size(input) * VALUE_COST);
  if (!augmenter->places) return;
  const size_t floats = affine_measure_scratch(input);
  augmenter->piece_floats = (floats + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE;
  augmenter->scratch_count = input->sizes[0] + parallel_piece_count(batch_size, augmenter->piece_rows) * augmenter->piece_floats;
}

void augmenter_start(struct augmenter *augmenter, const struct row_reader *reader) {
  if (augmenter->scratch_count == 0) return;
  for (size_t channel = 0; channel < augmenter->input.sizes[0]; channel++)
    augmenter->scratch[channel] = row_reader_get_background(reader, channel);
}

/* ---- one row ---- */

static struct random_stream stream_of(const struct augmenter *augmenter, size_t index, uint64_t epoch, size_t row) {
  return (struct random_stream){
      .seed = augmenter->seed, .purpose = RANDOM_AUGMENTATION, .lane = kinds[index]->lane, .epoch = epoch, .step = row};
}

static void vary(const struct augmenter *augmenter, uint64_t epoch, size_t row, float *scratch, float *x) {
  struct affine map = affine_identity;
  for (size_t i = 0; i < AUGMENTATION_COUNT; i++) {
    const double amount = amount_of(i, augmenter->settings);
    if (kinds[i]->place == NULL || amount <= 0) continue;
    const struct random_stream stream = stream_of(augmenter, i, epoch, row);
    kinds[i]->place(amount, &stream, &augmenter->input, &map);
  }
  if (!affine_is_identity(&map)) affine_apply(&map, &augmenter->input, augmenter->scratch, scratch, x);
  for (size_t i = 0; i < AUGMENTATION_COUNT; i++) {
    const double amount = amount_of(i, augmenter->settings);
    if (kinds[i]->change == NULL || amount <= 0) continue;
    const struct random_stream stream = stream_of(augmenter, i, epoch, row);
    kinds[i]->change(amount, &stream, &augmenter->input, x);
  }
}

/* ---- a batch ---- */

struct fetch_job {
  const struct augmenter *augmenter;
  const struct augmenter_rows *rows;
  float *x;
};

static void fetch_piece(void *argument, size_t piece) {
  const struct fetch_job *job = argument;
  const struct augmenter *augmenter = job->augmenter;
  const struct row_reader *reader = job->rows->reader;
  const size_t first = piece * augmenter->piece_rows, rest = job->rows->count - first;
  const size_t end = first + (rest < augmenter->piece_rows ? rest : augmenter->piece_rows);
  float *scratch = augmenter->places ? augmenter->scratch + augmenter->input.sizes[0] + piece * augmenter->piece_floats : NULL;
  for (size_t i = first; i < end; i++) {
    const size_t row = job->rows->rows[i];
    float *x = job->x + i * reader->size;
    if (i + ROWS_AHEAD < end) row_reader_prefetch(reader, job->rows->rows[i + ROWS_AHEAD]);
    row_reader_copy(reader, row, x);
    vary(augmenter, job->rows->epoch, row, scratch, x);
  }
}

void augmenter_fetch(const struct augmenter *augmenter, const struct augmenter_rows *rows, const struct parallel *parallel, float *x) {
  struct fetch_job job = {.augmenter = augmenter, .rows = rows, .x = x};
  parallel_run(parallel, parallel_piece_count(rows->count, augmenter->piece_rows), fetch_piece, &job);
}

/* ---- pairs of rows ---- */

double augmenter_draw_share(const struct augmenter *augmenter, const struct augmenter_rows *rows) {
  for (size_t i = 0; i < AUGMENTATION_COUNT; i++) {
    const double amount = amount_of(i, augmenter->settings);
    if (kinds[i]->draw_share == NULL || amount <= 0) continue;
    const struct random_stream stream = stream_of(augmenter, i, rows->epoch, rows->rows[0]);
    return kinds[i]->draw_share(amount, &stream);
  }
  return 1;
}

void augmenter_mix(double share, size_t count, size_t width, float *values) {
  const float own = (float)share, other = (float)(1 - share);
  for (size_t i = 0; i < count / 2; i++) {
    float *restrict left = values + i * width, *restrict right = values + (count - 1 - i) * width;
    for (size_t j = 0; j < width; j++) {
      const float value = left[j];
      left[j] = own * value + other * right[j];
      right[j] = own * right[j] + other * value;
    }
  }
}
