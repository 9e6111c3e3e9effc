/* Tokens: read once at start, hashed and wiped. */
#include "server/http/token.h"

#include <ctype.h>
#include <errno.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "server/log.h"

static void compute_digest(const char *token, size_t token_bytes, uint8_t out_digest[TOKEN_DIGEST_BYTES]) {
  struct sha256_ctx sha256;
  sha256_init(&sha256);
  sha256_update(&sha256, token_bytes, (const uint8_t *)token);
  sha256_digest(&sha256, TOKEN_DIGEST_BYTES, out_digest);
  explicit_bzero(&sha256, sizeof sha256);
}

static enum error_code add_token(struct tokens *tokens, const char *path, size_t line_number, const char *token, struct error *error) {
  size_t token_bytes = strlen(token);
  if (token_bytes < TOKEN_BYTES_MIN || token_bytes > TOKEN_BYTES_MAX) {
    return error_set(error, ERROR_INVALID, "line %zu of token file %s: a token has %d to %d characters; `openssl rand -hex 32` makes one",
                     line_number, path, TOKEN_BYTES_MIN, TOKEN_BYTES_MAX);
  }
  for (const char *s = token; *s; s++) {
    if (!isalnum((unsigned char)*s) && !strchr("-._~+/=", *s)) {
      return error_set(error, ERROR_INVALID, "line %zu of token file %s: a token consists of letters, digits and -._~+/=", line_number,
                       path);
    }
  }
  if (tokens->count == TOKEN_COUNT_MAX)
    return error_set(error, ERROR_INVALID, "token file %s has more than %d tokens", path, TOKEN_COUNT_MAX);
  void *grown = realloc(tokens->digests, (tokens->count + 1) * sizeof *tokens->digests);
  if (!grown) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the tokens");
  tokens->digests = grown;
  compute_digest(token, token_bytes, tokens->digests[tokens->count++]);
  return ERROR_NONE;
}

static enum error_code read_tokens(FILE *file, const char *path, struct tokens *tokens, struct error *error) {
  enum error_code code = ERROR_NONE;
  char line[TOKEN_BYTES_MAX + 3];
  for (size_t number = 1; code == ERROR_NONE && fgets(line, sizeof line, file); number++) {
    size_t length = strcspn(line, "\r\n");
    line[length] = 0;
    if (length > 0) code = add_token(tokens, path, number, line, error);
  }
  explicit_bzero(line, sizeof line);
  if (code == ERROR_NONE && ferror(file)) code = error_set(error, ERROR_INVALID, "can't read token file %s: %s", path, strerror(errno));
  if (code == ERROR_NONE && tokens->count == 0) code = error_set(error, ERROR_INVALID, "token file %s has no token", path);
  return code;
}

enum error_code tokens_load(const char *path, struct tokens *out_tokens, struct error *error) {
  *out_tokens = (struct tokens){0};
  FILE *file = fopen(path, "re");
  if (!file) return error_set(error, ERROR_INVALID, "can't open token file %s: %s", path, strerror(errno));
  char buffer[BUFSIZ];
  (void)setvbuf(file, buffer, _IOFBF, sizeof buffer); /* ours, so that it can be wiped */
  struct stat status;
  if (fstat(fileno(file), &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO))) {
    log_warn("token file %s is open to other users; chmod 600 closes it", path);
  }
  enum error_code code = read_tokens(file, path, out_tokens, error);
  (void)fclose(file);
  explicit_bzero(buffer, sizeof buffer);
  if (code != ERROR_NONE) tokens_deinit(out_tokens);
  return code;
}

void tokens_deinit(struct tokens *tokens) {
  free(tokens->digests);
  *tokens = (struct tokens){0};
}

bool tokens_accept(const struct tokens *tokens, const char *authorization) {
  static const char scheme[] = "Bearer ";
  if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) return false;
  const char *token = authorization + sizeof scheme - 1;
  token += strspn(token, " ");
  uint8_t digest[TOKEN_DIGEST_BYTES];
  compute_digest(token, strlen(token), digest);
  int match_count = 0;
  for (size_t i = 0; i < tokens->count; i++) match_count += memeql_sec(digest, tokens->digests[i], TOKEN_DIGEST_BYTES);
  return match_count > 0;
}
