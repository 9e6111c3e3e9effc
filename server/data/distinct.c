#include "server/data/distinct.h"

#include <stdlib.h>

#include "server/data/import.h"
#include "server/data/short_bytes.h"

/* Of small tables a quarter of the places is used, so that few values share one and the processor guesses right where a search ends. */
enum { FIRST_CAPACITY = 8, FIRST_TEXT_BYTES = 64, SPARSE_BITS_MAX = 9 };

uint64_t distinct_hash_long(const struct distinct_budget *budget, const char *value, size_t bytes) {
  const uint64_t multiplier = UINT64_C(0x9E3779B97F4A7C15);
  uint64_t hash = budget->seed ^ bytes;
  while (bytes >= sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, value, sizeof word);
    hash = (hash ^ word) * multiplier;
    hash ^= hash >> 29;
    value += sizeof word;
    bytes -= sizeof word;
  }
  hash = (hash ^ short_bytes_load(value, bytes)) * multiplier;
  return hash ^ hash >> 29;
}

/* Places for so many values. */
static unsigned count_bits(size_t capacity) {
  unsigned bits = 0;
  while ((size_t)1 << bits < 4 * capacity) bits++;
  return bits > SPARSE_BITS_MAX ? bits - 1 : bits;
}

static size_t measure_table(size_t capacity) {
  if (capacity == 0) return 0;
  return capacity * sizeof(struct distinct_value) + ((size_t)1 << count_bits(capacity)) * sizeof(struct distinct_place);
}

void distinct_drop(struct distinct *distinct, struct distinct_budget *budget) {
  budget->bytes_left += measure_table(distinct->capacity) + distinct->text_capacity;
  free(distinct->places);
  free(distinct->values);
  free(distinct->texts);
  *distinct = (struct distinct){.is_dropped = true};
}

void distinct_get_counts(const struct distinct *distinct, uint64_t *out_counts) {
  const size_t place_count = distinct->places == NULL ? 0 : (size_t)1 << distinct->place_bits;
  for (size_t i = 0; i < place_count; i++) {
    const struct distinct_place *place = &distinct->places[i];
    if (place->state != 0) out_counts[distinct_place_get_value(place)] = distinct_place_get_count(place);
  }
}

static void put_place(struct distinct *distinct, const struct distinct_budget *budget, struct distinct_place place) {
  const size_t mask = ((size_t)1 << distinct->place_bits) - 1;
  size_t at = (size_t)(place.key * budget->seed >> (64 - distinct->place_bits));
  while (distinct->places[at].state != 0) at = (at + 1) & mask;
  distinct->places[at] = place;
}

/* Doubles the table. */
static enum distinct_outcome grow_table(struct distinct *distinct, struct distinct_budget *budget) {
  const size_t capacity = distinct->capacity == 0 ? FIRST_CAPACITY : 2 * distinct->capacity;
  const size_t more_bytes = measure_table(capacity) - measure_table(distinct->capacity);
  if (more_bytes > budget->bytes_left) return DISTINCT_NO_ROOM;
  struct distinct_value *values = realloc(distinct->values, capacity * sizeof *values);
  if (values != NULL) distinct->values = values;
  struct distinct_place *places = values == NULL ? NULL : calloc((size_t)1 << count_bits(capacity), sizeof *places);
  if (places == NULL) return DISTINCT_OUT_OF_MEMORY;
  struct distinct_place *old = distinct->places;
  const size_t old_count = old == NULL ? 0 : (size_t)1 << distinct->place_bits;
  distinct->places = places;
  distinct->place_bits = count_bits(capacity);
  distinct->capacity = capacity;
  budget->bytes_left -= more_bytes;
  for (size_t i = 0; i < old_count; i++) {
    if (old[i].state != 0) put_place(distinct, budget, old[i]);
  }
  free(old);
  return DISTINCT_KEPT;
}

static enum distinct_outcome grow_texts(struct distinct *distinct, struct distinct_budget *budget, size_t needed) {
  size_t capacity = distinct->text_capacity == 0 ? FIRST_TEXT_BYTES : distinct->text_capacity;
  while (capacity < needed) capacity *= 2;
  if (capacity - distinct->text_capacity > budget->bytes_left) return DISTINCT_NO_ROOM;
  char *texts = realloc(distinct->texts, capacity);
  if (texts == NULL) return DISTINCT_OUT_OF_MEMORY;
  budget->bytes_left -= capacity - distinct->text_capacity;
  distinct->texts = texts;
  distinct->text_capacity = capacity;
  return DISTINCT_KEPT;
}

enum distinct_outcome distinct_append(struct distinct *distinct, struct distinct_budget *budget, const char *value, size_t bytes) {
  if (distinct->is_dropped || distinct->count == IMPORT_CATEGORIES || bytes > IMPORT_CATEGORY_BYTES) return DISTINCT_NO_ROOM;
  const size_t text_bytes = distinct->text_bytes + bytes + 1;
  enum distinct_outcome outcome = distinct->count == distinct->capacity ? grow_table(distinct, budget) : DISTINCT_KEPT;
  if (outcome == DISTINCT_KEPT && text_bytes > distinct->text_capacity) outcome = grow_texts(distinct, budget, text_bytes);
  if (outcome != DISTINCT_KEPT) return outcome;
  const bool is_long = bytes > DISTINCT_SHORT_BYTES;
  const uint64_t key = !is_long ? short_bytes_load(value, bytes) : distinct_hash_long(budget, value, bytes);
  distinct->values[distinct->count++] = (struct distinct_value){.text = (uint32_t)distinct->text_bytes & 0xFFFFF, .bytes = bytes & 0xFFF};
  const uint64_t state = (uint64_t)distinct->count << DISTINCT_VALUE_BIT | (uint64_t)is_long << DISTINCT_LONG_BIT | 1;
  put_place(distinct, budget, (struct distinct_place){.key = key, .state = state});
  memcpy(distinct->texts + distinct->text_bytes, value, bytes);
  distinct->texts[text_bytes - 1] = '\0';
  distinct->text_bytes = text_bytes;
  return DISTINCT_KEPT;
}
