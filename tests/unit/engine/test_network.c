#include "engine/network.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/allocations.h"
#include "tests/support/shuffled_parallel.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

/* What network_spec_resolve, as far as it can know it without a dataset, or else network_create refuses; where it points; what it says. */
static const struct {
  const char *input, *layers, *pointer, *detail;
} refusals[] = {
    {"4", "dense units=3 name=a; dense units=3 name=a", "/layers/1/name", "is \"a\", which is the name of layer 0 already"},
    {"64", "conv2d filters=2 kernel_size=3", "/layers/0",
     "conv2d layer \"conv2d_0\" needs an input [channels, height, width], \"input\" gives [64]"},
    {"3x8x8", "conv1d filters=2 kernel_size=3", "/layers/0", "needs an input [time, features], \"input\" gives [3, 8, 8]"},
    {"3x8x8", "conv2d filters=2 kernel_size=9x3", "/layers/0/kernel_size/0",
     "window of 9 values on the axis of height, longer than the 8 that \"input\", [3, 8, 8], gives"},
    {"3x8x8", "conv2d filters=2 kernel_size=1; conv2d filters=2 kernel_size=3 dilation=1x5 padding=1", "/layers/1/dilation/1",
     "window of 11 values on the axis of width, longer than the 10 that \"conv2d_0\", [2, 8, 8], gives"},
    {"3x8x8", "conv2d filters=4 kernel_size=3 groups=2", "/layers/0/groups",
     "has 2 groups, which must divide both its 4 filters and the 3 channels of"},
    {"8x4", "conv1d filters=3 kernel_size=3 groups=2", "/layers/0/groups",
     "which must divide both its 3 filters and the 4 features of \"input\""},
    {"3x8x8", "conv2d filters=4 kernel_size=3 padding=8 padding_mode=reflect", "/layers/0/padding",
     "by at most 7 in mode reflect, not by 8"},
    {"3x8x8", "conv2d filters=1048576 kernel_size=65536 padding=65536", "/layers/0", "too large"},
    {"3x8x8", "max_pool2d pool_size=9", "/layers/0/pool_size", "window of 9 values on the axis of height"},
    {"8x4", "avg_pool1d pool_size=3 padding=1 stride=2; avg_pool1d pool_size=7", "/layers/1/pool_size",
     "window of 7 values on the axis of time"},
    {"8", "global_avg_pool", "/layers/0", "needs an image [channels, height, width] or a sequence [time, features], \"input\" gives [8]"},
    {"4", "dense units=3 name=input", "/layers/0/name", "can't be \"input\", which is the network's input"},
    {"4", "dense units=3 name=a/b", "/layers/0/name", "may have letters, digits, _ - and . only"},
    {"4", "dense units=3 name=hidden; dense units=3 inputs=hiden", "/layers/1/inputs/0",
     "no layer is named \"hiden\"; did you mean \"hidden\"?"},
    {"4", "dense units=3; add inputs=input,xyz", "/layers/1/inputs/1", "no layer is named \"xyz\""},
    {"4", "dense units=3; dense units=3 inputs=dense_0,input", "/layers/1/inputs", "a layer of type dense takes exactly 1 input, not 2"},
    {"4", "dense units=3; add", "/layers/1/inputs", "a layer of type add takes 2 to 16 inputs, not 1: name the layers that it takes"},
    {"4", "dense units=3 name=a inputs=b; dense units=3 name=b inputs=a; dense units=3", "/layers/1/inputs/0",
     "the layers form a cycle: \"a\" takes \"b\" takes \"a\""},
    {"4", "dense units=3 name=a inputs=a", "/layers/0/inputs/0", "the layers form a cycle: \"a\" takes \"a\""},
    {"3", "add name=x inputs=input,z; dense units=3 name=y; dense units=3 name=z; dense units=1", "/layers/2/inputs",
     "the layers form a cycle: "},
    {"4", "dense units=3 name=a; dense units=2 name=b inputs=input", "/layers/0",
     "no layer takes the output of \"a\": name it in another's inputs, or leave it out"},
    {"4", "dense units=3 name=a; dense units=5 name=b inputs=input; add name=c inputs=a,b", "/layers/2",
     "layer \"c\" can't add [3] of \"a\" and [5] of \"b\": the shapes must be equal"},
    {"2x3", "flatten name=a; concat name=c inputs=a,input", "/layers/1",
     "layer \"c\" can't join [6] of \"a\" and [2, 3] of \"input\": they may differ in axis 0 only"},
    {"2x3", "concat name=c inputs=input,input axis=2", "/layers/0", "layer \"c\" joins along axis 2, but \"input\" has the shape [2, 3]"},
    {"2x3", "dense units=4 name=a; reshape name=b shape=3x3", "/layers/1",
     "layer \"b\" can't reshape the 8 values of \"a\", [2, 4], to [3, 3]"},
    {"4", "reshape shape=4294967296x4294967296", "/layers/0",
     "layer \"reshape_0\" can't reshape the 4 values of \"input\", [4], to [4294967296, 4294967296]"},
    {"4", "layer_norm axes=2 name=n", "/layers/0", "layer \"n\" normalizes the last 2 axes, but \"input\" has the shape [4]"},
    {"4", "self_attention heads=2 name=s", "/layers/0",
     "self_attention layer \"s\" needs a sequence [time, features], \"input\" gives [4]"},
    {"5x6", "self_attention heads=4 name=s", "/layers/0",
     "self_attention layer \"s\" can't share the 6 features of \"input\" among 4 heads: heads must divide them"},
    {"4", "dense units=auto name=o", "/layers/0",
     "units of layer \"o\" are \"auto\": only a dataset's target says how many the last layer has"},
    {"", "dense units=1", "/input/shape", "is needed: without a dataset nothing says what goes in, such as [4] for four features"},
    {"1000000x1000000", "dense units=1", "/input/shape", "must have 1 to 4 positive sizes whose product is at most 1073741824"},
    {"0", "dense units=1", "/input/shape", "must have 1 to 4 positive sizes whose product is at most 1073741824"},
    {"1048576x8", "dense units=1048576 name=big", "/layers/0",
     "the output of \"big\", [1048576, 1048576], is too large: a sample may have at most 1073741824 values"},
};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

