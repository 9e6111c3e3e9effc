/* gzip (RFC 1952), incremental: compressed bytes in, plain bytes out, in bounded memory. Several members one behind the other are one text.
 * A bomb is refused: more plain bytes than allowed, or so many from so few that no real table is like that.
 * Threads: belongs to one thread. */
#ifndef SERVER_DATA_GUNZIP_H
#define SERVER_DATA_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { GUNZIP_RATIO_MAX = 400, GUNZIP_RATIO_FROM_BYTES = 64 << 20 }; /* plain for each compressed byte; beyond so many plain bytes */

/* Anything but ERROR_NONE ends the reading, which returns it. */
typedef enum error_code gunzip_handler(void *context, const char *bytes, size_t byte_count, struct error *error);

/* Whether a file that begins with these bytes is gzip. */
bool gunzip_is_magic(const char *bytes, size_t byte_count);

struct gunzip;
__attribute__((warn_unused_result)) enum error_code gunzip_create(uint64_t plain_bytes_max, gunzip_handler *handler, void *context,
                                                                  struct gunzip **out_gunzip, struct error *error);
void gunzip_destroy(struct gunzip *gunzip);
__attribute__((warn_unused_result)) enum error_code gunzip_feed(struct gunzip *gunzip, const char *bytes, size_t byte_count,
                                                                struct error *error);
/* End of input: ERROR_INVALID if a member isn't whole. */
__attribute__((warn_unused_result)) enum error_code gunzip_finish(const struct gunzip *gunzip, struct error *error);

#endif
