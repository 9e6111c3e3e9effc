/* oneDNN's primitives of convolution (kernels_conv_primitive.h), 2.x as in Debian 12 or 3.x, and reorders from and to our arrays. oneDNN
 * keeps the code that it has written for a shape, so that making a primitive anew costs microseconds. Scratch memory is the caller's. Only
 * those of its implementations are taken that are written for the shape: the others are slower than ours.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/kernels_conv_primitive.h"
#include "engine/kernels_onednn.h"

enum { AXES = 4, BIAS = CONV_OPERANDS, DESCS };

/* What 2.x and 3.x call differently. */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t desc_view;
static desc_view view_of(const dnnl_memory_desc_t *desc) { return *desc; }
static dnnl_status_t desc_init(dnnl_memory_desc_t *desc, int axes, const dnnl_dims_t sizes, dnnl_data_type_t type, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_create_with_tag(desc, axes, sizes, type, tag);
}
static dnnl_status_t desc_copy_part(dnnl_memory_desc_t *desc, desc_view whole, const dnnl_dims_t sizes) {
  return dnnl_memory_desc_create_submemory(desc, whole, sizes, (dnnl_dims_t){0});
}
static void desc_deinit(dnnl_memory_desc_t *desc) {
  if (*desc != NULL) (void)dnnl_memory_desc_destroy(*desc);
}
#else
typedef const dnnl_memory_desc_t *desc_view;
static desc_view view_of(const dnnl_memory_desc_t *desc) { return desc; }
static dnnl_status_t desc_init(dnnl_memory_desc_t *desc, int axes, const dnnl_dims_t sizes, dnnl_data_type_t type, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_init_by_tag(desc, axes, sizes, type, tag);
}
static dnnl_status_t desc_copy_part(dnnl_memory_desc_t *desc, desc_view whole, const dnnl_dims_t sizes) {
  return dnnl_memory_desc_init_submemory(desc, whole, sizes, (dnnl_dims_t){0});
}
static void desc_deinit(dnnl_memory_desc_t *desc) { (void)desc; }
#endif

/* A convolution in oneDNN's terms. */
struct geometry {
  dnnl_dims_t sizes[DESCS], strides, dilations, before, after;
  dnnl_memory_desc_t descs[DESCS]; /* bias: none if has_bias is false */
  bool has_bias;
};

static void geometry_deinit(struct geometry *geometry) {
  for (size_t i = 0; i < DESCS; i++) desc_deinit(&geometry->descs[i]);
}

static void measure(const struct kernel_conv *conv, struct geometry *out) {
  const struct kernel_axis *const axes[2] = {&conv->y, &conv->x};
  const dnnl_dim_t batch = (dnnl_dim_t)conv->batch, channels = (dnnl_dim_t)conv->channels, filters = (dnnl_dim_t)conv->filters;
  *out = (struct geometry){.sizes = {{batch, channels}, {filters, channels}, {batch, filters}, {filters}}};
  for (size_t i = 0; i < 2; i++) {
    out->sizes[CONV_X][2 + i] = (dnnl_dim_t)axes[i]->in;
    out->sizes[CONV_W][2 + i] = (dnnl_dim_t)axes[i]->size;
    out->sizes[CONV_Z][2 + i] = (dnnl_dim_t)axes[i]->out;
    out->strides[i] = (dnnl_dim_t)axes[i]->stride;
    out->dilations[i] = (dnnl_dim_t)axes[i]->dilation - 1;
    out->before[i] = (dnnl_dim_t)axes[i]->before;
    out->after[i] = (dnnl_dim_t)axes[i]->after;
  }
}

