/* The doctor: networks built to be sick in one way each are found so, healthy ones are left alone; findings come and go as they should. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/diagnosis/rules.h"
#include "engine/random.h"
#include "engine/train.h"
#include "tests/support/data_files.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { INPUTS = 8, ROWS_MAX = 1800, VALUES_MAX = 64, CODES_MAX = 4 };

/* What a network learns from. */
enum data {
  CLOUDS,     /* three classes around three points, hardly overlapping */
  FEW,        /* 24 of such rows, a quarter of the labels wrong */
  RARE,       /* two classes 95 : 5, overlapping */
  XOR,        /* two classes that no line divides */
  CURVE,      /* a number that follows smoothly from the inputs, with some noise */
  WIDE_CURVE, /* the same, of inputs a hundred times larger */
  WIDE,       /* CLOUDS with inputs a hundred times larger */
  LABELS,     /* three yes/no labels */
  DIGITS      /* 8 × 8 pixels, standardized */
};

/* One run with all that it needs. */
struct scene {
  struct network_spec spec;
  struct network *network;
  struct train_settings settings;
  struct train_data data;
  struct trainer *trainer;
  struct train_result result;
  struct train_position position; /* of the last checkpoint */
  float *block;
  size_t polls, stop_at_poll;
  uint32_t news;               /* of the last report */
  size_t epoch_reports, looks; /* of the latter, those with values of layers */
  bool is_last_looked_at;
  struct diagnosis_finding findings[DIAGNOSIS_RULES_MAX];
  size_t finding_count;
  float x[ROWS_MAX * VALUES_MAX], y[ROWS_MAX * 3];
};
static struct scene scene;
static struct error error;

static void require(enum error_code code) {
  ck_assert_msg(code == ERROR_NONE, "%s %s", error.item_count > 0 ? error.items[0].pointer : "", error.detail);
}

/* ---- data ---- */

static float noise(uint32_t lane, size_t index) {
  float value;
  random_fill_normal(&(struct random_stream){.seed = 5, .purpose = 70, .lane = lane}, index, 1, &value);
  return value;
}

static float target_of(enum data data, size_t row, float *x) {
  const size_t class = row % 3;
  switch (data) {
  case CLOUDS:
  case WIDE: x[class] += 3; return (float)class;
  case FEW: x[class] += 1; return (float)(row % 4 == 0 ? (class + 1) % 3 : class);
  case RARE: x[0] += row % 20 == 0 ? 1.0f : 0.0f; return row % 20 == 0 ? 1 : 0;
  case XOR: return x[0] * x[1] > 0 ? 1 : 0;
  case CURVE:
  case WIDE_CURVE: return 0.6f * x[0] - 0.5f * x[1] + 0.5f * sinf(2 * x[2]) + 0.3f * noise(2, row);
  case LABELS:
  case DIGITS: break;
  }
  return 0;
}

static void make_rows(enum data data, size_t count) {
  const bool is_wide = data == WIDE || data == WIDE_CURVE;
  for (size_t i = 0; i < count; i++) {
    float *x = scene.x + i * INPUTS;
    for (size_t j = 0; j < INPUTS; j++) x[j] = noise(1, i * INPUTS + j);
    if (data == LABELS)
      for (size_t j = 0; j < 3; j++) scene.y[i * 3 + j] = x[j] + 0.5f * x[j + 1] > 0 ? 1 : 0;
    else
      scene.y[i] = target_of(data, i, x);
    for (size_t j = 0; is_wide && j < INPUTS; j++) x[j] *= 100;
  }
}

/* Pixels as the server would standardize them: mean 0, deviation 1 over all rows. */
static size_t read_digits(void) {
  size_t bytes, count = 0;
  char *text = data_read_file("examples/data/digits.csv", &bytes);
  for (char *line = strchr(text, '\n') + 1; line < text + bytes && count < ROWS_MAX; line = strchr(line, '\n') + 1, count++) {
    char *at = line;
    for (size_t j = 0; j < 64; j++, at++) scene.x[count * 64 + j] = strtof(at, &at);
    scene.y[count] = strtof(at, NULL);
  }
  for (size_t j = 0; j < 64; j++) {
    double sum = 0, square = 0;
    for (size_t i = 0; i < count; i++) sum += (double)scene.x[i * 64 + j];
    const double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) square += pow((double)scene.x[i * 64 + j] - mean, 2);
    const double std = sqrt(square / (double)count);
    for (size_t i = 0; i < count; i++) scene.x[i * 64 + j] = (float)(((double)scene.x[i * 64 + j] - mean) / (std > 0 ? std : 1));
  }
  free(text);
  return count;
}

