/* The augmentations: what each does to rows, by draws that are counted, and that what it does depends on seed, epoch and row alone. */
#include "engine/augmentation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/train.h"
#include "tests/support/shuffled_parallel.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"
#include "tests/support/train_scene.h"

enum { CHANNELS = 2, HEIGHT = 6, WIDTH = 7, SIZE = CHANNELS * HEIGHT * WIDTH, ROWS = 4000, BATCH = 400 };
static const struct shape image = {.rank = 3, .sizes = {CHANNELS, HEIGHT, WIDTH}};

/* Rows of an image, all the same, and one batch of them. */
struct scene {
  struct augmentation settings;
  float x[SIZE];
  uint32_t order[ROWS], same[ROWS];
  struct row_reader reader;
  struct augmenter augmenter;
  float *out; /* [ROWS, SIZE] */
};

static void scene_init(struct scene *scene) {
  memset(scene, 0, sizeof *scene);
  scene->settings = (struct augmentation){.is_given = true, .crop = 1};
  for (size_t i = 0; i < SIZE; i++) scene->x[i] = (float)(i + 1);
  for (uint32_t i = 0; i < ROWS; i++) scene->order[i] = i;
  row_reader_init(&scene->reader, &(struct train_rows){.count = ROWS, .x = scene->x, .x_rows = scene->same}, &image);
  scene->out = malloc(ROWS * SIZE * sizeof *scene->out);
  ck_assert_ptr_nonnull(scene->out);
}

static void scene_deinit(struct scene *scene) {
  free(scene->augmenter.scratch);
  free(scene->out);
}

/* Rows 0 … ROWS − 1 of an epoch, batch by batch. */
static void fetch(struct scene *scene, uint64_t seed, uint64_t epoch, const struct parallel *parallel) {
  free(scene->augmenter.scratch);
  augmenter_init(&scene->augmenter, &scene->settings, &image, seed, BATCH);
  scene->augmenter.scratch = malloc((scene->augmenter.scratch_count + 1) * sizeof(float));
  augmenter_start(&scene->augmenter, &scene->reader);
  for (size_t first = 0; first < ROWS; first += BATCH) {
    const struct augmenter_rows rows = {.reader = &scene->reader, .epoch = epoch, .rows = scene->order + first, .count = BATCH};
    augmenter_fetch(&scene->augmenter, &rows, parallel, scene->out + first * SIZE);
  }
}

static size_t count_same(const struct scene *scene, const float *wanted) {
  size_t count = 0;
  for (size_t row = 0; row < ROWS; row++) count += memcmp(scene->out + row * SIZE, wanted, SIZE * sizeof *wanted) == 0;
  return count;
}

/* Of `n` draws of probability p: five standard deviations. */
static void check_share(size_t count, size_t n, double p) {
  ck_assert_double_eq_tol((double)count, (double)n * p, 5 * sqrt((double)n * p * (1 - p)));
}

START_TEST(nothing_asked_for_is_nothing_done) {
  struct scene scene;
  scene_init(&scene);
  fetch(&scene, 1, 0, NULL);
  ck_assert(augmenter_is_idle(&scene.augmenter));
  ck_assert_uint_eq(scene.augmenter.scratch_count, 0);
  ck_assert_uint_eq(count_same(&scene, scene.x), ROWS);
  scene.settings.shift = 3;
  scene.settings.is_given = false;
  fetch(&scene, 1, 0, NULL);
  ck_assert(augmenter_is_idle(&scene.augmenter));
  scene_deinit(&scene);
}
END_TEST

START_TEST(every_second_image_is_mirrored) {
  struct scene scene;
  scene_init(&scene);
  float mirrored[SIZE];
  for (size_t c = 0; c < CHANNELS; c++)
    for (size_t y = 0; y < HEIGHT; y++)
      for (size_t x = 0; x < WIDTH; x++)
        mirrored[(c * HEIGHT + y) * WIDTH + x] =
            scene.x[(c * HEIGHT + (_i == 0 ? y : HEIGHT - 1 - y)) * WIDTH + (_i == 0 ? WIDTH - 1 - x : x)];
  scene.settings.horizontal_flip = _i == 0;
  scene.settings.vertical_flip = _i == 1;
  fetch(&scene, 1, 0, NULL);
  const size_t count = count_same(&scene, mirrored);
  check_share(count, ROWS, 0.5);
  ck_assert_uint_eq(count + count_same(&scene, scene.x), ROWS);
  scene_deinit(&scene);
}
END_TEST

