/* Answers: JSON, text, files. */
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/api/context.h"

enum error_code respond_text(struct response *response, int status, const char *content_type, char *text, struct error *error) {
  if (text == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  response->status = status;
  response->content_type = content_type;
  response->body = text;
  response->body_bytes = strlen(text);
  return ERROR_NONE;
}

enum error_code respond_json(struct response *response, int status, json_t *json, struct error *error) {
  char *text = json_write(json);
  json_decref(json);
  return respond_text(response, status, "application/json", text, error);
}

enum error_code respond_json_float(struct response *response, int status, json_t *json, struct error *error) {
  char *text = json_write_float(json);
  json_decref(json);
  return respond_text(response, status, "application/json", text, error);
}

void respond_nothing(struct response *response) { response->status = 204; }

enum error_code respond_page(struct response *response, json_t *items, const char *next_cursor, struct error *error) {
  json_t *cursor = next_cursor[0] == '\0' ? json_null() : json_string(next_cursor);
  return respond_json(response, 200, json_pack("{s:o, s:o}", "items", items, "next_cursor", cursor), error);
}

enum error_code temporary_open(struct api *api, FILE **out_file, struct error *error) {
  *out_file = NULL;
  char path[4096];
  const char *data_dir = store_get_data_dir(api->store);
  int file = open(data_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR) &&
      snprintf(path, sizeof path, "%s/answer-XXXXXX", data_dir) < (int)sizeof path) {
    file = mkostemp(path, O_CLOEXEC);
    if (file >= 0) unlink(path);
  }
  if (file >= 0) *out_file = fdopen(file, "w+");
  if (*out_file != NULL) return ERROR_NONE;
  int reason = errno;
  if (file >= 0) close(file);
  return error_set(error, reason == ENOSPC ? ERROR_DISK_FULL : ERROR_INTERNAL, "no temporary file: %s", strerror(reason));
}

enum error_code respond_file(struct response *response, const char *content_type, FILE *file, struct error *error) {
  bool is_whole = fflush(file) == 0 && ferror(file) == 0;
  int reason = errno;
  int copy = is_whole ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 0) : -1;
  if (is_whole && copy < 0) reason = errno;
  fclose(file);
  if (copy < 0) {
    return error_set(error, reason == ENOSPC ? ERROR_DISK_FULL : ERROR_INTERNAL, "the answer can't be written: %s", strerror(reason));
  }
  response->status = 200;
  response->content_type = content_type;
  response->file = copy;
  return ERROR_NONE;
}

void sha256_hex(const void *bytes, size_t byte_count, char out_hex[STORE_SHA256_HEX_BYTES]) {
  struct sha256_ctx hash;
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_init(&hash);
  sha256_update(&hash, byte_count, bytes);
  sha256_digest(&hash, sizeof digest, digest);
  for (size_t i = 0; i < sizeof digest; i++) snprintf(out_hex + 2 * i, 3, "%02x", digest[i]);
}