static void set_data(enum data data) {
  const size_t inputs = data == DIGITS ? 64 : INPUTS, width = data == LABELS ? 3 : 1;
  const size_t count = data == DIGITS ? read_digits() : data == FEW ? 104 : 800, train = data == FEW ? 24 : count - count / 5;
  if (data != DIGITS) make_rows(data, count);
  const bool is_number = data == CURVE || data == WIDE_CURVE;
  scene.data = (struct train_data){.task = is_number        ? TASK_REGRESSION
                                           : data == LABELS ? TASK_MULTILABEL
                                                            : TASK_CLASSIFICATION,
                                   .class_count = is_number || data == LABELS   ? 0
                                                  : data == DIGITS              ? 10
                                                  : data == RARE || data == XOR ? 2
                                                                                : 3,
                                   .train = {.count = train, .x = scene.x, .y = scene.y},
                                   .validation = {.count = count - train, .x = scene.x + train * inputs, .y = scene.y + train * width}};
}

/* ---- runs ---- */

static void take_report(void *context, const struct train_report *report) {
  (void)context;
  scene.news = report->diagnosis_news;
  if (!report->is_epoch_end) return;
  scene.epoch_reports++;
  scene.is_last_looked_at = strncmp(report->values[report->value_count - 1].name, "layers.", 7) == 0;
  scene.looks += scene.is_last_looked_at;
}

static enum error_code take_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *out_error) {
  (void)context, (void)out_error;
  scene.position = *snapshot->position;
  free(scene.block);
  scene.block = malloc(snapshot->block_count * sizeof(float));
  memcpy(scene.block, snapshot->block, snapshot->block_count * sizeof(float));
  return ERROR_NONE;
}

static enum train_request take_poll(void *context) {
  (void)context;
  return ++scene.polls == scene.stop_at_poll ? TRAIN_STOP : TRAIN_CONTINUE;
}

static void set_kind(struct spec *field, const struct kind_table *kinds, const char *text) {
  if (text == NULL) return;
  spec_deinit(field);
  spec_parse(field, kinds, text);
}

static void start(const char *input, const char *layers, enum data data) {
  memset(&scene, 0, sizeof scene);
  network_spec_parse(&scene.spec, input, layers);
  require(network_create(&scene.spec, &scene.network, &error));
  require(settings_init(&scene.settings, train_params, train_param_count, &error));
  scene.settings.epochs = 30;
  scene.settings.seed = 3;
  set_data(data);
}

static void create(void) { require(trainer_create(scene.network, &scene.settings, &scene.data, NULL, &scene.trainer, &error)); }

static void run(void) {
  const struct train_sink sink = {.report = take_report, .checkpoint = take_checkpoint, .poll = take_poll};
  require(trainer_run(scene.trainer, &sink, &scene.result, &error));
  scene.finding_count = trainer_list_findings(scene.trainer, UINT32_MAX, scene.findings);
}

static void finish(void) {
  trainer_destroy(scene.trainer);
  settings_deinit(&scene.settings, train_params, train_param_count);
  network_destroy(scene.network);
  network_spec_deinit(&scene.spec);
  free(scene.block);
  memset(&scene, 0, sizeof scene);
}

static const struct diagnosis_finding *find(const char *code) {
  for (size_t i = 0; i < scene.finding_count; i++)
    if (strcmp(scene.findings[i].rule->code, code) == 0) return &scene.findings[i];
  return NULL;
}

/* Start weights with all biases of the first layer at `bias`. */
static void set_first_biases(float bias) {
  const struct layer_tensor *tensor = &network_get_layer(scene.network, 0)->tensors[1];
  const size_t count = network_parameter_count(scene.network);
  float *weights = malloc(count * sizeof *weights), *buffers = calloc(network_buffer_count(scene.network) + 1, sizeof *buffers);
  network_initialize(scene.network, 3, weights, buffers);
  for (size_t i = 0; i < tensor->shape.sizes[0]; i++) weights[tensor->offset + i] = bias;
  trainer_set_weights(scene.trainer, weights, NULL);
  free(weights);
  free(buffers);
}

/* ---- the patients ---- */

#define SIGMOIDS_10                                                                                                                        \
  "dense units=16 activation=sigmoid; dense units=16 activation=sigmoid; dense units=16 activation=sigmoid; dense units=16 "               \
  "activation=sigmoid; dense units=16 activation=sigmoid; dense units=16 activation=sigmoid; dense units=16 activation=sigmoid; dense "    \
  "units=16 activation=sigmoid; dense units=16 activation=sigmoid; dense units=16 activation=sigmoid; dense units=3 activation=softmax"
