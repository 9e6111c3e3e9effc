/* The answers of a build without a library (make KERNELS=plain): the plain kernels do all. */
#include "engine/kernels.h"
#include "engine/kernels_conv_primitive.h"
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

struct conv_primitive *conv_primitive_create(const struct kernel_conv *conv, enum conv_direction direction, bool has_bias, bool is_half) {
  (void)conv, (void)direction, (void)has_bias, (void)is_half;
  return NULL;
}
/* None of which is asked of a primitive that isn't there. */
void conv_primitive_destroy(struct conv_primitive *primitive) { (void)primitive; }
size_t conv_primitive_bytes(const struct conv_primitive *primitive, enum conv_operand operand) {
  (void)primitive, (void)operand;
  return 0;
}
size_t conv_primitive_scratch_bytes(const struct conv_primitive *primitive) {
  (void)primitive;
  return 0;
}
bool conv_primitive_prepare(struct conv_primitive *primitive) {
  (void)primitive;
  return false;
}
struct conv_session *conv_session_open(const struct conv_primitive *primitive, const struct conv_memory *memory) {
  (void)primitive, (void)memory;
  return NULL;
}
void conv_session_close(struct conv_session *session) { (void)session; }
bool conv_session_arrange(struct conv_session *session, enum conv_operand operand, size_t sample, const float *from) {
  (void)session, (void)operand, (void)sample, (void)from;
  return false;
}
bool conv_session_restore(struct conv_session *session, enum conv_operand operand, size_t sample, float *to) {
  (void)session, (void)operand, (void)sample, (void)to;
  return false;
}
bool conv_session_run(struct conv_session *session) {
  (void)session;
  return false;
}
