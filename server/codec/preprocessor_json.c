#include "server/codec/preprocessor_json.h"

#include <stdlib.h>
#include <string.h>

#include "server/codec/json_text.h"
#include "server/codec/settings_json.h"
#include "server/data/tensor_file.h"

/* Both directions of one form:
 * {"task", "reconstruction": true for one,
 *  "window": {"length", "horizon", "stride", "time": {"name", "column", "order": null of numbers} if one puts the rows in order} of a
 *            forecast, "input_width", "output_width", "target_width",
 *  "features": [{"name", "kind", "column", "offset", "width", "has_indicator", "mask", "center", "scale", "fill", "bins", "edges",
 *                "categories", "seen",
 *                "text": {"encoding", "tokens", "lowercase", "ngrams", "max_length", "vocabulary_max", "min_frequency", "vocabulary",
 *                         "weights"},
 *                "datetime": {"order", "has_times", "parts": [those that are used]},
 *                "image": {"shape": [channels, height, width], "centers", "scales": one for each channel},
 *                "sequence": {"length", "features", "mask_value": null without masking}}],
 *  "targets": [{"name", "source" of a forecast, "column", "is_class", "classes", "class_weights" if the loss has some, "center",
 *               "scale"}]} */

static json_t *texts_to_json(char *const *texts, size_t count) {
  json_t *array = json_array();
  for (size_t i = 0; i < count; i++) json_append(&array, json_string(texts[i]));
  return array;
}

static json_t *text_encoding_to_json(const struct text_encoding *encoding) {
  const struct token_table *table = &encoding->table;
  json_t *tokens = json_array(), *weights = json_array();
  for (size_t i = 0; i < table->count; i++) {
    json_append(&tokens, json_stringn(table->texts + table->entries[i].text, table->entries[i].bytes));
    json_append(&weights, json_number(encoding->weights[i]));
  }
  return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:o, s:o}", "encoding", text_form_names[encoding->form], "tokens",
                   token_unit_names[encoding->tokenizer.unit], "lowercase", (int)encoding->tokenizer.is_lowercase, "ngrams",
                   (json_int_t)encoding->tokenizer.ngram_max, "max_length", (json_int_t)encoding->length, "vocabulary_max",
                   (json_int_t)encoding->vocabulary_max, "min_frequency", (json_int_t)encoding->min_frequency, "vocabulary", tokens,
                   "weights", weights);
}

static json_t *dates_to_json(const struct datetime_encoding *encoding) {
  json_t *parts = json_array();
  for (int i = 0; i < DATETIME_PARTS; i++) {
    if (encoding->is_used[i] && (i != DATETIME_DAY || encoding->form.has_times)) json_append(&parts, json_string(datetime_part_names[i]));
  }
  return json_pack("{s:s, s:b, s:o}", "order", datetime_order_names[encoding->form.order], "has_times", (int)encoding->form.has_times,
                   "parts", parts);
}

static json_t *numbers_to_json(const double *numbers, size_t count) {
  json_t *array = json_array();
  for (size_t i = 0; i < count; i++) json_append(&array, json_number(numbers[i]));
  return array;
}

static json_t *list_to_json(const struct sequence_encoding *list) {
  json_t *json = json_pack("{s:I, s:I, s:o}", "length", (json_int_t)list->length, "features", (json_int_t)list->features, "mask_value",
                           list->is_masked ? json_number((double)list->padding) : json_null());
  if (list->centers == NULL) return json;
  json_put(&json, "centers", numbers_to_json(list->centers, list->features));
  json_put(&json, "scales", numbers_to_json(list->scales, list->features));
  return json;
}

static json_t *image_to_json(const struct image_encoding *image) {
  json_t *centers = json_array(), *scales = json_array();
  for (size_t i = 0; i < image->channels; i++) {
    json_append(&centers, json_number((double)image->center[i]));
    json_append(&scales, json_number((double)image->scale[i]));
  }
  return json_pack("{s:[I,I,I], s:o, s:o}", "shape", (json_int_t)image->channels, (json_int_t)image->height, (json_int_t)image->width,
                   "centers", centers, "scales", scales);
}

