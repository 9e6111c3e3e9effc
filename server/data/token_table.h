/* Tokens and a number for each: a hash table that counts them while a vocabulary is fitted, and finds them afterwards.
 *
 * Bounded: when a counting table is full, the rarest tokens go (Manku, Motwani: "Approximate frequency counts over data streams", 2002), so
 * that frequent ones are always there, whatever comes. What is kept depends on the tokens and their order alone.
 */
#ifndef SERVER_DATA_TOKEN_TABLE_H
#define SERVER_DATA_TOKEN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

#define TOKEN_NONE SIZE_MAX

struct token_entry {
  uint32_t hash, bytes;
  size_t text;             /* offset in `texts` */
  uint64_t count;          /* occurrences */
  uint64_t document_count; /* texts that it occurs in */
  uint64_t last_document;  /* 1 + the number of the last of them */
};

struct token_table {
  size_t count, capacity; /* entries */
  struct token_entry *entries;
  uint32_t *slots; /* slot_count (a power of two) of them: 0, or 1 + index */
  size_t slot_count;
  char *texts;
  size_t text_bytes, text_capacity;
  uint64_t rarest; /* tokens with no more occurrences went when it was full last */
};

/* Bytes that token_table_init allocates. */
size_t token_table_measure(size_t capacity, size_t text_capacity);
/* Room for `capacity` tokens of `text_capacity` bytes together. */
__attribute__((warn_unused_result)) enum error_code token_table_init(struct token_table *table, size_t capacity, size_t text_capacity,
                                                                     struct error *error);
void token_table_deinit(struct token_table *table);

/* Counts an occurrence in the text number `document`, making room if there is none. */
void token_table_count(struct token_table *table, const char *token, size_t bytes, uint64_t document);
/* Adds a token that isn't there yet; false if it doesn't fit. */
bool token_table_add(struct token_table *table, const char *token, size_t bytes);
/* The token's index, in the order in which they were added, or TOKEN_NONE. */
size_t token_table_find(const struct token_table *table, const char *token, size_t bytes);

#endif
