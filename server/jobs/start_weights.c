/* The start weights of a job that begins with a model's: its layers take those of the same name, read tensor by tensor from the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/transfer.h"
#include "server/jobs/run.h"
#include "server/store/blobs.h"

/* A model's weights in the store: parameters, then buffers. */
struct stored_weights {
  struct store *store;
  int64_t blob;
  size_t parameter_count;
};

static enum error_code read_weights(void *context, bool is_buffer, size_t offset, size_t count, float *out_values, struct error *error) {
  const struct stored_weights *weights = context;
  const size_t first = offset + (is_buffer ? weights->parameter_count : 0);
  return blobs_read(weights->store, weights->blob, first * sizeof(float), out_values, count * sizeof(float), error);
}

/* Lays the model's weights over the trainer's. */
static enum error_code take_weights(struct run *run, const struct network *source, const struct stored_weights *stored,
                                    struct error *error) {
  const size_t parameter_count = network_parameter_count(run->network), buffer_count = network_buffer_count(run->network);
  float *weights = malloc((parameter_count + buffer_count + 1) * sizeof *weights);
  if (weights == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu start weights", parameter_count + buffer_count);
  memcpy(weights, trainer_get_parameters(run->trainer), parameter_count * sizeof *weights);
  memcpy(weights + parameter_count, trainer_get_buffers(run->trainer), buffer_count * sizeof *weights);
  const struct transfer_source from = {.context = (void *)(uintptr_t)stored, .read = read_weights};
  const enum error_code code = transfer_read(source, run->network, &from, weights, weights + parameter_count, error);
  if (code == ERROR_NONE) trainer_set_weights(run->trainer, weights, weights + parameter_count);
  free(weights);
  return code;
}

/* Appends ", name" to the list that has room for it. */
static void add_name(char *list, size_t list_bytes, const char *name) {
  const size_t used = strlen(list);
  snprintf(list + used, list_bytes - used, "%s%s", used == 0 ? "" : ", ", name);
}

static void log_transfer(struct run *run, const struct network *source, const char *model) {
  char taken[512] = "", fresh[256] = "";
  for (size_t i = 0; i < network_layer_count(run->network); i++) {
    size_t at;
    const enum transfer_fate fate = transfer_judge(source, run->network, i, &at);
    if (fate == TRANSFER_TAKEN) add_name(taken, sizeof taken, network_get_layer_name(run->network, i));
    if (fate == TRANSFER_NEW) add_name(fresh, sizeof fresh, network_get_layer_name(run->network, i));
  }
  run_log(run, "starts with the weights of model %s in %s; %s%s", model, taken, fresh[0] == '\0' ? "no layer is new" : "new: ", fresh);
}

enum error_code run_take_start_weights(struct run *run, struct error *error) {
  const char *name = run->spec.init_from;
  if (name[0] == '\0') return ERROR_NONE;
  struct model_row model = {0};
  struct network_spec spec = {0};
  struct network *source = NULL;
  enum error_code code = models_get(run->jobs->store, name, &model, error);
  if (code == ERROR_NOT_FOUND) return error_set(error, ERROR_INVALID, "the model %s that the job was to start from is gone", name);
  if (code != ERROR_NONE) return code;
  code = run->jobs->translator->decode_network_spec(model.network_json, &spec, error);
  if (code == ERROR_NONE) code = network_create(&spec, &source, error);
  if (code == ERROR_NONE) code = transfer_check(source, run->network, "/init_from", error);
  if (code == ERROR_NONE) {
    const struct stored_weights stored = {
        .store = run->jobs->store, .blob = model.weights_blob, .parameter_count = (size_t)model.parameter_count};
    code = take_weights(run, source, &stored, error);
  }
  if (code == ERROR_NONE) log_transfer(run, source, name);
  network_destroy(source);
  network_spec_deinit(&spec);
  model_row_deinit(&model);
  return code;
}
