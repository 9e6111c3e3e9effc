/* Backpropagation in float32 beside central differences of the cost in float64, for every layer, activation and loss of the tables, alone
 * and inside a deeper network whose outputs are taken by several layers. A layer kind without a case here fails. A pass that computes some
 * layers in one go, as training does, has the same gradients. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/network.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

static const double tolerance = 1e-5; /* ‖g − g64‖ / max(‖g‖, ‖g64‖) of each tensor */
static const double step64 = 3e-5;    /* of the central differences */
enum { BATCH = 5, SEEDS = 200 };

/* Everything about one check. */
struct check {
  struct network_spec spec;
  struct network *network;
  struct workspace *workspace;
  struct spec loss;
  struct pass_options options;
  double class_weights[LIMIT_UNITS > 16 ? 16 : 1];
  size_t x_count, target_count, parameter_count;
  float *x, *target, *parameters, *buffers, *gradients, *input_gradient;
  double *x64, *parameters64, *buffers64;
  const char *text;
  size_t tokens; /* the input is whole numbers below this; 0: any numbers */
};

static double normal(uint64_t seed, uint32_t lane, size_t index) {
  float value;
  random_fill_normal(&(struct random_stream){.seed = seed, .purpose = 99, .lane = lane}, index, 1, &value);
  return (double)value;
}

/* Turns numbers into tokens. Padding ends the samples, each at another place; it is nowhere else, where it would count without ever being
 * trained. */
static void fill_tokens(struct check *check) {
  const char *padding = strstr(check->text, "padding_idx=");
  const size_t token = padding == NULL ? check->tokens : strtoul(padding + strlen("padding_idx="), NULL, 10);
  const size_t size = check->x_count / BATCH, steps = network_get_input_shape(check->network)->sizes[0];
  for (size_t i = 0; i < check->x_count; i++) {
    const size_t value = (size_t)(fabs((double)check->x[i]) * 1000) % check->tokens;
    const bool is_padding = padding != NULL && i % size / (size / steps) > i / size;
    check->x[i] = (float)(is_padding ? token : value == token ? (value + 1) % check->tokens : value);
  }
}

static void fill_values(struct check *check, uint64_t seed) {
  size_t width = shape_size(network_get_output_shape(check->network));
  for (size_t i = 0; i < check->x_count; i++) check->x[i] = (float)normal(seed, 1, i);
  if (check->tokens > 0) fill_tokens(check);
  network_initialize(check->network, seed, check->parameters, check->buffers);
  for (size_t i = 0; i < check->parameter_count; i++) check->parameters[i] += (float)(0.3 * normal(seed, 2, i));
  for (size_t i = 0; i < check->target_count; i++) {
    double value = normal(seed, 3, i);
    if (loss_of(&check->loss)->target_form == TARGET_CLASS)
      check->target[i] = (float)(i % width);
    else
      check->target[i] = loss_of(&check->loss)->fused_activation != NULL ? (float)(value > 0) : (float)value;
  }
  for (size_t i = 0; i < width && i < 16; i++) check->class_weights[i] = 0.5 + 0.25 * (double)i;
  for (size_t i = 0; i < check->x_count; i++) check->x64[i] = (double)check->x[i];
  for (size_t i = 0; i < check->parameter_count; i++) check->parameters64[i] = (double)check->parameters[i];
  for (size_t i = 0; i < network_buffer_count(check->network); i++) check->buffers64[i] = (double)check->buffers[i];
}

