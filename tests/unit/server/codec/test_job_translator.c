#include "server/codec/job_translator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/job_json.h"
#include "server/codec/network_json.h"
#include "tests/support/suite.h"

static void check_text(char *text, const char *expected) {
  ck_assert_ptr_nonnull(text);
  json_t *json = json_loads(text, 0, NULL), *wanted = json_loads(expected, 0, NULL);
  ck_assert_ptr_nonnull(wanted);
  ck_assert_msg(json_equal(json, wanted), "%s, expected %s", text, expected);
  json_decref(json);
  json_decref(wanted);
  free(text);
}

START_TEST(reports_say_null_where_a_number_is_not_finite) {
  const struct train_value values[] = {{"loss", 0.5}, {"gradient_norm", NAN}, {"layers.a.update_ratio", INFINITY}};
  const struct train_report report = {.step = 7, .epoch = 2, .is_epoch_end = true, .value_count = 3, .values = values};
  check_text(
      job_translator.encode_report(&report),
      "{\"step\":7,\"epoch\":2,\"is_epoch_end\":true,\"values\":{\"loss\":0.5,\"gradient_norm\":null,\"layers.a.update_ratio\":null},"
      "\"non_finite\":[\"gradient_norm\",\"layers.a.update_ratio\"]}");
  check_text(job_translator.encode_values(values, 2, 2),
             "{\"epoch\":2,\"loss\":0.5,\"gradient_norm\":null,\"non_finite\":[\"gradient_norm\"]}");
  check_text(job_translator.encode_values(values, 1, 2), "{\"epoch\":2,\"loss\":0.5}");
}
END_TEST

START_TEST(findings_say_all_that_there_is_to_say) {
  static const struct diagnosis_rule rule = {.code = "a_rule", .rule = "x is above 1", .why = "because", .number_names = {"x", "y"}};
  const struct diagnosis_finding finding = {.rule = &rule,
                                            .severity = DIAGNOSIS_WARNING,
                                            .is_active = true,
                                            .first_epoch = 2,
                                            .last_epoch = 3,
                                            .step = 30,
                                            .numbers = {1.5, NAN, 7},
                                            .advice_count = 1,
                                            .advice = {"less"},
                                            .seen = "x is 1.5."};
  check_text(job_translator.encode_finding(&finding),
             "{\"code\":\"a_rule\",\"severity\":\"warning\",\"active\":true,\"layer\":null,\"first_epoch\":2,\"last_epoch\":3,\"step\":30,"
             "\"numbers\":{\"x\":1.5,\"y\":null},\"rule\":\"x is above 1\",\"seen\":\"x is 1.5.\",\"why\":\"because\",\"try\":[\"less\"]}");
  check_text(job_translator.encode_findings(&finding, 0), "[]");
}
END_TEST

START_TEST(states_and_errors_are_whole_objects) {
  check_text(job_translator.encode_state(JOB_SUCCEEDED, "completed", "model_1"),
             "{\"state\":\"succeeded\",\"stop_reason\":\"completed\",\"model\":\"model_1\"}");
  check_text(job_translator.encode_state(JOB_QUEUED, "", NULL), "{\"state\":\"queued\",\"stop_reason\":null,\"model\":null}");
  struct error error = {0};
  error_add(&error, "/a", "bad");
  check_text(job_translator.encode_error(&error),
             "{\"code\":\"invalid\",\"detail\":\"bad\",\"errors\":[{\"pointer\":\"/a\",\"detail\":\"bad\"}]}");
  check_text(job_translator.encode_model_metrics(NULL, "{\"loss\":1}"), "{\"best\":null,\"test\":{\"loss\":1}}");
}
END_TEST

