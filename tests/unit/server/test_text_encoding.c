/* server/data/text_encoding.h and token_table.h: vocabularies, sequences of tokens, tf–idf. */
#include "server/data/text_encoding.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/allocations.h"
#include "tests/support/suite.h"

static const char *const texts[] = {"red red green", "green blue", "red", "blue green red once"};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static struct text_encoding make(enum text_form form, enum token_unit unit) {
  return (struct text_encoding){.form = form,
                                .tokenizer = {.unit = unit, .is_lowercase = true, .ngram_max = 1},
                                .length = 5,
                                .vocabulary_max = 4,
                                .min_frequency = 2};
}

static void fit(struct text_encoding *encoding) {
  struct text_fit counts;
  struct error error = {0};
  ck_assert_int_eq(text_fit_init(&counts, encoding, &error), ERROR_NONE);
  for (size_t i = 0; i < TEXTS; i++) text_fit_add(&counts, encoding, texts[i]);
  ck_assert_int_eq(text_fit_finish(&counts, encoding, &error), ERROR_NONE);
  text_fit_deinit(&counts);
}

START_TEST(tokens_are_numbered_by_their_frequency) {
  struct text_encoding encoding = make(TEXT_TOKENS, TOKEN_WORDS);
  fit(&encoding);
  ck_assert_uint_eq(encoding.table.count, 3); /* red 4, green 3, blue 2; "once" is too rare */
  ck_assert_uint_eq(text_encoding_get_width(&encoding), 5);
  ck_assert_uint_eq(text_encoding_get_token_count(&encoding), 6);
  float x[5];
  text_encoding_encode(&encoding, "Blue RED violet green", x);
  const float expected[] = {4, 2, TEXT_UNKNOWN, 3, TEXT_PADDING};
  for (size_t i = 0; i < 5; i++) ck_assert_float_eq(x[i], expected[i]);
  text_encoding_encode(&encoding, "red red red red red green green", x); /* its end is lost */
  for (size_t i = 0; i < 5; i++) ck_assert_float_eq(x[i], 2);
  text_encoding_encode(&encoding, NULL, x);
  for (size_t i = 0; i < 5; i++) ck_assert_float_eq(x[i], TEXT_PADDING);
  text_encoding_deinit(&encoding);
}
END_TEST

START_TEST(bytes_need_no_vocabulary) {
  struct text_encoding encoding = make(TEXT_TOKENS, TOKEN_BYTES);
  fit(&encoding);
  ck_assert_uint_eq(text_encoding_get_token_count(&encoding), 258);
  float x[5];
  text_encoding_encode(&encoding,
                       "\xFF"
                       "A",
                       x);
  ck_assert_float_eq(x[0], 2 + 255);
  ck_assert_float_eq(x[1], 2 + 'A');
  ck_assert_float_eq(x[2], TEXT_PADDING);
  text_encoding_deinit(&encoding);
}
END_TEST

/* By hand: four texts; red is in 3, green in 3, blue in 2 of them. */
START_TEST(a_bag_is_weighted_by_tf_idf) {
  struct text_encoding encoding = make(TEXT_TF_IDF, TOKEN_WORDS);
  fit(&encoding);
  ck_assert_uint_eq(text_encoding_get_width(&encoding), 4);
  float x[4];
  text_encoding_encode(&encoding, "blue red red and more red", x);
  const double red = (1 + log(3)) * (log(5.0 / 4) + 1), blue = log(5.0 / 3) + 1, norm = sqrt((red * red + blue * blue) / 2);
  ck_assert_double_eq_tol((double)x[0], red / norm, 1e-6);
  ck_assert_float_eq(x[1], 0);
  ck_assert_double_eq_tol((double)x[2], blue / norm, 1e-6);
  ck_assert_float_eq(x[3], 0);
  text_encoding_encode(&encoding, "nothing of it", x);
  for (size_t i = 0; i < 4; i++) ck_assert_float_eq(x[i], 0);
  text_encoding_deinit(&encoding);
}
END_TEST

START_TEST(a_copy_encodes_the_same_and_shares_nothing) {
  const size_t live = allocations_live();
  struct text_encoding encoding = make(TEXT_TF_IDF, TOKEN_WORDS), copy;
  fit(&encoding);
  struct error error = {0};
  ck_assert_int_eq(text_encoding_copy(&copy, &encoding, &error), ERROR_NONE);
  float x[4], y[4];
  text_encoding_encode(&encoding, texts[3], x);
  text_encoding_deinit(&encoding);
  text_encoding_encode(&copy, texts[3], y);
  ck_assert_mem_eq(x, y, sizeof x);
  text_encoding_deinit(&copy);
  ck_assert_uint_eq(allocations_live(), live);
}
END_TEST

/* Far more distinct tokens than there is room for: frequent ones are there at the end all the same, wherever they came. */
START_TEST(frequent_tokens_survive_any_number_of_rare_ones) {
  enum { CAPACITY = 64, ROUNDS = 20000 };
  struct token_table table;
  struct error error = {0};
  ck_assert_int_eq(token_table_init(&table, CAPACITY, 16 * CAPACITY, &error), ERROR_NONE);
  char token[32];
  for (uint64_t i = 0; i < ROUNDS; i++) {
    const int bytes = sprintf(token, "rare%llu", (unsigned long long)i);
    token_table_count(&table, token, (size_t)bytes, i);
    const int common = sprintf(token, "common%llu", (unsigned long long)(i % 4));
    token_table_count(&table, token, (size_t)common, i);
    ck_assert_uint_le(table.count, CAPACITY);
    ck_assert_uint_le(table.text_bytes, table.text_capacity);
  }
  for (int i = 0; i < 4; i++) {
    const int bytes = sprintf(token, "common%d", i);
    const size_t index = token_table_find(&table, token, (size_t)bytes);
    ck_assert_uint_ne(index, TOKEN_NONE);
    ck_assert_uint_ge(table.entries[index].count, ROUNDS / 4);
    ck_assert_uint_le(table.entries[index].count, ROUNDS / 4 + table.rarest);
  }
  token_table_deinit(&table);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tests = suite_add_case(suite, "text encoding");
  tcase_add_test(tests, tokens_are_numbered_by_their_frequency);
  tcase_add_test(tests, bytes_need_no_vocabulary);
  tcase_add_test(tests, a_bag_is_weighted_by_tf_idf);
  tcase_add_test(tests, a_copy_encodes_the_same_and_shares_nothing);
  tcase_add_test(tests, frequent_tokens_survive_any_number_of_rare_ones);
}

int main(void) { return suite_main("text encoding", add_cases); }