/* Where a derivative jumps (relu and its kin at 0, hard_sigmoid at ±3, |a − y| at 0), differences mean nothing. */
static bool is_near_kink(const struct check *check) {
  static const double margin = 2e-3;
  for (size_t i = 0; i < network_layer_count(check->network); i++) {
    const struct layer *layer = network_get_layer(check->network, i);
    const struct spec *activation = &((const struct layer_common *)layer->settings)->activation;
    if (activation->kind == NULL) continue;
    const char *name = activation->kind->name;
    bool has_kink = strcmp(name, "relu") == 0 || strcmp(name, "leaky_relu") == 0 || strcmp(name, "selu") == 0 || strcmp(name, "elu") == 0;
    double kink = strcmp(name, "hard_sigmoid") == 0 ? 3 : has_kink ? 0 : (double)INFINITY;
    const float *z = workspace_get_z(check->workspace, i);
    for (size_t j = 0; j < BATCH * shape_size(&layer->out); j++)
      if (fabs(fabs((double)z[j]) - kink) < margin) return true;
  }
  if (loss_of(&check->loss)->target_form == TARGET_CLASS) return false;
  const float *a = workspace_get_output(check->workspace);
  for (size_t i = 0; i < check->target_count; i++)
    if (fabs((double)a[i] - (double)check->target[i]) < margin) return true;
  return false;
}

static void run_passes(struct check *check) {
  network_forward(check->network, check->workspace, &check->options, check->x, check->parameters, check->buffers);
  network_backward(check->network, check->workspace, &check->options, check->x, check->parameters, &check->loss, check->class_weights,
                   check->target, check->gradients, check->input_gradient);
}

static void check_init(struct check *check, const char *input, const char *layers, const char *loss, size_t tokens) {
  struct error error = {0};
  *check =
      (struct check){.text = layers, .tokens = tokens, .options = {.batch = BATCH, .training = true, .seed = 4, .epoch = 2, .step = 7}};
  network_spec_parse(&check->spec, input, layers);
  spec_parse(&check->loss, &loss_kinds, loss);
  ck_assert_msg(network_create(&check->spec, &check->network, &error) == ERROR_NONE, "%s: %s", layers, error.detail);
  ck_assert_msg(network_check_loss(check->network, &check->loss, "", &error) == ERROR_NONE, "%s: %s", layers, error.detail);
  ck_assert_int_eq(workspace_create(check->network, BATCH, true, &check->workspace, &error), ERROR_NONE);
  check->x_count = BATCH * shape_size(network_get_input_shape(check->network));
  check->target_count =
      BATCH * (loss_of(&check->loss)->target_form == TARGET_CLASS ? 1 : shape_size(network_get_output_shape(check->network)));
  check->parameter_count = network_parameter_count(check->network);
  size_t buffer_count = network_buffer_count(check->network) + 1;
  check->x = calloc(check->x_count, sizeof(float));
  check->input_gradient = calloc(check->x_count, sizeof(float));
  check->target = calloc(check->target_count, sizeof(float));
  check->parameters = calloc(check->parameter_count + 1, sizeof(float));
  check->gradients = calloc(check->parameter_count + 1, sizeof(float));
  check->buffers = calloc(buffer_count, sizeof(float));
  check->x64 = calloc(check->x_count, sizeof(double));
  check->parameters64 = calloc(check->parameter_count + 1, sizeof(double));
  check->buffers64 = calloc(buffer_count, sizeof(double));
  uint64_t seed = 1;
  do {
    ck_assert_msg(seed < SEEDS, "%s: every seed is near a kink", layers);
    fill_values(check, seed++);
    run_passes(check);
  } while (is_near_kink(check));
}

static void check_deinit(struct check *check) {
  void *owned[] = {check->x,   check->target,       check->parameters, check->buffers, check->gradients, check->input_gradient,
                   check->x64, check->parameters64, check->buffers64};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
  workspace_destroy(check->workspace);
  network_destroy(check->network);
  spec_deinit(&check->loss);
  network_spec_deinit(&check->spec);
}

static double cost(const struct check *check) {
  double value = NAN;
  struct error error = {0};
  ck_assert_int_eq(network_cost64(check->network, &check->options, check->x64, check->parameters64, check->buffers64, &check->loss,
                                  check->class_weights, check->target, &value, &error),
                   ERROR_NONE);
  return value;
}

