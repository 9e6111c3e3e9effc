/* Convolution by a library's primitives (kernels_conv_library.h). Where results are of samples, samples go one by one: arranged, computed
 * and brought back while they are in the cache, which is up to a fifth faster than a batch at once. A weight gradient is summed over blocks
 * of samples, whose shares are then added up in order; a last block that isn't full is filled up with δ = 0.
 *
 * Pieces have a slot of working memory each, and go in rounds of as many as there are slots.
 */
#include "engine/kernels_conv_library.h"

#include <stdatomic.h>
#include <string.h>

#include "engine/kernels_conv_primitive.h"
#include "engine/kernels_work.h"

enum {
  BLOCK_PLACES = 1 << 10, /* of so many places are the samples of a block, so that adding up shares takes little of the time */
  SLOTS_MIN = 4,
  SLOTS_MAX = 16,
  SLOT_BYTES = 1 << 22, /* of all slots, unless the fewest have more */
  PRODUCTS_PER_NS = 64,
  LEAST_CHANNELS = 16,          /* and filters, */
  LEAST_PRODUCTS = 1 << 17,     /* and products of a sample, or … */
  LEAST_FLOAT_WEIGHTS = 1 << 19 /* … weights, from which on the library wins */
};

static bool asks_always;
void kernel_conv_ask_library_always(bool always) { asks_always = always; }

static size_t count_products(const struct kernel_conv *conv) {
  return conv->filters * conv->channels * conv->y.size * conv->x.size * conv->y.out * conv->x.out;
}

/* Whether it wins. In float32 it does where weights don't stay in the cache from one sample to the next. */
static bool is_wanted(const struct kernel_conv *conv, bool is_half) {
  bool is_overflow = false;
  const size_t taps = work_multiply(&is_overflow, conv->y.size, conv->x.size);
  const size_t weights = work_multiply(&is_overflow, work_multiply(&is_overflow, taps, conv->channels), conv->filters);
  const size_t products = work_multiply(&is_overflow, work_multiply(&is_overflow, weights, conv->y.out), conv->x.out);
  if (is_overflow || conv->groups != 1 || conv->padding != KERNEL_PAD_ZEROS) return false;
  if (asks_always) return true;
  if (conv->channels < LEAST_CHANNELS || conv->filters < LEAST_CHANNELS) return false;
  return is_half ? products >= LEAST_PRODUCTS : weights >= LEAST_FLOAT_WEIGHTS;
}

struct library_plan {
  struct kernel_conv conv; /* its batch is the primitive's */
  enum conv_direction direction;
  struct conv_primitive *primitive;
  size_t bytes[CONV_OPERANDS], scratch_bytes;
  size_t slot_count;
  /* In working memory: */
  char *operands[CONV_OPERANDS]; /* of the first slot; arranged w, which all share */
  char *scratch;
  float *sums; /* of the weight gradient, arranged */
};

/* Samples of the largest block of a direction. */
static size_t choose_block(const struct kernel_conv *conv, enum conv_direction direction) {
  return direction == CONV_WEIGHT_GRADIENT ? BLOCK_PLACES / (conv->y.out * conv->x.out + 1) + 1 : 1;
}

/* For blocks of conv->batch samples. Operands are cut from `halves` in bfloat16, all else from `floats`. */
static bool plan_open(struct library_plan *plan, const struct kernel_conv *conv, enum conv_direction direction, bool has_bias, bool is_half,
                      struct work_cutter *floats, struct work_cutter *halves) {
  *plan = (struct library_plan){.conv = *conv, .direction = direction};
  plan->primitive = conv_primitive_create(&plan->conv, direction, has_bias, is_half);
  if (plan->primitive == NULL) return false;
  const enum conv_operand result = conv_result_of(direction);
  const size_t largest = choose_block(conv, direction);
  bool *is_overflow = &floats->is_overflow;
  size_t slot = plan->scratch_bytes = work_round_up(conv_primitive_scratch_bytes(plan->primitive), WORK_LINE_BYTES);
  for (int i = 0; i < CONV_OPERANDS; i++) {
    const size_t bytes = conv_primitive_bytes(plan->primitive, (enum conv_operand)i);
    plan->bytes[i] = work_round_up(i == CONV_W ? bytes : work_multiply(is_overflow, bytes, largest), WORK_LINE_BYTES);
    if (i != CONV_W || result == CONV_W) slot += plan->bytes[i];
  }
  plan->slot_count = SLOT_BYTES / (slot + 1) + 1;
  if (plan->slot_count < SLOTS_MIN) plan->slot_count = SLOTS_MIN;
  if (plan->slot_count > SLOTS_MAX) plan->slot_count = SLOTS_MAX;
  for (int i = 0; i < CONV_OPERANDS; i++) {
    struct work_cutter *cutter = is_half && i != (int)result ? halves : floats;
    plan->operands[i] = work_cut(cutter, i == CONV_W && result != CONV_W ? 1 : plan->slot_count, plan->bytes[i]);
  }
  plan->scratch = work_cut(floats, plan->slot_count, plan->scratch_bytes);
  if (result == CONV_W) plan->sums = work_cut(floats, 1, plan->bytes[CONV_W]);
  return true;
}

