/* JPEG, by libjpeg. Its errors come back by longjmp: nothing of ours is allocated between setjmp and there, and everything that lives on
 * stands in struct decoding. What it only warns of, but fills with grey, is an error here. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

#include "server/data/image_private.h"

enum {
  LIBRARY_BYTES_MAX = 320 << 20, /* of a progressive image: its coefficients, and what else libjpeg holds */
  SCANS_MAX = 200,               /* each takes the time of a whole image */
  EXIF_MARKER = JPEG_APP0 + 1,
  EXIF_BYTES_MAX = 65533,
  CMYK_COMPONENTS = 4,
  REDUCTION_MAX = 8
};

struct decoding {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf place;
  struct error *error;
  struct image_sink *sink;
  uint8_t *row;
};

static void leave(j_common_ptr common) {
  struct decoding *decoding = common->client_data;
  char message[JMSG_LENGTH_MAX];
  decoding->errors.format_message(common, message);
  if (common->err->msg_code == JERR_OUT_OF_MEMORY || common->err->msg_code == JERR_NO_BACKING_STORE)
    error_set(decoding->error, ERROR_TOO_LARGE, "is a JPEG that takes too much memory to decode; save it smaller or not progressive");
  else
    error_set(decoding->error, ERROR_INVALID, "is a JPEG that is broken: %s", message);
  longjmp(decoding->place, 1);
}

/* level −1 is a warning; others are traces. */
static void hear_message(j_common_ptr common, int level) {
  switch (level < 0 ? common->err->msg_code : 0) {
  case JWRN_JPEG_EOF:
  case JWRN_HIT_MARKER:
  case JWRN_HUFF_BAD_CODE:
  case JWRN_ARITH_BAD_CODE:
  case JWRN_BOGUS_PROGRESSION: leave(common); break;
  default: break;
  }
}

static void say_nothing(j_common_ptr common) { (void)common; }

static void watch_scans(j_common_ptr common) {
  struct decoding *decoding = common->client_data;
  if (decoding->jpeg.input_scan_number <= SCANS_MAX) return;
  error_set(decoding->error, ERROR_TOO_LARGE, "is a JPEG of more than %d scans", SCANS_MAX);
  longjmp(decoding->place, 1);
}

/* Both from within setjmp. */
static void read_header(struct decoding *decoding, const void *bytes, size_t byte_count) {
  struct jpeg_decompress_struct *jpeg = &decoding->jpeg;
  jpeg_create_decompress(jpeg);
  jpeg->mem->max_memory_to_use = LIBRARY_BYTES_MAX;
  jpeg->progress = &decoding->progress;
  jpeg_save_markers(jpeg, EXIF_MARKER, EXIF_BYTES_MAX);
  jpeg_mem_src(jpeg, bytes, (unsigned long)byte_count);
  (void)jpeg_read_header(jpeg, TRUE);
}

static void decoding_init(struct decoding *decoding, struct error *error) {
  *decoding = (struct decoding){.error = error};
  decoding->jpeg.err = jpeg_std_error(&decoding->errors);
  decoding->jpeg.client_data = decoding;
  decoding->errors.error_exit = leave;
  decoding->errors.emit_message = hear_message;
  decoding->errors.output_message = say_nothing;
  decoding->progress.progress_monitor = watch_scans;
}

static enum error_code start_info(struct decoding *decoding, const void *bytes, size_t byte_count) {
  if (setjmp(decoding->place) != 0) return decoding->error->code;
  read_header(decoding, bytes, byte_count);
  return ERROR_NONE;
}

/* Of the first marker that tells one: XMP stands in markers of the same kind. */
static int find_orientation(const struct jpeg_decompress_struct *jpeg) {
  int orientation = 1;
  for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker != NULL && orientation == 1; marker = marker->next)
    orientation = image_read_orientation(marker->data, marker->data_length);
  return orientation;
}

