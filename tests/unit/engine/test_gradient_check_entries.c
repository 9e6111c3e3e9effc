/* The gradient check that clients can ask for: it clears what is right, finds what is wrong, and isn't misled by kinks. That the gradients
 * of every kind are right is tested in test_gradient_check.c, by differences of its own. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gradient_check.h"
#include "tests/support/allocations.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { VALUES_MAX = 20000 };

struct scene {
  struct network_spec spec;
  struct network *network;
  struct spec loss;
  struct gradient_check_options options;
  struct gradient_check *check;
  float x[VALUES_MAX], target[VALUES_MAX], parameters[VALUES_MAX], buffers[VALUES_MAX];
};
static struct scene scene;

static void scene_deinit(void) {
  gradient_check_destroy(scene.check);
  network_destroy(scene.network);
  spec_deinit(&scene.loss);
  network_spec_deinit(&scene.spec);
}

static void fill_normal(float *values, size_t count, uint64_t seed) {
  ck_assert_uint_le(count, VALUES_MAX);
  random_fill_normal(&(struct random_stream){.seed = seed, .purpose = 99}, 0, count, values);
}

static void scene_init(const char *input, const char *layers, const char *loss, size_t rows) {
  struct error error = {0};
  scene = (struct scene){0};
  network_spec_parse(&scene.spec, input, layers);
  spec_parse(&scene.loss, &loss_kinds, loss);
  ck_assert_msg(network_create(&scene.spec, &scene.network, &error) == ERROR_NONE, "%s", error.detail);
  const size_t width = shape_size(network_get_output_shape(scene.network));
  fill_normal(scene.x, rows * shape_size(network_get_input_shape(scene.network)), 1);
  fill_normal(scene.target, rows * width, 2);
  for (size_t i = 0; i < rows && loss_of(&scene.loss)->target_form == TARGET_CLASS; i++) scene.target[i] = (float)(i % width);
  ck_assert_uint_le(network_parameter_count(scene.network), VALUES_MAX);
  network_initialize(scene.network, 3, scene.parameters, scene.buffers);
  scene.options = (struct gradient_check_options){.loss = &scene.loss,
                                                  .row_count = rows,
                                                  .x = scene.x,
                                                  .target = scene.target,
                                                  .parameters = scene.parameters,
                                                  .buffers = scene.buffers,
                                                  .tolerance = 1e-4};
}

/* Backpropagation; then whoever calls may tamper with its gradient. */
static float *backprop(void) {
  struct error error = {0};
  ck_assert_int_eq(gradient_check_create(scene.network, &scene.options, &scene.check, &error), ERROR_NONE);
  gradient_check_backprop(scene.check);
  return gradient_check_get_gradients(scene.check);
}

static void compare(void) {
  struct error error = {0};
  ck_assert_int_eq(gradient_check_differences(scene.check, &error), ERROR_NONE);
}

static size_t count_kinks(void) {
  size_t count = 0;
  for (size_t i = 0; i < gradient_check_get_tensor_count(scene.check); i++) count += gradient_check_get_tensor(scene.check, i)->kink_count;
  return count;
}

static bool all_pass(void) {
  bool all = true;
  for (size_t i = 0; i < gradient_check_get_tensor_count(scene.check); i++) {
    const struct gradient_check_tensor *tensor = gradient_check_get_tensor(scene.check, i);
    all = all && tensor->passes;
  }
  return all;
}

static const struct {
  const char *input, *layers, *loss;
  size_t rows;
} healthy[] = {
    {"3", "dense units=4 activation=sigmoid; dense units=3 activation=sigmoid; dense units=2 activation=sigmoid", "squared_error", 6},
    {"8", "dense units=20 activation=relu; dense units=20 activation=relu; dense units=5 activation=softmax", "cross_entropy", 16},
    {"8", "dense units=20 activation=leaky_relu; dropout rate=0.4; dense units=3 activation=hard_sigmoid", "mean_absolute_error", 16},
    {"6", "dense units=8; batch_norm activation=gelu; dense units=4; layer_norm; dense units=1", "huber", 12},
    {"4",
     "dense units=5 activation=silu name=a; dense units=5 activation=elu inputs=input name=b; add inputs=a,b; dense units=3 "
     "activation=sigmoid",
     "binary_cross_entropy", 4},
    {"5x4", "dense units=6 activation=mish; flatten; dense units=2 activation=linear", "mean_squared_error", 3},
};

