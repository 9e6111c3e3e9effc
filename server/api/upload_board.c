#include "server/api/upload_board.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/codec/json_text.h"

struct upload_board {
  pthread_mutex_t mutex;
  struct upload_note *first; /* the last begun first */
};

enum error_code upload_board_create(struct upload_board **out_board, struct error *error) {
  struct upload_board *board = calloc(1, sizeof *board);
  *out_board = board;
  if (board == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  pthread_mutex_init(&board->mutex, NULL);
  return ERROR_NONE;
}

void upload_board_destroy(struct upload_board *board) {
  if (board == NULL) return;
  pthread_mutex_destroy(&board->mutex);
  free(board);
}

void upload_board_put(struct upload_board *board, struct upload_note *note) {
  pthread_mutex_lock(&board->mutex);
  note->next = board->first;
  board->first = note;
  pthread_mutex_unlock(&board->mutex);
}

void upload_board_update(struct upload_board *board, struct upload_note *note, enum upload_phase phase, uint64_t bytes, uint64_t rows) {
  pthread_mutex_lock(&board->mutex);
  note->phase = phase;
  note->bytes = bytes;
  note->rows = rows;
  pthread_mutex_unlock(&board->mutex);
}

void upload_board_take_down(struct upload_board *board, struct upload_note *note) {
  pthread_mutex_lock(&board->mutex);
  struct upload_note **link = &board->first;
  while (*link != NULL && *link != note) link = &(*link)->next;
  if (*link != NULL) *link = note->next;
  pthread_mutex_unlock(&board->mutex);
}

static json_t *note_to_json(const struct upload_note *note) {
  static const char *const phases[] = {[UPLOAD_RECEIVING] = "receiving", [UPLOAD_READING] = "reading"};
  json_t *json = json_object();
  json_put(&json, "name", note->name[0] != '\0' ? json_string(note->name) : json_null());
  json_put(&json, "phase", json_string(phases[note->phase]));
  json_put(&json, "bytes_received", json_integer((json_int_t)note->bytes));
  json_put(&json, "bytes_total", note->total_bytes >= 0 ? json_integer(note->total_bytes) : json_null());
  json_put(&json, "fraction", note->total_bytes > 0 ? json_real((double)note->bytes / (double)note->total_bytes) : json_null());
  json_put(&json, "rows", json_integer((json_int_t)note->rows));
  json_put(&json, "started_at", json_time(note->started_ms));
  return json;
}

json_t *upload_board_to_json(struct upload_board *board) {
  json_t *items = json_array();
  pthread_mutex_lock(&board->mutex);
  for (const struct upload_note *note = board->first; note != NULL && items != NULL; note = note->next) {
    json_t *item = note_to_json(note);
    if (item != NULL && json_array_insert_new(items, 0, item) == 0) continue;
    json_decref(items);
    items = NULL;
  }
  pthread_mutex_unlock(&board->mutex);
  return items;
}

uint64_t upload_board_sum(struct upload_board *board, size_t *out_count) {
  uint64_t bytes = 0;
  *out_count = 0;
  pthread_mutex_lock(&board->mutex);
  for (const struct upload_note *note = board->first; note != NULL; note = note->next) {
    bytes += note->bytes;
    ++*out_count;
  }
  pthread_mutex_unlock(&board->mutex);
  return bytes;
}

enum error_code uploads_get_list(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)request;
  json_t *json = json_object();
  json_put(&json, "items", upload_board_to_json(api->uploads));
  return respond_json(response, 200, json, error);
}
