/* Traces: what they show is what the literature says, what PyTorch computes and what training does. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/trace.h"
#include "engine/train.h"
#include "tests/support/allocations.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

struct scene {
  struct network_spec spec;
  struct network *network;
  struct spec loss, optimizer;
  struct trace_options options;
  struct trace *trace;
};

static void scene_init(struct scene *scene, const char *input, const char *layers, const char *loss, const char *optimizer, size_t rows) {
  struct error error = {0};
  *scene = (struct scene){0};
  network_spec_parse(&scene->spec, input, layers);
  spec_parse(&scene->loss, &loss_kinds, loss);
  spec_parse(&scene->optimizer, &optimizer_kinds, optimizer);
  ck_assert_msg(network_create(&scene->spec, &scene->network, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_msg(network_check_loss(scene->network, &scene->loss, "", &error) == ERROR_NONE, "%s", error.detail);
  scene->options = (struct trace_options){
      .loss = &scene->loss, .optimizer = &scene->optimizer, .clip_norm = NAN, .clip_value = NAN, .seed = 5, .row_count = rows};
  ck_assert_msg(trace_create(scene->network, &scene->options, &scene->trace, &error) == ERROR_NONE, "%s", error.detail);
}

static void scene_deinit(struct scene *scene) {
  trace_destroy(scene->trace);
  network_destroy(scene->network);
  spec_deinit(&scene->loss);
  spec_deinit(&scene->optimizer);
  network_spec_deinit(&scene->spec);
}

static void fill_normal(float *values, size_t count, uint64_t seed) {
  random_fill_normal(&(struct random_stream){.seed = seed, .purpose = 99}, 0, count, values);
}

/* Inputs at random; targets as the loss wants them. */
static void fill(struct scene *scene) {
  const size_t rows = scene->options.row_count, width = shape_size(network_get_output_shape(scene->network));
  float *target = trace_get_target(scene->trace);
  fill_normal(trace_get_input(scene->trace), rows * shape_size(network_get_input_shape(scene->network)), 1);
  if (loss_of(&scene->loss)->target_form == TARGET_CLASS) {
    for (size_t i = 0; i < rows; i++) target[i] = (float)(i % width);
    return;
  }
  fill_normal(target, rows * width, 2);
  for (size_t i = 0; i < rows * width && loss_of(&scene->loss)->fused_activation != NULL; i++) target[i] = target[i] > 0;
}

static const float *values(struct scene *scene, size_t layer, enum trace_quantity quantity) {
  size_t count;
  const float *found = trace_get_values(scene->trace, layer, quantity, &count);
  ck_assert_ptr_nonnull(found);
  return found;
}

static const float *tensor(struct scene *scene, size_t layer, size_t index, enum trace_tensor_quantity quantity) {
  size_t count;
  return trace_get_tensor(scene->trace, layer, index, quantity, &count);
}

static void assert_near(double value, double expected, double relative, const char *what) {
  ck_assert_msg(fabs(value - expected) <= 1e-6 + relative * fabs(expected), "%s: %.9g, expected %.9g", what, value, expected);
}

/* What PyTorch computes for the networks on which backpropagation is taught */

static json_t *load(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "tests/golden/data/%s.json", name);
  json_error_t defect;
  json_t *json = json_load_file(path, 0, &defect);
  ck_assert_msg(json != NULL, "%s: %s", path, defect.text);
  return json;
}

static const json_t *at(const json_t *json, const char *first, const char *second, const char *third) {
  const char *const keys[] = {first, second, third};
  for (size_t i = 0; i < 3 && keys[i] != NULL; i++) json = json_object_get(json, keys[i]);
  ck_assert_msg(json != NULL, "%s %s %s", first, second == NULL ? "" : second, third == NULL ? "" : third);
  return json;
}

static size_t read_data(const json_t *tensor_json, float *out_values) {
  const json_t *data = json_object_get(tensor_json, "data");
  for (size_t i = 0; i < json_array_size(data); i++) out_values[i] = (float)json_number_value(json_array_get(data, i));
  return json_array_size(data);
}

static void compare_data(const json_t *tensor_json, const float *found, double relative, const char *what) {
  const json_t *data = json_object_get(tensor_json, "data");
  ck_assert_uint_gt(json_array_size(data), 0);
  for (size_t i = 0; i < json_array_size(data); i++)
    assert_near((double)found[i], json_number_value(json_array_get(data, i)), relative, what);
}

