/* Metrics beside numbers worked out by hand, as fractions or by loops over all pairs. Outputs are sixteenths, so that they are exact. */
#include "engine/metric.h"

#include <math.h>
#include <string.h>

#include "engine/random.h"
#include "tests/support/suite.h"

enum { ROWS = 8 };
#define SIXTEENTHS(x) ((float)(x) / 16.0f)
#define ROW3(a, b, c) SIXTEENTHS(a), SIXTEENTHS(b), SIXTEENTHS(c)

/* Said: 0 1 2 0 2 0 1 2. Row 3 is a tie of the classes 0 and 1. */
static const float three_outputs[ROWS * 3] = {ROW3(8, 4, 4),  ROW3(2, 12, 2), ROW3(4, 4, 8), ROW3(6, 6, 4),
                                              ROW3(1, 5, 10), ROW3(10, 3, 3), ROW3(3, 9, 4), ROW3(5, 5, 6)};
static const float three_targets[ROWS] = {0, 1, 2, 1, 1, 2, 0, 2};
static const struct metric_input three = {
    .task = TASK_CLASSIFICATION, .rows = ROWS, .width = 3, .class_count = 3, .outputs = three_outputs, .targets = three_targets};

/* One sigmoid output; rows 2 and 6 stand on the threshold, which says class 0. */
static const float sigmoid_outputs[ROWS] = {SIXTEENTHS(4), SIXTEENTHS(12), SIXTEENTHS(8), SIXTEENTHS(14),
                                            SIXTEENTHS(2), SIXTEENTHS(9),  SIXTEENTHS(8), SIXTEENTHS(6)};
static const float sigmoid_targets[ROWS] = {0, 1, 1, 1, 0, 0, 0, 1};
static const struct metric_input sigmoid = {
    .task = TASK_CLASSIFICATION, .rows = ROWS, .width = 1, .class_count = 2, .outputs = sigmoid_outputs, .targets = sigmoid_targets};

/* The third label is never true, and said once. */
static const float label_outputs[5 * 3] = {ROW3(12, 4, 2), ROW3(6, 10, 1), ROW3(14, 9, 12), ROW3(8, 12, 4), ROW3(4, 2, 3)};
static const float label_targets[5 * 3] = {1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0};
static const struct metric_input labels = {
    .task = TASK_MULTILABEL, .rows = 5, .width = 3, .outputs = label_outputs, .targets = label_targets};

static const float number_outputs[4 * 2] = {2.5f, 0.5f, 0, 2, 2, -1, 8, 1.5f};
static const float number_targets[4 * 2] = {3, 1, -0.5f, 2, 2, -1, 7, 0.5f};
static const struct metric_input numbers = {
    .task = TASK_REGRESSION, .rows = 4, .width = 2, .outputs = number_outputs, .targets = number_targets};

static const struct metric_kind *find(const char *name) {
  const struct kind *kind = kind_table_find(&metric_kinds, name);
  ck_assert_msg(kind != NULL, "no metric %s", name);
  return (const struct metric_kind *)kind;
}

static struct metric_value compute(const char *name, const struct metric_input *input) {
  struct metric_value value = {0};
  struct error error = {0};
  ck_assert_msg(find(name)->compute(input, &value, &error) == ERROR_NONE, "%s: %s", name, error.detail);
  return value;
}

static double scalar(const char *name, const struct metric_input *input) {
  struct metric_value value = compute(name, input);
  ck_assert_uint_eq(value.row_count, 0);
  ck_assert_ptr_null(value.matrix);
  return value.scalar;
}

static void assert_scalar(const char *name, const struct metric_input *input, double expected) {
  double value = scalar(name, input);
  ck_assert_msg(fabs(value - expected) <= 1e-12, "%s is %.17g, not %.17g", name, value, expected);
}