#define RELUS_10                                                                                                                           \
  "dense units=16 activation=relu initializer=he_uniform; dense units=16 activation=relu initializer=he_uniform; dense units=16 "          \
  "activation=relu initializer=he_uniform; dense units=16 activation=relu initializer=he_uniform; dense units=16 activation=relu "         \
  "initializer=he_uniform; dense units=16 activation=relu initializer=he_uniform; dense units=16 activation=relu initializer=he_uniform; " \
  "dense units=16 activation=relu initializer=he_uniform; dense units=16 activation=relu initializer=he_uniform; dense units=16 "          \
  "activation=relu initializer=he_uniform; dense units=3 activation=softmax"
#define LARGE_LINEARS                                                                                                                      \
  "dense units=16 initializer=normal:std=2; dense units=16 initializer=normal:std=2; dense units=16 initializer=normal:std=2; dense "      \
  "units=16 initializer=normal:std=2; dense units=1 initializer=normal:std=2 activation=linear"

static const struct patient {
  const char *name, *layers;
  enum data data;
  const char *optimizer, *loss, *algorithm, *input;
  int64_t epochs, batch_size;
  float first_bias;               /* 0: as they start */
  double patience;                /* of early stopping; 0: none */
  const char *codes[CODES_MAX];   /* findings that must be there, as warnings at least; none: healthy */
  const char *allowed[CODES_MAX]; /* consequences that may be there too */
} patients[] = {
    {.name = "ten layers of sigmoid",
     .layers = SIGMOIDS_10,
     .data = CLOUDS,
     .optimizer = "sgd learning_rate=0.1",
     .codes = {"vanishing_gradients"},
     .allowed = {"plateau"}},
    {.name = "large linear layers",
     .layers = LARGE_LINEARS,
     .data = CURVE,
     .optimizer = "adam learning_rate=0.0001",
     .epochs = 3,
     .codes = {"exploding_gradients"},
     .allowed = {"still_improving"}},
    {.name = "relu with bias -10",
     .layers = "dense units=32 activation=relu; dense units=3 activation=softmax",
     .data = CLOUDS,
     .first_bias = -10,
     .codes = {"dead_relu"},
     .allowed = {"plateau"}},
    {.name = "tanh of unscaled input",
     .layers = "dense units=32 activation=tanh; dense units=3 activation=softmax",
     .data = WIDE,
     .codes = {"saturation", "unscaled_input"}},
    {.name = "rate 10",
     .layers = "dense units=32 activation=relu; dense units=1 activation=linear",
     .data = CURVE,
     .optimizer = "sgd learning_rate=10",
     .codes = {"divergence", "learning_rate_too_high"},
     .allowed = {"exploding_gradients"}},
    {.name = "adam at rate 3",
     .layers = "dense units=32 activation=tanh; dense units=1 activation=linear",
     .data = CURVE,
     .optimizer = "adam learning_rate=3",
     .codes = {"learning_rate_too_high"},
     .allowed = {"saturation", "exploding_gradients", "still_improving"}},
    {.name = "rate 1e-6",
     .layers = "dense units=32 activation=relu; dense units=3 activation=softmax",
     .data = CLOUDS,
     .optimizer = "adam learning_rate=0.000001",
     .codes = {"learning_rate_too_low"}},
    {.name = "24 rows and 4000 weights",
     .layers = "dense units=64 activation=relu; dense units=64 activation=relu; dense units=3 activation=softmax",
     .data = FEW,
     .optimizer = "adam learning_rate=0.01",
     .epochs = 60,
     .codes = {"overfitting"}},
    {.name = "a line for what no line divides",
     .layers = "dense units=2 activation=softmax",
     .data = XOR,
     .optimizer = "adam learning_rate=0.01",
     .codes = {"plateau"}},
    {.name = "95 : 5",
     .layers = "dense units=16 activation=relu; dense units=2 activation=softmax",
     .data = RARE,
     .optimizer = "adam learning_rate=0.003",
     .codes = {"class_imbalance"}},
    {.name = "95 : 5 by one sigmoid",
     .layers = "dense units=16 activation=relu; dense units=1 activation=sigmoid",
     .data = RARE,
     .optimizer = "adam learning_rate=0.003",
     .codes = {"class_imbalance"}},
    {.name = "unscaled input",
     .layers = "dense units=32 activation=relu; dense units=1 activation=linear",
     .data = WIDE_CURVE,
     .optimizer = "adam learning_rate=0.0001",
     .epochs = 10,
     .codes = {"unscaled_input"},
     .allowed = {"exploding_gradients", "still_improving", "learning_rate_too_low"}},
    {.name = "four epochs of small steps",
     .layers = "dense units=32 activation=relu; dense units=10 activation=softmax",
     .data = DIGITS,
     .optimizer = "sgd learning_rate=0.01",
     .epochs = 4,
     .codes = {"still_improving"}},
    {.name = "healthy: digits", .layers = "dense units=64 activation=relu; dense units=10 activation=softmax", .data = DIGITS},
    {.name = "healthy: digits with dropout, rmsprop",
     .layers = "dense units=64 activation=relu; dropout rate=0.2; dense units=10 activation=softmax",
     .data = DIGITS,
     .optimizer = "rmsprop learning_rate=0.001",
     .epochs = 20},
    {.name = "healthy: digits, batch norm",
     .layers = "dense units=32; batch_norm activation=relu; dense units=32; batch_norm activation=relu; dense units=10 activation=softmax",
     .data = DIGITS,
     .epochs = 20},
    {.name = "healthy: digits, convolution",
     .layers = "reshape shape=1x8x8; conv2d filters=8 kernel_size=3 activation=relu; max_pool2d pool_size=2; flatten; dense units=10 "
               "activation=softmax",
     .data = DIGITS,
     .epochs = 15},
    {.name = "healthy: three clouds, tanh, sgd",
     .layers = "dense units=16 activation=tanh; dense units=3 activation=softmax",
     .data = CLOUDS,
     .optimizer = "sgd learning_rate=0.1 momentum=0.9"},
    {.name = "healthy: ten layers of relu", .layers = RELUS_10, .data = CLOUDS, .epochs = 15},
    {.name = "healthy: a curve",
     .layers = "dense units=32 activation=gelu; dense units=32 activation=gelu; dense units=1 activation=linear",
     .data = CURVE,
     .optimizer = "adam learning_rate=0.003"},
    {.name = "healthy: batch norm of unscaled input",
     .layers = "batch_norm; dense units=32 activation=relu; dense units=3 activation=softmax",
     .data = WIDE},
    {.name = "healthy: three labels",
     .layers = "dense units=16 activation=relu; dense units=3 activation=sigmoid",
     .data = LABELS,
     .optimizer = "adam learning_rate=0.01"},
    {.name = "healthy: 95 : 5, balanced",
     .layers = "dense units=16 activation=relu; dense units=2 activation=softmax",
     .data = RARE,
     .loss = "cross_entropy class_weights=balanced",
     .optimizer = "adam learning_rate=0.003",
     .epochs = 20},
    {.name = "healthy: few rows, stopped early",
     .layers = "dense units=64 activation=relu; dense units=3 activation=softmax",
     .data = FEW,
     .optimizer = "adam learning_rate=0.01",
     .epochs = 60,
     .patience = 5},
    {.name = "healthy: a range test, which ends by diverging",
     .layers = "dense units=16 activation=relu; dense units=1 activation=linear",
     .data = CURVE,
     .algorithm = "learning_rate_range_test"},
    {.name = "healthy: a genetic algorithm, without gradients",
     .layers = "dense units=4 activation=tanh; dense units=3 activation=softmax",
     .data = CLOUDS,
     .algorithm = "genetic",
     .epochs = 20,
     .batch_size = 640,
     .allowed = {"saturation"}},
};
enum { PATIENT_COUNT = sizeof patients / sizeof patients[0] };

