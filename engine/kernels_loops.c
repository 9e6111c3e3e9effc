/* Kernels that go over values once: biases, sums, a look whether all is finite. Sums run in fixed order, in float64 but for those of
 * a few rows. */
#include "engine/kernels.h"
#include "engine/vector_float.h"

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }

struct bias_job {
  size_t rows, width, rows_per_piece;
  const float *bias;
  float *y;
};

static void bias_piece(void *argument, size_t piece) {
  const struct bias_job *job = argument;
  size_t begin = piece * job->rows_per_piece, end = smaller(begin + job->rows_per_piece, job->rows);
  const float *restrict bias = job->bias;
  for (size_t row = begin; row < end; row++) {
    float *restrict y = job->y + row * job->width;
    for (size_t j = 0; j < job->width; j++) y[j] += bias[j];
  }
}

void kernel_add_bias(const struct parallel *parallel, size_t rows, size_t width, const float *bias, float *y) {
  struct bias_job job = {.rows = rows, .width = width, .bias = bias, .y = y};
  job.rows_per_piece = parallel_items_per_piece(rows, width / 8);
  parallel_run(parallel, parallel_piece_count(rows, job.rows_per_piece), bias_piece, &job);
}

enum {
  SUM_COLUMNS = 256, /* summed side by side: enough of a row that memory comes in order */
  SUM_ROWS = 8       /* summed in float32, before that is added in float64: to widen each value would take longer than to read it */
};

struct sums_job {
  size_t rows, width, block_count, blocks_per_piece;
  const float *x;
  float *sums;
};

/* sums[count] += Σ of `rows` rows, at most SUM_ROWS */
static void add_rows(size_t rows, size_t count, size_t width, const float *x, double *sums) {
  float few[SUM_COLUMNS];
  for (size_t j = 0; j < count; j++) few[j] = x[j];
  for (size_t row = 1; row < rows; row++)
    for (size_t j = 0; j < count; j++) few[j] += x[row * width + j];
  for (size_t j = 0; j < count; j++) sums[j] += (double)few[j];
}

static void sum_block(const struct sums_job *job, size_t block) {
  double sums[SUM_COLUMNS] = {0};
  const size_t first = block * SUM_COLUMNS, count = smaller(job->width - first, SUM_COLUMNS);
  for (size_t row = 0; row < job->rows; row += SUM_ROWS)
    add_rows(smaller(SUM_ROWS, job->rows - row), count, job->width, job->x + row * job->width + first, sums);
  for (size_t j = 0; j < count; j++) job->sums[first + j] = (float)sums[j];
}

static void sums_piece(void *argument, size_t piece) {
  const struct sums_job *job = argument;
  size_t begin = piece * job->blocks_per_piece, end = smaller(begin + job->blocks_per_piece, job->block_count);
  for (size_t block = begin; block < end; block++) sum_block(job, block);
}

void kernel_column_sums(const struct parallel *parallel, size_t rows, size_t width, const float *x, float *sums) {
  struct sums_job job = {.rows = rows, .width = width, .x = x, .sums = sums};
  job.block_count = parallel_piece_count(width, SUM_COLUMNS);
  job.blocks_per_piece = parallel_items_per_piece(job.block_count, rows * SUM_COLUMNS / 4);
  parallel_run(parallel, parallel_piece_count(job.block_count, job.blocks_per_piece), sums_piece, &job);
}

enum { VALUE_PIECES_MAX = 64, VALUES_PER_PIECE = 1 << 17, SQUARE_LANES = 32 };

/* A pass over all values of an array, in at most VALUE_PIECES_MAX pieces. */
struct values_job {
  size_t count, per_piece;
  const float *x;
  double sums[VALUE_PIECES_MAX]; /* of each piece */
};

/* Runs `piece` over x; returns the number of pieces. */
static size_t run_values(const struct parallel *parallel, struct values_job *job, parallel_piece *piece) {
  job->per_piece = job->count / VALUES_PER_PIECE < VALUE_PIECES_MAX ? VALUES_PER_PIECE : job->count / VALUE_PIECES_MAX + 1;
  const size_t pieces = parallel_piece_count(job->count, job->per_piece);
  parallel_run(parallel, pieces, piece, job);
  return pieces;
}

/* Value i belongs to partial sum i mod SQUARE_LANES: enough of them that additions need not wait for each other. */
static void squares_piece(void *argument, size_t piece) {
  struct values_job *job = argument;
  const float *x = job->x + piece * job->per_piece;
  const size_t count = smaller(job->per_piece, job->count - piece * job->per_piece);
  double lanes[SQUARE_LANES] = {0};
  size_t i = 0;
  for (; i + SQUARE_LANES <= count; i += SQUARE_LANES)
    for (size_t lane = 0; lane < SQUARE_LANES; lane++) lanes[lane] += (double)x[i + lane] * (double)x[i + lane];
  for (size_t lane = 0; i < count; i++, lane++) lanes[lane] += (double)x[i] * (double)x[i];
  for (size_t half = SQUARE_LANES / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  job->sums[piece] = lanes[0];
}

double kernel_sum_squares(const struct parallel *parallel, size_t count, const float *x) {
  struct values_job job = {.count = count, .x = x};
  const size_t pieces = run_values(parallel, &job, squares_piece);
  double sum = 0;
  for (size_t piece = 0; piece < pieces; piece++) sum += job.sums[piece];
  return sum;
}

/* 0 times a number is 0, unless the number is not finite: then it is NaN, and so is every sum with it. */
static void zeros_piece(void *argument, size_t piece) {
  struct values_job *job = argument;
  const float *x = job->x + piece * job->per_piece;
  const size_t count = smaller(job->per_piece, job->count - piece * job->per_piece);
  vector sums[4] = {0};
  size_t i = 0;
  for (; i + 4 * VECTOR_FLOATS <= count; i += 4 * VECTOR_FLOATS)
    for (size_t v = 0; v < 4; v++) sums[v] += vector_load(x + i + v * VECTOR_FLOATS) * 0.0f;
  float sum = 0;
  for (; i < count; i++) sum += x[i] * 0.0f;
  const vector all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) sum += all[lane];
  job->sums[piece] = (double)sum;
}

bool kernel_is_finite(const struct parallel *parallel, size_t count, const float *x) {
  struct values_job job = {.count = count, .x = x};
  const size_t pieces = run_values(parallel, &job, zeros_piece);
  for (size_t piece = 0; piece < pieces; piece++)
    if (job.sums[piece] != 0) return false;
  return true;
}
