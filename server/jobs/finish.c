/* The end of a run: test part, model, and the one transaction that makes it final.
 *
 * Invariant: a job's last metrics, its model, its state and the end of its checkpoint are on disk together or not at all. If they can't be
 * written for a while, the job stays `running` in the store, and the next start resumes it from its checkpoint.
 */
#include <inttypes.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/metric_rows.h"
#include "server/jobs/run.h"
#include "server/log.h"
#include "server/store/blobs.h"

enum { WRITE_ATTEMPTS = 30, CANCELLED_EVALUATION_MS = 500, EVENTS_AT_END = 3 };

/* All that the last transaction stores. */
struct product {
  enum ending ending;
  char *test_json, *error_json;
  bool has_model;
  struct model_row model;
  float *weights; /* parameters, then buffers */
  size_t weight_count;
};

static void product_deinit(struct product *product) {
  free(product->test_json);
  free(product->error_json);
  free(product->weights);
  free(product->model.preprocessing_json);
  free(product->model.metrics_json);
}

/* ---- test part ---- */

struct evaluation {
  struct run *run;
  int64_t deadline_ms; /* 0: none */
  struct workspace *workspace;
  size_t width, target_width; /* of the network's output; of one row of y */
  struct metric_rows rows;
  float *one_hot;           /* [EVALUATION_BATCH, width]; NULL unless the loss wants a class as a 1 among 0s */
  struct row_reader reader; /* of the test rows … */
  float *x;                 /* … [EVALUATION_BATCH, input …], where they don't stand so */
  double loss_sum, loss_weight;
};

static bool must_stop(const struct evaluation *evaluation) {
  if (evaluation->deadline_ms == 0) return run_is_interrupted(evaluation->run);
  return clock_now_ms() > evaluation->deadline_ms;
}

static bool wants_one_hot(const struct evaluation *evaluation) {
  const struct run *run = evaluation->run;
  return run->prepared.data.task == TASK_CLASSIFICATION && evaluation->width > 1 &&
         loss_of(&run->spec.train.loss)->target_form == TARGET_VALUES;
}

static const float *get_loss_target(struct evaluation *evaluation, const float *y, size_t count) {
  if (evaluation->one_hot == NULL) return y;
  memset(evaluation->one_hot, 0, count * evaluation->width * sizeof(float));
  for (size_t i = 0; i < count; i++) evaluation->one_hot[i * evaluation->width + (size_t)y[i]] = 1;
  return evaluation->one_hot;
}

static void evaluate_batch(struct evaluation *evaluation, size_t first, size_t count) {
  struct run *run = evaluation->run;
  const struct spec *loss = &run->spec.train.loss;
  struct pass_options pass = {.batch = count, .joins = true, .parallel = run->team == NULL ? NULL : team_get_parallel(run->team)};
  const struct prepared *prepared = &run->prepared;
  const float *x = row_reader_get(&evaluation->reader, first, count, evaluation->x);
  const float *y = prepared->data.target_is_input ? x : prepared->test.y + first * evaluation->target_width;
  /* Buffers are only written in training. */
  float *buffers = (float *)(uintptr_t)trainer_get_buffers(run->trainer);
  network_forward(run->network, evaluation->workspace, &pass, x, trainer_get_parameters(run->trainer), buffers);
  struct loss_batch batch = workspace_get_loss_batch(evaluation->workspace, loss, count, get_loss_target(evaluation, y, count));
  batch.class_weights = trainer_get_class_weights(run->trainer);
  loss_evaluate(loss, &batch, &evaluation->loss_sum, &evaluation->loss_weight);
  metric_rows_add(&evaluation->rows, evaluation->workspace, y, count);
}