/* Operands in whatever order; the result in float32. */
static dnnl_status_t describe(struct geometry *geometry, enum conv_operand result, bool is_half) {
  dnnl_status_t status = dnnl_success;
  for (int i = 0; i < CONV_OPERANDS && status == dnnl_success; i++)
    status =
        desc_init(&geometry->descs[i], AXES, geometry->sizes[i], is_half && i != (int)result ? dnnl_bf16 : dnnl_f32, dnnl_format_tag_any);
  if (status != dnnl_success || !geometry->has_bias) return status;
  return desc_init(&geometry->descs[BIAS], 1, geometry->sizes[BIAS], dnnl_f32, dnnl_a);
}

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t choose(dnnl_primitive_desc_t *out, const struct geometry *g, enum conv_direction direction, dnnl_primitive_attr_t attr,
                            dnnl_primitive_desc_t hint) {
  const dnnl_alg_kind_t direct = dnnl_convolution_direct;
  const dnnl_memory_desc_t *d = g->descs;
  const dnnl_engine_t engine = kernels_onednn_engine();
  switch (direction) {
  case CONV_FORWARD:
    return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_training, direct, d[CONV_X], d[CONV_W], d[BIAS],
                                                          d[CONV_Z], g->strides, g->dilations, g->before, g->after, attr);
  case CONV_INPUT_GRADIENT:
    return dnnl_convolution_backward_data_primitive_desc_create(out, engine, direct, d[CONV_X], d[CONV_W], d[CONV_Z], g->strides,
                                                                g->dilations, g->before, g->after, hint, attr);
  case CONV_WEIGHT_GRADIENT: break;
  }
  return dnnl_convolution_backward_weights_primitive_desc_create(out, engine, direct, d[CONV_X], d[CONV_W], NULL, d[CONV_Z], g->strides,
                                                                 g->dilations, g->before, g->after, hint, attr);
}
#else
static dnnl_status_t choose(dnnl_primitive_desc_t *out, const struct geometry *g, enum conv_direction direction, dnnl_primitive_attr_t attr,
                            dnnl_primitive_desc_t hint) {
  const dnnl_alg_kind_t direct = dnnl_convolution_direct;
  const dnnl_memory_desc_t *d = g->descs, *bias = g->has_bias ? &d[BIAS] : NULL;
  dnnl_convolution_desc_t desc;
  dnnl_status_t status = dnnl_success;
  switch (direction) {
  case CONV_FORWARD:
    status = dnnl_dilated_convolution_forward_desc_init(&desc, dnnl_forward_training, direct, &d[CONV_X], &d[CONV_W], bias, &d[CONV_Z],
                                                        g->strides, g->dilations, g->before, g->after);
    break;
  case CONV_INPUT_GRADIENT:
    status = dnnl_dilated_convolution_backward_data_desc_init(&desc, direct, &d[CONV_X], &d[CONV_W], &d[CONV_Z], g->strides, g->dilations,
                                                              g->before, g->after);
    break;
  case CONV_WEIGHT_GRADIENT:
    status = dnnl_dilated_convolution_backward_weights_desc_init(&desc, direct, &d[CONV_X], &d[CONV_W], NULL, &d[CONV_Z], g->strides,
                                                                 g->dilations, g->before, g->after);
    break;
  }
  return status == dnnl_success ? dnnl_primitive_desc_create(out, &desc, attr, kernels_onednn_engine(), hint) : status;
}
#endif

struct conv_primitive {
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  enum conv_direction direction;
  bool has_bias;
  size_t bytes[CONV_OPERANDS];
  dnnl_memory_desc_t ours[DESCS], arranged[CONV_OPERANDS]; /* of one sample, and the bias */
  dnnl_primitive_t reorders[CONV_OPERANDS];                /* ours → arranged, of the result back */
};

/* The backward directions ask for the forward pass that they belong to. */
static dnnl_status_t choose_with_hint(const struct kernel_conv *conv, enum conv_direction direction, const struct geometry *geometry,
                                      bool is_half, dnnl_primitive_desc_t *out_desc) {
  struct geometry forward;
  dnnl_primitive_desc_t hint = NULL;
  dnnl_primitive_attr_t attr = NULL;
  measure(conv, &forward);
  dnnl_status_t status = dnnl_primitive_attr_create(&attr);
  if (status == dnnl_success) status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  if (status == dnnl_success && direction != CONV_FORWARD) {
    status = describe(&forward, CONV_OPERANDS, is_half);
    if (status == dnnl_success) status = choose(&hint, &forward, CONV_FORWARD, NULL, NULL);
  }
  if (status == dnnl_success) status = choose(out_desc, geometry, direction, attr, hint);
  if (hint != NULL) (void)dnnl_primitive_desc_destroy(hint);
  if (attr != NULL) (void)dnnl_primitive_attr_destroy(attr);
  geometry_deinit(&forward);
  return status;
}

static bool is_fast(dnnl_primitive_desc_t desc) {
  const char *name = NULL;
  if (dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name) != dnnl_success || name == NULL) return false;
  return strncmp(name, "jit", 3) == 0 || strncmp(name, "brg", 3) == 0;
}