/* How `count` gradients agree with differences by the values at `at`. */
struct agreement {
  double error;          /* ‖g − g64‖ / max(‖g‖, ‖g64‖) */
  double worst, largest; /* largest difference; largest |g64| */
};

static struct agreement measure(const struct check *check, size_t count, const float *gradients, double *at) {
  struct agreement agreement = {0};
  double difference = 0, norm = 0, norm64 = 0;
  for (size_t i = 0; i < count; i++) {
    double value = at[i];
    at[i] = value + step64;
    double above = cost(check);
    at[i] = value - step64;
    double below = cost(check);
    at[i] = value;
    double gradient64 = (above - below) / (2 * step64), gradient = (double)gradients[i];
    if (!isfinite(gradient)) gradient = HUGE_VAL;
    difference += (gradient - gradient64) * (gradient - gradient64);
    norm += gradient * gradient;
    norm64 += gradient64 * gradient64;
    agreement.worst = fmax(agreement.worst, fabs(gradient - gradient64));
    agreement.largest = fmax(agreement.largest, fabs(gradient64));
  }
  agreement.error = sqrt(difference) / fmax(fmax(sqrt(norm), sqrt(norm64)), 1e-8);
  return agreement;
}

static void compare(const struct check *check, const char *name, size_t count, const float *gradients, double *at) {
  struct agreement agreement = measure(check, count, gradients, at);
  const char *loss = check->loss.kind->name;
  ck_assert_msg(agreement.largest > 1e-6, "%s, loss %s: the gradient of %s is 0, the case shows nothing", check->text, loss, name);
  ck_assert_msg(agreement.error <= tolerance, "%s, loss %s: relative error of the gradient of %s is %g", check->text, loss, name,
                agreement.error);
  ck_assert_msg(agreement.worst <= 2 * tolerance * agreement.largest,
                "%s, loss %s: an entry of the gradient of %s is off by %g, the largest is %g", check->text, loss, name, agreement.worst,
                agreement.largest);
}

static void compare_pair(const struct check *check, const char *name, size_t count, const float *joined, const float *alone) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < count; i++) {
    const double value = (double)alone[i];
    difference += ((double)joined[i] - value) * ((double)joined[i] - value);
    norm += value * value;
  }
  ck_assert_msg(sqrt(difference) <= tolerance * sqrt(norm), "%s, loss %s: computed in one go, the gradient of %s is off by %g of %g",
                check->text, check->loss.kind->name, name, sqrt(difference), sqrt(norm));
}

/* The gradients as training computes them, where nobody looks at what is between layers. */
static void compare_joined(struct check *check) {
  float *alone = calloc(check->parameter_count + check->x_count, sizeof *alone);
  memcpy(alone, check->gradients, check->parameter_count * sizeof *alone);
  memcpy(alone + check->parameter_count, check->input_gradient, check->x_count * sizeof *alone);
  check->options.joins = true;
  run_passes(check);
  compare_pair(check, "the weights", check->parameter_count, check->gradients, alone);
  if (check->tokens == 0) compare_pair(check, "the input", check->x_count, check->input_gradient, alone + check->parameter_count);
  free(alone);
}

static void check_token_gradients(const char *input, const char *layers, const char *loss, size_t tokens) {
  struct check check;
  check_init(&check, input, layers, loss, tokens);
  for (size_t i = 0; i < network_layer_count(check.network); i++) {
    const struct layer *layer = network_get_layer(check.network, i);
    for (size_t j = 0; j < layer->tensor_count; j++) {
      const struct layer_tensor *tensor = &layer->tensors[j];
      char name[128];
      snprintf(name, sizeof name, "%s.%s", layer->name, tensor->name);
      compare(&check, name, shape_size(&tensor->shape), check.gradients + tensor->offset, check.parameters64 + tensor->offset);
    }
  }
  if (tokens == 0) compare(&check, "the input", check.x_count, check.input_gradient, check.x64);
  compare_joined(&check);
  check_deinit(&check);
}

