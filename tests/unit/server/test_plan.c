/* server/data/plan.h: what is decided from a dataset's row alone, and what is refused with which words. */
#include "server/data/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/settings_json.h"
#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

/* A dataset of rows made by repeating `lines` under the header. */
static void import_repeated(const char *header, const char *lines, int times, struct dataset_row *out_row) {
  size_t bytes = strlen(header) + strlen(lines) * (size_t)times + 1;
  char *text = malloc(bytes), *at = text;
  ck_assert_ptr_nonnull(text);
  at += sprintf(at, "%s", header);
  for (int i = 0; i < times; i++) at += sprintf(at, "%s", lines);
  data_import_text(data_dir, text, out_row);
  free(text);
}

static void import_example(const char *name, struct dataset_row *out_row) {
  char path[128];
  snprintf(path, sizeof path, "examples/data/%s.csv", name);
  data_import_file(data_dir, path, out_row);
}

START_TEST(digits_are_ten_classes_from_sixty_four_numbers) {
  struct dataset_row row;
  import_example("digits", &row);
  struct data_settings settings;
  data_settings_make(&settings, "digit");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 7, &plan, &error), ERROR_NONE);
  ck_assert_int_eq(settings.task, TASK_CHOICE_CLASSIFICATION);
  ck_assert_int_eq(plan.layout.task, TASK_CLASSIFICATION);
  ck_assert_uint_eq(plan.layout.feature_count, 64);
  ck_assert_uint_eq(plan.layout.input_width, 64);
  ck_assert_uint_eq(plan.layout.output_width, 10);
  ck_assert_uint_eq(plan.layout.target_width, 1);
  for (size_t i = 0; i < 10; i++) {
    char digit[2] = {(char)('0' + i), '\0'};
    ck_assert_str_eq(plan.layout.targets[0].classes[i], digit);
  }
  ck_assert_uint_eq(plan.rows, 1797);
  ck_assert_uint_eq(plan.validation_rows_max, 270);
  ck_assert_uint_eq(plan.test_rows_max, 270);
  ck_assert_uint_eq(plan.train_rows_max, 1257);
  ck_assert(plan.has_validation && plan.has_test);
  struct network_target target;
  data_plan_get_network_target(&plan, &target);
  ck_assert_uint_eq(target.input.rank, 1);
  ck_assert_uint_eq(target.input.sizes[0], 64);
  ck_assert(target.is_classification && !target.is_multilabel);
  ck_assert_uint_eq(target.output_width, 10);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(penguins_are_laid_out_column_after_column) {
  struct dataset_row row;
  import_example("penguins", &row);
  struct data_settings settings;
  data_settings_make(&settings, "species");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 7, &plan, &error), ERROR_NONE);
  static const struct {
    const char *name;
    size_t offset, width;
    bool has_indicator;
  } expected[] = {
      {"island", 0, 3, false},     {"bill_length_mm", 3, 2, true}, {"bill_depth_mm", 5, 2, true}, {"flipper_length_mm", 7, 2, true},
      {"body_mass_g", 9, 2, true}, {"sex", 11, 3, true},           {"year", 14, 1, false}};
  ck_assert_uint_eq(plan.layout.feature_count, 7);
  for (size_t i = 0; i < 7; i++) {
    ck_assert_str_eq(plan.layout.features[i].name, expected[i].name);
    ck_assert_uint_eq(plan.layout.features[i].offset, expected[i].offset);
    ck_assert_uint_eq(plan.layout.features[i].width, expected[i].width);
    ck_assert_int_eq(plan.layout.features[i].has_indicator, expected[i].has_indicator);
  }
  ck_assert_uint_eq(plan.layout.input_width, 15);
  ck_assert_uint_eq(plan.layout.targets[0].class_count, 3);
  ck_assert_str_eq(plan.layout.targets[0].classes[1], "Chinstrap");
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* ---- which task "auto" becomes ---- */

