/* Gradients that share arrays where nobody looks at them (network_deltas.c): of graphs with sums in every relation, they have the same bits
 * as with an array for each. */
#include <stdlib.h>
#include <string.h>

#include "engine/network.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { BATCH = 5, INPUTS = 6 };

/* Whether some gradients share an array, and the network. */
static const struct {
  bool shares;
  const char *layers;
} cases[] = {
    {false, "dense units=6 activation=tanh; dense units=4"},
    /* a residual block; two in a row; pre-normalized as in transformers */
    {true, "dense units=6 name=a; dense units=6 activation=tanh; dense units=6 name=b; add inputs=a,b; dense units=3"},
    {true, "dense units=6 name=a; dense units=6 name=b; add inputs=a,b name=c; dense units=6 activation=tanh; dense units=6 name=d; "
           "add inputs=c,d; dense units=3"},
    {true, "dense units=6 name=a; layer_norm inputs=a; dense units=6 name=b; add inputs=a,b name=c; layer_norm inputs=c; "
           "dense units=8 activation=tanh; dense units=6 name=d; add inputs=c,d name=e; layer_norm inputs=e; dense units=6 name=f; "
           "add inputs=e,f; dense units=3"},
    /* the first of the sources has an activation, which is allowed; the second has, which is not */
    {true, "dense units=6 activation=tanh name=a; dense units=6 inputs=a name=b; add inputs=a,b; dense units=3"},
    {false, "dense units=6 name=a; dense units=6 activation=tanh inputs=a name=b; add inputs=a,b; dense units=3"},
    /* a sum whose array others read later hands nothing on; something is added to the second one's gradient */
    {true, "dense units=6 name=a; dense units=6 name=b inputs=a; dense units=6 name=c inputs=a; add inputs=a,b name=s; "
           "add inputs=s,c name=t; dense units=3"},
    {true, "dense units=6 name=a; dense units=6 name=b; dense units=6 name=c inputs=b; add inputs=a,b name=s; add inputs=c,s; "
           "dense units=3"},
    {false, "dense units=6 name=a; dense units=6 name=b inputs=a; dense units=6 name=c inputs=b; add inputs=a,b,c; dense units=3"},
    /* a source twice; the input; a sum with an activation; a sum of sums */
    {false, "dense units=6 name=a; add inputs=a,a; dense units=3"},
    {false, "dense units=6 name=a; add inputs=input,a; dense units=3"},
    {false, "dense units=6 name=a; dense units=6 name=b; add inputs=a,b activation=tanh; dense units=3"},
    {true, "dense units=6 name=a; dense units=6 name=b inputs=a; dense units=6 name=c inputs=b; add inputs=b,c name=s; add inputs=a,s; "
           "dense units=3"},
    {false, "dense units=6; reshape shape=2x3; flatten; dense units=3"},
    {true, "dense units=12; reshape shape=4x3; positional_embedding; self_attention heads=1; flatten; dense units=3"},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static float *random_values(size_t count, uint64_t seed) {
  float *values = calloc(count + 1, sizeof *values);
  random_fill_normal(&(struct random_stream){.seed = seed, .purpose = 90}, 0, count, values);
  return values;
}

START_TEST(shared_arrays_change_no_bit_of_any_gradient) {
  struct error error = {0};
  struct network_spec spec;
  struct network *network;
  struct workspace *workspace;
  struct spec loss;
  network_spec_parse(&spec, "6", cases[_i].layers);
  spec_parse(&loss, &loss_kinds, "mean_squared_error");
  ck_assert_msg(network_create(&spec, &network, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_int_eq(workspace_create(network, BATCH, true, &workspace, &error), ERROR_NONE);
  ck_assert_msg(network_hides_values(network) == cases[_i].shares, "%s", cases[_i].layers);
  const size_t count = network_parameter_count(network), outputs = shape_size(network_get_output_shape(network));
  float *x = random_values(BATCH * INPUTS, 1), *parameters = random_values(count, 2), *target = random_values(BATCH * outputs, 3);
  float *gradients[2], *dx[2];
  for (int joins = 0; joins < 2; joins++) {
    const struct pass_options options = {.batch = BATCH, .training = true, .joins = joins == 1};
    gradients[joins] = calloc(count, sizeof(float));
    dx[joins] = calloc(BATCH * INPUTS, sizeof(float));
    network_forward(network, workspace, &options, x, parameters, NULL);
    network_backward(network, workspace, &options, x, parameters, &loss, NULL, target, gradients[joins], dx[joins]);
  }
  ck_assert_msg(memcmp(gradients[0], gradients[1], count * sizeof(float)) == 0, "%s", cases[_i].layers);
  ck_assert_msg(memcmp(dx[0], dx[1], BATCH * INPUTS * sizeof(float)) == 0, "%s", cases[_i].layers);
  float *owned[] = {x, parameters, target, gradients[0], gradients[1], dx[0], dx[1]};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
  workspace_destroy(workspace);
  network_destroy(network);
  network_spec_deinit(&spec);
  spec_deinit(&loss);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "network deltas");
  tcase_add_loop_test(test_case, shared_arrays_change_no_bit_of_any_gradient, 0, CASES);
}

int main(void) { return suite_main("network deltas", add_cases); }
