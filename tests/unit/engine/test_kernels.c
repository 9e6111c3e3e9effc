#include "engine/kernels.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/random.h"
#include "tests/support/shuffled_parallel.h"
#include "tests/support/suite.h"

typedef void matmul(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                    bool accumulate);
static const struct {
  const char *name;
  matmul *multiply;
  bool is_a_transposed, is_b_transposed;
} products[] = {{"nt", kernel_matmul_nt, false, true}, {"nn", kernel_matmul_nn, false, false}, {"tn", kernel_matmul_tn, true, false}};

/* Arrays end at the end of their allocation, so that the sanitizer build sees a read behind them. */
static float *make_array(size_t count, uint32_t lane) {
  float *values = malloc(count * sizeof *values);
  random_fill_normal(&(struct random_stream){.seed = 3, .purpose = 98, .lane = lane}, 0, count, values);
  return values;
}

/* c, with what stands before the first and behind the last row watched. */
static void check_product(size_t which, size_t m, size_t n, size_t k) {
  static const float guard = 12345.0f;
  float *a = make_array(m * k, 1), *b = make_array(k * n, 2), *start = make_array(m * n, 3);
  float *framed = malloc((m * n + 2) * sizeof *framed);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    framed[0] = framed[m * n + 1] = guard;
    memcpy(framed + 1, start, m * n * sizeof *start);
    products[which].multiply(NULL, m, n, k, a, b, framed + 1, accumulate != 0);
    ck_assert(framed[0] == guard && framed[m * n + 1] == guard);
    for (size_t i = 0; i < m; i++) {
      for (size_t j = 0; j < n; j++) {
        double sum = accumulate ? (double)start[i * n + j] : 0, magnitude = fabs(sum);
        for (size_t p = 0; p < k; p++) {
          double term = (double)a[products[which].is_a_transposed ? p * m + i : i * k + p] *
                        (double)b[products[which].is_b_transposed ? j * k + p : p * n + j];
          sum += term;
          magnitude += fabs(term);
        }
        ck_assert_msg(fabs((double)framed[1 + i * n + j] - sum) <= 3e-7 * magnitude,
                      "%s %zux%zux%zu, accumulate %d: c[%zu, %zu] is %g, not %g", products[which].name, m, n, k, accumulate, i, j,
                      (double)framed[1 + i * n + j], sum);
      }
    }
  }
  free(a);
  free(b);
  free(start);
  free(framed);
}

/* A product of parts in the middle of larger matrices; what lies around c stays as it was. A transposed b gives the same bits packed, also
 * with columns behind those that are taken. */
static void check_part(size_t m, size_t n, size_t k, bool is_a_transposed, bool is_b_transposed, bool accumulate) {
  enum { SPARE = 5 };
  const size_t a_row = (is_a_transposed ? m : k) + SPARE, b_row = (is_b_transposed ? k : n) + SPARE, c_row = n + SPARE;
  const size_t a_count = (is_a_transposed ? k : m) * a_row - SPARE, b_count = (is_b_transposed ? n : k) * b_row - SPARE;
  const size_t c_count = m * c_row - SPARE;
  float *a = make_array(a_count, 1), *b = make_array(b_count, 2), *c = make_array(c_count, 3), *start = make_array(c_count, 3);
  struct kernel_part part = {.m = m,
                             .n = n,
                             .k = k,
                             .a = a,
                             .b = b,
                             .c = c,
                             .a_row = a_row,
                             .b_row = b_row,
                             .c_row = c_row,
                             .is_a_transposed = is_a_transposed,
                             .is_b_transposed = is_b_transposed,
                             .accumulate = accumulate};
  kernel_multiply_part(&part);
  if (is_b_transposed) {
    float *packed = make_array(kernel_packed_count(n, k), 4), *from_packed = make_array(c_count, 3);
    kernel_pack_rows(n, k, b, b_row, packed);
    part.b = packed;
    part.is_b_packed = true;
    part.c = from_packed;
    part.n = n - n / 3;
    kernel_multiply_part(&part);
    for (size_t at = 0; at < c_count; at++) ck_assert_mem_eq(&from_packed[at], at % c_row < part.n ? &c[at] : &start[at], sizeof *c);
    free(packed);
    free(from_packed);
  }
  for (size_t at = 0; at < c_count; at++) {
    const size_t i = at / c_row, j = at % c_row;
    double sum = accumulate || j >= n ? (double)start[at] : 0, magnitude = fabs(sum);
    for (size_t p = 0; p < k && j < n; p++) {
      const double term =
          (double)a[is_a_transposed ? p * a_row + i : i * a_row + p] * (double)b[is_b_transposed ? j * b_row + p : p * b_row + j];
      sum += term;
      magnitude += fabs(term);
    }
    ck_assert_double_eq_tol((double)c[at], sum, 3e-7 * magnitude);
  }
  free(a);
  free(b);
  free(c);
  free(start);
}

