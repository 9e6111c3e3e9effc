/* Rows that say the same: counted as they stream by, in bounded memory. A row is its values in order, each without the spaces around it.
 *
 * Rows are told apart by hashes of 64 bits, keyed by chance. When there are as many different rows as are to be kept at most, only those of
 * every second hash are kept, then of every fourth …; counts are then of that share of the rows, scaled up (Wegman's adaptive sampling:
 * Flajolet, "On adaptive sampling", 1990). Threads: one at a time.
 */
#ifndef SERVER_DATA_DUPLICATES_H
#define SERVER_DATA_DUPLICATES_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DUPLICATES_KEPT = 1 << 20 /* a good number for kept_max: 48 MiB at most */ };

struct duplicates_entry {
  uint64_t hash;
  uint64_t first_row;
  uint64_t copies; /* rows after the first */
};

struct duplicates {
  uint64_t key;
  uint64_t rejected; /* bits of a hash that must be 0 */
  size_t count, kept_max, slot_count;
  struct duplicates_entry *entries; /* [slot_count], a power of two; hash 0: free */
};

__attribute__((warn_unused_result)) enum error_code duplicates_init(struct duplicates *duplicates, size_t kept_max, struct error *error);
void duplicates_deinit(struct duplicates *duplicates);

/* The hash of a row so far: start with duplicates_start, add value after value. */
uint64_t duplicates_start(const struct duplicates *duplicates);
uint64_t duplicates_hash_text(uint64_t hash, const char *text);
uint64_t duplicates_hash_bytes(uint64_t hash, const void *bytes, size_t byte_count);

__attribute__((warn_unused_result)) enum error_code duplicates_add(struct duplicates *duplicates, uint64_t hash, uint64_t row,
                                                                   struct error *error);
/* How many rows with this hash were added; *out_first_row is the first of them. 0 too for those that are not
 * kept: ask duplicates_is_kept. */
uint64_t duplicates_find(const struct duplicates *duplicates, uint64_t hash, uint64_t *out_first_row);
bool duplicates_is_kept(const struct duplicates *duplicates, uint64_t hash);
/* What a count of kept rows is multiplied by: 1 while all are kept. */
uint64_t duplicates_get_scale(const struct duplicates *duplicates);
/* Rows that are copies of an earlier one. */
uint64_t duplicates_count(const struct duplicates *duplicates);

#endif
