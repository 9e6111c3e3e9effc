/* Before the first step: from a job's row to a trainer that stands where its last checkpoint left it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels.h"
#include "server/jobs/run.h"
#include "server/store/blobs.h"

static enum error_code decode(struct run *run, struct error *error) {
  const struct job_translator *translator = run->jobs->translator;
  enum error_code code = translator->decode_job_spec(run->row.spec_json, &run->spec, error);
  if (code != ERROR_NONE) return code;
  run->has_spec = true;
  code = translator->decode_network_spec(run->row.network_json, &run->network_spec, error);
  run->has_network_spec = code == ERROR_NONE;
  return code;
}

static enum error_code load_datasets(struct run *run, struct error *error) {
  enum error_code code = datasets_get(run->jobs->store, run->row.dataset_id, &run->dataset, error);
  if (code == ERROR_NONE && run->row.test_dataset_id[0] != '\0') {
    code = datasets_get(run->jobs->store, run->row.test_dataset_id, &run->test_dataset, error);
  }
  return code;
}

static const struct dataset_row *get_test_dataset(const struct run *run) {
  return run->row.test_dataset_id[0] != '\0' ? &run->test_dataset : NULL;
}

static enum error_code plan(struct run *run, struct error *error) {
  enum error_code code =
      data_plan_create(&run->dataset, get_test_dataset(run), &run->spec.data, (uint64_t)run->spec.train.seed, &run->plan, error);
  if (code != ERROR_NONE) return code;
  run->has_plan = true;
  const struct plan_datasets datasets = {&run->dataset, get_test_dataset(run)};
  code = data_plan_follow_network(&run->plan, &datasets, &run->network_spec, error);
  if (code != ERROR_NONE) return code;
  code = network_create(&run->network_spec, &run->network, error);
  if (code != ERROR_NONE) return code;
  const struct preprocessor *layout = &run->plan.layout;
  size_t output_width = shape_size(network_get_output_shape(run->network));
  bool is_single = layout->task == TASK_CLASSIFICATION && layout->targets[0].class_count == 2 && output_width == 1;
  if (is_single) data_plan_set_single_output(&run->plan);
  size_t input_width = shape_size(network_get_input_shape(run->network));
  if (input_width != layout->input_width || output_width != layout->output_width) {
    return error_set(
        error, ERROR_INVALID,
        "the network takes %zu numbers and gives %zu, the dataset has %zu and asks for %zu: was it changed since the job was created?",
        input_width, output_width, layout->input_width, layout->output_width);
  }
  return train_settings_resolve(&run->spec.train, run->network, layout->task, error);
}

/* Classes stay indices here, whatever the loss: the trainer makes rows of a 1 among 0s itself where its loss wants them. */
static enum error_code prepare_data(struct run *run, struct error *error) {
  enum error_code code = prepared_create(store_get_data_dir(run->jobs->store), &run->dataset, get_test_dataset(run), &run->plan, false,
                                         run_is_interrupted, run, &run->prepared, error);
  run->has_prepared = code == ERROR_NONE;
  if (code == ERROR_NONE && (run->prepared.storage.is_file || run->prepared.data.train.x_bytes != NULL)) {
    run->prepared.data.expect_rows = read_ahead_expect_rows;
    run->prepared.data.expect_context = &run->read_ahead;
  }
  return code;
}

static enum error_code create_team(struct run *run, struct error *error) {
  struct jobs *jobs = run->jobs;
  size_t asked = (size_t)run->spec.threads;
  size_t thread_max = asked < jobs->thread_limit ? asked : jobs->thread_limit;
  if (thread_max <= 1) return ERROR_NONE;
  struct team *team = NULL;
  enum error_code code = team_create(thread_max, &team, error);
  if (code != ERROR_NONE) return code;
  pthread_mutex_lock(&jobs->mutex);
  run->team = team;
  run->thread_max = thread_max;
  queue_share_threads(jobs);
  pthread_mutex_unlock(&jobs->mutex);
  return ERROR_NONE;
}

/* mae is reported in the data's own units: of numbers, or where there are none, of the categories' ones and zeros. */
static enum error_code set_units(struct run *run, struct error *error) {
  enum error_code code = output_units_init(&run->units, &run->prepared.preprocessor, error);
  run->prepared.data.target_scale = run->units.scale;
  if (run->units.has_numbers) run->prepared.data.category_spans = run->units.category_spans;
  return code;
}

