/* server/data/gunzip.h: compressed bytes in whatever portions, several members, broken ones, bombs. */
#include "server/data/gunzip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/support/suite.h"

struct text {
  char *bytes;
  size_t count;
};

static enum error_code append(void *context, const char *bytes, size_t byte_count, struct error *error) {
  struct text *text = context;
  (void)error;
  text->bytes = realloc(text->bytes, text->count + byte_count + 1);
  ck_assert_ptr_nonnull(text->bytes);
  memcpy(text->bytes + text->count, bytes, byte_count);
  text->count += byte_count;
  return ERROR_NONE;
}

static enum error_code drop(void *context, const char *bytes, size_t byte_count, struct error *error) {
  (void)context, (void)bytes, (void)byte_count, (void)error;
  return ERROR_NONE;
}

/* One gzip member. */
static struct text pack(const char *bytes, size_t count) {
  z_stream stream = {0};
  ck_assert_int_eq(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  struct text packed = {.bytes = malloc(count + 1024)};
  stream.next_in = (unsigned char *)(size_t)bytes;
  stream.avail_in = (unsigned)count;
  stream.next_out = (unsigned char *)packed.bytes;
  stream.avail_out = (unsigned)count + 1024;
  ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.count = stream.total_out;
  deflateEnd(&stream);
  return packed;
}

static enum error_code unpack(const struct text *packed, size_t portion, uint64_t bytes_max, gunzip_handler *handler, void *context) {
  struct gunzip *gunzip;
  struct error error = {0};
  enum error_code code = gunzip_create(bytes_max, handler, context, &gunzip, &error);
  for (size_t at = 0; code == ERROR_NONE && at < packed->count; at += portion) {
    const size_t rest = packed->count - at;
    code = gunzip_feed(gunzip, packed->bytes + at, rest < portion ? rest : portion, &error);
  }
  if (code == ERROR_NONE) code = gunzip_finish(gunzip, &error);
  gunzip_destroy(gunzip);
  return code;
}

static struct text make_lines(size_t count) {
  struct text text = {.bytes = malloc(count * 24 + 1)};
  for (size_t i = 0; i < count; i++) text.count += (size_t)sprintf(text.bytes + text.count, "%zu,line %zu\n", i, i * i);
  return text;
}

static const size_t portions[] = {1, 2, 7, 1000, 1 << 20};

START_TEST(what_was_packed_comes_out_whatever_the_portions) {
  struct text plain = make_lines(20000), first = pack(plain.bytes, plain.count / 3);
  struct text second = pack(plain.bytes + plain.count / 3, plain.count - plain.count / 3), out = {0};
  ck_assert(gunzip_is_magic(first.bytes, first.count));
  ck_assert(!gunzip_is_magic(plain.bytes, plain.count));
  struct error error = {0};
  ck_assert_int_eq(append(&first, second.bytes, second.count, &error), ERROR_NONE); /* two members */
  ck_assert_int_eq(unpack(&first, portions[_i], UINT64_MAX, append, &out), ERROR_NONE);
  ck_assert_uint_eq(out.count, plain.count);
  ck_assert_mem_eq(out.bytes, plain.bytes, plain.count);
  free(plain.bytes);
  free(first.bytes);
  free(second.bytes);
  free(out.bytes);
}
END_TEST

START_TEST(what_is_not_whole_is_refused) {
  struct text plain = make_lines(1000), packed = pack(plain.bytes, plain.count);
  const size_t count = packed.count;
  for (size_t cut = 1; cut < count; cut += 1 + count / 50) {
    packed.count = cut;
    ck_assert_int_eq(unpack(&packed, 512, UINT64_MAX, drop, NULL), ERROR_INVALID);
  }
  packed.count = count;
  packed.bytes[count / 2] ^= 0x55;
  ck_assert_int_eq(unpack(&packed, 512, UINT64_MAX, drop, NULL), ERROR_INVALID);
  free(plain.bytes);
  free(packed.bytes);
}
END_TEST

START_TEST(a_bomb_is_refused) {
  enum { ZEROS = 128 << 20 };
  char *zeros = calloc(1, ZEROS);
  ck_assert_ptr_nonnull(zeros);
  struct text packed = pack(zeros, ZEROS);
  ck_assert_int_eq(unpack(&packed, 4096, UINT64_MAX, drop, NULL), ERROR_TOO_LARGE);
  free(packed.bytes);
  packed = pack(zeros, 1 << 20);
  ck_assert_int_eq(unpack(&packed, 4096, 1 << 20, drop, NULL), ERROR_NONE);
  ck_assert_int_eq(unpack(&packed, 4096, (1 << 20) - 1, drop, NULL), ERROR_TOO_LARGE);
  free(packed.bytes);
  free(zeros);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tests = suite_add_case(suite, "gunzip");
  tcase_add_loop_test(tests, what_was_packed_comes_out_whatever_the_portions, 0, sizeof portions / sizeof portions[0]);
  tcase_add_test(tests, what_is_not_whole_is_refused);
  tcase_add_test(tests, a_bomb_is_refused);
}

int main(void) { return suite_main("gunzip", add_cases); }
