/* Images through maps: exact where whole pixels move, and elsewhere the numbers that PyTorch's affine_grid and grid_sample (bilinear,
 * align_corners=False, in float64) give for the same maps. */
#include "engine/affine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

enum { CHANNELS = 2, HEIGHT = 4, WIDTH = 5, SIZE = CHANNELS * HEIGHT * WIDTH };
static const struct shape image = {.rank = 3, .sizes = {CHANNELS, HEIGHT, WIDTH}};
static const float black[CHANNELS] = {0, 0};
static const float pixels[SIZE] = {0, 10, 1, 6, 3, 3, 6, 1, 10, 0,  4, 0, 10, 1, 6, 3, 3, 6, 1, 10,
                                   0, 6,  9, 9, 6, 0, 4, 5, 3,  11, 3, 5, 4,  0, 6, 9, 9, 6, 0, 4};

static void look(const struct affine *map, const float *background, float out[SIZE]) {
  float *scratch = malloc(affine_measure_scratch(&image) * sizeof *scratch);
  ck_assert_ptr_nonnull(scratch);
  memcpy(out, pixels, sizeof pixels);
  affine_apply(map, &image, background, scratch, out);
  free(scratch);
}

static struct affine turn(double degrees) {
  const double angle = degrees * 3.14159265358979323846 / 180;
  return (struct affine){.xx = cos(angle), .xy = -sin(angle), .yx = sin(angle), .yy = cos(angle)};
}

static void check(const struct affine *map, const float *background, const float expected[SIZE]) {
  float out[SIZE];
  look(map, background, out);
  for (size_t i = 0; i < SIZE; i++)
    ck_assert_msg(fabsf(out[i] - expected[i]) < 1e-5f, "pixel %zu is %g, not %g", i, (double)out[i], (double)expected[i]);
}

START_TEST(the_identity_leaves_an_image_as_it_is) {
  const struct affine none = turn(0);
  ck_assert(affine_is_identity(&none));
  check(&none, black, pixels);
  /* Between pixels, too: a map that is a hair's breadth off the identity. */
  struct affine nearly = affine_identity;
  nearly.x = 1e-9;
  ck_assert(!affine_is_exact(&nearly));
  check(&nearly, black, pixels);
}
END_TEST

START_TEST(an_image_mirrored_twice_is_itself) {
  const struct affine mirrors[] = {{.xx = -1, .yy = 1}, {.xx = 1, .yy = -1}};
  struct affine map = affine_identity;
  float once[SIZE];
  affine_join(&map, &mirrors[_i]);
  ck_assert(affine_is_exact(&map) && !affine_is_identity(&map));
  look(&map, black, once);
  for (size_t c = 0; c < CHANNELS; c++)
    for (size_t y = 0; y < HEIGHT; y++)
      for (size_t x = 0; x < WIDTH; x++) {
        const size_t from_y = _i == 0 ? y : HEIGHT - 1 - y, from_x = _i == 0 ? WIDTH - 1 - x : x;
        ck_assert_float_eq(once[(c * HEIGHT + y) * WIDTH + x], pixels[(c * HEIGHT + from_y) * WIDTH + from_x]);
      }
  affine_join(&map, &mirrors[_i]);
  ck_assert(affine_is_identity(&map));
}
END_TEST

/* Every shift, mirrored or not, also beyond the image. */
START_TEST(whole_pixels_move_and_background_comes_in) {
  static const float background[CHANNELS] = {-1, 7};
  for (int dx = -7; dx <= 7; dx++)
    for (int dy = -6; dy <= 6; dy++)
      for (int mirror = 0; mirror < 4; mirror++) {
        const struct affine map = {.xx = mirror & 1 ? -1 : 1, .yy = mirror & 2 ? -1 : 1, .x = dx, .y = dy};
        float out[SIZE];
        look(&map, background, out);
        for (int c = 0; c < CHANNELS; c++)
          for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
              const int from_x = (mirror & 1 ? WIDTH - 1 - x : x) + dx, from_y = (mirror & 2 ? HEIGHT - 1 - y : y) + dy;
              const bool is_inside = from_x >= 0 && from_x < WIDTH && from_y >= 0 && from_y < HEIGHT;
              const float expected = is_inside ? pixels[(c * HEIGHT + from_y) * WIDTH + from_x] : background[c];
              ck_assert_float_eq(out[(c * HEIGHT + y) * WIDTH + x], expected);
            }
      }
}
END_TEST

/* The two ways agree: a shift as the exact way does it, and through the bilinear one. */
START_TEST(bilinear_shifts_are_those_of_whole_pixels) {
  for (int dx = -7; dx <= 7; dx++) {
    const struct affine exact = {.xx = 1, .yy = 1, .x = dx, .y = 1}, bilinear = {.xx = 1, .yy = 1, .x = dx + 1e-9, .y = 1};
    float expected[SIZE];
    look(&exact, black, expected);
    check(&bilinear, black, expected);
  }
}
END_TEST

START_TEST(an_image_turned_by_30_degrees) {
  static const float expected[SIZE] = {1.977155f, 1.432926f, 5.352886f, 3.933099f, 0.624528f, 5.137582f, 5.147114f, 3.551443f,
                                       4.723634f, 6.173394f, 2.861302f, 3.405531f, 7.148317f, 3.790708f, 5.209292f, 1.967709f,
                                       2.624356f, 3.498798f, 3.799124f, 0.218997f, 1.216593f, 6.064669f, 7.894710f, 7.696066f,
                                       5.177001f, 3.038303f, 5.582532f, 4.399519f, 2.095671f, 5.760735f, 0.074202f, 4.069392f,
                                       4.283494f, 1.868430f, 1.992786f, 1.241583f, 5.332532f, 7.546633f, 3.717795f, 0.021643f};
  const struct affine map = turn(30);
  check(&map, black, expected);
}
END_TEST

