/* The trainer's side of diagnosis: facts from network, settings and data; values of an epoch from what was measured anyway. */
#include <math.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"

enum { FACT_ROWS = 1024 }; /* rows, evenly spaced, that sizes of inputs and the constant answer's loss are taken over */
static const double least_share = 1e-6;

/* ---- layers ---- */

static bool takes_input(const struct layer *layer) {
  for (size_t i = 0; i < layer->input_count; i++)
    if (strcmp(layer->input_names[i], "input") == 0) return true;
  return false;
}

static size_t count_weights(const struct layer *layer) {
  size_t count = 0;
  for (size_t i = 0; i < layer->tensor_count; i++) count += shape_size(&layer->tensors[i].shape);
  return count;
}

static void describe_layers(struct trainer *trainer) {
  struct diagnosis_facts *facts = &trainer->facts;
  facts->layers = trainer->diagnosed;
  facts->layer_count = trainer->layer_count;
  facts->is_scale_felt = false;
  for (size_t i = 0; i < trainer->layer_count; i++) {
    const struct layer *layer = network_get_layer(trainer->network, i);
    const struct spec *activation = activation_of_layer(layer);
    trainer->diagnosed[i] = (struct diagnosis_layer){.name = network_get_layer_name(trainer->network, i),
                                                     .activation = activation->kind == NULL ? "linear" : activation->kind->name,
                                                     .weight_count = layer->is_frozen ? 0 : count_weights(layer),
                                                     .can_die = trainer_unit_count(trainer, i) > 0,
                                                     .can_saturate = activity_can_saturate(activation)};
    facts->has_normalization = facts->has_normalization || layer->kind->normalizes;
    facts->has_dropout = facts->has_dropout || strcmp(layer->kind->kind.name, "dropout") == 0;
    facts->is_scale_felt = facts->is_scale_felt || (takes_input(layer) && !layer->kind->normalizes && !layer->kind->takes_tokens);
  }
}

/* ---- the constant answer ---- */

/* Means of what goes in, which are targets too: over some rows, as no other facts are told of them. */
static void average_inputs(struct trainer *trainer, double *means, size_t width) {
  const size_t row_count = trainer->data.train.count, count = row_count < FACT_ROWS ? row_count : FACT_ROWS;
  for (size_t j = 0; j < width; j++) means[j] = 0;
  for (size_t i = 0; i < count; i++) {
    const float *x = row_reader_get(&trainer->train_x, i * row_count / count, 1, trainer->batch_x);
    for (size_t j = 0; j < width; j++) means[j] += (double)x[j];
  }
  for (size_t j = 0; j < width; j++) means[j] /= (double)count;
}

/* Means of the targets over the training part; of classes, their shares. */
static void average_targets(struct trainer *trainer, double *means, size_t width) {
  const struct train_rows *rows = &trainer->data.train;
  const bool is_index = trainer->row_width == 1 && width > 1;
  for (size_t j = 0; j < width; j++) means[j] = 0;
  for (size_t i = 0; i < rows->count; i++) {
    if (is_index)
      means[(size_t)rows->y[i]] += 1;
    else
      for (size_t j = 0; j < width; j++) means[j] += (double)rows->y[i * width + j];
  }
  for (size_t j = 0; j < width; j++) means[j] /= (double)rows->count;
}

static void find_shares(struct diagnosis_facts *facts, const double *means, size_t width) {
  facts->largest_share = 0;
  facts->least_share = 1;
  const size_t class_count = width == 1 ? 2 : width;
  for (size_t k = 0; k < class_count; k++) {
    const double share = width == 1 ? (k == 1 ? means[0] : 1 - means[0]) : means[k];
    if (share > facts->largest_share) {
      facts->largest_share = share;
      facts->largest_class = k;
    }
    if (share > 0 && share < facts->least_share) { /* a class without any row is another matter */
      facts->least_share = share;
      facts->least_class = k;
    }
  }
  facts->baseline_hits = facts->largest_share;
}