static desc_view find_operand(const struct conv_primitive *primitive, enum conv_operand operand) {
  static const dnnl_query_t queries[][CONV_OPERANDS] = {
      [CONV_FORWARD] = {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
      [CONV_INPUT_GRADIENT] = {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
      [CONV_WEIGHT_GRADIENT] = {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md}};
  return dnnl_primitive_desc_query_md(primitive->desc, queries[primitive->direction][operand], 0);
}

/* The arrays of one sample, ours and as the primitive has them. */
static bool describe_arrays(struct conv_primitive *primitive, const struct kernel_conv *conv, struct geometry *geometry) {
  const dnnl_format_tag_t images = conv->channels_last ? dnnl_nhwc : dnnl_nchw, tags[CONV_OPERANDS] = {images, dnnl_oihw, images};
  for (int i = 0; i < CONV_OPERANDS; i++) {
    const desc_view whole = find_operand(primitive, (enum conv_operand)i);
    const size_t samples = i == CONV_W ? 1 : conv->batch, bytes = dnnl_memory_desc_get_size(whole);
    if (i != CONV_W) geometry->sizes[i][0] = 1;
    if (desc_init(&primitive->ours[i], AXES, geometry->sizes[i], dnnl_f32, tags[i]) != dnnl_success) return false;
    if (desc_copy_part(&primitive->arranged[i], whole, geometry->sizes[i]) != dnnl_success) return false;
    primitive->bytes[i] = bytes / samples;
    if (bytes % samples != 0) return false;
  }
  return !primitive->has_bias || desc_init(&primitive->ours[BIAS], 1, geometry->sizes[BIAS], dnnl_f32, dnnl_a) == dnnl_success;
}

struct conv_primitive *conv_primitive_create(const struct kernel_conv *conv, enum conv_direction direction, bool has_bias, bool is_half) {
  const dnnl_cpu_isa_t wanted = is_half ? dnnl_cpu_isa_avx512_core_bf16 : dnnl_cpu_isa_avx512_core;
  if (kernels_onednn_engine() == NULL || !kernels_onednn_has(wanted)) return NULL;
  struct conv_primitive *primitive = calloc(1, sizeof *primitive);
  if (primitive == NULL) return NULL;
  kernels_onednn_stay_alone();
  struct geometry geometry;
  measure(conv, &geometry);
  primitive->direction = direction;
  primitive->has_bias = geometry.has_bias = has_bias && direction == CONV_FORWARD;
  const bool is_there = describe(&geometry, conv_result_of(direction), is_half) == dnnl_success &&
                        choose_with_hint(conv, direction, &geometry, is_half, &primitive->desc) == dnnl_success &&
                        is_fast(primitive->desc) && describe_arrays(primitive, conv, &geometry);
  geometry_deinit(&geometry);
  if (is_there) return primitive;
  conv_primitive_destroy(primitive);
  return NULL;
}

void conv_primitive_destroy(struct conv_primitive *primitive) {
  if (primitive == NULL) return;
  for (int i = 0; i < CONV_OPERANDS; i++) {
    if (primitive->reorders[i] != NULL) (void)dnnl_primitive_destroy(primitive->reorders[i]);
    desc_deinit(&primitive->arranged[i]);
  }
  for (int i = 0; i < DESCS; i++) desc_deinit(&primitive->ours[i]);
  if (primitive->primitive != NULL) (void)dnnl_primitive_destroy(primitive->primitive);
  if (primitive->desc != NULL) (void)dnnl_primitive_desc_destroy(primitive->desc);
  free(primitive);
}

size_t conv_primitive_bytes(const struct conv_primitive *primitive, enum conv_operand operand) { return primitive->bytes[operand]; }
size_t conv_primitive_scratch_bytes(const struct conv_primitive *primitive) {
  const desc_view scratch = dnnl_primitive_desc_query_md(primitive->desc, dnnl_query_scratchpad_md, 0);
  return scratch == NULL ? 0 : dnnl_memory_desc_get_size(scratch);
}

bool conv_primitive_prepare(struct conv_primitive *primitive) {
  const dnnl_engine_t engine = kernels_onednn_engine();
  kernels_onednn_stay_alone();
  if (dnnl_primitive_create(&primitive->primitive, primitive->desc) != dnnl_success) return false;
  for (int i = 0; i < CONV_OPERANDS; i++) {
    const bool is_result = i == (int)conv_result_of(primitive->direction);
    const desc_view ours = view_of(&primitive->ours[i]), arranged = view_of(&primitive->arranged[i]);
    dnnl_primitive_desc_t desc = NULL;
    if (dnnl_reorder_primitive_desc_create(&desc, is_result ? arranged : ours, engine, is_result ? ours : arranged, engine, NULL) !=
        dnnl_success)
      return false;
    const dnnl_status_t status = dnnl_primitive_create(&primitive->reorders[i], desc);
    (void)dnnl_primitive_desc_destroy(desc);
    if (status != dnnl_success) return false;
  }
  return true;
}

/* Sessions */

enum { SCRATCH = DESCS, MEMORIES };

struct conv_session {
  const struct conv_primitive *primitive;
  char *operands[CONV_OPERANDS];
  dnnl_stream_t stream;
  dnnl_memory_t whole[MEMORIES];                              /* what the primitive works on */
  dnnl_memory_t ours[CONV_OPERANDS], arranged[CONV_OPERANDS]; /* one sample of each, somewhere */
};

static bool remember(dnnl_memory_t *out_memory, desc_view desc, void *values) {
  return dnnl_memory_create(out_memory, desc, kernels_onednn_engine(), values) == dnnl_success;
}

struct conv_session *conv_session_open(const struct conv_primitive *primitive, const struct conv_memory *memory) {
  struct conv_session *session = calloc(1, sizeof *session);
  if (session == NULL) return NULL;
  kernels_onednn_stay_alone();
  session->primitive = primitive;
  bool is_there = dnnl_stream_create(&session->stream, kernels_onednn_engine(), dnnl_stream_default_flags) == dnnl_success;
  for (int i = 0; i < CONV_OPERANDS && is_there; i++) {
    session->operands[i] = memory->operands[i];
    is_there = remember(&session->whole[i], find_operand(primitive, (enum conv_operand)i), memory->operands[i]) &&
               remember(&session->ours[i], view_of(&primitive->ours[i]), DNNL_MEMORY_NONE) &&
               remember(&session->arranged[i], view_of(&primitive->arranged[i]), DNNL_MEMORY_NONE);
  }
  /* oneDNN's memory objects don't know const; the bias is only read. */
  if (is_there && primitive->has_bias)
    is_there = remember(&session->whole[BIAS], view_of(&primitive->ours[BIAS]), (void *)(size_t)memory->bias);
  if (is_there && conv_primitive_scratch_bytes(primitive) > 0)
    is_there =
        remember(&session->whole[SCRATCH], dnnl_primitive_desc_query_md(primitive->desc, dnnl_query_scratchpad_md, 0), memory->scratch);
  if (is_there) return session;
  conv_session_close(session);
  return NULL;
}

void conv_session_close(struct conv_session *session) {
  if (session == NULL) return;
  for (int i = 0; i < MEMORIES; i++)
    if (session->whole[i] != NULL) (void)dnnl_memory_destroy(session->whole[i]);
  for (int i = 0; i < CONV_OPERANDS; i++) {
    if (session->ours[i] != NULL) (void)dnnl_memory_destroy(session->ours[i]);
    if (session->arranged[i] != NULL) (void)dnnl_memory_destroy(session->arranged[i]);
  }
  if (session->stream != NULL) (void)dnnl_stream_destroy(session->stream);
  free(session);
}

static bool reorder(struct conv_session *session, enum conv_operand operand, size_t sample, float *values, bool is_restored) {
  dnnl_memory_t ours = session->ours[operand], arranged = session->arranged[operand];
  const dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, is_restored ? arranged : ours}, {DNNL_ARG_TO, is_restored ? ours : arranged}};
  return dnnl_memory_set_data_handle(ours, values) == dnnl_success &&
         dnnl_memory_set_data_handle(arranged, session->operands[operand] + sample * session->primitive->bytes[operand]) == dnnl_success &&
         dnnl_primitive_execute(session->primitive->reorders[operand], session->stream, 2, arguments) == dnnl_success;
}

bool conv_session_arrange(struct conv_session *session, enum conv_operand operand, size_t sample, const float *from) {
  return reorder(session, operand, sample, (float *)(size_t)from, false); /* only read */
}
bool conv_session_restore(struct conv_session *session, enum conv_operand operand, size_t sample, float *to) {
  return reorder(session, operand, sample, to, true);
}

bool conv_session_run(struct conv_session *session) {
  static const int names[][CONV_OPERANDS] = {[CONV_FORWARD] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                             [CONV_INPUT_GRADIENT] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                                             [CONV_WEIGHT_GRADIENT] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
  dnnl_exec_arg_t arguments[MEMORIES];
  int count = 0;
  for (int i = 0; i < CONV_OPERANDS; i++)
    arguments[count++] = (dnnl_exec_arg_t){names[session->primitive->direction][i], session->whole[i]};
  if (session->whole[BIAS] != NULL) arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, session->whole[BIAS]};
  if (session->whole[SCRATCH] != NULL) arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, session->whole[SCRATCH]};
  return dnnl_primitive_execute(session->primitive->primitive, session->stream, count, arguments) == dnnl_success &&
         dnnl_stream_wait(session->stream) == dnnl_success;
}
