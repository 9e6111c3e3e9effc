/* What a network takes from another: by layer name, type and shape, parameters and buffers, wherever they stand in the two blocks. */
#include <stdlib.h>
#include <string.h>

#include "engine/transfer.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

struct side {
  struct network_spec spec;
  struct network *network;
  float *parameters, *buffers;
};

static void side_init(struct side *side, const char *layers, float first) {
  struct error error = {0};
  network_spec_parse(&side->spec, "4", layers);
  ck_assert_int_eq(network_create(&side->spec, &side->network, &error), ERROR_NONE);
  const size_t parameters = network_parameter_count(side->network), buffers = network_buffer_count(side->network);
  side->parameters = calloc(parameters + 1, sizeof(float));
  side->buffers = calloc(buffers + 1, sizeof(float));
  for (size_t i = 0; i < parameters; i++) side->parameters[i] = first + (float)i;
  for (size_t i = 0; i < buffers; i++) side->buffers[i] = first + 0.5f + (float)i;
}

static void side_deinit(struct side *side) {
  free(side->parameters);
  free(side->buffers);
  network_destroy(side->network);
  network_spec_deinit(&side->spec);
}

static const struct layer *find(const struct side *side, const char *name) {
  for (size_t i = 0; i < network_layer_count(side->network); i++)
    if (strcmp(network_get_layer_name(side->network, i), name) == 0) return network_get_layer(side->network, i);
  ck_abort_msg("no layer %s", name);
}

static enum error_code read_side(void *context, bool is_buffer, size_t offset, size_t count, float *out_values, struct error *error) {
  (void)error;
  const struct side *side = context;
  memcpy(out_values, (is_buffer ? side->buffers : side->parameters) + offset, count * sizeof(float));
  return ERROR_NONE;
}

START_TEST(layers_of_the_same_name_are_taken_with_their_buffers_and_the_others_left) {
  struct side from, to;
  struct error error = {0};
  side_init(&from, "dense units=3 name=a; batch_norm name=n; dense units=2 name=old", 1000);
  /* Frozen, so that it stands elsewhere in the block. */
  side_init(&to, "dense units=3 name=a trainable=0; batch_norm name=n; dense units=5 name=fresh; activation function=tanh name=t", 0);
  const enum transfer_fate expected[] = {TRANSFER_TAKEN, TRANSFER_TAKEN, TRANSFER_NEW, TRANSFER_NOTHING};
  for (size_t i = 0; i < 4; i++) {
    size_t source;
    ck_assert_int_eq(transfer_judge(from.network, to.network, i, &source), expected[i]);
  }
  ck_assert_int_eq(transfer_check(from.network, to.network, "/init_from", &error), ERROR_NONE);
  const struct layer *fresh = find(&to, "fresh");
  float kept[5 * 3];
  memcpy(kept, to.parameters + fresh->tensors[0].offset, sizeof kept);
  const struct transfer_source source = {.context = &from, .read = read_side};
  ck_assert_int_eq(transfer_read(from.network, to.network, &source, to.parameters, to.buffers, &error), ERROR_NONE);
  static const char *const taken[] = {"a", "n"};
  for (size_t i = 0; i < 2; i++) {
    const struct layer *ours = find(&to, taken[i]), *theirs = find(&from, taken[i]);
    for (size_t k = 0; k < ours->tensor_count; k++)
      ck_assert_mem_eq(to.parameters + ours->tensors[k].offset, from.parameters + theirs->tensors[k].offset,
                       shape_size(&ours->tensors[k].shape) * sizeof(float));
    for (size_t k = 0; k < ours->buffer_count; k++)
      ck_assert_mem_eq(to.buffers + ours->buffers[k].offset, from.buffers + theirs->buffers[k].offset,
                       shape_size(&ours->buffers[k].shape) * sizeof(float));
  }
  ck_assert_mem_eq(kept, to.parameters + fresh->tensors[0].offset, sizeof kept);
  side_deinit(&from);
  side_deinit(&to);
}
END_TEST

START_TEST(every_layer_that_does_not_fit_is_told) {
  struct side from, to;
  struct error error = {0};
  side_init(&from, "dense units=3 name=a; dense units=3 name=b; dense units=2 name=c", 0);
  side_init(&to, "dense units=3 name=a bias=0; layer_norm name=b; dense units=2 name=c", 0);
  ck_assert_int_eq(transfer_check(from.network, to.network, "/init_from", &error), ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, 2);
  ck_assert_str_eq(error.items[0].pointer, "/init_from");
  ck_assert_ptr_nonnull(strstr(error.items[0].detail, "\"a\""));
  ck_assert_ptr_nonnull(strstr(error.items[1].detail, "layer_norm"));
  side_deinit(&from);
  side_deinit(&to);
}
END_TEST

START_TEST(a_network_with_no_layer_in_common_is_refused) {
  struct side from, to;
  struct error error = {0};
  side_init(&from, "dense units=3 name=a", 0);
  side_init(&to, "dense units=3 name=b", 0);
  ck_assert_int_eq(transfer_check(from.network, to.network, "/init_from", &error), ERROR_INVALID);
  side_deinit(&from);
  side_deinit(&to);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "transfer");
  tcase_add_test(tcase, layers_of_the_same_name_are_taken_with_their_buffers_and_the_others_left);
  tcase_add_test(tcase, every_layer_that_does_not_fit_is_told);
  tcase_add_test(tcase, a_network_with_no_layer_in_common_is_refused);
}

int main(void) { return suite_main("transfer", add_cases); }