static void compare_tensors(struct scene *scene, const json_t *expected, enum trace_tensor_quantity quantity, double relative) {
  for (size_t i = 0; i < network_layer_count(scene->network); i++) {
    const struct layer *layer = network_get_layer(scene->network, i);
    for (size_t t = 0; t < layer->tensor_count; t++) {
      char name[128];
      snprintf(name, sizeof name, "%s.%s", layer->name, layer->tensors[t].name);
      compare_data(at(expected, name, NULL, NULL), tensor(scene, i, t, quantity), relative, name);
    }
  }
}

static const struct {
  const char *file, *input, *layers;
  size_t rows;
} taught[] = {
    {"seed_scalar_chain", "1",
     "dense units=1 activation=sigmoid name=dense_0; dense units=1 activation=sigmoid name=dense_1; dense units=1 activation=sigmoid "
     "name=dense_2",
     1},
    {"seed_vector_sigmoid", "3",
     "dense units=4 activation=sigmoid name=dense_0; dense units=3 activation=sigmoid name=dense_1; dense units=2 activation=sigmoid "
     "name=dense_2",
     6},
};

START_TEST(the_networks_of_the_textbook_have_pytorchs_numbers) {
  struct scene scene;
  json_t *golden = load(taught[_i].file);
  scene_init(&scene, taught[_i].input, taught[_i].layers, "squared_error", "sgd learning_rate=0.1", taught[_i].rows);
  read_data(at(golden, "input", NULL, NULL), trace_get_input(scene.trace));
  read_data(at(golden, "target", NULL, NULL), trace_get_target(scene.trace));
  float *parameters = trace_get_parameters(scene.trace);
  for (size_t i = 0; i < network_layer_count(scene.network); i++)
    for (size_t t = 0; t < 2; t++) {
      const struct layer *layer = network_get_layer(scene.network, i);
      char name[128];
      snprintf(name, sizeof name, "%s.%s", layer->name, layer->tensors[t].name);
      read_data(at(golden, "parameters", name, NULL), parameters + layer->tensors[t].offset);
    }
  const json_t *losses = at(golden, "expect", "train", "losses");
  ck_assert_uint_eq(json_array_size(losses), 5);
  for (size_t step = 0; step < json_array_size(losses); step++) {
    trace_pass(scene.trace);
    assert_near(trace_get_loss(scene.trace), json_number_value(json_array_get(losses, step)), 1e-5, "loss");
    if (step == 0) {
      compare_tensors(&scene, at(golden, "expect", "gradients", NULL), TRACE_GRADIENT, 1e-4);
      compare_data(at(golden, "expect", "input_gradient", NULL), trace_get_input_gradient(scene.trace), 1e-4, "input gradient");
      compare_data(at(golden, "expect", "output", NULL), values(&scene, 2, TRACE_A), 1e-5, "output");
    }
    trace_update(scene.trace);
    trace_advance(scene.trace);
  }
  compare_tensors(&scene, at(golden, "expect", "train", "parameters"), TRACE_VALUE, 1e-4);
  json_decref(golden);
  scene_deinit(&scene);
}
END_TEST

