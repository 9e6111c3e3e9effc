/* Errors: what went wrong, where in the caller's input, and what would be right.
 *
 * A fallible function returns an enum error_code, writes its results to out_ arguments and the details to a struct error
 * that the caller owns (usually on its stack). Field errors carry a JSON pointer into the spec, so that a client can mark
 * the field; several can be collected before a function gives up. Nothing here allocates, prints or exits.
 *
 * Threads: a struct error belongs to one thread.
 */
#ifndef ENGINE_ERROR_H
#define ENGINE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

enum error_code {
  ERROR_NONE = 0,
  ERROR_MALFORMED,     /* can't be read at all: broken JSON, broken CSV, a bad header */
  ERROR_UNAUTHORIZED,  /* no token, or a wrong one */
  ERROR_FORBIDDEN,     /* foreign origin or host */
  ERROR_NOT_FOUND,     /* no such resource */
  ERROR_METHOD,        /* the resource exists, the method does not apply */
  ERROR_CONFLICT,      /* the state of a resource forbids it */
  ERROR_TOO_LARGE,     /* body over its limit */
  ERROR_MEDIA_TYPE,    /* content type not accepted */
  ERROR_INVALID,       /* readable, but means nothing: a field is out of range, shapes don't fit */
  ERROR_OVER_BUDGET,   /* needs more memory than the budget allows */
  ERROR_TOO_MANY,      /* a limit on how many is reached; later may work */
  ERROR_UNAVAILABLE,   /* draining, or a resource is short; later may work */
  ERROR_TIMEOUT,       /* the client was too slow */
  ERROR_DISK_FULL,     /* nowhere to write; nothing was half-written */
  ERROR_OUT_OF_MEMORY, /* an allocation failed */
  ERROR_DIVERGED,      /* a loss or gradient is not finite */
  ERROR_INTERNAL,      /* our fault */
  ERROR_CODE_COUNT
};

enum {
  ERROR_ITEM_MAX = 16, /* field errors kept; further ones are counted in items_dropped */
  ERROR_POINTER_BYTES = 160,
  ERROR_DETAIL_BYTES = 320
};

struct error_item {
  char pointer[ERROR_POINTER_BYTES]; /* JSON pointer, "/layers/2/units"; "" is the whole document */
  char detail[ERROR_DETAIL_BYTES];   /* says what would be right */
};

struct error {
  enum error_code code;
  char detail[ERROR_DETAIL_BYTES];
  size_t item_count;
  size_t items_dropped;
  struct error_item items[ERROR_ITEM_MAX];
};

/* Empties `error`. A struct error must be cleared (or be {0}) before its first use. */
void error_clear(struct error *error);

/* Whether a further field error would be kept. What only adds errors stops without: a client can send more
 * mistakes than are worth finding. */
static inline bool error_has_room(const struct error *error) { return error->item_count < ERROR_ITEM_MAX; }

/* Sets code and detail (printf form, cut to fit); keeps collected items. Returns `code`, so that
 * `return error_set(error, ERROR_NOT_FOUND, "no network named \"%s\"", name);` reads as one sentence. */
__attribute__((format(printf, 3, 4))) enum error_code error_set(struct error *error, enum error_code code, const char *format, ...);

/* Adds one field error. The code becomes ERROR_INVALID if none was set; the detail becomes the first item's.
 * Returns the code. */
__attribute__((format(printf, 3, 4))) enum error_code error_add(struct error *error, const char *pointer, const char *format, ...);

/* Adds what another error has collected; one without field errors gives its code and detail, if there was none. Returns the code. */
enum error_code error_merge(struct error *error, const struct error *found);

/* The JSON pointer to a member: `pointer` + "/" + the printf form's result, escaped as RFC 6901 says, cut to fit. The two may be
 * the same array. */
__attribute__((format(printf, 3, 4))) void error_pointer(char out_pointer[ERROR_POINTER_BYTES], const char *pointer, const char *format,
                                                         ...);

/* The code's name as clients see it in `code`, e.g. "over_budget". */
const char *error_code_name(enum error_code code);

#endif