START_TEST(an_image_turned_by_minus_75_degrees_on_backgrounds) {
  static const float background[CHANNELS] = {2, -1};
  static const float expected[SIZE] = {2.956377f, 2.843975f, 4.333916f, 7.709966f,  3.328034f, 2.697558f, 2.983467f, 4.065407f,
                                       2.654482f, 1.637328f, 3.709315f, 6.135127f,  5.539686f, 6.677551f, 4.788974f, 1.881927f,
                                       2.599744f, 3.497793f, 2.997042f, 3.052416f,  8.563769f, 4.005347f, 2.416562f, 4.623332f,
                                       0.296547f, 5.975579f, 5.914058f, 4.504410f,  6.890316f, 3.387388f, 2.116812f, 4.027214f,
                                       2.796702f, 5.361745f, 5.974321f, -0.745864f, 0.815720f, 3.128993f, 8.522989f, 5.790677f};
  const struct affine map = turn(-75);
  check(&map, background, expected);
}
END_TEST

static const struct affine part = {.xx = 0.8, .yy = 0.6, .x = 0.3, .y = -0.7};

START_TEST(a_part_of_an_image_made_as_large_as_it_was) {
  static const float expected[SIZE] = {6.300000f, 4.950000f, 2.250000f, 5.130000f, 2.970000f, 6.050000f, 4.500000f, 3.100000f,
                                       7.350000f, 2.150000f, 4.710000f, 3.650000f, 4.060000f, 8.250000f, 1.450000f, 2.370000f,
                                       4.550000f, 6.220000f, 3.750000f, 4.150000f, 3.780000f, 6.750000f, 8.100000f, 7.830000f,
                                       5.670000f, 3.500000f, 6.000000f, 6.700000f, 6.250000f, 8.250000f, 2.960000f, 4.500000f,
                                       4.240000f, 3.480000f, 9.720000f, 3.920000f, 4.500000f, 3.280000f, 1.560000f, 6.840000f};
  check(&part, black, expected);
}
END_TEST

START_TEST(maps_are_joined_in_their_order) {
  static const float background[CHANNELS] = {1, 0};
  static const float expected[SIZE] = {1.994947f, 1.799139f, 1.000000f, 1.000000f, 1.000000f, 4.418206f, 2.449426f, 1.120364f,
                                       1.000000f, 1.000000f, 6.880220f, 1.787534f, 0.671348f, 1.000000f, 1.000000f, 9.336635f,
                                       3.494346f, 2.248485f, 1.000000f, 1.000000f, 2.179801f, 2.397416f, 0.000000f, 0.000000f,
                                       0.000000f, 6.858321f, 6.044218f, 1.242949f, 0.000000f, 0.000000f, 6.684024f, 8.965747f,
                                       3.906622f, 0.000000f, 0.000000f, 3.209545f, 7.324428f, 4.704686f, 0.000000f, 0.000000f};
  struct affine map = affine_identity;
  const struct affine first = turn(20), second = {.xx = 1, .yy = 1, .x = 2, .y = -1};
  affine_join(&map, &first);
  affine_join(&map, &second);
  affine_join(&map, &part);
  check(&map, background, expected);
}
END_TEST

/* Longer lines than one chunk, and maps that look far away from the image. */
START_TEST(no_map_reads_outside_the_image) {
  const struct shape wide = {.rank = 3, .sizes = {1, 3, 150}};
  float *scratch = malloc(affine_measure_scratch(&wide) * sizeof *scratch), x[3 * 150];
  const float background = 5;
  for (int i = 0; i < 40; i++) {
    for (size_t k = 0; k < 450; k++) x[k] = 1;
    struct affine map = turn(9.0 * i);
    map.x = i * 1000.25 - 20000;
    map.y = 1e12 * (i % 3 - 1);
    affine_apply(&map, &wide, &background, scratch, x);
    for (size_t k = 0; k < 450; k++) ck_assert(x[k] >= 1 && x[k] <= 5);
    if (i % 3 != 1)
      for (size_t k = 0; k < 450; k++) ck_assert_float_eq(x[k], 5);
  }
  for (size_t k = 0; k < 450; k++) x[k] = (float)k;
  const struct affine nearly = {.xx = 1, .yy = 1, .x = 1e-9};
  affine_apply(&nearly, &wide, &background, scratch, x);
  for (size_t k = 0; k < 450; k++) ck_assert(fabsf(x[k] - (float)k) < 1e-3f);
  free(scratch);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *exact = suite_add_case(suite, "whole pixels");
  tcase_add_test(exact, the_identity_leaves_an_image_as_it_is);
  tcase_add_loop_test(exact, an_image_mirrored_twice_is_itself, 0, 2);
  tcase_add_test(exact, whole_pixels_move_and_background_comes_in);
  TCase *between = suite_add_case(suite, "between pixels");
  tcase_add_test(between, bilinear_shifts_are_those_of_whole_pixels);
  tcase_add_test(between, an_image_turned_by_30_degrees);
  tcase_add_test(between, an_image_turned_by_minus_75_degrees_on_backgrounds);
  tcase_add_test(between, a_part_of_an_image_made_as_large_as_it_was);
  tcase_add_test(between, maps_are_joined_in_their_order);
  tcase_add_test(between, no_map_reads_outside_the_image);
}

int main(void) { return suite_main("affine", add_cases); }