static json_t *feature_to_json(const struct feature *feature) {
  json_t *json = json_pack("{s:s, s:s, s:I, s:I, s:I, s:b}", "name", feature->name, "kind", column_kind_names[feature->kind], "column",
                           (json_int_t)feature->column, "offset", (json_int_t)feature->offset, "width", (json_int_t)feature->width,
                           "has_indicator", (int)feature->has_indicator);
  if (feature->has_mask) json_put(&json, "mask", json_number(feature->mask));
  if (feature->kind == COLUMN_IMAGE) {
    json_put(&json, "image", image_to_json(&feature->image));
    return json;
  }
  if (feature->kind == COLUMN_DATETIME) json_put(&json, "datetime", dates_to_json(&feature->dates));
  if (feature->kind == COLUMN_SEQUENCE) json_put(&json, "sequence", list_to_json(&feature->list));
  if (feature->kind == COLUMN_NUMERIC || feature->kind == COLUMN_DATETIME || feature->kind == COLUMN_SEQUENCE) {
    json_put(&json, "center", json_number(feature->center));
    json_put(&json, "scale", json_number(feature->scale));
    json_put(&json, "fill", json_number(feature->fill));
    if (feature->bins.width > 0) {
      json_put(&json, "bins", json_integer((json_int_t)feature->bins.width));
      json_put(&json, "edges", numbers_to_json(feature->bins.edges, feature->bins.count > 0 ? feature->bins.count + 1 : 0));
    }
    if (feature->token_count > 0) json_put(&json, "tokens", json_integer((json_int_t)feature->token_count));
    return json;
  }
  if (feature->kind == COLUMN_TEXT) {
    json_put(&json, "text", text_encoding_to_json(&feature->text));
    return json;
  }
  json_t *seen = json_array();
  for (size_t i = 0; i < feature->category_count; i++) json_append(&seen, json_boolean(feature->is_seen[i]));
  json_put(&json, "categories", texts_to_json(feature->categories, feature->category_count));
  json_put(&json, "seen", seen);
  return json;
}

static json_t *target_to_json(const struct target *target) {
  json_t *json =
      json_pack("{s:s, s:I, s:b}", "name", target->name, "column", (json_int_t)target->column, "is_class", (int)target->is_class);
  if (target->source != NULL) json_put(&json, "source", json_string(target->source));
  if (target->is_class) {
    json_put(&json, "classes", texts_to_json(target->classes, target->class_count));
    if (target->class_weights == NULL) return json;
    json_t *weights = json_array();
    for (size_t i = 0; i < target->class_count; i++) json_append(&weights, json_number(target->class_weights[i]));
    json_put(&json, "class_weights", weights);
  } else {
    json_put(&json, "center", json_number(target->center));
    json_put(&json, "scale", json_number(target->scale));
  }
  return json;
}

static json_t *window_to_json(const struct window *window, const struct clock *clock) {
  json_t *json = json_pack("{s:I, s:I, s:I}", "length", (json_int_t)window->length, "horizon", (json_int_t)window->horizon, "stride",
                           (json_int_t)window->stride);
  if (clock->name != NULL)
    json_put(&json, "time",
             json_pack("{s:s, s:I, s:s?}", "name", clock->name, "column", (json_int_t)clock->column, "order",
                       clock->has_dates ? datetime_order_names[clock->order] : NULL));
  return json;
}