static void assert_matrix(const char *name, const struct metric_input *input, size_t columns, size_t rows, const double *expected) {
  struct metric_value value = compute(name, input);
  ck_assert_uint_eq(value.row_count, rows);
  ck_assert_uint_eq(value.column_count, columns);
  for (size_t i = 0; i < rows * columns; i++)
    ck_assert_msg(fabs(value.matrix[i] - expected[i]) <= 1e-12, "%s[%zu][%zu] is %.17g, not %.17g", name, i / columns, i % columns,
                  value.matrix[i], expected[i]);
  metric_value_deinit(&value);
  ck_assert_ptr_null(value.matrix);
}

START_TEST(of_three_classes) {
  assert_scalar("accuracy", &three, 4.0 / 8);
  assert_scalar("precision", &three, (1.0 / 3 + 1.0 / 2 + 2.0 / 3) / 3);
  assert_scalar("recall", &three, (1.0 / 2 + 1.0 / 3 + 2.0 / 3) / 3);
  assert_scalar("f1", &three, (2.0 / 5 + 2.0 / 5 + 2.0 / 3) / 3);
  assert_scalar("roc_auc", &three, 121.0 / 180);
  assert_scalar("log_loss", &three, 1.0183423270680185);
  assert_matrix("confusion_matrix", &three, 3, 3, (const double[]){1, 1, 0, 1, 1, 1, 1, 0, 2});
  assert_matrix("per_class", &three, 4, 3,
                (const double[]){1.0 / 3, 1.0 / 2, 2.0 / 5, 2, 1.0 / 2, 1.0 / 3, 2.0 / 5, 3, 2.0 / 3, 2.0 / 3, 2.0 / 3, 3});
}
END_TEST

START_TEST(top_k_counts_the_right_class_among_the_first_k) {
  struct metric_input input = three;
  input.top_k = 1;
  assert_scalar("top_k_accuracy", &input, scalar("accuracy", &three));
  input.top_k = 2;
  assert_scalar("top_k_accuracy", &input, 6.0 / 8);
  input.top_k = 100;
  assert_scalar("top_k_accuracy", &input, 1);
  input.top_k = 0;
  assert_scalar("top_k_accuracy", &input, 1);
  input = sigmoid;
  input.top_k = 1;
  assert_scalar("top_k_accuracy", &input, 5.0 / 8);
  input.top_k = 2;
  assert_scalar("top_k_accuracy", &input, 1);
}
END_TEST

START_TEST(top_k_is_five_unless_told) {
  static const float outputs[8] = {0.2f, 0.19f, 0.18f, 0.13f, 0.1f, 0.09f, 0.06f, 0.05f};
  float target = 4;
  struct metric_input input = {
      .task = TASK_CLASSIFICATION, .rows = 1, .width = 8, .class_count = 8, .outputs = outputs, .targets = &target};
  assert_scalar("top_k_accuracy", &input, 1);
  target = 5;
  assert_scalar("top_k_accuracy", &input, 0);
}
END_TEST

static void assert_two_classes(const struct metric_input *input) {
  assert_scalar("accuracy", input, 5.0 / 8);
  assert_scalar("precision", input, (3.0 / 5 + 2.0 / 3) / 2);
  assert_scalar("recall", input, (3.0 / 4 + 2.0 / 4) / 2);
  assert_scalar("f1", input, (6.0 / 9 + 4.0 / 7) / 2);
  assert_scalar("roc_auc", input, 25.0 / 32);
  assert_scalar("log_loss", input, 0.5045286396835865);
  assert_matrix("confusion_matrix", input, 2, 2, (const double[]){3, 1, 2, 2});
  assert_matrix("per_class", input, 4, 2, (const double[]){3.0 / 5, 3.0 / 4, 6.0 / 9, 4, 2.0 / 3, 2.0 / 4, 4.0 / 7, 4});
}

START_TEST(of_two_classes_one_sigmoid_and_two_softmax_outputs_agree) {
  float outputs[ROWS * 2];
  for (size_t i = 0; i < ROWS; i++) {
    outputs[2 * i] = 1.0f - sigmoid_outputs[i];
    outputs[2 * i + 1] = sigmoid_outputs[i];
  }
  struct metric_input softmax = sigmoid;
  softmax.width = 2;
  softmax.outputs = outputs;
  assert_two_classes(&sigmoid);
  assert_two_classes(&softmax);
}
END_TEST