/* Of products whose right operand is packed, in float32 and in bfloat16. */
static const struct {
  void (*pack_nt)(size_t n, size_t k, const float *b, float *packed);
  void (*pack_nn)(size_t n, size_t k, const float *b, float *packed);
  void (*multiply)(size_t m, size_t n, size_t k, const float *a, const float *packed, float *c, bool accumulate);
  double tolerance; /* of Σ |terms| */
} packed_kinds[] = {{kernel_pack_nt, kernel_pack_nn, kernel_packed_matmul, 3e-7},
                    {kernel_half_pack_nt, kernel_half_pack_nn, kernel_half_packed_matmul, 8e-3}};
enum { PACKED_KINDS = sizeof packed_kinds / sizeof packed_kinds[0] };

/* Row by row too: the bits must be the same. */
static void check_packed(int kind, size_t m, size_t n, size_t k, bool is_transposed, bool accumulate) {
  float *a = make_array(m * k, 1), *b = make_array(k * n, 2), *c = make_array(m * n, 3), *start = make_array(m * n, 3);
  float *packed = make_array(kernel_packed_count(n, k), 4), *alone = make_array(n, 5);
  (is_transposed ? packed_kinds[kind].pack_nt : packed_kinds[kind].pack_nn)(n, k, b, packed);
  packed_kinds[kind].multiply(m, n, k, a, packed, c, accumulate);
  for (size_t i = 0; i < m; i++) {
    memcpy(alone, start + i * n, n * sizeof *alone);
    packed_kinds[kind].multiply(1, n, k, a + i * k, packed, alone, accumulate);
    ck_assert_mem_eq(alone, c + i * n, n * sizeof *alone);
    for (size_t j = 0; j < n; j++) {
      double sum = accumulate ? (double)start[i * n + j] : 0, magnitude = fabs(sum);
      for (size_t p = 0; p < k; p++) {
        const double term = (double)a[i * k + p] * (double)b[is_transposed ? j * k + p : p * n + j];
        sum += term;
        magnitude += fabs(term);
      }
      ck_assert_double_eq_tol((double)c[i * n + j], sum, packed_kinds[kind].tolerance * magnitude);
    }
  }
  float *owned[] = {a, b, c, start, packed, alone};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}

START_TEST(packed_products_agree_with_loops_and_rows_have_the_same_bits_alone) {
  static const size_t sizes[][3] = {{1, 1, 1},   {3, 2, 5},    {16, 64, 32}, {16, 33, 64},
                                    {9, 33, 17}, {17, 16, 40}, {5, 70, 300}, {9, 40, 2051}};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
    for (unsigned way = 0; way < 4; way++) check_packed(_i, sizes[s][0], sizes[s][1], sizes[s][2], (way & 1) != 0, (way & 2) != 0);
}
END_TEST

/* Whatever rows are fetched meanwhile, few or many beside the tiles. */
START_TEST(packed_products_before_others_have_the_same_bits) {
  static const size_t sizes[][3] = {{1, 1, 1}, {16, 128, 40}, {17, 16, 40}, {40, 33, 17}};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    const size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
    float *a = make_array(m * k, 1), *b = make_array(k * n, 2), *c = make_array(m * n, 3), *alone = make_array(m * n, 3);
    float *packed = make_array(kernel_packed_count(n, k), 4), *next_a = make_array(m * k, 5);
    kernel_pack_nt(n, k, b, packed);
    kernel_packed_matmul(m, n, k, a, packed, alone, true);
    kernel_packed_matmul_before(m, n, k, a, packed, c, true, next_a);
    ck_assert_mem_eq(c, alone, m * n * sizeof *c);
    float *owned[] = {a, b, c, alone, packed, next_a};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
  }
}
END_TEST