static const struct {
  const char *name, *header, *lines;
  int times;
  const char *target;
  int task; /* asked for */
  enum task decided;
  size_t output_width;
} tasks[] = {
    {"words", "a,y\n", "1,p\n2,q\n3,r\n", 10, "y", TASK_CHOICE_AUTO, TASK_CLASSIFICATION, 3},
    {"few whole numbers that recur", "a,y\n", "1,0\n2,1\n3,2\n", 5, "y", TASK_CHOICE_AUTO, TASK_CLASSIFICATION, 3},
    {"whole numbers that recur too rarely", "a,y\n", "1,0\n2,1\n3,2\n", 4, "y", TASK_CHOICE_AUTO, TASK_REGRESSION, 1},
    {"fractions", "a,y\n", "1,0.5\n2,1\n3,2\n", 10, "y", TASK_CHOICE_AUTO, TASK_REGRESSION, 1},
    {"fractions, asked for classes", "a,y\n", "1,0.5\n2,1\n3,2\n", 10, "y", TASK_CHOICE_CLASSIFICATION, TASK_CLASSIFICATION, 3},
    {"whole numbers, asked for regression", "a,y\n", "1,0\n2,1\n3,2\n", 10, "y", TASK_CHOICE_REGRESSION, TASK_REGRESSION, 1},
    {"two labels of numbers", "a,y,z\n", "1,0,1\n2,1,0\n", 10, "y,z", TASK_CHOICE_AUTO, TASK_MULTILABEL, 2},
    {"two labels of words", "a,y,z\n", "1,no,True\n2,yes,False\n", 10, "y,z", TASK_CHOICE_AUTO, TASK_MULTILABEL, 2},
    {"one label, asked for", "a,y\n", "1,no\n2,yes\n", 10, "y", TASK_CHOICE_MULTILABEL, TASK_MULTILABEL, 1},
    {"one label by itself is a class", "a,y\n", "1,no\n2,yes\n", 10, "y", TASK_CHOICE_AUTO, TASK_CLASSIFICATION, 2},
    {"several numbers", "a,y,z\n", "1,0,1\n2,1,2\n3,4,0\n", 10, "y,z", TASK_CHOICE_AUTO, TASK_REGRESSION, 2},
};

