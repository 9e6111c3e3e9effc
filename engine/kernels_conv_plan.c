/* Sizes, working memory and copies of images of convolutions (kernels_conv_private.h). */
#include "engine/kernels_conv_private.h"

#include <string.h>

/* Phases */

static size_t common_divisor(size_t left, size_t right) { return right == 0 ? left : common_divisor(right, left % right); }

/* Taps k and k + phases read the same phase of an axis. */
static size_t count_phases(const struct kernel_axis *axis) {
  return work_smaller(axis->size, axis->stride / common_divisor(axis->stride, axis->dilation));
}
/* Longest distance at which a tap reads within its phase. */
static size_t longest_shift(const struct kernel_axis *axis) { return (axis->size - 1) * axis->dilation / axis->stride; }

/* The value that entry `at` of a phase copies, or SIZE_MAX: none, it is 0. */
size_t conv_find_source(const struct kernel_axis *axis, enum kernel_padding padding, size_t phase, size_t at) {
  const size_t padded = at * axis->stride + phase * axis->dilation % axis->stride;
  if (padded >= axis->before && padded - axis->before < axis->in) return padded - axis->before;
  if (padding == KERNEL_PAD_ZEROS || padded >= axis->before + axis->in + axis->after) return SIZE_MAX;
  const bool is_before = padded < axis->before;
  const size_t beyond = is_before ? axis->before - padded : padded - axis->before - axis->in; /* before: 1 …, behind: 0 … */
  switch (padding) {
  case KERNEL_PAD_REFLECT: return is_before ? beyond : axis->in - 2 - beyond;
  case KERNEL_PAD_REPLICATE: return is_before ? 0 : axis->in - 1;
  case KERNEL_PAD_CIRCULAR: return is_before ? axis->in - beyond : beyond;
  case KERNEL_PAD_ZEROS: break;
  }
  return SIZE_MAX;
}

static struct conv_side make_side(size_t results, size_t terms) {
  const bool has_lanes = results >= CONV_LANES_MIN && terms >= CONV_LANE_TERMS;
  return (struct conv_side){
      .results = results, .terms = terms, .has_lanes = has_lanes, .lanes = has_lanes ? work_round_up(results, VECTOR_FLOATS) : results};
}