START_TEST(what_makes_no_sense_is_refused) {
  struct network_spec spec;
  struct network *network;
  struct error error = {0};
  size_t live = allocations_live();
  network_spec_parse_unresolved(&spec, refusals[_i].input, refusals[_i].layers);
  enum error_code code = network_spec_resolve(&spec, NULL, &error);
  bool needs_dataset = strstr(refusals[_i].layers, "auto") != NULL || refusals[_i].input[0] == '\0';
  ck_assert_int_eq(code, needs_dataset ? ERROR_NONE : ERROR_INVALID);
  error_clear(&error);
  ck_assert_int_eq(network_create(&spec, &network, &error), ERROR_INVALID);
  ck_assert_ptr_null(network);
  ck_assert_uint_ge(error.item_count, 1);
  ck_assert_msg(strstr(error.items[0].detail, refusals[_i].detail) != NULL, "%s → %s", refusals[_i].layers, error.items[0].detail);
  ck_assert_str_eq(error.items[0].pointer, refusals[_i].pointer);
  network_spec_deinit(&spec);
  ck_assert_uint_eq(allocations_live(), live);
}
END_TEST

START_TEST(all_wrong_names_and_inputs_are_reported_at_once) {
  struct network_spec spec;
  struct error error = {0};
  network_spec_parse_unresolved(&spec, "4",
                                "dense units=3 name=a; dense units=3 name=a inputs=x; add inputs=a; dense units=2 name=input inputs=y");
  ck_assert_int_eq(network_spec_resolve(&spec, NULL, &error), ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, 5);
  network_spec_deinit(&spec);
}
END_TEST

START_TEST(a_network_without_layers_or_with_too_many_is_refused) {
  struct network *network;
  struct error error = {0};
  struct network_spec spec = {.input.shape = {.rank = 1, .sizes = {3}}};
  ck_assert_int_eq(network_create(&spec, &network, &error), ERROR_INVALID);
  ck_assert_int_eq(network_spec_resolve(&spec, NULL, &error), ERROR_INVALID);
  spec.layers.count = LIMIT_LAYERS + 1;
  error_clear(&error);
  ck_assert_int_eq(network_create(&spec, &network, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].detail, "may have at most 1024 layers, not 1025");
}
END_TEST

static struct network *create(struct network_spec *spec, const char *input, const char *layers) {
  struct network *network;
  struct error error = {0};
  network_spec_parse(spec, input, layers);
  ck_assert_msg(network_create(spec, &network, &error) == ERROR_NONE, "%s: %s", layers, error.detail);
  return network;
}

/* Each of ten windows sees all nine values of an axis, and 65527 that padding makes up. */
START_TEST(flops_of_pooling_count_the_values_that_are_there) {
  static const char *const kinds[] = {"max_pool2d", "avg_pool2d"};
  for (size_t i = 0; i < 2; i++) {
    struct network_spec spec;
    char layers[80];
    (void)snprintf(layers, sizeof layers, "%s pool_size=65536 padding=32768 stride=1", kinds[i]);
    struct network *network = create(&spec, "2x9x9", layers);
    ck_assert(network_flops_per_sample(network) == 2.0 * 90 * 90);
    network_destroy(network);
    network_spec_deinit(&spec);
  }
}
END_TEST

