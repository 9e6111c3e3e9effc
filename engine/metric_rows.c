#include "engine/metric_rows.h"

#include <stdlib.h>
#include <string.h>

#include "engine/loss.h"

static struct metric_rows lay_out(const struct network *network, const struct metric_rows_options *options) {
  const size_t width = shape_size(network_get_output_shape(network)), steps = options->target_steps > 0 ? options->target_steps : 1;
  return (struct metric_rows){.task = options->task,
                              .steps = steps,
                              .output_width = width / steps,
                              .target_width = options->target_width / steps,
                              .step_width = width / network_get_output_shape(network)->sizes[0]};
}

static bool keeps_lengths(const struct network *network, const struct metric_rows_options *options) {
  return options->task != TASK_CLASSIFICATION && network_has_output_lengths(network);
}

bool metric_rows_measure(const struct network *network, const struct metric_rows_options *options, uint64_t *out_bytes) {
  const struct metric_rows rows = lay_out(network, options);
  uint64_t row_floats = ((uint64_t)rows.output_width + rows.target_width) * rows.steps + keeps_lengths(network, options);
  return !__builtin_mul_overflow(row_floats, sizeof(float), &row_floats) &&
         !__builtin_mul_overflow(row_floats, (uint64_t)options->row_count, out_bytes);
}

enum error_code metric_rows_init(struct metric_rows *rows, const struct network *network, const struct metric_rows_options *options,
                                 struct error *error) {
  uint64_t bytes;
  *rows = lay_out(network, options);
  if (!metric_rows_measure(network, options, &bytes) || bytes > SIZE_MAX)
    return error_set(error, ERROR_OVER_BUDGET, "the outputs of %zu rows need more memory than can be addressed", options->row_count);
  rows->capacity = options->row_count * rows->steps;
  const bool has_lengths = keeps_lengths(network, options);
  if (options->memory != NULL) {
    rows->is_borrowed = true;
    rows->outputs = options->memory;
    rows->targets = rows->outputs + rows->capacity * rows->output_width;
    if (has_lengths) rows->lengths = (uint32_t *)options->memory + rows->capacity * (rows->output_width + rows->target_width);
    return ERROR_NONE;
  }
  rows->outputs = malloc((rows->capacity * rows->output_width + 1) * sizeof *rows->outputs);
  rows->targets = malloc((rows->capacity * rows->target_width + 1) * sizeof *rows->targets);
  if (has_lengths) rows->lengths = malloc((rows->capacity + 1) * sizeof *rows->lengths);
  if (rows->outputs != NULL && rows->targets != NULL && (rows->lengths != NULL || !has_lengths)) return ERROR_NONE;
  return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the outputs of %zu rows", options->row_count);
}

void metric_rows_deinit(struct metric_rows *rows) {
  if (!rows->is_borrowed) {
    free(rows->outputs);
    free(rows->targets);
    free(rows->lengths);
  }
  *rows = (struct metric_rows){0};
}

static void keep(struct metric_rows *rows, const float *output, const float *target) {
  memcpy(rows->outputs + rows->count * rows->output_width, output, rows->output_width * sizeof *output);
  memcpy(rows->targets + rows->count * rows->target_width, target, rows->target_width * sizeof *target);
  rows->count++;
}

void metric_rows_add(struct metric_rows *rows, const struct workspace *workspace, const float *targets, size_t count) {
  const uint32_t *lengths = workspace_get_output_lengths(workspace);
  const float *outputs = workspace_get_output(workspace);
  const size_t output_size = rows->steps * rows->output_width, target_size = rows->steps * rows->target_width;
  for (size_t i = 0; i < count; i++) {
    const float *output = outputs + i * output_size, *target = targets + i * target_size;
    const size_t steps = rows->steps > 1 && lengths != NULL ? lengths[i] : rows->steps;
    if (rows->lengths != NULL) rows->lengths[rows->count] = lengths[i] * (uint32_t)rows->step_width;
    for (size_t step = 0; step < steps; step++)
      if (rows->steps == 1 || target[step] != LOSS_NO_CLASS)
        keep(rows, output + step * rows->output_width, target + step * rows->target_width);
  }
}

struct metric_input metric_rows_get(const struct metric_rows *rows) {
  return (struct metric_input){.task = rows->task,
                               .rows = rows->count,
                               .width = rows->output_width,
                               .outputs = rows->outputs,
                               .targets = rows->targets,
                               .lengths = rows->lengths};
}
