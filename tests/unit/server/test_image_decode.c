/* server/data/image_decode.h, image_encode.h: every form of PNG and JPEG comes out as the bytes that were put in, sizes and channels as
 * wanted; broken and huge ones are refused. */
#include "server/data/image_decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/image_encode.h"
#include "tests/support/allocations.h"
#include "tests/support/pictures.h"
#include "tests/support/suite.h"

enum { VALUES_MAX = 4096 };

/* pixels[height, width, components]: smooth, so that JPEG keeps it. */
static void fill_smooth(uint8_t *pixels, size_t width, size_t height, size_t components) {
  for (size_t y = 0; y < height; y++)
    for (size_t x = 0; x < width; x++)
      for (size_t c = 0; c < components; c++)
        pixels[(y * width + x) * components + c] = (uint8_t)(40 + 150 * x / width + 50 * y / height * (c + 1) / components);
}

static void decode(const char *bytes, size_t count, size_t channels, size_t height, size_t width, uint8_t *out) {
  struct error error = {0};
  memset(out, 0xAA, VALUES_MAX);
  ck_assert_msg(image_decode(bytes, count, &(struct image_shape){channels, height, width}, out, &error) == ERROR_NONE, "%s", error.detail);
}

static void decode_png(const struct picture *picture, const struct png_form *form, size_t channels, size_t height, size_t width,
                       uint8_t *out) {
  size_t count;
  char *bytes = picture_make_png(picture, form, &count);
  decode(bytes, count, channels, height, width, out);
  free(bytes);
}

static void check_planes(const struct picture *picture, size_t channels, const uint8_t *planes) {
  const size_t pixels = picture->width * picture->height;
  for (size_t i = 0; i < pixels; i++)
    for (size_t c = 0; c < channels; c++) ck_assert_int_eq(planes[c * pixels + i], picture->pixels[i * picture->components + c]);
}

START_TEST(png_forms_keep_their_values) {
  uint8_t pixels[VALUES_MAX], planes[VALUES_MAX];
  static const size_t components[] = {1, 3, 4};
  for (size_t i = 0; i < 3; i++) {
    const struct picture picture = {13, 7, components[i], pixels};
    fill_smooth(pixels, 13, 7, components[i]);
    for (int form = 0; form < 4; form++) {
      decode_png(&picture, &(struct png_form){.is_16_bit = form % 2 == 1, .is_interlaced = form >= 2}, components[i], 7, 13, planes);
      check_planes(&picture, components[i], planes);
    }
  }
}
END_TEST

START_TEST(palettes_and_few_bits_become_colours_and_greys) {
  static const uint8_t indices[] = {0, 1, 2, 3, 100, 127};
  uint8_t planes[VALUES_MAX];
  const struct picture picture = {3, 2, 1, indices};
  decode_png(&picture, &(struct png_form){.palette_colors = 128}, 3, 2, 3, planes);
  for (size_t i = 0; i < 6; i++) {
    ck_assert_int_eq(planes[i], indices[i]);
    ck_assert_int_eq(planes[6 + i], indices[i]);
    ck_assert_int_eq(planes[12 + i], 2 * indices[i]);
  }
  static const uint8_t bits[] = {0, 1, 1, 0};
  decode_png(&(struct picture){2, 2, 1, bits}, &(struct png_form){.bits = 1}, 1, 2, 2, planes);
  for (size_t i = 0; i < 4; i++) ck_assert_int_eq(planes[i], 255 * bits[i]);
}
END_TEST