/* What flatten and reshape give is where it was; an array of their own takes no memory. */
START_TEST(layers_that_keep_values_share_an_array) {
  struct network_spec spec;
  struct network *network = create(&spec, "1x8x8",
                                   "max_pool2d pool_size=2 name=a; flatten name=b; dense units=3 activation=tanh name=c; "
                                   "reshape shape=3x1 name=d; reshape shape=1x3 name=e activation=relu; flatten name=f");
  struct workspace *workspace;
  struct error error = {0};
  ck_assert_int_eq(workspace_create(network, 2, true, &workspace, &error), ERROR_NONE);
  ck_assert_ptr_eq(workspace_get_z(workspace, 1), workspace_get_a(workspace, 0));
  ck_assert_ptr_eq(workspace_get_delta(workspace, 1), workspace_get_delta(workspace, 0));
  ck_assert_ptr_eq(workspace_get_z(workspace, 3), workspace_get_a(workspace, 2));
  ck_assert_ptr_ne(workspace_get_delta(workspace, 3), workspace_get_delta(workspace, 2)); /* tanh makes another δ of it */
  ck_assert_ptr_eq(workspace_get_z(workspace, 4), workspace_get_a(workspace, 3));
  ck_assert_ptr_ne(workspace_get_a(workspace, 4), workspace_get_z(workspace, 4));
  ck_assert_ptr_eq(workspace_get_z(workspace, 5), workspace_get_a(workspace, 4));
  workspace_destroy(workspace);
  network_destroy(network);
  network_spec_deinit(&spec);
}
END_TEST

START_TEST(layers_are_put_in_an_order_of_computation) {
  struct network_spec spec;
  struct network *network =
      create(&spec, "4", "dense units=3 name=late inputs=early; dense units=5 name=early inputs=input; add name=sum inputs=late,late");
  ck_assert_uint_eq(network_layer_count(network), 3);
  ck_assert_str_eq(network_get_layer_name(network, 0), "early");
  ck_assert_str_eq(network_get_layer_name(network, 1), "late");
  ck_assert_str_eq(network_get_layer_name(network, 2), "sum");
  ck_assert_uint_eq(network_parameter_count(network), 5 * 4 + 5 + 3 * 5 + 3);
  ck_assert_uint_eq(network_get_layer(network, 1)->tensors[0].offset, 25);
  ck_assert_uint_eq(shape_size(network_get_output_shape(network)), 3);
  ck_assert(network_flops_per_sample(network) == 2 * (20 + 15) + 3);
  ck_assert_str_eq(network_get_output_activation(network)->kind->name, "linear");
  network_destroy(network);
  network_spec_deinit(&spec);
}
END_TEST

/* Names, "auto" and input */

START_TEST(layers_without_a_name_get_type_and_position) {
  struct network_spec spec;
  network_spec_parse(&spec, "4", "dense units=3; dense units=3 name=dense_2; dense units=3");
  ck_assert_str_eq(layer_common_of(&spec.layers.items[0])->name, "dense_0");
  ck_assert_str_eq(layer_common_of(&spec.layers.items[2])->name, "dense_2_");
  network_spec_deinit(&spec);
}
END_TEST

static const struct {
  const char *input, *layers;
  struct network_target target;
  const char *activation; /* of the output, resolved; NULL: refused */
  const char *pointer, *detail;
} targets[] = {
    {"", "dense units=auto activation=auto", {.output_width = 3, .is_classification = true}, "softmax", "", ""},
    {"", "dense units=auto activation=auto", {.output_width = 2, .is_classification = true}, "softmax", "", ""},
    {"", "dense units=auto activation=auto", {.output_width = 3, .is_multilabel = true}, "sigmoid", "", ""},
    {"", "dense units=auto activation=auto", {.output_width = 3}, "linear", "", ""},
    {"2x2",
     "flatten; dense units=auto; activation function=auto",
     {.output_width = 3, .is_classification = true},
     NULL,
     "/layers/1/units",
     "can't be \"auto\": only the last layer, \"activation_2\", follows from the target"},
    {"2x2", "flatten; dense units=3; activation function=auto", {.output_width = 3, .is_classification = true}, "softmax", "", ""},
    {"", "dense units=1 activation=sigmoid", {.output_width = 2, .is_classification = true}, "sigmoid", "", ""},
    {"", "dense units=2 activation=sigmoid", {.output_width = 2, .is_classification = true}, "sigmoid", "", ""},
    {"",
     "dense units=1 activation=tanh",
     {.output_width = 2, .is_classification = true},
     NULL,
     "/layers/0",
     "the network's output \"dense_0\" has the shape [1], but the target needs 2 classes"},
    {"",
     "dense units=4",
     {.output_width = 3},
     NULL,
     "/layers/0",
     "the network's output \"dense_0\" has the shape [4], but the target needs 3 numbers"},
    {"5",
     "dense units=3",
     {.output_width = 3},
     NULL,
     "/input/shape",
     "[5] does not fit the dataset's features, [4]: leave the input out, or make its sizes multiply to 4"},
    {"",
     "dense units=8 activation=auto name=h; dense units=3",
     {.output_width = 3},
     NULL,
     "/layers/0/activation",
     "can't be \"auto\": only the last layer, \"dense_1\", follows from the target"},
    {"", "dense units=3; dropout", {.output_width = 3}, "linear", "", ""},
};
enum { TARGETS = sizeof targets / sizeof targets[0] };

