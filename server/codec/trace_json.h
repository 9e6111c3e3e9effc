/* Traces as their clients ask for them and see them. */
#ifndef SERVER_CODEC_TRACE_JSON_H
#define SERVER_CODEC_TRACE_JSON_H

#include <jansson.h>

#include "engine/trace.h"
#include "engine/train.h"
#include "server/limits.h"

/* What a trace takes besides rows, targets, weights and windows. Those rows of a job's training that a single step has stand in it. */
struct trace_settings {
  struct train_settings train; /* loss, optimizer, clip_norm, clip_value, seed */
  int64_t steps;               /* taken before */
  bool step;                   /* take the traced one too, and tell what comes of it */
};
extern const struct param trace_params[4];
/* Those of struct train_settings that a single pass has: loss and seed. */
extern const struct param pass_params[2];

/* Fills them with defaults. Free with trace_settings_deinit. */
__attribute__((warn_unused_result)) enum error_code trace_settings_init(struct trace_settings *settings, struct error *error);
void trace_settings_deinit(struct trace_settings *settings);

/* A part of a tensor that a client wants to see. */
struct trace_window {
  char tensor[LIMIT_NAME_BYTES * 2 + 1];
  int64_t offset, limit;
};
/* At most LIMIT_TRACE_WINDOWS into out_windows; NULL JSON: none. What is wrong is added to the error. */
void trace_windows_from_json(const json_t *json, struct trace_window *out_windows, size_t *out_count, struct error *error);

/* A trace after its last pass and update. */
struct trace_view {
  const struct network *network;
  struct trace *trace;
  const struct trace_settings *settings;
  size_t row_count, target_width;
  size_t window_count;
  const struct trace_window *windows;
};

/* {"loss", "penalty", "gradient_norm", "loss_spec", "loss_formula", "optimizer", "optimizer_formula", "input", "input_gradient", "target",
 *  "layers": [{"name", "type", "inputs", "formula", "activation", "activation_formula", "delta_formula", "gradient_formula", "input", "z",
 *              "a", "activation_derivative" or "activation_jacobian", "a_gradient", "delta", "gradient_norm",
 *              "tensors": [{"name", "value", "gradient", "step", "after"}]}],
 *  "windows", "non_finite"}. A window that names no tensor adds an error at /windows/i. New reference, NULL with an error. */
__attribute__((warn_unused_result)) enum error_code trace_to_json(const struct trace_view *view, json_t **out_json, struct error *error);
/* After trace_look_ahead: {"loss", "penalty", "output"}. */
json_t *trace_ahead_to_json(const struct trace_view *view);

#endif
