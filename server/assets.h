/* The files compiled into the program: the page (web/…) and the database's migrations (migrations/…).
 *
 * server/embed.sh writes the C file behind this header when the program is built. A leaf: anything in server/ may include it.
 * Threads: constant data.
 */
#ifndef SERVER_ASSETS_H
#define SERVER_ASSETS_H

#include <stddef.h>

struct asset {
  const char *path;           /* from the repository's root: "web/index.html", "migrations/0001_tables.sql" */
  const unsigned char *bytes; /* byte_count bytes, and a zero after them, so that a text can be read as a string */
  size_t byte_count;
};

/* All of them, sorted by path (as bytes). */
const struct asset *assets_get(size_t *out_count);
/* NULL if there is none. */
const struct asset *assets_find(const char *path);

#endif
