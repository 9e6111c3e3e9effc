#include "server/codec/prediction_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/number_text.h"
#include "server/codec/reconstruction_text.h"

/* Which class the outputs say, and how probable each is. */
static size_t count_classes(const struct preprocessor *preprocessor) { return preprocessor->targets[0].class_count; }

static bool has_steps(const struct preprocessor *preprocessor) { return preprocessor_count_steps(preprocessor) > 1; }

/* Of a class for each step, `outputs` are those of the step. */
static double get_probability(const struct preprocessor *preprocessor, const float *outputs, size_t class_index) {
  if (preprocessor->output_width > 1) return (double)outputs[class_index];
  return class_index == 1 ? (double)outputs[0] : 1.0 - (double)outputs[0];
}

/* The most probable class, the first among equals; −1 if no probability is finite. */
static long find_class(const struct preprocessor *preprocessor, const float *outputs) {
  long best = -1;
  for (size_t i = 0; i < count_classes(preprocessor); i++) {
    double probability = get_probability(preprocessor, outputs, i);
    if (!isfinite(probability)) continue;
    if (best < 0 || probability > get_probability(preprocessor, outputs, (size_t)best)) best = (long)i;
  }
  /* One sigmoid: more than a half is the second class, as the accuracy metric counts. */
  if (preprocessor->output_width == 1 && isfinite(outputs[0])) best = outputs[0] > 0.5f ? 1 : 0;
  return best;
}

/* Room for so many bytes, or NULL. */
static char *reserve(struct prediction_text *text, size_t bytes) {
  if (text->lacks_memory) return NULL;
  if (text->capacity - text->count < bytes) {
    const size_t capacity = text->capacity * 2 > text->count + bytes + 512 ? text->capacity * 2 : text->count + bytes + 512;
    char *grown = realloc(text->bytes, capacity);
    text->lacks_memory = grown == NULL;
    if (grown == NULL) return NULL;
    text->bytes = grown;
    text->capacity = capacity;
  }
  return text->bytes + text->count;
}

void prediction_text_append(struct prediction_text *text, const char *bytes, size_t count) {
  char *to = reserve(text, count);
  if (to == NULL) return;
  memcpy(to, bytes, count);
  text->count += count;
}

static void append(struct prediction_text *text, const char *string) { prediction_text_append(text, string, strlen(string)); }

static char *write_escaped(char *to, unsigned char character) {
  static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
  const char *place = strchr(named, character);
  *to++ = '\\';
  if (place == NULL) return to + sprintf(to, "u%04X", character);
  *to++ = names[place - named];
  return to;
}

void prediction_text_append_string(struct prediction_text *text, const char *string) {
  enum { ESCAPED_BYTES = 7 }; /* \u001F and a NUL */
  char *start = reserve(text, strlen(string) * ESCAPED_BYTES + 2), *to = start;
  if (to == NULL) return;
  *to++ = '"';
  for (const unsigned char *at = (const unsigned char *)string; *at != '\0'; at++) {
    if (*at < 0x20 || *at == '"' || *at == '\\')
      to = write_escaped(to, *at);
    else
      *to++ = (char)*at;
  }
  *to++ = '"';
  text->count += (size_t)(to - start);
}

void prediction_text_append_number(struct prediction_text *text, double number) {
  char *to = reserve(text, NUMBER_TEXT_BYTES);
  if (to != NULL) text->count += (size_t)(number_write(to, number) - to);
}

/* ,"name": — without the comma for the first. */
static void append_key(struct prediction_text *text, size_t index, const char *name) {
  if (index > 0) append(text, ",");
  prediction_text_append_string(text, name);
  append(text, ":");
}

static void append_class(const struct preprocessor *preprocessor, const float *outputs, struct prediction_text *text) {
  const long found = find_class(preprocessor, outputs);
  if (found < 0)
    append(text, "null");
  else
    prediction_text_append_string(text, preprocessor->targets[0].classes[found]);
}

static void append_probabilities(const struct preprocessor *preprocessor, const float *outputs, struct prediction_text *text) {
  const struct target *target = &preprocessor->targets[0];
  append(text, "{");
  for (size_t i = 0; i < target->class_count; i++) {
    append_key(text, i, target->classes[i]);
    prediction_text_append_number(text, get_probability(preprocessor, outputs, i));
  }
  append(text, "}");
}

static void write_classification(const struct preprocessor *preprocessor, const float *outputs, struct prediction_text *text) {
  append(text, "\"class\":");
  append_class(preprocessor, outputs, text);
  append(text, ",\"probabilities\":");
  append_probabilities(preprocessor, outputs, text);
}

/* Of each step in the targets' order; null of padded ones. */
static void write_steps(const struct prediction *prediction, struct prediction_text *text,
                        void (*append_step)(const struct preprocessor *preprocessor, const float *outputs, struct prediction_text *text)) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  append(text, "{");
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    append_key(text, i, preprocessor->targets[i].name);
    if (i < prediction->real_count)
      append_step(preprocessor, prediction->outputs + i * count_classes(preprocessor), text);
    else
      append(text, "null");
  }
  append(text, "}");
}

static void write_classes(const struct prediction *prediction, struct prediction_text *text) {
  append(text, "\"classes\":");
  write_steps(prediction, text, append_class);
  append(text, ",\"probabilities\":");
  write_steps(prediction, text, append_probabilities);
}