static struct conv_plan make_plan(const struct kernel_conv *conv, struct work_cutter *cutter) {
  struct conv_plan plan = {.conv = conv, .group_channels = conv->channels / conv->groups, .group_filters = conv->filters / conv->groups};
  bool is_overflow = false;
  plan.taps = work_multiply(&is_overflow, conv->y.size, conv->x.size);
  plan.phases_y = count_phases(&conv->y);
  plan.phases_x = count_phases(&conv->x);
  plan.phases = work_multiply(&is_overflow, plan.phases_y, plan.phases_x);
  plan.rows = conv->y.out + longest_shift(&conv->y);
  plan.width = conv->x.out + longest_shift(&conv->x);
  plan.plane = work_multiply(&is_overflow, plan.rows, plan.width);
  plan.channel = work_multiply(&is_overflow, plan.phases, plan.plane);
  plan.places = work_multiply(&is_overflow, conv->y.out, conv->x.out);
  plan.margin = longest_shift(&conv->y) * plan.width + longest_shift(&conv->x);
  plan.has_lanes = plan.group_filters >= CONV_LANES_MIN;
  plan.lanes = plan.has_lanes ? work_round_up(plan.group_filters, VECTOR_FLOATS) : plan.group_filters;
  plan.image = work_multiply(&is_overflow, conv->channels, plan.channel) + CONV_SLACK;
  plan.spread = work_multiply(&is_overflow, conv->filters, plan.margin + plan.plane) + CONV_SLACK;
  plan.turned = plan.has_lanes ? work_multiply(&is_overflow, plan.places, conv->groups * plan.lanes) : 0;
  const size_t delta = plan.turned > plan.spread ? plan.turned : plan.spread;
  plan.block = CONV_BLOCK_FLOATS / (plan.image + delta) + 1;
  plan.block = work_smaller(plan.block, CONV_BLOCK_SAMPLES);
  const size_t terms = work_multiply(&is_overflow, plan.group_channels, plan.taps);
  plan.forward = make_side(plan.group_filters, terms);
  plan.backward = make_side(plan.group_channels, work_multiply(&is_overflow, plan.group_filters, plan.taps));
  cutter->is_overflow |= is_overflow;
  plan.shifts = work_cut(cutter, plan.taps, sizeof *plan.shifts);
  plan.back_shifts = work_cut(cutter, plan.taps, sizeof *plan.back_shifts);
  plan.back_taps = work_cut(cutter, plan.taps, sizeof *plan.back_taps);
  plan.phase_ends = work_cut(cutter, plan.phases, sizeof *plan.phase_ends);
  plan.columns = work_cut(cutter, work_multiply(&cutter->is_overflow, plan.phases_x, plan.width), sizeof *plan.columns);
  plan.images = work_cut(cutter, work_multiply(&cutter->is_overflow, plan.block, plan.image), sizeof(float));
  plan.deltas = work_cut(cutter, work_multiply(&cutter->is_overflow, plan.block, delta), sizeof(float));
  const size_t forward_weights = plan.forward.has_lanes ? work_multiply(&cutter->is_overflow, terms, conv->groups * plan.forward.lanes) : 0;
  const size_t backward_weights = work_multiply(&cutter->is_overflow, plan.backward.terms, conv->groups * plan.backward.lanes);
  plan.weights = work_cut(cutter, forward_weights > backward_weights ? forward_weights : backward_weights, sizeof(float));
  plan.sums = work_cut(cutter, work_multiply(&cutter->is_overflow, terms, conv->groups * plan.lanes), sizeof(float));
  return plan;
}

size_t kernel_conv_work_size(const struct kernel_conv *conv) {
  struct work_cutter cutter = {0};
  (void)make_plan(conv, &cutter);
  return cutter.is_overflow ? 0 : cutter.used / sizeof(float);
}

static size_t shift_in_phase(const struct conv_plan *plan, size_t tap) {
  const struct kernel_axis *y = &plan->conv->y, *x = &plan->conv->x;
  return tap / x->size * y->dilation / y->stride * plan->width + tap % x->size * x->dilation / x->stride;
}
static size_t phase_of(const struct conv_plan *plan, size_t tap) {
  const size_t size_x = plan->conv->x.size;
  return tap / size_x % plan->phases_y * plan->phases_x + tap % size_x % plan->phases_x;
}

struct conv_plan conv_begin(const struct kernel_conv *conv, float *work) {
  struct work_cutter cutter = {.memory = (char *)work};
  struct conv_plan plan = make_plan(conv, &cutter);
  for (size_t tap = 0; tap < plan.taps; tap++)
    plan.shifts[tap] = (ptrdiff_t)(phase_of(&plan, tap) * plan.plane + shift_in_phase(&plan, tap));
  for (size_t phase = 0, count = 0; phase < plan.phases; phase++) {
    for (size_t tap = 0; tap < plan.taps; tap++) {
      if (phase_of(&plan, tap) != phase) continue;
      plan.back_taps[count] = tap;
      plan.back_shifts[count++] = -(ptrdiff_t)shift_in_phase(&plan, tap);
    }
    plan.phase_ends[phase] = count;
  }
  for (size_t phase = 0; phase < plan.phases_x; phase++)
    for (size_t at = 0; at < plan.width; at++) plan.columns[phase * plan.width + at] = conv_find_source(&conv->x, conv->padding, phase, at);
  return plan;
}

static void run_piece(void *argument, size_t piece) {
  struct conv_job *job = argument;
  const size_t first = piece * job->items_per_piece, end = work_smaller(first + job->items_per_piece, job->item_count);
  for (size_t item = first; item < end; item++) job->item(job, item);
}

