#include "server/data/distinct.h"

#include <stdlib.h>
#include <string.h>

#include "server/data/import.h"
#include "server/data/short_bytes.h"

enum { FIRST_CAPACITY = 8, FIRST_TEXT_BYTES = 64, ENTRY_BYTES = sizeof(struct distinct_entry) + 2 * sizeof(uint16_t) };

/* Eight bytes at a time, each mixed in by a multiplication; the high half is kept, which depends on all bits. */
static uint32_t hash_value(uint64_t seed, const char *value, size_t bytes) {
  const uint64_t multiplier = UINT64_C(0x9E3779B97F4A7C15);
  uint64_t hash = seed ^ bytes;
  while (bytes >= sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, value, sizeof word);
    hash = (hash ^ word) * multiplier;
    hash ^= hash >> 29;
    value += sizeof word;
    bytes -= sizeof word;
  }
  hash = (hash ^ short_bytes_load(value, bytes)) * multiplier;
  hash ^= hash >> 29;
  return (uint32_t)(hash * multiplier >> 32);
}

void distinct_drop(struct distinct *distinct, struct distinct_budget *budget) {
  budget->bytes_left += distinct->capacity * ENTRY_BYTES + distinct->text_capacity;
  free(distinct->entries);
  free(distinct->slots);
  free(distinct->texts);
  *distinct = (struct distinct){.is_dropped = true};
}

static bool is_equal(const char *kept, const char *value, size_t bytes) {
  if (bytes <= sizeof(uint64_t)) return short_bytes_load(kept, bytes) == short_bytes_load(value, bytes);
  return memcmp(kept, value, bytes) == 0;
}

static void put_slot(struct distinct *distinct, size_t index) {
  size_t mask = 2 * distinct->capacity - 1, slot = distinct->entries[index].hash & mask;
  while (distinct->slots[slot] != 0) slot = (slot + 1) & mask;
  distinct->slots[slot] = (uint16_t)(index + 1);
}

/* Doubles the entries. False if the budget does not allow it. */
static bool grow_entries(struct distinct *distinct, struct distinct_budget *budget, bool *out_of_memory) {
  size_t capacity = distinct->capacity == 0 ? FIRST_CAPACITY : 2 * distinct->capacity;
  size_t more_bytes = (capacity - distinct->capacity) * ENTRY_BYTES;
  if (more_bytes > budget->bytes_left) return false;
  struct distinct_entry *entries = realloc(distinct->entries, capacity * sizeof *entries);
  uint16_t *slots = calloc(2 * capacity, sizeof *slots);
  if (entries != NULL) distinct->entries = entries;
  if (entries == NULL || slots == NULL) {
    free(slots);
    *out_of_memory = true;
    return false;
  }
  free(distinct->slots);
  distinct->slots = slots;
  distinct->capacity = capacity;
  budget->bytes_left -= more_bytes;
  for (size_t i = 0; i < distinct->count; i++) put_slot(distinct, i);
  return true;
}

static bool grow_texts(struct distinct *distinct, struct distinct_budget *budget, size_t needed, bool *out_of_memory) {
  size_t capacity = distinct->text_capacity == 0 ? FIRST_TEXT_BYTES : distinct->text_capacity;
  while (capacity < needed) capacity *= 2;
  if (capacity - distinct->text_capacity > budget->bytes_left) return false;
  char *texts = realloc(distinct->texts, capacity);
  if (texts == NULL) {
    *out_of_memory = true;
    return false;
  }
  budget->bytes_left -= capacity - distinct->text_capacity;
  distinct->texts = texts;
  distinct->text_capacity = capacity;
  return true;
}

/* False if the value does not fit the limits, or memory is short. */
static bool append(struct distinct *distinct, struct distinct_budget *budget, const char *value, size_t bytes, uint32_t hash,
                   bool *out_of_memory) {
  if (distinct->count == IMPORT_CATEGORIES || bytes > IMPORT_CATEGORY_BYTES) return false;
  if (distinct->count == distinct->capacity && !grow_entries(distinct, budget, out_of_memory)) return false;
  size_t text_bytes = distinct->text_bytes + bytes + 1;
  if (text_bytes > distinct->text_capacity && !grow_texts(distinct, budget, text_bytes, out_of_memory)) return false;
  struct distinct_entry *entry = &distinct->entries[distinct->count];
  *entry = (struct distinct_entry){.count = 1, .hash = hash, .text = (uint32_t)distinct->text_bytes & 0xFFFFF, .bytes = bytes & 0xFFF};
  memcpy(distinct->texts + distinct->text_bytes, value, bytes);
  distinct->texts[text_bytes - 1] = '\0';
  distinct->text_bytes = text_bytes;
  put_slot(distinct, distinct->count++);
  return true;
}

enum error_code distinct_add(struct distinct *distinct, struct distinct_budget *budget, const char *value, size_t bytes,
                             struct error *error) {
  if (distinct->is_dropped) return ERROR_NONE;
  uint32_t hash = hash_value(budget->seed, value, bytes);
  if (distinct->capacity > 0) {
    size_t mask = 2 * distinct->capacity - 1;
    for (size_t slot = hash & mask; distinct->slots[slot] != 0; slot = (slot + 1) & mask) {
      struct distinct_entry *entry = &distinct->entries[distinct->slots[slot] - 1];
      if (entry->hash == hash && entry->bytes == bytes && is_equal(distinct->texts + entry->text, value, bytes)) {
        entry->count++;
        return ERROR_NONE;
      }
    }
  }
  bool out_of_memory = false;
  if (append(distinct, budget, value, bytes, hash, &out_of_memory)) return ERROR_NONE;
  if (out_of_memory) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the distinct values of a column");
  distinct_drop(distinct, budget);
  return ERROR_NONE;
}
