/* server/data/preprocessor.h: raw cells → floats, value by value. */
#include "server/data/preprocessor.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "server/data/lookup.h"
#include "tests/support/allocations.h"
#include "tests/support/suite.h"

static char *colors[] = {"blue", "red", "x/y"}, *sizes[] = {"1", "2.5", "10"}, *digits[] = {"0", "1", "9"}, *labels[] = {"no", "yes"};
static bool colors_seen[] = {true, true, false}, sizes_seen[] = {true, true, true};

static struct feature features[] = {
    {.name = "n", .kind = COLUMN_NUMERIC, .offset = 0, .width = 1, .center = 10, .scale = 2, .fill = 10},
    {.name = "m", .kind = COLUMN_NUMERIC, .offset = 1, .width = 2, .has_indicator = true, .center = 1, .scale = 4, .fill = 3},
    {.name = "color",
     .kind = COLUMN_CATEGORICAL,
     .offset = 3,
     .width = 4,
     .has_indicator = true,
     .category_count = 3,
     .categories = colors,
     .is_seen = colors_seen},
    {.name = "a/b~c", .kind = COLUMN_CATEGORICAL, .offset = 7, .width = 3, .category_count = 3, .categories = sizes, .is_seen = sizes_seen},
};
static struct target digit = {.name = "digit", .is_class = true, .class_count = 3, .classes = digits};
static struct target price = {.name = "price", .center = 100, .scale = 50};
static struct target both_labels[] = {{.name = "a", .is_class = true, .class_count = 2, .classes = labels},
                                      {.name = "b", .is_class = true, .class_count = 2, .classes = labels}};

static const struct preprocessor classifier = {.task = TASK_CLASSIFICATION,
                                               .feature_count = 4,
                                               .features = features,
                                               .target_count = 1,
                                               .targets = &digit,
                                               .input_width = 10,
                                               .output_width = 3,
                                               .target_width = 1};
static const struct preprocessor regressor = {
    .task = TASK_REGRESSION, .target_count = 1, .targets = &price, .output_width = 1, .target_width = 1};
static const struct preprocessor labeller = {
    .task = TASK_MULTILABEL, .target_count = 2, .targets = both_labels, .output_width = 2, .target_width = 2};

static struct cell number(double value) { return (struct cell){.kind = CELL_NUMBER, .number = value}; }
static struct cell text(const char *value) { return (struct cell){.kind = CELL_TEXT, .text = value}; }
static const struct cell missing = {.kind = CELL_MISSING};