/* Runs item(job, 0 … count − 1), each of a cost of so many nanoseconds. */
void conv_run_items(const struct parallel *parallel, struct conv_job *job, parallel_piece *item, size_t count, size_t cost) {
  job->item = item;
  job->item_count = count;
  job->items_per_piece = parallel_items_per_piece(count, cost);
  parallel_run(parallel, parallel_piece_count(count, job->items_per_piece), run_piece, job);
}

/* Copies of images */

/* Short rows, for which a call of memcpy would cost more than the copy. */
static inline void conv_copy_floats(float *to, const float *from, size_t count) {
  for (size_t i = 0; i < count; i += VECTOR_FLOATS) vector_store_some(to + i, vector_load_some(from + i, count - i), count - i);
}

/* Whether each value of the input has one copy, in one phase, and a row of copies lies as the row of values does. */
bool conv_is_plain(const struct kernel_conv *conv) {
  return conv->padding == KERNEL_PAD_ZEROS && conv->y.stride == 1 && conv->x.stride == 1;
}

static void copy_row(const struct conv_plan *plan, size_t phase_x, const float *from, size_t step, float *to) {
  const size_t *columns = plan->columns + phase_x * plan->width;
  for (size_t at = 0; at < plan->width; at++) to[at] = columns[at] == SIZE_MAX ? 0 : from[columns[at] * step];
}

/* Copies one channel of one sample. */
static void copy_channel(void *argument, size_t item) {
  const struct conv_job *job = argument;
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t n = item / conv->channels, c = item % conv->channels, size = conv->y.in * conv->x.in;
  const float *from = job->x + n * conv->channels * size + (conv->channels_last ? c : c * size);
  const size_t step = conv->channels_last ? conv->channels : 1;
  float *to = plan->images + n * plan->image + c * plan->channel;
  if (conv_is_plain(conv) && step == 1) { /* between zeros, which are there already */
    to += conv->y.before * plan->width + conv->x.before;
    for (size_t row = 0; row < conv->y.in; row++) conv_copy_floats(to + row * plan->width, from + row * conv->x.in, conv->x.in);
    return;
  }
  for (size_t phase = 0; phase < plan->phases; phase++) {
    for (size_t row = 0; row < plan->rows; row++, to += plan->width) {
      const size_t source = conv_find_source(&conv->y, conv->padding, phase / plan->phases_x, row);
      if (source == SIZE_MAX)
        memset(to, 0, plan->width * sizeof *to);
      else
        copy_row(plan, phase % plan->phases_x, from + source * conv->x.in * step, step, to);
    }
  }
}

void conv_copy_images(const struct parallel *parallel, struct conv_job *job) {
  conv_run_items(parallel, job, copy_channel, job->samples * job->plan->conv->channels, job->plan->channel / CONV_COPIES_PER_NS);
}

/* Zeros around and behind what every block of samples copies. */
void conv_clear_images(const struct conv_plan *plan) {
  memset(plan->images, 0, work_smaller(plan->block, plan->conv->batch) * plan->image * sizeof *plan->images);
}

/* δ of one filter of one sample, with zeros around, which are there already. */
static void spread_filter(void *argument, size_t item) {
  const struct conv_job *job = argument;
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t n = item / conv->filters, f = item % conv->filters, step = conv->channels_last ? conv->filters : 1;
  const float *from = job->delta + n * conv->filters * plan->places + (conv->channels_last ? f : f * plan->places);
  float *to = plan->deltas + n * plan->spread + f * (plan->margin + plan->plane) + plan->margin;
  for (size_t row = 0; row < conv->y.out; row++, to += plan->width, from += conv->x.out * step) {
    if (step == 1)
      conv_copy_floats(to, from, conv->x.out);
    else
      for (size_t x = 0; x < conv->x.out; x++) to[x] = from[x * step];
  }
}

void conv_spread_deltas(const struct parallel *parallel, struct conv_job *job) {
  conv_run_items(parallel, job, spread_filter, job->samples * job->plan->conv->filters, job->plan->places / CONV_COPIES_PER_NS);
}