static void check_gradients(const char *input, const char *layers, const char *loss) { check_token_gradients(input, layers, loss, 0); }

/* Layers. In "deep", the layer takes the output of another (two, if it says so), its own output is taken by two more, and so is the
 * network's input. */
struct layer_case {
  const char *input, *layer;
};
static const struct layer_case layer_cases[] = {
    {"4", "dense units=3"},
    {"1", "dense units=1"},
    {"17", "dense units=19 bias=0"},
    {"40", "dense units=35 activation=tanh"},
    {"3x4", "dense units=5 activation=sigmoid"},
    {"2x3x4", "dense units=2"},
    {"4", "activation function=tanh"},
    {"2x3", "activation function=softmax"},
    {"12", "dropout rate=0.4"},
    {"3x5", "dropout rate=0.2"},
    {"6", "batch_norm activation=tanh"},
    {"70", "batch_norm"},
    {"6", "batch_norm trainable=0 activation=tanh"},
    {"3x4x3", "batch_norm trainable=0"},
    {"6", "batch_norm affine=0 activation=sigmoid epsilon=0.1"},
    {"3x4", "batch_norm track_running_stats=0 activation=tanh"},
    {"3x4x3", "batch_norm activation=tanh"},
    {"6", "layer_norm activation=tanh"},
    {"3x6", "layer_norm bias=0"},
    {"3x4", "layer_norm axes=2 epsilon=0.01"},
    {"9", "layer_norm elementwise_affine=0 activation=sigmoid"},
    {"130", "layer_norm"},
    {"1x8x8", "conv2d filters=3 kernel_size=3"},
    {"3x5x7", "conv2d filters=5 kernel_size=3x2 activation=tanh"},
    {"2x9x8", "conv2d filters=4 kernel_size=3x5 stride=2 padding=2"},
    {"2x5x5", "conv2d filters=18 kernel_size=3 padding=same bias=0"},
    {"4x6x5", "conv2d filters=8 kernel_size=3 padding=1 groups=4 activation=sigmoid"},
    {"4x6x6", "conv2d filters=4 kernel_size=2 groups=4"},
    {"6x4x4", "conv2d filters=33 kernel_size=1 groups=3"},
    {"2x11x9", "conv2d filters=9 kernel_size=3 dilation=2x3 padding=1"},
    {"3x9x9", "conv2d filters=8 kernel_size=2 stride=3 dilation=2"},
    {"2x7x8", "conv2d filters=2 kernel_size=1 stride=2"},
    {"2x10x12", "conv2d filters=3 kernel_size=4x3 stride=4x2 dilation=2x3 padding=3x5"},
    {"2x7x6", "conv2d filters=3 kernel_size=3 stride=2 padding=same"},
    {"2x5x6", "conv2d filters=3 kernel_size=3 padding=2x4 padding_mode=reflect"},
    {"2x5x6", "conv2d filters=3 kernel_size=4 stride=2 padding=3 padding_mode=replicate"},
    {"2x5x6", "conv2d filters=3 kernel_size=3 dilation=2 padding=same padding_mode=circular"},
    {"1x3x40", "conv2d filters=2 kernel_size=3x9 padding=1x4"},
    {"9x4", "conv1d filters=3 kernel_size=3 activation=tanh"},
    {"8x6", "conv1d filters=12 kernel_size=2 stride=2 padding=1 groups=3"},
    {"11x2", "conv1d filters=17 kernel_size=3 dilation=3 padding=same bias=0"},
    {"7x3", "conv1d filters=2 kernel_size=5 padding=4 padding_mode=circular"},
    {"2x6x6", "max_pool2d pool_size=2"},
    {"2x7x9", "max_pool2d pool_size=3x2 stride=2 padding=1 activation=tanh"},
    {"1x9x8", "max_pool2d pool_size=2 stride=3"},
    {"2x8x8", "max_pool2d pool_size=3 stride=2 dilation=2 padding=1 ceil_mode=1"},
    {"2x6x6", "avg_pool2d pool_size=2 activation=tanh"},
    {"2x7x9", "avg_pool2d pool_size=3x2 stride=2 padding=1 count_include_pad=0"},
    {"2x7x8", "avg_pool2d pool_size=3 stride=2 padding=1 ceil_mode=1"},
    {"1x7x8", "avg_pool2d pool_size=3x4 stride=1x5 divisor_override=5"},
    {"9x3", "max_pool1d pool_size=3 stride=2 padding=1"},
    {"10x2", "max_pool1d pool_size=2 dilation=3 stride=1"},
    {"9x3", "avg_pool1d pool_size=4 stride=3 padding=2 count_include_pad=0 ceil_mode=1"},
    {"6x2", "avg_pool1d pool_size=2"},
    {"3x4x5", "global_avg_pool activation=tanh"},
    {"7x3", "global_avg_pool"},
    {"3x4x5", "global_max_pool"},
    {"7x3", "global_max_pool activation=tanh"},
    {"5", "add inputs=%s activation=tanh"},
    {"2x3", "add inputs=%s"},
    {"5", "concat inputs=%s activation=tanh"},
    {"2x3", "concat inputs=%s axis=0"},
    {"2x3x2", "concat inputs=%s axis=1"},
    {"2x3x2", "concat inputs=%s axis=-3"},
    {"2x3", "flatten activation=tanh"},
    {"2x3x2", "reshape shape=3x4 activation=softmax"},
    {"6", "embedding input_dim=5 output_dim=3 activation=tanh"},
    {"9", "embedding input_dim=4 output_dim=1 padding_idx=2"},
    {"2x3", "embedding input_dim=7 output_dim=2 padding_idx=0"},
    {"4x3", "masking mask_value=0.5"},
    {"4x3", "positional_embedding activation=tanh"},
    {"5x3", "rnn units=4"},
    {"4x2", "rnn units=3 bidirectional=1 return_sequences=1 bias=0"},
    {"3x2", "rnn units=3 nonlinearity=relu"},
    {"5x3", "lstm units=4"},
    {"2x3", "lstm units=2 bidirectional=1"},
    {"4x17", "lstm units=18 return_sequences=1 bias=0 activation=tanh"},
    {"4x3", "lstm units=3 bidirectional=1 return_sequences=1"},
    {"5x3", "gru units=4"},
    {"4x17", "gru units=18 return_sequences=1 bias=0"},
    {"4x3", "gru units=3 bidirectional=1"},
    {"4x6", "self_attention heads=2"},
    {"1x4", "self_attention heads=1 causal=1 bias=0"},
    {"5x6", "self_attention heads=6 causal=1 activation=tanh"},
    {"7x5", "self_attention heads=1 dropout=0.3"},
    {"66x4", "self_attention heads=2 causal=1 dropout=0.2"},
    {"67x2", "self_attention heads=1 add_bias_kv=1 causal=1"},
    {"4x6", "self_attention heads=3 add_bias_kv=1 add_zero_attn=1 dropout=0.4"},
    {"3x4", "self_attention heads=2 add_zero_attn=1 bias=0"},
};
enum { LAYER_CASES = sizeof layer_cases / sizeof layer_cases[0] };

