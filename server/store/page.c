/* Lists of any table, page by page, newest first. The order is that of creation (the column number), which never changes and never
 * repeats, so a page neither loses nor repeats a row when others are inserted or deleted meanwhile. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/private.h"

enum { PAGE_LIMIT = 1000 };

static enum error_code parse_cursor(const char *cursor, int64_t *out_before, struct error *error) {
  *out_before = INT64_MAX;
  if (cursor[0] == '\0') return ERROR_NONE;
  size_t digits = cursor[0] == 'c' ? strspn(cursor + 1, "0123456789abcdef") : 0;
  if (digits != 16 || cursor[17] != '\0' || cursor[1] > '7')
    return error_set(error, ERROR_MALFORMED, "query parameter \"cursor\" is not one that a list returned as next_cursor");
  *out_before = (int64_t)strtoull(cursor + 1, NULL, 16);
  return ERROR_NONE;
}

static void free_rows(const struct listing *listing, char *rows, size_t count) {
  for (size_t i = 0; i < count; i++) listing->deinit(rows + i * listing->row_bytes);
  free(rows);
}

/* Reads up to limit rows; a further one only sets the cursor. */
static enum error_code read_rows(struct query *query, const struct listing *listing, size_t limit, char *rows, size_t *out_count,
                                 char *out_next_cursor) {
  size_t count = 0;
  int64_t last_number = 0;
  while (query_step(query)) {
    if (count == limit) {
      (void)snprintf(out_next_cursor, STORE_CURSOR_BYTES, "c%016" PRIx64, last_number);
      break;
    }
    last_number = query_get_int(query);
    listing->read(query, rows + count * listing->row_bytes);
    count++;
  }
  *out_count = count;
  return query_finish(query);
}

enum error_code list_rows(struct store *store, const struct listing *listing, const struct store_page *page, void **out_rows,
                          size_t *out_count, char out_next_cursor[STORE_CURSOR_BYTES], struct error *error) {
  *out_rows = NULL;
  *out_count = 0;
  out_next_cursor[0] = '\0';
  int64_t before;
  enum error_code code = parse_cursor(page->cursor, &before, error);
  if (code != ERROR_NONE) return code;
  size_t limit = page->limit < 1 ? 1 : page->limit > PAGE_LIMIT ? PAGE_LIMIT : page->limit;
  char *rows = calloc(limit, listing->row_bytes);
  if (!rows) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a list of %zu", limit);

  struct connection *connection;
  code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) {
    free(rows);
    return code;
  }
  struct query query;
  query_start(&query, connection, listing->sql, error);
  query_bind_int(&query, before);
  query_bind_uint(&query, limit + 1);
  if (listing->has_filter) query_bind_int(&query, listing->filter);
  size_t count = 0;
  code = read_rows(&query, listing, limit, rows, &count, out_next_cursor);
  read_end(store, connection);
  if (code != ERROR_NONE) {
    free_rows(listing, rows, count);
    out_next_cursor[0] = '\0';
    return code;
  }
  *out_rows = rows;
  *out_count = count;
  return ERROR_NONE;
}