/* What is stored is read back as the same settings, again and again. */
START_TEST(specs_survive_the_way_through_the_store) {
  static const char text[] = "{\"name\":\"j\",\"network\":\"n\",\"dataset\":\"d\",\"target\":[\"t\"],\"epochs\":3,\"clip_norm\":1.5,"
                             "\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":0.1,\"momentum\":0.9},\"early_stopping\":{\"patience\":2},"
                             "\"loss\":{\"type\":\"cross_entropy\",\"class_weights\":\"balanced\"},\"split\":{\"test\":0.25}}";
  struct job_spec spec;
  struct error error = {0};
  ck_assert_msg(job_translator.decode_job_spec(text, &spec, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_int_eq(spec.train.epochs, 3);
  ck_assert(spec.train.early_stopping.is_enabled);
  json_t *json = job_spec_to_json(&spec);
  char *stored = json_write(json);
  struct job_spec again;
  ck_assert_msg(job_translator.decode_job_spec(stored, &again, &error) == ERROR_NONE, "%s", error.detail);
  json_t *json_again = job_spec_to_json(&again);
  ck_assert(json_equal(json, json_again));
  free(stored);
  json_decref(json);
  json_decref(json_again);
  job_spec_deinit(&spec);
  job_spec_deinit(&again);
}
END_TEST

static void read_network(const char *text, struct network_spec *spec) {
  struct error error = {0};
  ck_assert_msg(job_translator.decode_network_spec(text, spec, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_msg(network_spec_resolve(spec, NULL, &error) == ERROR_NONE, "%s", error.detail);
}

START_TEST(a_network_is_complete_when_nothing_waits_for_a_dataset) {
  static const struct {
    const char *text;
    bool is_complete;
  } cases[] = {
      {"{\"input\":{\"shape\":[4]},\"layers\":[{\"type\":\"dense\",\"units\":3,\"activation\":\"softmax\"}]}", true},
      {"{\"layers\":[{\"type\":\"dense\",\"units\":3,\"activation\":\"softmax\"}]}", false},
      {"{\"input\":{\"shape\":[4]},\"layers\":[{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"softmax\"}]}", false},
      {"{\"input\":{\"shape\":[4]},\"layers\":[{\"type\":\"dense\",\"units\":3,\"activation\":\"auto\"}]}", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct network_spec spec;
    read_network(cases[i].text, &spec);
    ck_assert_msg(network_spec_is_complete(&spec) == cases[i].is_complete, "%s", cases[i].text);
    network_spec_deinit(&spec);
  }
}
END_TEST

START_TEST(a_summary_counts_parameters_flops_and_bytes) {
  struct network_spec spec;
  struct network *network;
  struct error error = {0};
  size_t training_bytes = 0;
  read_network("{\"input\":{\"shape\":[4]},\"layers\":[{\"type\":\"dense\",\"units\":8,\"name\":\"a\"},{\"type\":\"batch_norm\"},{\"type\":"
               "\"dense\","
               "\"units\":3,\"activation\":\"softmax\"}]}",
               &spec);
  ck_assert_int_eq(network_create(&spec, &network, &error), ERROR_NONE);
  ck_assert_int_eq(network_measure_training(network, &training_bytes, &error), ERROR_NONE);
  json_t *summary = network_summary(network, training_bytes);
  json_int_t parameters = 4 * 8 + 8 + 2 * 8 + 8 * 3 + 3;
  ck_assert_int_eq(json_integer_value(json_object_get(summary, "parameters")), parameters);
  ck_assert_int_eq(json_integer_value(json_object_get(summary, "buffers")), 2 * 8);
  json_t *bytes = json_object_get(summary, "bytes");
  ck_assert_int_eq(json_integer_value(json_object_get(bytes, "weights")), 4 * (parameters + 16));
  ck_assert_int_gt(json_integer_value(json_object_get(bytes, "training")), 4 * 4 * parameters); /* weights, gradients, two of adam's */
  json_t *first = json_array_get(json_object_get(summary, "layers"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(first, "name")), "a");
  ck_assert_double_eq(json_number_value(json_object_get(first, "flops_per_sample")), 2 * 4 * 8);
  json_decref(summary);
  network_destroy(network);
  network_spec_deinit(&spec);
}
END_TEST

START_TEST(metrics_have_the_names_of_the_design) {
  const float outputs[] = {0.7f, 0.2f, 0.1f, 0.1f, 0.8f, 0.1f, 0.3f, 0.3f, 0.4f, 0.6f, 0.3f, 0.1f}, targets[] = {0, 1, 2, 1};
  struct metric_input input = {
      .task = TASK_CLASSIFICATION, .rows = 4, .width = 3, .class_count = 3, .outputs = outputs, .targets = targets};
  char *classes[] = {"x", "y", "z"};
  struct target target = {.name = "t", .is_class = true, .class_count = 3, .classes = classes};
  struct preprocessor preprocessor = {.task = TASK_CLASSIFICATION, .target_count = 1, .targets = &target, .output_width = 3};
  json_t *json;
  struct error error = {0};
  ck_assert_int_eq(metrics_to_json(&input, 0.5, &preprocessor, &json, &error), ERROR_NONE);
  static const char *const names[] = {"loss", "accuracy", "top_k_accuracy", "precision", "recall",
                                      "f1",   "roc_auc",  "log_loss",       "per_class", "confusion_matrix"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) ck_assert_msg(json_object_get(json, names[i]) != NULL, "no %s", names[i]);
  ck_assert_double_eq(json_number_value(json_object_get(json, "accuracy")), 0.75);
  json_t *row = json_array_get(json_object_get(json, "confusion_matrix"), 1);
  ck_assert_int_eq(json_integer_value(json_array_get(row, 0)), 1); /* counts are whole numbers in JSON too */
  json_t *of_y = json_object_get(json_object_get(json, "per_class"), "y");
  ck_assert_double_eq(json_number_value(json_object_get(of_y, "recall")), 0.5);
  ck_assert_int_eq(json_integer_value(json_object_get(of_y, "support")), 2);
  json_decref(json);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "job_translator");
  tcase_add_test(test_case, reports_say_null_where_a_number_is_not_finite);
  tcase_add_test(test_case, findings_say_all_that_there_is_to_say);
  tcase_add_test(test_case, states_and_errors_are_whole_objects);
  tcase_add_test(test_case, specs_survive_the_way_through_the_store);
  tcase_add_test(test_case, a_network_is_complete_when_nothing_waits_for_a_dataset);
  tcase_add_test(test_case, a_summary_counts_parameters_flops_and_bytes);
  tcase_add_test(test_case, metrics_have_the_names_of_the_design);
}

int main(void) { return suite_main("job_translator", add_cases); }
