/* The tokens that may come in: kept as SHA-256, compared in constant time, never logged.
 * Threads: constant after tokens_load. */
#ifndef SERVER_HTTP_TOKEN_H
#define SERVER_HTTP_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { TOKEN_BYTES_MIN = 32, TOKEN_BYTES_MAX = 1024, TOKEN_COUNT_MAX = 1024, TOKEN_DIGEST_BYTES = 32 };

struct tokens {
  size_t count;
  uint8_t (*digests)[TOKEN_DIGEST_BYTES];
};

/* Reads one token a line; empty lines don't count. ERROR_INVALID: no token, one that is too short or has other characters than
 * letters, digits and -._~+/=, or a file that can't be read. */
__attribute__((warn_unused_result)) enum error_code tokens_load(const char *path, struct tokens *out_tokens, struct error *error);
void tokens_deinit(struct tokens *tokens);

/* Does the value of an Authorization header ("Bearer …") carry one of the tokens? Takes the same time whichever it is. */
bool tokens_accept(const struct tokens *tokens, const char *authorization);

#endif