static enum error_code evaluate_rows(struct evaluation *evaluation, char **out_json, struct error *error) {
  struct run *run = evaluation->run;
  const struct preprocessor *preprocessor = &run->prepared.preprocessor;
  size_t row_count = run->prepared.test.count;
  for (size_t first = 0; first < row_count; first += EVALUATION_BATCH) {
    if (must_stop(evaluation)) return error_set(error, ERROR_CONFLICT, "the evaluation of the test part was stopped");
    size_t rest = row_count - first;
    evaluate_batch(evaluation, first, rest < EVALUATION_BATCH ? rest : EVALUATION_BATCH);
  }
  const struct metric_baseline baselines[] = {{"naive", run->prepared.baselines[0]}, {"seasonal_naive", run->prepared.baselines[1]}};
  struct metric_input input = metric_rows_get(&evaluation->rows);
  input.class_count = run->prepared.data.class_count;
  input.scale = run->units.scale;
  input.category_spans = run->units.category_spans;
  input.is_one_quantity = run->units.is_one_quantity;
  input.baselines = baselines;
  input.baseline_count = preprocessor->window.length > 0 ? sizeof baselines / sizeof baselines[0] : 0;
  double loss = evaluation->loss_weight > 0 ? evaluation->loss_sum / evaluation->loss_weight : (double)NAN;
  *out_json = run->jobs->translator->encode_metrics(&input, loss, preprocessor, error);
  if (*out_json != NULL) return ERROR_NONE;
  return error->code != ERROR_NONE ? error->code : error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the test part's metrics");
}

/* Metrics of the test part, NULL if there is none. ERROR_CONFLICT: interrupted, or the deadline has passed. */
static enum error_code evaluate_test_part(struct run *run, int64_t deadline_ms, char **out_json, struct error *error) {
  struct evaluation evaluation = {.run = run, .deadline_ms = deadline_ms, .width = shape_size(network_get_output_shape(run->network))};
  size_t row_count = run->prepared.test.count;
  if (row_count == 0) return ERROR_NONE;
  evaluation.target_width = run->prepared.preprocessor.target_width;
  row_reader_init(&evaluation.reader, &run->prepared.test, network_get_input_shape(run->network));
  enum error_code code = workspace_create(run->network, EVALUATION_BATCH, false, &evaluation.workspace, error);
  if (code == ERROR_NONE) {
    const struct metric_rows_options options = {.task = run->prepared.preprocessor.task,
                                                .row_count = row_count,
                                                .target_steps = run->prepared.data.target_steps,
                                                .target_width = evaluation.target_width};
    code = metric_rows_init(&evaluation.rows, run->network, &options, error);
  }
  if (code == ERROR_NONE) {
    evaluation.x = malloc(EVALUATION_BATCH * evaluation.reader.size * sizeof(float));
    bool has_one_hot = wants_one_hot(&evaluation);
    if (has_one_hot) evaluation.one_hot = malloc(EVALUATION_BATCH * evaluation.width * sizeof(float));
    if (evaluation.x == NULL || (has_one_hot && evaluation.one_hot == NULL)) {
      code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to evaluate %zu test rows", row_count);
    } else {
      code = evaluate_rows(&evaluation, out_json, error);
    }
  }
  free(evaluation.x);
  free(evaluation.one_hot);
  metric_rows_deinit(&evaluation.rows);
  workspace_destroy(evaluation.workspace);
  return code;
}

/* ---- model ---- */

static void hash_weights(const float *weights, size_t count, char out_hex[STORE_SHA256_HEX_BYTES]) {
  _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weights are hashed and stored as they lie in memory: little-endian");
  struct sha256_ctx context;
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_init(&context);
  sha256_update(&context, count * sizeof(float), (const uint8_t *)weights);
  sha256_digest(&context, sizeof digest, digest);
  for (size_t i = 0; i < sizeof digest; i++) snprintf(out_hex + 2 * i, 3, "%02x", digest[i]);
}

static bool are_finite(const float *values, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(values[i])) return false;
  return true;
}