/* Packed products always go through tiles; matrix products don't where they are small. */
START_TEST(products_of_all_sizes_have_the_bits_of_tiles) {
  static const size_t sizes[] = {1, 2, 5, 8, 16, 17, 30, 33};
  enum { COUNT = sizeof sizes / sizeof sizes[0] };
  for (size_t s = 0; s < COUNT * COUNT * COUNT; s++) {
    const size_t m = sizes[s % COUNT], n = sizes[s / COUNT % COUNT], k = sizes[s / COUNT / COUNT];
    float *a = make_array(m * k, 1), *b = make_array(k * n, 2), *c = make_array(m * n, 3), *tiles = make_array(m * n, 4);
    float *packed = make_array(kernel_packed_count(n, k), 5);
    kernel_pack_nt(n, k, b, packed);
    kernel_packed_matmul(m, n, k, a, packed, tiles, false);
    kernel_matmul_nt(NULL, m, n, k, a, b, c, false);
    ck_assert_mem_eq(c, tiles, m * n * sizeof *c);
    kernel_pack_nn(n, k, b, packed);
    kernel_packed_matmul(m, n, k, a, packed, tiles, false);
    kernel_matmul_nn(NULL, m, n, k, a, b, c, false);
    ck_assert_mem_eq(c, tiles, m * n * sizeof *c);
    float *owned[] = {a, b, c, tiles, packed};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
  }
}
END_TEST

START_TEST(parts_of_matrices_are_multiplied_in_their_place) {
  static const size_t sizes[][3] = {{1, 1, 1}, {3, 2, 5}, {64, 64, 32}, {64, 32, 64}, {9, 33, 17}, {65, 1, 40}, {1, 70, 3}, {20, 50, 300}};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
    for (unsigned way = 0; way < 8; way++)
      check_part(sizes[s][0], sizes[s][1], sizes[s][2], (way & 1) != 0, (way & 2) != 0, (way & 4) != 0);
}
END_TEST

START_TEST(products_agree_with_three_loops_in_float64) {
  static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50, 65};
  enum { COUNT = sizeof sizes / sizeof sizes[0] };
  for (size_t m = 0; m < COUNT; m++)
    for (size_t n = 0; n < COUNT; n++)
      for (size_t k = (m + n) % 2; k < COUNT; k += 2) check_product((size_t)_i, sizes[m], sizes[n], sizes[k]);
}
END_TEST

START_TEST(large_products_agree_too) {
  check_product((size_t)_i, 129, 257, 511);
  check_product((size_t)_i, 33, 10, 1030);
  check_product((size_t)_i, 1, 300, 784);
  check_product((size_t)_i, 300, 1, 513);
  check_product((size_t)_i, 200, 32, 700);
  check_product((size_t)_i, 150, 17, 650);
}
END_TEST

START_TEST(a_sum_of_no_terms_is_0) {
  float a[1] = {1}, b[1] = {1}, c[6] = {1, 2, 3, 4, 5, 6};
  products[_i].multiply(NULL, 2, 3, 0, a, b, c, true);
  ck_assert(c[5] == 6.0f);
  products[_i].multiply(NULL, 2, 3, 0, a, b, c, false);
  for (size_t i = 0; i < 6; i++) ck_assert(c[i] == 0.0f);
  products[_i].multiply(NULL, 0, 3, 1, a, b, c, false);
  products[_i].multiply(NULL, 2, 0, 1, a, b, c, false);
}
END_TEST

START_TEST(order_of_pieces_changes_no_bit) {
  static const size_t sizes[][3] = {{128, 512, 512}, {512, 512, 128}, {7, 2000, 900},  {2000, 7, 900},
                                    {9000, 32, 400}, {300, 300, 301}, {1100, 1030, 40}};
  struct shuffled_parallel state;
  struct parallel parallel = shuffled_parallel(&state);
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
    float *a = make_array(m * k, 1), *b = make_array(k * n, 2), *c = make_array(m * n, 3), *shuffled = make_array(m * n, 4);
    products[_i].multiply(NULL, m, n, k, a, b, c, false);
    products[_i].multiply(&parallel, m, n, k, a, b, shuffled, false);
    ck_assert(memcmp(c, shuffled, m * n * sizeof *c) == 0);
    free(a);
    free(b);
    free(c);
    free(shuffled);
  }
  ck_assert_uint_gt(state.pieces, 2 * state.runs);
}
END_TEST

/* A value does not depend on where in c it stands: rows computed alone are those computed together. */
START_TEST(place_in_the_matrix_changes_no_bit) {
  enum { M = 37, N = 70, K = 100 };
  float *a = make_array(M * K, 1), *b = make_array(K * N, 2), together[M * N], alone[N];
  kernel_matmul_nt(NULL, M, N, K, a, b, together, false);
  for (size_t i = 0; i < M; i++) {
    kernel_matmul_nt(NULL, 1, N, K, a + i * K, b, alone, false);
    ck_assert(memcmp(alone, together + i * N, sizeof alone) == 0);
  }
  free(a);
  free(b);
}
END_TEST

