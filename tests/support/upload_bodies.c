#include "tests/support/upload_bodies.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void bytes_append(struct bytes *bytes, const void *more, size_t count) {
  bytes->at = realloc(bytes->at, bytes->count + count + 1);
  ck_assert_ptr_nonnull(bytes->at);
  if (count > 0) memcpy(bytes->at + bytes->count, more, count);
  bytes->count += count;
  bytes->at[bytes->count] = '\0';
}

void bytes_append_text(struct bytes *bytes, const char *text) { bytes_append(bytes, text, strlen(text)); }

void bytes_free(struct bytes *bytes) {
  free(bytes->at);
  *bytes = (struct bytes){0};
}

void body_add_file(struct bytes *body, const char *part, const void *bytes, size_t count) {
  char head[512];
  snprintf(head, sizeof head,
           "--" BODY_BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s.gz\"\r\n"
           "Content-Type: application/octet-stream\r\n\r\n",
           part, part);
  bytes_append_text(body, head);
  bytes_append(body, bytes, count);
  bytes_append_text(body, "\r\n");
}

void body_end(struct bytes *body) { bytes_append_text(body, "--" BODY_BOUNDARY "--\r\n"); }

struct bytes idx_make(unsigned type, size_t rank, const uint32_t *sizes, const void *elements, size_t element_bytes) {
  struct bytes file = {0};
  const unsigned char magic[4] = {0, 0, (unsigned char)type, (unsigned char)rank};
  bytes_append(&file, magic, sizeof magic);
  for (size_t i = 0; i < rank; i++) {
    const unsigned char size[4] = {(unsigned char)(sizes[i] >> 24), (unsigned char)(sizes[i] >> 16), (unsigned char)(sizes[i] >> 8),
                                   (unsigned char)sizes[i]};
    bytes_append(&file, size, sizeof size);
  }
  bytes_append(&file, elements, element_bytes);
  return file;
}

struct bytes npy_make(unsigned version, const char *header, const void *elements, size_t element_bytes) {
  struct bytes file = {0};
  const size_t count = strlen(header);
  const unsigned char magic[] = {
      0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0, (unsigned char)count, (unsigned char)(count >> 8), 0, 0};
  char *zeros = calloc(1, element_bytes + 1);
  bytes_append(&file, magic, version == 1 ? 10 : 12);
  bytes_append_text(&file, header);
  bytes_append(&file, elements != NULL ? elements : zeros, element_bytes);
  free(zeros);
  return file;
}

struct bytes gzip_make(const void *bytes, size_t count) {
  z_stream stream = {0};
  ck_assert_int_eq(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  struct bytes packed = {.at = malloc(count + 1024)};
  stream.next_in = (unsigned char *)(size_t)bytes;
  stream.avail_in = (unsigned)count;
  stream.next_out = (unsigned char *)packed.at;
  stream.avail_out = (unsigned)count + 1024;
  ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.count = stream.total_out;
  deflateEnd(&stream);
  return packed;
}

struct bytes idx_make_images(size_t rows, size_t height, size_t width, unsigned seed) {
  const size_t pixels = height * width;
  unsigned char *elements = malloc(rows * pixels + 1);
  unsigned state = seed * 2654435761U + 1;
  for (size_t i = 0; i < rows * pixels; i++) {
    state = state * 1664525U + 1013904223U;
    const size_t row = i / pixels;
    const int is_upper = i % pixels < pixels / 2;
    elements[i] = (unsigned char)((is_upper == (row % 2 == 0) ? 150 : 30) + (state >> 24) % 60);
  }
  struct bytes file = idx_make(8, 3, (const uint32_t[]){(uint32_t)rows, (uint32_t)height, (uint32_t)width}, elements, rows * pixels);
  free(elements);
  return file;
}

struct bytes idx_make_labels(size_t rows) {
  unsigned char *labels = malloc(rows + 1);
  for (size_t i = 0; i < rows; i++) labels[i] = (unsigned char)(i % 2);
  struct bytes file = idx_make(8, 1, (const uint32_t[]){(uint32_t)rows}, labels, rows);
  free(labels);
  return file;
}
