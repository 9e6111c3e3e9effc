/* Sequences of different length: what is padding has no part in anything. Each case runs twice, the second time with the same sequences
 * padded further; outputs at real steps, the loss, the cost in float64 and all gradients must be the same to rounding: float32 sums may be
 * grouped differently where there are more zeros among their terms. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/network.h"
#include "tests/support/shuffled_parallel.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { BATCH = 20, STEPS = 7, MORE_STEPS = 12, FEATURES = 3, TOKENS = 9, PADDING = 4 };
static const double tolerance = 4e-6; /* of the largest value of its array */
/* None of the last few is whole, so that a block of samples may end before the others. */
static const uint32_t lengths[BATCH] = {3, 7, 1, 5, 6, 2, 4, 7, 7, 1, 2, 6, 5, 3, 7, 4, 2, 5, 3, 1};

/* %s: the source, "embedding …" of tokens or "masking" of numbers, 4 or FEATURES features wide. */
static const struct {
  const char *layers, *loss;
} cases[] = {
    {"%s; dense units=3 activation=softmax", "cross_entropy class_weights=0.5,1,2"},
    {"%s; dense units=2", "mean_squared_error"},
    {"%s; dense units=2", "squared_error"},
    {"%s; dense units=2", "huber delta=0.5"},
    {"%s; dense units=2 activation=sigmoid", "binary_cross_entropy"},
    {"%s; dense units=5 activation=tanh; batch_norm; activation function=gelu; dense units=2", "mean_squared_error"},
    {"%s; layer_norm; dense units=5 activation=softmax", "mean_absolute_error"},
    {"%s name=s; dense units=4 activation=tanh name=a; dense units=4 activation=sigmoid name=b inputs=s; add inputs=a,b name=c; "
     "concat inputs=c,s; dense units=3 activation=softmax",
     "cross_entropy label_smoothing=0.1"},
    {"%s; self_attention heads=1; layer_norm; dense units=2", "mean_squared_error"},
    {"%s name=s; self_attention heads=1 causal=1 add_bias_kv=1 name=a; add inputs=s,a; self_attention heads=1 add_zero_attn=1",
     "squared_error"},
    {"%s; dropout rate=0.4; dense units=3 activation=softmax", "cross_entropy"},
    {"%s; rnn units=3 nonlinearity=relu; dense units=3 activation=softmax", "cross_entropy"},
    {"%s; rnn units=5 bidirectional=1 return_sequences=1; dense units=2", "mean_squared_error"},
    {"%s; lstm units=5; dense units=3 activation=softmax", "cross_entropy"},
    {"%s; lstm units=3 bidirectional=1", "squared_error"},
    {"%s; lstm units=5 return_sequences=1 activation=tanh; lstm units=3 return_sequences=1 bidirectional=1; "
     "dense units=3 activation=softmax",
     "cross_entropy"},
    {"%s; gru units=5; dense units=3 activation=softmax", "cross_entropy"},
    {"%s; gru units=3 return_sequences=1 bidirectional=1; gru units=2 bidirectional=1", "mean_absolute_error"},
    {"%s; conv1d filters=4 kernel_size=3 padding=same activation=tanh; dense units=2", "mean_squared_error"},
    {"%s; conv1d filters=5 kernel_size=3 stride=2 padding=2 activation=sigmoid; global_avg_pool; dense units=3 activation=softmax",
     "cross_entropy"},
    {"%s; conv1d filters=10 kernel_size=4 dilation=2 padding=1 activation=relu; batch_norm; global_max_pool; dense units=2",
     "squared_error"},
    {"%s; conv1d filters=3 kernel_size=5; conv1d filters=3 kernel_size=2 bias=0; global_avg_pool", "huber"},
    {"%s; max_pool1d pool_size=3 stride=1 padding=1 activation=tanh; dense units=2", "mean_squared_error"},
    {"%s; max_pool1d pool_size=2 dilation=3 ceil_mode=1; global_avg_pool; dense units=2", "mean_squared_error"},
    {"%s; avg_pool1d pool_size=3 stride=2 padding=1 ceil_mode=1; global_max_pool; dense units=2", "mean_squared_error"},
    {"%s; avg_pool1d pool_size=4 stride=3 padding=2 count_include_pad=0; global_max_pool; dense units=2", "mean_squared_error"},
    {"%s; global_avg_pool activation=tanh; dense units=3 activation=softmax", "cross_entropy"},
    {"%s; global_max_pool; dense units=3 activation=softmax", "cross_entropy"},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* One network over the sequences, padded to `steps`. */
struct scene {
  size_t steps, step_in, step_out; /* input and output values of a step; step_out 0: the output isn't a sequence */
  size_t out_size;
  struct network_spec spec;
  struct network *network;
  struct workspace *workspace;
  struct spec loss;
  float *x, *target, *parameters, *buffers, *gradients;
  double cost, cost64, weight;
};

static double noise(uint32_t lane, size_t index) {
  float value;
  random_fill_normal(&(struct random_stream){.seed = 5, .purpose = 98, .lane = lane}, index, 1, &value);
  return (double)value;
}

/* Step t of sample s doesn't depend on how many steps there are; padding is told from it. */
static void fill_rows(struct scene *scene, bool is_tokens) {
  const bool is_class = loss_of(&scene->loss)->target_form == TARGET_CLASS;
  const size_t classes = is_class ? workspace_get_loss_batch(scene->workspace, &scene->loss, BATCH, NULL).width : 0;
  for (size_t s = 0; s < BATCH; s++) {
    for (size_t t = 0; t < scene->steps; t++) {
      for (size_t i = 0; i < scene->step_in; i++) {
        const double value = noise(1, (s * 50 + t) * 10 + i);
        float token = (float)((size_t)(fabs(value) * 1000) % TOKENS);
        if (t + 1 == lengths[s] && token == PADDING) token = PADDING + 1;
        float *x = &scene->x[(s * scene->steps + t) * scene->step_in + i];
        *x = t >= lengths[s] ? (is_tokens ? PADDING : 0) : is_tokens ? token : (float)value;
      }
      const size_t width = is_class ? 1 : scene->step_out;
      for (size_t i = 0; i < width && (scene->step_out > 0 || t == 0); i++) {
        const double value = noise(2, (s * 50 + t) * 10 + i);
        const bool is_yes_or_no = loss_of(&scene->loss)->fused_activation != NULL;
        const size_t at = scene->step_out > 0 ? (s * scene->steps + t) * width + i : s;
        /* What stands beside padding must not matter: not even a NaN. */
        scene->target[at] = scene->step_out > 0 && t >= lengths[s] ? NAN
                            : is_class                             ? (float)((s + t) % classes)
                            : is_yes_or_no                         ? (float)(value > 0)
                                                                   : (float)value;
      }
    }
  }
}

static void run_cost64(struct scene *scene, const struct pass_options *options, const double *class_weights) {
  const size_t x_count = BATCH * scene->steps * scene->step_in, count = network_parameter_count(scene->network);
  double *x64 = calloc(x_count, sizeof *x64), *parameters64 = calloc(count + 1, sizeof *parameters64);
  double *buffers64 = calloc(network_buffer_count(scene->network) + 1, sizeof *buffers64);
  struct error error = {0};
  for (size_t i = 0; i < x_count; i++) x64[i] = (double)scene->x[i];
  for (size_t i = 0; i < count; i++) parameters64[i] = (double)scene->parameters[i];
  for (size_t i = 0; i < network_buffer_count(scene->network); i++) buffers64[i] = (double)scene->buffers[i];
  ck_assert_int_eq(network_cost64(scene->network, options, x64, parameters64, buffers64, &scene->loss, class_weights, scene->target,
                                  &scene->cost64, &error),
                   ERROR_NONE);
  free(x64);
  free(parameters64);
  free(buffers64);
}

static void scene_init(struct scene *scene, size_t steps, bool is_tokens, const char *layers, const char *loss) {
  static const double class_weights[] = {0.5, 1, 2, 1, 1};
  struct error error = {0};
  char input[32];
  *scene = (struct scene){.steps = steps, .step_in = is_tokens ? 1 : FEATURES};
  if (is_tokens)
    snprintf(input, sizeof input, "%zu", steps);
  else
    snprintf(input, sizeof input, "%zux%d", steps, FEATURES);
  network_spec_parse(&scene->spec, input, layers);
  spec_parse(&scene->loss, &loss_kinds, loss);
  ck_assert_msg(network_create(&scene->spec, &scene->network, &error) == ERROR_NONE, "%s: %s", layers, error.detail);
  ck_assert_msg(network_check_loss(scene->network, &scene->loss, "", &error) == ERROR_NONE, "%s: %s", layers, error.detail);
  ck_assert_int_eq(workspace_create(scene->network, BATCH, true, &scene->workspace, &error), ERROR_NONE);
  const struct shape *out = network_get_output_shape(scene->network);
  scene->out_size = shape_size(out);
  scene->step_out = network_has_output_lengths(scene->network) ? scene->out_size / out->sizes[0] : 0;
  const size_t count = network_parameter_count(scene->network);
  scene->x = calloc(BATCH * steps * scene->step_in, sizeof(float));
  scene->target = calloc(BATCH * scene->out_size, sizeof(float));
  scene->parameters = calloc(count + 1, sizeof(float));
  scene->gradients = calloc(count + 1, sizeof(float));
  scene->buffers = calloc(network_buffer_count(scene->network) + 1, sizeof(float));
  fill_rows(scene, is_tokens);
  network_initialize(scene->network, 3, scene->parameters, scene->buffers);
  for (size_t i = 0; i < count; i++) scene->parameters[i] += (float)(0.3 * noise(3, i));
  const struct pass_options options = {.batch = BATCH, .training = true, .seed = 4, .epoch = 2, .step = 7};
  const double *weights = loss_of(&scene->loss)->target_form == TARGET_CLASS ? class_weights : NULL;
  run_cost64(scene, &options, weights);
  network_forward(scene->network, scene->workspace, &options, scene->x, scene->parameters, scene->buffers);
  struct loss_batch batch = workspace_get_loss_batch(scene->workspace, &scene->loss, BATCH, scene->target);
  batch.class_weights = weights;
  loss_evaluate(&scene->loss, &batch, &scene->cost, &scene->weight);
  scene->cost /= scene->weight;
  network_backward(scene->network, scene->workspace, &options, scene->x, scene->parameters, &scene->loss, weights, scene->target,
                   scene->gradients, NULL);
}

static void scene_deinit(struct scene *scene) {
  free(scene->x);
  free(scene->target);
  free(scene->parameters);
  free(scene->gradients);
  free(scene->buffers);
  workspace_destroy(scene->workspace);
  network_destroy(scene->network);
  spec_deinit(&scene->loss);
  network_spec_deinit(&scene->spec);
}

static void compare(const char *layers, const char *what, size_t count, const float *left, const float *right) {
  double largest = 0, worst = 0;
  for (size_t i = 0; i < count; i++) {
    const double difference = fabs((double)left[i] - (double)right[i]);
    largest = fmax(largest, fabs((double)left[i]));
    worst = isfinite(difference) ? fmax(worst, difference) : (double)INFINITY;
  }
  ck_assert_msg(worst <= tolerance * largest, "%s: %s differ by %g, the largest is %g", layers, what, worst, largest);
}

static void compare_outputs(const char *layers, const struct scene *tight, const struct scene *loose) {
  for (size_t s = 0; s < BATCH; s++) {
    const float *a = workspace_get_output(tight->workspace) + s * tight->out_size;
    const float *b = workspace_get_output(loose->workspace) + s * loose->out_size;
    const size_t count = tight->step_out > 0 ? lengths[s] * tight->step_out : tight->out_size;
    compare(layers, "outputs", count, a, b);
    for (size_t i = count; i < tight->out_size; i++) ck_assert_msg(a[i] == 0, "%s: the output at a padded step isn't 0", layers);
  }
}

static void check_case(const char *source, bool is_tokens, const char *format, const char *loss) {
  char layers[1024];
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  snprintf(layers, sizeof layers, format, source);
  struct scene tight, loose;
  scene_init(&tight, STEPS, is_tokens, layers, loss);
  scene_init(&loose, MORE_STEPS, is_tokens, layers, loss);
  const size_t count = network_parameter_count(tight.network);
  ck_assert_uint_eq(count, network_parameter_count(loose.network));
  ck_assert_msg(isfinite(tight.cost) && tight.cost > 0, "%s: the cost is %g", layers, tight.cost);
  ck_assert_msg(fabs(tight.cost - tight.cost64) <= 1e-5 * tight.cost64, "%s: cost %g, in float64 %g", layers, tight.cost, tight.cost64);
  ck_assert_msg(fabs(tight.cost64 - loose.cost64) <= 1e-12 * tight.cost64, "%s: %g, %g padded", layers, tight.cost64, loose.cost64);
  ck_assert_msg(fabs(tight.cost - loose.cost) <= tolerance * tight.cost, "%s: cost %g, %g padded", layers, tight.cost, loose.cost);
  ck_assert(tight.weight == loose.weight);
  compare_outputs(layers, &tight, &loose);
  for (size_t i = 0; i < network_layer_count(tight.network); i++) {
    const struct layer *layer = network_get_layer(tight.network, i);
    for (size_t j = 0; j < layer->tensor_count; j++)
      compare(layers, layer->tensors[j].name, shape_size(&layer->tensors[j].shape), tight.gradients + layer->tensors[j].offset,
              loose.gradients + layer->tensors[j].offset);
    for (size_t j = 0; j < layer->buffer_count; j++)
      compare(layers, layer->buffers[j].name, shape_size(&layer->buffers[j].shape), tight.buffers + layer->buffers[j].offset,
              loose.buffers + layer->buffers[j].offset);
  }
  scene_deinit(&tight);
  scene_deinit(&loose);
}

START_TEST(padding_tokens_further_changes_nothing) {
  char source[64];
  snprintf(source, sizeof source, "embedding input_dim=%d output_dim=4 padding_idx=%d", TOKENS, PADDING);
  check_case(source, true, cases[_i].layers, cases[_i].loss);
}
END_TEST

START_TEST(padding_numbers_further_changes_nothing) { check_case("masking", false, cases[_i].layers, cases[_i].loss); }
END_TEST

/* Lengths are where padding begins; padding within a sequence, and a token of padding alone, are real. */
START_TEST(lengths_are_counted_to_the_last_that_is_not_padding) {
  struct network_spec spec;
  struct network *network;
  struct workspace *workspace;
  struct error error = {0};
  network_spec_parse(&spec, "4", "embedding input_dim=3 output_dim=1 padding_idx=0; dense units=1");
  ck_assert_int_eq(network_create(&spec, &network, &error), ERROR_NONE);
  ck_assert_int_eq(workspace_create(network, 4, false, &workspace, &error), ERROR_NONE);
  const float x[] = {1, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 1, 1, 1};
  const float parameters[] = {9, 1, 2, 1, 0};
  network_forward(network, workspace, &(struct pass_options){.batch = 4}, x, parameters, NULL);
  const uint32_t *counted = workspace_get_output_lengths(workspace);
  const uint32_t expected[] = {2, 3, 1, 4};
  ck_assert_mem_eq(counted, expected, sizeof expected);
  const float outputs[] = {1, 2, 0, 0, 9, 9, 2, 0, 9, 0, 0, 0, 1, 1, 1, 1};
  ck_assert_mem_eq(workspace_get_output(workspace), outputs, sizeof outputs);
  workspace_destroy(workspace);
  network_destroy(network);
  network_spec_deinit(&spec);
}
END_TEST

START_TEST(the_row_of_padding_starts_as_zeros_and_is_never_trained) {
  struct scene scene;
  scene_init(&scene, STEPS, true, "embedding input_dim=9 output_dim=4 padding_idx=4; dense units=2", "squared_error");
  float *parameters = calloc(network_parameter_count(scene.network), sizeof(float));
  network_initialize(scene.network, 1, parameters, NULL);
  for (size_t i = 0; i < 4; i++) {
    ck_assert(parameters[PADDING * 4 + i] == 0 && parameters[i] != 0);
    ck_assert(scene.gradients[PADDING * 4 + i] == 0);
  }
  free(parameters);
  scene_deinit(&scene);
}
END_TEST

/* Whatever number a token is, nothing outside the table is read: its row is NaN. */
START_TEST(what_is_no_token_becomes_nan) {
  static const float values[] = {3, -1, 0.5f, NAN, INFINITY, -INFINITY, 1e30f, 2147483648.0f};
  struct scene scene;
  scene_init(&scene, STEPS, true, "embedding input_dim=3 output_dim=2; dense units=1", "squared_error");
  memset(scene.x, 0, BATCH * STEPS * sizeof(float));
  scene.x[3] = values[_i];
  const struct pass_options options = {.batch = BATCH, .training = true};
  network_forward(scene.network, scene.workspace, &options, scene.x, scene.parameters, scene.buffers);
  const float *z = workspace_get_z(scene.workspace, 0);
  for (size_t i = 0; i < BATCH * STEPS * 2; i++) ck_assert(isnan(z[i]) == (i / 2 == 3));
  network_backward(scene.network, scene.workspace, &options, scene.x, scene.parameters, &scene.loss, NULL, scene.target, scene.gradients,
                   NULL);
  scene_deinit(&scene);
}
END_TEST

/* Predictions and training steps of layers that walk through time. */
static const char *const walks[] = {"rnn units=20 return_sequences=1", "lstm units=33 bidirectional=1", "gru units=19",
                                    "gru units=7 bidirectional=1 return_sequences=1", "lstm units=16 return_sequences=1; lstm units=3"};
enum { WALKS = sizeof walks / sizeof walks[0] };

START_TEST(a_sequence_is_predicted_with_the_same_bits_alone_and_among_others) {
  struct scene scene;
  char layers[256];
  snprintf(layers, sizeof layers, "masking; %s", walks[_i]);
  scene_init(&scene, MORE_STEPS, false, layers, "squared_error");
  float *together = calloc(BATCH * scene.out_size, sizeof(float));
  struct pass_options options = {.batch = BATCH, .row_by_row = true};
  network_forward(scene.network, scene.workspace, &options, scene.x, scene.parameters, scene.buffers);
  memcpy(together, workspace_get_output(scene.workspace), BATCH * scene.out_size * sizeof(float));
  options.batch = 1;
  for (size_t s = 0; s < BATCH; s++) {
    network_forward(scene.network, scene.workspace, &options, scene.x + s * MORE_STEPS * FEATURES, scene.parameters, scene.buffers);
    ck_assert_mem_eq(workspace_get_output(scene.workspace), together + s * scene.out_size, scene.out_size * sizeof(float));
  }
  free(together);
  scene_deinit(&scene);
}
END_TEST

START_TEST(order_of_pieces_changes_no_bit) {
  struct scene scene;
  struct shuffled_parallel state;
  const struct parallel parallel = shuffled_parallel(&state);
  char layers[256];
  snprintf(layers, sizeof layers, "embedding input_dim=%d output_dim=20 padding_idx=%d; %s", TOKENS, PADDING, walks[_i]);
  scene_init(&scene, MORE_STEPS, true, layers, "squared_error");
  const size_t count = network_parameter_count(scene.network);
  float *first = calloc(count, sizeof(float));
  memcpy(first, scene.gradients, count * sizeof(float));
  const struct pass_options options = {.batch = BATCH, .training = true, .seed = 4, .epoch = 2, .step = 7, .parallel = &parallel};
  network_forward(scene.network, scene.workspace, &options, scene.x, scene.parameters, scene.buffers);
  network_backward(scene.network, scene.workspace, &options, scene.x, scene.parameters, &scene.loss, NULL, scene.target, scene.gradients,
                   NULL);
  ck_assert_uint_gt(state.runs, 1);
  ck_assert_mem_eq(first, scene.gradients, count * sizeof(float));
  free(first);
  scene_deinit(&scene);
}
END_TEST

/* Products in bfloat16, or what stands in for them where the processor has none. */
START_TEST(walks_work_in_bfloat16) {
  struct scene scene;
  char layers[256];
  snprintf(layers, sizeof layers, "masking; dense units=300; %s", walks[_i]);
  scene_init(&scene, MORE_STEPS, false, layers, "squared_error");
  const size_t count = network_parameter_count(scene.network), half_count = network_half_count(scene.network, BATCH);
  float *first = calloc(count, sizeof(float));
  memcpy(first, scene.gradients, count * sizeof(float));
  uint16_t *half = aligned_alloc(64, (half_count * sizeof *half + 127) / 64 * 64);
  const struct pass_options options = {.batch = BATCH, .training = true, .seed = 4, .epoch = 2, .step = 7, .half = half};
  network_forward(scene.network, scene.workspace, &options, scene.x, scene.parameters, scene.buffers);
  network_backward(scene.network, scene.workspace, &options, scene.x, scene.parameters, &scene.loss, NULL, scene.target, scene.gradients,
                   NULL);
  double difference = 0, norm = 0;
  for (size_t i = 0; i < count; i++) {
    difference += pow((double)first[i] - (double)scene.gradients[i], 2);
    norm += pow((double)first[i], 2);
  }
  ck_assert_double_le(sqrt(difference / norm), 0.03);
  free(half);
  free(first);
  scene_deinit(&scene);
}
END_TEST

static const struct {
  const char *input, *layers, *detail;
} refusals[] = {
    {"4x3", "masking name=m; layer_norm axes=2 name=n",
     "layer \"n\" normalizes over the steps of sequences of different length, which \"m\" gives: make axes at most 1"},
    {"4x3", "masking name=m; concat name=c inputs=m,input axis=0", "layer \"c\" can't join the steps of sequences of different length"},
    {"4x3x2", "masking name=m; batch_norm name=n", "batch_norm layer \"n\" takes sequences of different length as [time, features] only"},
    {"4", "masking name=m", "masking layer \"m\" takes sequences [time, features], but \"input\" gives [4]"},
    {"4", "lstm units=3 name=l",
     "lstm layer \"l\" takes sequences [time, features], but \"input\" gives [4]: reshape it, or put an embedding before it"},
    {"4", "positional_embedding name=p", "positional_embedding layer \"p\" takes sequences [time, features], but \"input\" gives [4]"},
    {"2x2x2x2", "embedding name=e input_dim=3 output_dim=2", "embedding layer \"e\" takes tokens [time] or with up to 3 axes"},
};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

START_TEST(what_can_not_leave_padding_out_is_refused) {
  struct network_spec spec;
  struct network *network;
  struct error error = {0};
  network_spec_parse_unresolved(&spec, refusals[_i].input, refusals[_i].layers);
  ck_assert_int_eq(network_spec_resolve(&spec, NULL, &error), ERROR_INVALID);
  error_clear(&error);
  ck_assert_int_eq(network_create(&spec, &network, &error), ERROR_INVALID);
  ck_assert_msg(strncmp(error.items[0].detail, refusals[_i].detail, strlen(refusals[_i].detail)) == 0, "%s", error.items[0].detail);
  network_spec_deinit(&spec);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "sequences");
  tcase_add_loop_test(test_case, padding_tokens_further_changes_nothing, 0, CASES);
  tcase_add_loop_test(test_case, padding_numbers_further_changes_nothing, 0, CASES);
  tcase_add_loop_test(test_case, a_sequence_is_predicted_with_the_same_bits_alone_and_among_others, 0, WALKS);
  tcase_add_loop_test(test_case, order_of_pieces_changes_no_bit, 0, WALKS);
  tcase_add_loop_test(test_case, walks_work_in_bfloat16, 0, WALKS);
  tcase_add_test(test_case, lengths_are_counted_to_the_last_that_is_not_padding);
  tcase_add_test(test_case, the_row_of_padding_starts_as_zeros_and_is_never_trained);
  tcase_add_loop_test(test_case, what_is_no_token_becomes_nan, 0, 8);
  tcase_add_loop_test(test_case, what_can_not_leave_padding_out_is_refused, 0, REFUSALS);
}

int main(void) { return suite_main("sequences", add_cases); }