/* Layers that look up tokens want whole numbers below their input_dim. */
static size_t count_tokens(const char *layer) {
  const char *dim = strstr(layer, "input_dim=");
  return dim == NULL ? 0 : strtoul(dim + strlen("input_dim="), NULL, 10);
}

START_TEST(every_layer_kind_has_a_case) {
  for (size_t i = 0; i < layer_kinds.count; i++) {
    const char *name = layer_kinds.get(i)->name;
    bool has_case = false;
    for (size_t j = 0; j < LAYER_CASES; j++) {
      size_t length = strlen(name);
      has_case = has_case || (strncmp(layer_cases[j].layer, name, length) == 0 && strchr(" ", layer_cases[j].layer[length]) != NULL);
    }
    ck_assert_msg(has_case, "layer kind %s has no gradient check", name);
  }
}
END_TEST

START_TEST(layer_alone_has_the_gradient_of_its_cost) {
  char layer[256];
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  snprintf(layer, sizeof layer, layer_cases[_i].layer, "input,input,input");
  check_token_gradients(layer_cases[_i].input, layer, "squared_error", count_tokens(layer));
}
END_TEST

START_TEST(layer_in_a_branching_network_has_the_gradient_of_its_cost) {
  char layer[256], layers[1024];
  snprintf(layer, sizeof layer, layer_cases[_i].layer, "before,other,before");
  bool takes_several = strstr(layer_cases[_i].layer, "%s") != NULL;
  snprintf(layers, sizeof layers,
           "activation function=%s name=before inputs=input;"
           "%s"
           "%s name=tested%s;"
           "flatten name=flat;"
           "dense units=3 activation=tanh name=left inputs=flat;"
           "flatten name=skip inputs=%s;"
           "dense units=3 activation=silu name=right inputs=skip;"
           "dense units=3 activation=softplus name=middle inputs=flat;"
           "add name=sum inputs=left,right,middle;"
           "concat name=both inputs=sum,left,sum;"
           "dense units=3 activation=softmax name=out inputs=both",
           count_tokens(layer) > 0 ? "linear" : "tanh", takes_several ? "activation function=silu name=other inputs=input;" : "", layer,
           takes_several ? "" : " inputs=before", takes_several ? "other" : "input");
  check_token_gradients(layer_cases[_i].input, layers, "cross_entropy", count_tokens(layer));
}
END_TEST