static const struct {
  const char *name;
  struct cell cells[4];
  float x[10];
} rows[] = {
    {"numbers and words",
     {{.kind = CELL_NUMBER, .number = 14},
      {.kind = CELL_NUMBER, .number = 5},
      {.kind = CELL_TEXT, .text = "red"},
      {.kind = CELL_TEXT, .text = "2.5"}},
     {2, 1, 0, 0, 1, 0, 0, 0, 1, 0}},
    {"numbers as text, categories as numbers",
     {{.kind = CELL_TEXT, .text = " 8 "},
      {.kind = CELL_TEXT, .text = "-3e0"},
      {.kind = CELL_TEXT, .text = " blue "},
      {.kind = CELL_NUMBER, .number = 10}},
     {-1, -1, 0, 1, 0, 0, 0, 0, 0, 1}},
    {"missing",
     {{.kind = CELL_MISSING}, {.kind = CELL_MISSING}, {.kind = CELL_MISSING}, {.kind = CELL_MISSING}},
     {0, 0.5f, 1, 0, 0, 0, 1, 0, 0, 0}},
    {"missing as text",
     {{.kind = CELL_TEXT, .text = "NA"},
      {.kind = CELL_TEXT, .text = ""},
      {.kind = CELL_TEXT, .text = "?"},
      {.kind = CELL_TEXT, .text = " null "}},
     {0, 0.5f, 1, 0, 0, 0, 1, 0, 0, 0}},
    {"NaN is missing",
     {{.kind = CELL_NUMBER, .number = NAN},
      {.kind = CELL_NUMBER, .number = NAN},
      {.kind = CELL_NUMBER, .number = NAN},
      {.kind = CELL_NUMBER, .number = NAN}},
     {0, 0.5f, 1, 0, 0, 0, 1, 0, 0, 0}},
    {"categories not seen or not known",
     {{.kind = CELL_NUMBER, .number = 10},
      {.kind = CELL_NUMBER, .number = 1},
      {.kind = CELL_TEXT, .text = "x/y"},
      {.kind = CELL_TEXT, .text = "7"}},
     {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"other spellings of a number",
     {{.kind = CELL_NUMBER, .number = 10},
      {.kind = CELL_NUMBER, .number = 1},
      {.kind = CELL_TEXT, .text = "Red"},
      {.kind = CELL_TEXT, .text = "1.00"}},
     {0, 0, 0, 0, 0, 0, 0, 1, 0, 0}},
    {"a number where words are",
     {{.kind = CELL_NUMBER, .number = 10},
      {.kind = CELL_NUMBER, .number = 1},
      {.kind = CELL_NUMBER, .number = 1},
      {.kind = CELL_NUMBER, .number = 1}},
     {0, 0, 0, 0, 0, 0, 0, 1, 0, 0}},
    {"beyond float32",
     {{.kind = CELL_NUMBER, .number = 1e300},
      {.kind = CELL_NUMBER, .number = -1e300},
      {.kind = CELL_TEXT, .text = "red"},
      {.kind = CELL_NUMBER, .number = 1}},
     {FLT_MAX, -FLT_MAX, 0, 0, 1, 0, 0, 1, 0, 0}},
};

START_TEST(cells_become_the_floats_that_the_layout_says) {
  float x[10];
  memset(x, 0x7F, sizeof x); /* each must be written */
  struct error error = {0};
  ck_assert_int_eq(preprocessor_transform(&classifier, rows[_i].cells, "/rows/0", x, &error), ERROR_NONE);
  for (size_t i = 0; i < 10; i++)
    ck_assert_msg(x[i] == rows[_i].x[i], "%s: x[%zu] is %g, not %g", rows[_i].name, i, (double)x[i], (double)rows[_i].x[i]);
}
END_TEST

START_TEST(words_where_numbers_are_wanted_are_all_reported) {
  float x[10];
  struct error error = {0};
  const struct cell cells[] = {text("ten"), number(INFINITY), text("red"), text("1")};
  ck_assert_int_eq(preprocessor_transform(&classifier, cells, "/rows/3", x, &error), ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, 2);
  ck_assert_str_eq(error.items[0].pointer, "/rows/3/n");
  ck_assert_ptr_nonnull(strstr(error.items[0].detail, "\"ten\" is no number"));
  ck_assert_str_eq(error.items[1].pointer, "/rows/3/m");
}
END_TEST

START_TEST(classes_become_indices_or_one_hot) {
  struct error error = {0};
  float y[3] = {9, 9, 9};
  const struct cell nine = text("9.0"), one = number(1);
  ck_assert_int_eq(preprocessor_transform_target(&classifier, &nine, "", false, y, &error), ERROR_NONE);
  ck_assert_float_eq(y[0], 2);
  ck_assert_int_eq(preprocessor_transform_target(&classifier, &one, "", true, y, &error), ERROR_NONE);
  ck_assert_float_eq(y[0], 0);
  ck_assert_float_eq(y[1], 1);
  ck_assert_float_eq(y[2], 0);
  ck_assert_uint_eq(preprocessor_get_target_width(&classifier, false), 1);
  ck_assert_uint_eq(preprocessor_get_target_width(&classifier, true), 3);
}
END_TEST

START_TEST(one_sigmoid_output_takes_zero_or_one_either_way) {
  struct target answer = {.name = "a", .is_class = true, .class_count = 2, .classes = labels};
  const struct preprocessor single = {
      .task = TASK_CLASSIFICATION, .target_count = 1, .targets = &answer, .output_width = 1, .target_width = 1};
  const struct cell yes = text("yes");
  for (int as_values = 0; as_values < 2; as_values++) {
    float y = 9;
    struct error error = {0};
    ck_assert_int_eq(preprocessor_transform_target(&single, &yes, "", as_values != 0, &y, &error), ERROR_NONE);
    ck_assert_float_eq(y, 1);
    ck_assert_uint_eq(preprocessor_get_target_width(&single, as_values != 0), 1);
  }
}
END_TEST

START_TEST(labels_and_numbers_are_written_side_by_side) {
  struct error error = {0};
  float y[2];
  const struct cell cells[] = {text("yes"), text("no")}, cost = text("175");
  ck_assert_int_eq(preprocessor_transform_target(&labeller, cells, "", true, y, &error), ERROR_NONE);
  ck_assert_float_eq(y[0], 1);
  ck_assert_float_eq(y[1], 0);
  ck_assert_int_eq(preprocessor_transform_target(&regressor, &cost, "", true, y, &error), ERROR_NONE);
  ck_assert_float_eq(y[0], 1.5f);
  ck_assert_double_eq(target_restore(&price, 1.5), 175);
}
END_TEST

START_TEST(targets_that_are_missing_or_unknown_are_refused) {
  float y[3];
  struct error error = {0};
  const struct cell unknown = text("7"), word = text("dear");
  ck_assert_int_eq(preprocessor_transform_target(&classifier, &unknown, "/rows/0", false, y, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/rows/0/digit");
  ck_assert_ptr_nonnull(strstr(error.items[0].detail, "known: \"0\", \"1\", \"9\""));
  error_clear(&error);
  ck_assert_int_eq(preprocessor_transform_target(&classifier, &missing, "/rows/0", false, y, &error), ERROR_INVALID);
  error_clear(&error);
  ck_assert_int_eq(preprocessor_transform_target(&regressor, &word, "", false, y, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.items[0].detail, "\"dear\" is no number"));
}
END_TEST

START_TEST(names_in_pointers_are_escaped) {
  struct feature awkward = {.name = "a/b~c", .kind = COLUMN_NUMERIC, .width = 1, .scale = 1};
  const struct preprocessor preprocessor = {.feature_count = 1, .features = &awkward, .input_width = 1};
  const struct cell word = text("x");
  float x;
  struct error error = {0};
  ck_assert_int_eq(preprocessor_transform(&preprocessor, &word, "/rows/0", &x, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/rows/0/a~1b~0c");
}
END_TEST

START_TEST(a_copy_shares_nothing) {
  size_t live = allocations_live();
  bool succeeded = false;
  for (size_t successes = allocations_can_count() ? 0 : SIZE_MAX; !succeeded; successes++) {
    struct preprocessor copy;
    struct error error = {0};
    allocations_fail_after(successes);
    enum error_code code = preprocessor_copy(&copy, &classifier, &error);
    allocations_fail_after(SIZE_MAX);
    succeeded = code == ERROR_NONE;
    if (succeeded) {
      ck_assert_str_eq(copy.features[2].categories[2], "x/y");
      ck_assert_ptr_ne(copy.features[2].categories[2], colors[2]);
      ck_assert(!copy.features[2].is_seen[2]);
      ck_assert_str_eq(copy.targets[0].classes[2], "9");
      ck_assert_double_eq(copy.features[0].center, 10);
      preprocessor_deinit(&copy);
    }
    ck_assert_uint_eq(allocations_live(), live);
  }
}
END_TEST

START_TEST(lookups_find_texts_and_numbers) {
  struct lookup lookup;
  struct error error = {0};
  ck_assert_int_eq(lookup_init(&lookup, colors, 3, &error), ERROR_NONE);
  ck_assert_uint_eq(lookup_find(&lookup, "red"), 1);
  ck_assert_uint_eq(lookup_find(&lookup, "  red\t"), 1);
  ck_assert_uint_eq(lookup_find(&lookup, "re"), LOOKUP_NONE);
  ck_assert_uint_eq(lookup_find(&lookup, "redder"), LOOKUP_NONE);
  ck_assert_uint_eq(lookup_find(&lookup, "1"), LOOKUP_NONE);
  lookup_deinit(&lookup);
  ck_assert_int_eq(lookup_init(&lookup, sizes, 3, &error), ERROR_NONE);
  ck_assert_uint_eq(lookup_find(&lookup, "10"), 2);
  ck_assert_uint_eq(lookup_find(&lookup, "10.0"), 2);
  ck_assert_uint_eq(lookup_find(&lookup, "2.50"), 1);
  ck_assert_uint_eq(lookup_find(&lookup, "3"), LOOKUP_NONE);
  ck_assert_uint_eq(lookup_find_number(&lookup, 1), 0);
  lookup_deinit(&lookup);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *cells = suite_add_case(suite, "cells");
  tcase_add_loop_test(cells, cells_become_the_floats_that_the_layout_says, 0, sizeof rows / sizeof rows[0]);
  tcase_add_test(cells, words_where_numbers_are_wanted_are_all_reported);
  tcase_add_test(cells, classes_become_indices_or_one_hot);
  tcase_add_test(cells, one_sigmoid_output_takes_zero_or_one_either_way);
  tcase_add_test(cells, labels_and_numbers_are_written_side_by_side);
  tcase_add_test(cells, targets_that_are_missing_or_unknown_are_refused);
  tcase_add_test(cells, names_in_pointers_are_escaped);
  tcase_add_test(cells, a_copy_shares_nothing);
  tcase_add_test(cells, lookups_find_texts_and_numbers);
}

int main(void) { return suite_main("preprocessor", add_cases); }