START_TEST(channels_are_brought_to_those_wanted) {
  static const uint8_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30};
  uint8_t planes[VALUES_MAX];
  decode_png(&(struct picture){4, 1, 3, rgb}, NULL, 1, 1, 4, planes);
  static const uint8_t lumas[] = {76, 150, 29, 18}; /* 0.299 R + 0.587 G + 0.114 B */
  ck_assert_mem_eq(planes, lumas, 4);
  decode_png(&(struct picture){4, 1, 3, rgb}, NULL, 4, 1, 4, planes);
  for (size_t i = 0; i < 4; i++) ck_assert_int_eq(planes[12 + i], 255);
  static const uint8_t grey[] = {7, 200};
  decode_png(&(struct picture){2, 1, 1, grey}, NULL, 3, 1, 2, planes);
  for (size_t c = 0; c < 3; c++) ck_assert_mem_eq(planes + 2 * c, grey, 2);
  /* Transparent: on white. */
  static const uint8_t clear[] = {0, 0, 0, 0, 0, 0, 0, 255, 100, 50, 0, 128};
  decode_png(&(struct picture){3, 1, 4, clear}, NULL, 3, 1, 3, planes);
  static const uint8_t on_white[] = {255, 0, 177, 255, 0, 152, 255, 0, 127};
  ck_assert_mem_eq(planes, on_white, 9);
  static const uint8_t ink[] = {0, 0, 0, 255};
  decode_png(&(struct picture){2, 1, 2, ink}, NULL, 1, 1, 2, planes);
  ck_assert_int_eq(planes[0], 255);
  ck_assert_int_eq(planes[1], 0);
}
END_TEST

START_TEST(sizes_shrink_by_area_and_grow_linearly) {
  uint8_t planes[VALUES_MAX];
  static const uint8_t four[] = {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150};
  decode_png(&(struct picture){4, 4, 1, four}, NULL, 1, 2, 2, planes);
  static const uint8_t halved[] = {25, 45, 105, 125};
  ck_assert_mem_eq(planes, halved, 4);
  decode_png(&(struct picture){4, 4, 1, four}, NULL, 1, 1, 1, planes);
  ck_assert_int_eq(planes[0], 75);
  /* Three to two: the middle pixel is shared. (60 + 0.5 · 90) / 1.5 and (0.5 · 90 + 240) / 1.5 */
  static const uint8_t three[] = {60, 90, 240};
  decode_png(&(struct picture){3, 1, 1, three}, NULL, 1, 1, 2, planes);
  ck_assert_int_eq(planes[0], 70);
  ck_assert_int_eq(planes[1], 190);
  /* Two to four: centres at −0.25, 0.25, 0.75, 1.25. */
  static const uint8_t two[] = {0, 200};
  decode_png(&(struct picture){2, 1, 1, two}, NULL, 1, 1, 4, planes);
  static const uint8_t grown[] = {0, 50, 150, 200};
  ck_assert_mem_eq(planes, grown, 4);
  /* One axis shrinks while the other grows, for every channel by itself. */
  static const uint8_t mixed[] = {0, 0, 100, 200, 100, 0, 0, 50}; /* 2 × 1 of 4 components */
  decode_png(&(struct picture){2, 1, 4, mixed}, NULL, 4, 2, 1, planes);
  static const uint8_t expected[] = {50, 50, 0, 0, 50, 50, 125, 125};
  ck_assert_mem_eq(planes, expected, 8);
}
END_TEST

/* Every size to every size: values stay within those of the input, a flat image stays flat. */
START_TEST(any_size_becomes_any_size) {
  uint8_t flat[1 + 17 * 13], planes[VALUES_MAX];
  memset(flat, 137, sizeof flat);
  for (size_t from = 1; from <= 17; from++)
    for (size_t to = 1; to <= 40; to += 3) {
      decode_png(&(struct picture){from, 13, 1, flat}, NULL, 1, to, 41 - to, planes);
      for (size_t i = 0; i < to * (41 - to); i++) ck_assert_int_eq(planes[i], 137);
    }
}
END_TEST

static void check_near(const uint8_t *found, const uint8_t *expected, size_t count, int tolerance) {
  for (size_t i = 0; i < count; i++)
    ck_assert_msg(abs(found[i] - expected[i]) <= tolerance, "value %zu is %d, not %d", i, found[i], expected[i]);
}