static bool is_listed(const char *code, const char *const list[CODES_MAX]) {
  for (size_t i = 0; i < CODES_MAX && list[i] != NULL; i++)
    if (strcmp(list[i], code) == 0) return true;
  return false;
}

static void admit(const struct patient *patient) {
  start(patient->input != NULL ? patient->input : patient->data == DIGITS ? "64" : "8", patient->layers, patient->data);
  set_kind(&scene.settings.optimizer, &optimizer_kinds, patient->optimizer);
  set_kind(&scene.settings.loss, &loss_kinds, patient->loss);
  set_kind(&scene.settings.algorithm, &algorithm_kinds, patient->algorithm);
  if (patient->epochs > 0) scene.settings.epochs = patient->epochs;
  if (patient->batch_size > 0) scene.settings.batch_size = patient->batch_size;
  if (patient->patience > 0)
    scene.settings.early_stopping =
        (struct early_stopping){.is_enabled = true, .patience = (int64_t)patient->patience, .restore_best = true};
  create();
  if (patient->first_bias < 0) set_first_biases(patient->first_bias);
}

/* A finding says all that it has to, in whole sentences and finite numbers, and names layers that exist. */
static void check_words(const struct diagnosis_finding *finding) {
  ck_assert_uint_gt(strlen(finding->seen), 20);
  ck_assert_uint_lt(strlen(finding->seen), DIAGNOSIS_SEEN_BYTES - 1);
  ck_assert_int_eq(finding->seen[strlen(finding->seen) - 1], '.');
  ck_assert_msg(strstr(finding->seen, "nan") == NULL && strstr(finding->seen, "(null)") == NULL, "%s", finding->seen);
  ck_assert_uint_gt(finding->advice_count, 0);
  ck_assert_uint_ge(finding->first_epoch, 1);
  ck_assert_uint_ge(finding->last_epoch, finding->first_epoch);
  if (finding->layer == NULL) return;
  bool exists = false;
  for (size_t i = 0; i < network_layer_count(scene.network); i++)
    exists = exists || strcmp(finding->layer, network_get_layer_name(scene.network, i)) == 0;
  ck_assert(exists);
}

