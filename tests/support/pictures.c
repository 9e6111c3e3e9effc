#include "tests/support/pictures.h"

#include <check.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct bytes {
  char *bytes;
  size_t count;
};

static void append(png_structp png, png_bytep bytes, size_t count) {
  struct bytes *to = png_get_io_ptr(png);
  to->bytes = realloc(to->bytes, to->count + count + 1);
  ck_assert_ptr_nonnull(to->bytes);
  memcpy(to->bytes + to->count, bytes, count);
  to->count += count;
}

static void refuse(png_structp png, const char *message) {
  (void)png;
  ck_abort_msg("libpng refused a picture: %s", message);
}

static void set_palette(png_structp png, png_infop info, size_t colors) {
  png_color palette[256];
  for (size_t i = 0; i < colors; i++) palette[i] = (png_color){(png_byte)i, (png_byte)i, (png_byte)(2 * i)};
  png_set_PLTE(png, info, palette, (int)colors);
}

char *picture_make_png(const struct picture *picture, const struct png_form *form, size_t *out_bytes) {
  static const int types[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
  static const struct png_form plain;
  if (form == NULL) form = &plain;
  struct bytes to = {0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, refuse, NULL);
  png_infop info = png_create_info_struct(png);
  ck_assert_ptr_nonnull(info);
  png_set_write_fn(png, &to, append, NULL);
  const int type = form->palette_colors != 0 ? PNG_COLOR_TYPE_PALETTE : types[picture->components];
  const int bits = form->is_16_bit ? 16 : form->bits != 0 ? form->bits : 8;
  png_set_IHDR(png, info, (png_uint_32)picture->width, (png_uint_32)picture->height, bits, type,
               form->is_interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (form->palette_colors != 0) set_palette(png, info, form->palette_colors);
  png_write_info(png, info);
  if (bits < 8) png_set_packing(png);
  const size_t row_values = picture->width * picture->components;
  uint8_t *row = malloc(2 * row_values);
  ck_assert_ptr_nonnull(row);
  for (int pass = form->is_interlaced ? png_set_interlace_handling(png) : 1; pass > 0; pass--) {
    for (size_t y = 0; y < picture->height; y++) {
      for (size_t i = 0; i < row_values; i++) {
        const uint8_t value = picture->pixels[y * row_values + i];
        row[form->is_16_bit ? 2 * i : i] = value;
        if (form->is_16_bit) row[2 * i + 1] = value;
      }
      png_write_row(png, row);
    }
  }
  free(row);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  *out_bytes = to.count;
  return to.bytes;
}

static void write_orientation(struct jpeg_compress_struct *jpeg, int orientation) {
  uint8_t exif[] = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (uint8_t)orientation,
                    0,   0,   0,   0,   0, 0};
  jpeg_write_marker(jpeg, JPEG_APP0 + 1, exif, sizeof exif);
}

char *picture_make_jpeg(const struct picture *picture, const struct jpeg_form *form, size_t *out_bytes) {
  static const J_COLOR_SPACE spaces[] = {JCS_UNKNOWN, JCS_GRAYSCALE, JCS_UNKNOWN, JCS_RGB, JCS_CMYK};
  static const struct jpeg_form plain;
  if (form == NULL) form = &plain;
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors; /* exits: a test that makes a wrong file is wrong */
  unsigned char *bytes = NULL;
  unsigned long count = 0;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &bytes, &count);
  jpeg.image_width = (JDIMENSION)picture->width;
  jpeg.image_height = (JDIMENSION)picture->height;
  jpeg.input_components = (int)picture->components;
  jpeg.in_color_space = spaces[picture->components];
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 100, TRUE);
  jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
  if (form->is_plain_cmyk) jpeg.write_Adobe_marker = FALSE;
  if (form->is_progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  if (form->orientation != 0) write_orientation(&jpeg, form->orientation);
  const size_t row_bytes = picture->width * picture->components;
  for (size_t y = 0; y < picture->height; y++) {
    JSAMPROW rows[1] = {(uint8_t *)(size_t)(picture->pixels + y * row_bytes)};
    (void)jpeg_write_scanlines(&jpeg, rows, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  *out_bytes = count;
  return (char *)bytes;
}