START_TEST(right_gradients_pass) {
  scene_init(healthy[_i].input, healthy[_i].layers, healthy[_i].loss, healthy[_i].rows);
  if (strcmp(healthy[_i].loss, "binary_cross_entropy") == 0)
    for (size_t i = 0; i < 12; i++) scene.target[i] = scene.target[i] > 0;
  backprop();
  compare();
  for (size_t i = 0; i < gradient_check_get_tensor_count(scene.check); i++) {
    const struct gradient_check_tensor *tensor = gradient_check_get_tensor(scene.check, i);
    ck_assert_msg(tensor->passes, "%s: tensor %zu of layer %zu: error %g at %zu, %.9g and %.9g", healthy[_i].layers, tensor->tensor,
                  tensor->layer, tensor->largest_error, tensor->worst_index, tensor->worst_backprop, tensor->worst_difference);
    ck_assert_double_le(tensor->mean_error, tensor->largest_error);
    ck_assert_uint_eq(tensor->kink_count, 0);
  }
  ck_assert_uint_ge(gradient_check_get_evaluations(scene.check), 1 + 2 * network_parameter_count(scene.network));
  scene_deinit();
}
END_TEST

/* Each entry in turn a little wrong: the check says which, and shows both numbers. */
START_TEST(a_wrong_entry_is_found_wherever_it_is) {
  scene_init("4", "dense units=3 activation=relu; dense units=2 activation=tanh", "squared_error", 5);
  for (size_t i = 0; i < network_parameter_count(scene.network); i++) {
    float *gradients = backprop();
    double rms = 0;
    for (size_t k = 0; k < network_parameter_count(scene.network); k++) rms += pow((double)gradients[k], 2);
    const float wrong = gradients[i] + (float)(0.002 * sqrt(rms));
    gradients[i] = wrong;
    compare();
    size_t failed = 0;
    for (size_t t = 0; t < gradient_check_get_tensor_count(scene.check); t++) {
      const struct gradient_check_tensor *tensor = gradient_check_get_tensor(scene.check, t);
      const struct layer_tensor *view = &network_get_layer(scene.network, tensor->layer)->tensors[tensor->tensor];
      if (tensor->passes) continue;
      failed++;
      ck_assert_uint_eq(view->offset + tensor->worst_index, i);
      ck_assert_float_eq((float)tensor->worst_backprop, wrong);
      ck_assert_double_gt(fabs(tensor->worst_backprop - tensor->worst_difference), 0.001 * sqrt(rms));
    }
    ck_assert_msg(failed == 1, "entry %zu: %zu tensors fail", i, failed);
    ck_assert_uint_eq(count_kinks(), 0);
    gradient_check_destroy(scene.check);
    scene.check = NULL;
  }
  scene_deinit();
}
END_TEST

/* z is exactly 0 where a row is 0 and so are the biases: relu's slope is 0 to the left and 1 to the right there. */
START_TEST(a_kink_at_the_weight_itself_is_counted_and_left_out) {
  scene_init("3", "dense units=4 activation=relu; dense units=2", "squared_error", 1);
  memset(scene.x, 0, sizeof scene.x);
  backprop();
  compare();
  ck_assert(all_pass());
  const struct gradient_check_tensor *bias = gradient_check_get_tensor(scene.check, 1);
  ck_assert_uint_eq(bias->kink_count, 4);
  ck_assert_uint_eq(count_kinks(), 4);
  scene_deinit();
}
END_TEST

/* Biases such that z is a little off 0, nearer than the step. */
START_TEST(kinks_nearby_are_no_false_alarms) {
  static const float distances[] = {1e-7f, 4e-7f, 1e-6f, 3e-6f, 9e-6f, -1e-7f, -4e-7f, -1e-6f, -3e-6f, -9e-6f};
  for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++) {
    scene_init("3", "dense units=4 activation=relu; dense units=2", "squared_error", 1);
    memset(scene.x, 0, sizeof scene.x);
    for (size_t k = 0; k < 4; k++) scene.parameters[12 + k] = distances[i];
    backprop();
    compare();
    ck_assert_msg(all_pass(), "distance %g", (double)distances[i]);
    scene_deinit();
  }
}
END_TEST

/* A bias before batch norm changes nothing: what rounding leaves of its gradient is no mistake. */
START_TEST(gradients_that_are_zero_but_for_rounding_pass) {
  scene_init("6", "dense units=8 activation=linear; batch_norm activation=tanh; dense units=2", "squared_error", 16);
  backprop();
  compare();
  ck_assert(all_pass());
  scene_deinit();
}
END_TEST

/* Ten sigmoid layers: the first layer's gradient is a millionth of the last's, and still checked. */
START_TEST(vanishing_gradients_are_checked_too) {
  char layers[1024] = "";
  for (int i = 0; i < 10; i++) snprintf(layers + strlen(layers), sizeof layers - strlen(layers), "dense units=4 activation=sigmoid;");
  strcat(layers, "dense units=2");
  scene_init("4", layers, "squared_error", 8);
  backprop();
  compare();
  ck_assert(all_pass());
  gradient_check_destroy(scene.check);
  float *gradients = backprop();
  for (size_t i = 0; i < 16; i++) gradients[i] *= 1.5f;
  compare();
  ck_assert(!gradient_check_get_tensor(scene.check, 0)->passes);
  scene_deinit();
}
END_TEST