START_TEST(each_patient_has_what_it_has_and_nothing_else) {
  const struct patient *patient = &patients[_i];
  admit(patient);
  run();
  for (size_t i = 0; i < CODES_MAX && patient->codes[i] != NULL; i++) {
    const struct diagnosis_finding *finding = find(patient->codes[i]);
    ck_assert_msg(finding != NULL, "%s: no %s", patient->name, patient->codes[i]);
    ck_assert_msg(finding->is_active && finding->severity >= DIAGNOSIS_WARNING, "%s: %s is past or for information only", patient->name,
                  patient->codes[i]);
  }
  for (size_t i = 0; i < scene.finding_count; i++) {
    const struct diagnosis_finding *finding = &scene.findings[i];
    check_words(finding);
    const bool is_expected = is_listed(finding->rule->code, patient->codes) || is_listed(finding->rule->code, patient->allowed);
    ck_assert_msg(is_expected || finding->severity < DIAGNOSIS_WARNING, "%s: %s: %s", patient->name, finding->rule->code, finding->seen);
  }
  finish();
}
END_TEST

START_TEST(findings_name_the_layer_and_its_numbers) {
  admit(&patients[2]);
  run();
  const struct diagnosis_finding *dead = find("dead_relu");
  ck_assert_ptr_nonnull(dead);
  ck_assert_str_eq(dead->layer, "dense_0");
  ck_assert_double_ge(dead->numbers[0], 0.95);
  ck_assert_uint_eq(dead->first_epoch, 1);
  ck_assert_uint_eq(dead->last_epoch, 30);
  ck_assert_uint_eq(dead->step, 30 * 20);
  finish();
  admit(&patients[4]);
  run();
  const struct diagnosis_finding *divergence = find("divergence");
  ck_assert_int_eq(scene.result.outcome, TRAIN_DIVERGED);
  ck_assert_str_eq(divergence->layer, scene.result.diverged_layer);
  ck_assert_double_eq(divergence->numbers[0], (double)scene.result.step + 1);
  ck_assert_ptr_eq(divergence, &scene.findings[0]); /* the gravest first */
  finish();
}
END_TEST

START_TEST(classes_and_inputs_are_called_by_name_where_they_have_one) {
  static const char *const classes[] = {"common", "rare"}, *const inputs[INPUTS] = {"a", "b", "c", "d", "e", "f", "g", "h"};
  start("8", "dense units=2 activation=softmax", RARE);
  scene.data.class_names = classes;
  scene.data.input_names = inputs;
  for (size_t i = 0; i < scene.data.train.count; i++) scene.x[i * INPUTS + 2] *= 1000;
  create();
  run();
  ck_assert_ptr_nonnull(strstr(find("class_imbalance")->seen, "\"rare\""));
  ck_assert_ptr_nonnull(strstr(find("unscaled_input")->seen, "\"c\""));
  finish();
}
END_TEST

/* ---- over time ---- */

/* One layer that can die, and an output; what the rule for dead units sees of an epoch. */
static struct diagnosis_state state;
static const struct diagnosis_layer two_layers[2] = {{.name = "hidden", .weight_count = 8, .can_die = true},
                                                     {.name = "out", .weight_count = 4}};
static const struct diagnosis_facts facts = {.layer_count = 2,
                                             .layers = two_layers,
                                             .optimizer = "sgd",
                                             .epochs = 100,
                                             .steps_per_epoch = 10,
                                             .sample_rows = 64,
                                             .baseline_loss = 1,
                                             .baseline_hits = (double)NAN};