/* An activation whose slope may take the place of the layer's z before the layer has its turn again. */
START_TEST(layer_with_a_slope_in_place_of_z_has_the_gradient_of_its_cost) {
  char layer[256], layers[1024];
  if (strstr(layer_cases[_i].layer, "activation") != NULL) return;
  if (strncmp(layer_cases[_i].layer, "dropout", 7) == 0 || strncmp(layer_cases[_i].layer, "masking", 7) == 0) return; /* they have none */
  snprintf(layer, sizeof layer, layer_cases[_i].layer, "input,input");
  snprintf(layers, sizeof layers, "%s activation=%s; flatten; dense units=3", layer, _i % 2 == 0 ? "silu" : "gelu");
  check_token_gradients(layer_cases[_i].input, layers, "squared_error", count_tokens(layer));
}
END_TEST

/* Sequences of different length, told by their padding: what mixes steps leaves it out. */
static const char *const padded_networks[] = {
    "self_attention heads=2; dense units=2",
    "self_attention heads=1 causal=1; layer_norm; self_attention heads=4 add_bias_kv=1 dropout=0.2; dense units=2",
    "self_attention heads=2 add_zero_attn=1 name=a; add inputs=e,a; layer_norm; self_attention heads=1 activation=tanh",
};
enum { PADDED_NETWORKS = sizeof padded_networks / sizeof padded_networks[0] };

START_TEST(network_over_padded_sequences_has_the_gradient_of_its_cost) {
  char layers[512];
  snprintf(layers, sizeof layers, "embedding input_dim=3 output_dim=4 padding_idx=1 name=e; %s", padded_networks[_i]);
  check_token_gradients("6", layers, "squared_error", 3);
}
END_TEST

/* Activations: each of the table, by defaults; and other settings of those that have some. */
static const char *const activation_variants[] = {"leaky_relu:negative_slope=0.3", "elu:alpha=0.5", "gelu:approximate=tanh",
                                                  "softplus:beta=2.5", "softplus:threshold=0.25"};
enum { ACTIVATION_VARIANTS = sizeof activation_variants / sizeof activation_variants[0] };

