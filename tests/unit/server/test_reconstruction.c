/* Autoencoders' data: rows that are their own targets, of numbers and categories or of images, which are not copied. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/output_units.h"
#include "server/data/prepared.h"
#include "tests/support/data_files.h"
#include "tests/support/image_files.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

static char *data_dir;
static struct data_settings settings;
static struct dataset_row row;
static struct data_plan plan;
static struct error error;

static void set_up(void) {
  data_dir = data_dir_create();
  data_settings_make(&settings, "");
  settings.task = TASK_CHOICE_RECONSTRUCTION;
  settings.scaling = SCALING_STANDARD;
  settings.split.validation = settings.split.test = 0.2;
}
static void tear_down(void) {
  data_settings_free(&settings);
  dataset_row_deinit(&row);
  data_dir_remove(data_dir);
}

static const char *describe_item(void) { return error.item_count > 0 ? error.items[0].detail : error.detail; }

static void make_plan(const char *layers) {
  struct network_spec spec = {0};
  ck_assert_msg(data_plan_create(&row, NULL, &settings, 7, &plan, &error) == ERROR_NONE, "%s", describe_item());
  network_spec_parse_unresolved(&spec, "", layers);
  ck_assert_msg(data_plan_follow_network(&plan, &(struct plan_datasets){.dataset = &row}, &spec, &error) == ERROR_NONE, "%s",
                describe_item());
  network_spec_deinit(&spec);
}

static void prepare(struct prepared *out_prepared) {
  ck_assert_msg(prepared_create(data_dir, &row, NULL, &plan, false, NULL, NULL, out_prepared, &error) == ERROR_NONE, "%s", describe_item());
}

/* Two rows lack something; the text is no feature, as it can't be given back. */
static const char table[] = "size,color,note\n1,red,a b\n2,blue,c d\n3,red,e f\n4,green,g h\n5,red,i j\n,blue,k l\n7,,m n\n8,blue,o p\n"
                            "9,green,q r\n10,red,s t\n11,red,u v\n12,blue,w x\n";

START_TEST(numbers_and_categories_are_given_back) {
  struct prepared prepared;
  struct network_target target;
  data_import_text(data_dir, table, &row);
  make_plan("dense units=2; dense units=auto");
  ck_assert_uint_eq(settings.target.count, 2);
  ck_assert_str_eq(settings.target.items[1], "color");
  data_plan_get_network_target(&plan, &target);
  ck_assert_uint_eq(target.output_width, 4); /* a number, and one for each color */
  prepare(&prepared);
  ck_assert_uint_eq(prepared.left_out, 2);
  ck_assert_uint_eq(prepared.data.train.count + prepared.data.validation.count + prepared.test.count, 10);
  ck_assert(prepared.data.target_is_input);
  ck_assert_ptr_null(prepared.data.train.y);
  ck_assert_ptr_null(prepared.test.y);
  const struct feature *size = &prepared.preprocessor.features[0];
  ck_assert_double_eq(prepared.preprocessor.targets[0].center, size->center);
  ck_assert_double_eq(prepared.preprocessor.targets[0].scale, size->scale);
  for (size_t i = 0; i < prepared.data.train.count; i++) {
    const float *x = prepared.data.train.x + i * 4;
    ck_assert_float_eq(x[1] + x[2] + x[3], 1);
  }
  struct output_units units;
  ck_assert_int_eq(output_units_init(&units, &prepared.preprocessor, &error), ERROR_NONE);
  ck_assert_double_eq(units.scale[0], size->scale);
  ck_assert_double_eq(units.scale[3], 1);
  ck_assert_uint_eq(units.category_spans[0], 0);
  for (size_t i = 1; i < 4; i++) ck_assert_uint_eq(units.category_spans[i], 3);
  ck_assert(units.has_numbers && !units.is_one_quantity);
  output_units_deinit(&units);
  prepared_deinit(&prepared);
  data_plan_deinit(&plan);
}
END_TEST

struct seen {
  size_t rows;
  bool are_same;
};

static enum error_code compare_rows(void *context, const float *x, const float *y, size_t count, struct error *out_error) {
  struct seen *seen = context;
  (void)out_error;
  seen->rows += count;
  seen->are_same = seen->are_same && memcmp(x, y, count * 4 * sizeof *x) == 0;
  return ERROR_NONE;
}

/* A category that was never seen is told apart from none: its row is measured, all zeros. */
START_TEST(another_dataset_is_measured_on_its_own_rows) {
  struct prepared prepared;
  struct dataset_row other;
  struct seen seen = {.are_same = true};
  data_import_text(data_dir, table, &row);
  data_import_text(data_dir, "color,size\nred,1\nmauve,2\n,3\nblue,\ngreen,5\n", &other);
  make_plan("dense units=2; dense units=auto");
  prepare(&prepared);
  ck_assert_msg(preprocessor_read_dataset(&prepared.preprocessor, data_dir, &other, false, 2, compare_rows, &seen, &error) == ERROR_NONE,
                "%s", describe_item());
  ck_assert_uint_eq(seen.rows, 3);
  ck_assert(seen.are_same);
  prepared_deinit(&prepared);
  data_plan_deinit(&plan);
  dataset_row_deinit(&other);
}
END_TEST