/* Each of the (2 · 2 + 1)² shifts is as frequent as any other, and what comes in is 0. */
START_TEST(shifts_are_uniform) {
  struct scene scene;
  scene_init(&scene);
  scene.settings.shift = 2;
  fetch(&scene, 2, 3, NULL);
  size_t found = 0;
  for (int dy = -2; dy <= 2; dy++)
    for (int dx = -2; dx <= 2; dx++) {
      float shifted[SIZE];
      for (int c = 0; c < CHANNELS; c++)
        for (int y = 0; y < HEIGHT; y++)
          for (int x = 0; x < WIDTH; x++) {
            const bool is_inside = y + dy >= 0 && y + dy < HEIGHT && x + dx >= 0 && x + dx < WIDTH;
            shifted[(c * HEIGHT + y) * WIDTH + x] = is_inside ? scene.x[(c * HEIGHT + y + dy) * WIDTH + x + dx] : 0;
          }
      const size_t count = count_same(&scene, shifted);
      check_share(count, ROWS, 1.0 / 25);
      found += count;
    }
  ck_assert_uint_eq(found, ROWS);
  scene_deinit(&scene);
}
END_TEST

START_TEST(black_comes_into_images_of_bytes) {
  struct scene scene;
  scene_init(&scene);
  static uint8_t bytes[SIZE];
  static const float center[CHANNELS] = {100, 50}, scale[CHANNELS] = {50, 25};
  memset(bytes, 200, sizeof bytes);
  row_reader_init(&scene.reader,
                  &(struct train_rows){.count = ROWS, .x_bytes = bytes, .x_rows = scene.same, .byte_center = center, .byte_scale = scale},
                  &image);
  scene.settings.shift = 1;
  fetch(&scene, 2, 3, NULL);
  size_t black = 0;
  for (size_t i = 0; i < ROWS * SIZE; i++) {
    const bool is_first = i % SIZE < SIZE / CHANNELS;
    ck_assert(scene.out[i] == -2 || scene.out[i] == (is_first ? 2 : 6));
    black += scene.out[i] == -2;
  }
  /* A third of the rows have moved along one axis or the other, each by a line of the image. */
  ck_assert_double_eq_tol((double)black / (ROWS * SIZE), 1 - (1 - 2.0 / 3 / WIDTH) * (1 - 2.0 / 3 / HEIGHT), 0.01);
  scene_deinit(&scene);
}
END_TEST

/* The angle that a row was turned by, from the map that its draw gives. */
START_TEST(angles_are_uniform_within_their_bounds) {
  const struct augmentation_kind *rotation = NULL;
  for (size_t i = 0; i < AUGMENTATION_COUNT; i++)
    if (strcmp(augmentation_get(i)->name, "rotation") == 0) rotation = augmentation_get(i);
  double sum = 0, squares = 0;
  for (uint64_t row = 0; row < ROWS; row++) {
    struct affine map = affine_identity;
    rotation->place(10, &(struct random_stream){.seed = 4, .purpose = RANDOM_AUGMENTATION, .lane = rotation->lane, .step = row}, &image,
                    &map);
    const double degrees = atan2(map.yx, map.xx) * 180 / 3.14159265358979323846;
    ck_assert_double_lt(fabs(degrees), 10 + 1e-9);
    ck_assert_double_eq_tol(map.xx * map.yy - map.xy * map.yx, 1, 1e-12);
    sum += degrees;
    squares += degrees * degrees;
  }
  ck_assert_double_eq_tol(sum / ROWS, 0, 5 * 10 / sqrt(3.0 * ROWS));
  ck_assert_double_eq_tol(squares / ROWS, 100.0 / 3, 2);
}
END_TEST

START_TEST(a_rotation_by_0_degrees_leaves_rows_as_they_are) {
  struct scene scene;
  scene_init(&scene);
  scene.settings.rotation = 1e-300; /* the least there is: all the way through the interpolation, if any */
  fetch(&scene, 1, 0, NULL);
  for (size_t i = 0; i < ROWS * SIZE; i++) ck_assert_float_eq_tol(scene.out[i], scene.x[i % SIZE], 1e-5f);
  scene_deinit(&scene);
}
END_TEST