START_TEST(the_task_follows_from_the_target) {
  struct dataset_row row;
  import_repeated(tasks[_i].header, tasks[_i].lines, tasks[_i].times, &row);
  struct data_settings settings;
  data_settings_make(&settings, tasks[_i].target);
  settings.task = tasks[_i].task;
  struct data_plan plan;
  struct error error = {0};
  enum error_code code = data_plan_create(&row, NULL, &settings, 1, &plan, &error);
  ck_assert_msg(code == ERROR_NONE, "%s: %s", tasks[_i].name, error.detail);
  ck_assert_msg(plan.layout.task == tasks[_i].decided, "%s: task %d", tasks[_i].name, plan.layout.task);
  ck_assert_uint_eq(plan.layout.output_width, tasks[_i].output_width);
  struct network_target target;
  data_plan_get_network_target(&plan, &target);
  ck_assert_int_eq(target.is_classification, tasks[_i].decided == TASK_CLASSIFICATION);
  ck_assert_int_eq(target.is_multilabel, tasks[_i].decided == TASK_MULTILABEL);
  ck_assert_uint_eq(target.output_width, tasks[_i].output_width);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(labels_are_negative_then_positive) {
  struct dataset_row row;
  import_repeated("a,y,z\n", "1,no,True\n2,yes,False\n", 10, &row);
  struct data_settings settings;
  data_settings_make(&settings, "y,z");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  ck_assert_str_eq(plan.layout.targets[0].classes[0], "no");
  ck_assert_str_eq(plan.layout.targets[0].classes[1], "yes");
  ck_assert_str_eq(plan.layout.targets[1].classes[0], "False");
  ck_assert_str_eq(plan.layout.targets[1].classes[1], "True");
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(two_classes_may_be_one_output) {
  struct dataset_row row;
  import_repeated("a,y\n", "1,no\n2,yes\n", 10, &row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  data_plan_set_single_output(&plan);
  ck_assert_uint_eq(plan.layout.output_width, 1);
  ck_assert_uint_eq(plan.layout.targets[0].class_count, 2);
  ck_assert_uint_eq(preprocessor_get_target_width(&plan.layout, true), 1);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* ---- what is refused ---- */

/* One dataset with a column of every sort: 40 rows. */
static const char header[] = "id,x,word,same,one,label,empty,half,part,odd,huge,y\n";
static const char lines[] = "some words for row a,1,p,5,k,no,,1,train,a,1e300,0.5\n"
                            "some words for row b,2,q,5,k,yes,,,train,b,2e300,1.5\n"
                            "some words for row c,3,p,5,k,no,,3,valid,c,3e300,2.5\n"
                            "some words for row d,4,q,5,k,yes,,,test,a,4e300,0.25\n";

static const struct refused_plan {
  const char *name, *target, *features, *column;
  int task;
  double validation, test;
  const char *pointer, *detail; /* of the first field error; part of it */
} refused[] = {
    {"unknown target", "wrod", "", "", 0, 0.1, 0.1, "/target", "did you mean \"word\"?"},
    {"unknown target, nothing near", "zebra", "", "", 0, 0.1, 0.1, "/target", "has no column \"zebra\""},
    {"one of two unknown", "y,zebra", "", "", 0, 0.1, 0.1, "/target/1", "has no column \"zebra\""},
    {"target twice", "y,y", "", "", 0, 0.1, 0.1, "/target/1", "named twice"},
    {"target is the split column", "part", "", "part", 0, 0.1, 0.1, "/target", "split column"},
    {"single class", "one", "", "", 0, 0.1, 0.1, "/target", "one class only, \"k\""},
    {"single class of a number", "same", "", "", 0, 0.1, 0.1, "/target", "one class only, \"5\""},
    {"constant number", "same", "", "", TASK_CHOICE_REGRESSION, 0.1, 0.1, "/target", "\"same\" is 5 in every row"},
    {"regression of words", "word", "", "", TASK_CHOICE_REGRESSION, 0.1, 0.1, "/target",
     "\"word\" is categorical; the target of a regression"},
    {"target without values", "empty", "", "", 0, 0.1, 0.1, "/target", "missing in every row"},
    {"target too large", "huge", "", "", TASK_CHOICE_REGRESSION, 0.1, 0.1, "/target", "range of float32"},
    {"a step without a class", "word,empty", "", "", TASK_CHOICE_CLASSIFICATION, 0.1, 0.1, "/target/1", "missing in every row"},
    {"no label", "word", "", "", TASK_CHOICE_MULTILABEL, 0.1, 0.1, "/target", "must be 0 and 1"},
    {"several, one of words", "y,word", "", "", 0, 0.1, 0.1, "/target/1", "must be numbers"},
    {"unknown feature", "y", "x,lable", "", 0, 0.1, 0.1, "/features/1", "did you mean \"label\"?"},
    {"feature twice", "y", "x,word,x", "", 0, 0.1, 0.1, "/features/2", "named twice"},
    {"feature is the target", "y", "y", "", 0, 0.1, 0.1, "/features", "is the target"},
    {"feature is the split column", "y", "x,part", "part", 0, 0.1, 0.1, "/features/1", "is the split column"},
    {"feature without values", "y", "empty", "", 0, 0.1, 0.1, "/features", "missing in every row"},
    {"feature too large", "y", "huge", "", 0, 0.1, 0.1, "/features", "range of float32"},
    {"unknown split column", "y", "", "parts", 0, 0.1, 0.1, "/split/column", "did you mean \"part\"?"},
    {"split column with other values", "y", "", "odd", 0, 0.1, 0.1, "/split/column", "says \"a\""},
    {"split column with missing values", "y", "", "half", 0, 0.1, 0.1, "/split/column", "missing in 20 rows"},
    {"nothing to learn from", "y", "", "", 0, 0.5, 0.5, "/split", "leave some to learn from"},
    {"shares over one", "y", "", "", 0, 0.7, 0.7, "/split", "leave some to learn from"},
    {"a share of no row", "y", "", "", 0, 0.01, 0.1, "/split/validation", "0.01 of 40 rows is no row; it takes at least 50 rows"},
    {"a test share of no row", "y", "", "", 0, 0.1, 0.001, "/split/test", "0.001 of 40 rows is no row; it takes at least 500 rows"},
};
enum { REFUSED_COUNT = sizeof refused / sizeof refused[0] };

START_TEST(what_makes_no_sense_is_refused_where_it_stands) {
  const struct refused_plan *plan_case = &refused[_i];
  struct dataset_row row;
  import_repeated(header, lines, 10, &row);
  struct data_settings settings;
  data_settings_make(&settings, plan_case->target);
  data_names_set(&settings.features, plan_case->features);
  settings.task = plan_case->task;
  settings.split.validation = plan_case->validation;
  settings.split.test = plan_case->test;
  snprintf(settings.split.column, sizeof settings.split.column, "%s", plan_case->column);
  size_t live = allocations_live();
  struct data_plan plan;
  struct error error = {0};
  enum error_code code = data_plan_create(&row, NULL, &settings, 1, &plan, &error);
  ck_assert_msg(code == ERROR_INVALID, "%s: code %d", plan_case->name, code);
  ck_assert_int_eq(error.code, ERROR_INVALID);
  ck_assert_msg(strcmp(error.items[0].pointer, plan_case->pointer) == 0, "%s: %s: %s", plan_case->name, error.items[0].pointer,
                error.items[0].detail);
  ck_assert_msg(strstr(error.items[0].detail, plan_case->detail) != NULL, "%s: \"%s\"", plan_case->name, error.items[0].detail);
  ck_assert_uint_eq(allocations_live(), live);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(several_categories_are_classes_of_steps_all_of_one_list) {
  struct dataset_row row;
  import_repeated("x,first,second,third\n", "1,a,c,\n2,b,,\n3,a,b,d\n4,,,\n", 5, &row);
  struct data_settings settings;
  data_settings_make(&settings, "first");
  data_names_set(&settings.target, "first,second,third");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 7, &plan, &error), ERROR_NONE);
  ck_assert_int_eq(settings.task, TASK_CHOICE_CLASSIFICATION);
  ck_assert_uint_eq(plan.layout.target_width, 3);
  ck_assert_uint_eq(plan.layout.output_width, 12);
  for (size_t i = 0; i < 3; i++) {
    ck_assert_uint_eq(plan.layout.targets[i].class_count, 4);
    for (size_t c = 0; c < 4; c++) ck_assert_int_eq(plan.layout.targets[i].classes[c][0], 'a' + (int)c);
  }
  struct network_target target;
  data_plan_get_network_target(&plan, &target);
  ck_assert_uint_eq(target.steps, 3);
  ck_assert_uint_eq(target.output_width, 4);
  ck_assert_uint_eq(plan.rows, 20); /* at most: whether a row has no class at all shows when it is read */
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(free_text_is_a_feature_but_no_target) {
  struct dataset_row row;
  import_example("udhr_sentences", &row);
  struct data_settings settings;
  data_settings_make(&settings, "language");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  ck_assert_uint_eq(plan.layout.feature_count, 1);
  ck_assert_int_eq(plan.layout.features[0].kind, COLUMN_TEXT);
  ck_assert_uint_eq(plan.layout.input_width, (size_t)settings.text.vocabulary);
  struct network_target target;
  data_plan_get_network_target(&plan, &target);
  ck_assert_uint_eq(target.token_count, 0);
  data_plan_deinit(&plan);
  data_names_set(&settings.target, "text");
  data_names_set(&settings.features, "language");
  settings.task = TASK_CHOICE_AUTO;
  error_clear(&error);
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/target");
  ck_assert_ptr_nonnull(strstr(error.items[0].detail, "\"text\" is free text"));
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* text, a number and a second text. */
static void import_texts(struct dataset_row *out_row) {
  import_repeated("a,n,b,y\n", "words of row one,1,more words of row one,0.5\nthe words of row two,2,other words of row two,1.5\n", 10,
                  out_row);
  out_row->columns[0].kind = out_row->columns[2].kind = COLUMN_TEXT;
}

START_TEST(a_sequence_of_tokens_is_the_only_feature) {
  struct dataset_row row;
  import_texts(&row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  settings.text.encoding = TEXT_ENCODING_TOKENS;
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/features");
  ck_assert_ptr_nonnull(strstr(error.items[0].detail, "3 columns, 2 of them text"));
  data_names_set(&settings.features, "b");
  error_clear(&error);
  settings.task = TASK_CHOICE_AUTO;
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  ck_assert_uint_eq(plan.layout.input_width, (size_t)settings.text.max_length);
  struct network_target target;
  data_plan_get_network_target(&plan, &target);
  ck_assert_uint_eq(target.token_count, (size_t)settings.text.vocabulary + 2);
  data_plan_deinit(&plan);
  row.columns[2].kind = COLUMN_NUMERIC; /* then one text is left, and is taken by itself */
  row.columns[2].can_be_numeric = false;
  data_names_set(&settings.features, "a");
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  ck_assert_uint_eq(plan.layout.feature_count, 1);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_column_that_was_not_named_is_explained) {
  struct dataset_row row;
  import_repeated("1,2\n", "3,4\n5,7\n", 10, &row);
  struct data_settings settings;
  data_settings_make(&settings, "price");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.items[0].detail, "upload the file with ?header=true"));
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(default_features_are_the_usable_columns) {
  struct dataset_row row;
  import_repeated("id,x,word,empty,part,huge,y\n", "some words for row a,1,p,,train,1e300,0.5\nsome words for row b,2,q,,test,2e300,1.5\n",
                  10, &row);
  row.columns[0].kind = COLUMN_TEXT;
  struct data_settings settings;
  data_settings_make(&settings, "y");
  snprintf(settings.split.column, sizeof settings.split.column, "part");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  ck_assert_uint_eq(plan.layout.feature_count, 3);
  ck_assert_str_eq(plan.layout.features[0].name, "id");
  ck_assert_str_eq(plan.layout.features[1].name, "x");
  ck_assert_str_eq(plan.layout.features[2].name, "word");
  ck_assert_uint_eq(plan.train_rows_max, 10);
  ck_assert_uint_eq(plan.test_rows_max, 10);
  ck_assert(!plan.has_validation && plan.has_test);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(one_row_is_refused_with_the_rows_that_it_takes) {
  struct dataset_row row;
  data_import_text(data_dir, "a,y\n1,2\n", &row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_INVALID);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(rows_without_a_target_are_not_counted) {
  struct dataset_row row;
  import_repeated("a,y\n", "1,p\n2,q\n3,\n4,NA\n", 25, &row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  ck_assert_uint_eq(plan.rows, 50);
  ck_assert_uint_eq(plan.validation_rows_max, 8);
  ck_assert_uint_eq(plan.test_rows_max, 8);
  ck_assert_uint_eq(plan.train_rows_max, 34);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* ---- a second dataset to test on ---- */

static const struct {
  const char *name, *test_text, *column;
  const char *detail; /* NULL: accepted */
} test_datasets[] = {
    {"same columns", "x,w,y\n1,p,b\n2,z,a\n", "", NULL},
    {"other order and more columns", "more,y,w,x\n0,b,p,1\n0,a,q,1\n", "", NULL},
    {"a column is missing", "x,y\n1,b\n2,a\n", "", "has no column \"w\""},
    {"words for numbers", "x,w,y\nu,p,b\nv,p,a\n", "", "column \"x\" of dataset \"test\" holds words"},
    {"an unknown class", "x,w,y\n1,p,b\n2,p,zz\n", "", "\"zz\" in column \"y\""},
    {"no target", "x,w,y\n1,p,\n2,p,NA\n", "", "missing in every row"},
    {"two test parts", "x,w,y,part\n1,p,b,test\n2,p,a,test\n", "part", "give one of them"},
};

START_TEST(a_test_dataset_must_have_what_the_model_takes) {
  struct dataset_row row, test_row;
  import_repeated("x,w,y,part\n", "1,p,a,train\n2,q,b,test\n3,p,a,train\n", 10, &row);
  data_import_text(data_dir, test_datasets[_i].test_text, &test_row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  data_names_set(&settings.features, "x,w");
  snprintf(settings.test_dataset, sizeof settings.test_dataset, "other");
  snprintf(settings.split.column, sizeof settings.split.column, "%s", test_datasets[_i].column);
  struct data_plan plan;
  struct error error = {0};
  enum error_code code = data_plan_create(&row, &test_row, &settings, 1, &plan, &error);
  if (test_datasets[_i].detail == NULL) {
    ck_assert_msg(code == ERROR_NONE, "%s: %s", test_datasets[_i].name, error.detail);
    ck_assert_uint_eq(plan.validation_rows_max, 5);
    ck_assert_uint_eq(plan.train_rows_max, 25);
    ck_assert_uint_eq(plan.test_rows_max, 2);
    data_plan_deinit(&plan);
  } else {
    ck_assert_msg(code == ERROR_INVALID && strstr(error.items[0].detail, test_datasets[_i].detail) != NULL, "%s: %s",
                  test_datasets[_i].name, error.items[0].detail);
  }
  data_settings_free(&settings);
  dataset_row_deinit(&row);
  dataset_row_deinit(&test_row);
}
END_TEST

START_TEST(planning_without_memory_says_so) {
  if (!allocations_can_count()) return;
  struct dataset_row row;
  import_example("penguins", &row);
  struct data_settings settings;
  data_settings_make(&settings, "species");
  bool succeeded = false;
  size_t live = allocations_live();
  for (size_t successes = 0; !succeeded && successes < 10000; successes++) {
    struct data_plan plan;
    struct error error = {0};
    allocations_fail_after(successes);
    enum error_code code = data_plan_create(&row, NULL, &settings, 1, &plan, &error);
    allocations_fail_after(SIZE_MAX);
    succeeded = code == ERROR_NONE;
    if (succeeded)
      data_plan_deinit(&plan);
    else
      ck_assert_int_eq(code, ERROR_OUT_OF_MEMORY);
    ck_assert_uint_eq(allocations_live(), live);
  }
  ck_assert(succeeded);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused) {
  struct dataset_row row;
  import_example("iris", &row);
  struct data_settings settings;
  data_settings_make(&settings, "species");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  size_t bytes;
  ck_assert_int_eq(data_plan_measure(&plan, false, &bytes, &error), ERROR_NONE);
  plan.layout.input_width = SIZE_MAX / 8;
  ck_assert_int_eq(data_plan_measure(&plan, false, &bytes, &error), ERROR_OVER_BUDGET);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* ---- settings that change nothing ---- */

static const struct {
  const char *header, *lines, *target, *json, *pointer; /* pointer NULL: accepted */
} idle_settings[] = {
    {"a,y\n", "1,p\n2,q\n", "y", "{}", NULL},
    {"a,y\n", "1,p\n2,q\n", "y", "{\"text\":{\"vocabulary\":100}}", "/text/vocabulary"},
    {"a,y\n", "1,p\n2,q\n", "y", "{\"text\":{\"tokens\":\"characters\"}}", "/text/tokens"},
    {"a,y\n", "1,p\n2,q\n", "y", "{\"text\":{\"encoding\":\"tokens\"}}", "/text/encoding"},
    {"a,y\n", "1,p\n2,q\n", "y", "{\"text\":{\"encoding\":\"tf_idf\",\"vocabulary\":2000}}", NULL}, /* as it is resolved */
    {"a,y\n", "1,p\n2,q\n", "y", "{\"sequence\":{\"form\":\"steps\"}}", "/sequence/form"},
    {"a,y\n", "1,p\n2,q\n", "y", "{\"sequence\":{\"max_length\":8}}", "/sequence/max_length"},
    {"a,y\n", "\"[1, 2, 3]\",p\n\"[4, 5]\",q\n", "y", "{\"sequence\":{\"max_length\":8}}", NULL},
    {"a,y\n", "u,p\nv,q\n", "y", "{\"scaling\":\"min_max\"}", "/scaling"},
    {"a,y\n", "1,p\n2,q\n", "y", "{\"scaling\":\"min_max\"}", NULL},
    {"a,y\n", "1,p\n2,q\n", "y", "{\"scaling\":\"min_max\",\"number\":{\"encoding\":\"piecewise_linear\"}}", "/scaling"},
    {"a,y\n", "1,p\n2,q\n", "y", "{\"number\":{\"encoding\":\"piecewise_linear\",\"bins\":8}}", NULL},
    {"a,y\n", "u,p\nv,q\n", "y", "{\"number\":{\"encoding\":\"piecewise_linear\"}}", "/number/encoding"},
    {"a,y\n", "1,p\n2,q\n", "y", "{\"number\":{\"bins\":8}}", "/number/bins"},
    {"a,y,part\n", "1,p,train\n2,q,train\n3,q,test\n", "y", "{\"split\":{\"column\":\"part\",\"validation\":0.3}}", "/split/validation"},
    {"a,y,part\n", "1,p,train\n2,q,train\n3,q,test\n", "y", "{\"split\":{\"column\":\"part\",\"test\":0.3}}", "/split/test"},
    {"a,y,part\n", "1,p,train\n2,q,train\n3,q,test\n", "y", "{\"split\":{\"column\":\"part\",\"validation\":0,\"test\":0}}", NULL},
};

START_TEST(settings_that_change_nothing_are_refused) {
  struct dataset_row row;
  import_repeated(idle_settings[_i].header, idle_settings[_i].lines, 20, &row);
  struct data_settings settings;
  struct data_plan plan;
  struct error error = {0};
  data_settings_make(&settings, idle_settings[_i].target);
  json_t *json = json_loads(idle_settings[_i].json, 0, NULL);
  ck_assert_int_eq(settings_from_json(json, data_params + 1, data_param_count - 1, "", &settings, &error), ERROR_NONE);
  json_decref(json);
  if (settings.text.encoding == TEXT_ENCODING_AUTO) settings.text.encoding = TEXT_ENCODING_TF_IDF;
  if (settings.sequence.form == SEQUENCE_AUTO) settings.sequence.form = SEQUENCE_FLAT;
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 7, &plan, &error), ERROR_NONE);
  struct network_spec network = {0};
  const struct plan_datasets datasets = {&row, NULL};
  const enum error_code code = data_plan_check_effects(&plan, &datasets, &network, &error);
  ck_assert_msg(code == (idle_settings[_i].pointer == NULL ? ERROR_NONE : ERROR_INVALID), "%s", error.detail);
  if (code != ERROR_NONE) ck_assert_str_eq(error.items[0].pointer, idle_settings[_i].pointer);
  ck_assert_uint_eq(error.item_count, idle_settings[_i].pointer == NULL ? 0 : 1);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *plan = suite_add_case(suite, "plan");
  tcase_add_checked_fixture(plan, set_up, tear_down);
  tcase_add_test(plan, digits_are_ten_classes_from_sixty_four_numbers);
  tcase_add_test(plan, penguins_are_laid_out_column_after_column);
  tcase_add_loop_test(plan, the_task_follows_from_the_target, 0, sizeof tasks / sizeof tasks[0]);
  tcase_add_test(plan, labels_are_negative_then_positive);
  tcase_add_test(plan, two_classes_may_be_one_output);
  tcase_add_loop_test(plan, what_makes_no_sense_is_refused_where_it_stands, 0, REFUSED_COUNT);
  tcase_add_test(plan, several_categories_are_classes_of_steps_all_of_one_list);
  tcase_add_test(plan, free_text_is_a_feature_but_no_target);
  tcase_add_test(plan, a_sequence_of_tokens_is_the_only_feature);
  tcase_add_test(plan, a_column_that_was_not_named_is_explained);
  tcase_add_test(plan, default_features_are_the_usable_columns);
  tcase_add_test(plan, one_row_is_refused_with_the_rows_that_it_takes);
  tcase_add_test(plan, rows_without_a_target_are_not_counted);
  tcase_add_loop_test(plan, a_test_dataset_must_have_what_the_model_takes, 0, sizeof test_datasets / sizeof test_datasets[0]);
  tcase_add_loop_test(plan, settings_that_change_nothing_are_refused, 0, sizeof idle_settings / sizeof idle_settings[0]);
  tcase_add_test(plan, planning_without_memory_says_so);
  tcase_add_test(plan, sizes_that_overflow_are_refused);
}

int main(void) { return suite_main("plan", add_cases); }
