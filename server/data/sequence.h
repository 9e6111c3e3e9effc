/* Lists of numbers of any length, one in a cell: read from text, and laid out for a network as steps of one size.
 *
 * A list is numbers apart by spaces, commas or semicolons, within [ ] or ( ) or without: "0.1 0.2 0.3", "[0.1, 0.2]", "0.1;0.2", "[]".
 *
 *   x[length, features]: (value − center) / scale, center and scale those of all numbers of the training part. What is longer loses its
 *   end; behind the end of what is shorter stands padding. Where the network has a masking layer, padding is its mask_value, and a real
 *   number that would be just that is the next greater one, so that the true lengths come through; else padding is 0.
 *
 * Pure functions; any thread.
 */
#ifndef SERVER_DATA_SEQUENCE_H
#define SERVER_DATA_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>

/* Anything but true ends the walk. */
typedef bool sequence_handler(void *context, double number);

/* Hands out the numbers of a list, in order. False if the text is no list of finite numbers, or the handler ended it (numbers may have been
 * handed out before that shows). */
bool sequence_walk(const char *text, sequence_handler *handler, void *context);
/* Whether it is one, how many numbers it has (NULL: not asked) and whether it says so by brackets. */
bool sequence_is_list(const char *text, size_t *out_count, bool *out_has_brackets);

struct sequence_encoding {
  size_t length, features; /* steps, and numbers of each */
  bool is_masked;
  float padding;
  /* [features] of each number of a step; owned by whoever owns the encoding. NULL: one center and scale, which the functions are given. */
  double *centers, *scales;
};
static inline size_t sequence_get_width(const struct sequence_encoding *encoding) { return encoding->length * encoding->features; }

/* x[length, features] of a list in text (features 1); false if it is none. */
bool sequence_encode_text(const struct sequence_encoding *encoding, const char *text, double center, double scale, float *x);
/* … of `steps` steps of numbers, [steps, features]. center and scale don't count where each number of a step has its own. */
void sequence_encode_steps(const struct sequence_encoding *encoding, const float *values, size_t steps, double center, double scale,
                           float *x);
/* … of nothing: all padding. */
void sequence_encode_missing(const struct sequence_encoding *encoding, float *x);

#endif
