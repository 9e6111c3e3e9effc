/* server/data/read_ahead.h: a thread that waited for the disk has rows to come read; one that didn't has not. */
#include "server/data/read_ahead.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/suite.h"

enum { ROW_BYTES = 5000, ROWS = 400, FILE_BYTES = ROW_BYTES * ROWS };

static char path[] = "/var/tmp/backpropd-read-ahead-XXXXXX"; /* /tmp may be memory */
static int fd;
static unsigned char *map;
static struct row_reader reader;

static void drop_from_memory(void) {
  ck_assert_int_eq(fdatasync(fd), 0);
  ck_assert_int_eq(madvise(map, FILE_BYTES, MADV_DONTNEED), 0);
  ck_assert_int_eq(posix_fadvise(fd, 0, FILE_BYTES, POSIX_FADV_DONTNEED), 0);
}

static void set_up(void) {
  static char zeros[FILE_BYTES];
  fd = mkostemp(path, O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(write(fd, zeros, sizeof zeros), FILE_BYTES);
  map = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
  ck_assert_ptr_ne(map, MAP_FAILED);
  ck_assert_int_eq(madvise(map, FILE_BYTES, MADV_RANDOM), 0);
  row_reader_init(&reader, &(struct train_rows){.count = ROWS, .x_bytes = map}, &(struct shape){.rank = 1, .sizes = {ROW_BYTES}});
  drop_from_memory();
}

static void tear_down(void) {
  munmap(map, FILE_BYTES);
  close(fd);
}

static bool is_in_memory(size_t row) {
  const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), first = row * ROW_BYTES / page_bytes;
  unsigned char pages[8] = {0};
  ck_assert_int_eq(mincore(map + first * page_bytes, row * ROW_BYTES + ROW_BYTES - first * page_bytes, pages), 0);
  bool is_there = true;
  for (size_t i = 0; (first + i) * page_bytes < (row + 1) * ROW_BYTES; i++) is_there = is_there && (pages[i] & 1) != 0;
  return is_there;
}

static long count_faults(void) {
  struct rusage usage;
  ck_assert_int_eq(getrusage(RUSAGE_THREAD, &usage), 0);
  return usage.ru_majflt;
}

START_TEST(rows_to_come_are_read_after_a_wait_for_the_disk) {
  static const uint32_t rows[] = {17, 390, 201};
  struct read_ahead ahead = {.faults = count_faults()};
  if (is_in_memory(0) || is_in_memory(201)) return; /* a file system of memory */
  read_ahead_expect_rows(&ahead, &reader, rows, 3);
  for (size_t i = 0; i < 3; i++) ck_assert(!is_in_memory(rows[i]));
  *(volatile unsigned char *)map; /* waits */
  if (count_faults() == ahead.faults) return;
  read_ahead_expect_rows(&ahead, &reader, rows, 3);
  for (size_t i = 0; i < 3; i++) { /* the disk answers when it can; the case's timeout ends this if it was never asked */
    while (!is_in_memory(rows[i])) usleep(1000);
  }
  ck_assert(!is_in_memory(100));
}
END_TEST

START_TEST(it_ends_when_nothing_has_to_wait_any_more) {
  static const uint32_t row = 3;
  struct read_ahead ahead = {.faults = count_faults(), .batches_left = 2};
  for (size_t i = 0; i < 5; i++) read_ahead_expect_rows(&ahead, &reader, &row, 1);
  ck_assert_int_eq(ahead.batches_left, 0);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "read_ahead");
  tcase_add_checked_fixture(test_case, set_up, tear_down);
  tcase_add_test(test_case, rows_to_come_are_read_after_a_wait_for_the_disk);
  tcase_add_test(test_case, it_ends_when_nothing_has_to_wait_any_more);
}

int main(void) { return suite_main("read_ahead", add_cases); }