/* What the preprocessor of a model has besides what was fitted: so that the model's loss on other data is computed as it was here. */
static bool keep_class_weights(struct run *run) {
  const double *weights = trainer_get_class_weights(run->trainer);
  return weights == NULL || target_set_class_weights(&run->prepared.preprocessor.targets[0], weights);
}

/* The trainer's weights as a model; none if they aren't finite. */
static enum error_code make_model(struct run *run, struct product *product, struct error *error) {
  const struct job_translator *translator = run->jobs->translator;
  size_t parameter_count = network_parameter_count(run->network), buffer_count = network_buffer_count(run->network);
  product->weight_count = parameter_count + buffer_count;
  product->weights = malloc((product->weight_count + 1) * sizeof(float));
  if (product->weights == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a model of %zu weights", product->weight_count);
  memcpy(product->weights, trainer_get_parameters(run->trainer), parameter_count * sizeof(float));
  if (buffer_count > 0) memcpy(product->weights + parameter_count, trainer_get_buffers(run->trainer), buffer_count * sizeof(float));
  if (!are_finite(product->weights, product->weight_count)) return ERROR_NONE;
  if (!keep_class_weights(run)) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the class weights");
  struct model_row *model = &product->model;
  *model = (struct model_row){.network_json = run->row.network_json,
                              .preprocessing_json = translator->encode_preprocessor(&run->prepared.preprocessor),
                              .job_spec_json = run->row.spec_json,
                              .metrics_json = translator->encode_model_metrics(run->outbox.best_json, product->test_json),
                              .parameter_count = parameter_count,
                              .buffer_count = buffer_count};
  if (model->preprocessing_json == NULL || model->metrics_json == NULL)
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a model");
  store_make_id("model", model->id);
  memcpy(model->job_id, run->row.id, sizeof model->job_id);
  hash_weights(product->weights, product->weight_count, model->weights_sha256);
  product->has_model = true;
  return ERROR_NONE;
}

/* A diverged job's last finite weights are those of its checkpoint. */
static enum error_code make_diverged_model(struct run *run, struct product *product, struct error *error) {
  if (run->checkpoint_blob == 0) return ERROR_NONE;
  enum error_code code = run_restore(run, error);
  if (code == ERROR_NONE) code = make_model(run, product, error);
  if (code == ERROR_NONE && product->has_model) {
    run_log(run, "the model has the weights of the last checkpoint, at step %" PRIu64, run->row.progress.step);
  }
  return code;
}

/* A test on rows that were learned from is too kind: whoever reads its metrics should know. */
static void log_shared_rows(struct run *run) {
  struct error error = {0};
  uint64_t count = 0;
  bool is_estimate;
  const size_t target_width = preprocessor_get_target_width(&run->prepared.preprocessor, false);
  enum error_code code =
      prepared_count_shared_rows(&run->prepared, network_get_input_shape(run->network), target_width, &count, &is_estimate, &error);
  if (code == ERROR_NONE && count > 0)
    run_log(run, "%s%" PRIu64 " of the %zu test rows are among the training rows too: what is measured on them is no test",
            is_estimate ? "about " : "", count, run->prepared.test.count);
}

static void fail(struct run *run, struct product *product, const struct error *reason) {
  product->ending = product->ending == ENDING_DIVERGED ? ENDING_DIVERGED : ENDING_ERROR;
  free(product->error_json);
  product->error_json = run->jobs->translator->encode_error(reason);
}

static void prepare_cancelled(struct run *run, struct product *product) {
  struct error error = {0};
  if (!run->is_trained || run->trainer == NULL) return;
  enum error_code code = evaluate_test_part(run, clock_now_ms() + CANCELLED_EVALUATION_MS, &product->test_json, &error);
  if (code != ERROR_NONE) run_log(run, "the model has no test metrics: %s", error.detail);
  error_clear(&error);
  if (make_model(run, product, &error) != ERROR_NONE) run_log(run, "no model could be made: %s", error.detail);
}

/* Makes whatever the ending calls for; may turn it into another (an interruption came, memory is short). */
static void prepare_product(struct run *run, struct product *product, const struct error *reason) {
  struct error error = {0};
  enum error_code code = ERROR_NONE;
  switch (product->ending) {
  case ENDING_SUCCEEDED:
  case ENDING_EARLY_STOPPED:
    code = evaluate_test_part(run, 0, &product->test_json, &error);
    if (code == ERROR_CONFLICT && run_is_interrupted(run)) {
      int request = atomic_load(&run->request);
      product->ending = request == RUN_CANCEL ? ENDING_CANCELLED : request == RUN_PAUSE ? ENDING_PAUSED : ENDING_LEFT;
      if (product->ending == ENDING_CANCELLED) prepare_cancelled(run, product);
      return;
    }
    if (code == ERROR_NONE) log_shared_rows(run);
    if (code == ERROR_NONE) code = make_model(run, product, &error);
    if (code != ERROR_NONE) fail(run, product, &error);
    return;
  case ENDING_DIVERGED:
    fail(run, product, reason);
    if (make_diverged_model(run, product, &error) != ERROR_NONE) run_log(run, "no model could be made: %s", error.detail);
    return;
  case ENDING_ERROR: fail(run, product, reason); return;
  case ENDING_CANCELLED: prepare_cancelled(run, product); return;
  case ENDING_PAUSED:
  case ENDING_LEFT: return;
  }
}

/* ---- the last transaction ---- */

struct ending_row {
  enum job_state state;
  const char *stop_reason;
  unsigned expected_states;
  bool drops_checkpoint;
};
static const struct ending_row endings[] = {
    [ENDING_SUCCEEDED] = {JOB_SUCCEEDED, "completed", 1u << JOB_RUNNING | 1u << JOB_PAUSING, true},
    [ENDING_EARLY_STOPPED] = {JOB_SUCCEEDED, "early_stopping", 1u << JOB_RUNNING | 1u << JOB_PAUSING, true},
    [ENDING_DIVERGED] = {JOB_FAILED, "diverged", 1u << JOB_RUNNING | 1u << JOB_PAUSING, false},
    [ENDING_ERROR] = {JOB_FAILED, "error", 1u << JOB_RUNNING | 1u << JOB_PAUSING, false},
    [ENDING_PAUSED] = {JOB_PAUSED, "", 1u << JOB_RUNNING | 1u << JOB_PAUSING, false},
    [ENDING_CANCELLED] = {JOB_CANCELLED, "cancelled", 1u << JOB_CANCELLING, true},
};

/* The events of the end: a log line if there is one, the state, and `end` unless the job may go on. Returns their count, 0: no memory. */
static size_t make_events(struct run *run, const struct product *product, const char *line, struct event_row events[EVENTS_AT_END]) {
  const struct ending_row *ending = &endings[product->ending];
  const char *model_id = product->has_model ? product->model.id : "";
  int64_t now_ms = store_now_ms();
  size_t count = 0;
  if (line[0] != '\0') events[count++] = (struct event_row){.kind = EVENT_LOG, .at_ms = now_ms, .data = strdup(line)};
  for (int i = 0; i < 2; i++) {
    if (i == 1 && product->ending == ENDING_PAUSED) break;
    enum event_kind kind = i == 0 ? EVENT_STATE : EVENT_END;
    char *data = run->jobs->translator->encode_state(ending->state, ending->stop_reason, model_id);
    events[count++] = (struct event_row){.kind = kind, .at_ms = now_ms, .data = data};
  }
  for (size_t i = 0; i < count; i++) {
    if (events[i].data != NULL) continue;
    for (size_t k = 0; k < count; k++) free(events[k].data);
    return 0;
  }
  return count;
}

static enum error_code write_end(struct run *run, struct product *product, const char *line, struct error *error) {
  const struct ending_row *ending = &endings[product->ending];
  struct store *store = run->jobs->store;
  struct event_row events[EVENTS_AT_END];
  static const int64_t no_blob = 0;
  product->model.weights_blob = 0;
  size_t event_count = make_events(run, product, line, events);
  if (event_count == 0) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the last events");
  enum error_code code = ERROR_NONE;
  if (product->has_model) {
    code = blobs_write(store, product->weights, product->weight_count * sizeof(float), &product->model.weights_blob, error);
  }
  if (code == ERROR_NONE) {
    struct job_update update = {.expected_states = ending->expected_states,
                                .sets_state = true,
                                .state = ending->state,
                                .stop_reason = ending->stop_reason[0] != '\0' ? ending->stop_reason : NULL,
                                .test_json = product->test_json,
                                .error_json = product->error_json,
                                .weights_sha256 = product->has_model ? product->model.weights_sha256 : NULL,
                                .model = product->has_model ? &product->model : NULL,
                                .checkpoint_blob = ending->drops_checkpoint ? &no_blob : NULL,
                                .finished_ms = product->ending == ENDING_PAUSED ? 0 : store_now_ms(),
                                .events = events,
                                .event_count = event_count};
    code = committer_commit(run, &update, error);
    if (code != ERROR_NONE && product->model.weights_blob != 0) blobs_discard(store, product->model.weights_blob);
  }
  for (size_t i = 0; i < event_count; i++) free(events[i].data);
  return code;
}

/* The state forbade the ending: someone asked for another meanwhile. False: there is nothing left to write. */
static bool follow_state(struct run *run, struct product *product) {
  struct job_row row = {0};
  struct error error = {0};
  enum job_state state = jobs_get(run->jobs->store, run->row.id, &row, &error) == ERROR_NONE ? row.state : JOB_STATE_COUNT;
  job_row_deinit(&row);
  if (state != JOB_CANCELLING || product->ending == ENDING_CANCELLED) {
    log_warn("job %s: its end can't be written: its state is %s", run->row.id,
             state < JOB_STATE_COUNT ? job_state_names[state] : "unknown");
    return false;
  }
  product->ending = ENDING_CANCELLED;
  free(product->error_json);
  product->error_json = NULL;
  if (!product->has_model) prepare_cancelled(run, product);
  return true;
}

static void wait_before_retry(struct jobs *jobs) {
  int64_t until_ms = clock_now_ms() + RETRY_MS;
  pthread_mutex_lock(&jobs->mutex);
  while (!atomic_load(&jobs->stopping) && clock_now_ms() < until_ms) condition_wait_until(&jobs->wake, &jobs->mutex, until_ms);
  pthread_mutex_unlock(&jobs->mutex);
}

void run_finish(struct run *run, enum ending ending, const struct error *reason, const char *line) {
  struct product product = {.ending = ending};
  prepare_product(run, &product, reason);
  bool is_written = product.ending == ENDING_LEFT;
  if (is_written) log_info("job %s: left at step %" PRIu64 ", the next start goes on", run->row.id, run->outbox.progress.step);
  bool has_warned = false;
  for (int attempts_left = WRITE_ATTEMPTS; !is_written && attempts_left > 0;) {
    struct error error = {0};
    enum error_code code = write_end(run, &product, line, &error);
    if (code != ERROR_DISK_FULL) attempts_left--; /* for space it waits as long as it takes */
    is_written = code == ERROR_NONE || (code == ERROR_CONFLICT && !follow_state(run, &product));
    if (is_written || code == ERROR_CONFLICT) continue;
    if (!has_warned) log_warn("job %s: its end can't be written for now: %s", run->row.id, error.detail);
    has_warned = true;
    if (atomic_load(&run->jobs->stopping)) break;
    wait_before_retry(run->jobs);
  }
  if (!is_written)
    log_error("job %s: its end could not be written; the next start resumes it from its checkpoint", run->row.id);
  else if (product.ending != ENDING_LEFT)
    log_info("job %s: %s", run->row.id, job_state_names[endings[product.ending].state]);
  product_deinit(&product);
}