START_TEST(jpeg_forms_keep_their_values_nearly) {
  uint8_t pixels[VALUES_MAX], planes[VALUES_MAX], expected[VALUES_MAX];
  static const size_t components[] = {1, 3};
  for (size_t i = 0; i < 2; i++)
    for (int form = 0; form < 2; form++) {
      const size_t n = components[i];
      fill_smooth(pixels, 16, 16, n);
      for (size_t p = 0; p < 256; p++)
        for (size_t c = 0; c < n; c++) expected[c * 256 + p] = pixels[p * n + c];
      size_t count;
      char *bytes = picture_make_jpeg(&(struct picture){16, 16, n, pixels}, &(struct jpeg_form){.is_progressive = form == 1}, &count);
      decode(bytes, count, n, 16, 16, planes);
      check_near(planes, expected, n * 256, 4);
      struct image_info info;
      struct error error = {0};
      ck_assert_int_eq(image_read_info(bytes, count, &info, &error), ERROR_NONE);
      ck_assert_int_eq(info.format, IMAGE_JPEG);
      ck_assert_uint_eq(info.width, 16);
      ck_assert_int_eq(info.has_color, n == 3);
      free(bytes);
    }
}
END_TEST

START_TEST(jpeg_colours_come_out_whatever_they_are_stored_as) {
  uint8_t pixels[VALUES_MAX], planes[VALUES_MAX];
  /* Ink of 0, 64, 128 and 32 of 255: R = 255 · (1 − 0) · (1 − 32/255), … */
  static const uint8_t ink[] = {0, 64, 128, 32}, light[] = {223, 167, 111};
  for (int is_plain = 0; is_plain < 2; is_plain++) {
    for (size_t i = 0; i < 4 * 64; i++) pixels[i] = (uint8_t)(is_plain ? ink[i % 4] : 255 - ink[i % 4]);
    size_t count;
    char *bytes = picture_make_jpeg(&(struct picture){8, 8, 4, pixels}, &(struct jpeg_form){.is_plain_cmyk = is_plain == 1}, &count);
    decode(bytes, count, 3, 8, 8, planes);
    for (size_t c = 0; c < 3; c++) ck_assert_int_le(abs(planes[64 * c] - light[c]), 3);
    free(bytes);
  }
  for (size_t i = 0; i < 3 * 64; i++) pixels[i] = i % 3 == 1 ? 200 : 50;
  size_t count;
  char *bytes = picture_make_jpeg(&(struct picture){8, 8, 3, pixels}, NULL, &count);
  decode(bytes, count, 1, 8, 8, planes);
  ck_assert_int_le(abs(planes[9] - 138), 2); /* 0.299 · 50 + 0.587 · 200 + 0.114 · 50 */
  decode(bytes, count, 4, 1, 1, planes);
  ck_assert_int_eq(planes[3], 255);
  free(bytes);
}
END_TEST

START_TEST(large_jpegs_are_reduced_to_the_same_means) {
  enum { SIDE = 256 };
  uint8_t *pixels = malloc(SIDE * SIDE), planes[VALUES_MAX];
  ck_assert_ptr_nonnull(pixels);
  fill_smooth(pixels, SIDE, SIDE, 1);
  const struct picture picture = {SIDE, SIDE, 1, pixels};
  size_t jpeg_count, png_count;
  char *jpeg = picture_make_jpeg(&picture, NULL, &jpeg_count), *png = picture_make_png(&picture, NULL, &png_count);
  uint8_t expected[VALUES_MAX];
  decode(png, png_count, 1, 13, 17, expected);
  decode(jpeg, jpeg_count, 1, 13, 17, planes);
  check_near(planes, expected, 13 * 17, 3);
  free(jpeg);
  free(png);
  free(pixels);
}
END_TEST

