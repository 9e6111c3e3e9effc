/* Image decoders and the ZIP reader under bytes that nobody meant: a fixed number of mutations of small files, the same in every run.
 *
 * Holds for any bytes: they become a picture, or entries, or a refusal that says why; nothing is lost, printed or ended.
 * `FUZZ_SEED=5 FUZZ_ROUNDS=1000000 test_fuzz_files` tries others, for as long as wanted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/data/image_decode.h"
#include "server/data/zip_reader.h"
#include "tests/support/allocations.h"
#include "tests/support/archive.h"
#include "tests/support/pictures.h"
#include "tests/support/suite.h"

enum { SIDE = 12, SEEDS = 6, PLAIN_BYTES_MAX = 1 << 20, WARM_UP_ROUNDS = 100 };

static uint64_t state = 20240501;
static int rounds = 4000;

static uint32_t draw(uint32_t below) {
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)((state >> 33) % below);
}

/* A copy with some bytes changed, cut out, or overwritten by others of the same file. */
static char *mutate(const char *bytes, size_t *count) {
  char *copy = malloc(*count);
  ck_assert_ptr_nonnull(copy);
  memcpy(copy, bytes, *count);
  for (uint32_t left = 1 + draw(6); left > 0; left--) {
    const size_t at = draw((uint32_t)*count), from = draw((uint32_t)*count), length = draw(16);
    const size_t room = *count - (at > from ? at : from);
    switch (draw(4)) {
    case 0: copy[at] = (char)draw(256); break;
    case 1: copy[at] = (char)(copy[at] ^ (1 << draw(8))); break;
    case 2: memmove(copy + at, copy + from, length < room ? length : room); break;
    default:
      if (draw(4) == 0 && *count > 2 * length && at + length < *count) {
        memmove(copy + at, copy + at + length, *count - at - length);
        *count -= length;
      } else {
        copy[at] = (char)(draw(2) * 0xFF);
      }
    }
  }
  return copy;
}

static char *make_seed(int seed, size_t *count) {
  uint8_t pixels[SIDE * SIDE * 4];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i);
  switch (seed) {
  case 0: return picture_make_png(&(struct picture){SIDE, SIDE, 3, pixels}, NULL, count);
  case 1: return picture_make_png(&(struct picture){SIDE, SIDE, 4, pixels}, &(struct png_form){.is_interlaced = true}, count);
  case 2: return picture_make_png(&(struct picture){SIDE, SIDE, 1, pixels}, &(struct png_form){.palette_colors = 256}, count);
  case 3: return picture_make_jpeg(&(struct picture){SIDE, SIDE, 3, pixels}, &(struct jpeg_form){.orientation = 6}, count);
  case 4: return picture_make_jpeg(&(struct picture){SIDE, SIDE, 3, pixels}, &(struct jpeg_form){.is_progressive = true}, count);
  default: return picture_make_jpeg(&(struct picture){SIDE, SIDE, 4, pixels}, NULL, count);
  }
}

START_TEST(any_bytes_become_a_picture_or_are_refused) {
  for (int seed = 0; seed < SEEDS; seed++) {
    size_t seed_count;
    char *bytes = make_seed(seed, &seed_count);
    const size_t live = allocations_live();
    for (int round = 0; round < rounds; round++) {
      size_t count = seed_count;
      char *copy = mutate(bytes, &count);
      const struct image_shape shape = {draw(2) == 0 ? 1 : 3, 1 + draw(20), 1 + draw(20)};
      uint8_t *elements = malloc(shape.channels * shape.height * shape.width);
      ck_assert_ptr_nonnull(elements);
      struct error error = {0};
      struct image_info info;
      ck_assert(image_read_info(copy, count, &info, &error) == ERROR_NONE || error.detail[0] != '\0');
      error_clear(&error);
      ck_assert(image_decode(copy, count, &shape, elements, &error) == ERROR_NONE || error.detail[0] != '\0');
      free(elements);
      free(copy);
    }
    ck_assert_uint_eq(allocations_live(), live);
    free(bytes);
  }
}
END_TEST

static enum error_code count_bytes(void *context, const char *bytes, size_t byte_count, struct error *error) {
  (void)bytes, (void)error;
  *(uint64_t *)context += byte_count;
  return ERROR_NONE;
}

static void read_archive(const char *bytes, size_t count) {
  struct error error = {0};
  struct zip_reader *reader;
  FILE *file = tmpfile();
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
  ck_assert_int_eq(fflush(file), 0);
  if (zip_reader_open(fileno(file), PLAIN_BYTES_MAX, &reader, &error) == ERROR_NONE) {
    for (size_t i = 0; i < zip_reader_get_count(reader); i++) {
      const struct zip_entry *entry = zip_reader_get_entry(reader, i);
      uint64_t plain_bytes = 0;
      ck_assert(entry->name[0] != '/' && strstr(entry->name, "../") != entry->name);
      error_clear(&error);
      if (zip_reader_read(reader, i, count_bytes, &plain_bytes, &error) == ERROR_NONE)
        ck_assert_uint_eq(plain_bytes, entry->plain_bytes);
      else
        ck_assert(error.detail[0] != '\0');
      ck_assert_uint_le(plain_bytes, entry->plain_bytes);
    }
    zip_reader_close(reader);
  } else {
    ck_assert(error.detail[0] != '\0');
  }
  fclose(file);
}

START_TEST(any_bytes_become_entries_or_are_refused) {
  for (int form = 0; form < 2; form++) {
    struct archive archive = {.is_zip64 = form == 1};
    archive_add(&archive, &(struct archive_entry){.name = "a/1.txt", .bytes = "one", .count = 3, .is_zip64 = form == 1});
    archive_add_text(&archive, "b/2.txt", "twotwotwotwotwotwo");
    archive_finish(&archive);
    size_t live = 0;
    for (int round = 0; round < rounds; round++) {
      if (round == WARM_UP_ROUNDS) live = allocations_live(); /* libraries keep what they make once */
      size_t count = archive.count;
      char *copy = mutate(archive.bytes, &count);
      read_archive(copy, count);
      free(copy);
    }
    if (rounds > WARM_UP_ROUNDS) ck_assert_uint_eq(allocations_live(), live);
    archive_deinit(&archive);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *fuzz = suite_add_case(suite, "fuzz");
  tcase_add_test(fuzz, any_bytes_become_a_picture_or_are_refused);
  tcase_add_test(fuzz, any_bytes_become_entries_or_are_refused);
}

int main(void) {
  const char *seed = getenv("FUZZ_SEED"), *given_rounds = getenv("FUZZ_ROUNDS");
  if (seed != NULL) state = strtoull(seed, NULL, 10);
  if (given_rounds != NULL) rounds = atoi(given_rounds);
  return suite_main("fuzz_files", add_cases);
}
