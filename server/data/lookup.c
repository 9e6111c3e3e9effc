#include "server/data/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "server/data/csv.h"

/* FNV-1a. The values are at most some thousand and known beforehand, so that colliding texts can't make a lookup slow for others. */
static uint32_t hash_text(const char *text, size_t bytes) {
  uint32_t hash = UINT32_C(2166136261);
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ (unsigned char)text[i]) * UINT32_C(16777619);
  return hash;
}

static size_t count_slots(size_t count) {
  size_t slots = 4;
  while (slots < 2 * count) slots *= 2;
  return slots;
}

size_t lookup_measure(size_t count) { return count_slots(count) * sizeof(uint32_t) + (count + 1) * sizeof(double); }

enum error_code lookup_init(struct lookup *lookup, char *const *values, size_t count, struct error *error) {
  size_t slot_count = count_slots(count);
  *lookup = (struct lookup){.values = values, .count = count, .slot_count = slot_count};
  lookup->slots = calloc(slot_count, sizeof *lookup->slots);
  lookup->numbers = calloc(count + 1, sizeof *lookup->numbers);
  if (lookup->slots == NULL || lookup->numbers == NULL) {
    lookup_deinit(lookup);
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu categories", count);
  }
  bool all_numbers = count > 0;
  for (size_t i = 0; i < count; i++) {
    all_numbers = all_numbers && csv_parse_number(values[i], &lookup->numbers[i]);
    size_t slot = hash_text(values[i], strlen(values[i])) & (slot_count - 1);
    while (lookup->slots[slot] != 0) slot = (slot + 1) & (slot_count - 1);
    lookup->slots[slot] = (uint32_t)(i + 1);
  }
  if (!all_numbers) {
    free(lookup->numbers);
    lookup->numbers = NULL;
  }
  return ERROR_NONE;
}

void lookup_deinit(struct lookup *lookup) {
  free(lookup->slots);
  free(lookup->numbers);
  *lookup = (struct lookup){0};
}

size_t lookup_find_number(const struct lookup *lookup, double number) {
  for (size_t i = 0; lookup->numbers != NULL && i < lookup->count; i++) {
    if (lookup->numbers[i] == number) return i;
  }
  return LOOKUP_NONE;
}

size_t lookup_find(const struct lookup *lookup, const char *text) {
  size_t bytes = strlen(text);
  text = csv_trim(text, &bytes);
  size_t mask = lookup->slot_count - 1;
  for (size_t slot = hash_text(text, bytes) & mask; lookup->slots[slot] != 0; slot = (slot + 1) & mask) {
    const char *value = lookup->values[lookup->slots[slot] - 1];
    if (strncmp(value, text, bytes) == 0 && value[bytes] == '\0') return lookup->slots[slot] - 1;
  }
  double number;
  if (lookup->numbers == NULL || !csv_parse_number(text, &number)) return LOOKUP_NONE;
  return lookup_find_number(lookup, number);
}