/* The part lies within the image and has an area and a ratio within their bounds. */
START_TEST(crops_keep_their_share_of_the_area) {
  const struct augmentation_kind *crop = NULL;
  for (size_t i = 0; i < AUGMENTATION_COUNT; i++)
    if (strcmp(augmentation_get(i)->name, "crop") == 0) crop = augmentation_get(i);
  const double least = _i == 0 ? 0.3 : 0.95;
  double area_sum = 0, ratio_sum = 0;
  for (uint64_t row = 0; row < ROWS; row++) {
    struct affine map = affine_identity;
    crop->place(1 - least, &(struct random_stream){.seed = 4, .purpose = RANDOM_AUGMENTATION, .lane = crop->lane, .step = row}, &image,
                &map);
    ck_assert(map.xx <= 1 && map.yy <= 1 && map.xy == 0 && map.yx == 0);
    ck_assert_double_ge(map.xx * map.yy, least - 1e-9);
    ck_assert(map.xx / map.yy <= 4.0 / 3 + 1e-9 && map.xx / map.yy >= 0.75 - 1e-9);
    ck_assert_double_le(fabs(map.x), (1 - map.xx) / 2 * WIDTH + 1e-9);
    ck_assert_double_le(fabs(map.y), (1 - map.yy) / 2 * HEIGHT + 1e-9);
    area_sum += map.xx * map.yy;
    ratio_sum += log(map.xx / map.yy);
  }
  ck_assert_double_eq_tol(area_sum / ROWS, (1 + least) / 2, 5 * (1 - least) / sqrt(12.0 * ROWS));
  ck_assert_double_eq_tol(ratio_sum / ROWS, 0, 0.02);
}
END_TEST

START_TEST(erasing_makes_rectangles_of_zeros) {
  struct scene scene;
  scene_init(&scene);
  scene.settings.erasing = 0.4;
  fetch(&scene, 6, 1, NULL);
  size_t erased = 0;
  double area = 0;
  for (size_t row = 0; row < ROWS; row++) {
    size_t top = HEIGHT, bottom = 0, left = WIDTH, right = 0, count = 0;
    const float *x = scene.out + row * SIZE;
    for (size_t y = 0; y < HEIGHT; y++)
      for (size_t i = 0; i < WIDTH; i++) {
        const bool is_hole = x[y * WIDTH + i] == 0;
        ck_assert_int_eq(is_hole, x[(HEIGHT + y) * WIDTH + i] == 0); /* alike in both channels */
        ck_assert(is_hole || x[y * WIDTH + i] == scene.x[y * WIDTH + i]);
        if (!is_hole) continue;
        count++;
        top = y < top ? y : top;
        bottom = y > bottom ? y : bottom;
        left = i < left ? i : left;
        right = i > right ? i : right;
      }
    if (count == 0) continue;
    ck_assert_uint_eq(count, (bottom - top + 1) * (right - left + 1));
    erased++;
    area += (double)count / (HEIGHT * WIDTH);
  }
  check_share(erased, ROWS, 0.4); /* ten attempts practically always find one that fits */
  ck_assert_double_eq_tol(area / (double)erased, 0.175, 0.03);
  scene_deinit(&scene);
}
END_TEST

START_TEST(noise_has_its_deviation) {
  struct scene scene;
  scene_init(&scene);
  scene.settings.noise = 0.25;
  fetch(&scene, 8, 0, NULL);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < ROWS * SIZE; i++) {
    const double difference = (double)scene.out[i] - (double)scene.x[i % SIZE];
    sum += difference;
    squares += difference * difference;
  }
  const double n = ROWS * SIZE;
  ck_assert_double_eq_tol(sum / n, 0, 5 * 0.25 / sqrt(n));
  ck_assert_double_eq_tol(sqrt(squares / n), 0.25, 5 * 0.25 / sqrt(2 * n));
  scene_deinit(&scene);
}
END_TEST

static double draw_share(double alpha, uint32_t row) {
  const struct augmentation settings = {.is_given = true, .crop = 1, .mixup = alpha};
  struct augmenter augmenter;
  augmenter_init(&augmenter, &settings, &image, 3, BATCH);
  return augmenter_draw_share(&augmenter, &(struct augmenter_rows){.epoch = 2, .rows = &row, .count = 1});
}

