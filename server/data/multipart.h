/* multipart/form-data (RFC 7578, 2046), incremental: bytes of a body in, the content of its parts out, in bounded memory.
 *
 *     body:  preamble  --boundary CRLF  headers CRLF CRLF  content  CRLF --boundary CRLF … CRLF --boundary--  epilogue
 *
 * A part needs a name; at most MULTIPART_PARTS_MAX parts, each with MULTIPART_HEADER_BYTES_MAX of headers.
 * Threads: belongs to one thread. */
#ifndef SERVER_DATA_MULTIPART_H
#define SERVER_DATA_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

enum {
  MULTIPART_BOUNDARY_BYTES_MAX = 70, /* RFC 2046 */
  MULTIPART_HEADER_BYTES_MAX = 4096,
  MULTIPART_NAME_BYTES_MAX = 255,
  MULTIPART_PARTS_MAX = 64
};

/* Valid during the call it is given to. */
struct multipart_part {
  const char *name;         /* of the form's field */
  const char *file_name;    /* as the client calls it, for messages only; "" where the part is no file */
  const char *content_type; /* "" */
};

/* Anything but ERROR_NONE ends the reading, which returns it. */
struct multipart_handlers {
  void *context;
  enum error_code (*begin)(void *context, const struct multipart_part *part, struct error *error);
  enum error_code (*take)(void *context, const char *bytes, size_t byte_count, struct error *error);
  enum error_code (*end)(void *context, struct error *error);
};

/* The boundary of "multipart/form-data; boundary=…"; false if there is none that could be. */
bool multipart_find_boundary(const char *content_type, char out_boundary[MULTIPART_BOUNDARY_BYTES_MAX + 1]);

struct multipart;
__attribute__((warn_unused_result)) enum error_code multipart_create(const char *boundary, const struct multipart_handlers *handlers,
                                                                     struct multipart **out_multipart, struct error *error);
void multipart_destroy(struct multipart *multipart);
/* ERROR_MALFORMED, as finish: no such body. */
__attribute__((warn_unused_result)) enum error_code multipart_feed(struct multipart *multipart, const char *bytes, size_t byte_count,
                                                                   struct error *error);
/* End of input: the last boundary must have come. */
__attribute__((warn_unused_result)) enum error_code multipart_finish(const struct multipart *multipart, struct error *error);

#endif