static const struct image_set color = {.channels = 3, .height = 4, .width = 6, .train = 100, .test = 40, .seed = 1};

static const struct {
  const char *layers;
  int scaling;
} coders[] = {{"dense units=8; dense units=auto", SCALING_STANDARD},
              {"conv2d filters=4 kernel_size=3 padding=same; conv2d filters=3 kernel_size=1", SCALING_MIN_MAX}};

/* The images of the upload are columns of their own; what is given back is the mapped image, of which nothing is copied. */
START_TEST(images_are_given_back_from_where_they_lie) {
  struct prepared prepared;
  struct network_target target;
  size_t kept, disk;
  image_set_import(data_dir, &color, &row);
  settings.scaling = coders[_i].scaling;
  make_plan(coders[_i].layers);
  ck_assert_uint_eq(plan.layout.feature_count, 1); /* not the label */
  data_plan_get_network_target(&plan, &target);
  ck_assert_uint_eq(target.output_width, 72);
  ck_assert_uint_eq(target.input.rank, _i == 0 ? 1 : 3);
  ck_assert_int_eq(data_plan_measure_kept(&plan, false, &kept, &error), ERROR_NONE);
  ck_assert_int_eq(data_plan_measure_disk(&plan, false, &disk, &error), ERROR_NONE);
  ck_assert_uint_lt(kept + disk, 140 * sizeof(uint32_t) + 4096);
  prepare(&prepared);
  ck_assert(prepared.data.target_is_input);
  ck_assert_ptr_null(prepared.data.train.y);
  ck_assert_uint_eq(prepared.left_out, 0);
  ck_assert_uint_eq(prepared.test.count, 40);
  ck_assert_uint_eq(prepared.test.x_bytes[prepared.test.x_rows[7] * prepared.test.x_stride + 5], image_set_get_pixel(&color, 107, 5));
  struct output_units units;
  ck_assert_int_eq(output_units_init(&units, &prepared.preprocessor, &error), ERROR_NONE);
  ck_assert_ptr_null(units.category_spans);
  ck_assert(units.is_one_quantity);
  for (size_t i = 0; i < 72; i++) ck_assert_double_eq(units.scale[i], (double)prepared.preprocessor.features[0].image.scale[i / 24]);
  output_units_deinit(&units);
  prepared_deinit(&prepared);
  data_plan_deinit(&plan);
}
END_TEST

/* Bytes → floats → bytes; beyond what a byte holds, the nearest. */
START_TEST(pixels_come_back_as_they_went_in) {
  const struct image_encoding encodings[] = {{.channels = 2, .height = 16, .width = 8, .center = {117.3f, 31.9f}, .scale = {73.1f, 12.7f}},
                                             {.channels = 1, .height = 16, .width = 16, .center = {0}, .scale = {255}}};
  uint8_t pixels[256], back[256];
  float x[256];
  for (size_t i = 0; i < 256; i++) pixels[i] = (uint8_t)i;
  image_encoding_encode(&encodings[_i], pixels, x);
  image_encoding_decode(&encodings[_i], x, back);
  ck_assert_mem_eq(pixels, back, sizeof pixels);
  if (_i == 1) ck_assert(x[0] == 0 && x[255] <= 1); /* which binary_cross_entropy asks for */
  x[0] = 1e9f;
  x[1] = -1e9f;
  x[2] = NAN;
  image_encoding_decode(&encodings[_i], x, back);
  ck_assert(back[0] == 255 && back[1] == 0 && back[2] == 0);
}
END_TEST

static const struct {
  const char *csv, *features, *pointer, *words;
} refused[] = {
    {"note,size\nshe came in late,1\nand went out early,2\nnobody knew why,3\nor where she went,4\n", "note,size", "/features/0",
     "is free text; a reconstruction is of numbers, categories or one image"},
    {"day,size\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n2024-01-04,4\n", "day", "/features", "is of dates; a reconstruction is of"},
};

START_TEST(what_can_not_be_given_back_is_refused) {
  data_import_text(data_dir, refused[_i].csv, &row);
  data_names_set(&settings.features, refused[_i].features);
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 7, &plan, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, refused[_i].pointer);
  ck_assert_msg(strstr(error.items[0].detail, refused[_i].words) != NULL, "%s", error.items[0].detail);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *reconstruction = suite_add_case(suite, "reconstruction");
  tcase_add_checked_fixture(reconstruction, set_up, tear_down);
  tcase_add_test(reconstruction, numbers_and_categories_are_given_back);
  tcase_add_test(reconstruction, another_dataset_is_measured_on_its_own_rows);
  tcase_add_loop_test(reconstruction, images_are_given_back_from_where_they_lie, 0, 2);
  tcase_add_loop_test(reconstruction, pixels_come_back_as_they_went_in, 0, 2);
  tcase_add_loop_test(reconstruction, what_can_not_be_given_back_is_refused, 0, sizeof refused / sizeof refused[0]);
}

int main(void) { return suite_main("reconstruction", add_cases); }
