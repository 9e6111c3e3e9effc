/* The uploads under way: how much of each has come, for those who wait. What a handler says of its own, any thread may list. Private to
 * server/api. */
#ifndef SERVER_API_UPLOAD_BOARD_H
#define SERVER_API_UPLOAD_BOARD_H

#include <jansson.h>

#include "engine/limits.h"
#include "server/api/exchange.h"
#include "server/store/store.h"

enum upload_phase {
  UPLOAD_RECEIVING,
  UPLOAD_READING /* all of it has come; what is left of it is read and stored */
};

/* One upload, in its handler's own storage. */
struct upload_note {
  struct upload_note *next;
  char name[LIMIT_NAME_BYTES + 1]; /* "" where one will be made up */
  int64_t started_ms;
  int64_t total_bytes; /* −1: not known */
  enum upload_phase phase;
  uint64_t bytes, rows; /* so far */
};

struct upload_board;
__attribute__((warn_unused_result)) enum error_code upload_board_create(struct upload_board **out_board, struct error *error);
void upload_board_destroy(struct upload_board *board);

/* The note stays on the board, which borrows it, until it is taken down. */
void upload_board_put(struct upload_board *board, struct upload_note *note);
void upload_board_update(struct upload_board *board, struct upload_note *note, enum upload_phase phase, uint64_t bytes, uint64_t rows);
void upload_board_take_down(struct upload_board *board, struct upload_note *note);

/* An array, the first begun first; NULL without memory. */
json_t *upload_board_to_json(struct upload_board *board);
/* Bytes received of all that are under way; *out_count: how many. */
uint64_t upload_board_sum(struct upload_board *board, size_t *out_count);

#endif