START_TEST(of_several_labels) {
  assert_scalar("accuracy", &labels, 12.0 / 15);
  assert_scalar("precision", &labels, (1 + 2.0 / 3 + 0) / 3);
  assert_scalar("recall", &labels, (2.0 / 3 + 1 + 0) / 3);
  assert_scalar("f1", &labels, (0.8 + 0.8 + 0) / 3);
  assert_scalar("roc_auc", &labels, (5.0 / 6 + 1) / 2);
  assert_scalar("log_loss", &labels, 0.43120902821133694);
  assert_matrix("per_class", &labels, 4, 3, (const double[]){1, 2.0 / 3, 0.8, 3, 2.0 / 3, 1, 0.8, 2, 0, 0, 0, 0});
}
END_TEST

START_TEST(of_numbers) {
  assert_scalar("mae", &numbers, 0.4375);
  assert_scalar("rmse", &numbers, (sqrt(0.375) + sqrt(0.3125)) / 2);
  assert_scalar("r2", &numbers, (1 - 1.5 / 29.1875 + 1 - 1.25 / 4.6875) / 2);
}
END_TEST

START_TEST(a_scale_gives_differences_in_the_datas_own_units) {
  static const double scale[] = {1000, 0.5};
  struct metric_input input = numbers;
  input.scale = scale;
  assert_scalar("mae", &input, (1000 * (0.5 + 0.5 + 0 + 1) + 0.5 * (0.5 + 0 + 0 + 1)) / 8);
  assert_scalar("rmse", &input, (1000 * sqrt(0.375) + 0.5 * sqrt(0.3125)) / 2);
  assert_scalar("r2", &input, scalar("r2", &numbers));
}
END_TEST

START_TEST(r2_of_equal_targets_is_one_if_hit_and_zero_if_not) {
  static const float targets[3] = {0.1f, 0.1f, 0.1f};
  float outputs[3] = {0.1f, 0.1f, 0.1f};
  struct metric_input input = {.task = TASK_REGRESSION, .rows = 3, .width = 1, .outputs = outputs, .targets = targets};
  assert_scalar("r2", &input, 1);
  outputs[1] = 0.2f;
  assert_scalar("r2", &input, 0);
  input.rows = 1;
  ck_assert(isnan(scalar("r2", &input)));
}
END_TEST

START_TEST(a_class_that_never_occurs_does_not_count) {
  float outputs[ROWS * 4] = {0};
  for (size_t i = 0; i < ROWS; i++) memcpy(outputs + 4 * i, three_outputs + 3 * i, 3 * sizeof(float));
  struct metric_input input = three;
  input.width = input.class_count = 4;
  input.outputs = outputs;
  static const char *const names[] = {"accuracy", "precision", "recall", "f1", "roc_auc", "log_loss"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) assert_scalar(names[i], &input, scalar(names[i], &three));
}
END_TEST

START_TEST(roc_auc_of_one_class_is_not_defined) {
  struct metric_input input = sigmoid;
  float zeros[ROWS] = {0};
  input.targets = zeros;
  ck_assert(isnan(scalar("roc_auc", &input)));
  input = labels;
  input.rows = 1;
  ck_assert(isnan(scalar("roc_auc", &input)));
}
END_TEST

/* Σ over all pairs of a row of the class and one that isn't: 1 if it scores higher, ½ if equal. */
static double area_by_pairs(size_t count, const float *scores, const float *targets) {
  double wins = 0, pairs = 0;
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < count; j++) {
      if (targets[i] < 0.5f || targets[j] > 0.5f) continue;
      pairs += 1;
      wins += scores[i] > scores[j] ? 1 : scores[i] < scores[j] ? 0 : 0.5;
    }
  }
  return wins / pairs;
}