static bool see_epoch(uint64_t epoch, double dead_fraction) {
  const float values[2 * LAYER_VALUES] = {[LAYER_GRADIENT_NORM] = 1,
                                          [LAYER_WEIGHT_NORM] = 1,
                                          [LAYER_UPDATE_RATIO] = 0.01f,
                                          [LAYER_DEAD_FRACTION] = (float)dead_fraction,
                                          [LAYER_VALUES + LAYER_GRADIENT_NORM] = 1,
                                          [LAYER_VALUES + LAYER_WEIGHT_NORM] = 1};
  const struct diagnosis_epoch values_of = {
      .epoch = epoch, .step = epoch * 10, .loss = 0.2, .validation_loss = (double)NAN, .has_gradient = true, .layer_values = values};
  return diagnosis_update(&state, &facts, &values_of) != 0;
}

static struct diagnosis_finding get_finding(void) {
  struct diagnosis_finding findings[DIAGNOSIS_RULES_MAX];
  ck_assert_uint_eq(diagnosis_list(&state, &facts, UINT32_MAX, findings), 1);
  ck_assert_str_eq(findings[0].rule->code, "dead_relu");
  return findings[0];
}

START_TEST(a_finding_comes_after_some_epochs_and_goes_after_as_many) {
  struct diagnosis_finding findings[DIAGNOSIS_RULES_MAX];
  diagnosis_start(&state);
  const double fractions[] = {0.6, 0.6, 0.1, 0.6, 0.7, 0.8, 0.9, 0.1, 0.6, 0.1, 0.1, 0.1, 0.1, 0.6, 0.6, 0.995};
  const bool has_news[] = {false, false, false, false, false, true, false, false, false, false, false, true, false, false, false, true};
  for (size_t i = 0; i < sizeof has_news; i++) {
    ck_assert_msg(see_epoch(i + 1, fractions[i]) == has_news[i], "epoch %zu", i + 1);
    if (i < 5) ck_assert_uint_eq(diagnosis_list(&state, &facts, UINT32_MAX, findings), 0);
    if (i == 6) ck_assert_double_eq_tol(get_finding().numbers[0], 0.9, 1e-6);
    if (i == 8) ck_assert_uint_eq(get_finding().last_epoch, 9); /* it went on after one better epoch */
    if (i >= 5) ck_assert(get_finding().is_active == (i < 11 || i == 15));
  }
  const struct diagnosis_finding last = get_finding();
  ck_assert_int_eq(last.severity, DIAGNOSIS_CRITICAL);
  ck_assert_uint_eq(last.first_epoch, 4); /* it has been there before */
  ck_assert_uint_eq(last.last_epoch, 16);
  ck_assert_uint_eq(last.step, 160);
}
END_TEST

START_TEST(a_finding_gets_graver_at_once_but_milder_only_after_some_epochs) {
  diagnosis_start(&state);
  const double fractions[] = {0.6, 0.6, 0.6, 1, 0.9, 0.9, 1, 0.9, 0.9, 0.9};
  for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
    const bool has_news = see_epoch(i + 1, fractions[i]);
    ck_assert_msg(has_news == (i == 2 || i == 3 || i == 9), "epoch %zu", i + 1);
    if (i >= 2) ck_assert_int_eq(get_finding().severity, i >= 3 && i < 9 ? DIAGNOSIS_CRITICAL : DIAGNOSIS_WARNING);
  }
}
END_TEST

/* Every tenth epoch is looked at: what is seen there twice has been so since the first of the two. */
START_TEST(epochs_between_looks_count_as_the_look_after_them) {
  const bool is_dead[] = {false, true, false, true, true, true, false, false};
  diagnosis_start(&state);
  for (uint64_t epoch = 1; epoch <= 80; epoch++) {
    if (epoch % 10 != 0) {
      const struct diagnosis_epoch passed = {.epoch = epoch, .step = epoch * 10, .loss = 0.2, .validation_loss = (double)NAN};
      diagnosis_pass(&state, &passed);
      continue;
    }
    const bool has_news = see_epoch(epoch, is_dead[epoch / 10 - 1] ? 0.6 : 0.1);
    ck_assert_msg(has_news == (epoch == 50 || epoch == 80), "epoch %d", (int)epoch); /* never by one look alone */
    const struct diagnosis_history *history = &state.history;
    ck_assert_uint_eq(history->part_count * history->epochs_per_part + history->open_epochs, epoch);
  }
  ck_assert_uint_eq(get_finding().first_epoch, 40);
  ck_assert_uint_eq(get_finding().last_epoch, 60);
  ck_assert(!get_finding().is_active);
}
END_TEST