START_TEST(photos_are_turned_upright) {
  /* Quarters of 16 × 8: 40 90 / 140 190. What they become for each orientation, read in rows: */
  static const uint8_t quarters[] = {40, 90, 140, 190};
  static const uint8_t turned[][4] = {{0},
                                      {40, 90, 140, 190},
                                      {90, 40, 190, 140},
                                      {190, 140, 90, 40},
                                      {140, 190, 40, 90},
                                      {40, 140, 90, 190},
                                      {140, 40, 190, 90},
                                      {190, 90, 140, 40},
                                      {90, 190, 40, 140}};
  uint8_t pixels[128], planes[VALUES_MAX];
  for (size_t i = 0; i < 128; i++) pixels[i] = quarters[(i / 64) * 2 + (i % 16) / 8];
  for (int orientation = 1; orientation <= 8; orientation++) {
    size_t count;
    char *bytes = picture_make_jpeg(&(struct picture){16, 8, 1, pixels}, &(struct jpeg_form){.orientation = orientation}, &count);
    struct image_info info;
    struct error error = {0};
    ck_assert_int_eq(image_read_info(bytes, count, &info, &error), ERROR_NONE);
    ck_assert_uint_eq(info.width, orientation >= 5 ? 8 : 16);
    ck_assert_uint_eq(info.height, orientation >= 5 ? 16 : 8);
    decode(bytes, count, 1, 2, 2, planes);
    check_near(planes, turned[orientation], 4, 4);
    free(bytes);
  }
}
END_TEST

static void check_refused(const char *bytes, size_t count, enum error_code expected, const char *reason) {
  uint8_t planes[VALUES_MAX];
  struct error error = {0};
  const enum error_code code = image_decode(bytes, count, &(struct image_shape){3, 8, 8}, planes, &error);
  ck_assert_msg(code == expected, "%d: %s", code, error.detail);
  ck_assert_msg(strstr(error.detail, reason) != NULL, "%s", error.detail);
}

START_TEST(what_is_no_image_is_told_so) {
  check_refused("", 0, ERROR_MEDIA_TYPE, "no image");
  check_refused("hello, I am a text", 18, ERROR_MEDIA_TYPE, "no image");
  check_refused("GIF89a\1\0\1\0", 10, ERROR_MEDIA_TYPE, "GIF");
  check_refused("RIFF\0\0\0\0WEBPVP8 ", 16, ERROR_MEDIA_TYPE, "WebP");
  check_refused("\x89PNG\r\n\x1a\n", 8, ERROR_INVALID, "PNG");
  check_refused("\xFF\xD8\xFF\xD9", 4, ERROR_INVALID, "JPEG");
}
END_TEST

/* Cut off anywhere, and with any byte changed: a picture or an error, nothing lost, nothing printed. */
START_TEST(broken_files_are_refused) {
  uint8_t pixels[VALUES_MAX], planes[VALUES_MAX];
  fill_smooth(pixels, 16, 16, 3);
  const struct picture picture = {16, 16, 3, pixels};
  for (int form = 0; form < 4; form++) {
    size_t count;
    char *bytes = form < 2 ? picture_make_png(&picture, &(struct png_form){.is_interlaced = form == 1}, &count)
                           : picture_make_jpeg(&picture, &(struct jpeg_form){.is_progressive = form == 3}, &count);
    const size_t live = allocations_live();
    for (size_t kept = 0; kept < count; kept++) {
      struct error error = {0};
      char *copy = malloc(kept + 1); /* so that the sanitizer sees its end */
      ck_assert_ptr_nonnull(copy);
      memcpy(copy, bytes, kept);
      enum error_code code = image_decode(copy, kept, &(struct image_shape){3, 8, 8}, planes, &error);
      ck_assert_msg(code != ERROR_NONE, "form %d, %zu of %zu bytes", form, kept, count);
      memcpy(copy, bytes, kept);
      free(copy);
      bytes[kept] = (char)(bytes[kept] ^ 0x55);
      error_clear(&error);
      code = image_decode(bytes, count, &(struct image_shape){3, 8, 8}, planes, &error);
      ck_assert(code == ERROR_NONE || error.detail[0] != '\0');
      bytes[kept] = (char)(bytes[kept] ^ 0x55);
    }
    ck_assert_uint_eq(allocations_live(), live);
    free(bytes);
  }
}
END_TEST