enum error_code image_jpeg_read_info(const void *bytes, size_t byte_count, struct image_info *out_info, int *out_orientation,
                                     struct error *error) {
  struct decoding decoding;
  decoding_init(&decoding, error);
  enum error_code code = start_info(&decoding, bytes, byte_count);
  if (code == ERROR_NONE) {
    const struct jpeg_decompress_struct *jpeg = &decoding.jpeg;
    *out_info = (struct image_info){IMAGE_JPEG, jpeg->image_width, jpeg->image_height, jpeg->jpeg_color_space != JCS_GRAYSCALE};
    *out_orientation = find_orientation(jpeg);
  }
  jpeg_destroy_decompress(&decoding.jpeg);
  return code;
}

/* Colours of the output, and how much smaller it can be decoded. */
static void choose_output(struct decoding *decoding) {
  struct jpeg_decompress_struct *jpeg = &decoding->jpeg;
  const struct image_shape *shape = &decoding->sink->shape;
  if (jpeg->jpeg_color_space == JCS_GRAYSCALE || (jpeg->jpeg_color_space == JCS_YCbCr && shape->channels == 1)) {
    jpeg->out_color_space = JCS_GRAYSCALE; /* its Y is the luma that would be computed */
  } else if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK) {
    jpeg->out_color_space = JCS_CMYK;
  } else {
    jpeg->out_color_space = JCS_RGB;
  }
  jpeg->scale_num = 1;
  jpeg->scale_denom = REDUCTION_MAX;
  while (jpeg->scale_denom > 1 &&
         (jpeg->image_width / jpeg->scale_denom < 2 * shape->width || jpeg->image_height / jpeg->scale_denom < 2 * shape->height))
    jpeg->scale_denom /= 2;
}

/* In place. Adobe's programs store CMYK inverted, as amounts of light, and say so by their marker; they are all that make such files. */
static void convert_cmyk(uint8_t *row, size_t width, bool is_inverted) {
  for (size_t x = 0; x < width; x++) {
    unsigned cmyk[CMYK_COMPONENTS];
    for (size_t i = 0; i < CMYK_COMPONENTS; i++) cmyk[i] = is_inverted ? row[CMYK_COMPONENTS * x + i] : 255U - row[CMYK_COMPONENTS * x + i];
    for (size_t i = 0; i < 3; i++) row[3 * x + i] = (uint8_t)((cmyk[i] * cmyk[3] + 127) / 255);
  }
}

/* Between two calls of setjmp, so that what is allocated isn't lost. */
static enum error_code prepare(struct decoding *decoding) {
  const struct jpeg_decompress_struct *jpeg = &decoding->jpeg;
  decoding->row = malloc((size_t)jpeg->output_width * (size_t)jpeg->output_components);
  if (decoding->row == NULL) return error_set(decoding->error, ERROR_OUT_OF_MEMORY, "no memory to decode an image");
  return image_sink_begin(decoding->sink, jpeg->output_width, jpeg->output_height, jpeg->out_color_space == JCS_GRAYSCALE ? 1 : 3,
                          decoding->error);
}

static enum error_code start(struct decoding *decoding, const void *bytes, size_t byte_count) {
  if (setjmp(decoding->place) != 0) return decoding->error->code;
  read_header(decoding, bytes, byte_count);
  choose_output(decoding);
  (void)jpeg_start_decompress(&decoding->jpeg);
  return ERROR_NONE;
}

static enum error_code read_rows(struct decoding *decoding) {
  struct jpeg_decompress_struct *jpeg = &decoding->jpeg;
  if (setjmp(decoding->place) != 0) return decoding->error->code;
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW rows[1] = {decoding->row};
    (void)jpeg_read_scanlines(jpeg, rows, 1);
    if (jpeg->out_color_space == JCS_CMYK) convert_cmyk(decoding->row, jpeg->output_width, jpeg->saw_Adobe_marker);
    image_sink_take_row(decoding->sink, decoding->row);
  }
  (void)jpeg_finish_decompress(jpeg);
  return ERROR_NONE;
}

enum error_code image_jpeg_decode(const void *bytes, size_t byte_count, struct image_sink *sink, struct error *error) {
  struct decoding decoding;
  decoding_init(&decoding, error);
  decoding.sink = sink;
  enum error_code code = start(&decoding, bytes, byte_count);
  if (code == ERROR_NONE) code = prepare(&decoding);
  if (code == ERROR_NONE) code = read_rows(&decoding);
  jpeg_destroy_decompress(&decoding.jpeg);
  free(decoding.row);
  return code;
}
