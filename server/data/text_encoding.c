#include "server/data/text_encoding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const text_form_names[3] = {"tokens", "tf_idf", NULL};

enum { BYTE_VALUES = 256, COUNTED_MIN = 1 << 16, COUNTED_PER_ENTRY = 32, COUNTED_TOKEN_BYTES = 16 };

static bool has_vocabulary(const struct text_encoding *encoding) { return encoding->tokenizer.unit != TOKEN_BYTES; }

void text_encoding_deinit(struct text_encoding *encoding) {
  token_table_deinit(&encoding->table);
  free(encoding->weights);
  encoding->weights = NULL;
}

enum error_code text_encoding_reserve(struct text_encoding *encoding, size_t count, size_t bytes, struct error *error) {
  text_encoding_deinit(encoding);
  encoding->weights = calloc(count + 1, sizeof *encoding->weights);
  if (encoding->weights == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a vocabulary of %zu tokens", count);
  return token_table_init(&encoding->table, count, bytes, error);
}

bool text_encoding_add(struct text_encoding *encoding, const char *token, size_t bytes, double weight) {
  if (token_table_find(&encoding->table, token, bytes) != TOKEN_NONE || !token_table_add(&encoding->table, token, bytes)) return false;
  encoding->weights[encoding->table.count - 1] = weight;
  return true;
}

enum error_code text_encoding_copy(struct text_encoding *out_copy, const struct text_encoding *encoding, struct error *error) {
  *out_copy = *encoding;
  out_copy->table = (struct token_table){0};
  out_copy->weights = NULL;
  const struct token_table *table = &encoding->table;
  enum error_code code = text_encoding_reserve(out_copy, table->count, table->text_bytes, error);
  for (size_t i = 0; code == ERROR_NONE && i < table->count; i++)
    (void)text_encoding_add(out_copy, table->texts + table->entries[i].text, table->entries[i].bytes, encoding->weights[i]);
  if (code != ERROR_NONE) text_encoding_deinit(out_copy);
  return code;
}

size_t text_encoding_get_width(const struct text_encoding *encoding) {
  return encoding->form == TEXT_TOKENS ? encoding->length : encoding->vocabulary_max;
}

size_t text_encoding_get_token_count(const struct text_encoding *encoding) {
  return TEXT_FIRST_TOKEN + (has_vocabulary(encoding) ? encoding->vocabulary_max : BYTE_VALUES);
}

/* ---- encoding ---- */

struct writer {
  const struct text_encoding *encoding;
  float *x;
  size_t count;
};

static bool write_token(void *context, const char *token, size_t bytes) {
  struct writer *writer = context;
  size_t number = TEXT_UNKNOWN;
  if (has_vocabulary(writer->encoding)) {
    const size_t index = token_table_find(&writer->encoding->table, token, bytes);
    if (index != TOKEN_NONE) number = TEXT_FIRST_TOKEN + index;
  } else {
    number = TEXT_FIRST_TOKEN + (unsigned char)token[0];
  }
  writer->x[writer->count++] = (float)number;
  return writer->count < writer->encoding->length;
}

static bool count_token(void *context, const char *token, size_t bytes) {
  struct writer *writer = context;
  const size_t index = token_table_find(&writer->encoding->table, token, bytes);
  if (index != TOKEN_NONE) writer->x[index]++;
  return true;
}

static void weigh(const struct text_encoding *encoding, float *x) {
  double squares = 0;
  size_t found = 0;
  for (size_t i = 0; i < encoding->table.count; i++) {
    if (x[i] == 0) continue;
    const double value = (1 + log((double)x[i])) * encoding->weights[i];
    squares += value * value;
    found++;
    x[i] = (float)value;
  }
  if (found == 0) return;
  const float factor = (float)sqrt((double)found / squares);
  for (size_t i = 0; i < encoding->table.count; i++) x[i] *= factor;
}

void text_encoding_encode(const struct text_encoding *encoding, const char *text, float *x) {
  struct writer writer = {.encoding = encoding, .x = x};
  memset(x, 0, text_encoding_get_width(encoding) * sizeof *x);
  if (text == NULL) return;
  const bool is_sequence = encoding->form == TEXT_TOKENS;
  tokenizer_run(&encoding->tokenizer, text, is_sequence ? write_token : count_token, &writer);
  if (!is_sequence) weigh(encoding, x);
}

/* ---- fitting ---- */

static size_t count_capacity(const struct text_encoding *encoding) {
  const size_t wanted = encoding->vocabulary_max * COUNTED_PER_ENTRY;
  return wanted > COUNTED_MIN ? wanted : COUNTED_MIN;
}

size_t text_fit_measure(const struct text_encoding *encoding) {
  if (!has_vocabulary(encoding)) return 0;
  const size_t capacity = count_capacity(encoding), entries = encoding->vocabulary_max;
  return token_table_measure(capacity, capacity * COUNTED_TOKEN_BYTES) + capacity * sizeof(uint32_t) +
         token_table_measure(entries, entries * COUNTED_TOKEN_BYTES) + (entries + 1) * sizeof(double);
}

enum error_code text_fit_init(struct text_fit *fit, const struct text_encoding *encoding, struct error *error) {
  *fit = (struct text_fit){0};
  if (!has_vocabulary(encoding)) return ERROR_NONE;
  const size_t capacity = count_capacity(encoding);
  return token_table_init(&fit->counts, capacity, capacity * COUNTED_TOKEN_BYTES, error);
}

void text_fit_deinit(struct text_fit *fit) { token_table_deinit(&fit->counts); }

static bool count_occurrence(void *context, const char *token, size_t bytes) {
  struct text_fit *fit = context;
  token_table_count(&fit->counts, token, bytes, fit->document_count);
  return true;
}

void text_fit_add(struct text_fit *fit, const struct text_encoding *encoding, const char *text) {
  if (has_vocabulary(encoding)) tokenizer_run(&encoding->tokenizer, text, count_occurrence, fit);
  fit->document_count++;
}

/* More frequent ones first; of equal ones by their bytes. */
static int compare_entries(const void *left, const void *right, void *context) {
  const struct token_table *table = context;
  const struct token_entry *a = &table->entries[*(const uint32_t *)left], *b = &table->entries[*(const uint32_t *)right];
  if (a->count != b->count) return a->count > b->count ? -1 : 1;
  const int order = memcmp(table->texts + a->text, table->texts + b->text, a->bytes < b->bytes ? a->bytes : b->bytes);
  if (order != 0) return order;
  return a->bytes < b->bytes ? -1 : 1;
}

/* The entries to keep, best first. */
static size_t choose(const struct text_fit *fit, const struct text_encoding *encoding, uint32_t *chosen) {
  size_t count = 0;
  for (size_t i = 0; i < fit->counts.count; i++) {
    if (fit->counts.entries[i].count >= encoding->min_frequency) chosen[count++] = (uint32_t)i;
  }
  qsort_r(chosen, count, sizeof *chosen, compare_entries, (void *)(size_t)&fit->counts);
  return count < encoding->vocabulary_max ? count : encoding->vocabulary_max;
}

enum error_code text_fit_finish(const struct text_fit *fit, struct text_encoding *encoding, struct error *error) {
  const struct token_table *counts = &fit->counts;
  uint32_t *chosen = malloc((counts->count + 1) * sizeof *chosen);
  if (chosen == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a vocabulary");
  const size_t count = choose(fit, encoding, chosen);
  size_t bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += counts->entries[chosen[i]].bytes;
  enum error_code code = text_encoding_reserve(encoding, count, bytes, error);
  for (size_t i = 0; code == ERROR_NONE && i < count; i++) {
    const struct token_entry *entry = &counts->entries[chosen[i]];
    const double weight = log((1 + (double)fit->document_count) / (1 + (double)entry->document_count)) + 1;
    (void)text_encoding_add(encoding, counts->texts + entry->text, entry->bytes, weight);
  }
  free(chosen);
  return code;
}
