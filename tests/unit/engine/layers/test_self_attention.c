/* Self-attention beyond its gradients (test_gradient_check.c) and PyTorch's numbers (make golden): which positions see which, bits that
 * depend on nothing but the row, and precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/network.h"
#include "tests/support/shuffled_parallel.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

/* A network of one attention layer and an input for it. */
struct scene {
  struct network_spec spec;
  struct network *network;
  struct workspace *workspace;
  size_t batch, size; /* samples; values of one */
  float *x, *parameters, *gradients, *input_gradient;
};

static void scene_init(struct scene *scene, size_t batch, bool training, const char *input, const char *layers) {
  struct error error = {0};
  *scene = (struct scene){.batch = batch};
  network_spec_parse(&scene->spec, input, layers);
  ck_assert_msg(network_create(&scene->spec, &scene->network, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_int_eq(workspace_create(scene->network, batch, training, &scene->workspace, &error), ERROR_NONE);
  scene->size = shape_size(network_get_input_shape(scene->network));
  scene->x = calloc(batch * scene->size, sizeof(float));
  scene->input_gradient = calloc(batch * scene->size, sizeof(float));
  scene->parameters = calloc(network_parameter_count(scene->network), sizeof(float));
  scene->gradients = calloc(network_parameter_count(scene->network), sizeof(float));
  random_fill_normal(&(struct random_stream){.seed = 5, .purpose = 90}, 0, batch * scene->size, scene->x);
  random_fill_normal(&(struct random_stream){.seed = 6, .purpose = 90}, 0, network_parameter_count(scene->network), scene->parameters);
  for (size_t i = 0; i < network_parameter_count(scene->network); i++) scene->parameters[i] *= 0.2f;
}

static void scene_deinit(struct scene *scene) {
  float *owned[] = {scene->x, scene->parameters, scene->gradients, scene->input_gradient};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
  workspace_destroy(scene->workspace);
  network_destroy(scene->network);
  network_spec_deinit(&scene->spec);
}

static const float *scene_forward(struct scene *scene, const struct pass_options *options, const float *x) {
  network_forward(scene->network, scene->workspace, options, x, scene->parameters, NULL);
  return workspace_get_output(scene->workspace);
}

static void scene_backward(struct scene *scene, const struct pass_options *options) {
  struct spec loss;
  spec_parse(&loss, &loss_kinds, "mean_squared_error");
  float *target = calloc(scene->batch * scene->size, sizeof *target);
  (void)scene_forward(scene, options, scene->x);
  network_backward(scene->network, scene->workspace, options, scene->x, scene->parameters, &loss, NULL, target, scene->gradients,
                   scene->input_gradient);
  free(target);
  spec_deinit(&loss);
}

/* More positions than a block of queries has, so that the keys of blocks differ. */
enum { TIME = 150, WIDTH = 8 };

START_TEST(causal_positions_see_nothing_behind_them) {
  struct scene scene;
  scene_init(&scene, 1, false, "150x8", "self_attention heads=2 causal=1");
  const struct pass_options options = {.batch = 1};
  float before[TIME * WIDTH];
  memcpy(before, scene_forward(&scene, &options, scene.x), sizeof before);
  static const size_t changed[] = {0, 63, 64, 127, 149};
  for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
    scene.x[changed[i] * WIDTH] += 1;
    const float *after = scene_forward(&scene, &options, scene.x);
    for (size_t position = 0; position < TIME; position++)
      ck_assert_msg((memcmp(before + position * WIDTH, after + position * WIDTH, WIDTH * sizeof *after) != 0) == (position >= changed[i]),
                    "position %zu after a change of %zu", position, changed[i]);
    scene.x[changed[i] * WIDTH] -= 1;
    memcpy(before, scene_forward(&scene, &options, scene.x), sizeof before);
  }
  scene_deinit(&scene);
}
END_TEST

START_TEST(every_position_sees_all_others) {
  struct scene scene;
  scene_init(&scene, 1, false, "150x8", "self_attention heads=2");
  const struct pass_options options = {.batch = 1};
  float before[TIME * WIDTH];
  memcpy(before, scene_forward(&scene, &options, scene.x), sizeof before);
  scene.x[149 * WIDTH] += 1;
  const float *after = scene_forward(&scene, &options, scene.x);
  for (size_t position = 0; position < TIME; position++)
    ck_assert(memcmp(before + position * WIDTH, after + position * WIDTH, WIDTH * sizeof *after) != 0);
  scene_deinit(&scene);
}
END_TEST

START_TEST(a_prediction_has_the_same_bits_alone_and_among_others) {
  struct scene scene;
  enum { BATCH = 9 };
  scene_init(&scene, BATCH, false, "70x12", "self_attention heads=3 add_bias_kv=1; self_attention heads=4 causal=1");
  const struct pass_options together = {.batch = BATCH, .row_by_row = true}, alone = {.batch = 1, .row_by_row = true};
  float *outputs = malloc(BATCH * scene.size * sizeof *outputs);
  memcpy(outputs, scene_forward(&scene, &together, scene.x), BATCH * scene.size * sizeof *outputs);
  for (size_t i = 0; i < BATCH; i++)
    ck_assert_mem_eq(scene_forward(&scene, &alone, scene.x + i * scene.size), outputs + i * scene.size, scene.size * sizeof *outputs);
  free(outputs);
  scene_deinit(&scene);
}
END_TEST

static const char *const variants[] = {"self_attention heads=3 dropout=0.2",
                                       "self_attention heads=1 causal=1 add_bias_kv=1 add_zero_attn=1 dropout=0.3"};

START_TEST(order_of_pieces_changes_no_bit) {
  struct scene scenes[2];
  struct shuffled_parallel state;
  const struct parallel parallel = shuffled_parallel(&state);
  for (size_t i = 0; i < 2; i++) {
    scene_init(&scenes[i], 40, true, "70x12", variants[_i]);
    const struct pass_options options = {.batch = 40, .training = true, .seed = 2, .parallel = i == 0 ? NULL : &parallel};
    scene_backward(&scenes[i], &options);
  }
  ck_assert_uint_ge(state.pieces, 3 * state.runs);
  ck_assert_mem_eq(scenes[0].gradients, scenes[1].gradients, network_parameter_count(scenes[0].network) * sizeof(float));
  ck_assert_mem_eq(scenes[0].input_gradient, scenes[1].input_gradient, 40 * scenes[0].size * sizeof(float));
  for (size_t i = 0; i < 2; i++) scene_deinit(&scenes[i]);
}
END_TEST

/* With W_in = 0 and a bias for V alone, each output is the share of the weights that were kept, times 1 / (1 − rate). */
START_TEST(dropout_drops_its_share_and_keeps_the_mean) {
  struct scene scene;
  scene_init(&scene, 8, true, "100x1", "self_attention heads=1 dropout=0.25");
  const float values[] = {0, 0, 0, 1, 0, 0, 1, 0}; /* in_proj_weight [3, 1], out_proj.weight [1, 1], in_proj_bias [3], out_proj.bias [1] */
  memcpy(scene.parameters, values, sizeof values);
  const struct pass_options training = {.batch = 8, .training = true, .seed = 2}, inference = {.batch = 8};
  const float *a = scene_forward(&scene, &training, scene.x);
  double sum = 0, least = INFINITY, most = 0;
  for (size_t i = 0; i < 800; i++) {
    sum += (double)a[i];
    least = fmin(least, (double)a[i]);
    most = fmax(most, (double)a[i]);
  }
  ck_assert_double_eq_tol(sum / 800, 1, 0.01); /* of 80000 weights */
  ck_assert(least > 0.7 && least < 0.95 && most > 1.05 && most < 1.3);
  a = scene_forward(&scene, &inference, scene.x);
  for (size_t i = 0; i < 800; i++) ck_assert_double_eq_tol((double)a[i], 1, 1e-6);
  scene_deinit(&scene);
}
END_TEST

/* Scores of thousands: the softmax is that of their differences. */
START_TEST(large_scores_stay_finite) {
  struct scene scene;
  scene_init(&scene, 2, true, "70x8", "self_attention heads=2");
  for (size_t i = 0; i < 2 * scene.size; i++) scene.x[i] *= 100;
  const struct pass_options options = {.batch = 2, .training = true};
  scene_backward(&scene, &options);
  const float *a = workspace_get_output(scene.workspace);
  for (size_t i = 0; i < 2 * scene.size; i++) ck_assert(isfinite(a[i]) && isfinite(scene.input_gradient[i]));
  scene.x[3] = NAN; /* and what is no number is not hidden */
  a = scene_forward(&scene, &options, scene.x);
  for (size_t i = 0; i < scene.size; i++) ck_assert(isnan(a[i]));
  scene_deinit(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "self_attention");
  tcase_add_test(test_case, causal_positions_see_nothing_behind_them);
  tcase_add_test(test_case, every_position_sees_all_others);
  tcase_add_test(test_case, a_prediction_has_the_same_bits_alone_and_among_others);
  tcase_add_loop_test(test_case, order_of_pieces_changes_no_bit, 0, 2);
  tcase_add_test(test_case, dropout_drops_its_share_and_keeps_the_mean);
  tcase_add_test(test_case, large_scores_stay_finite);
}

int main(void) { return suite_main("self_attention", add_cases); }