/* Few rows are computed as columns, many as rows; sums of one block and of several; columns that fill tiles and that don't. */
START_TEST(a_bias_is_added_to_the_whole_sum_and_the_number_of_rows_changes_no_bit) {
  enum { M = 131 };
  static const size_t sizes[][2] = {{2, 300}, {10, 128}, {32, 30}, {70, 784}, {129, 700}};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    const size_t n = sizes[s][0], k = sizes[s][1];
    float *a = make_array(M * k, 1), *b = make_array(k * n, 2), *bias = make_array(n, 3), *plain = make_array(M * n, 4);
    kernel_matmul_nt(NULL, M, n, k, a, b, plain, false);
    kernel_add_bias(NULL, M, n, bias, plain);
    for (size_t rows = 1; rows <= M; rows += rows < 70 ? 13 : 61) {
      float *c = make_array(rows * n, 5);
      kernel_matmul_nt_bias(NULL, rows, n, k, a, b, bias, c);
      ck_assert_msg(memcmp(c, plain, rows * n * sizeof *c) == 0, "%zu rows of %zu, %zu terms", rows, n, k);
      free(c);
    }
    free(a), free(b), free(bias), free(plain);
  }
}
END_TEST

/* Each value of z = x wᵀ + bias, to rounding. */
static void check_rows(size_t m, size_t n, size_t k, const float *x, const float *w, const float *bias, const float *z) {
  for (size_t i = 0; i < m; i++) {
    for (size_t j = 0; j < n; j++) {
      double sum = bias == NULL ? 0 : (double)bias[j];
      for (size_t p = 0; p < k; p++) sum += (double)x[i * k + p] * (double)w[j * k + p];
      ck_assert_double_eq_tol((double)z[i * n + j], sum, 1e-6 * (double)(k + 8));
    }
  }
}

/* With a bias and without. */
static void check_rows_alone(size_t m, size_t n, size_t k) {
  float *x = make_array(m * k, 1), *w = make_array(n * k, 2), *bias = make_array(n, 3);
  float *together = make_array(m * n, 4), *alone = make_array(n, 5), *unbiased = make_array(m * n, 6);
  kernel_dense_rows(m, n, k, x, w, bias, together);
  kernel_dense_rows(m, n, k, x, w, NULL, unbiased);
  check_rows(m, n, k, x, w, bias, together);
  check_rows(m, n, k, x, w, NULL, unbiased);
  for (size_t i = 0; i < m; i++) {
    kernel_dense_rows(1, n, k, x + i * k, w, bias, alone);
    ck_assert_msg(memcmp(alone, together + i * n, n * sizeof *alone) == 0, "row %zu of %zu, %zu units, %zu terms", i, m, n, k);
    kernel_dense_rows(1, n, k, x + i * k, w, NULL, alone);
    ck_assert_msg(memcmp(alone, unbiased + i * n, n * sizeof *alone) == 0, "row %zu of %zu, %zu units, %zu terms", i, m, n, k);
  }
  free(x), free(w), free(bias), free(together), free(alone), free(unbiased);
}

/* Row counts that fill blocks and that don't, and more than are near at a time; units likewise; sums shorter than a vector, longer, and no
 * multiple of it. */
START_TEST(rows_of_a_prediction_are_right_and_have_the_same_bits_alone) {
  static const size_t lengths[] = {1, 2, 3, 4, 5, 8, 11, 15, 16, 17, 30, 33, 40, 64, 100, 129, 300};
  static const size_t units[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 19, 26, 33};
  const size_t k = lengths[_i];
  for (size_t m = 1; m <= 11; m++)
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) check_rows_alone(m, units[u], k);
  check_rows_alone(31, 10, k);
  check_rows_alone(300, 5, k);
}
END_TEST

/* A value is the same sum wherever its unit stands: alone, in a block, behind the last whole one. */
START_TEST(units_of_a_prediction_have_the_same_bits_alone) {
  enum { M = 6, N = 39, K = 50 };
  float *x = make_array(M * K, 1), *w = make_array(N * K, 2), *bias = make_array(N, 3), together[M * N], alone[M];
  for (size_t m = 1; m <= M; m++) {
    kernel_dense_rows(m, N, K, x, w, bias, together);
    for (size_t j = 0; j < N; j++) {
      kernel_dense_rows(m, 1, K, x, w + j * K, bias + j, alone);
      for (size_t i = 0; i < m; i++) ck_assert_mem_eq(&alone[i], &together[i * N + j], sizeof alone[i]);
    }
  }
  free(x), free(w), free(bias);
}
END_TEST