START_TEST(roc_auc_is_the_share_of_pairs_in_order) {
  enum { COUNT = 500 };
  float scores[COUNT], targets[COUNT];
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct random_stream stream = {.seed = seed};
    float levels = seed % 2 == 0 ? 10.0f : 1e6f; /* many ties, few ties */
    for (size_t i = 0; i < COUNT; i++) {
      scores[i] = floorf(random_uniform(&stream, i) * levels) / levels;
      targets[i] = random_uniform(&stream, COUNT + i) < 0.2f + 0.5f * scores[i];
    }
    struct metric_input input = {
        .task = TASK_CLASSIFICATION, .rows = COUNT, .width = 1, .class_count = 2, .outputs = scores, .targets = targets};
    assert_scalar("roc_auc", &input, area_by_pairs(COUNT, scores, targets));
  }
}
END_TEST

START_TEST(log_loss_stays_finite_where_a_probability_is_zero) {
  static const float outputs[4] = {0, 1, 1, 0};
  static const float targets[2] = {0, 0};
  struct metric_input input = {
      .task = TASK_CLASSIFICATION, .rows = 2, .width = 2, .class_count = 2, .outputs = outputs, .targets = targets};
  double epsilon = ldexp(1, -23);
  assert_scalar("log_loss", &input, (-log(epsilon) - log(1 - epsilon)) / 2);
}
END_TEST

START_TEST(log_loss_of_what_is_no_probability) {
  float outputs[6] = {0.5f, 1, 0.5f, 3, 0, 1};
  static const float targets[2] = {1, 0};
  struct metric_input input = {
      .task = TASK_CLASSIFICATION, .rows = 2, .width = 3, .class_count = 3, .outputs = outputs, .targets = targets};
  assert_scalar("log_loss", &input, (-log(0.5) - log(0.75)) / 2); /* rows are divided by their sums */
  outputs[4] = -0.25f;
  ck_assert(isnan(scalar("log_loss", &input)));
}
END_TEST

static const struct metric_input *const inputs[] = {&three, &sigmoid, &labels, &numbers};
enum { INPUTS = sizeof inputs / sizeof inputs[0] };

static bool applies(const struct metric_kind *metric, const struct metric_input *input) {
  return (metric->tasks & (1u << input->task)) != 0;
}

START_TEST(without_rows_no_metric_is_a_number) {
  struct metric_input input = *inputs[_i];
  input.rows = 0;
  for (size_t i = 0; i < metric_kinds.count; i++) {
    const struct metric_kind *metric = (const struct metric_kind *)metric_kinds.get(i);
    if (!applies(metric, &input)) continue;
    struct metric_value value = compute(metric->kind.name, &input);
    for (size_t j = 0; j < value.row_count * value.column_count; j++) ck_assert(value.matrix[j] <= 0 && value.matrix[j] >= 0);
    if (value.matrix == NULL) ck_assert_msg(isnan(value.scalar), "%s of nothing is %g", metric->kind.name, value.scalar);
    metric_value_deinit(&value);
  }
}
END_TEST

START_TEST(a_target_that_is_no_class_is_refused) {
  static const float wrong[] = {3, -1, 0.5f, 1e30f, NAN, INFINITY};
  for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
    float targets[ROWS] = {0, 1, 2, 1, 1, 2, 0, wrong[w]};
    struct metric_input input = three;
    input.targets = targets;
    for (size_t i = 0; i < metric_kinds.count; i++) {
      const struct metric_kind *metric = (const struct metric_kind *)metric_kinds.get(i);
      struct metric_value value = {0};
      struct error error = {0};
      if (applies(metric, &input)) ck_assert_int_eq(metric->compute(&input, &value, &error), ERROR_INVALID);
      metric_value_deinit(&value);
    }
  }
}
END_TEST

START_TEST(outputs_that_do_not_fit_the_classes_are_refused) {
  struct metric_input input = three;
  input.class_count = 4;
  struct metric_value value = {0};
  struct error error = {0};
  ck_assert_int_eq(find("accuracy")->compute(&input, &value, &error), ERROR_INVALID);
  ck_assert_str_eq(error.detail, "3 outputs can't tell 4 classes apart");
}
END_TEST