/* z = W a + b, a = σ(z), δ = (Wᵀ δ of the next) ⊙ σ′(z), ∂C/∂W = δ aᵀ, ∂C/∂b = δ, ΔW = −η ∂C/∂W */
START_TEST(every_quantity_is_the_textbooks) {
  struct scene scene;
  scene_init(&scene, taught[1].input, taught[1].layers, "squared_error", "sgd learning_rate=0.5", 1);
  fill(&scene);
  trace_pass(scene.trace);
  trace_update(scene.trace);
  const size_t sizes[] = {3, 4, 3, 2};
  for (size_t l = 0; l < 3; l++) {
    const float *x = l == 0 ? trace_get_input(scene.trace) : values(&scene, l - 1, TRACE_A);
    const float *W = tensor(&scene, l, 0, TRACE_VALUE), *b = tensor(&scene, l, 1, TRACE_VALUE);
    for (size_t j = 0; j < sizes[l + 1]; j++) {
      double z = (double)b[j];
      for (size_t i = 0; i < sizes[l]; i++) z += (double)W[j * sizes[l] + i] * (double)x[i];
      const double a = 1 / (1 + exp(-z)), delta = (double)values(&scene, l, TRACE_DELTA)[j];
      assert_near((double)values(&scene, l, TRACE_Z)[j], z, 1e-5, "z");
      assert_near((double)values(&scene, l, TRACE_A)[j], a, 1e-5, "a");
      assert_near((double)values(&scene, l, TRACE_ACTIVATION_DERIVATIVE)[j], a * (1 - a), 1e-5, "sigma'");
      double a_gradient = 2 * (a - (double)trace_get_target(scene.trace)[j]);
      if (l < 2) {
        a_gradient = 0;
        for (size_t k = 0; k < sizes[l + 2]; k++)
          a_gradient += (double)tensor(&scene, l + 1, 0, TRACE_VALUE)[k * sizes[l + 1] + j] * (double)values(&scene, l + 1, TRACE_DELTA)[k];
      }
      assert_near((double)values(&scene, l, TRACE_A_GRADIENT)[j], a_gradient, 1e-5, "dC/da");
      assert_near(delta, a_gradient * a * (1 - a), 1e-5, "delta");
      assert_near((double)tensor(&scene, l, 1, TRACE_GRADIENT)[j], delta, 1e-5, "dC/db");
      for (size_t i = 0; i < sizes[l]; i++) {
        assert_near((double)tensor(&scene, l, 0, TRACE_GRADIENT)[j * sizes[l] + i], delta * (double)x[i], 1e-5, "dC/dW");
        assert_near((double)tensor(&scene, l, 0, TRACE_STEP)[j * sizes[l] + i], -0.5 * delta * (double)x[i], 1e-4, "step");
      }
    }
  }
  scene_deinit(&scene);
}
END_TEST

/* Loss and output activation are computed together; taken apart, they say the same. */
static const struct {
  const char *loss, *activation;
} fused[] = {{"cross_entropy", "softmax"},
             {"cross_entropy label_smoothing=0.2", "softmax"},
             {"cross_entropy class_weights=0.5,1,2 label_smoothing=0.1", "softmax"},
             {"binary_cross_entropy", "sigmoid"},
             {"binary_cross_entropy pos_weight=3 weight=0.5,1,2", "sigmoid"}};
enum { FUSED = sizeof fused / sizeof fused[0] };

START_TEST(the_loss_alone_and_the_activation_alone_give_delta_too) {
  struct scene scene;
  char layers[128];
  snprintf(layers, sizeof layers, "dense units=3 activation=%s", fused[_i].activation);
  scene_init(&scene, "4", layers, fused[_i].loss, "sgd", 5);
  static const double weights[] = {0.5, 1, 2};
  if (loss_class_weights(&scene.loss) != NULL) {
    scene.options.class_weights = weights;
    trace_destroy(scene.trace);
    struct error error = {0};
    ck_assert_int_eq(trace_create(scene.network, &scene.options, &scene.trace, &error), ERROR_NONE);
  }
  fill(&scene);
  trace_pass(scene.trace);
  const float *g = values(&scene, 0, TRACE_A_GRADIENT), *delta = values(&scene, 0, TRACE_DELTA);
  const bool is_softmax = strcmp(fused[_i].activation, "softmax") == 0;
  size_t count;
  ck_assert((trace_get_values(scene.trace, 0, TRACE_ACTIVATION_DERIVATIVE, &count) == NULL) == is_softmax);
  ck_assert((trace_get_values(scene.trace, 0, TRACE_ACTIVATION_JACOBIAN, &count) == NULL) != is_softmax);
  for (size_t row = 0; row < 5; row++)
    for (size_t j = 0; j < 3; j++) {
      double sum = 0;
      for (size_t k = 0; k < 3 && is_softmax; k++)
        sum += (double)values(&scene, 0, TRACE_ACTIVATION_JACOBIAN)[(row * 3 + k) * 3 + j] * (double)g[row * 3 + k];
      if (!is_softmax) sum = (double)values(&scene, 0, TRACE_ACTIVATION_DERIVATIVE)[row * 3 + j] * (double)g[row * 3 + j];
      assert_near((double)delta[row * 3 + j], sum, 1e-4, fused[_i].loss);
    }
  scene_deinit(&scene);
}
END_TEST

