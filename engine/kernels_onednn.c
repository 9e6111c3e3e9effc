/* Products by oneDNN (https://github.com/oneapi-src/oneDNN), 2.x as in Debian 12 or 3.x: those of bfloat16, and large ones of float32 where
 * it was measured to be faster than the plain kernels, ∂C/∂x = δ W and ∂C/∂W = δᵀ x. Called by kernels_plain.c with pieces of fixed size,
 * on whatever thread; oneDNN itself never starts threads here. So the same bits come out for any number of threads.
 *
 * oneDNN writes machine code at run time. Where the system forbids that (systemd's MemoryDenyWriteExecute), it is not used.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

#include "engine/kernels.h"
#include "engine/kernels_onednn.h"
#include "engine/kernels_private.h"

enum { LIBRARY_PRODUCTS = 1 << 24 }; /* m · n · k of a float32 product from which on it wins */

/* oneDNN of Debian divides its work by OpenMP. Weak: other builds of it don't, and then there is nothing to forbid. */
extern void omp_set_num_threads(int count) __attribute__((weak));

struct library {
  dnnl_engine_t engine; /* NULL: not to be used */
  bool can_half;
  char name[40];
};

/* What 2.x and 3.x call differently. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t matrix_desc;
static dnnl_status_t desc_init(matrix_desc *desc, const dnnl_dims_t sizes, dnnl_data_type_t type, const dnnl_dims_t strides) {
  return dnnl_memory_desc_create_with_strides(desc, 2, sizes, type, strides);
}
static void desc_deinit(matrix_desc *desc) { (void)dnnl_memory_desc_destroy(*desc); }
static dnnl_status_t memory_create(dnnl_memory_t *memory, matrix_desc *desc, dnnl_engine_t engine, void *values) {
  return dnnl_memory_create(memory, *desc, engine, values);
}
static dnnl_status_t product_create(dnnl_primitive_desc_t *desc, dnnl_engine_t engine, matrix_desc descs[3]) {
  return dnnl_matmul_primitive_desc_create(desc, engine, descs[0], descs[1], NULL, descs[2], NULL);
}
#else
typedef dnnl_memory_desc_t matrix_desc;
static dnnl_status_t desc_init(matrix_desc *desc, const dnnl_dims_t sizes, dnnl_data_type_t type, const dnnl_dims_t strides) {
  return dnnl_memory_desc_init_by_strides(desc, 2, sizes, type, strides);
}
static void desc_deinit(matrix_desc *desc) { (void)desc; }
static dnnl_status_t memory_create(dnnl_memory_t *memory, matrix_desc *desc, dnnl_engine_t engine, void *values) {
  return dnnl_memory_create(memory, desc, engine, values);
}
static dnnl_status_t product_create(dnnl_primitive_desc_t *desc, dnnl_engine_t engine, matrix_desc descs[3]) {
  dnnl_matmul_desc_t product;
  dnnl_status_t status = dnnl_matmul_desc_init(&product, &descs[0], &descs[1], NULL, &descs[2]);
  return status == dnnl_success ? dnnl_primitive_desc_create(desc, &product, NULL, engine, NULL) : status;
}
#endif

/* May memory that was written be executed? */
static bool can_generate_code(void) {
  enum { PAGE = 4096 };
  void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  const bool is_allowed = mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
  (void)munmap(page, PAGE);
  return is_allowed;
}

static void library_open(struct library *library) {
  *library = (struct library){.name = KERNELS_PLAIN_NAME};
  if (!can_generate_code() || dnnl_engine_create(&library->engine, dnnl_cpu, 0) != dnnl_success) {
    library->engine = NULL;
    return;
  }
  const dnnl_version_t *version = dnnl_version();
  (void)snprintf(library->name, sizeof library->name, KERNELS_PLAIN_NAME ", onednn %d.%d.%d", version->major, version->minor,
                 version->patch);
  library->can_half = kernels_onednn_has(dnnl_cpu_isa_avx512_core_bf16);
}

bool kernels_onednn_has(dnnl_cpu_isa_t isa) {
  const unsigned wanted = (unsigned)isa; /* AMX contains the bits of AVX-512 */
  return ((unsigned)dnnl_get_effective_cpu_isa() & wanted) == wanted;
}

/* Opened by whoever asks first. Two that ask at once both open it, and the second closes its own again. It lives as long as the program. */
static const struct library *library_get(void) {
  enum { UNKNOWN, FILLING, READY };
  static struct library shared;
  static atomic_int state = UNKNOWN;
  if (atomic_load(&state) == READY) return &shared;
  struct library fresh;
  library_open(&fresh);
  int expected = UNKNOWN;
  if (atomic_compare_exchange_strong(&state, &expected, FILLING)) {
    shared = fresh;
    atomic_store(&state, READY);
    return &shared;
  }
  if (fresh.engine != NULL) (void)dnnl_engine_destroy(fresh.engine);
  while (atomic_load(&state) != READY) continue; /* a copy of a few bytes is under way */
  return &shared;
}