START_TEST(every_name_of_the_api_is_there_in_order) {
  static const char *const names[] = {"accuracy", "top_k_accuracy", "precision",        "recall", "f1",   "roc_auc",
                                      "log_loss", "per_class",      "confusion_matrix", "mae",    "rmse", "r2"};
  ck_assert_uint_eq(metric_kinds.count, sizeof names / sizeof names[0]);
  for (size_t i = 0; i < metric_kinds.count; i++) ck_assert_str_eq(metric_kinds.get(i)->name, names[i]);
  ck_assert_str_eq(task_names[TASK_CLASSIFICATION], "classification");
  ck_assert_str_eq(task_names[TASK_MULTILABEL], "multilabel");
  ck_assert_str_eq(task_names[TASK_REGRESSION], "regression");
  ck_assert_ptr_null(task_names[3]);
}
END_TEST

START_TEST(values_of_padded_steps_do_not_count) {
  /* The last row has two real values of three, and no row the fourth. */
  static const float outputs[] = {1, 2, 3, 100, 2, 4, 5, 100, 3, 6, 100, 100}, targets[] = {1, 1, 1, 0, 2, 2, 1, 0, 4, 3, 0, 0};
  static const uint32_t lengths[] = {3, 3, 2};
  const struct metric_input input = {
      .task = TASK_REGRESSION, .rows = 3, .width = 4, .outputs = outputs, .targets = targets, .lengths = lengths};
  assert_scalar("mae", &input, (0 + 1 + 2 + 0 + 2 + 4 + 1 + 3) / 8.0);
  assert_scalar("rmse", &input, (sqrt(1 / 3.0) + sqrt(14 / 3.0) + sqrt(20 / 2.0)) / 3);
  /* 1 − 1/(14/3), 1 − 14/2, and of targets that are all equal and missed, 0. */
  assert_scalar("r2", &input, (1 - 3 / 14.0 + 1 - 14 / 2.0 + 0) / 3);
}
END_TEST

START_TEST(labels_of_padded_steps_do_not_count) {
  /* Two labels a step: the first row has three steps, the second one; what stands behind it is wrong, and would count. */
  static const float outputs[] = {0.75f, 0.25f, 0.5f, 1, 0.25f, 0.125f, 0.5f, 0.75f, 1, 1, 1, 0};
  static const float targets[] = {1, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1};
  static const uint32_t lengths[] = {6, 2};
  struct metric_input input = {.task = TASK_MULTILABEL, .rows = 2, .width = 6, .outputs = outputs, .targets = targets, .lengths = lengths};
  assert_scalar("accuracy", &input, 6.0 / 8);
  assert_scalar("log_loss", &input,
                -(log(0.75) + log(0.75) + log(0.5) + log(1 - ldexp(1, -23)) + log(0.75) + log(0.125) + log(0.5) + log(0.75)) / 8);
  /* Labels: 1 of 1, 1 of 1, 0 of 1 (0.5 says no), 1 of 1, none, 0 of 1. */
  assert_scalar("recall", &input, 3.0 / 6);
  static const double each[] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1};
  assert_matrix("per_class", &input, 4, 6, each);
  /* The first label alone has a row of each kind among those that count. */
  assert_scalar("roc_auc", &input, 1);
  static const uint32_t two_steps[] = {4, 2};
  input.lengths = two_steps;
  assert_scalar("recall", &input, 3.0 / 4); /* of the labels that count anywhere */
}
END_TEST

