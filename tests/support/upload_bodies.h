/* Bodies of uploads for tests: arrays as IDX and NPY, gzip, forms of several files. */
#ifndef TESTS_SUPPORT_UPLOAD_BODIES_H
#define TESTS_SUPPORT_UPLOAD_BODIES_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that grow; free with bytes_free. */
struct bytes {
  char *at;
  size_t count;
};
void bytes_append(struct bytes *bytes, const void *more, size_t count);
void bytes_append_text(struct bytes *bytes, const char *text);
void bytes_free(struct bytes *bytes);

#define BODY_BOUNDARY "------------------------0a1b2c3d"
#define BODY_TYPE "multipart/form-data; boundary=" BODY_BOUNDARY

/* One more file of a form; body_end closes it. */
void body_add_file(struct bytes *body, const char *part, const void *bytes, size_t count);
void body_end(struct bytes *body);

/* An IDX file: type 8 is unsigned bytes; sizes end with 0, unless `rank` says how many there are. */
struct bytes idx_make(unsigned type, size_t rank, const uint32_t *sizes, const void *elements, size_t element_bytes);
/* An NPY file of that version with that header, as it is; elements NULL: zeros. */
struct bytes npy_make(unsigned version, const char *header, const void *elements, size_t element_bytes);
/* One gzip member. */
struct bytes gzip_make(const void *bytes, size_t count);

/* Images [rows, height, width] and labels of two classes that can be told apart at once: of class 0 the upper half is bright, of class 1
 * the lower. `seed` makes others of them. */
struct bytes idx_make_images(size_t rows, size_t height, size_t width, unsigned seed);
struct bytes idx_make_labels(size_t rows);

#endif