START_TEST(auto_follows_from_the_target) {
  struct network_spec spec;
  struct error error = {0};
  struct network_target target = targets[_i].target;
  target.input = (struct shape){.rank = 1, .sizes = {4}};
  network_spec_parse_unresolved(&spec, targets[_i].input, targets[_i].layers);
  enum error_code code = network_spec_resolve(&spec, &target, &error);
  if (targets[_i].activation == NULL) {
    ck_assert_int_eq(code, ERROR_INVALID);
    ck_assert_str_eq(error.items[0].pointer, targets[_i].pointer);
    ck_assert_str_eq(error.items[0].detail, targets[_i].detail);
  } else {
    struct network *network;
    ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
    ck_assert_int_eq(network_create(&spec, &network, &error), ERROR_NONE);
    ck_assert_str_eq(network_get_output_activation(network)->kind->name, targets[_i].activation);
    network_destroy(network);
  }
  network_spec_deinit(&spec);
}
END_TEST

/* The second row of dense's table, after name and inputs. */
static int64_t dense_units(const struct spec *layer) {
  ck_assert_str_eq(layer->kind->params[1].name, "units");
  return *(const int64_t *)param_field_const(layer->settings, &layer->kind->params[1]);
}

START_TEST(auto_units_follow_from_target_and_activation) {
  static const struct {
    const char *layers;
    struct network_target target;
    int64_t units;
  } cases[] = {
      {"dense units=auto activation=auto", {.output_width = 2, .is_classification = true}, 2},
      {"dense units=auto activation=sigmoid", {.output_width = 2, .is_classification = true}, 1},
      {"dense units=auto activation=sigmoid", {.output_width = 3, .is_classification = true}, 3},
      {"dense units=auto activation=sigmoid", {.output_width = 2, .is_classification = true, .is_multilabel = true}, 2},
      {"dense units=auto activation=sigmoid", {.output_width = 2}, 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct network_spec spec;
    struct error error = {0};
    struct network_target target = cases[i].target;
    target.input = (struct shape){.rank = 1, .sizes = {4}};
    network_spec_parse_unresolved(&spec, "", cases[i].layers);
    ck_assert_msg(network_spec_resolve(&spec, &target, &error) == ERROR_NONE, "%s", error.detail);
    ck_assert_int_eq(dense_units(&spec.layers.items[0]), cases[i].units);
    network_spec_deinit(&spec);
  }
}
END_TEST

START_TEST(without_a_target_auto_stays) {
  struct network_spec spec;
  network_spec_parse(&spec, "4", "dense units=3; dense units=auto activation=auto");
  ck_assert_int_eq(dense_units(&spec.layers.items[1]), PARAM_INTEGER_AUTO);
  ck_assert_ptr_null(layer_common_of(&spec.layers.items[1])->activation.kind);
  network_spec_deinit(&spec);
}
END_TEST

START_TEST(without_a_target_what_can_be_known_is_checked) {
  static const char *const wrong[] = {
      "dense units=3 name=a; dense units=4 name=b inputs=input; add inputs=a,b name=s; dense units=auto", /* shapes before the output */
      "dense units=3 name=a inputs=b; dense units=3 name=b inputs=a; dense units=auto",
      "dense units=3 name=a; dense units=auto inputs=input",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    for (size_t has_input = i == 0 ? 1 : 0; has_input < 2; has_input++) {
      struct network_spec spec;
      struct error error = {0};
      network_spec_parse_unresolved(&spec, has_input ? "4" : "", wrong[i]);
      ck_assert_msg(network_spec_resolve(&spec, NULL, &error) == ERROR_INVALID, "%s", wrong[i]);
      network_spec_deinit(&spec);
    }
  }
}
END_TEST

/* Losses */

static const struct {
  const char *layers, *loss, *detail; /* NULL: fits */
} loss_cases[] = {
    {"dense units=3 activation=softmax", "cross_entropy", NULL},
    {"dense units=3; activation function=softmax", "cross_entropy", NULL},
    {"dense units=3 activation=tanh name=o", "cross_entropy",
     "cross_entropy needs an output layer with activation \"softmax\", but \"o\" has \"tanh\""},
    {"dense units=3 name=o", "binary_cross_entropy",
     "binary_cross_entropy needs an output layer with activation \"sigmoid\", but \"o\" has \"linear\""},
    {"dense units=1 activation=softmax name=o", "cross_entropy",
     "cross_entropy needs one output for each of at least two classes, [classes] or [time, classes], but the output of \"o\" is [1]"},
    {"dense units=4; reshape shape=2x2 activation=softmax name=o", "cross_entropy", NULL},
    {"dense units=4; reshape shape=4x1 activation=softmax name=o", "cross_entropy",
     "cross_entropy needs one output for each of at least two classes, [classes] or [time, classes], but the output of \"o\" is [4, 1]"},
    {"dense units=4; reshape shape=2x1x2 activation=softmax name=o", "cross_entropy",
     "cross_entropy needs one output for each of at least two classes, [classes] or [time, classes], but the output of \"o\" is [2, 1, 2]"},
    {"dense units=3 activation=softmax", "squared_error", NULL},
};
enum { LOSS_CASES = sizeof loss_cases / sizeof loss_cases[0] };

START_TEST(losses_must_fit_the_output) {
  struct network_spec spec;
  struct spec loss;
  struct error error = {0};
  struct network *network = create(&spec, "4", loss_cases[_i].layers);
  spec_parse(&loss, &loss_kinds, loss_cases[_i].loss);
  enum error_code code = network_check_loss(network, &loss, "/loss", &error);
  if (loss_cases[_i].detail == NULL) {
    ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
  } else {
    ck_assert_int_eq(code, ERROR_INVALID);
    ck_assert_str_eq(error.items[0].pointer, "/loss");
    ck_assert_str_eq(error.items[0].detail, loss_cases[_i].detail);
  }
  spec_deinit(&loss);
  network_destroy(network);
  network_spec_deinit(&spec);
}
END_TEST

/* Passes */

static const char everything[] =
    "dense units=200 activation=relu name=a; batch_norm name=norm; dropout rate=0.3 name=drop; dense units=200 activation=gelu name=b;"
    "add inputs=norm,b,drop activation=tanh name=sum; layer_norm name=ln; concat inputs=ln,a,ln name=cat; reshape shape=20x30 name=r;"
    "self_attention heads=5 dropout=0.1 name=att; dense units=7 name=d; flatten name=flat; activation function=silu name=act; dense "
    "units=5 activation=softmax l1=0.01 l2=0.02 name=out";
enum { BATCH = 300, FEATURES = 150, CLASSES = 5 };

/* Arrays of one training step of the network above. */
struct scene {
  struct network_spec spec;
  struct spec loss;
  struct network *network;
  struct workspace *workspace;
  float *x, *target, *parameters, *buffers, *gradients, *input_gradient;
};

static void scene_init(struct scene *scene) {
  struct error error = {0};
  char input[16];
  snprintf(input, sizeof input, "%d", FEATURES);
  scene->network = create(&scene->spec, input, everything);
  spec_parse(&scene->loss, &loss_kinds, "cross_entropy");
  ck_assert_int_eq(workspace_create(scene->network, BATCH, true, &scene->workspace, &error), ERROR_NONE);
  scene->x = calloc(BATCH * FEATURES, sizeof(float));
  scene->target = calloc(BATCH, sizeof(float));
  scene->parameters = calloc(network_parameter_count(scene->network), sizeof(float));
  scene->buffers = calloc(network_buffer_count(scene->network), sizeof(float));
  scene->gradients = calloc(network_parameter_count(scene->network), sizeof(float));
  scene->input_gradient = calloc(BATCH * FEATURES, sizeof(float));
  random_fill_normal(&(struct random_stream){.seed = 8, .purpose = 90}, 0, BATCH * FEATURES, scene->x);
  for (size_t i = 0; i < BATCH; i++) scene->target[i] = (float)(i % CLASSES);
  network_initialize(scene->network, 12, scene->parameters, scene->buffers);
}

static void scene_deinit(struct scene *scene) {
  float *owned[] = {scene->x, scene->target, scene->parameters, scene->buffers, scene->gradients, scene->input_gradient};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
  workspace_destroy(scene->workspace);
  network_destroy(scene->network);
  spec_deinit(&scene->loss);
  network_spec_deinit(&scene->spec);
}

static void scene_step(struct scene *scene, size_t batch, const struct parallel *parallel) {
  struct pass_options options = {.batch = batch, .training = true, .seed = 3, .epoch = 1, .step = 9, .parallel = parallel};
  network_forward(scene->network, scene->workspace, &options, scene->x, scene->parameters, scene->buffers);
  network_backward(scene->network, scene->workspace, &options, scene->x, scene->parameters, &scene->loss, NULL, scene->target,
                   scene->gradients, scene->input_gradient);
}

START_TEST(a_training_step_allocates_nothing) {
  struct scene scene;
  scene_init(&scene);
  size_t before = allocations_count();
  scene_step(&scene, BATCH, NULL);
  network_add_penalty_gradient(scene.network, scene.parameters, scene.gradients);
  ck_assert_uint_eq(allocations_count(), before);
  if (allocations_can_count()) {
    free(malloc(1)); /* the counter counts */
    ck_assert_uint_gt(allocations_count(), before);
  }
  scene_deinit(&scene);
}
END_TEST

START_TEST(order_of_pieces_changes_no_bit_of_a_step) {
  struct scene scenes[2];
  struct shuffled_parallel state;
  struct parallel parallel = shuffled_parallel(&state);
  for (size_t i = 0; i < 2; i++) {
    scene_init(&scenes[i]);
    scene_step(&scenes[i], BATCH, i == 0 ? NULL : &parallel);
  }
  ck_assert_uint_gt(state.runs, 5);
  size_t parameter_bytes = network_parameter_count(scenes[0].network) * sizeof(float);
  ck_assert(memcmp(scenes[0].gradients, scenes[1].gradients, parameter_bytes) == 0);
  ck_assert(memcmp(scenes[0].input_gradient, scenes[1].input_gradient, BATCH * FEATURES * sizeof(float)) == 0);
  ck_assert(memcmp(scenes[0].buffers, scenes[1].buffers, network_buffer_count(scenes[0].network) * sizeof(float)) == 0);
  for (size_t i = 0; i < 2; i++) scene_deinit(&scenes[i]);
}
END_TEST

START_TEST(the_same_step_gives_the_same_bits_again) {
  struct scene scene;
  scene_init(&scene);
  scene_step(&scene, 33, NULL);
  size_t count = network_parameter_count(scene.network);
  float *first = malloc(count * sizeof *first);
  memcpy(first, scene.gradients, count * sizeof *first);
  scene_step(&scene, BATCH, NULL); /* leaves other numbers in the workspace */
  network_initialize(scene.network, 12, scene.parameters, scene.buffers);
  scene_step(&scene, 33, NULL);
  ck_assert(memcmp(first, scene.gradients, count * sizeof *first) == 0);
  free(first);
  scene_deinit(&scene);
}
END_TEST

START_TEST(leaving_out_the_input_gradient_changes_nothing_else) {
  struct scene scene;
  scene_init(&scene);
  scene_step(&scene, 40, NULL);
  size_t count = network_parameter_count(scene.network);
  float *first = malloc(count * sizeof *first), *input_gradient = scene.input_gradient;
  memcpy(first, scene.gradients, count * sizeof *first);
  scene.input_gradient = NULL;
  scene_step(&scene, 40, NULL);
  ck_assert(memcmp(first, scene.gradients, count * sizeof *first) == 0);
  scene.input_gradient = input_gradient;
  free(first);
  scene_deinit(&scene);
}
END_TEST

/* Which biases change nothing, because batch norm takes each channel's mean off right after. */
static const struct {
  const char *layers;
  bool is_lost;
} shifts[] = {
    {"dense units=3 name=tested; batch_norm", true},
    {"dense units=3 name=tested; batch_norm affine=0 track_running_stats=0", true},
    {"dense units=3 name=tested activation=tanh; batch_norm", false},
    {"dense units=3 name=tested; dense units=3", false},
    {"dense units=3 name=tested", false},
    {"dense units=3 name=tested; batch_norm trainable=0", false},
    {"dense units=3 name=before; dense units=3 name=tested; add inputs=tested,before; batch_norm", true},
    {"dense units=3 name=tested; add inputs=tested,tested activation=relu; batch_norm", false},
    {"dense units=3 name=tested; batch_norm name=n; add inputs=tested,n", false},
    {"dense units=3 name=tested; batch_norm name=n; batch_norm inputs=tested name=m; add inputs=m,n", true},
    {"reshape shape=1x2x2; dense units=3 name=tested; batch_norm; flatten", false},
    {"reshape shape=2x2; dense units=3 name=tested; batch_norm; flatten", true},
    {"reshape shape=1x2x2; conv2d filters=2 kernel_size=1 name=tested; batch_norm; flatten", true},
};
enum { SHIFTS = sizeof shifts / sizeof shifts[0] };

START_TEST(a_bias_that_is_taken_off_again_has_the_gradient_0) {
  struct network_spec spec;
  struct network *network = create(&spec, "4", shifts[_i].layers);
  struct workspace *workspace;
  struct spec loss;
  struct error error = {0};
  spec_parse(&loss, &loss_kinds, "squared_error");
  ck_assert_int_eq(workspace_create(network, 8, true, &workspace, &error), ERROR_NONE);
  float x[8 * 4], target[8 * 12] = {0}, parameters[256], buffers[64], gradients[256];
  random_fill_normal(&(struct random_stream){.seed = 8, .purpose = 90}, 0, 8 * 4, x);
  network_initialize(network, 12, parameters, buffers);
  const struct pass_options options = {.batch = 8, .training = true};
  for (size_t i = 0; i < network_parameter_count(network); i++) parameters[i] += 0.1f + 0.01f * (float)i;
  for (size_t i = 0; i < 8 * 12; i++) target[i] = (float)(i % 5);
  network_forward(network, workspace, &options, x, parameters, buffers);
  network_backward(network, workspace, &options, x, parameters, &loss, NULL, target, gradients, NULL);
  for (size_t i = 0; i < network_layer_count(network); i++) {
    const struct layer *layer = network_get_layer(network, i);
    if (strcmp(layer->name, "tested") != 0) continue;
    const struct layer_tensor *bias = &layer->tensors[1];
    for (size_t j = 0; j < shape_size(&bias->shape); j++)
      ck_assert_msg((gradients[bias->offset + j] == 0) == shifts[_i].is_lost, "%s: %g", shifts[_i].layers,
                    (double)gradients[bias->offset + j]);
    ck_assert(gradients[layer->tensors[0].offset] != 0);
  }
  workspace_destroy(workspace);
  network_destroy(network);
  network_spec_deinit(&spec);
  spec_deinit(&loss);
}
END_TEST

START_TEST(inference_writes_no_buffers_and_draws_no_masks) {
  struct scene scene;
  struct error error = {0};
  scene_init(&scene);
  struct workspace *workspace;
  ck_assert_int_eq(workspace_create(scene.network, BATCH, false, &workspace, &error), ERROR_NONE);
  float *buffers = calloc(network_buffer_count(scene.network), sizeof(float));
  memcpy(buffers, scene.buffers, network_buffer_count(scene.network) * sizeof(float));
  struct pass_options options = {.batch = BATCH, .seed = 1};
  network_forward(scene.network, workspace, &options, scene.x, scene.parameters, scene.buffers);
  float outputs[BATCH * CLASSES];
  memcpy(outputs, workspace_get_output(workspace), sizeof outputs);
  options.seed = 2;
  network_forward(scene.network, workspace, &options, scene.x, scene.parameters, scene.buffers);
  ck_assert(memcmp(outputs, workspace_get_output(workspace), sizeof outputs) == 0);
  ck_assert(memcmp(buffers, scene.buffers, network_buffer_count(scene.network) * sizeof(float)) == 0);
  ck_assert_ptr_null(workspace_get_delta(workspace, 0));
  free(buffers);
  workspace_destroy(workspace);
  scene_deinit(&scene);
}
END_TEST

START_TEST(start_values_follow_from_the_seed) {
  struct scene scene;
  scene_init(&scene);
  size_t count = network_parameter_count(scene.network);
  float *again = malloc(count * sizeof *again), *other = malloc(count * sizeof *other);
  network_initialize(scene.network, 12, again, scene.buffers);
  network_initialize(scene.network, 13, other, scene.buffers);
  ck_assert(memcmp(again, scene.parameters, count * sizeof *again) == 0);
  ck_assert(memcmp(other, scene.parameters, count * sizeof *other) != 0);
  const struct layer *a = network_get_layer(scene.network, 0), *norm = network_get_layer(scene.network, 1);
  ck_assert_str_eq(norm->tensors[0].name, "weight");
  ck_assert(again[norm->tensors[0].offset] == 1 && again[norm->tensors[1].offset] == 0 && again[a->tensors[1].offset] == 0);
  ck_assert(scene.buffers[norm->buffers[0].offset] == 0 && scene.buffers[norm->buffers[1].offset + 7] == 1);
  free(again);
  free(other);
  scene_deinit(&scene);
}
END_TEST

START_TEST(penalties_are_those_of_the_weights_only) {
  struct network_spec spec;
  struct network *network = create(&spec, "2", "dense units=1 l1=0.5 l2=0.25; dense units=1");
  static const float parameters[] = {2, -3, 100, 7, 8};
  float gradients[5] = {1, 1, 1, 1, 1};
  static const float expected[5] = {1 + 0.5f + 1.0f, 1 - 0.5f - 1.5f, 1, 1, 1};
  ck_assert(network_penalty(network, parameters) == 0.5 * 5 + 0.25 * 13);
  network_add_penalty_gradient(network, parameters, gradients);
  for (size_t i = 0; i < 5; i++) ck_assert(gradients[i] == expected[i]);
  network_destroy(network);
  network_spec_deinit(&spec);
}
END_TEST

/* Single layers */

/* Runs one layer forward in training mode on x [batch, …]; writes z to out. */
static void run_layer(const char *input, const char *layer, size_t batch, const float *x, float *buffers, float *out) {
  struct network_spec spec;
  struct workspace *workspace;
  struct error error = {0};
  struct network *network = create(&spec, input, layer);
  ck_assert_int_eq(workspace_create(network, batch, true, &workspace, &error), ERROR_NONE);
  float parameters[16];
  float unused[16];
  network_initialize(network, 1, parameters, unused);
  struct pass_options options = {.batch = batch, .training = true, .seed = 5};
  network_forward(network, workspace, &options, x, parameters, buffers);
  memcpy(out, workspace_get_output(workspace), batch * shape_size(network_get_output_shape(network)) * sizeof *out);
  workspace_destroy(workspace);
  network_destroy(network);
  network_spec_deinit(&spec);
}

START_TEST(dropout_drops_its_share_and_keeps_the_mean) {
  enum { COUNT = 100000 };
  float *x = malloc(COUNT * sizeof *x), *z = malloc(COUNT * sizeof *z);
  for (size_t i = 0; i < COUNT; i++) x[i] = 1;
  run_layer("100", "dropout rate=0.3", COUNT / 100, x, NULL, z);
  size_t dropped = 0;
  for (size_t i = 0; i < COUNT; i++) {
    ck_assert(z[i] == 0.0f || z[i] == (float)(1 / 0.7));
    dropped += z[i] == 0.0f;
  }
  ck_assert_double_eq_tol((double)dropped / COUNT, 0.3, 5 * sqrt(0.21 / COUNT));
  free(x);
  free(z);
}
END_TEST

START_TEST(batch_norm_moves_its_running_statistics_as_pytorch_does) {
  static const float x[] = {1, 10, 2, 20, 3, 30, 6, 60}; /* [4, 2]: means 3 and 30, unbiased variances 14/3 and 1400/3 */
  float buffers[4] = {1, 2, 3, 4}, z[8];
  run_layer("2", "batch_norm momentum=0.8", 4, x, buffers, z);
  ck_assert_double_eq_tol((double)buffers[0], 0.8 * 1 + 0.2 * 3, 1e-6);
  ck_assert_double_eq_tol((double)buffers[1], 0.8 * 2 + 0.2 * 30, 1e-6);
  ck_assert_double_eq_tol((double)buffers[2], 0.8 * 3 + 0.2 * 14 / 3, 1e-6);
  ck_assert_double_eq_tol((double)buffers[3], 0.8 * 4 + 0.2 * 1400 / 3, 1e-4);
  ck_assert_double_eq_tol((double)z[0], -2 / sqrt(3.5 + 1e-5), 1e-6);
  float single[2] = {5, 6};
  run_layer("2", "batch_norm momentum=0.8", 1, single, buffers, z);
  ck_assert(z[0] == 0.0f && isfinite(buffers[2]));
}
END_TEST

/* Memory */

START_TEST(workspaces_that_cannot_be_addressed_are_refused) {
  struct network_spec spec;
  struct error error = {0};
  size_t bytes;
  struct workspace *workspace;
  struct network *network = create(&spec, "1024", "dense units=1048576; dropout; dense units=1");
  ck_assert_int_eq(workspace_measure(network, SIZE_MAX / 1024, true, &bytes, &error), ERROR_OVER_BUDGET);
  ck_assert_int_eq(workspace_create(network, SIZE_MAX / 4, true, &workspace, &error), ERROR_OVER_BUDGET);
  ck_assert_ptr_null(workspace);
  ck_assert_int_eq(workspace_measure(network, 32, true, &bytes, &error), ERROR_NONE);
  ck_assert_uint_gt(bytes, (size_t)32 * 1048576 * 4 * 5); /* z and δ of two layers, and a mask */
  size_t inference_bytes;
  ck_assert_int_eq(workspace_measure(network, 32, false, &inference_bytes, &error), ERROR_NONE);
  ck_assert_uint_lt(inference_bytes, bytes / 2);
  network_destroy(network);
  network_spec_deinit(&spec);
}
END_TEST

START_TEST(failed_allocations_are_reported_and_leave_nothing) {
  if (!allocations_can_count()) return;
  struct network_spec spec;
  struct network *network;
  struct workspace *workspace;
  network_spec_parse(&spec, "4", "dense units=3; dense units=2");
  size_t live = allocations_live();
  for (size_t successes = 0;; successes++) {
    struct error error = {0};
    allocations_fail_after(successes);
    enum error_code code = network_create(&spec, &network, &error);
    if (code == ERROR_NONE) code = workspace_create(network, 7, true, &workspace, &error);
    allocations_fail_after(SIZE_MAX);
    if (code == ERROR_NONE) break;
    ck_assert_int_eq(code, ERROR_OUT_OF_MEMORY);
    network_destroy(network);
    ck_assert_uint_eq(allocations_live(), live);
  }
  workspace_destroy(workspace);
  network_destroy(network);
  network_spec_deinit(&spec);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "network");
  tcase_add_loop_test(test_case, what_makes_no_sense_is_refused, 0, REFUSALS);
  tcase_add_test(test_case, all_wrong_names_and_inputs_are_reported_at_once);
  tcase_add_test(test_case, a_network_without_layers_or_with_too_many_is_refused);
  tcase_add_test(test_case, layers_are_put_in_an_order_of_computation);
  tcase_add_test(test_case, flops_of_pooling_count_the_values_that_are_there);
  tcase_add_test(test_case, layers_that_keep_values_share_an_array);
  tcase_add_test(test_case, layers_without_a_name_get_type_and_position);
  tcase_add_loop_test(test_case, auto_follows_from_the_target, 0, TARGETS);
  tcase_add_test(test_case, auto_units_follow_from_target_and_activation);
  tcase_add_test(test_case, without_a_target_auto_stays);
  tcase_add_test(test_case, without_a_target_what_can_be_known_is_checked);
  tcase_add_loop_test(test_case, losses_must_fit_the_output, 0, LOSS_CASES);
  tcase_add_test(test_case, a_training_step_allocates_nothing);
  tcase_add_test(test_case, order_of_pieces_changes_no_bit_of_a_step);
  tcase_add_test(test_case, the_same_step_gives_the_same_bits_again);
  tcase_add_test(test_case, leaving_out_the_input_gradient_changes_nothing_else);
  tcase_add_loop_test(test_case, a_bias_that_is_taken_off_again_has_the_gradient_0, 0, SHIFTS);
  tcase_add_test(test_case, inference_writes_no_buffers_and_draws_no_masks);
  tcase_add_test(test_case, start_values_follow_from_the_seed);
  tcase_add_test(test_case, penalties_are_those_of_the_weights_only);
  tcase_add_test(test_case, dropout_drops_its_share_and_keeps_the_mean);
  tcase_add_test(test_case, batch_norm_moves_its_running_statistics_as_pytorch_does);
  tcase_add_test(test_case, workspaces_that_cannot_be_addressed_are_refused);
  tcase_add_test(test_case, failed_allocations_are_reported_and_leave_nothing);
}

int main(void) { return suite_main("network", add_cases); }
