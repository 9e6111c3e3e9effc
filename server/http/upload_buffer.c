/* Uploads: a ring of bounded size between the MHD thread, which fills it, and the handler, which reads. When it is nearly full the MHD
 * thread suspends the connection, so that TCP slows the client down; when the handler has made room it is resumed.
 */
#include "server/http/server.h"

#include <stdlib.h>
#include <string.h>

enum error_code upload_buffer_open(struct upload_buffer *upload, struct error *error) {
  upload->ring = malloc(LIMIT_UPLOAD_BUFFER_BYTES);
  if (!upload->ring) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the upload's buffer");
  pthread_cond_init(&upload->changed, NULL);
  return ERROR_NONE;
}

void upload_buffer_close(struct upload_buffer *upload) {
  if (!upload->ring) return;
  pthread_cond_destroy(&upload->changed);
  free(upload->ring);
  upload->ring = NULL;
}

size_t upload_buffer_get_space(const struct upload_buffer *upload) { return LIMIT_UPLOAD_BUFFER_BYTES - upload->used; }

void upload_buffer_append(struct upload_buffer *upload, const char *bytes, size_t byte_count) {
  size_t end = (upload->start + upload->used) % LIMIT_UPLOAD_BUFFER_BYTES;
  size_t first = LIMIT_UPLOAD_BUFFER_BYTES - end < byte_count ? LIMIT_UPLOAD_BUFFER_BYTES - end : byte_count;
  memcpy(upload->ring + end, bytes, first);
  memcpy(upload->ring, bytes + first, byte_count - first);
  upload->used += byte_count;
  pthread_cond_signal(&upload->changed);
}

void upload_buffer_fail(struct upload_buffer *upload, enum error_code failure) {
  if (!upload->ring || upload->failure != ERROR_NONE) return;
  upload->failure = failure;
  pthread_cond_signal(&upload->changed);
}

static enum error_code explain_failure(const struct exchange *exchange, struct error *error) {
  switch (exchange->upload.failure) {
  case ERROR_TOO_LARGE:
    return error_set(error, ERROR_TOO_LARGE, "the upload is larger than %llu bytes", (unsigned long long)exchange->body_bytes_max);
  case ERROR_TIMEOUT: return error_set(error, ERROR_TIMEOUT, "the upload came too slowly");
  default: return error_set(error, ERROR_MALFORMED, "the upload was broken off");
  }
}

enum error_code upload_buffer_read(void *context, void *buffer, size_t buffer_bytes, size_t *out_bytes, struct error *error) {
  struct exchange *exchange = context;
  struct upload_buffer *upload = &exchange->upload;
  enum error_code code = ERROR_NONE;
  *out_bytes = 0;
  lock_server(exchange->server);
  while (upload->used == 0 && !upload->is_over && upload->failure == ERROR_NONE)
    pthread_cond_wait(&upload->changed, &exchange->server->lock);
  if (upload->failure != ERROR_NONE) {
    code = explain_failure(exchange, error);
  } else if (upload->used > 0) {
    size_t contiguous = LIMIT_UPLOAD_BUFFER_BYTES - upload->start;
    size_t byte_count = upload->used < contiguous ? upload->used : contiguous;
    if (byte_count > buffer_bytes) byte_count = buffer_bytes;
    memcpy(buffer, upload->ring + upload->start, byte_count);
    upload->start = (upload->start + byte_count) % LIMIT_UPLOAD_BUFFER_BYTES;
    upload->used -= byte_count;
    *out_bytes = byte_count;
    /* Half empty, so that the connection isn't suspended and resumed for every few bytes. */
    if (exchange->phase == EXCHANGE_BODY && upload->used <= LIMIT_UPLOAD_BUFFER_BYTES / 2) exchange_resume(exchange);
  }
  unlock_server(exchange->server);
  return code;
}
