#include "tests/support/sittings.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/allocations.h"

static void keep_values(void *context, const struct train_report *report) {
  struct sittings *sittings = context;
  if (report->value_count > SITTINGS_VALUES) abort(); /* not ck_assert: it allocates */
  sittings->value_count = report->value_count;
  memcpy(sittings->values, report->values, report->value_count * sizeof *report->values);
}

static enum error_code keep_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *error) {
  struct sittings *sittings = context;
  (void)error;
  sittings->position = *snapshot->position;
  memcpy(sittings->block, snapshot->block, snapshot->block_count * sizeof(float));
  return ERROR_NONE;
}

static enum train_request poll(void *context) {
  struct sittings *sittings = context;
  return ++sittings->polls == sittings->stop_at ? TRAIN_STOP : TRAIN_CONTINUE;
}

struct train_result sittings_run(struct sittings *sittings, struct trainer *trainer) {
  const struct train_sink sink = {.context = sittings, .report = keep_values, .checkpoint = keep_checkpoint, .poll = poll};
  struct train_result result;
  struct error error = {0};
  if (sittings->block == NULL) sittings->block = calloc(trainer_get_block_count(trainer), sizeof(float));
  ck_assert_ptr_nonnull(sittings->block);
  sittings->polls = 0;
  const size_t before = allocations_count();
  const enum error_code code = trainer_run(trainer, &sink, &result, &error);
  sittings->allocation_count = allocations_count() - before; /* Check's own assertions allocate too */
  ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
  return result;
}

void sittings_restore(const struct sittings *sittings, struct trainer *trainer) {
  struct error error = {0};
  const enum error_code code = trainer_restore(trainer, &sittings->position, sittings->block, trainer_get_block_count(trainer), &error);
  ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
}

double sittings_value(const struct sittings *sittings, const char *name) {
  for (size_t i = 0; i < sittings->value_count; i++)
    if (strcmp(sittings->values[i].name, name) == 0) return sittings->values[i].value;
  return NAN;
}

void sittings_deinit(struct sittings *sittings) {
  free(sittings->block);
  sittings->block = NULL;
}

float *sittings_copy_weights(const struct trainer *trainer, const struct network *network) {
  const size_t bytes = network_parameter_count(network) * sizeof(float);
  float *weights = malloc(bytes);
  ck_assert_ptr_nonnull(weights);
  return memcpy(weights, trainer_get_parameters(trainer), bytes);
}