START_TEST(reconstructed_categories_are_right_or_wrong) {
  /* A number, a column of three categories, a number, a column of two. The last row's category was not there to be learned. */
  static const size_t spans[] = {0, 3, 3, 3, 0, 2, 2};
  static const float outputs[] = {1, 0.75f, 0.5f, 0.25f, 2, -1, -0.5f, 5, 0.25f, 0.5f, 0.75f, 2, 1, 0};
  static const float targets[] = {2, 1, 0, 0, 2, 0, 1, 5, 0, 1, 0, 4, 0, 0};
  struct metric_input input = {
      .task = TASK_REGRESSION, .rows = 2, .width = 7, .outputs = outputs, .targets = targets, .category_spans = spans};
  assert_scalar("accuracy", &input, 2.0 / 4);
  assert_scalar("mae", &input, 3.0 / 4);
  assert_scalar("rmse", &input, (sqrt(1 / 2.0) + sqrt(4 / 2.0)) / 2);
  assert_scalar("r2", &input, (1 - 1 / 4.5 + 1 - 4 / 2.0) / 2);
  ck_assert(metric_applies(find("accuracy"), &input) && metric_applies(find("rmse"), &input));
  ck_assert(!metric_applies(find("f1"), &input));
  ck_assert(!metric_applies(find("accuracy"), &numbers) && metric_applies(find("rmse"), &numbers));
  static const size_t all[] = {1, 3, 3, 3, 1, 2, 2};
  input.category_spans = all;
  ck_assert(metric_applies(find("accuracy"), &input) && !metric_applies(find("rmse"), &input));
}
END_TEST

START_TEST(of_one_quantity_squares_are_added_up_over_all_outputs) {
  /* The second output hardly varies, and would spoil the mean of the two r2. */
  static const float outputs[] = {1, 2, 3, 4, 3, 0}, targets[] = {1, 1, 4, 1, 1, 1.5f};
  struct metric_input input = {
      .task = TASK_REGRESSION, .rows = 3, .width = 2, .outputs = outputs, .targets = targets, .is_one_quantity = true};
  const double residual = 0 + 1 + 1 + 9 + 4 + 2.25, total = 1 + 4 + 1 + 1 / 36.0 + 1 / 36.0 + 1 / 9.0;
  assert_scalar("rmse", &input, sqrt(residual / 6));
  assert_scalar("r2", &input, 1 - residual / total);
  input.is_one_quantity = false;
  assert_scalar("r2", &input, (1 - 5 / 6.0 + 1 - 12.25 * 6) / 2);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "metrics");
  tcase_add_test(test_case, labels_of_padded_steps_do_not_count);
  tcase_add_test(test_case, reconstructed_categories_are_right_or_wrong);
  tcase_add_test(test_case, of_one_quantity_squares_are_added_up_over_all_outputs);
  tcase_add_test(test_case, a_scale_gives_differences_in_the_datas_own_units);
  tcase_add_test(test_case, values_of_padded_steps_do_not_count);
  tcase_add_test(test_case, of_three_classes);
  tcase_add_test(test_case, top_k_counts_the_right_class_among_the_first_k);
  tcase_add_test(test_case, top_k_is_five_unless_told);
  tcase_add_test(test_case, of_two_classes_one_sigmoid_and_two_softmax_outputs_agree);
  tcase_add_test(test_case, of_several_labels);
  tcase_add_test(test_case, of_numbers);
  tcase_add_test(test_case, r2_of_equal_targets_is_one_if_hit_and_zero_if_not);
  tcase_add_test(test_case, a_class_that_never_occurs_does_not_count);
  tcase_add_test(test_case, roc_auc_of_one_class_is_not_defined);
  tcase_add_test(test_case, roc_auc_is_the_share_of_pairs_in_order);
  tcase_add_test(test_case, log_loss_stays_finite_where_a_probability_is_zero);
  tcase_add_test(test_case, log_loss_of_what_is_no_probability);
  tcase_add_loop_test(test_case, without_rows_no_metric_is_a_number, 0, INPUTS);
  tcase_add_test(test_case, a_target_that_is_no_class_is_refused);
  tcase_add_test(test_case, outputs_that_do_not_fit_the_classes_are_refused);
  tcase_add_test(test_case, every_name_of_the_api_is_there_in_order);
}

int main(void) { return suite_main("metrics", add_cases); }
