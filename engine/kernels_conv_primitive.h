/* What kernels_conv_library.c asks of a library: kernels_conv_onednn.c answers, or kernels_no_library.c. Nobody else
 * includes this, but for tests.
 *
 * A primitive computes one direction of a convolution, of conv->batch samples at once, from operands arranged as it likes, each in one
 * piece. Those it reads are float32 or bfloat16, what it writes is float32.
 */
#ifndef ENGINE_KERNELS_CONV_PRIMITIVE_H
#define ENGINE_KERNELS_CONV_PRIMITIVE_H

#include "engine/kernels_window.h"

enum conv_direction { CONV_FORWARD, CONV_INPUT_GRADIENT, CONV_WEIGHT_GRADIENT };
/* x or its gradient, w or its gradient, z or δ */
enum conv_operand { CONV_X, CONV_W, CONV_Z, CONV_OPERANDS };
static inline enum conv_operand conv_result_of(enum conv_direction direction) {
  return direction == CONV_FORWARD ? CONV_Z : direction == CONV_INPUT_GRADIENT ? CONV_X : CONV_W;
}

/* For tests: the library is asked whatever the size. Before networks are made. */
void kernel_conv_ask_library_always(bool always);

struct conv_primitive;
/* NULL: it has none for this, or no fast one. */
struct conv_primitive *conv_primitive_create(const struct kernel_conv *conv, enum conv_direction direction, bool has_bias, bool is_half);
void conv_primitive_destroy(struct conv_primitive *primitive);
/* Bytes of an arranged operand, of x and z of one sample; and of scratch memory. */
size_t conv_primitive_bytes(const struct conv_primitive *primitive, enum conv_operand operand);
size_t conv_primitive_scratch_bytes(const struct conv_primitive *primitive);
/* Makes it ready to be run, by any number of threads at once. */
bool conv_primitive_prepare(struct conv_primitive *primitive);

/* One thread's use of a primitive, whose arranged operands are in this memory. */
struct conv_memory {
  void *operands[CONV_OPERANDS], *scratch;
  const float *bias; /* forward only; NULL if the primitive has none */
};
struct conv_session;
struct conv_session *conv_session_open(const struct conv_primitive *primitive, const struct conv_memory *memory);
void conv_session_close(struct conv_session *session);
/* The operand as kernels_window.h has it → arranged, and back. Of x and z one sample, the so-many-th in the primitive. */
bool conv_session_arrange(struct conv_session *session, enum conv_operand operand, size_t sample, const float *from);
bool conv_session_restore(struct conv_session *session, enum conv_operand operand, size_t sample, float *to);
bool conv_session_run(struct conv_session *session);

#endif
