#include "server/codec/tensor_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/json_text.h"
#include "server/codec/settings_json.h"

static const struct {
  const char *name;
  double share;
} quantiles[] = {{"0.01", 0.01}, {"0.05", 0.05}, {"0.25", 0.25}, {"0.5", 0.5}, {"0.75", 0.75}, {"0.95", 0.95}, {"0.99", 0.99}};
enum { QUANTILES = sizeof quantiles / sizeof quantiles[0] };

/* Summaries */

struct summary {
  size_t finite_count;
  double min, max, mean, std, norm;
};

static struct summary summarize(const float *values, size_t count) {
  struct summary summary = {.min = INFINITY, .max = -INFINITY};
  double sum = 0, squares = 0, deviations = 0;
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(values[i])) continue;
    const double value = (double)values[i];
    summary.finite_count++;
    summary.min = fmin(summary.min, value);
    summary.max = fmax(summary.max, value);
    sum += value;
    squares += value * value;
  }
  summary.mean = sum / (double)summary.finite_count;
  summary.norm = sqrt(squares);
  for (size_t i = 0; i < count; i++)
    if (isfinite(values[i])) deviations += ((double)values[i] - summary.mean) * ((double)values[i] - summary.mean);
  summary.std = sqrt(deviations / (double)summary.finite_count);
  return summary;
}

/* Moves values until none before `place` is greater and none behind it less than the one there (Hoare's FIND). */
static float select_at(float *values, size_t begin, size_t end, size_t place) {
  ptrdiff_t left = (ptrdiff_t)begin, right = (ptrdiff_t)end - 1;
  while (left < right) {
    const float pivot = values[place];
    ptrdiff_t low = left, high = right;
    do {
      while (values[low] < pivot) low++;
      while (values[high] > pivot) high--;
      if (low > high) break;
      const float swapped = values[low];
      values[low++] = values[high];
      values[high--] = swapped;
    } while (low <= high);
    if (high < (ptrdiff_t)place) left = low;
    if (low > (ptrdiff_t)place) right = high;
  }
  return values[place];
}

/* Each the value below which that share lies (the lower of two between which it falls). */
static json_t *quantiles_to_json(const struct tensor_view *tensor, size_t finite_count) {
  float *sorted = malloc((finite_count + 1) * sizeof *sorted);
  if (sorted == NULL) return NULL;
  size_t count = 0, begin = 0;
  for (size_t i = 0; i < tensor->count; i++)
    if (isfinite(tensor->values[i])) sorted[count++] = tensor->values[i];
  json_t *json = json_object();
  for (size_t i = 0; i < QUANTILES && count > 0; i++) {
    const size_t place = (size_t)(quantiles[i].share * (double)(count - 1));
    json_put(&json, quantiles[i].name, json_real((double)select_at(sorted, begin, count, place)));
    begin = place;
  }
  free(sorted);
  return json;
}

static json_t *histogram_to_json(const struct tensor_view *tensor, const struct summary *summary) {
  const size_t bins = summary->max > summary->min ? TENSOR_HISTOGRAM_BINS : 1;
  size_t counts[TENSOR_HISTOGRAM_BINS] = {0};
  const double width = (summary->max - summary->min) / (double)bins;
  for (size_t i = 0; i < tensor->count; i++) {
    if (!isfinite(tensor->values[i])) continue;
    const double place = width > 0 ? ((double)tensor->values[i] - summary->min) / width : 0;
    counts[place < (double)(bins - 1) ? (size_t)place : bins - 1]++;
  }
  json_t *edges = json_array(), *numbers = json_array();
  for (size_t i = 0; i <= bins; i++) json_append(&edges, json_real(i == bins ? summary->max : summary->min + width * (double)i));
  for (size_t i = 0; i < bins; i++) json_append(&numbers, json_integer((json_int_t)counts[i]));
  return json_pack("{s:o, s:o}", "edges", edges, "counts", numbers);
}

static json_t *values_to_json(const float *values, size_t count) {
  json_t *array = json_array();
  for (size_t i = 0; i < count; i++) json_append(&array, json_number((double)values[i]));
  return array;
}

static json_t *head_to_json(const struct tensor_view *tensor) {
  json_t *sizes = json_array();
  for (size_t i = 0; i < tensor->rank; i++) json_append(&sizes, json_integer((json_int_t)tensor->sizes[i]));
  return json_pack("{s:s, s:o, s:I}", "tensor", tensor->name, "shape", sizes, "count", (json_int_t)tensor->count);
}

