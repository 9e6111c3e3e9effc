/* The answers of a build without a library (make KERNELS=plain): the plain kernels do all. */
#include "engine/kernels.h"
#include "engine/kernels_private.h"

const char *kernels_name(void) { return KERNELS_PLAIN_NAME; }
bool kernels_library_can_half(void) { return false; }
bool kernels_library_takes(const struct kernel_block *whole) {
  (void)whole;
  return false;
}
bool kernels_library_multiply(const struct kernel_block *block) {
  (void)block;
  return false;
}