/* What the doctor calls inputs, classes and labels. */
static enum error_code set_names(struct run *run, struct error *error) {
  const struct preprocessor *preprocessor = &run->prepared.preprocessor;
  run->input_names = calloc(preprocessor->input_width + 1, sizeof *run->input_names);
  run->label_names = calloc(preprocessor->target_count + 1, sizeof *run->label_names);
  if (run->input_names == NULL || run->label_names == NULL)
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the names of %zu inputs", preprocessor->input_width);
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    const struct feature *feature = &preprocessor->features[i];
    const size_t row_width = preprocessor_get_row_width(preprocessor);
    for (size_t j = 0; j < feature->width; j++)
      for (size_t at = feature->offset + j; at < preprocessor->input_width; at += row_width) run->input_names[at] = feature->name;
  }
  for (size_t i = 0; i < preprocessor->target_count; i++) run->label_names[i] = preprocessor->targets[i].name;
  struct train_data *data = &run->prepared.data;
  data->input_names = run->input_names;
  if (preprocessor->task == TASK_CLASSIFICATION) data->class_names = (const char *const *)preprocessor->targets[0].classes;
  if (preprocessor->task == TASK_MULTILABEL) data->class_names = run->label_names;
  return ERROR_NONE;
}

static enum error_code read_block(struct run *run, float **out_block, size_t *out_count, struct error *error) {
  size_t bytes = 0;
  *out_block = NULL;
  enum error_code code = blobs_get_size(run->jobs->store, run->checkpoint_blob, &bytes, error);
  if (code != ERROR_NONE) return code;
  if (bytes != trainer_get_block_count(run->trainer) * sizeof(float)) {
    return error_set(error, ERROR_INVALID, "the checkpoint has %zu bytes, this network and optimizer keep %zu", bytes,
                     trainer_get_block_count(run->trainer) * sizeof(float));
  }
  float *block = malloc(bytes + 1);
  if (block == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a checkpoint of %zu bytes", bytes);
  *out_block = block;
  *out_count = bytes / sizeof(float);
  return blobs_read(run->jobs->store, run->checkpoint_blob, 0, block, bytes, error);
}

enum error_code run_restore(struct run *run, struct error *error) {
  struct job_row row = {0};
  float *block = NULL;
  size_t count = 0;
  struct train_position position;
  enum error_code code = jobs_get(run->jobs->store, run->row.id, &row, error);
  if (code == ERROR_NONE && row.position_bytes != sizeof position) {
    code = error_set(error, ERROR_INVALID, "the checkpoint is of another version of backpropd");
  }
  if (code == ERROR_NONE) code = read_block(run, &block, &count, error);
  if (code == ERROR_NONE) {
    memcpy(&position, row.position, sizeof position);
    code = trainer_restore(run->trainer, &position, block, count, error);
  }
  if (code == ERROR_NONE) {
    run->is_trained = position.step > 0;
    run->best_monitored = position.best_epoch > 0 ? position.best_monitored : NAN;
    run->row.progress.step = position.step;
    run->row.progress.epoch = position.epoch;
  }
  free(block);
  job_row_deinit(&row);
  return code;
}

/* A checkpoint that this program can't read (it is of an older version) is no reason to fail: the same weights come out from the start. */
static enum error_code continue_from_checkpoint(struct run *run, struct error *error) {
  if (run->checkpoint_blob == 0) return ERROR_NONE;
  struct error why = {0};
  enum error_code code = run_restore(run, &why);
  if (code == ERROR_NONE) {
    run_log(run, "goes on from step %" PRIu64 " (epoch %" PRIu64 ")", run->row.progress.step, run->row.progress.epoch);
  } else if (code == ERROR_INVALID) {
    run_log(run, "starts again from the beginning: %s", why.detail);
    run->checkpoint_blob = 0;
    code = ERROR_NONE;
  } else {
    *error = why;
  }
  return code;
}

static void log_cut_sequences(struct run *run) {
  for (size_t i = 0; i < run->prepared.preprocessor.feature_count; i++) {
    const struct feature *feature = &run->prepared.preprocessor.features[i];
    const struct dataset_column *column = &run->dataset.columns[feature->column];
    if (feature->kind != COLUMN_SEQUENCE || column->list_longest <= feature->list.length) continue;
    run_log(run, "\"%s\": of up to %zu steps the first %zu are taken (sequence.max_length)", feature->name, column->list_longest,
            feature->list.length);
  }
}

/* Layers whose products are computed in float32 although bfloat16 was asked for: kinds that have none in it. */
static void log_float_layers(struct run *run) {
  char names[400] = "";
  const size_t room = sizeof names - sizeof ", …";
  size_t used = 0;
  for (size_t i = 0; i < network_layer_count(run->network); i++) {
    const struct layer *layer = network_get_layer(run->network, i);
    const bool has_products = layer->tensor_count > 0 && layer->tensors[0].shape.rank >= 2 && layer->flops_per_sample > 0;
    if (!has_products || layer->half_per_sample > 0 || layer->half_fixed > 0) continue;
    const char *comma = used == 0 ? "" : ", ";
    if (used + strlen(comma) + strlen(layer->name) + 2 > room) {
      (void)snprintf(names + used, sizeof names - used, ", …");
      break;
    }
    used += (size_t)snprintf(names + used, sizeof names - used, "%s\"%s\"", comma, layer->name);
  }
  if (used > 0) run_log(run, "bfloat16: float32 is used all the same in %s, where it would gain nothing or is not there", names);
}

static void log_start(struct run *run) {
  const struct prepared *prepared = &run->prepared;
  run_log(run, "started on kernel %s with %zu thread%s", kernels_name(), run->thread_max, run->thread_max == 1 ? "" : "s");
  const char *rows = prepared->preprocessor.window.length > 0 ? "windows" : "rows";
  run_log(run, "split: %zu training, %zu validation, %zu test %s", prepared->data.train.count, prepared->data.validation.count,
          prepared->test.count, rows);
  if (prepared->left_out > 0) run_log(run, "%" PRIu64 " %s without a target were left out", prepared->left_out, rows);
  log_cut_sequences(run);
  if (run->spec.train.precision == 1 && strcmp(train_get_precision(&run->spec.train), "bfloat16") != 0) {
    run_log(run, "bfloat16 is not supported by this processor or build: float32 is used");
  } else if (run->spec.train.precision == 1) {
    log_float_layers(run);
  }
}

static void init_progress(struct run *run) {
  run->steps_per_epoch = trainer_get_steps_per_epoch(run->trainer);
  pthread_mutex_lock(&run->outbox.mutex);
  struct job_progress *progress = &run->outbox.progress;
  run->outbox.precision = train_get_precision(&run->spec.train);
  progress->steps = trainer_get_total_steps(run->trainer);
  progress->epochs = (uint64_t)run->spec.train.epochs;
  /* The store's progress may be ahead of the checkpoint. */
  progress->step = run->is_trained ? run->row.progress.step : 0;
  progress->epoch = run->is_trained ? run->row.progress.epoch : 0;
  progress->samples = run_count_samples(run, progress->step);
  run->has_epoch_values = progress->epoch > 0;
  if (run->row.best_json != NULL) run->outbox.best_json = strdup(run->row.best_json);
  if (run->row.latest_json != NULL) run->outbox.latest_json = strdup(run->row.latest_json);
  pthread_mutex_unlock(&run->outbox.mutex);
}

enum error_code run_prepare(struct run *run, struct error *error) {
  run->best_monitored = NAN;
  enum error_code code = jobs_admit(run->jobs, run->row.memory_bytes, error);
  if (code == ERROR_NONE) code = decode(run, error);
  if (code == ERROR_NONE) code = load_datasets(run, error);
  if (code == ERROR_NONE) code = plan(run, error);
  if (code == ERROR_NONE) code = prepare_data(run, error);
  if (code == ERROR_NONE) code = create_team(run, error);
  if (code == ERROR_NONE) code = set_units(run, error);
  if (code == ERROR_NONE) code = set_names(run, error);
  if (code == ERROR_NONE) {
    const struct parallel *parallel = run->team == NULL ? NULL : team_get_parallel(run->team);
    code = trainer_create(run->network, &run->spec.train, &run->prepared.data, parallel, &run->trainer, error);
  }
  if (code == ERROR_NONE) {
    log_start(run);
    code = continue_from_checkpoint(run, error);
  }
  if (code == ERROR_NONE && run->checkpoint_blob == 0) code = run_take_start_weights(run, error);
  if (code == ERROR_NONE) init_progress(run);
  if (code == ERROR_NONE) run_set_diagnosis(run);
  return code;
}
