/* Tensors as JSON: what a summary says is so, whatever the values are; and numbers come in by shape or flat. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/json_text.h"
#include "server/codec/tensor_json.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

static struct tensor_view view(const float *values, size_t count) {
  return (struct tensor_view){.name = "layer.weight", .rank = 1, .sizes = {count}, .count = count, .values = values};
}

static double number(const json_t *json, const char *key) { return json_number_value(json_object_get(json, key)); }

START_TEST(small_tensors_are_told_whole) {
  const float values[] = {1, NAN, -3, INFINITY, 2};
  const struct tensor_view tensor = view(values, 5);
  json_t *json = tensor_to_json(&tensor, 5), *told = json_object_get(json, "values");
  ck_assert_int_eq((int)number(json, "non_finite"), 2);
  ck_assert_double_eq(number(json, "min"), -3);
  ck_assert_double_eq(number(json, "max"), 2);
  ck_assert_double_eq(number(json, "mean"), 0);
  ck_assert_double_eq_tol(number(json, "norm"), sqrt(14), 1e-12);
  ck_assert_double_eq_tol(number(json, "std"), sqrt(14.0 / 3), 1e-12);
  ck_assert_uint_eq(json_array_size(told), 5);
  ck_assert(json_is_null(json_array_get(told, 1)) && json_is_null(json_array_get(told, 3)));
  ck_assert_double_eq(json_number_value(json_array_get(told, 2)), -3);
  ck_assert_ptr_null(json_object_get(json, "histogram"));
  json_decref(json);
}
END_TEST

static int by_value(const void *left, const void *right) {
  const float a = *(const float *)left, b = *(const float *)right;
  return (a > b) - (a < b);
}

/* In many orders and with many equal values, as selection algorithms get wrong. */
START_TEST(quantiles_are_those_of_the_sorted_values) {
  enum { COUNT = 500 };
  float values[COUNT], sorted[COUNT];
  for (int kind = 0; kind < 6; kind++) {
    for (int i = 0; i < COUNT; i++) {
      const int pseudo_random = (int)((unsigned)i * 2654435761u % 1000003u);
      const int by_kind[] = {i, COUNT - i, 7, pseudo_random, pseudo_random % 3, i < COUNT / 2 ? i : COUNT - i};
      values[i] = (float)by_kind[kind];
    }
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, COUNT, sizeof *sorted, by_value);
    const struct tensor_view tensor = view(values, COUNT);
    json_t *json = tensor_to_json(&tensor, 10), *quantiles = json_object_get(json, "quantiles");
    ck_assert_uint_eq(json_object_size(quantiles), 7);
    const char *name;
    json_t *value;
    json_object_foreach(quantiles, name, value)
        ck_assert_msg(json_number_value(value) == (double)sorted[(size_t)(strtod(name, NULL) * (COUNT - 1))], "kind %d, %s", kind, name);
    json_decref(json);
  }
}
END_TEST

START_TEST(a_histogram_counts_every_finite_value_between_its_edges) {
  enum { COUNT = 1000 };
  float values[COUNT];
  for (int i = 0; i < COUNT; i++) values[i] = (float)(i * i) / 10;
  values[3] = -INFINITY;
  const struct tensor_view tensor = view(values, COUNT);
  json_t *json = tensor_to_json(&tensor, 10);
  const json_t *histogram = json_object_get(json, "histogram"), *edges = json_object_get(histogram, "edges"),
               *counts = json_object_get(histogram, "counts");
  ck_assert_uint_eq(json_array_size(edges), json_array_size(counts) + 1);
  json_int_t all = 0;
  for (size_t bin = 0; bin < json_array_size(counts); bin++) {
    const double low = json_number_value(json_array_get(edges, bin)), high = json_number_value(json_array_get(edges, bin + 1));
    const bool is_last = bin + 1 == json_array_size(counts);
    json_int_t inside = 0;
    for (int i = 0; i < COUNT; i++)
      inside += isfinite(values[i]) && (double)values[i] >= low && ((double)values[i] < high || (is_last && (double)values[i] <= high));
    ck_assert_int_eq((int)json_integer_value(json_array_get(counts, bin)), (int)inside);
    all += inside;
  }
  ck_assert_int_eq((int)all, COUNT - 1);
  json_decref(json);
}
END_TEST