/* Of several labels, the one whose answers are least even. */
static void find_label_shares(struct diagnosis_facts *facts, const double *means, size_t width) {
  double hits = 0;
  facts->least_share = 1;
  for (size_t j = 0; j < width; j++) {
    const double rarer = means[j] < 0.5 ? means[j] : 1 - means[j];
    hits += 1 - rarer;
    if (rarer <= 0 || rarer >= facts->least_share) continue;
    facts->least_share = rarer;
    facts->largest_share = 1 - rarer;
    facts->least_class = facts->largest_class = j;
  }
  facts->baseline_hits = hits / (double)width;
}

/* Weighted classes count as if they had so many more rows. */
static void weigh_shares(const struct trainer *trainer, double *means, size_t width) {
  double sum = 0;
  if (trainer->class_weights == NULL || width == 1) return;
  for (size_t j = 0; j < width; j++) sum += means[j] * trainer->class_weights[j];
  for (size_t j = 0; j < width && sum > 0; j++) means[j] *= trainer->class_weights[j] / sum;
}

static void set_constant(struct trainer *trainer, const double *means, size_t width) {
  const struct activation_kind *activation = activation_of(network_get_output_activation(trainer->network));
  for (size_t j = 0; j < width; j++) {
    trainer->constant_a[j] = trainer->constant_z[j] = (float)means[j];
    if (activation->inverse == NULL) continue;
    const double inside = means[j] < least_share ? least_share : means[j] > 1 - least_share ? 1 - least_share : means[j];
    trainer->constant_a[j] = (float)inside;
    trainer->constant_z[j] = activation->inverse((float)inside);
  }
}

static double evaluate_constant(struct trainer *trainer) {
  const struct train_rows *rows = &trainer->data.train;
  const size_t count = rows->count < FACT_ROWS ? rows->count : FACT_ROWS;
  double sum = 0, weight = 0;
  for (size_t i = 0; i < count; i++) {
    trainer_copy_target(trainer, &trainer->train_x, i * rows->count / count, trainer->target_width, trainer->batch_y);
    struct loss_batch batch = network_lay_out_loss(trainer->network, &trainer->loss, 1);
    batch.z = trainer->constant_z;
    batch.a = trainer->constant_a;
    batch.target = trainer->batch_y;
    batch.class_weights = trainer->class_weights;
    loss_evaluate(&trainer->loss, &batch, &sum, &weight);
  }
  return weight > 0 ? sum / weight : (double)NAN;
}

static void describe_targets(struct trainer *trainer) {
  struct diagnosis_facts *facts = &trainer->facts;
  const size_t width = trainer->output_width;
  double *means = trainer->target_means;
  facts->baseline_hits = facts->baseline_loss = NAN;
  trainer->constant_a = trainer->constant_z + width;
  if (trainer->steps > 1 || network_lay_out_loss(trainer->network, &trainer->loss, 1).rows != 1)
    return; /* a class for each step: no one answer for all */
  if (trainer->data.target_is_input)
    average_inputs(trainer, means, width);
  else
    average_targets(trainer, means, width);
  if (trainer->data.task == TASK_CLASSIFICATION) find_shares(facts, means, width);
  if (trainer->data.task == TASK_MULTILABEL) find_label_shares(facts, means, width);
  weigh_shares(trainer, means, width);
  set_constant(trainer, means, width);
  facts->baseline_loss = evaluate_constant(trainer);
}

/* ---- inputs ---- */

/* Sums of squares are collected in the batch, which nobody needs yet, and rows fetched behind them. */
static void describe_inputs(struct trainer *trainer) {
  struct diagnosis_facts *facts = &trainer->facts;
  const struct train_rows *rows = &trainer->data.train;
  const size_t count = rows->count < FACT_ROWS ? rows->count : FACT_ROWS, size = trainer->input_size;
  float *squares = trainer->batch_x;
  memset(squares, 0, size * sizeof *squares);
  for (size_t i = 0; i < count; i++) {
    const float *x = row_reader_get(&trainer->train_x, i * rows->count / count, 1, squares + size);
    for (size_t j = 0; j < size; j++) squares[j] += x[j] * x[j];
  }
  facts->widest_rms = 0;
  facts->narrowest_rms = INFINITY;
  for (size_t j = 0; j < size; j++) {
    const double rms = sqrt((double)squares[j] / (double)count);
    if (rms > facts->widest_rms) {
      facts->widest_rms = rms;
      facts->widest_input = j;
    }
    if (rms > 0 && rms < facts->narrowest_rms) facts->narrowest_rms = rms;
  }
}

