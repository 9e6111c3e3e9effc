/* server/data/prepared.h: from a file to matrices, fitted on the training part only. */
#include "server/data/prepared.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

/* Plan and preparation in one; the test fails if either does. */
static void prepare(const struct dataset_row *row, const struct dataset_row *test_row, struct data_settings *settings, uint64_t seed,
                    bool as_values, struct prepared *out_prepared) {
  struct data_plan plan;
  struct error error = {0};
  ck_assert_msg(data_plan_create(row, test_row, settings, seed, &plan, &error) == ERROR_NONE, "plan: %s", error.detail);
  ck_assert_msg(prepared_create(data_dir, row, test_row, &plan, as_values, NULL, NULL, out_prepared, &error) == ERROR_NONE, "prepare: %s",
                error.detail);
  ck_assert_uint_le(out_prepared->data.train.count, plan.train_rows_max);
  ck_assert_uint_le(out_prepared->data.validation.count, plan.validation_rows_max);
  ck_assert_uint_le(out_prepared->test.count, plan.test_rows_max);
  data_plan_deinit(&plan);
}

static const struct train_rows *get_part(const struct prepared *prepared, int part) {
  return part == PART_TRAIN ? &prepared->data.train : part == PART_VALIDATION ? &prepared->data.validation : &prepared->test;
}

/* Mean and deviation of one column of x. */
static void measure_column(const struct train_rows *rows, size_t width, size_t column, double *out_mean, double *out_std) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < rows->count; i++) sum += (double)rows->x[i * width + column];
  *out_mean = sum / (double)rows->count;
  for (size_t i = 0; i < rows->count; i++) squares += pow((double)rows->x[i * width + column] - *out_mean, 2);
  *out_std = sqrt(squares / (double)rows->count);
}