json_t *preprocessor_to_json(const struct preprocessor *preprocessor) {
  json_t *features = json_array(), *targets = json_array();
  for (size_t i = 0; i < preprocessor->feature_count; i++) json_append(&features, feature_to_json(&preprocessor->features[i]));
  for (size_t i = 0; i < preprocessor->target_count; i++) json_append(&targets, target_to_json(&preprocessor->targets[i]));
  json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "task", task_names[preprocessor->task], "input_width",
                           (json_int_t)preprocessor->input_width, "output_width", (json_int_t)preprocessor->output_width, "target_width",
                           (json_int_t)preprocessor->target_width, "features", features, "targets", targets);
  if (preprocessor->is_reconstruction) json_put(&json, "reconstruction", json_true());
  if (preprocessor->window.length > 0) json_put(&json, "window", window_to_json(&preprocessor->window, &preprocessor->clock));
  return json;
}

/* Reading: what is wrong is remembered in `is_bad`, and asked once at the end. */
struct reader {
  bool is_bad;
};

static size_t read_size(struct reader *reader, const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_integer(value) || json_integer_value(value) < 0) reader->is_bad = true;
  return (size_t)json_integer_value(value);
}

static double read_number(struct reader *reader, const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_number(value)) reader->is_bad = true;
  return json_number_value(value);
}

static char *read_text(struct reader *reader, const json_t *value) {
  const char *text = json_string_value(value);
  char *copy = text == NULL ? NULL : strdup(text);
  if (copy == NULL) reader->is_bad = true;
  return copy;
}

static char **read_texts(struct reader *reader, const json_t *object, const char *key, size_t *out_count) {
  const json_t *array = json_object_get(object, key);
  size_t count = json_array_size(array);
  *out_count = 0;
  char **texts = calloc(count + 1, sizeof *texts);
  if (texts == NULL || !json_is_array(array)) {
    reader->is_bad = true;
    free(texts);
    return NULL;
  }
  for (size_t i = 0; i < count; i++) {
    texts[i] = read_text(reader, json_array_get(array, i));
    if (texts[i] == NULL) break;
    *out_count = i + 1;
  }
  return texts;
}

static int find_name(const char *const *names, const json_t *value) {
  const char *text = json_string_value(value);
  for (int i = 0; text != NULL && names[i] != NULL; i++) {
    if (strcmp(names[i], text) == 0) return i;
  }
  return -1;
}

static void read_vocabulary(struct reader *reader, const json_t *json, struct text_encoding *encoding) {
  const json_t *tokens = json_object_get(json, "vocabulary"), *weights = json_object_get(json, "weights");
  const size_t count = json_array_size(tokens);
  size_t bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += json_string_length(json_array_get(tokens, i));
  struct error error = {0};
  reader->is_bad |= count > encoding->vocabulary_max || json_array_size(weights) != count;
  reader->is_bad |= text_encoding_reserve(encoding, count, bytes, &error) != ERROR_NONE;
  for (size_t i = 0; i < count && !reader->is_bad; i++) {
    const json_t *token = json_array_get(tokens, i), *weight = json_array_get(weights, i);
    reader->is_bad = !json_is_string(token) || !json_is_number(weight) ||
                     !text_encoding_add(encoding, json_string_value(token), json_string_length(token), json_number_value(weight));
  }
}

static void read_text_encoding(struct reader *reader, const json_t *json, struct text_encoding *encoding) {
  const int form = find_name(text_form_names, json_object_get(json, "encoding"));
  const int unit = find_name(token_unit_names, json_object_get(json, "tokens"));
  reader->is_bad |= form < 0 || unit < 0;
  encoding->form = form < 0 ? TEXT_TF_IDF : (enum text_form)form;
  encoding->tokenizer = (struct tokenizer){.unit = unit < 0 ? TOKEN_WORDS : (enum token_unit)unit,
                                           .is_lowercase = json_is_true(json_object_get(json, "lowercase")),
                                           .ngram_max = read_size(reader, json, "ngrams")};
  encoding->length = read_size(reader, json, "max_length");
  encoding->vocabulary_max = read_size(reader, json, "vocabulary_max");
  encoding->min_frequency = read_size(reader, json, "min_frequency");
  reader->is_bad |= encoding->tokenizer.ngram_max < 1 || encoding->tokenizer.ngram_max > TOKEN_NGRAM_MAX;
  if (!reader->is_bad) read_vocabulary(reader, json, encoding);
}