json_t *tensor_to_json(const struct tensor_view *tensor, size_t whole_max) {
  const struct summary summary = summarize(tensor->values, tensor->count);
  const bool is_empty = summary.finite_count == 0;
  json_t *json = head_to_json(tensor);
  json_put(&json, "non_finite", json_integer((json_int_t)(tensor->count - summary.finite_count)));
  json_put(&json, "min", json_number(summary.min));
  json_put(&json, "max", json_number(summary.max));
  json_put(&json, "mean", json_number(summary.mean));
  json_put(&json, "std", json_number(summary.std));
  json_put(&json, "norm", is_empty ? json_null() : json_number(summary.norm));
  if (tensor->count <= whole_max) {
    json_put(&json, "values", values_to_json(tensor->values, tensor->count));
  } else if (!is_empty) {
    json_put(&json, "quantiles", quantiles_to_json(tensor, summary.finite_count));
    json_put(&json, "histogram", histogram_to_json(tensor, &summary));
  }
  return json;
}

json_t *tensor_window_to_json(const struct tensor_view *tensor, size_t offset, size_t limit) {
  const size_t rest = offset < tensor->count ? tensor->count - offset : 0;
  json_t *json = head_to_json(tensor);
  json_put(&json, "offset", json_integer((json_int_t)offset));
  json_put(&json, "values", values_to_json(tensor->values + (rest > 0 ? offset : 0), rest < limit ? rest : limit));
  return json;
}

/* Reading */

static void read_number(const json_t *json, const char *pointer, float *out_value, struct error *error) {
  const double number = json_is_number(json) ? json_number_value(json) : (double)NAN;
  *out_value = (float)number;
  char given[JSON_QUOTE_BYTES];
  if (!isfinite(*out_value)) error_add(error, pointer, "must be a number that float32 holds, not %s", json_quote(json, given));
}

static void read_flat(const json_t *json, const char *pointer, float *out_values, struct error *error) {
  char at[ERROR_POINTER_BYTES];
  for (size_t i = 0; i < json_array_size(json) && error_has_room(error); i++) {
    error_pointer(at, pointer, "%zu", i);
    read_number(json_array_get(json, i), at, &out_values[i], error);
  }
}

static void read_axis(const json_t *json, const struct shape *shape, size_t axis, const char *pointer, float **at_values,
                      struct error *error) {
  if (!error_has_room(error)) return;
  if (axis == shape->rank) {
    read_number(json, pointer, (*at_values)++, error);
    return;
  }
  if (!json_is_array(json) || json_array_size(json) != shape->sizes[axis]) {
    char text[SHAPE_TEXT_BYTES], given[JSON_QUOTE_BYTES];
    error_add(error, pointer, "must be an array of %zu, as the shape %s says, not %s", shape->sizes[axis],
              shape_format(shape, text, sizeof text), json_quote(json, given));
    return;
  }
  for (size_t i = 0; i < shape->sizes[axis]; i++) {
    char item[ERROR_POINTER_BYTES];
    error_pointer(item, pointer, "%zu", i);
    read_axis(json_array_get(json, i), shape, axis + 1, item, at_values, error);
  }
}

enum error_code floats_from_json(const json_t *json, const struct shape *shape, const char *pointer, float *out_values,
                                 struct error *error) {
  struct error found = {0};
  const size_t count = shape_size(shape);
  char text[SHAPE_TEXT_BYTES], given[JSON_QUOTE_BYTES];
  shape_format(shape, text, sizeof text);
  if (count == 1 && json_is_number(json))
    read_number(json, pointer, out_values, &found);
  else if (!json_is_array(json))
    error_add(&found, pointer, "must be an array of the shape %s, or of its %zu number%s one behind the other, not %s", text, count,
              count == 1 ? "" : "s", json_quote(json, given));
  else if (json_is_array(json_array_get(json, 0)))
    read_axis(json, shape, 0, pointer, &out_values, &found);
  else if (json_array_size(json) != count)
    error_add(&found, pointer, "has %zu values, not %zu: the shape is %s", json_array_size(json), count, text);
  else
    read_flat(json, pointer, out_values, &found);
  error_merge(error, &found);
  return found.code;
}
