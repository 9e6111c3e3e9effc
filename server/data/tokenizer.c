/* The text is walked through in pieces of bounded size, so that a long one needs no more memory than a short one. */
#include "server/data/tokenizer.h"

#include <stdint.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <unistr.h>
#include <uniwbrk.h>

const char *const token_unit_names[4] = {"words", "characters", "bytes", NULL};

enum { PIECE_BYTES = 4096, CHARACTER_BYTES = 6 };

struct walk {
  const struct tokenizer *tokenizer;
  token_handler *handler;
  void *context;
  bool is_over;
  /* The last ngram_max tokens, one behind the other, and where each begins. */
  char window[TOKEN_NGRAM_MAX * (TOKENIZER_BYTES_MAX + 1)];
  size_t window_bytes, token_count, starts[TOKEN_NGRAM_MAX];
};

static void drop_oldest(struct walk *walk) {
  const size_t gone = walk->token_count > 1 ? walk->starts[1] : walk->window_bytes;
  memmove(walk->window, walk->window + gone, walk->window_bytes - gone);
  walk->window_bytes -= gone;
  walk->token_count--;
  for (size_t i = 0; i < walk->token_count; i++) walk->starts[i] = walk->starts[i + 1] - gone;
}

/* One token: itself, then the n-grams that end in it. */
static void emit(struct walk *walk, const char *token, size_t bytes) {
  const size_t ngram_max = walk->tokenizer->ngram_max;
  if (walk->is_over || bytes == 0) return;
  if (ngram_max <= 1) {
    walk->is_over = !walk->handler(walk->context, token, bytes);
    return;
  }
  if (walk->token_count == ngram_max) drop_oldest(walk);
  if (walk->tokenizer->unit == TOKEN_WORDS && walk->token_count > 0) walk->window[walk->window_bytes++] = ' ';
  walk->starts[walk->token_count++] = walk->window_bytes;
  memcpy(walk->window + walk->window_bytes, token, bytes);
  walk->window_bytes += bytes;
  for (size_t i = walk->token_count; i-- > 0 && !walk->is_over;) {
    const char *start = walk->window + walk->starts[i];
    walk->is_over = !walk->handler(walk->context, start, walk->window_bytes - walk->starts[i]);
  }
}

static size_t write_character(const struct walk *walk, ucs4_t character, char *to) {
  if (walk->tokenizer->is_lowercase) character = uc_tolower(character);
  const int bytes = u8_uctomb((uint8_t *)to, character, CHARACTER_BYTES);
  return bytes > 0 ? (size_t)bytes : 0;
}

/* How many bytes of `text` make a piece: as many as fit, up to a space if there is one, never into a character. */
static size_t measure_piece(const char *text, size_t bytes) {
  if (bytes <= PIECE_BYTES) return bytes;
  for (size_t at = PIECE_BYTES; at > PIECE_BYTES / 2; at--) {
    if (text[at] == ' ' || text[at] == '\n') return at;
  }
  size_t at = PIECE_BYTES;
  while (at > 1 && ((unsigned char)text[at] & 0xC0) == 0x80) at--;
  return at;
}

static void emit_word(struct walk *walk, const uint8_t *word, size_t bytes) {
  char token[TOKENIZER_BYTES_MAX + CHARACTER_BYTES];
  size_t count = 0;
  for (size_t at = 0; at < bytes;) {
    ucs4_t character;
    at += (size_t)u8_mbtouc(&character, word + at, bytes - at);
    if (uc_is_property_white_space(character)) continue;
    const size_t more = write_character(walk, character, token + count);
    if (count + more > TOKENIZER_BYTES_MAX) break;
    count += more;
  }
  emit(walk, token, count);
}

static void walk_words(struct walk *walk, const uint8_t *text, size_t bytes) {
  char breaks[PIECE_BYTES + 1]; /* 1 where a word begins */
  u8_wordbreaks(text, bytes, breaks);
  size_t start = 0;
  for (size_t at = 1; at <= bytes && !walk->is_over; at++) {
    if (at < bytes && breaks[at] != 1) continue;
    emit_word(walk, text + start, at - start);
    start = at;
  }
}

static void walk_characters(struct walk *walk, const uint8_t *text, size_t bytes, bool *is_after_space) {
  for (size_t at = 0; at < bytes && !walk->is_over;) {
    ucs4_t character;
    char token[CHARACTER_BYTES];
    at += (size_t)u8_mbtouc(&character, text + at, bytes - at);
    const bool is_space = uc_is_property_white_space(character);
    if (!is_space)
      emit(walk, token, write_character(walk, character, token));
    else if (!*is_after_space)
      emit(walk, " ", 1);
    *is_after_space = is_space;
  }
}

void tokenizer_run(const struct tokenizer *tokenizer, const char *text, token_handler *handler, void *context) {
  struct walk walk = {.tokenizer = tokenizer, .handler = handler, .context = context};
  bool is_after_space = false;
  for (size_t rest = strlen(text); rest > 0 && !walk.is_over;) {
    const size_t bytes = measure_piece(text, rest);
    switch (tokenizer->unit) {
    case TOKEN_WORDS: walk_words(&walk, (const uint8_t *)text, bytes); break;
    case TOKEN_CHARACTERS: walk_characters(&walk, (const uint8_t *)text, bytes, &is_after_space); break;
    case TOKEN_BYTES:
      for (size_t i = 0; i < bytes; i++) emit(&walk, text + i, 1);
      break;
    }
    text += bytes;
    rest -= bytes;
  }
}