static void read_dates(struct reader *reader, const json_t *json, struct datetime_encoding *encoding) {
  const json_t *parts = json_object_get(json, "parts");
  const int order = find_name(datetime_order_names, json_object_get(json, "order"));
  reader->is_bad |= order < 0 || !json_is_array(parts);
  encoding->form.order = order < 0 ? DATETIME_YEAR_FIRST : (enum datetime_order)order;
  encoding->form.has_times = json_is_true(json_object_get(json, "has_times"));
  for (size_t i = 0; i < json_array_size(parts); i++) {
    const int part = find_name(datetime_part_names, json_array_get(parts, i));
    if (part < 0)
      reader->is_bad = true;
    else
      encoding->is_used[part] = true;
  }
}

/* [count] numbers, or NULL. */
static double *read_numbers(struct reader *reader, const json_t *array, size_t count) {
  double *numbers = calloc(count + 1, sizeof *numbers);
  if (numbers == NULL || json_array_size(array) != count) reader->is_bad = true;
  for (size_t i = 0; !reader->is_bad && i < count; i++) numbers[i] = json_number_value(json_array_get(array, i));
  return numbers;
}

static void read_bins(struct reader *reader, const json_t *json, struct number_bins *bins) {
  const json_t *edges = json_object_get(json, "edges");
  const size_t count = json_array_size(edges), width = read_size(reader, json, "bins");
  if (reader->is_bad || width == 0 || width > LIMIT_UNITS || count == 1 || count > width + 1 || !number_bins_init(bins, width)) {
    reader->is_bad = true;
    return;
  }
  bins->count = count > 0 ? count - 1 : 0;
  for (size_t i = 0; i < count; i++) {
    bins->edges[i] = json_number_value(json_array_get(edges, i));
    reader->is_bad |= i > 0 && !(bins->edges[i] > bins->edges[i - 1]);
  }
}

static void read_list(struct reader *reader, const json_t *json, struct sequence_encoding *list) {
  const json_t *mask = json_object_get(json, "mask_value");
  list->length = read_size(reader, json, "length");
  list->features = read_size(reader, json, "features");
  list->is_masked = json_is_number(mask);
  list->padding = (float)json_number_value(mask);
  if (json_object_get(json, "centers") == NULL || reader->is_bad) return;
  list->centers = read_numbers(reader, json_object_get(json, "centers"), list->features);
  list->scales = read_numbers(reader, json_object_get(json, "scales"), list->features);
  for (size_t i = 0; !reader->is_bad && i < list->features; i++) reader->is_bad = !(list->scales[i] > 0);
}

static void read_image(struct reader *reader, const json_t *json, struct image_encoding *image) {
  const json_t *shape = json_object_get(json, "shape"), *centers = json_object_get(json, "centers"),
               *scales = json_object_get(json, "scales");
  size_t *const sizes[] = {&image->channels, &image->height, &image->width};
  for (size_t i = 0; i < 3; i++) {
    const json_int_t size = json_integer_value(json_array_get(shape, i));
    *sizes[i] = size > 0 ? (size_t)size : 1;
    reader->is_bad |= size <= 0 || size > TENSOR_RECORD_BYTES_MAX;
  }
  reader->is_bad |=
      image->channels > IMAGE_CHANNELS_MAX || json_array_size(centers) != image->channels || json_array_size(scales) != image->channels;
  for (size_t i = 0; !reader->is_bad && i < image->channels; i++) {
    image->center[i] = (float)json_number_value(json_array_get(centers, i));
    image->scale[i] = (float)json_number_value(json_array_get(scales, i));
    reader->is_bad |= !(image->scale[i] > 0);
  }
}