static void write_labels(const struct prediction *prediction, struct prediction_text *text) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const float *outputs = prediction->outputs;
  append(text, "\"labels\":{");
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    append_key(text, i, preprocessor->targets[i].name);
    append(text, i >= prediction->real_count ? "null" : outputs[i] > 0.5f ? "true" : "false");
  }
  append(text, "},\"probabilities\":{");
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    append_key(text, i, preprocessor->targets[i].name);
    prediction_text_append_number(text, i < prediction->real_count ? (double)outputs[i] : (double)NAN);
  }
  append(text, "}");
}

static void write_values(const struct prediction *prediction, struct prediction_text *text) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const bool is_one = preprocessor->target_count == 1;
  append(text, is_one ? "\"value\":" : "\"values\":{");
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    if (!is_one) append_key(text, i, preprocessor->targets[i].name);
    prediction_text_append_number(
        text, i < prediction->real_count ? target_restore(&preprocessor->targets[i], (double)prediction->outputs[i]) : (double)NAN);
  }
  if (!is_one) append(text, "}");
}

void prediction_write_json(const struct prediction *prediction, struct prediction_text *text) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const float *outputs = prediction->outputs;
  append(text, "{");
  switch (preprocessor->task) {
  case TASK_CLASSIFICATION:
    if (has_steps(preprocessor))
      write_classes(prediction, text);
    else
      write_classification(preprocessor, outputs, text);
    break;
  case TASK_MULTILABEL: write_labels(prediction, text); break;
  case TASK_REGRESSION:
    if (preprocessor->is_reconstruction)
      reconstruction_write_json(prediction, text);
    else
      write_values(prediction, text);
    break;
  }
  bool is_finite = true;
  for (size_t i = 0; i < preprocessor->output_width; i++) is_finite = is_finite && isfinite(outputs[i]);
  append(text, is_finite ? "}" : ",\"non_finite\":true}");
}

void csv_write_cell(FILE *file, const char *text) {
  if (strpbrk(text, ",\"\r\n") == NULL) {
    fputs(text, file);
    return;
  }
  fputc('"', file);
  for (const char *at = text; *at != '\0'; at++) {
    if (*at == '"') fputc('"', file);
    fputc(*at, file);
  }
  fputc('"', file);
}

void csv_write_heading(FILE *file, const char *prefix, const char *name) {
  char *heading = NULL;
  if (asprintf(&heading, "%s%s", prefix, name) < 0) return;
  csv_write_cell(file, heading);
  free(heading);
}

void prediction_write_csv_header(const struct preprocessor *preprocessor, FILE *file) {
  if (preprocessor->is_reconstruction) {
    reconstruction_write_csv_header(preprocessor, file);
  } else if (preprocessor->task == TASK_CLASSIFICATION && !has_steps(preprocessor)) {
    fputs("class", file);
    for (size_t i = 0; i < count_classes(preprocessor); i++) {
      fputc(',', file);
      csv_write_heading(file, "probability_", preprocessor->targets[0].classes[i]);
    }
  } else if (preprocessor->task == TASK_REGRESSION && preprocessor->target_count == 1) {
    fputs("value", file);
  } else {
    for (size_t i = 0; i < preprocessor->target_count; i++) {
      if (i > 0) fputc(',', file);
      csv_write_cell(file, preprocessor->targets[i].name);
      if (preprocessor->task == TASK_REGRESSION) continue;
      fputc(',', file);
      csv_write_heading(file, "probability_", preprocessor->targets[i].name);
    }
  }
  fputc('\n', file);
}

void csv_write_number(FILE *file, double number) {
  if (isfinite(number)) fprintf(file, "%.9g", number);
}

/* The class and how probable it is. */
static void write_csv_step(const struct preprocessor *preprocessor, const float *outputs, FILE *file) {
  const long found = find_class(preprocessor, outputs);
  if (found >= 0) csv_write_cell(file, preprocessor->targets[0].classes[found]);
  fputc(',', file);
  if (found >= 0) csv_write_number(file, get_probability(preprocessor, outputs, (size_t)found));
}

static void write_csv_target(const struct prediction *prediction, size_t index, FILE *file) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const double output = (double)prediction->outputs[index];
  if (index >= prediction->real_count) {
    if (preprocessor->task != TASK_REGRESSION) fputc(',', file);
  } else if (preprocessor->task == TASK_CLASSIFICATION) {
    write_csv_step(preprocessor, prediction->outputs + index * count_classes(preprocessor), file);
  } else if (preprocessor->task == TASK_REGRESSION) {
    csv_write_number(file, target_restore(&preprocessor->targets[index], output));
  } else {
    fprintf(file, "%s,", output > 0.5 ? "true" : "false");
    csv_write_number(file, output);
  }
}

void prediction_write_csv(const struct prediction *prediction, FILE *file) {
  const struct preprocessor *preprocessor = prediction->preprocessor;
  const float *outputs = prediction->outputs;
  if (preprocessor->is_reconstruction) {
    reconstruction_write_csv(prediction, file);
  } else if (preprocessor->task == TASK_CLASSIFICATION && !has_steps(preprocessor)) {
    long found = find_class(preprocessor, outputs);
    if (found >= 0) csv_write_cell(file, preprocessor->targets[0].classes[found]);
    for (size_t i = 0; i < count_classes(preprocessor); i++) {
      fputc(',', file);
      csv_write_number(file, get_probability(preprocessor, outputs, i));
    }
  } else {
    for (size_t i = 0; i < preprocessor->target_count; i++) {
      if (i > 0) fputc(',', file);
      write_csv_target(prediction, i, file);
    }
  }
  fputc('\n', file);
}
