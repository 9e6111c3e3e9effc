#include "server/data/token_table.h"

#include <stdlib.h>
#include <string.h>

#include "server/data/short_bytes.h"

/* Eight bytes at a time, each mixed in by a multiplication; the high half is kept, which depends on all bits. */
static uint32_t hash_token(const char *token, size_t bytes) {
  const uint64_t multiplier = UINT64_C(0x9E3779B97F4A7C15);
  uint64_t hash = bytes;
  for (; bytes > sizeof hash; token += sizeof hash, bytes -= sizeof hash)
    hash = (hash ^ short_bytes_load(token, sizeof hash)) * multiplier ^ hash >> 29;
  hash = (hash ^ short_bytes_load(token, bytes)) * multiplier;
  return (uint32_t)((hash ^ hash >> 29) * multiplier >> 32);
}

static size_t count_slots(size_t capacity) {
  size_t slots = 4;
  while (slots < 2 * capacity) slots *= 2;
  return slots;
}

size_t token_table_measure(size_t capacity, size_t text_capacity) {
  return (capacity + 1) * sizeof(struct token_entry) + count_slots(capacity) * sizeof(uint32_t) + text_capacity + 1;
}

enum error_code token_table_init(struct token_table *table, size_t capacity, size_t text_capacity, struct error *error) {
  *table = (struct token_table){.capacity = capacity, .text_capacity = text_capacity, .slot_count = count_slots(capacity)};
  table->entries = calloc(capacity + 1, sizeof *table->entries);
  table->slots = calloc(table->slot_count, sizeof *table->slots);
  table->texts = malloc(text_capacity + 1);
  if (table->entries != NULL && table->slots != NULL && table->texts != NULL) return ERROR_NONE;
  token_table_deinit(table);
  return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a vocabulary of %zu tokens", capacity);
}

void token_table_deinit(struct token_table *table) {
  free(table->entries);
  free(table->slots);
  free(table->texts);
  *table = (struct token_table){0};
}

/* The slot that has the token, or the empty one where it would be. */
static size_t find_slot(const struct token_table *table, const char *token, size_t bytes, uint32_t hash) {
  const size_t mask = table->slot_count - 1;
  size_t slot = hash & mask;
  for (; table->slots[slot] != 0; slot = (slot + 1) & mask) {
    const struct token_entry *entry = &table->entries[table->slots[slot] - 1];
    if (entry->hash == hash && entry->bytes == bytes && memcmp(table->texts + entry->text, token, bytes) == 0) break;
  }
  return slot;
}

static void refill_slots(struct token_table *table) {
  memset(table->slots, 0, table->slot_count * sizeof *table->slots);
  for (size_t i = 0; i < table->count; i++) {
    const struct token_entry *entry = &table->entries[i];
    table->slots[find_slot(table, table->texts + entry->text, entry->bytes, entry->hash)] = (uint32_t)(i + 1);
  }
}

/* Tokens that were seen no more than `rarest` times go; the others move together. */
static void drop_rare(struct token_table *table) {
  size_t kept = 0, text_bytes = 0;
  for (size_t i = 0; i < table->count; i++) {
    struct token_entry entry = table->entries[i];
    if (entry.count <= table->rarest) continue;
    memmove(table->texts + text_bytes, table->texts + entry.text, entry.bytes);
    entry.text = text_bytes;
    text_bytes += entry.bytes;
    table->entries[kept++] = entry;
  }
  table->count = kept;
  table->text_bytes = text_bytes;
}

static bool has_room(const struct token_table *table, size_t bytes) {
  return table->count < table->capacity && bytes <= table->text_capacity - table->text_bytes;
}

/* Goes on until a quarter is free, so that it doesn't happen for every token. */
static void make_room(struct token_table *table) {
  do {
    table->rarest++;
    drop_rare(table);
  } while (table->count > table->capacity / 4 * 3 || table->text_bytes > table->text_capacity / 4 * 3);
  refill_slots(table);
}

bool token_table_add(struct token_table *table, const char *token, size_t bytes) {
  if (!has_room(table, bytes)) return false;
  const uint32_t hash = hash_token(token, bytes);
  const size_t slot = find_slot(table, token, bytes, hash);
  struct token_entry *entry = &table->entries[table->count];
  *entry = (struct token_entry){.hash = hash, .bytes = (uint32_t)bytes, .text = table->text_bytes};
  memcpy(table->texts + table->text_bytes, token, bytes);
  table->text_bytes += bytes;
  table->slots[slot] = (uint32_t)++table->count;
  return true;
}

void token_table_count(struct token_table *table, const char *token, size_t bytes, uint64_t document) {
  size_t index = token_table_find(table, token, bytes);
  if (index == TOKEN_NONE) {
    if (!has_room(table, bytes)) make_room(table);
    if (!token_table_add(table, token, bytes)) return;
    index = table->count - 1;
    table->entries[index].count = table->rarest; /* it may have gone before */
  }
  struct token_entry *entry = &table->entries[index];
  entry->count++;
  if (entry->last_document == document + 1) return;
  entry->last_document = document + 1;
  entry->document_count++;
}

size_t token_table_find(const struct token_table *table, const char *token, size_t bytes) {
  if (table->slots == NULL) return TOKEN_NONE;
  const size_t slot = find_slot(table, token, bytes, hash_token(token, bytes));
  return table->slots[slot] == 0 ? TOKEN_NONE : table->slots[slot] - 1;
}