static void read_feature(struct reader *reader, const json_t *json, struct feature *feature) {
  int kind = find_name(column_kind_names, json_object_get(json, "kind"));
  if (kind < 0) reader->is_bad = true;
  feature->kind = kind < 0 ? COLUMN_NUMERIC : (enum column_kind)kind;
  feature->name = read_text(reader, json_object_get(json, "name"));
  feature->column = read_size(reader, json, "column");
  feature->offset = read_size(reader, json, "offset");
  feature->width = read_size(reader, json, "width");
  feature->has_indicator = json_is_true(json_object_get(json, "has_indicator"));
  feature->has_mask = json_object_get(json, "mask") != NULL;
  if (feature->has_mask) feature->mask = read_number(reader, json, "mask");
  if (feature->kind == COLUMN_IMAGE) {
    read_image(reader, json_object_get(json, "image"), &feature->image);
    return;
  }
  if (feature->kind == COLUMN_DATETIME) read_dates(reader, json_object_get(json, "datetime"), &feature->dates);
  if (feature->kind == COLUMN_SEQUENCE) read_list(reader, json_object_get(json, "sequence"), &feature->list);
  if (feature->kind == COLUMN_NUMERIC || feature->kind == COLUMN_DATETIME || feature->kind == COLUMN_SEQUENCE) {
    feature->center = read_number(reader, json, "center");
    feature->scale = read_number(reader, json, "scale");
    feature->fill = read_number(reader, json, "fill");
    if (json_object_get(json, "bins") != NULL) read_bins(reader, json, &feature->bins);
    if (json_object_get(json, "tokens") != NULL) feature->token_count = read_size(reader, json, "tokens");
    return;
  }
  if (feature->kind == COLUMN_TEXT) {
    read_text_encoding(reader, json_object_get(json, "text"), &feature->text);
    return;
  }
  feature->categories = read_texts(reader, json, "categories", &feature->category_count);
  const json_t *seen = json_object_get(json, "seen");
  feature->is_seen = calloc(feature->category_count + 1, sizeof *feature->is_seen);
  if (feature->is_seen == NULL || json_array_size(seen) != feature->category_count) {
    reader->is_bad = true;
    return;
  }
  for (size_t i = 0; i < feature->category_count; i++) feature->is_seen[i] = json_is_true(json_array_get(seen, i));
}

static void read_class_weights(struct reader *reader, const json_t *weights, struct target *target) {
  if (weights == NULL) return;
  target->class_weights = calloc(target->class_count + 1, sizeof *target->class_weights);
  if (target->class_weights == NULL || json_array_size(weights) != target->class_count) {
    reader->is_bad = true;
    return;
  }
  for (size_t i = 0; i < target->class_count; i++) {
    const json_t *weight = json_array_get(weights, i);
    if (!json_is_number(weight)) reader->is_bad = true;
    target->class_weights[i] = json_number_value(weight);
  }
}

static void read_target(struct reader *reader, const json_t *json, struct target *target) {
  target->name = read_text(reader, json_object_get(json, "name"));
  if (json_object_get(json, "source") != NULL) target->source = read_text(reader, json_object_get(json, "source"));
  target->column = read_size(reader, json, "column");
  target->is_class = json_is_true(json_object_get(json, "is_class"));
  if (target->is_class) {
    target->classes = read_texts(reader, json, "classes", &target->class_count);
    read_class_weights(reader, json_object_get(json, "class_weights"), target);
    target->scale = 1;
  } else {
    target->center = read_number(reader, json, "center");
    target->scale = read_number(reader, json, "scale");
  }
}

static size_t count_values(const struct feature *feature) {
  switch (feature->kind) {
  case COLUMN_TEXT: return text_encoding_get_width(&feature->text);
  case COLUMN_CATEGORICAL: return feature->category_count;
  case COLUMN_DATETIME: return datetime_get_width(&feature->dates);
  case COLUMN_SEQUENCE: return sequence_get_width(&feature->list);
  case COLUMN_IMAGE: return image_encoding_get_width(&feature->image);
  case COLUMN_NUMERIC: return feature->bins.width > 0 ? feature->bins.width : 1;
  }
  return 1;
}