START_TEST(history_halves_itself_and_keeps_means) {
  const float values[2 * LAYER_VALUES] = {0};
  diagnosis_start(&state);
  for (uint64_t epoch = 1; epoch <= 1000; epoch++) {
    const struct diagnosis_epoch values_of = {
        .epoch = epoch, .step = epoch, .loss = (double)epoch, .validation_loss = 2.0 * (double)epoch, .layer_values = values};
    (void)diagnosis_update(&state, &facts, &values_of);
    const struct diagnosis_history *history = &state.history;
    ck_assert_uint_le(history->part_count, DIAGNOSIS_PARTS);
    ck_assert_uint_eq(history->part_count * history->epochs_per_part + history->open_epochs, epoch);
  }
  const struct diagnosis_history *history = &state.history;
  for (size_t i = 0; i < history->part_count; i++) {
    const double middle = (double)(i * history->epochs_per_part) + (1 + (double)history->epochs_per_part) / 2;
    ck_assert_double_eq_tol((double)history->parts[i].loss, middle, 1e-3 * middle);
    ck_assert_double_eq_tol((double)history->parts[i].validation_loss, 2 * middle, 1e-3 * middle);
  }
  ck_assert_double_eq(history->best_loss, 1);
  ck_assert_uint_eq(history->best_validation_epoch, 1);
}
END_TEST

START_TEST(numbers_that_are_not_finite_find_nothing_and_harm_nothing) {
  float values[2 * LAYER_VALUES];
  for (size_t i = 0; i < 2 * LAYER_VALUES; i++) values[i] = NAN;
  struct diagnosis_facts unknown = facts;
  unknown.baseline_loss = NAN;
  unknown.has_validation = unknown.is_scale_felt = true;
  unknown.widest_rms = NAN;
  diagnosis_start(&state);
  for (uint64_t epoch = 1; epoch <= 100; epoch++) {
    const struct diagnosis_epoch values_of = {.epoch = epoch,
                                              .step = epoch,
                                              .loss = (double)NAN,
                                              .validation_loss = (double)INFINITY,
                                              .hits = (double)NAN,
                                              .has_gradient = true,
                                              .layer_values = values};
    ck_assert_uint_eq(diagnosis_update(&state, &unknown, &values_of), 0);
  }
}
END_TEST

START_TEST(findings_of_a_stopped_run_are_those_of_the_whole_run) {
  const struct patient *patient = &patients[7];
  admit(patient);
  run();
  const size_t polls = scene.polls;
  struct diagnosis_finding findings[DIAGNOSIS_RULES_MAX];
  memcpy(findings, scene.findings, sizeof findings);
  const size_t count = scene.finding_count;
  ck_assert_uint_gt(count, 0);
  finish();
  for (size_t stop = 5; stop < polls; stop += polls / 7) {
    admit(patient);
    scene.stop_at_poll = stop;
    run();
    ck_assert_int_eq(scene.result.outcome, TRAIN_STOPPED);
    struct train_position position = scene.position;
    float *block = scene.block;
    const size_t block_count = trainer_get_block_count(scene.trainer);
    scene.block = NULL;
    finish();
    admit(patient);
    require(trainer_restore(scene.trainer, &position, block, block_count, &error));
    run();
    ck_assert_uint_eq(scene.finding_count, count);
    for (size_t i = 0; i < count; i++) {
      ck_assert_str_eq(scene.findings[i].seen, findings[i].seen);
      ck_assert_uint_eq(scene.findings[i].first_epoch, findings[i].first_epoch);
      ck_assert_mem_eq(scene.findings[i].numbers, findings[i].numbers, sizeof findings[i].numbers);
    }
    free(block);
    finish();
  }
}
END_TEST

/* ---- epochs of one step, of which not every one is looked at ---- */

enum { SHORT_EPOCHS = 1000, SHORT_LOOKS = 1 + SHORT_EPOCHS / 10 }; /* the first, and every tenth */

static void admit_short(size_t patient) {
  admit(&patients[patient]);
  scene.settings.epochs = SHORT_EPOCHS;
  scene.settings.batch_size = (int64_t)scene.data.train.count;
  trainer_destroy(scene.trainer);
  create();
  if (patients[patient].first_bias < 0) set_first_biases(patients[patient].first_bias);
}

START_TEST(many_short_epochs_are_looked_at_now_and_then) {
  admit_short(2);
  run();
  ck_assert_uint_eq(scene.epoch_reports, SHORT_EPOCHS);
  ck_assert_uint_eq(scene.looks, SHORT_LOOKS);
  ck_assert(scene.is_last_looked_at);
  const struct diagnosis_finding *dead = find("dead_relu");
  ck_assert_ptr_nonnull(dead);
  ck_assert_uint_eq(dead->first_epoch, 1);
  ck_assert_uint_eq(dead->last_epoch, SHORT_EPOCHS);
  finish();
  admit(&patients[13]); /* few epochs: each of them */
  run();
  ck_assert_uint_eq(scene.epoch_reports, 30);
  ck_assert_uint_eq(scene.looks, 30);
  finish();
}
END_TEST