void trainer_gather_facts(struct trainer *trainer) {
  const struct train_settings *settings = trainer->settings;
  trainer->facts = (struct diagnosis_facts){.task = trainer->data.task,
                                            .optimizer = settings->optimizer.kind->name,
                                            .epochs = (uint64_t)settings->epochs,
                                            .steps_per_epoch = trainer->steps_per_epoch,
                                            .train_rows = trainer->data.train.count,
                                            .weight_count = trainer->parameter_count,
                                            .sample_rows = (size_t)trainer->sample_steps * trainer->batch_size,
                                            .learning_rate = ((const struct optimizer_common *)settings->optimizer.settings)->learning_rate,
                                            .is_clipped = !isnan(settings->clip_norm) || !isnan(settings->clip_value),
                                            .has_validation = trainer->data.validation.count > 0,
                                            .restores_best = train_keeps_best(settings),
                                            .class_names = trainer->data.class_names,
                                            .input_names = trainer->data.input_names,
                                            .has_class_weights = trainer->class_weights != NULL};
  describe_layers(trainer);
  describe_targets(trainer);
  describe_inputs(trainer);
}

/* ---- while it runs ---- */

/* Of an algorithm that ends when it likes, any epoch may be the last; with early stopping, one without whose gain patience is at an end. */
static bool may_be_last(const struct trainer *trainer) {
  const struct early_stopping *stopping = &trainer->settings->early_stopping;
  const struct train_position *position = &trainer->position;
  return trainer_get_algorithm(trainer)->has_ended != NULL || position->epoch == (trainer->total_steps - 1) / trainer->steps_per_epoch ||
         (stopping->is_enabled && position->epochs_without_improvement + 1 >= (uint64_t)stopping->patience);
}

bool trainer_looks_at_epoch(const struct trainer *trainer) {
  const uint64_t epoch = trainer->position.epoch;
  return trainer->look_every == 1 || epoch == 0 || (epoch + 1) % trainer->look_every == 0 || may_be_last(trainer);
}

void trainer_diagnose_step(struct trainer *trainer) {
  diagnosis_see_step(&trainer->position.diagnosis, trainer->position.step, trainer->position.gradient_norm);
}

static int find_layer(const struct trainer *trainer, const char *name) {
  for (size_t i = 0; name[0] != '\0' && i < trainer->layer_count; i++)
    if (strcmp(trainer->diagnosed[i].name, name) == 0) return (int)i;
  return DIAGNOSIS_NO_LAYER;
}

uint32_t trainer_diagnose_epoch(struct trainer *trainer, uint64_t step, const struct epoch_values *values, const char *diverged_layer) {
  const struct train_position *position = &trainer->position;
  if (trainer_get_algorithm(trainer)->has_ended != NULL) return 0; /* it leads the run where it likes, into divergence too */
  /* An epoch at whose very end the run diverges has been counted already. */
  const bool is_counted = step == position->step && position->batch_in_epoch == 0;
  const struct diagnosis_epoch epoch = {.epoch = position->epoch - (diverged_layer != NULL && is_counted ? 1 : 0),
                                        .step = step,
                                        .loss = values->loss,
                                        .validation_loss = values->validation_loss,
                                        .hits = values->hits,
                                        .learning_rate = trainer->learning_rate,
                                        .has_gradient = algorithm_has_gradient(trainer_get_algorithm(trainer)),
                                        .layer_values = trainer->layer_values,
                                        .is_diverged = diverged_layer != NULL,
                                        .diverged_layer =
                                            diverged_layer != NULL ? find_layer(trainer, diverged_layer) : DIAGNOSIS_NO_LAYER};
  if (values->is_looked_at || diverged_layer != NULL) return diagnosis_update(&trainer->position.diagnosis, &trainer->facts, &epoch);
  diagnosis_pass(&trainer->position.diagnosis, &epoch);
  return 0;
}

size_t trainer_list_findings(const struct trainer *trainer, uint32_t rules, struct diagnosis_finding out_findings[DIAGNOSIS_RULES_MAX]) {
  return diagnosis_list(&trainer->position.diagnosis, &trainer->facts, rules, out_findings);
}
