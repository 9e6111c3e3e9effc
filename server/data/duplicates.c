#include "server/data/duplicates.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/data/csv.h"
#include "server/data/short_bytes.h"

enum { FIRST_SLOTS = 1024 };

enum error_code duplicates_init(struct duplicates *duplicates, size_t kept_max, struct error *error) {
  *duplicates = (struct duplicates){.kept_max = kept_max, .slot_count = FIRST_SLOTS};
  if (getrandom(&duplicates->key, sizeof duplicates->key, 0) < 0) duplicates->key = (uint64_t)(uintptr_t)duplicates;
  duplicates->entries = calloc(FIRST_SLOTS, sizeof *duplicates->entries);
  return duplicates->entries != NULL ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "no memory to compare rows");
}

void duplicates_deinit(struct duplicates *duplicates) {
  free(duplicates->entries);
  *duplicates = (struct duplicates){0};
}

uint64_t duplicates_start(const struct duplicates *duplicates) { return duplicates->key; }

/* The finalizer of MurmurHash3: every bit of the input moves every bit of the output. */
static uint64_t mix(uint64_t hash) {
  hash = (hash ^ hash >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
  hash = (hash ^ hash >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
  return hash ^ hash >> 33;
}

uint64_t duplicates_hash_bytes(uint64_t hash, const void *bytes, size_t byte_count) {
  const char *at = bytes;
  hash = mix(hash + byte_count + 1);
  for (; byte_count > 8; byte_count -= 8, at += 8) hash = mix(hash ^ short_bytes_load(at, 8));
  return mix(hash ^ short_bytes_load(at, byte_count));
}

uint64_t duplicates_hash_text(uint64_t hash, const char *text) {
  size_t bytes = strlen(text);
  text = csv_trim(text, &bytes);
  return duplicates_hash_bytes(hash, text, bytes);
}

/* 0 stands for a free slot. */
static uint64_t get_stored(uint64_t hash) { return hash == 0 ? UINT64_C(1) << 63 : hash; }

bool duplicates_is_kept(const struct duplicates *duplicates, uint64_t hash) { return (get_stored(hash) & duplicates->rejected) == 0; }

uint64_t duplicates_get_scale(const struct duplicates *duplicates) { return duplicates->rejected + 1; }

static struct duplicates_entry *find_slot(struct duplicates_entry *entries, size_t slot_count, uint64_t stored) {
  size_t slot = (size_t)(stored >> 32) & (slot_count - 1);
  while (entries[slot].hash != 0 && entries[slot].hash != stored) slot = (slot + 1) & (slot_count - 1);
  return &entries[slot];
}

/* Moves what is still kept to a table of so many slots. */
static enum error_code rebuild(struct duplicates *duplicates, size_t slot_count, struct error *error) {
  struct duplicates_entry *entries = calloc(slot_count, sizeof *entries);
  if (entries == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to compare rows");
  duplicates->count = 0;
  for (size_t i = 0; i < duplicates->slot_count; i++) {
    const struct duplicates_entry *entry = &duplicates->entries[i];
    if (entry->hash == 0 || (entry->hash & duplicates->rejected) != 0) continue;
    *find_slot(entries, slot_count, entry->hash) = *entry;
    duplicates->count++;
  }
  free(duplicates->entries);
  duplicates->entries = entries;
  duplicates->slot_count = slot_count;
  return ERROR_NONE;
}

enum error_code duplicates_add(struct duplicates *duplicates, uint64_t hash, uint64_t row, struct error *error) {
  const uint64_t stored = get_stored(hash);
  if (!duplicates_is_kept(duplicates, hash)) return ERROR_NONE;
  struct duplicates_entry *entry = find_slot(duplicates->entries, duplicates->slot_count, stored);
  if (entry->hash == stored) {
    entry->copies++;
    return ERROR_NONE;
  }
  *entry = (struct duplicates_entry){.hash = stored, .first_row = row};
  duplicates->count++;
  if (duplicates->count == duplicates->kept_max) {
    duplicates->rejected = 2 * duplicates->rejected + 1;
    return rebuild(duplicates, duplicates->slot_count, error);
  }
  return 2 * duplicates->count > duplicates->slot_count ? rebuild(duplicates, 2 * duplicates->slot_count, error) : ERROR_NONE;
}

uint64_t duplicates_find(const struct duplicates *duplicates, uint64_t hash, uint64_t *out_first_row) {
  if (!duplicates_is_kept(duplicates, hash)) return 0;
  const struct duplicates_entry *entry = find_slot(duplicates->entries, duplicates->slot_count, get_stored(hash));
  if (entry->hash == 0) return 0;
  *out_first_row = entry->first_row;
  return entry->copies + 1;
}

uint64_t duplicates_count(const struct duplicates *duplicates) {
  uint64_t copies = 0;
  for (size_t i = 0; i < duplicates->slot_count; i++) copies += duplicates->entries[i].copies;
  return copies * duplicates_get_scale(duplicates);
}
