/* Images as features: planned, fitted on the training part, trained on where they lie; what goes with them and what doesn't. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/encode.h"
#include "server/data/prepared.h"
#include "tests/support/data_files.h"
#include "tests/support/image_files.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

static char *data_dir;
static const struct image_set gray = {.channels = 1, .height = 4, .width = 6, .train = 100, .test = 40, .seed = 1};
static const struct image_set color = {.channels = 3, .height = 4, .width = 6, .train = 100, .test = 40, .seed = 1};

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

/* Input, and layers as specs.h says. */
struct net {
  const char *input, *layers;
};
static const struct net conv = {"", "conv2d filters=4 kernel_size=3; flatten; dense units=auto"},
                        dense = {"", "dense units=8; dropout; dense units=auto"};

/* A plan of the images for a network; NULL: for none. */
static enum error_code plan_images(const struct dataset_row *row, const struct dataset_row *test_row, const struct net *network,
                                   struct data_settings *settings, struct data_plan *out_plan, struct error *error) {
  struct network_spec spec = {0};
  if (settings->scaling == SCALING_AUTO) settings->scaling = SCALING_STANDARD;
  enum error_code code = data_plan_create(row, test_row, settings, 7, out_plan, error);
  if (code != ERROR_NONE || network == NULL) return code;
  network_spec_parse_unresolved(&spec, network->input, network->layers);
  const struct plan_datasets datasets = {row, test_row};
  code = data_plan_follow_network(out_plan, &datasets, &spec, error);
  network_spec_deinit(&spec);
  if (code != ERROR_NONE) data_plan_deinit(out_plan);
  return code;
}