START_TEST(tensors_without_spread_or_without_numbers_have_summaries_too) {
  float values[20];
  for (int i = 0; i < 20; i++) values[i] = 4;
  const struct tensor_view tensor = view(values, 20);
  json_t *json = tensor_to_json(&tensor, 10);
  ck_assert_int_eq((int)json_integer_value(json_array_get(json_object_get(json_object_get(json, "histogram"), "counts"), 0)), 20);
  json_decref(json);
  for (int i = 0; i < 20; i++) values[i] = NAN;
  json = tensor_to_json(&tensor, 10);
  ck_assert(json_is_null(json_object_get(json, "mean")) && json_is_null(json_object_get(json, "min")) &&
            json_is_null(json_object_get(json, "norm")));
  char *text = json_write(json);
  ck_assert_ptr_nonnull(text);
  free(text);
  json_decref(json);
}
END_TEST

START_TEST(windows_end_where_the_tensor_does) {
  const float values[] = {1, 2, 3, 4, 5};
  const struct tensor_view tensor = view(values, 5);
  static const struct { size_t offset, limit, count; } cases[] = {{0, 2, 2}, {3, 100, 2}, {5, 10, 0}, {SIZE_MAX, 10, 0}, {4, SIZE_MAX, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_t *json = tensor_window_to_json(&tensor, cases[i].offset, cases[i].limit), *told = json_object_get(json, "values");
    ck_assert_uint_eq(json_array_size(told), cases[i].count);
    for (size_t k = 0; k < cases[i].count; k++)
      ck_assert_double_eq(json_number_value(json_array_get(told, k)), (double)values[cases[i].offset + k]);
    json_decref(json);
  }
}
END_TEST

START_TEST(numbers_are_read_nested_or_flat) {
  static const struct {
    const char *shape, *text, *pointer; /* pointer NULL: it is right */
  } cases[] = {
      {"2x3", "[[1,2,3],[4,5,6]]", NULL},
      {"2x3", "[1,2,3,4,5,6]", NULL},
      {"1", "7", NULL},
      {"1", "[7]", NULL},
      {"2x1", "[[1],[2]]", NULL},
      {"2x3", "[[1,2,3],[4,5]]", "/x/1"},
      {"2x3", "[[1,2,3]]", "/x"},
      {"2x3", "[1,2,3,4,5]", "/x"},
      {"3", "[[1,2,3]]", "/x"},
      {"2x2", "[[1,2],[3,[4]]]", "/x/1/1"},
      {"3", "[1,null,3]", "/x/1"},
      {"3", "{}", "/x"},
      {"2", "[1,1e39]", "/x/1"},
      {"2x2", "[[1,2],[true,4]]", "/x/1/0"},
      {"3", "[]", "/x"},
      {"3", "3", "/x"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    float values[6] = {0};
    struct error error = {0};
    const struct shape shape = shape_parse(cases[i].shape);
    json_t *json = json_loads(cases[i].text, JSON_DECODE_ANY, NULL);
    enum error_code code = floats_from_json(json, &shape, "/x", values, &error);
    ck_assert_msg((code == ERROR_NONE) == (cases[i].pointer == NULL), "%s", cases[i].text);
    if (cases[i].pointer != NULL) ck_assert_str_eq(error.items[0].pointer, cases[i].pointer);
    for (size_t k = 0; k < shape_size(&shape) && i < 2; k++) ck_assert_float_eq(values[k], (float)(k + 1));
    json_decref(json);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "tensors");
  tcase_add_test(test_case, small_tensors_are_told_whole);
  tcase_add_test(test_case, quantiles_are_those_of_the_sorted_values);
  tcase_add_test(test_case, a_histogram_counts_every_finite_value_between_its_edges);
  tcase_add_test(test_case, tensors_without_spread_or_without_numbers_have_summaries_too);
  tcase_add_test(test_case, windows_end_where_the_tensor_does);
  tcase_add_test(test_case, numbers_are_read_nested_or_flat);
}

int main(void) { return suite_main("tensor json", add_cases); }
