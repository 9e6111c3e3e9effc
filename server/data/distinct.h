/* Distinct values of one column, counted as they stream by: a hash table within a byte budget that all columns share.
 * A column with too many values, too long a value, or no budget left drops its table for good. */
#ifndef SERVER_DATA_DISTINCT_H
#define SERVER_DATA_DISTINCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct distinct_budget {
  size_t bytes_left; /* of tables */
  uint64_t seed;     /* of the hash, so that nobody can choose colliding values; results don't depend on it */
};

struct distinct_entry {
  uint64_t count;
  uint32_t hash;
  uint32_t text : 20;  /* offset of the value, NUL-terminated, in `texts`: at most IMPORT_CATEGORIES · (IMPORT_CATEGORY_BYTES + 1) */
  uint32_t bytes : 12; /* of the value */
};

/* All zeros: an empty table. */
struct distinct {
  bool is_dropped;
  size_t count, capacity;
  struct distinct_entry *entries; /* in the order of first appearance */
  uint16_t *slots;                /* 2 · capacity of them: 0, or 1 + index of an entry */
  char *texts;
  size_t text_bytes, text_capacity;
};

/* Counts one value. ERROR_OUT_OF_MEMORY at worst; a value beyond the limits drops the table instead. */
__attribute__((warn_unused_result)) enum error_code distinct_add(struct distinct *distinct, struct distinct_budget *budget,
                                                                 const char *value, size_t bytes, struct error *error);
static inline const char *distinct_get_value(const struct distinct *distinct, size_t index) {
  return distinct->texts + distinct->entries[index].text;
}
/* Frees the table and gives its bytes back. */
void distinct_drop(struct distinct *distinct, struct distinct_budget *budget);

#endif
