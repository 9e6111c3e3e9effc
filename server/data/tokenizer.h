/* Text → tokens: words, characters or bytes, and for bags of them n-grams, runs of neighbouring tokens.
 *
 *   words        by Unicode's rules (UAX #29: "can't" and "3.14" are one, each ideograph is one); a punctuation mark is a word, space is
 *                none
 *   characters   code points; a run of white space counts as one space
 *   bytes        of the UTF-8 text as it is
 * Words and characters are lower-cased if asked. A token longer than TOKENIZER_BYTES_MAX is cut there, between two characters.
 * Threads: pure.
 */
#ifndef SERVER_DATA_TOKENIZER_H
#define SERVER_DATA_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

enum { TOKENIZER_BYTES_MAX = 64, TOKEN_NGRAM_MAX = 5 };

enum token_unit { TOKEN_WORDS, TOKEN_CHARACTERS, TOKEN_BYTES };
extern const char *const token_unit_names[4]; /* "words", "characters", "bytes", NULL */

struct tokenizer {
  enum token_unit unit;
  bool is_lowercase;
  size_t ngram_max; /* 1 … TOKEN_NGRAM_MAX: also each run of up to so many tokens, words with a space between them */
};

/* Return false to end the walk. `token` is not NUL-terminated and valid during the call. */
typedef bool token_handler(void *context, const char *token, size_t bytes);

/* Hands out the tokens of `text` (UTF-8, NUL-terminated) in order; where there are n-grams, behind each token those that end in it. */
void tokenizer_run(const struct tokenizer *tokenizer, const char *text, token_handler *handler, void *context);

#endif