static void plan_close(struct library_plan *plan) { conv_primitive_destroy(plan->primitive); }

bool kernel_conv_library_measure(const struct kernel_conv *conv, bool is_half, struct kernel_conv_room *out_room) {
  *out_room = (struct kernel_conv_room){0};
  if (!is_wanted(conv, is_half)) return false;
  struct kernel_conv_room room = {0};
  for (int direction = CONV_FORWARD; direction <= CONV_WEIGHT_GRADIENT; direction++) {
    struct work_cutter floats = {0}, halves = {0};
    struct kernel_conv block = *conv;
    struct library_plan plan;
    block.batch = choose_block(conv, (enum conv_direction)direction);
    const bool is_there = plan_open(&plan, &block, (enum conv_direction)direction, true, is_half, &floats, &halves);
    plan_close(&plan);
    if (!is_there || floats.is_overflow || halves.is_overflow) return false;
    const size_t work_count = floats.used / sizeof(float), half_count = halves.used / sizeof(uint16_t);
    if (room.work_count < work_count) room.work_count = work_count;
    if (room.half_count < half_count) room.half_count = half_count;
  }
  *out_room = room;
  return true;
}

/* Plans blocks of so many samples in memory that is there, and makes the primitive ready. */
static bool begin(struct library_plan *plan, const struct kernel_conv *conv, enum conv_direction direction, bool has_bias, size_t samples,
                  const struct kernel_conv_room *room) {
  struct work_cutter floats = {.memory = (char *)room->work}, halves = {.memory = (char *)room->half};
  struct kernel_conv block = *conv;
  block.batch = samples;
  return is_wanted(conv, room->half != NULL) && plan_open(plan, &block, direction, has_bias, room->half != NULL, &floats, &halves) &&
         !floats.is_overflow && !halves.is_overflow && floats.used <= room->work_count * sizeof(float) &&
         halves.used <= room->half_count * sizeof(uint16_t) && conv_primitive_prepare(plan->primitive);
}

/* One call under way. */
struct library_job {
  const struct library_plan *plan;
  const float *x, *delta, *bias;
  float *out;            /* z or dx */
  size_t batch, samples; /* in all; of a piece */
  size_t first, end;     /* samples of the round */
  atomic_bool has_failed;
};

static struct conv_session *open_slot(const struct library_plan *plan, size_t slot, const float *bias) {
  struct conv_memory memory = {.scratch = plan->scratch + slot * plan->scratch_bytes, .bias = bias};
  for (int i = 0; i < CONV_OPERANDS; i++) {
    const bool is_shared = i == CONV_W && plan->direction != CONV_WEIGHT_GRADIENT;
    memory.operands[i] = plan->operands[i] + (is_shared ? 0 : slot * plan->bytes[i]);
  }
  return conv_session_open(plan->primitive, &memory);
}

static size_t sample_size(const struct kernel_conv *conv, enum conv_operand operand) {
  return operand == CONV_X ? conv->channels * conv->y.in * conv->x.in : conv->filters * conv->y.out * conv->x.out;
}

/* Runs the pieces of all samples, a round after the other. */
static bool run_rounds(const struct parallel *parallel, struct library_job *job, parallel_piece *piece,
                       void (*end_round)(const struct library_job *job, size_t piece_count)) {
  const bool is_alone = parallel == NULL || parallel->thread_count <= 1; /* then one slot, which stays in the cache */
  for (job->first = 0; job->first < job->batch; job->first = job->end) {
    job->end = work_smaller(job->first + job->samples * (is_alone ? 1 : job->plan->slot_count), job->batch);
    const size_t count = parallel_piece_count(job->end - job->first, job->samples);
    parallel_run(parallel, count, piece, job);
    if (atomic_load(&job->has_failed)) return false;
    if (end_round != NULL) end_round(job, count);
  }
  return true;
}

/* Sample by sample */

static void samples_piece(void *argument, size_t piece) {
  struct library_job *job = argument;
  const struct library_plan *plan = job->plan;
  const enum conv_operand to = conv_result_of(plan->direction), from = to == CONV_X ? CONV_Z : CONV_X;
  const float *values = from == CONV_X ? job->x : job->delta;
  const size_t from_size = sample_size(&plan->conv, from), to_size = sample_size(&plan->conv, to);
  const size_t first = job->first + piece * job->samples, end = work_smaller(first + job->samples, job->end);
  struct conv_session *session = open_slot(plan, piece, job->bias);
  bool is_done = session != NULL;
  for (size_t n = first; n < end && is_done; n++)
    is_done = conv_session_arrange(session, from, 0, values + n * from_size) && conv_session_run(session) &&
              conv_session_restore(session, to, 0, job->out + n * to_size);
  conv_session_close(session);
  if (!is_done) atomic_store(&job->has_failed, true);
}

