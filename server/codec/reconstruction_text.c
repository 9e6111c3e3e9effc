#include "server/codec/reconstruction_text.h"

#include <math.h>
#include <string.h>

static void append(struct prediction_text *text, const char *string) { prediction_text_append(text, string, strlen(string)); }

/* Behind the end of a sequence nothing is given back. */
static bool is_real(const struct prediction *prediction, const struct feature *feature) { return feature->offset < prediction->real_count; }

static double get_number(const struct prediction *prediction, size_t index) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const struct feature *feature = &preprocessor->features[index];
  if (!is_real(prediction, feature)) return NAN;
  return target_restore(&preprocessor->targets[index], (double)prediction->outputs[feature->offset]);
}

/* Trained on ones and zeros, an output is about as large as its category is probable; what lies below 0 is none. */
static double get_probability(const struct feature *feature, const float *outputs, size_t category) {
  double sum = 0;
  for (size_t i = 0; i < feature->category_count; i++) sum += fmax((double)outputs[feature->offset + i], 0);
  return sum > 0 ? fmax((double)outputs[feature->offset + category], 0) / sum : 0;
}

/* The largest output, as accuracy counts; NULL where one isn't finite. */
static const char *find_category(const struct feature *feature, const float *outputs, size_t *out_category) {
  *out_category = 0;
  for (size_t i = 0; i < feature->category_count; i++) {
    const float output = outputs[feature->offset + i];
    if (!isfinite(output)) return NULL;
    if (output > outputs[feature->offset + *out_category]) *out_category = i;
  }
  return feature->categories[*out_category];
}

/* [channels][height][width]; of one channel [height][width]. */
static void append_pixels(const struct image_encoding *image, const float *x, struct prediction_text *text) {
  const size_t pixels = image->height * image->width;
  if (image->channels > 1) append(text, "[");
  for (size_t c = 0; c < image->channels; c++) {
    append(text, c > 0 ? ",[" : "[");
    for (size_t i = 0; i < pixels; i++) {
      append(text, i % image->width > 0 ? "," : i > 0 ? "],[" : "[");
      prediction_text_append_number(text, image_encoding_restore(image, c, x[c * pixels + i]));
    }
    append(text, "]]");
  }
  if (image->channels > 1) append(text, "]");
}

static void append_key(struct prediction_text *text, bool is_first, const char *name) {
  if (!is_first) append(text, ",");
  prediction_text_append_string(text, name);
  append(text, ":");
}

static void append_value(const struct prediction *prediction, size_t index, struct prediction_text *text) {
  const struct feature *feature = &prediction->preprocessor->features[index];
  if (feature->kind == COLUMN_IMAGE) {
    append_pixels(&feature->image, prediction->outputs + feature->offset, text);
  } else if (feature->kind == COLUMN_CATEGORICAL) {
    size_t category;
    const char *name = find_category(feature, prediction->outputs, &category);
    if (name != NULL)
      prediction_text_append_string(text, name);
    else
      append(text, "null");
  } else {
    prediction_text_append_number(text, get_number(prediction, index));
  }
}

static void append_probabilities(const struct prediction *prediction, struct prediction_text *text) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  bool has_any = false;
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    const struct feature *feature = &preprocessor->features[i];
    if (feature->kind != COLUMN_CATEGORICAL) continue;
    if (!has_any) append(text, ",\"probabilities\":{");
    append_key(text, !has_any, feature->name);
    has_any = true;
    append(text, "{");
    for (size_t k = 0; k < feature->category_count; k++) {
      append_key(text, k == 0, feature->categories[k]);
      prediction_text_append_number(text, get_probability(feature, prediction->outputs, k));
    }
    append(text, "}");
  }
  if (has_any) append(text, "}");
}

/* 1/n Σ (x̂ − x)² over all values, as they are scaled: what mean_squared_error says of the row. */
static double measure_error(const struct prediction *prediction) {
  const size_t width = prediction->preprocessor->input_width;
  double sum = 0;
  for (size_t i = 0; i < width; i++) {
    const double difference = (double)prediction->outputs[i] - (double)prediction->x[i];
    sum += difference * difference;
  }
  return sum / (double)width;
}

void reconstruction_write_json(const struct prediction *prediction, struct prediction_text *text) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  append(text, "\"values\":{");
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    append_key(text, i == 0, preprocessor->features[i].name);
    append_value(prediction, i, text);
  }
  append(text, "}");
  append_probabilities(prediction, text);
  append(text, ",\"reconstruction_error\":");
  prediction_text_append_number(text, measure_error(prediction));
}

void reconstruction_write_csv_header(const struct preprocessor *preprocessor, FILE *file) {
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    const struct feature *feature = &preprocessor->features[i];
    if (feature->kind == COLUMN_IMAGE) continue;
    csv_write_cell(file, feature->name);
    fputc(',', file);
    if (feature->kind != COLUMN_CATEGORICAL) continue;
    csv_write_heading(file, "probability_", feature->name);
    fputc(',', file);
  }
  fputs("reconstruction_error", file);
}

static void write_category(const struct feature *feature, const float *outputs, FILE *file) {
  size_t category;
  const char *name = find_category(feature, outputs, &category);
  if (name != NULL) csv_write_cell(file, name);
  fputc(',', file);
  if (name != NULL) csv_write_number(file, get_probability(feature, outputs, category));
}

void reconstruction_write_csv(const struct prediction *prediction, FILE *file) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    const struct feature *feature = &preprocessor->features[i];
    if (feature->kind == COLUMN_IMAGE) continue;
    if (feature->kind == COLUMN_CATEGORICAL)
      write_category(feature, prediction->outputs, file);
    else
      csv_write_number(file, get_number(prediction, i));
    fputc(',', file);
  }
  csv_write_number(file, measure_error(prediction));
}