/* Beta(α, α) has mean 1/2 and variance 1/(4 (2α + 1)). */
START_TEST(shares_of_mixup_have_the_moments_of_beta) {
  static const double alphas[] = {0.05, 0.2, 1, 2, 8};
  enum { DRAWS = 20000 };
  const double alpha = alphas[_i], variance = 1 / (4 * (2 * alpha + 1));
  double sum = 0, squares = 0, fourth = 0;
  for (uint32_t row = 0; row < DRAWS; row++) {
    const double share = draw_share(alpha, row), off = share - 0.5;
    ck_assert(share >= 0 && share <= 1);
    sum += share;
    squares += off * off;
    fourth += off * off * off * off;
  }
  ck_assert_double_eq_tol(sum / DRAWS, 0.5, 5 * sqrt(variance / DRAWS));
  ck_assert_double_eq_tol(squares / DRAWS, variance, 5 * variance * sqrt(2.0 / DRAWS));
  /* Excess kurtosis of Beta(α, α) is −6/(2α + 3). */
  ck_assert_double_eq_tol(fourth / DRAWS, variance * variance * (3 - 6 / (2 * alpha + 3)), 0.05 * variance);
}
END_TEST

START_TEST(pairs_are_mixed_from_both_ends) {
  float values[] = {1, 10, 2, 20, 3, 30, 4, 40, 5, 50};
  const float expected[] = {2, 20, 2.5f, 25, 3, 30, 3.5f, 35, 4, 40};
  augmenter_mix(0.75, 5, 2, values);
  for (size_t i = 0; i < 10; i++) ck_assert_float_eq_tol(values[i], expected[i], 1e-6f);
}
END_TEST

static void use_all(struct augmentation *settings) {
  *settings = (struct augmentation){.is_given = true,
                                    .horizontal_flip = true,
                                    .vertical_flip = true,
                                    .rotation = 20,
                                    .shift = 2,
                                    .crop = 0.7,
                                    .erasing = 0.5,
                                    .noise = 0.1,
                                    .mixup = 0.2};
}

START_TEST(every_kind_has_its_name_row_and_own_numbers) {
  struct augmentation settings;
  use_all(&settings);
  for (size_t i = 0; i < AUGMENTATION_COUNT; i++) {
    const struct augmentation_kind *kind = augmentation_get(i);
    ck_assert_str_eq(kind->name, augmentation_params[i].params[0].name);
    ck_assert_double_gt(kind->get(&settings), 0);
    ck_assert_int_eq((kind->place != NULL) + (kind->change != NULL) + (kind->draw_share != NULL), 1);
    for (size_t k = 0; k < i; k++) ck_assert_uint_ne(kind->lane, augmentation_get(k)->lane);
  }
}
END_TEST

START_TEST(a_row_depends_on_seed_epoch_and_row_alone) {
  struct scene scene;
  scene_init(&scene);
  use_all(&scene.settings);
  float *first = malloc(ROWS * SIZE * sizeof *first);
  fetch(&scene, 7, 5, NULL);
  memcpy(first, scene.out, ROWS * SIZE * sizeof *first);
  /* Among others in its batch, and in pieces that any thread takes in any order. */
  for (uint32_t i = 0; i < ROWS; i++) scene.order[i] = (i * 1231u + 17) % ROWS;
  struct shuffled_parallel shuffled = {0};
  const struct parallel parallel = shuffled_parallel(&shuffled);
  fetch(&scene, 7, 5, &parallel);
  ck_assert_uint_gt(shuffled.pieces, ROWS / BATCH);
  for (size_t i = 0; i < ROWS; i++) ck_assert_mem_eq(scene.out + i * SIZE, first + scene.order[i] * SIZE, SIZE * sizeof *first);
  for (size_t other = 0; other < 2; other++) {
    fetch(&scene, other == 0 ? 8 : 7, other == 1 ? 6 : 5, NULL);
    size_t same = 0;
    for (size_t i = 0; i < ROWS; i++) same += memcmp(scene.out + i * SIZE, first + scene.order[i] * SIZE, SIZE * sizeof *first) == 0;
    ck_assert_uint_eq(same, 0);
  }
  free(first);
  scene_deinit(&scene);
}
END_TEST

/* ---- what is refused ---- */