static bool arrange_weights(const struct library_plan *plan, const float *w, const float *bias) {
  struct conv_session *session = open_slot(plan, 0, bias);
  const bool is_done = session != NULL && conv_session_arrange(session, CONV_W, 0, w);
  conv_session_close(session);
  return is_done;
}

static bool run_samples(const struct parallel *parallel, struct library_job *job, const float *w) {
  job->samples = parallel_items_per_piece(job->batch, count_products(&job->plan->conv) / PRODUCTS_PER_NS);
  return arrange_weights(job->plan, w, job->bias) && run_rounds(parallel, job, samples_piece, NULL);
}

bool kernel_conv_library_forward(const struct parallel *parallel, const struct kernel_conv *conv, const float *x, const float *w,
                                 const float *bias, float *z, const struct kernel_conv_room *room) {
  struct library_plan plan = {0};
  struct library_job job = {.plan = &plan, .x = x, .bias = bias, .out = z, .batch = conv->batch};
  const bool is_done = begin(&plan, conv, CONV_FORWARD, bias != NULL, 1, room) && run_samples(parallel, &job, w);
  plan_close(&plan);
  return is_done;
}

bool kernel_conv_library_input_gradient(const struct parallel *parallel, const struct kernel_conv *conv, const float *delta, const float *w,
                                        float *dx, const struct kernel_conv_room *room) {
  struct library_plan plan = {0};
  struct library_job job = {.plan = &plan, .delta = delta, .out = dx, .batch = conv->batch};
  const bool is_done = begin(&plan, conv, CONV_INPUT_GRADIENT, false, 1, room) && run_samples(parallel, &job, w);
  plan_close(&plan);
  return is_done;
}

/* Block by block */

/* The shares of a block, in its slot. */
static void block_piece(void *argument, size_t piece) {
  struct library_job *job = argument;
  const struct library_plan *plan = job->plan;
  const size_t x_size = sample_size(&plan->conv, CONV_X), z_size = sample_size(&plan->conv, CONV_Z);
  const size_t first = job->first + piece * job->samples, count = work_smaller(job->samples, job->end - first);
  struct conv_session *session = open_slot(plan, piece, NULL);
  bool is_done = session != NULL;
  for (size_t i = 0; i < count && is_done; i++)
    is_done = conv_session_arrange(session, CONV_X, i, job->x + (first + i) * x_size) &&
              conv_session_arrange(session, CONV_Z, i, job->delta + (first + i) * z_size);
  for (int operand = CONV_X; operand < CONV_OPERANDS; operand++) { /* zeros are zeros in either precision */
    const size_t bytes = conv_primitive_bytes(plan->primitive, (enum conv_operand)operand);
    if (operand != CONV_W && count < job->samples)
      memset(plan->operands[operand] + piece * plan->bytes[operand] + count * bytes, 0, (job->samples - count) * bytes);
  }
  is_done = is_done && conv_session_run(session);
  conv_session_close(session);
  if (!is_done) atomic_store(&job->has_failed, true);
}

static void add_shares(const struct library_job *job, size_t piece_count) {
  const struct library_plan *plan = job->plan;
  const size_t count = conv_primitive_bytes(plan->primitive, CONV_W) / sizeof(float);
  for (size_t piece = 0; piece < piece_count; piece++) {
    const float *share = (const float *)(const void *)(plan->operands[CONV_W] + piece * plan->bytes[CONV_W]);
    for (size_t i = 0; i < count; i++) plan->sums[i] += share[i];
  }
}

static bool restore_sums(const struct library_plan *plan, float *dw) {
  const struct conv_memory memory = {.operands = {plan->operands[CONV_X], plan->sums, plan->operands[CONV_Z]}, .scratch = plan->scratch};
  struct conv_session *session = conv_session_open(plan->primitive, &memory);
  const bool is_done = session != NULL && conv_session_restore(session, CONV_W, 0, dw);
  conv_session_close(session);
  return is_done;
}

bool kernel_conv_library_weight_gradient(const struct parallel *parallel, const struct kernel_conv *conv, const float *x,
                                         const float *delta, float *dw, const struct kernel_conv_room *room) {
  const size_t most = choose_block(conv, CONV_WEIGHT_GRADIENT), blocks = (conv->batch + most - 1) / most;
  struct library_plan plan = {0};
  struct library_job job = {.plan = &plan, .x = x, .delta = delta, .batch = conv->batch};
  job.samples = (conv->batch + blocks - 1) / blocks; /* blocks of about one size */
  bool is_done = begin(&plan, conv, CONV_WEIGHT_GRADIENT, false, job.samples, room);
  if (is_done) {
    memset(plan.sums, 0, plan.bytes[CONV_W]);
    is_done = run_rounds(parallel, &job, block_piece, add_shares) && restore_sums(&plan, dw);
  }
  plan_close(&plan);
  return is_done;
}