START_TEST(huge_images_are_refused_before_they_are_decoded) {
  uint8_t pixels[VALUES_MAX];
  fill_smooth(pixels, 16, 16, 1);
  const struct picture picture = {16, 16, 1, pixels};
  size_t count;
  char *png = picture_make_png(&picture, NULL, &count);
  memcpy(png + 16, "\0\1\0\0\0\1\0\0", 8); /* IHDR: 65536 × 65536; its checksum after it */
  memcpy(png + 29, "\x49\xef\x6f\x3f", 4);
  allocations_reset_peak();
  const size_t before = allocations_live_bytes();
  struct error error = {0};
  uint8_t planes[VALUES_MAX];
  enum error_code code = image_decode(png, count, &(struct image_shape){1, 8, 8}, planes, &error);
  ck_assert_msg(code == ERROR_TOO_LARGE, "%d %s", code, error.detail);
  ck_assert_uint_lt(allocations_peak_bytes() - before, 1 << 20);
  free(png);
  char *jpeg = picture_make_jpeg(&picture, NULL, &count);
  char *frame = memmem(jpeg, count, "\xFF\xC0", 2);
  ck_assert_ptr_nonnull(frame);
  memcpy(frame + 5, "\xF0\0\xF0\0", 4);
  check_refused(jpeg, count, ERROR_TOO_LARGE, "61440 × 61440");
  free(jpeg);
}
END_TEST

START_TEST(what_is_encoded_is_decoded_to_the_same) {
  uint8_t planes[VALUES_MAX], back[VALUES_MAX];
  for (size_t i = 0; i < VALUES_MAX; i++) planes[i] = (uint8_t)(i * 7);
  static const size_t channels[] = {1, 3, 4};
  for (size_t i = 0; i < 3; i++) {
    const struct image_shape shape = {channels[i], 9, 5};
    char *png;
    size_t count;
    struct error error = {0};
    ck_assert_int_eq(image_encode_png(&shape, planes, 9, 5, &png, &count, &error), ERROR_NONE);
    decode(png, count, channels[i], 9, 5, back);
    ck_assert_mem_eq(back, planes, channels[i] * 45);
    free(png);
    ck_assert_int_eq(image_encode_png(&shape, planes, 18, 20, &png, &count, &error), ERROR_NONE);
    struct image_info info;
    ck_assert_int_eq(image_read_info(png, count, &info, &error), ERROR_NONE);
    ck_assert_uint_eq(info.width, 20);
    ck_assert_uint_eq(info.height, 18);
    ck_assert_int_eq(info.has_color, channels[i] > 1);
    free(png);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *right = suite_add_case(suite, "right");
  tcase_add_test(right, png_forms_keep_their_values);
  tcase_add_test(right, palettes_and_few_bits_become_colours_and_greys);
  tcase_add_test(right, channels_are_brought_to_those_wanted);
  tcase_add_test(right, sizes_shrink_by_area_and_grow_linearly);
  tcase_add_test(right, any_size_becomes_any_size);
  tcase_add_test(right, jpeg_forms_keep_their_values_nearly);
  tcase_add_test(right, jpeg_colours_come_out_whatever_they_are_stored_as);
  tcase_add_test(right, large_jpegs_are_reduced_to_the_same_means);
  tcase_add_test(right, photos_are_turned_upright);
  tcase_add_test(right, what_is_encoded_is_decoded_to_the_same);
  TCase *wrong = suite_add_case(suite, "wrong");
  tcase_add_test(wrong, what_is_no_image_is_told_so);
  tcase_add_test(wrong, broken_files_are_refused);
  tcase_add_test(wrong, huge_images_are_refused_before_they_are_decoded);
}

int main(void) { return suite_main("image_decode", add_cases); }
