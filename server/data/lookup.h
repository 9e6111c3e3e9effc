/* Values (categories, classes) found by their text: a hash table over borrowed strings. Where all values are numbers, a text that is not
 * among them is compared by its number. */
#ifndef SERVER_DATA_LOOKUP_H
#define SERVER_DATA_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

#define LOOKUP_NONE SIZE_MAX

struct lookup {
  char *const *values; /* borrowed */
  size_t count;
  uint32_t *slots; /* slot_count (a power of two) of them: 0, or 1 + index */
  size_t slot_count;
  double *numbers; /* [count], or NULL if not all values are numbers */
};

__attribute__((warn_unused_result)) enum error_code lookup_init(struct lookup *lookup, char *const *values, size_t count,
                                                                struct error *error);
void lookup_deinit(struct lookup *lookup);
/* Bytes that lookup_init allocates. */
size_t lookup_measure(size_t count);
/* The value's index, or LOOKUP_NONE. `text` may have spaces around it. */
size_t lookup_find(const struct lookup *lookup, const char *text);
size_t lookup_find_number(const struct lookup *lookup, double number);

#endif