START_TEST(every_fused_loss_says_its_gradient_by_a) {
  for (size_t i = 0; i < loss_kinds.count; i++) {
    const struct loss_kind *kind = (const struct loss_kind *)loss_kinds.get(i);
    bool has_case = kind->fused_activation == NULL;
    for (size_t k = 0; k < FUSED; k++) has_case |= strncmp(fused[k].loss, kind->kind.name, strlen(kind->kind.name)) == 0;
    ck_assert_msg(has_case && (kind->a_gradient != NULL) == (kind->fused_activation != NULL), "%s", kind->kind.name);
  }
}
END_TEST

/* An output that takes part in several layers, and layers without weights or activation. */
START_TEST(what_several_layers_take_sums_their_gradients) {
  struct scene scene;
  scene_init(&scene, "4",
             "dense units=3 activation=tanh name=a; dense units=3 name=left inputs=a; dense units=3 name=right inputs=a; add "
             "inputs=left,right,a name=sum",
             "mean_squared_error", "sgd", 2);
  fill(&scene);
  trace_pass(scene.trace);
  const float *delta = values(&scene, 3, TRACE_DELTA), *left = tensor(&scene, 1, 0, TRACE_VALUE);
  for (size_t row = 0; row < 2; row++)
    for (size_t j = 0; j < 3; j++) {
      double sum = (double)delta[row * 3 + j];
      for (size_t k = 0; k < 3; k++)
        sum += ((double)left[k * 3 + j] + (double)tensor(&scene, 2, 0, TRACE_VALUE)[k * 3 + j]) * (double)delta[row * 3 + k];
      assert_near((double)values(&scene, 0, TRACE_A_GRADIENT)[row * 3 + j], sum, 1e-5, "dC/da");
      ck_assert_float_eq(values(&scene, 3, TRACE_ACTIVATION_DERIVATIVE)[row * 3 + j], 1);
      ck_assert_float_eq(values(&scene, 3, TRACE_A_GRADIENT)[row * 3 + j], delta[row * 3 + j]);
    }
  scene_deinit(&scene);
}
END_TEST

/* Steps of a trace are steps of training on that row, bit for bit: optimizers, penalties, clipping, dropout. */
static void ignore_report(void *context, const struct train_report *report) { (void)context, (void)report; }
static enum error_code ignore_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *error) {
  (void)context, (void)snapshot, (void)error;
  return ERROR_NONE;
}
static enum train_request go_on(void *context) {
  (void)context;
  return TRAIN_CONTINUE;
}

static void compare_with_training(const char *optimizer, double clip_norm, double clip_value) {
  enum { STEPS = 7 };
  struct scene scene;
  struct error error = {0};
  scene_init(&scene, "6", "dense units=8 activation=relu l2=0.01; dropout rate=0.3; dense units=3 l1=0.02 activation=softmax",
             "cross_entropy", optimizer, 1);
  scene.options.clip_norm = clip_norm;
  scene.options.clip_value = clip_value;
  trace_destroy(scene.trace);
  ck_assert_int_eq(trace_create(scene.network, &scene.options, &scene.trace, &error), ERROR_NONE);
  fill(&scene);
  struct train_settings settings;
  ck_assert_int_eq(settings_init(&settings, train_params, train_param_count, &error), ERROR_NONE);
  spec_deinit(&settings.optimizer);
  spec_parse(&settings.optimizer, &optimizer_kinds, optimizer);
  spec_parse(&settings.loss, &loss_kinds, "cross_entropy");
  settings.seed = 5;
  settings.epochs = STEPS;
  settings.clip_norm = clip_norm;
  settings.clip_value = clip_value;
  const struct train_data data = {
      .task = TASK_CLASSIFICATION,
      .class_count = 3,
      .train = {.count = 1, .x = trace_get_input(scene.trace), .y = trace_get_target(scene.trace)},
  };
  struct trainer *trainer = NULL;
  struct train_result result;
  const struct train_sink sink = {.report = ignore_report, .checkpoint = ignore_checkpoint, .poll = go_on};
  ck_assert_int_eq(trainer_create(scene.network, &settings, &data, NULL, &trainer, &error), ERROR_NONE);
  ck_assert_int_eq(trainer_run(trainer, &sink, &result, &error), ERROR_NONE);
  for (size_t step = 0; step < STEPS; step++) {
    trace_pass(scene.trace);
    trace_update(scene.trace);
    trace_advance(scene.trace);
  }
  ck_assert_msg(memcmp(trace_get_parameters(scene.trace), trainer_get_parameters(trainer),
                       network_parameter_count(scene.network) * sizeof(float)) == 0,
                "%s", optimizer);
  trainer_destroy(trainer);
  settings_deinit(&settings, train_params, train_param_count);
  scene_deinit(&scene);
}

