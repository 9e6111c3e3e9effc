/* PNG, by libpng. Its errors come back by longjmp: nothing of ours is allocated between setjmp and there, and everything that lives on
 * stands in struct decoding. Values are taken as they are stored: gammas and colour profiles are left aside, as programs that learn from
 * images do. (libpng's simplified API is not used: 1.6.39 as in Debian 12 mixes up the rows of interlaced images of 16 bits.) */
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/image_private.h"

enum { CHUNK_BYTES_MAX = 8 << 20, CHUNKS_MAX = 1000, SIDE_MAX = 1000000 };

struct decoding {
  png_structp png;
  png_infop info;
  const uint8_t *bytes;
  size_t left; /* bytes */
  jmp_buf place;
  struct error *error;
  struct image_sink *sink;
  size_t row_bytes, height;
  uint8_t *rows; /* [height of an interlaced image, else 1][row_bytes] */
};

static void leave(png_structp png, png_const_charp message) {
  struct decoding *decoding = png_get_error_ptr(png);
  error_set(decoding->error, ERROR_INVALID, "is a PNG that is broken: %s", message);
  longjmp(decoding->place, 1);
}

static void say_nothing(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void hand_bytes(png_structp png, png_bytep to, size_t count) {
  struct decoding *decoding = png_get_io_ptr(png);
  if (count > decoding->left) png_error(png, "it ends too early");
  memcpy(to, decoding->bytes, count);
  decoding->bytes += count;
  decoding->left -= count;
}

static enum error_code decoding_init(struct decoding *decoding, const void *bytes, size_t byte_count, struct error *error) {
  *decoding = (struct decoding){.bytes = bytes, .left = byte_count, .error = error};
  decoding->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoding, leave, say_nothing);
  if (decoding->png != NULL) decoding->info = png_create_info_struct(decoding->png);
  return decoding->info != NULL ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "no memory to decode an image");
}

static void decoding_deinit(struct decoding *decoding) {
  png_destroy_read_struct(&decoding->png, &decoding->info, NULL);
  free(decoding->rows);
}

static enum error_code read_header(struct decoding *decoding) {
  if (setjmp(decoding->place) != 0) return decoding->error->code;
  png_set_read_fn(decoding->png, decoding, hand_bytes);
  png_set_user_limits(decoding->png, SIDE_MAX, SIDE_MAX);
  png_set_chunk_malloc_max(decoding->png, CHUNK_BYTES_MAX);
  png_set_chunk_cache_max(decoding->png, CHUNKS_MAX);
  png_read_info(decoding->png, decoding->info);
  return ERROR_NONE;
}

enum error_code image_png_read_info(const void *bytes, size_t byte_count, struct image_info *out_info, struct error *error) {
  struct decoding decoding;
  enum error_code code = decoding_init(&decoding, bytes, byte_count, error);
  if (code == ERROR_NONE) code = read_header(&decoding);
  if (code == ERROR_NONE)
    *out_info =
        (struct image_info){IMAGE_PNG, png_get_image_width(decoding.png, decoding.info), png_get_image_height(decoding.png, decoding.info),
                            (png_get_color_type(decoding.png, decoding.info) & PNG_COLOR_MASK_COLOR) != 0};
  decoding_deinit(&decoding);
  return code;
}

/* Whatever it has → grey or RGB, with opacity or without, 8 bits each. */
static enum error_code choose_output(struct decoding *decoding) {
  if (setjmp(decoding->place) != 0) return decoding->error->code;
  png_set_expand(decoding->png);
  png_set_scale_16(decoding->png);
  (void)png_set_interlace_handling(decoding->png);
  png_read_update_info(decoding->png, decoding->info);
  decoding->row_bytes = png_get_rowbytes(decoding->png, decoding->info);
  return ERROR_NONE;
}

static enum error_code prepare(struct decoding *decoding) {
  png_structp png = decoding->png;
  decoding->height = png_get_image_height(png, decoding->info);
  const bool is_interlaced = png_get_interlace_type(png, decoding->info) != PNG_INTERLACE_NONE;
  decoding->rows = calloc(is_interlaced ? decoding->height : 1, decoding->row_bytes);
  if (decoding->rows == NULL) return error_set(decoding->error, ERROR_OUT_OF_MEMORY, "no memory to decode an image");
  return image_sink_begin(decoding->sink, png_get_image_width(png, decoding->info), decoding->height, png_get_channels(png, decoding->info),
                          decoding->error);
}

/* Each pass fills in what the ones before left out. */
static void read_interlaced(struct decoding *decoding) {
  for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
    for (size_t y = 0; y < decoding->height; y++) png_read_row(decoding->png, decoding->rows + y * decoding->row_bytes, NULL);
  for (size_t y = 0; y < decoding->height; y++) image_sink_take_row(decoding->sink, decoding->rows + y * decoding->row_bytes);
}

static enum error_code read_rows(struct decoding *decoding) {
  if (setjmp(decoding->place) != 0) return decoding->error->code;
  if (png_get_interlace_type(decoding->png, decoding->info) != PNG_INTERLACE_NONE) {
    read_interlaced(decoding);
  } else {
    for (size_t y = 0; y < decoding->height; y++) {
      png_read_row(decoding->png, decoding->rows, NULL);
      image_sink_take_row(decoding->sink, decoding->rows);
    }
  }
  png_read_end(decoding->png, NULL);
  return ERROR_NONE;
}

enum error_code image_png_decode(const void *bytes, size_t byte_count, struct image_sink *sink, struct error *error) {
  struct decoding decoding;
  enum error_code code = decoding_init(&decoding, bytes, byte_count, error);
  decoding.sink = sink;
  if (code == ERROR_NONE) code = read_header(&decoding);
  if (code == ERROR_NONE) code = choose_output(&decoding);
  if (code == ERROR_NONE) code = prepare(&decoding);
  if (code == ERROR_NONE) code = read_rows(&decoding);
  decoding_deinit(&decoding);
  return code;
}