START_TEST(small_problems_are_one_piece) {
  struct shuffled_parallel state;
  struct parallel parallel = shuffled_parallel(&state);
  float *a = make_array(64 * 64, 1), *b = make_array(64 * 64, 2), *c = make_array(64 * 64, 3);
  for (size_t which = 0; which < 3; which++) products[which].multiply(&parallel, 32, 64, 64, a, b, c, false);
  kernel_add_bias(&parallel, 64, 64, a, c);
  kernel_column_sums(&parallel, 64, 64, a, c);
  (void)kernel_sum_squares(&parallel, 64 * 64, a);
  ck_assert_uint_eq(state.runs, 0);
  free(a);
  free(b);
  free(c);
}
END_TEST

START_TEST(bias_and_column_sums_agree_with_loops) {
  static const size_t sizes[][2] = {{1, 1}, {3, 5}, {17, 64}, {100, 65}, {2000, 700}};
  struct shuffled_parallel state;
  struct parallel parallel = shuffled_parallel(&state);
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    size_t rows = sizes[s][0], width = sizes[s][1];
    float *x = make_array(rows * width, 1), *y = make_array(rows * width, 1), *bias = make_array(width, 2), *sums = make_array(width, 3);
    kernel_add_bias(&parallel, rows, width, bias, y);
    for (size_t i = 0; i < rows * width; i++) ck_assert(y[i] == x[i] + bias[i % width]);
    kernel_column_sums(&parallel, rows, width, x, sums);
    for (size_t j = 0; j < width; j++) {
      double sum = 0, magnitude = 0;
      for (size_t row = 0; row < rows; row++) {
        sum += (double)x[row * width + j];
        magnitude += fabs((double)x[row * width + j]);
      }
      ck_assert_double_eq_tol((double)sums[j], sum, 2e-7 * magnitude);
    }
    free(x);
    free(y);
    free(bias);
    free(sums);
  }
  ck_assert_uint_ge(state.runs, 2);
}
END_TEST

START_TEST(sums_of_squares_are_exact_and_the_same_in_any_order) {
  static const size_t counts[] = {0, 1, 7, 8, 9, 1000, 1 << 17, (1 << 17) + 1, 1000003, (1 << 23) + 77};
  struct shuffled_parallel state;
  struct parallel parallel = shuffled_parallel(&state);
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    float *x = make_array(counts[c], 1);
    double sum = 0, computed = kernel_sum_squares(NULL, counts[c], x);
    for (size_t i = 0; i < counts[c]; i++) sum += (double)x[i] * (double)x[i];
    ck_assert_double_le(fabs(computed - sum), 1e-12 * sum);
    ck_assert(computed == kernel_sum_squares(&parallel, counts[c], x));
    free(x);
  }
  ck_assert_uint_ge(state.runs, 2);
}
END_TEST

typedef void half_matmul(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                         uint16_t *half);
static half_matmul *const half_products[] = {kernel_half_matmul_nt, kernel_half_matmul_nn, kernel_half_matmul_tn};

/* bfloat16 keeps 8 digits of each factor; the sums are float32's. */
START_TEST(bfloat16_products_are_those_of_float32_to_its_precision) {
  static const size_t sizes[][3] = {{128, 96, 100}, {33, 301, 257}, {1500, 40, 70}, {40, 1100, 64}, {3, 4, 5}};
  struct shuffled_parallel state;
  struct parallel parallel = shuffled_parallel(&state);
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    const size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
    float *a = make_array(m * k, 1), *b = make_array(k * n, 2), *c = make_array(m * n, 3), *near = make_array(m * n, 4);
    float *again = make_array(m * n, 5);
    uint16_t *half = aligned_alloc(64, (m * k + k * n + KERNEL_HALF_SPARE + 31) / 32 * 64);
    products[_i].multiply(NULL, m, n, k, a, b, c, false);
    half_products[_i](NULL, m, n, k, a, b, near, half);
    half_products[_i](&parallel, m, n, k, a, b, again, half);
    ck_assert(memcmp(near, again, m * n * sizeof *near) == 0);
    double worst = 0;
    for (size_t i = 0; i < m * n; i++) worst = fmax(worst, fabs((double)near[i] - (double)c[i]) / sqrt((double)k));
    ck_assert_msg(worst < 2e-2, "%zux%zux%zu: off by %g", m, n, k, worst);
    ck_assert(m * n * k < 1 << 20 || !kernels_can_half() || worst > 1e-4); /* it is bfloat16 indeed */
    free(a), free(b), free(c), free(near), free(again), free(half);
  }
}
END_TEST