const char *kernels_name(void) { return library_get()->name; }
bool kernels_library_can_half(void) { return library_get()->can_half; }
dnnl_engine_t kernels_onednn_engine(void) { return library_get()->engine; }

void kernels_onednn_stay_alone(void) {
  if (omp_set_num_threads != NULL) omp_set_num_threads(1); /* a setting of this thread's, and cheap */
}

bool kernels_library_takes(const struct kernel_block *whole) {
  return !whole->is_b_transposed && whole->m * whole->n * whole->k >= LIBRARY_PRODUCTS && library_get()->engine != NULL;
}

static bool multiply_float(const struct kernel_block *block) {
  return dnnl_sgemm(block->is_a_transposed ? 'T' : 'N', block->is_b_transposed ? 'T' : 'N', (dnnl_dim_t)block->m, (dnnl_dim_t)block->n,
                    (dnnl_dim_t)block->k, 1, block->a, (dnnl_dim_t)block->a_row, block->b, (dnnl_dim_t)block->b_row,
                    block->accumulate ? 1 : 0, block->c, (dnnl_dim_t)block->c_row) == dnnl_success;
}

/* A bfloat16 product under way; what was created so far is destroyed at the end. */
struct half_product {
  matrix_desc descs[3];
  size_t desc_count;
  dnnl_memory_t memories[3];
  size_t memory_count;
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  dnnl_stream_t stream;
};

static dnnl_status_t add_matrix(struct half_product *product, dnnl_engine_t engine, const dnnl_dims_t sizes, size_t row, bool is_transposed,
                                const void *values) {
  const dnnl_dims_t strides = {is_transposed ? 1 : (dnnl_dim_t)row, is_transposed ? (dnnl_dim_t)row : 1};
  const dnnl_data_type_t type = product->desc_count < 2 ? dnnl_bf16 : dnnl_f32;
  dnnl_status_t status = desc_init(&product->descs[product->desc_count], sizes, type, strides);
  if (status != dnnl_success) return status;
  matrix_desc *desc = &product->descs[product->desc_count++];
  /* oneDNN's memory objects don't know const; the sources are only read. */
  status = memory_create(&product->memories[product->memory_count], desc, engine, (void *)(size_t)values);
  if (status == dnnl_success) product->memory_count++;
  return status;
}

static dnnl_status_t run_half(struct half_product *product, const struct kernel_block *block, dnnl_engine_t engine) {
  const dnnl_dim_t m = (dnnl_dim_t)block->m, n = (dnnl_dim_t)block->n, k = (dnnl_dim_t)block->k;
  dnnl_status_t status = add_matrix(product, engine, (dnnl_dims_t){m, k}, block->a_row, block->is_a_transposed, block->a);
  if (status == dnnl_success) status = add_matrix(product, engine, (dnnl_dims_t){k, n}, block->b_row, block->is_b_transposed, block->b);
  if (status == dnnl_success) status = add_matrix(product, engine, (dnnl_dims_t){m, n}, block->c_row, false, block->c);
  if (status == dnnl_success) status = product_create(&product->desc, engine, product->descs);
  if (status == dnnl_success) status = dnnl_primitive_create(&product->primitive, product->desc); /* from its cache, but for the first */
  if (status == dnnl_success) status = dnnl_stream_create(&product->stream, engine, dnnl_stream_default_flags);
  if (status != dnnl_success) return status;
  const dnnl_exec_arg_t arguments[3] = {
      {DNNL_ARG_SRC, product->memories[0]}, {DNNL_ARG_WEIGHTS, product->memories[1]}, {DNNL_ARG_DST, product->memories[2]}};
  status = dnnl_primitive_execute(product->primitive, product->stream, 3, arguments);
  return status == dnnl_success ? dnnl_stream_wait(product->stream) : status;
}

static bool multiply_half(const struct kernel_block *block) {
  struct half_product product = {.desc_count = 0};
  const dnnl_status_t status = run_half(&product, block, library_get()->engine);
  if (product.stream != NULL) (void)dnnl_stream_destroy(product.stream);
  if (product.primitive != NULL) (void)dnnl_primitive_destroy(product.primitive);
  if (product.desc != NULL) (void)dnnl_primitive_desc_destroy(product.desc);
  for (size_t i = 0; i < product.memory_count; i++) (void)dnnl_memory_destroy(product.memories[i]);
  for (size_t i = 0; i < product.desc_count; i++) desc_deinit(&product.descs[i]);
  return status == dnnl_success;
}

bool kernels_library_multiply(const struct kernel_block *block) {
  if (library_get()->engine == NULL) return false;
  kernels_onednn_stay_alone();
  return block->is_half ? multiply_half(block) : multiply_float(block);
}