static void prepare(const struct dataset_row *row, const struct dataset_row *test_row, const struct net *network,
                    struct data_settings *settings, struct prepared *out_prepared) {
  struct data_plan plan;
  struct error error = {0};
  ck_assert_msg(plan_images(row, test_row, network, settings, &plan, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_msg(prepared_create(data_dir, row, test_row, &plan, false, NULL, NULL, out_prepared, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_uint_le(out_prepared->data.train.count, plan.train_rows_max);
  ck_assert_uint_eq(out_prepared->data.validation.count, plan.validation_rows_max);
  ck_assert_uint_eq(out_prepared->test.count, plan.test_rows_max);
  data_plan_deinit(&plan);
}

START_TEST(the_part_of_the_upload_splits_by_default) {
  struct dataset_row row;
  struct data_settings settings;
  struct prepared prepared;
  image_set_import(data_dir, &gray, &row);
  data_settings_make(&settings, "label");
  prepare(&row, NULL, NULL, &settings, &prepared);
  ck_assert_str_eq(settings.split.column, "part");
  ck_assert_uint_eq(prepared.data.train.count, 85);
  ck_assert_uint_eq(prepared.data.validation.count, 15);
  ck_assert_uint_eq(prepared.test.count, 40);
  bool is_taken[140] = {false};
  const struct train_rows *parts[] = {&prepared.data.train, &prepared.data.validation, &prepared.test};
  for (size_t part = 0; part < 3; part++)
    for (size_t i = 0; i < parts[part]->count; i++) {
      const uint32_t at = parts[part]->x_rows[i];
      ck_assert_uint_lt(at, 140);
      ck_assert(!is_taken[at] && (at >= 100) == (part == 2));
      ck_assert_float_eq(parts[part]->y[i], (float)(at % 2));
      is_taken[at] = true;
    }
  size_t odd = 0; /* stratified */
  for (size_t i = 0; i < 15; i++) odd += prepared.data.validation.y[i] > 0;
  ck_assert(odd == 7 || odd == 8);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_split_by_shares_can_be_asked_for) {
  struct dataset_row row;
  struct data_settings settings;
  struct prepared prepared;
  image_set_import(data_dir, &gray, &row);
  data_settings_make(&settings, "label");
  settings.split.column[0] = '\0';
  prepare(&row, NULL, NULL, &settings, &prepared);
  ck_assert_uint_eq(prepared.data.train.count, 98);
  ck_assert_uint_eq(prepared.data.validation.count, 21);
  ck_assert_uint_eq(prepared.preprocessor.feature_count, 1);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  data_settings_make(&settings, "label");
  settings.split.validation = 0;
  prepare(&row, NULL, NULL, &settings, &prepared);
  ck_assert_uint_eq(prepared.data.train.count, 100);
  ck_assert_uint_eq(prepared.data.validation.count, 0);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(each_channel_is_standardized_over_the_training_part) {
  struct dataset_row row;
  struct data_settings settings;
  struct prepared prepared;
  image_set_import(data_dir, &color, &row);
  data_settings_make(&settings, "label");
  prepare(&row, NULL, &conv, &settings, &prepared);
  const struct shape shape = {.rank = 3, .sizes = {3, 4, 6}};
  struct row_reader reader;
  row_reader_init(&reader, &prepared.data.train, &shape);
  float x[3 * 24];
  double sums[3] = {0}, squares[3] = {0};
  const size_t count = prepared.data.train.count;
  for (size_t i = 0; i < count; i++) {
    row_reader_copy(&reader, i, x);
    for (size_t k = 0; k < 3 * 24; k++) {
      sums[k / 24] += (double)x[k];
      squares[k / 24] += (double)x[k] * (double)x[k];
    }
  }
  for (size_t c = 0; c < 3; c++) {
    ck_assert_double_eq_tol(sums[c] / (double)(24 * count), 0, 1e-5);
    ck_assert_double_eq_tol(squares[c] / (double)(24 * count), 1, 1e-5);
  }
  const struct image_encoding *image = &prepared.preprocessor.features[0].image;
  ck_assert_float_gt(image->center[1], image->center[0] + 15);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(what_a_prediction_sees_is_what_training_saw_to_the_bit) {
  struct dataset_row row;
  const struct image_set *sets[] = {&gray, &color};
  const struct net *const networks[] = {&conv, &dense};
  for (size_t i = 0; i < 4; i++) {
    struct data_settings settings;
    struct prepared prepared;
    const struct image_set *set = sets[i % 2];
    image_set_import(data_dir, set, &row);
    data_settings_make(&settings, "label");
    prepare(&row, NULL, networks[i / 2], &settings, &prepared);
    const size_t width = prepared.preprocessor.input_width;
    const struct shape planes = {.rank = 3, .sizes = {set->channels, set->height, set->width}}, vector = {.rank = 1, .sizes = {width}};
    struct row_reader reader;
    row_reader_init(&reader, &prepared.test, i / 2 == 0 ? &planes : &vector);
    float trained[3 * 24], predicted[3 * 24];
    uint8_t pixels[3 * 24];
    for (size_t k = 0; k < prepared.test.count; k++) {
      for (size_t p = 0; p < width; p++) pixels[p] = image_set_get_pixel(set, prepared.test.x_rows[k], p);
      const struct cell cell = {.kind = CELL_PIXELS, .pixels = pixels};
      struct error error = {0};
      row_reader_copy(&reader, k, trained);
      ck_assert_int_eq(preprocessor_transform(&prepared.preprocessor, &cell, "", predicted, &error), ERROR_NONE);
      ck_assert_mem_eq(trained, predicted, width * sizeof(float));
    }
    prepared_deinit(&prepared);
    data_settings_free(&settings);
    dataset_row_deinit(&row);
  }
}
END_TEST

START_TEST(scaling_may_be_to_one_or_none) {
  static const struct {
    int scaling;
    float scale;
  } cases[] = {{SCALING_MIN_MAX, 255}, {SCALING_NONE, 1}};
  for (size_t i = 0; i < 2; i++) {
    struct dataset_row row;
    struct data_settings settings;
    struct prepared prepared;
    image_set_import(data_dir, &gray, &row);
    data_settings_make(&settings, "label");
    settings.scaling = cases[i].scaling;
    prepare(&row, NULL, &conv, &settings, &prepared);
    ck_assert_float_eq(prepared.preprocessor.features[0].image.center[0], 0);
    ck_assert_float_eq(prepared.preprocessor.features[0].image.scale[0], cases[i].scale);
    prepared_deinit(&prepared);
    data_settings_free(&settings);
    dataset_row_deinit(&row);
  }
}
END_TEST

static const struct {
  struct net network;
  size_t rank, sizes[3];
} inputs[] = {{{"", "conv2d filters=4 kernel_size=3; flatten; dense units=auto"}, 3, {3, 4, 6}},
              {{"", "dense units=8; dropout; dense units=auto"}, 1, {72}},
              {{"", "flatten; dense units=auto"}, 3, {3, 4, 6}}};

START_TEST(a_network_of_dense_layers_gets_a_vector_any_other_the_image) {
  struct dataset_row row;
  struct data_settings settings;
  struct data_plan plan;
  struct error error = {0};
  struct network_target target;
  image_set_import(data_dir, &color, &row);
  data_settings_make(&settings, "label");
  ck_assert_int_eq(plan_images(&row, NULL, &inputs[_i].network, &settings, &plan, &error), ERROR_NONE);
  data_plan_get_network_target(&plan, &target);
  ck_assert_uint_eq(target.input.rank, inputs[_i].rank);
  for (size_t i = 0; i < inputs[_i].rank; i++) ck_assert_uint_eq(target.input.sizes[i], inputs[_i].sizes[i]);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

static const struct {
  const char *features, *target;
  struct net network;
  const char *pointer, *words;
} refused[] = {
    {"image,weight", "label", {"", "flatten; dense units=auto"}, "/features", "a network takes one image and nothing else"},
    {"part", "label", {"", "flatten; dense units=auto"}, "/features", "is the split column"},
    {"", "image", {"", "flatten; dense units=auto"}, "/target", "must be numeric or categorical"},
    {"", "label", {"4x6x3", "flatten; dense units=auto"}, "/network", "but the images of \"image\" are [3, 4, 6]"},
    {"", "label", {"", "embedding input_dim=10 output_dim=4; flatten; dense units=auto"}, "/scaling", "begins with an embedding"},
};

START_TEST(what_does_not_go_together_is_refused) {
  struct dataset_row row;
  struct data_settings settings;
  struct data_plan plan;
  struct error error = {0};
  image_set_import(data_dir, &color, &row);
  data_settings_make(&settings, refused[_i].target);
  data_names_set(&settings.features, refused[_i].features);
  ck_assert_int_eq(plan_images(&row, NULL, &refused[_i].network, &settings, &plan, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, refused[_i].pointer);
  ck_assert_msg(strstr(error.items[0].detail, refused[_i].words) != NULL, "\"%s\" lacks \"%s\"", error.items[0].detail, refused[_i].words);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_test_dataset_of_images_is_read_where_it_lies) {
  struct dataset_row row, test_row, other_row;
  struct data_settings settings;
  struct prepared prepared;
  struct data_plan plan;
  struct error error = {0};
  const struct image_set test = {.channels = 3, .height = 4, .width = 6, .train = 30, .seed = 9},
                         other = {.channels = 3, .height = 6, .width = 4, .train = 30};
  image_set_import(data_dir, &color, &row);
  image_set_import(data_dir, &test, &test_row);
  image_set_import(data_dir, &other, &other_row);
  data_settings_make(&settings, "label");
  snprintf(settings.test_dataset, sizeof settings.test_dataset, "other");
  prepare(&row, &test_row, &conv, &settings, &prepared);
  ck_assert_str_eq(settings.split.column, "");
  ck_assert_uint_eq(prepared.test.count, 30);
  ck_assert_uint_eq(prepared.test.x_bytes[prepared.test.x_rows[29] * prepared.test.x_stride + 5], image_set_get_pixel(&test, 29, 5));
  prepared_deinit(&prepared);
  ck_assert_int_eq(plan_images(&row, &other_row, &conv, &settings, &plan, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/test_dataset");
  data_settings_free(&settings);
  dataset_row_deinit(&row);
  dataset_row_deinit(&test_row);
  dataset_row_deinit(&other_row);
}
END_TEST

START_TEST(no_pixel_is_counted_as_memory) {
  struct dataset_row row;
  struct data_settings settings;
  struct data_plan plan;
  struct error error = {0};
  const struct image_set large = {.channels = 3, .height = 64, .width = 64, .train = 2000};
  image_set_import(data_dir, &large, &row);
  data_settings_make(&settings, "label");
  ck_assert_int_eq(plan_images(&row, NULL, &conv, &settings, &plan, &error), ERROR_NONE);
  size_t bytes, kept, disk;
  ck_assert_int_eq(data_plan_measure(&plan, false, &bytes, &error), ERROR_NONE);
  ck_assert_int_eq(data_plan_measure_kept(&plan, false, &kept, &error), ERROR_NONE);
  ck_assert_int_eq(data_plan_measure_disk(&plan, false, &disk, &error), ERROR_NONE);
  ck_assert_uint_lt(bytes, 1 << 20);
  ck_assert_uint_lt(kept, 2000 * 8 + 4096);
  ck_assert_uint_eq(disk, 0);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

struct counted {
  size_t rows;
  double sum;
};

static enum error_code count_rows(void *context, const float *x, const float *y, size_t count, struct error *error) {
  struct counted *counted = context;
  (void)y, (void)error;
  counted->rows += count;
  for (size_t i = 0; i < count * 72; i++) counted->sum += (double)x[i];
  return ERROR_NONE;
}

START_TEST(another_dataset_of_images_goes_through_the_same_preprocessing) {
  struct dataset_row row, other_row;
  struct data_settings settings;
  struct prepared prepared;
  struct error error = {0};
  const struct image_set other = {.channels = 3, .height = 6, .width = 4, .train = 30};
  image_set_import(data_dir, &color, &row);
  image_set_import(data_dir, &other, &other_row);
  data_settings_make(&settings, "label");
  prepare(&row, NULL, &conv, &settings, &prepared);
  struct counted counted = {0};
  ck_assert_int_eq(preprocessor_read_dataset(&prepared.preprocessor, data_dir, &row, false, 16, count_rows, &counted, &error), ERROR_NONE);
  ck_assert_uint_eq(counted.rows, 140);
  double expected = 0;
  const struct image_encoding *image = &prepared.preprocessor.features[0].image;
  for (size_t i = 0; i < 140 * 72; i++)
    expected +=
        ((double)image_set_get_pixel(&color, i / 72, i % 72) - (double)image->center[i % 72 / 24]) / (double)image->scale[i % 72 / 24];
  ck_assert_double_eq_tol(counted.sum, expected, 1e-2);
  ck_assert_int_eq(preprocessor_read_dataset(&prepared.preprocessor, data_dir, &other_row, false, 16, count_rows, &counted, &error),
                   ERROR_INVALID);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
  dataset_row_deinit(&other_row);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *images = suite_add_case(suite, "images");
  tcase_add_checked_fixture(images, set_up, tear_down);
  tcase_add_test(images, the_part_of_the_upload_splits_by_default);
  tcase_add_test(images, a_split_by_shares_can_be_asked_for);
  tcase_add_test(images, each_channel_is_standardized_over_the_training_part);
  tcase_add_test(images, what_a_prediction_sees_is_what_training_saw_to_the_bit);
  tcase_add_test(images, scaling_may_be_to_one_or_none);
  tcase_add_loop_test(images, a_network_of_dense_layers_gets_a_vector_any_other_the_image, 0, sizeof inputs / sizeof inputs[0]);
  tcase_add_loop_test(images, what_does_not_go_together_is_refused, 0, sizeof refused / sizeof refused[0]);
  tcase_add_test(images, a_test_dataset_of_images_is_read_where_it_lies);
  tcase_add_test(images, no_pixel_is_counted_as_memory);
  tcase_add_test(images, another_dataset_of_images_goes_through_the_same_preprocessing);
}

int main(void) { return suite_main("images", add_cases); }
