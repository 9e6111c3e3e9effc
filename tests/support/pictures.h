/* Small image files of every form, by libpng and libjpeg. Bytes are the caller's to free. */
#ifndef TESTS_SUPPORT_PICTURES_H
#define TESTS_SUPPORT_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct picture {
  size_t width, height;
  size_t components;     /* of pixels: 1 grey, 2 grey and opacity, 3 RGB, 4 RGB and opacity (PNG) or CMYK (JPEG) */
  const uint8_t *pixels; /* [height, width, components] */
};

struct png_form {
  bool is_16_bit, is_interlaced;
  size_t palette_colors; /* not 0: pixels are indices of grey-blue colours i → (i, i, 2i), of components 1 */
  int bits;              /* 0: 8; 1, 2, 4: pixels are values below 2^bits, of components 1 */
};

struct jpeg_form {
  bool is_progressive, is_plain_cmyk;
  int orientation; /* 0: no Exif */
};

char *picture_make_png(const struct picture *picture, const struct png_form *form, size_t *out_bytes);
/* Quality 100, colours not subsampled. */
char *picture_make_jpeg(const struct picture *picture, const struct jpeg_form *form, size_t *out_bytes);

#endif