START_TEST(a_value_that_is_not_finite_comes_through_bfloat16) {
  enum { M = 128, N = 128, K = 128 };
  float *a = make_array(M * K, 1), *b = make_array(K * N, 2), *c = make_array(M * N, 3);
  uint16_t *half = aligned_alloc(64, (M * K + K * N + KERNEL_HALF_SPARE) * sizeof *half);
  static const uint32_t strangers[] = {0x7FC00000u, 0x7F800001u, 0xFFFFFFFFu, 0x7F800000u}; /* NaNs, ∞ */
  for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
    memcpy(&a[5], &strangers[i], sizeof a[5]);
    half_products[_i](NULL, M, N, K, a, b, c, half);
    ck_assert(!kernel_is_finite(NULL, M * N, c));
  }
  free(a), free(b), free(c), free(half);
}
END_TEST

START_TEST(one_value_that_is_not_finite_is_found_anywhere) {
  static const size_t counts[] = {1, 63, 64, 65, 1000, (1 << 17) + 1, (1 << 23) + 77};
  static const float strangers[] = {NAN, INFINITY, -INFINITY};
  struct shuffled_parallel state;
  struct parallel parallel = shuffled_parallel(&state);
  ck_assert(kernel_is_finite(&parallel, 0, NULL));
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    float *x = make_array(counts[c], 1);
    x[0] = 3e38f; /* large is not infinite, and small is not either */
    x[counts[c] / 2] = -1e-45f;
    ck_assert(kernel_is_finite(&parallel, counts[c], x));
    for (size_t place = 0; place < counts[c]; place += counts[c] / 7 + 1) {
      const float kept = x[place];
      x[place] = strangers[place % 3];
      ck_assert(!kernel_is_finite(&parallel, counts[c], x));
      x[place] = kept;
    }
    x[counts[c] - 1] = NAN;
    ck_assert(!kernel_is_finite(NULL, counts[c], x));
    free(x);
  }
}
END_TEST

START_TEST(kernels_have_a_name) { ck_assert_uint_gt(strlen(kernels_name()), 0); }
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "kernels");
  tcase_add_loop_test(test_case, packed_products_agree_with_loops_and_rows_have_the_same_bits_alone, 0, PACKED_KINDS);
  tcase_add_test(test_case, packed_products_before_others_have_the_same_bits);
  tcase_add_test(test_case, products_of_all_sizes_have_the_bits_of_tiles);
  tcase_add_test(test_case, parts_of_matrices_are_multiplied_in_their_place);
  tcase_add_loop_test(test_case, products_agree_with_three_loops_in_float64, 0, 3);
  tcase_add_loop_test(test_case, large_products_agree_too, 0, 3);
  tcase_add_loop_test(test_case, a_sum_of_no_terms_is_0, 0, 3);
  tcase_add_loop_test(test_case, order_of_pieces_changes_no_bit, 0, 3);
  tcase_add_test(test_case, place_in_the_matrix_changes_no_bit);
  tcase_add_test(test_case, a_bias_is_added_to_the_whole_sum_and_the_number_of_rows_changes_no_bit);
  tcase_add_loop_test(test_case, rows_of_a_prediction_are_right_and_have_the_same_bits_alone, 0, 17);
  tcase_add_test(test_case, units_of_a_prediction_have_the_same_bits_alone);
  tcase_add_test(test_case, small_problems_are_one_piece);
  tcase_add_test(test_case, bias_and_column_sums_agree_with_loops);
  tcase_add_test(test_case, sums_of_squares_are_exact_and_the_same_in_any_order);
  tcase_add_loop_test(test_case, bfloat16_products_are_those_of_float32_to_its_precision, 0, 3);
  tcase_add_loop_test(test_case, a_value_that_is_not_finite_comes_through_bfloat16, 0, 3);
  tcase_add_test(test_case, one_value_that_is_not_finite_is_found_anywhere);
  tcase_add_test(test_case, kernels_have_a_name);
}

int main(void) { return suite_main("kernels", add_cases); }