START_TEST(digits_are_standardized_and_stratified) {
  struct dataset_row row;
  data_import_file(data_dir, "examples/data/digits.csv", &row);
  struct data_settings settings;
  data_settings_make(&settings, "digit");
  struct prepared prepared;
  prepare(&row, NULL, &settings, 7, false, &prepared);
  ck_assert_uint_eq(prepared.data.train.count, 1257);
  ck_assert_uint_eq(prepared.data.validation.count, 270);
  ck_assert_uint_eq(prepared.test.count, 270);
  ck_assert_uint_eq(prepared.left_out, 0);
  ck_assert_uint_eq(prepared.data.class_count, 10);
  for (size_t column = 0; column < 64; column++) {
    double mean, std;
    measure_column(&prepared.data.train, 64, column, &mean, &std);
    ck_assert_double_eq_tol(mean, 0, 1e-6);
    bool is_constant = prepared.preprocessor.features[column].scale == 1 && std == 0;
    ck_assert(is_constant || fabs(std - 1) < 1e-6);
  }
  for (int part = 0; part < PART_COUNT; part++) {
    const struct train_rows *rows = get_part(&prepared, part);
    size_t counts[10] = {0};
    for (size_t i = 0; i < rows->count; i++) counts[(int)rows->y[i]]++;
    for (size_t i = 0; i < 10; i++) {
      double ideal = (double)row.columns[64].categories[i].count * (double)rows->count / 1797;
      ck_assert_double_le(fabs((double)counts[i] - ideal), 2);
    }
  }
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* An independent reading of the file: plain strtok and strtod, no quotes in it. */
START_TEST(iris_rows_are_in_the_files_order_and_restore_to_its_numbers) {
  struct dataset_row row;
  data_import_file(data_dir, "examples/data/iris.csv", &row);
  struct data_settings settings;
  data_settings_make(&settings, "species");
  struct prepared prepared;
  prepare(&row, NULL, &settings, 3, true, &prepared);
  size_t count, at[PART_COUNT] = {0};
  char *bytes = data_read_file("examples/data/iris.csv", &count), *line, *next = bytes;
  line = strsep(&next, "\n");
  while ((line = strsep(&next, "\n")) != NULL && *line != '\0') {
    double numbers[4];
    for (size_t i = 0; i < 4; i++) numbers[i] = strtod(strsep(&line, ","), NULL);
    size_t class_index = strcmp(line, "setosa") == 0 ? 0 : strcmp(line, "versicolor") == 0 ? 1 : 2;
    int found = -1;
    for (int part = 0; part < PART_COUNT && found < 0; part++) { /* the row is the next of one of the parts */
      const struct train_rows *rows = get_part(&prepared, part);
      bool is_it = at[part] < rows->count && rows->y[3 * at[part] + class_index] == 1;
      for (size_t i = 0; i < 4 && is_it; i++) {
        const struct feature *feature = &prepared.preprocessor.features[i];
        double value = (double)rows->x[4 * at[part] + i] * feature->scale + feature->center;
        is_it = fabs(value - numbers[i]) < 1e-6;
      }
      if (is_it) found = part;
    }
    ck_assert_int_ge(found, 0);
    at[found]++;
  }
  for (int part = 0; part < PART_COUNT; part++) ck_assert_uint_eq(at[part], get_part(&prepared, part)->count);
  ck_assert_uint_eq(at[PART_VALIDATION], 23);
  free(bytes);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(penguins_with_missing_values_are_imputed_with_an_indicator) {
  struct dataset_row row;
  data_import_file(data_dir, "examples/data/penguins.csv", &row);
  struct data_settings settings;
  data_settings_make(&settings, "species");
  struct prepared prepared;
  prepare(&row, NULL, &settings, 5, false, &prepared);
  const size_t width = prepared.preprocessor.input_width;
  ck_assert_uint_eq(width, 15);
  size_t missing_bills = 0, missing_sexes = 0;
  for (int part = 0; part < PART_COUNT; part++) {
    const struct train_rows *rows = get_part(&prepared, part);
    for (size_t i = 0; i < rows->count; i++) {
      const float *x = rows->x + i * width;
      ck_assert_float_eq(x[0] + x[1] + x[2], 1);    /* island */
      ck_assert_float_eq(x[11] + x[12] + x[13], 1); /* female, male, missing */
      ck_assert(x[4] == 0 || x[4] == 1);
      if (x[4] == 1) ck_assert_float_eq_tol(x[3], 0, 1e-6f); /* the mean, standardized */
      missing_bills += x[4] == 1;
      missing_sexes += x[13] == 1;
      for (size_t k = 0; k < width; k++) ck_assert(isfinite(x[k]));
    }
  }
  ck_assert_uint_eq(missing_bills, 2);
  ck_assert_uint_eq(missing_sexes, 11);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* A text of `count` rows: x, word, part, y; `disturbed` changes all values of x and word outside training. */
static char *write_rows(int count, bool disturbed) {
  char *text = malloc((size_t)count * 64 + 64), *at = text;
  ck_assert_ptr_nonnull(text);
  at += sprintf(at, "x,word,part,y\n");
  for (int i = 0; i < count; i++) {
    static const char *const parts[] = {"train", "train", "validation", "test"}, *const words[] = {"red", "green", "blue"};
    bool is_changed = disturbed && i % 4 >= 2;
    at += sprintf(at, "%g,%s,%s,%g\n", is_changed ? -1e6 * i : 0.25 * ((i * 37) % 101), is_changed ? "blue" : words[i * 7 % 3],
                  parts[i % 4], is_changed ? 99.5 * i : 2.0 * i);
  }
  return text;
}

START_TEST(values_outside_the_training_part_change_neither_the_fit_nor_the_training_rows) {
  struct prepared each[2];
  for (int disturbed = 0; disturbed < 2; disturbed++) {
    struct dataset_row row;
    char *text = write_rows(200, disturbed != 0);
    data_import_text(data_dir, text, &row);
    free(text);
    struct data_settings settings;
    data_settings_make(&settings, "y");
    snprintf(settings.split.column, sizeof settings.split.column, "part");
    prepare(&row, NULL, &settings, 1, false, &each[disturbed]);
    data_settings_free(&settings);
    dataset_row_deinit(&row);
  }
  const struct preprocessor *one = &each[0].preprocessor, *other = &each[1].preprocessor;
  ck_assert_uint_eq(one->feature_count, 2);
  for (size_t i = 0; i < one->feature_count; i++) {
    ck_assert_double_eq(one->features[i].center, other->features[i].center);
    ck_assert_double_eq(one->features[i].scale, other->features[i].scale);
    ck_assert_double_eq(one->features[i].fill, other->features[i].fill);
    for (size_t k = 0; k < one->features[i].category_count; k++)
      ck_assert_int_eq(one->features[i].is_seen[k], other->features[i].is_seen[k]);
  }
  ck_assert_double_eq(one->targets[0].center, other->targets[0].center);
  ck_assert_double_eq(one->targets[0].scale, other->targets[0].scale);
  ck_assert_uint_eq(each[0].data.train.count, 100);
  ck_assert_mem_eq(each[0].data.train.x, each[1].data.train.x, 100 * one->input_width * sizeof(float));
  ck_assert_mem_eq(each[0].data.train.y, each[1].data.train.y, 100 * sizeof(float));
  ck_assert_mem_ne(each[0].test.x, each[1].test.x, each[0].test.count * one->input_width * sizeof(float));
  prepared_deinit(&each[0]);
  prepared_deinit(&each[1]);
}
END_TEST

START_TEST(a_column_may_say_which_part_a_row_belongs_to) {
  struct dataset_row row;
  data_import_text(data_dir, "x,y,part\n1,10,train\n2,20,Test\n3,30,TRAINING\n4,40,val\n5,50,valid\n6,60,test\n7,,train\n", &row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  settings.task = TASK_CHOICE_REGRESSION;
  settings.scaling = SCALING_NONE;
  snprintf(settings.split.column, sizeof settings.split.column, "part");
  struct prepared prepared;
  prepare(&row, NULL, &settings, 1, false, &prepared);
  static const float expected[PART_COUNT][2] = {{1, 3}, {4, 5}, {2, 6}};
  for (int part = 0; part < PART_COUNT; part++) {
    const struct train_rows *rows = get_part(&prepared, part);
    ck_assert_uint_eq(rows->count, 2);
    const struct target *target = &prepared.preprocessor.targets[0];
    for (size_t i = 0; i < 2; i++) {
      ck_assert_float_eq(rows->x[i], expected[part][i]);
      ck_assert_double_eq_tol(target_restore(target, (double)rows->y[i]), 10 * (double)expected[part][i], 1e-5);
    }
  }
  ck_assert_uint_eq(prepared.left_out, 1);
  ck_assert_double_eq(prepared.preprocessor.targets[0].center, 20);
  ck_assert_double_eq(prepared.preprocessor.targets[0].scale, 10);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(numbers_are_scaled_as_asked) {
  static const struct {
    int scaling;
    double center, scale;
  } each[] = {{SCALING_STANDARD, 2.5, 1.118033988749895}, {SCALING_MIN_MAX, 1, 3}, {SCALING_NONE, 0, 1}};
  struct dataset_row row;
  data_import_text(data_dir, "x,same,y\n1,7,0.5\n2,7,1.5\n3,7,2.5\n4,7,3.5\n,7,4.5\n", &row);
  for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
    struct data_settings settings;
    data_settings_make(&settings, "y");
    settings.scaling = each[i].scaling;
    settings.split.validation = settings.split.test = 0;
    struct prepared prepared;
    prepare(&row, NULL, &settings, 1, false, &prepared);
    const struct feature *x = &prepared.preprocessor.features[0], *same = &prepared.preprocessor.features[1];
    ck_assert_double_eq_tol(x->center, each[i].center, 1e-15);
    ck_assert_double_eq_tol(x->scale, each[i].scale, 1e-15);
    ck_assert_double_eq(x->fill, 2.5);
    ck_assert_double_eq(same->scale, 1);
    ck_assert_uint_eq(prepared.data.train.count, 5);
    ck_assert_uint_eq(prepared.data.validation.count + prepared.test.count, 0);
    for (size_t k = 0; k < 5; k++) {
      double value = k < 4 ? (double)k + 1 : 2.5;
      ck_assert_float_eq(prepared.data.train.x[3 * k], (float)((value - each[i].center) / each[i].scale));
      ck_assert_float_eq(prepared.data.train.x[3 * k + 1], k < 4 ? 0 : 1);
    }
    prepared_deinit(&prepared);
    data_settings_free(&settings);
  }
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_category_that_training_did_not_have_is_all_zeros) {
  struct dataset_row row;
  data_import_text(data_dir, "w,y,part\na,1,train\nb,2,train\nc,3,test\na,4,test\n", &row);
  row.columns[0].kind = COLUMN_CATEGORICAL; /* as by PATCH */
  struct data_settings settings;
  data_settings_make(&settings, "y");
  settings.task = TASK_CHOICE_REGRESSION;
  snprintf(settings.split.column, sizeof settings.split.column, "part");
  struct prepared prepared;
  prepare(&row, NULL, &settings, 1, false, &prepared);
  ck_assert_uint_eq(prepared.preprocessor.input_width, 3);
  const struct feature *w = &prepared.preprocessor.features[0];
  ck_assert(w->is_seen[0] && w->is_seen[1] && !w->is_seen[2]);
  static const float expected[] = {0, 0, 0, 1, 0, 0};
  ck_assert_mem_eq(prepared.test.x, expected, sizeof expected);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_second_dataset_is_the_test_part_whatever_the_order_of_its_columns) {
  struct dataset_row row, test_row;
  data_import_file(data_dir, "examples/data/iris.csv", &row);
  data_import_text(data_dir,
                   "species;more;petal_width;petal_length;sepal_width;sepal_length\nvirginica;1;1.8;5.1;3;5.9\n;2;1;1;1;1\n"
                   "setosa;3;0.2;1.4;3.5;5.1\n",
                   &test_row);
  struct data_settings settings;
  data_settings_make(&settings, "species");
  snprintf(settings.test_dataset, sizeof settings.test_dataset, "other");
  struct prepared prepared;
  prepare(&row, &test_row, &settings, 1, false, &prepared);
  ck_assert_uint_eq(prepared.data.validation.count, 23);
  ck_assert_uint_eq(prepared.data.train.count, 127);
  ck_assert_uint_eq(prepared.test.count, 2);
  ck_assert_uint_eq(prepared.left_out, 1);
  ck_assert_float_eq(prepared.test.y[0], 2);
  ck_assert_float_eq(prepared.test.y[1], 0);
  static const double numbers[] = {5.9, 3, 5.1, 1.8};
  for (size_t i = 0; i < 4; i++) {
    const struct feature *feature = &prepared.preprocessor.features[i];
    ck_assert_float_eq(prepared.test.x[i], (float)((numbers[i] - feature->center) / feature->scale));
  }
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
  dataset_row_deinit(&test_row);
}
END_TEST

START_TEST(rows_missing_any_of_several_targets_are_left_out) {
  struct dataset_row row;
  char text[4096] = "x,y,z\n";
  for (int i = 0; i < 60; i++)
    sprintf(text + strlen(text), i % 10 == 0 ? "%d,,2\n" : i % 10 == 5 ? "%d,1.5,\n" : "%d,%d.5,%d.25\n", i, i, 2 * i);
  data_import_text(data_dir, text, &row);
  struct data_settings settings;
  data_settings_make(&settings, "y,z");
  struct prepared prepared;
  prepare(&row, NULL, &settings, 1, false, &prepared);
  ck_assert_uint_eq(prepared.left_out, 12);
  ck_assert_uint_eq(prepared.data.validation.count, 7); /* round(0.15 · 48) */
  ck_assert_uint_eq(prepared.test.count, 7);
  ck_assert_uint_eq(prepared.data.train.count, 34);
  for (size_t i = 0; i < 34; i++) {
    double y = target_restore(&prepared.preprocessor.targets[0], (double)prepared.data.train.y[2 * i]);
    double z = target_restore(&prepared.preprocessor.targets[1], (double)prepared.data.train.y[2 * i + 1]);
    ck_assert_double_eq_tol(z, 2 * (y - 0.5) + 0.25, 1e-4);
  }
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_bytes) {
  struct dataset_row row;
  data_import_file(data_dir, "examples/data/penguins.csv", &row);
  struct data_settings settings;
  data_settings_make(&settings, "species");
  struct prepared one, again, other;
  prepare(&row, NULL, &settings, 11, false, &one);
  prepare(&row, NULL, &settings, 11, false, &again);
  prepare(&row, NULL, &settings, 12, false, &other);
  size_t bytes = one.data.train.count * one.preprocessor.input_width * sizeof(float);
  ck_assert_mem_eq(one.data.train.x, again.data.train.x, bytes);
  ck_assert_mem_ne(one.data.train.x, other.data.train.x, bytes);
  prepared_deinit(&one);
  prepared_deinit(&again);
  prepared_deinit(&other);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* ---- a fitted preprocessor, again ---- */

struct gathered {
  size_t count, x_width, y_width, portions;
  float x[400 * 15], y[400];
};

static enum error_code gather(void *context, const float *x, const float *y, size_t count, struct error *error) {
  (void)error;
  struct gathered *gathered = context;
  ck_assert_uint_le(count, 50);
  memcpy(gathered->x + gathered->count * gathered->x_width, x, count * gathered->x_width * sizeof *x);
  memcpy(gathered->y + gathered->count, y, count * sizeof *y);
  gathered->count += count;
  gathered->portions++;
  return ERROR_NONE;
}

struct transformed {
  const struct prepared *prepared;
  const struct gathered *gathered;
};

static enum error_code compare_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  const struct transformed *transformed = context;
  const struct preprocessor *preprocessor = &transformed->prepared->preprocessor;
  struct cell row[16];
  for (size_t i = 0; i < preprocessor->feature_count; i++)
    row[i] = (struct cell){.kind = CELL_TEXT, .text = cells[preprocessor->features[i].column]};
  float x[15], y;
  ck_assert_int_eq(preprocessor_transform(preprocessor, row, "", x, error), ERROR_NONE);
  ck_assert_mem_eq(x, transformed->gathered->x + index * 15, sizeof x);
  row[0] = (struct cell){.kind = CELL_TEXT, .text = cells[preprocessor->targets[0].column]};
  ck_assert_int_eq(preprocessor_transform_target(preprocessor, row, "", false, &y, error), ERROR_NONE);
  ck_assert_float_eq(y, transformed->gathered->y[index]);
  return ERROR_NONE;
}

START_TEST(a_whole_dataset_and_single_rows_are_transformed_alike) {
  struct dataset_row row;
  data_import_file(data_dir, "examples/data/penguins.csv", &row);
  struct data_settings settings;
  data_settings_make(&settings, "species");
  struct prepared prepared;
  prepare(&row, NULL, &settings, 11, false, &prepared);
  static struct gathered gathered;
  gathered = (struct gathered){.x_width = 15, .y_width = 1};
  struct error error = {0};
  ck_assert_int_eq(preprocessor_read_dataset(&prepared.preprocessor, data_dir, &row, false, 50, gather, &gathered, &error), ERROR_NONE);
  ck_assert_uint_eq(gathered.count, 344);
  ck_assert_uint_eq(gathered.portions, 7);
  struct transformed transformed = {&prepared, &gathered};
  ck_assert_int_eq(dataset_read_rows(data_dir, &row, 0, 344, compare_row, &transformed, &error), ERROR_NONE);
  /* Each training row is among them, bit for bit, in order. */
  size_t at = 0;
  for (size_t i = 0; i < prepared.data.train.count; i++) {
    while (at < 344 && memcmp(prepared.data.train.x + i * 15, gathered.x + at * 15, 15 * sizeof(float)) != 0) at++;
    ck_assert_uint_lt(at, 344);
    ck_assert_float_eq(prepared.data.train.y[i], gathered.y[at]);
    at++;
  }
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_dataset_that_does_not_fit_the_preprocessor_is_refused) {
  struct dataset_row row, other;
  data_import_file(data_dir, "examples/data/iris.csv", &row);
  struct data_settings settings;
  data_settings_make(&settings, "species");
  struct prepared prepared;
  prepare(&row, NULL, &settings, 1, false, &prepared);
  static const struct {
    const char *text, *detail;
  } each[] = {
      {"sepal_length,sepal_width,petal_length,species\n1,2,3,setosa\n", "no column \"petal_width\""},
      {"sepal_length,sepal_width,petal_length,petal_width,species\n1,2,3,wide,setosa\n1,2,3,4,setosa\n", "column \"petal_width\""},
      {"sepal_length,sepal_width,petal_length,petal_width,species\n1,2,3,4,setosa\n1,2,3,4,rosa\n", "row 2 of dataset \"test\": \"rosa\""},
  };
  for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
    data_import_text(data_dir, each[i].text, &other);
    struct error error = {0};
    struct gathered *none = NULL;
    ck_assert_int_eq(preprocessor_read_dataset(&prepared.preprocessor, data_dir, &other, false, 50, gather, none, &error), ERROR_INVALID);
    ck_assert_msg(strstr(error.detail, each[i].detail) != NULL, "%s", error.detail);
    dataset_row_deinit(&other);
  }
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* ---- limits ---- */

static bool say_stop(void *context) {
  int *asked = context;
  return ++*asked > 1;
}

START_TEST(preparing_can_be_cancelled) {
  struct dataset_row row;
  data_import_file(data_dir, "examples/data/digits.csv", &row);
  struct data_settings settings;
  data_settings_make(&settings, "digit");
  struct data_plan plan;
  struct prepared prepared;
  struct error error = {0};
  int asked = 0;
  size_t live = allocations_live();
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  ck_assert_int_eq(prepared_create(data_dir, &row, NULL, &plan, false, say_stop, &asked, &prepared, &error), ERROR_CONFLICT);
  data_plan_deinit(&plan);
  ck_assert_uint_eq(allocations_live(), live);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(preparing_without_memory_says_so_and_leaks_nothing) {
  if (!allocations_can_count()) return;
  struct dataset_row row;
  data_import_text(data_dir, "x,w,y\n1,a,p\n2,b,q\n,a,p\n4,b,q\n5,a,\n6,b,q\n7,c,p\n", &row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  size_t live = allocations_live();
  bool succeeded = false;
  for (size_t successes = 0; !succeeded && successes < 10000; successes++) {
    struct prepared prepared;
    error_clear(&error);
    allocations_fail_after(successes);
    enum error_code code = prepared_create(data_dir, &row, NULL, &plan, false, NULL, NULL, &prepared, &error);
    allocations_fail_after(SIZE_MAX);
    succeeded = code == ERROR_NONE;
    if (succeeded)
      prepared_deinit(&prepared);
    else
      ck_assert_int_eq(code, ERROR_OUT_OF_MEMORY);
    ck_assert_uint_eq(allocations_live(), live);
  }
  ck_assert(succeeded);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

/* 30000 rows of 20 numbers and a word with 5 values; what is measured is what is taken, within a tenth. */
START_TEST(memory_is_as_measured) {
  if (!allocations_can_count()) return;
  enum { ROWS = 30000 };
  char *text = malloc(ROWS * 160 + 256), *at = text;
  ck_assert_ptr_nonnull(text);
  for (int i = 0; i < 20; i++) at += sprintf(at, "c%d,", i);
  at += sprintf(at, "word,y\n");
  for (int row = 0; row < ROWS; row++) {
    for (int i = 0; i < 20; i++) at += sprintf(at, "%d.%d,", row * 31 % 997, i);
    at += sprintf(at, "w%d,k%d\n", row % 5, row * 7 % 6);
  }
  struct dataset_row row;
  data_import_text(data_dir, text, &row);
  free(text);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  for (int as_values = 0; as_values < 2; as_values++) {
    struct data_plan plan;
    struct prepared prepared;
    struct error error = {0};
    ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
    size_t measured;
    ck_assert_int_eq(data_plan_measure(&plan, as_values != 0, &measured, &error), ERROR_NONE);
    size_t before = allocations_live_bytes();
    allocations_reset_peak();
    ck_assert_int_eq(prepared_create(data_dir, &row, NULL, &plan, as_values != 0, NULL, NULL, &prepared, &error), ERROR_NONE);
    size_t taken = allocations_peak_bytes() - before;
    ck_assert_msg(taken <= measured, "%zu bytes taken, %zu measured", taken, measured);
    ck_assert_msg((double)measured <= 1.1 * (double)taken, "%zu bytes taken, %zu measured", taken, measured);
    prepared_deinit(&prepared);
    data_plan_deinit(&plan);
  }
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *prepared = suite_add_case(suite, "prepared");
  tcase_add_checked_fixture(prepared, set_up, tear_down);
  tcase_add_test(prepared, digits_are_standardized_and_stratified);
  tcase_add_test(prepared, iris_rows_are_in_the_files_order_and_restore_to_its_numbers);
  tcase_add_test(prepared, penguins_with_missing_values_are_imputed_with_an_indicator);
  tcase_add_test(prepared, values_outside_the_training_part_change_neither_the_fit_nor_the_training_rows);
  tcase_add_test(prepared, a_column_may_say_which_part_a_row_belongs_to);
  tcase_add_test(prepared, numbers_are_scaled_as_asked);
  tcase_add_test(prepared, a_category_that_training_did_not_have_is_all_zeros);
  tcase_add_test(prepared, a_second_dataset_is_the_test_part_whatever_the_order_of_its_columns);
  tcase_add_test(prepared, rows_missing_any_of_several_targets_are_left_out);
  tcase_add_test(prepared, the_same_seed_gives_the_same_bytes);
  tcase_add_test(prepared, a_whole_dataset_and_single_rows_are_transformed_alike);
  tcase_add_test(prepared, a_dataset_that_does_not_fit_the_preprocessor_is_refused);
  TCase *limits = suite_add_case(suite, "limits");
  tcase_add_checked_fixture(limits, set_up, tear_down);
  tcase_add_test(limits, preparing_can_be_cancelled);
  tcase_add_test(limits, preparing_without_memory_says_so_and_leaks_nothing);
  tcase_add_test(limits, memory_is_as_measured);
}

int main(void) { return suite_main("prepared", add_cases); }
