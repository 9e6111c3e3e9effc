/* How the text of one column becomes floats: as a sequence of token numbers, for networks that begin with an embedding, or as a bag of
 * tokens weighted by tf–idf, for all others. The vocabulary is fitted on the training part and stored with the model.
 *
 *   tokens   x[length]: 0 is padding, behind the text's end; 1 a token that the vocabulary lacks; 2 … the vocabulary, most frequent first.
 *            Bytes need no vocabulary: 2 + the byte. A longer text loses its end.
 *   tf_idf   x[vocabulary_max]: (1 + ln count) · (ln((1 + n) / (1 + n_t)) + 1) for each token t of the vocabulary, n_t of the n training
 *            texts have it; scaled so that Σ x² is the number of distinct tokens found (Salton, Buckley: "Term-weighting approaches in
 *            automatic text retrieval", 1988, with the norm of a row of as many ones).
 *
 * A missing text is an empty one. Threads: constant after fitting; may be shared.
 */
#ifndef SERVER_DATA_TEXT_ENCODING_H
#define SERVER_DATA_TEXT_ENCODING_H

#include "engine/error.h"
#include "server/data/token_table.h"
#include "server/data/tokenizer.h"

enum text_form { TEXT_TOKENS, TEXT_TF_IDF };
extern const char *const text_form_names[3]; /* "tokens", "tf_idf", NULL */

enum { TEXT_PADDING, TEXT_UNKNOWN, TEXT_FIRST_TOKEN };

struct text_encoding {
  enum text_form form;
  struct tokenizer tokenizer;
  size_t length;          /* tokens: of the sequence */
  size_t vocabulary_max;  /* entries at most */
  uint64_t min_frequency; /* occurrences in the training part that an entry has at least */
  /* Fitted: */
  struct token_table table; /* the vocabulary, owned */
  double *weights;          /* [table.count], owned: tf_idf's ln((1 + n) / (1 + n_t)) + 1 */
};

void text_encoding_deinit(struct text_encoding *encoding);
__attribute__((warn_unused_result)) enum error_code text_encoding_copy(struct text_encoding *out_copy, const struct text_encoding *encoding,
                                                                       struct error *error);
/* Floats that a text becomes. */
size_t text_encoding_get_width(const struct text_encoding *encoding);
/* Numbers that a token can have, the paddings and unknown ones included: an embedding's input_dim. */
size_t text_encoding_get_token_count(const struct text_encoding *encoding);
/* Room for a vocabulary of `count` entries of `bytes` together; then text_encoding_add one by one. */
__attribute__((warn_unused_result)) enum error_code text_encoding_reserve(struct text_encoding *encoding, size_t count, size_t bytes,
                                                                          struct error *error);
/* False if it doesn't fit or is there already. */
bool text_encoding_add(struct text_encoding *encoding, const char *token, size_t bytes, double weight);

/* x[text_encoding_get_width()]; text NULL: missing. */
void text_encoding_encode(const struct text_encoding *encoding, const char *text, float *x);

/* Fitting: every training text, then finish, which fills the encoding's vocabulary. */
struct text_fit {
  struct token_table counts;
  uint64_t document_count;
};
/* Bytes that fitting allocates, the vocabulary included. */
size_t text_fit_measure(const struct text_encoding *encoding);
__attribute__((warn_unused_result)) enum error_code text_fit_init(struct text_fit *fit, const struct text_encoding *encoding,
                                                                  struct error *error);
void text_fit_deinit(struct text_fit *fit);
void text_fit_add(struct text_fit *fit, const struct text_encoding *encoding, const char *text);
__attribute__((warn_unused_result)) enum error_code text_fit_finish(const struct text_fit *fit, struct text_encoding *encoding,
                                                                    struct error *error);

#endif