START_TEST(its_steps_are_those_of_training) { compare_with_training(optimizer_kinds.get((size_t)_i)->name, NAN, NAN); }
END_TEST
START_TEST(its_line_search_is_that_of_training) { compare_with_training("lbfgs line_search=strong_wolfe", NAN, NAN); }
END_TEST
START_TEST(its_clipping_is_that_of_training) {
  compare_with_training("sgd learning_rate=0.3 momentum=0.9", 0.05, NAN);
  compare_with_training("sgd learning_rate=0.3", 0.5, 0.02);
}
END_TEST

START_TEST(looking_ahead_tells_the_loss_of_the_next_pass) {
  struct scene scene;
  scene_init(&scene, "5", "dense units=7 activation=silu; dropout rate=0.5; dense units=2", "huber", "adam learning_rate=0.05", 3);
  fill(&scene);
  double told = NAN;
  for (int step = 0; step < 5; step++) {
    trace_pass(scene.trace);
    if (step > 0) ck_assert_double_eq(trace_get_loss(scene.trace), told);
    trace_update(scene.trace);
    const float before = tensor(&scene, 0, 0, TRACE_VALUE)[0];
    ck_assert_float_eq(tensor(&scene, 0, 0, TRACE_AFTER)[0] - before, tensor(&scene, 0, 0, TRACE_STEP)[0]);
    ck_assert_float_ne(tensor(&scene, 0, 0, TRACE_STEP)[0], 0);
    trace_look_ahead(scene.trace);
    told = trace_get_loss(scene.trace);
    trace_advance(scene.trace);
  }
  scene_deinit(&scene);
}
END_TEST

START_TEST(what_it_measures_is_what_it_allocates) {
  if (!allocations_can_count()) return;
  struct scene scene;
  scene_init(&scene, "20", "dense units=30 activation=softmax; batch_norm; dense units=5 activation=softmax", "cross_entropy", "adam", 9);
  trace_destroy(scene.trace);
  size_t told = 0;
  struct error error = {0};
  ck_assert_int_eq(trace_measure(scene.network, &scene.options, &told, &error), ERROR_NONE);
  const size_t before = allocations_live_bytes();
  ck_assert_int_eq(trace_create(scene.network, &scene.options, &scene.trace, &error), ERROR_NONE);
  const size_t taken = allocations_live_bytes() - before;
  ck_assert_msg(taken <= told + 256 && told <= taken + 256, "%zu told, %zu taken", told, taken);
  for (size_t allowed = 0; allowed < 4; allowed++) {
    struct trace *none = NULL;
    allocations_fail_after(allowed);
    enum error_code code = trace_create(scene.network, &scene.options, &none, &error);
    allocations_fail_after(SIZE_MAX);
    ck_assert_int_eq(code, ERROR_OUT_OF_MEMORY);
    ck_assert_ptr_null(none);
  }
  scene.options.row_count = SIZE_MAX / 64;
  ck_assert_int_eq(trace_measure(scene.network, &scene.options, &told, &error), ERROR_OVER_BUDGET);
  scene_deinit(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "trace");
  tcase_add_loop_test(test_case, the_networks_of_the_textbook_have_pytorchs_numbers, 0, 2);
  tcase_add_test(test_case, every_quantity_is_the_textbooks);
  tcase_add_loop_test(test_case, the_loss_alone_and_the_activation_alone_give_delta_too, 0, FUSED);
  tcase_add_test(test_case, every_fused_loss_says_its_gradient_by_a);
  tcase_add_test(test_case, what_several_layers_take_sums_their_gradients);
  tcase_add_loop_test(test_case, its_steps_are_those_of_training, 0, (int)optimizer_kinds.count);
  tcase_add_test(test_case, its_line_search_is_that_of_training);
  tcase_add_test(test_case, its_clipping_is_that_of_training);
  tcase_add_test(test_case, looking_ahead_tells_the_loss_of_the_next_pass);
  tcase_add_test(test_case, what_it_measures_is_what_it_allocates);
}

int main(void) { return suite_main("trace", add_cases); }
