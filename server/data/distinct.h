/* Distinct values of one column, counted as they stream by: a hash table within a byte budget that all columns share.
 * A column with too many values, too long a value, or no budget left drops its table for good.
 *
 * Open addressing with linear probing; a place holds key and count, so that a value that was seen before costs one look at one place. A
 * value of up to eight bytes is its own key; of a longer one it is a hash, and the text is compared. Hashing is a multiplication by a
 * secret odd number (Dietzfelbinger et al., "A reliable randomized algorithm for the closest-pair problem", 1997: two keys share one of m
 * places with a probability of at most 2 / m), so that nobody can choose colliding values; results don't depend on it. */
#ifndef SERVER_DATA_DISTINCT_H
#define SERVER_DATA_DISTINCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct distinct_budget {
  size_t bytes_left; /* of tables */
  uint64_t seed;     /* of the hash; odd */
};

struct distinct_place {
  uint64_t key;
  uint64_t state; /* from the lowest bit: 47 of the count of cells, so that counting is adding 1; whether the key is a hash; 16 of 1 + the
                     value's index. 0: free */
};
enum { DISTINCT_LONG_BIT = 47, DISTINCT_VALUE_BIT = 48 };
static inline uint64_t distinct_place_get_count(const struct distinct_place *place) {
  return place->state & ((UINT64_C(1) << DISTINCT_LONG_BIT) - 1);
}
static inline size_t distinct_place_get_value(const struct distinct_place *place) {
  return (size_t)(place->state >> DISTINCT_VALUE_BIT) - 1;
}

struct distinct_value {
  uint32_t text : 20;  /* offset of the value, NUL-terminated, in `texts`: at most IMPORT_CATEGORIES · (IMPORT_CATEGORY_BYTES + 1) */
  uint32_t bytes : 12; /* of it */
};

enum { DISTINCT_SHORT_BYTES = sizeof(uint64_t) };

/* All zeros: an empty table. */
struct distinct {
  struct distinct_place *places; /* [1 << place_bits], or NULL */
  unsigned place_bits;
  bool is_dropped;
  size_t count, capacity;
  struct distinct_value *values; /* [capacity] in the order of first appearance */
  char *texts;
  size_t text_bytes, text_capacity;
};

/* Eight bytes at a time, each mixed in by a multiplication. */
uint64_t distinct_hash_long(const struct distinct_budget *budget, const char *value, size_t bytes);

/* The value's place, to be counted in, or NULL. `short_word` is short_bytes_load of a value of up to eight bytes. */
static inline struct distinct_place *distinct_find(const struct distinct *distinct, const struct distinct_budget *budget, const char *value,
                                                   size_t bytes, uint64_t short_word) {
  if (distinct->places == NULL) return NULL;
  const bool is_short = bytes <= DISTINCT_SHORT_BYTES;
  const uint64_t key = is_short ? short_word : distinct_hash_long(budget, value, bytes);
  const size_t mask = ((size_t)1 << distinct->place_bits) - 1;
  for (size_t at = (size_t)(key * budget->seed >> (64 - distinct->place_bits));; at = (at + 1) & mask) {
    struct distinct_place *place = &distinct->places[at];
    if (place->state == 0) return NULL;
    if (place->key != key || (place->state >> DISTINCT_LONG_BIT & 1) == is_short) continue;
    if (is_short) return place;
    const struct distinct_value *kept = &distinct->values[distinct_place_get_value(place)];
    if (kept->bytes == bytes && memcmp(distinct->texts + kept->text, value, bytes) == 0) return place;
  }
}

enum distinct_outcome { DISTINCT_KEPT, DISTINCT_NO_ROOM, DISTINCT_OUT_OF_MEMORY };
/* Keeps a value that wasn't found, counted once; not if that is beyond the limits: then the table is of no use any more (distinct_drop). */
__attribute__((warn_unused_result)) enum distinct_outcome distinct_append(struct distinct *distinct, struct distinct_budget *budget,
                                                                          const char *value, size_t bytes);
static inline const char *distinct_get_value(const struct distinct *distinct, size_t index) {
  return distinct->texts + distinct->values[index].text;
}
/* The counts of all values, [count]. */
void distinct_get_counts(const struct distinct *distinct, uint64_t *out_counts);
/* Frees the table and gives its bytes back. */
void distinct_drop(struct distinct *distinct, struct distinct_budget *budget);

#endif