static void check_refused(const char *input, const char *layers, enum task task, struct augmentation settings, const char *pointer,
                          const char *words) {
  struct network_spec spec;
  struct network *network;
  struct train_settings train;
  struct error error = {0};
  network_spec_parse(&spec, input, layers);
  ck_assert_int_eq(network_create(&spec, &network, &error), ERROR_NONE);
  ck_assert_int_eq(settings_init(&train, train_params, train_param_count, &error), ERROR_NONE);
  train.augmentation = settings;
  const enum error_code code = train_settings_resolve(&train, network, task, &error);
  if (pointer == NULL) {
    ck_assert_int_eq(code, ERROR_NONE);
  } else {
    ck_assert_int_ne(code, ERROR_NONE);
    ck_assert_uint_eq(error.item_count, 1);
    ck_assert_str_eq(error.items[0].pointer, pointer);
    ck_assert_msg(strstr(error.items[0].detail, words) != NULL, "%s", error.items[0].detail);
  }
  settings_deinit(&train, train_params, train_param_count);
  network_destroy(network);
  network_spec_deinit(&spec);
}

START_TEST(what_does_not_fit_the_input_is_refused) {
  static const char image_layers[] = "conv2d filters=2 kernel_size=3; flatten; dense units=3 activation=softmax";
  static const char flat_layers[] = "dense units=3 activation=softmax";
  static const char token_layers[] = "embedding input_dim=9 output_dim=4; global_avg_pool; dense units=3 activation=softmax";
  static const char masked_layers[] = "masking; lstm units=4; dense units=3 activation=softmax";
  static const char step_layers[] = "lstm units=4 return_sequences=1; dense units=3 activation=softmax";
  const struct augmentation flip = {.is_given = true, .crop = 1, .horizontal_flip = true};
  const struct augmentation noise = {.is_given = true, .crop = 1, .noise = 0.1};
  const struct augmentation mixup = {.is_given = true, .crop = 1, .mixup = 0.2};
  check_refused("1x8x8", image_layers, TASK_CLASSIFICATION, flip, NULL, NULL);
  check_refused("1x8x8", image_layers, TASK_CLASSIFICATION, mixup, NULL, NULL);
  check_refused("64", flat_layers, TASK_CLASSIFICATION, noise, NULL, NULL);
  check_refused("64", flat_layers, TASK_CLASSIFICATION, flip, "/augmentation/horizontal_flip", "[channels, height, width], not [64]");
  check_refused("7", token_layers, TASK_CLASSIFICATION, noise, "/augmentation/noise", "tokens");
  check_refused("7", token_layers, TASK_CLASSIFICATION, mixup, "/augmentation/mixup", "tokens");
  check_refused("7x2", masked_layers, TASK_CLASSIFICATION, noise, "/augmentation/noise", "padding");
  check_refused("7x2", step_layers, TASK_CLASSIFICATION, noise, NULL, NULL);
  check_refused("7x2", step_layers, TASK_CLASSIFICATION, mixup, "/augmentation/mixup", "each step");
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *images = suite_add_case(suite, "images");
  tcase_add_test(images, nothing_asked_for_is_nothing_done);
  tcase_add_loop_test(images, every_second_image_is_mirrored, 0, 2);
  tcase_add_test(images, shifts_are_uniform);
  tcase_add_test(images, black_comes_into_images_of_bytes);
  tcase_add_test(images, angles_are_uniform_within_their_bounds);
  tcase_add_test(images, a_rotation_by_0_degrees_leaves_rows_as_they_are);
  tcase_add_loop_test(images, crops_keep_their_share_of_the_area, 0, 2);
  tcase_add_test(images, erasing_makes_rectangles_of_zeros);
  TCase *numbers = suite_add_case(suite, "numbers");
  tcase_add_test(numbers, noise_has_its_deviation);
  tcase_add_loop_test(numbers, shares_of_mixup_have_the_moments_of_beta, 0, 5);
  tcase_add_test(numbers, pairs_are_mixed_from_both_ends);
  TCase *all = suite_add_case(suite, "all");
  tcase_add_test(all, every_kind_has_its_name_row_and_own_numbers);
  tcase_add_test(all, a_row_depends_on_seed_epoch_and_row_alone);
  tcase_add_test(all, what_does_not_fit_the_input_is_refused);
}

int main(void) { return suite_main("augmentation", add_cases); }
