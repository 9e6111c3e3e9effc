/* Blocks: zeros on a cache line, small and large, and no memory said as such. */
#include "engine/block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/allocations.h"
#include "tests/support/suite.h"

START_TEST(blocks_are_zeros_on_a_cache_line) {
  static const size_t sizes[] = {BLOCK_ALIGNMENT, 4096, (size_t)1 << 21, ((size_t)5 << 20) + 3 * BLOCK_ALIGNMENT};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    unsigned char *block = block_create(sizes[i]);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq((uintptr_t)block % BLOCK_ALIGNMENT, 0);
    size_t set = 0;
    for (size_t at = 0; at < sizes[i]; at++) set += block[at] != 0;
    ck_assert_uint_eq(set, 0);
    memset(block, 0xFF, sizes[i]);
    free(block);
  }
}
END_TEST

START_TEST(a_block_that_cannot_be_had_is_null) {
  if (!allocations_can_count()) return;
  allocations_fail_after(0);
  const void *block = block_create(BLOCK_ALIGNMENT);
  allocations_fail_after(SIZE_MAX);
  ck_assert_ptr_null(block);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "block");
  tcase_add_test(test_case, blocks_are_zeros_on_a_cache_line);
  tcase_add_test(test_case, a_block_that_cannot_be_had_is_null);
}

int main(void) { return suite_main("block", add_cases); }