static void check_activation(const char *activation) {
  char layers[512];
  snprintf(layers, sizeof layers, "dense units=6 activation=%s", activation);
  check_gradients("5", layers, "mean_squared_error");
  snprintf(
      layers, sizeof layers,
      "dense units=6 activation=%s; dense units=5 activation=%s name=a; dense units=5 activation=%s; add inputs=a,dense_2 activation=%s;"
      "dense units=2",
      activation, activation, activation, activation);
  check_gradients("3x4", layers, "squared_error");
}

START_TEST(activation_has_the_gradient_of_its_cost) { check_activation(activation_kinds.get((size_t)_i)->name); }
END_TEST
START_TEST(activation_variant_has_the_gradient_of_its_cost) { check_activation(activation_variants[_i]); }
END_TEST

/* Losses, likewise. Each is fed by its fused activation if it has one; by a softmax and a linear output if not. */
static const char *const loss_variants[] = {"cross_entropy label_smoothing=0.1",
                                            "cross_entropy class_weights=0.5,0.75,1,1.25 label_smoothing=0.2", "huber delta=0.3"};
enum { LOSS_VARIANTS = sizeof loss_variants / sizeof loss_variants[0] };

static void check_loss(const char *loss) {
  struct spec spec;
  char layers[512];
  spec_parse(&spec, &loss_kinds, loss);
  const char *fused = ((const struct loss_kind *)spec.kind)->fused_activation;
  const char *const activations[] = {fused != NULL ? fused : "linear", fused != NULL ? fused : "softmax"};
  spec_deinit(&spec);
  for (size_t i = 0; i < 2; i++) {
    snprintf(layers, sizeof layers, "dense units=4 activation=%s", activations[i]);
    check_gradients("3", layers, loss);
    snprintf(layers, sizeof layers, "dense units=6 activation=tanh; batch_norm; dense units=4; activation function=%s", activations[i]);
    check_gradients("5", layers, loss);
  }
}

START_TEST(loss_has_the_gradient_of_its_cost) { check_loss(loss_kinds.get((size_t)_i)->name); }
END_TEST
START_TEST(loss_variant_has_the_gradient_of_its_cost) { check_loss(loss_variants[_i]); }
END_TEST

/* A check that can't fail shows nothing: a gradient wrong by a thousandth must be seen. */
START_TEST(a_wrong_gradient_is_seen) {
  struct check check;
  check_init(&check, "4", "dense units=3", "squared_error", 0);
  ck_assert_double_le(measure(&check, 12, check.gradients, check.parameters64).error, tolerance);
  check.gradients[5] *= 1.001f;
  ck_assert_double_gt(measure(&check, 12, check.gradients, check.parameters64).error, tolerance);
  check_deinit(&check);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "gradient check");
  tcase_add_test(test_case, a_wrong_gradient_is_seen);
  tcase_add_test(test_case, every_layer_kind_has_a_case);
  tcase_add_loop_test(test_case, layer_alone_has_the_gradient_of_its_cost, 0, LAYER_CASES);
  tcase_add_loop_test(test_case, layer_in_a_branching_network_has_the_gradient_of_its_cost, 0, LAYER_CASES);
  tcase_add_loop_test(test_case, layer_with_a_slope_in_place_of_z_has_the_gradient_of_its_cost, 0, LAYER_CASES);
  tcase_add_loop_test(test_case, network_over_padded_sequences_has_the_gradient_of_its_cost, 0, PADDED_NETWORKS);
  tcase_add_loop_test(test_case, activation_has_the_gradient_of_its_cost, 0, (int)activation_kinds.count);
  tcase_add_loop_test(test_case, activation_variant_has_the_gradient_of_its_cost, 0, ACTIVATION_VARIANTS);
  tcase_add_loop_test(test_case, loss_has_the_gradient_of_its_cost, 0, (int)loss_kinds.count);
  tcase_add_loop_test(test_case, loss_variant_has_the_gradient_of_its_cost, 0, LOSS_VARIANTS);
}

int main(void) { return suite_main("gradient check", add_cases); }
