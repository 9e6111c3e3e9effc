/* server/data/tokenizer.h: what a text is cut into. */
#include "server/data/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

struct joined {
  char *text; /* the tokens with | between them */
  size_t bytes, count, count_max;
};

static bool join(void *context, const char *token, size_t bytes) {
  struct joined *joined = context;
  if (joined->count++ > 0) joined->text[joined->bytes++] = '|';
  memcpy(joined->text + joined->bytes, token, bytes);
  joined->bytes += bytes;
  joined->text[joined->bytes] = '\0';
  return joined->count != joined->count_max;
}

static const struct {
  const char *name;
  struct tokenizer tokenizer;
  const char *text, *tokens;
} cases[] = {
    {"words", {TOKEN_WORDS, true, 1}, "The  quick,\tbrown\nFOX", "the|quick|,|brown|fox"},
    {"words as they are", {TOKEN_WORDS, false, 1}, "Dr. No", "Dr|.|No"},
    {"apostrophes and numbers", {TOKEN_WORDS, true, 1}, "I can't pay 3.14!", "i|can't|pay|3.14|!"},
    {"other letters", {TOKEN_WORDS, true, 1}, "ÄRGER Δέλτα ЖУК", "ärger|δέλτα|жук"},
    {"ideographs", {TOKEN_WORDS, true, 1}, "人人生而", "人|人|生|而"},
    {"only space", {TOKEN_WORDS, true, 1}, " \t\n ", ""},
    {"nothing", {TOKEN_WORDS, true, 1}, "", ""},
    {"pairs of words", {TOKEN_WORDS, true, 2}, "a b c", "a|b|a b|c|b c"},
    {"characters", {TOKEN_CHARACTERS, true, 1}, "Aß \n é", "a|ß| |é"},
    {"characters as they are", {TOKEN_CHARACTERS, false, 1}, "Ab", "A|b"},
    {"runs of characters", {TOKEN_CHARACTERS, true, 3}, "abcd", "a|b|ab|c|bc|abc|d|cd|bcd"},
    {"bytes", {TOKEN_BYTES, true, 1}, "Aé", "A|\xC3|\xA9"},
};

START_TEST(a_text_is_cut_as_it_says) {
  char text[256] = "";
  struct joined joined = {.text = text};
  tokenizer_run(&cases[_i].tokenizer, cases[_i].text, join, &joined);
  ck_assert_msg(strcmp(text, cases[_i].tokens) == 0, "%s: \"%s\", not \"%s\"", cases[_i].name, text, cases[_i].tokens);
}
END_TEST

START_TEST(a_handler_ends_the_walk) {
  char text[64];
  for (enum token_unit unit = TOKEN_WORDS; unit <= TOKEN_BYTES; unit++) {
    struct joined joined = {.text = text, .count_max = 2};
    tokenizer_run(&(struct tokenizer){unit, true, 1}, "a b c d", join, &joined);
    ck_assert_uint_eq(joined.count, 2);
  }
}
END_TEST

/* Pieces end at spaces: a long text has the tokens of its parts. */
START_TEST(a_long_text_is_cut_like_a_short_one) {
  enum { TIMES = 5000 };
  static const char line[] = "the words of a line, ünd öther léttérs 12.5 ";
  char *text = malloc(TIMES * sizeof line), *joined_text = malloc(4 * TIMES * sizeof line);
  text[0] = '\0';
  for (size_t i = 0; i < TIMES; i++) memcpy(text + i * (sizeof line - 1), line, sizeof line);
  struct joined joined = {.text = joined_text};
  tokenizer_run(&(struct tokenizer){TOKEN_WORDS, true, 1}, text, join, &joined);
  ck_assert_uint_eq(joined.count, (size_t)TIMES * 10);
  joined = (struct joined){.text = joined_text};
  tokenizer_run(&(struct tokenizer){TOKEN_CHARACTERS, true, 1}, text, join, &joined);
  ck_assert_uint_eq(joined.count, (size_t)TIMES * 44);
  free(text);
  free(joined_text);
}
END_TEST

START_TEST(a_word_without_end_is_cut_between_characters) {
  enum { TIMES = 10000 };
  char *text = malloc(2 * TIMES + 1), *joined_text = malloc(4 * TIMES);
  for (size_t i = 0; i < TIMES; i++) memcpy(text + 2 * i, "é", 3);
  struct joined joined = {.text = joined_text};
  tokenizer_run(&(struct tokenizer){TOKEN_WORDS, true, TOKEN_NGRAM_MAX}, text, join, &joined);
  ck_assert_uint_gt(joined.count, 0);
  const char *end = strchr(joined_text, '|');
  ck_assert_ptr_nonnull(end);
  ck_assert_int_eq(end - joined_text, TOKENIZER_BYTES_MAX);
  free(text);
  free(joined_text);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tests = suite_add_case(suite, "tokenizer");
  tcase_add_loop_test(tests, a_text_is_cut_as_it_says, 0, sizeof cases / sizeof cases[0]);
  tcase_add_test(tests, a_handler_ends_the_walk);
  tcase_add_test(tests, a_long_text_is_cut_like_a_short_one);
  tcase_add_test(tests, a_word_without_end_is_cut_between_characters);
}

int main(void) { return suite_main("tokenizer", add_cases); }
