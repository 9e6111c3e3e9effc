#include "server/api/once.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/idempotency.h"

static void hash_text(struct sha256_ctx *hash, const char *text) {
  /* with its final NUL, so that "ab" + "c" and "a" + "bc" differ */
  sha256_update(hash, strlen(text) + 1, (const uint8_t *)text);
}

enum error_code once_init(struct once *once, const struct request *request, const char *content_sha256, struct error *error) {
  memset(once, 0, sizeof *once);
  const char *key = request->idempotency_key;
  if (key == NULL) return ERROR_NONE;
  size_t length = strlen(key);
  bool is_printable = length > 0 && length <= IDEMPOTENCY_KEY_BYTES_MAX;
  for (size_t i = 0; i < length && is_printable; i++) is_printable = key[i] >= 0x20 && key[i] < 0x7f;
  if (!is_printable) {
    return error_set(error, ERROR_MALFORMED, "Idempotency-Key must be 1 to %d printable ASCII characters", IDEMPOTENCY_KEY_BYTES_MAX);
  }
  once->has_key = true;
  snprintf(once->key, sizeof once->key, "%.8s %.160s %s", request->method, request->path, key);
  struct sha256_ctx hash;
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_init(&hash);
  for (size_t i = 0; i < request->query_count; i++) {
    hash_text(&hash, request->query[i].name);
    hash_text(&hash, request->query[i].value);
  }
  if (content_sha256 != NULL)
    hash_text(&hash, content_sha256);
  else
    sha256_update(&hash, request->body_bytes, (const uint8_t *)request->body);
  sha256_digest(&hash, sizeof digest, digest);
  for (size_t i = 0; i < sizeof digest; i++) snprintf(once->fingerprint + 2 * i, 3, "%02x", digest[i]);
  return ERROR_NONE;
}

enum error_code once_replay(struct api *api, const struct once *once, struct response *response, bool *out_is_answered,
                            struct error *error) {
  *out_is_answered = false;
  if (!once->has_key) return ERROR_NONE;
  struct idempotency_row row = {0};
  struct error missing = {0};
  enum error_code code = idempotency_get(api->store, once->key, &row, &missing);
  if (code == ERROR_NOT_FOUND) return ERROR_NONE;
  if (code != ERROR_NONE) {
    *error = missing;
    return code;
  }
  if (strcmp(row.body_sha256, once->fingerprint) != 0) {
    code = error_set(error, ERROR_INVALID, "this Idempotency-Key came with another body or query before; use a new key for a new request");
  } else {
    if (row.location != NULL) response_add_header(response, "Location", "%s", row.location);
    response_add_header(response, "Idempotency-Replayed", "true");
    char *body = strdup(row.body == NULL ? "" : row.body);
    code = respond_text(response, row.status, "application/json", body, error);
    *out_is_answered = code == ERROR_NONE;
  }
  idempotency_row_deinit(&row);
  return code;
}

static char *find_location(struct response *response) {
  for (size_t i = 0; i < response->header_count; i++) {
    if (strcmp(response->headers[i].name, "Location") == 0) return response->headers[i].value;
  }
  return NULL;
}

enum error_code once_record(struct api *api, const struct once *once, struct response *response, struct error *error) {
  if (!once->has_key) return ERROR_NONE;
  struct idempotency_row row = {
      .status = response->status, .key = (char *)once->key, .location = find_location(response), .body = response->body};
  memcpy(row.body_sha256, once->fingerprint, sizeof row.body_sha256);
  return idempotency_insert(api->store, &row, error);
}

enum error_code once_run(struct api *api, const struct once *once, once_write *write, void *context, struct response *response,
                         struct error *error) {
  if (!once->has_key) return write(context, response, error);
  enum error_code code = store_begin(api->store, error);
  if (code != ERROR_NONE) return code;
  /* Asked again, now that no other writer can come between. */
  bool is_answered = false;
  code = once_replay(api, once, response, &is_answered, error);
  if (code == ERROR_NONE && !is_answered) code = write(context, response, error);
  if (code == ERROR_NONE && !is_answered) code = once_record(api, once, response, error);
  if (code != ERROR_NONE || is_answered) {
    store_rollback(api->store);
    return code;
  }
  return store_commit(api->store, error);
}