/* Thirty of them: what is left of the gradient is less than a rounding of the cost. */
START_TEST(gradients_too_small_for_differences_are_said_to_be) {
  char layers[2048] = "";
  for (int i = 0; i < 30; i++) snprintf(layers + strlen(layers), sizeof layers - strlen(layers), "dense units=3 activation=sigmoid;");
  strcat(layers, "dense units=2");
  scene_init("3", layers, "squared_error", 4);
  backprop();
  compare();
  ck_assert(all_pass());
  ck_assert_uint_gt(gradient_check_get_tensor(scene.check, 0)->unresolved_count, 0);
  ck_assert_uint_eq(gradient_check_get_tensor(scene.check, 61)->unresolved_count, 0);
  scene_deinit();
}
END_TEST

/* Token 0 is padding: amid others its row has a value but, by design, no gradient. */
START_TEST(padding_of_an_embedding_is_left_out) {
  scene_init("5", "embedding input_dim=6 output_dim=4 padding_idx=0; lstm units=3; dense units=2 activation=softmax", "cross_entropy", 2);
  static const float tokens[] = {1, 0, 3, 5, 2, 4, 0, 1, 0, 0};
  memcpy(scene.x, tokens, sizeof tokens);
  for (size_t i = 0; i < 4; i++) scene.parameters[i] = 0.3f;
  backprop();
  compare();
  ck_assert(all_pass());
  ck_assert_uint_ge(gradient_check_get_tensor(scene.check, 0)->worst_index, 4);
  scene_deinit();
}
END_TEST

START_TEST(what_is_not_finite_fails) {
  scene_init("2", "dense units=2 activation=tanh", "squared_error", 2);
  backprop()[3] = NAN;
  compare();
  const struct gradient_check_tensor *weight = gradient_check_get_tensor(scene.check, 0);
  ck_assert(!weight->passes && isinf(weight->largest_error) && weight->worst_index == 3);
  ck_assert(gradient_check_get_tensor(scene.check, 1)->passes);
  scene_deinit();
}
END_TEST

static bool is_enough(void *context) { return --*(int *)context < 0; }

START_TEST(it_gives_up_when_nobody_waits) {
  int left = 7;
  struct error error = {0};
  scene_init("4", "dense units=3 activation=tanh", "squared_error", 2);
  scene.options.is_abandoned = is_enough;
  scene.options.context = &left;
  backprop();
  ck_assert_int_eq(gradient_check_differences(scene.check, &error), ERROR_UNAVAILABLE);
  ck_assert_uint_eq(gradient_check_get_evaluations(scene.check), 7);
  scene_deinit();
}
END_TEST

START_TEST(what_it_measures_is_what_it_takes) {
  if (!allocations_can_count()) return;
  scene_init("20", "dense units=30 activation=tanh; batch_norm; dense units=5 activation=softmax", "cross_entropy", 9);
  size_t told = 0;
  struct error error = {0};
  ck_assert_int_eq(gradient_check_measure(scene.network, &scene.options, &told, &error), ERROR_NONE);
  const size_t before = allocations_live_bytes();
  allocations_reset_peak();
  backprop();
  compare();
  const size_t taken = allocations_peak_bytes() - before;
  ck_assert_msg(taken <= told + 512 && told <= taken + 512, "%zu told, %zu taken", told, taken);
  for (size_t allowed = 0; allowed < 10; allowed++) {
    struct gradient_check *none = NULL;
    allocations_fail_after(allowed);
    enum error_code code = gradient_check_create(scene.network, &scene.options, &none, &error);
    allocations_fail_after(SIZE_MAX);
    ck_assert_int_eq(code, ERROR_OUT_OF_MEMORY);
    ck_assert_ptr_null(none);
  }
  scene_deinit();
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "gradient check entries");
  tcase_add_loop_test(test_case, right_gradients_pass, 0, sizeof healthy / sizeof healthy[0]);
  tcase_add_test(test_case, a_wrong_entry_is_found_wherever_it_is);
  tcase_add_test(test_case, a_kink_at_the_weight_itself_is_counted_and_left_out);
  tcase_add_test(test_case, kinks_nearby_are_no_false_alarms);
  tcase_add_test(test_case, gradients_that_are_zero_but_for_rounding_pass);
  tcase_add_test(test_case, vanishing_gradients_are_checked_too);
  tcase_add_test(test_case, gradients_too_small_for_differences_are_said_to_be);
  tcase_add_test(test_case, padding_of_an_embedding_is_left_out);
  tcase_add_test(test_case, what_is_not_finite_fails);
  tcase_add_test(test_case, it_gives_up_when_nobody_waits);
  tcase_add_test(test_case, what_it_measures_is_what_it_takes);
}

int main(void) { return suite_main("gradient check entries", add_cases); }