/* Features lie one behind the other in x and end at input_width: what everything that writes x relies on. */
static bool is_consistent(const struct preprocessor *preprocessor) {
  size_t offset = 0;
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    const struct feature *feature = &preprocessor->features[i];
    if (feature->offset != offset || feature->width != count_values(feature) + feature->has_indicator) return false;
    offset += feature->width;
  }
  if (preprocessor->is_reconstruction && (preprocessor->target_count != preprocessor->feature_count ||
                                          preprocessor->output_width != offset || preprocessor->target_width != offset))
    return false;
  for (size_t i = 0; i < preprocessor->target_count && preprocessor_count_steps(preprocessor) > 1; i++)
    if (preprocessor->targets[i].class_count * preprocessor->target_count != preprocessor->output_width) return false;
  const struct window *window = &preprocessor->window;
  const size_t rows = window->length == 0 ? 1 : window->length;
  if (window->length > 0 && (window->horizon == 0 || window->stride == 0 || preprocessor->target_count % window->horizon != 0))
    return false;
  return offset * rows == preprocessor->input_width && preprocessor->target_count > 0;
}

static void read_window(struct reader *reader, const json_t *json, struct preprocessor *preprocessor) {
  const json_t *time = json_object_get(json, "time"), *order = json_object_get(time, "order");
  preprocessor->window = (struct window){.length = read_size(reader, json, "length"),
                                         .horizon = read_size(reader, json, "horizon"),
                                         .stride = read_size(reader, json, "stride")};
  if (time == NULL) return;
  struct clock *clock = &preprocessor->clock;
  clock->name = read_text(reader, json_object_get(time, "name"));
  clock->column = read_size(reader, time, "column");
  clock->has_dates = json_is_string(order);
  const int found = clock->has_dates ? find_name(datetime_order_names, order) : DATETIME_YEAR_FIRST;
  reader->is_bad |= found < 0;
  clock->order = found < 0 ? DATETIME_YEAR_FIRST : (enum datetime_order)found;
}

enum error_code preprocessor_from_json(const json_t *json, struct preprocessor *out_preprocessor, struct error *error) {
  struct reader reader = {0};
  memset(out_preprocessor, 0, sizeof *out_preprocessor);
  const json_t *features = json_object_get(json, "features"), *targets = json_object_get(json, "targets");
  int task = find_name(task_names, json_object_get(json, "task"));
  if (task < 0) reader.is_bad = true;
  out_preprocessor->task = task < 0 ? TASK_REGRESSION : (enum task)task;
  out_preprocessor->is_reconstruction = json_is_true(json_object_get(json, "reconstruction"));
  const json_t *window = json_object_get(json, "window");
  if (window != NULL) read_window(&reader, window, out_preprocessor);
  out_preprocessor->input_width = read_size(&reader, json, "input_width");
  out_preprocessor->output_width = read_size(&reader, json, "output_width");
  out_preprocessor->target_width = read_size(&reader, json, "target_width");
  out_preprocessor->features = calloc(json_array_size(features) + 1, sizeof *out_preprocessor->features);
  out_preprocessor->targets = calloc(json_array_size(targets) + 1, sizeof *out_preprocessor->targets);
  if (out_preprocessor->features == NULL || out_preprocessor->targets == NULL) {
    preprocessor_deinit(out_preprocessor);
    return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  }
  for (size_t i = 0; i < json_array_size(features) && !reader.is_bad; i++) {
    out_preprocessor->feature_count = i + 1;
    read_feature(&reader, json_array_get(features, i), &out_preprocessor->features[i]);
  }
  for (size_t i = 0; i < json_array_size(targets) && !reader.is_bad; i++) {
    out_preprocessor->target_count = i + 1;
    read_target(&reader, json_array_get(targets, i), &out_preprocessor->targets[i]);
  }
  if (!reader.is_bad && is_consistent(out_preprocessor)) return ERROR_NONE;
  preprocessor_deinit(out_preprocessor);
  return error_set(error, ERROR_INTERNAL, "a stored preprocessor can't be read");
}