START_TEST(a_run_that_is_looked_at_now_and_then_goes_on_as_if_never_stopped) {
  admit_short(0);
  run();
  const size_t count = scene.finding_count, bytes = network_parameter_count(scene.network) * sizeof(float);
  struct diagnosis_finding findings[DIAGNOSIS_RULES_MAX];
  memcpy(findings, scene.findings, sizeof findings);
  float *weights = malloc(bytes);
  memcpy(weights, trainer_get_parameters(scene.trainer), bytes);
  ck_assert_uint_gt(count, 0);
  finish();
  for (size_t stop = 3; stop < 30; stop += 4) {
    admit_short(0);
    scene.stop_at_poll = stop;
    run();
    struct train_position position = scene.position;
    float *block = scene.block;
    const size_t block_count = trainer_get_block_count(scene.trainer);
    ck_assert_ptr_nonnull(block);
    scene.block = NULL;
    finish();
    admit_short(0);
    require(trainer_restore(scene.trainer, &position, block, block_count, &error));
    run();
    ck_assert_mem_eq(trainer_get_parameters(scene.trainer), weights, bytes);
    ck_assert_uint_eq(scene.finding_count, count);
    for (size_t i = 0; i < count; i++) {
      ck_assert_str_eq(scene.findings[i].seen, findings[i].seen);
      ck_assert_uint_eq(scene.findings[i].first_epoch, findings[i].first_epoch);
      ck_assert_uint_eq(scene.findings[i].last_epoch, findings[i].last_epoch);
    }
    free(block);
    finish();
  }
  free(weights);
}
END_TEST

START_TEST(the_last_epoch_is_looked_at_whatever_ends_the_run) {
  for (int end = 0; end < 3; end++) {
    admit_short(13);
    scene.settings.epochs = SHORT_EPOCHS + 3;
    if (end == 1) scene.settings.max_evaluations = SHORT_EPOCHS - 7;
    if (end == 2) scene.settings.early_stopping = (struct early_stopping){.is_enabled = true, .patience = 8};
    trainer_destroy(scene.trainer);
    create();
    run();
    ck_assert_int_eq(scene.result.outcome, end == 2 ? TRAIN_EARLY_STOPPED : TRAIN_COMPLETED);
    ck_assert_uint_lt(scene.looks, scene.epoch_reports / 2);
    ck_assert_msg(scene.is_last_looked_at, "end %d", end);
    finish();
  }
}
END_TEST

START_TEST(every_rule_says_when_why_and_what_to_try) {
  for (size_t i = 0; i < diagnosis_rule_count; i++) {
    const struct diagnosis_rule *rule = diagnosis_rules[i];
    ck_assert_uint_gt(strlen(rule->summary), 10);
    ck_assert_uint_gt(strlen(rule->rule), 20);
    ck_assert_uint_gt(strlen(rule->why), 20);
    ck_assert_ptr_nonnull(rule->advice[0].text);
    ck_assert_ptr_nonnull(rule->number_names[0]);
    ck_assert_uint_ge(rule->epochs_needed, 1);
    for (size_t k = 0; k < i; k++) ck_assert_str_ne(rule->code, diagnosis_rules[k]->code);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tc = suite_add_case(suite, "patients");
  tcase_add_loop_test(tc, each_patient_has_what_it_has_and_nothing_else, 0, PATIENT_COUNT);
  tcase_add_test(tc, findings_name_the_layer_and_its_numbers);
  tcase_add_test(tc, classes_and_inputs_are_called_by_name_where_they_have_one);
  tc = suite_add_case(suite, "time");
  tcase_add_test(tc, a_finding_comes_after_some_epochs_and_goes_after_as_many);
  tcase_add_test(tc, a_finding_gets_graver_at_once_but_milder_only_after_some_epochs);
  tcase_add_test(tc, epochs_between_looks_count_as_the_look_after_them);
  tcase_add_test(tc, many_short_epochs_are_looked_at_now_and_then);
  tcase_add_test(tc, a_run_that_is_looked_at_now_and_then_goes_on_as_if_never_stopped);
  tcase_add_test(tc, the_last_epoch_is_looked_at_whatever_ends_the_run);
  tcase_add_test(tc, history_halves_itself_and_keeps_means);
  tcase_add_test(tc, numbers_that_are_not_finite_find_nothing_and_harm_nothing);
  tcase_add_test(tc, findings_of_a_stopped_run_are_those_of_the_whole_run);
  tcase_add_test(tc, every_rule_says_when_why_and_what_to_try);
}

int main(void) { return suite_main("diagnosis", add_cases); }
