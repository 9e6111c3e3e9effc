#include "server/data/data_settings.h"

#include "server/data/tokenizer.h"

static const char *const task_choices[] = {"auto", "classification", "multilabel", "regression", "reconstruction", NULL};
static const char *const scaling_choices[] = {"standard", "min_max", "none", "auto", NULL};

static const char *const number_encoding_choices[] = {"scaled", "piecewise_linear", NULL};

static const struct param number_params[] = {
    PARAM_CHOICE_ROW(
        struct number_settings, encoding, number_encoding_choices, NUMBER_SCALED,
        "scaled: one number, as scaling says; piecewise_linear: one for each bin between two quantiles of the training part, 0 "
        "below it, 1 above it and the share in it, for numbers that are skewed or mean different things in different ranges"),
    PARAM_INTEGER_ROW(struct number_settings, bins, 1, LIMIT_UNITS, 48,
                      "piecewise_linear: bins of a column; fewer where it has fewer different values"),
};

static const char *const text_encoding_choices[] = {"auto", "tokens", "tf_idf", NULL};

static const struct param text_params[] = {
    PARAM_CHOICE_ROW(struct text_settings, encoding, text_encoding_choices, TEXT_ENCODING_AUTO,
                     "tokens: a sequence of token numbers, 0 behind its end, for an embedding; tf_idf: one number for each token of the "
                     "vocabulary; auto: tokens for a network that begins with an embedding, else tf_idf"),
    PARAM_CHOICE_ROW(struct text_settings, tokens, token_unit_names, TOKEN_WORDS, "what a text is cut into"),
    PARAM_BOOLEAN_ROW(struct text_settings, lowercase, true, "words and characters: capital letters count as small ones"),
    PARAM_INTEGER_ROW(struct text_settings, vocabulary, 1, LIMIT_UNITS, 2000, "tokens that are told apart at most, the most frequent ones"),
    PARAM_INTEGER_ROW(struct text_settings, min_frequency, 1, UINT32_MAX, 2,
                      "times that a token of the vocabulary comes in the training part at least; others are unknown"),
    PARAM_INTEGER_ROW(struct text_settings, max_length, 1, LIMIT_UNITS, 256, "tokens: of a sequence; a longer text loses its end"),
    PARAM_INTEGER_ROW(struct text_settings, ngrams, 1, TOKEN_NGRAM_MAX, 1,
                      "tf_idf: also each run of up to so many neighbouring tokens counts as one"),
};

static const char *const sequence_choices[] = {"auto", "steps", "flat", NULL};

static const struct param sequence_params[] = {
    PARAM_CHOICE_ROW(
        struct sequence_settings, form, sequence_choices, SEQUENCE_AUTO,
        "steps: [time, 1], the network's whole input; flat: so many inputs beside the others; auto: steps for a network that begins "
        "with a recurrent, 1-d convolution or pooling, attention or masking layer"),
    PARAM_INTEGER_ROW(struct sequence_settings, max_length, 1, LIMIT_UNITS, 1024, "steps; a longer sequence loses its end"),
};

static const struct param window_params[] = {
    PARAM_INTEGER_ROW(struct window_settings, length, 1, LIMIT_UNITS, 0, "rows that a forecast is made from", .flags = PARAM_REQUIRED),
    PARAM_INTEGER_ROW(struct window_settings, horizon, 1, 4096, 1, "rows that are forecast behind them, each an output for each target"),
    PARAM_INTEGER_ROW(struct window_settings, stride, 1, LIMIT_UNITS, 1, "rows from the start of one window to that of the next"),
    {.name = "time",
     .type = PARAM_TEXT,
     .offset = offsetof(struct window_settings, time),
     .default_name = "",
     .help = "column of dates or numbers that puts the rows in order; empty: they are as they stand"},
};

static const struct param split_params[] = {
    PARAM_NUMBER_ROW(struct data_split, validation, 0, 1, 0.15, "share of the rows that validate each epoch", .flags = PARAM_BELOW_MAX),
    PARAM_NUMBER_ROW(struct data_split, test, 0, 1, 0.15, "share of the rows that test the finished model", .flags = PARAM_BELOW_MAX),
    PARAM_BOOLEAN_ROW(struct data_split, stratify, 1, "classification: the same share of each class in every part"),
    {.name = "column",
     .type = PARAM_TEXT,
     .offset = offsetof(struct data_split, column),
     .default_name = SPLIT_COLUMN_AUTO,
     .help = "column that says train, validation or test for each row; the shares then don't count. auto: the one that an upload of "
             "several parts made, by which the validation share is taken of its training rows unless a part is validation; empty: none"},
};

const struct param data_params[] = {
    {.name = "dataset",
     .type = PARAM_TEXT,
     .offset = offsetof(struct data_settings, dataset),
     .flags = PARAM_REQUIRED,
     .help = "id or name of the dataset to learn from"},
    {.name = "test_dataset",
     .type = PARAM_TEXT,
     .offset = offsetof(struct data_settings, test_dataset),
     .default_name = "",
     .help = "id or name of a dataset that is the test part, whole; split.test then counts as 0"},
    {.name = "target",
     .type = PARAM_NAMES,
     .offset = offsetof(struct data_settings, target),
     .help = "column to predict, or several; needed but for a reconstruction, whose target are the features"},
    {.name = "features",
     .type = PARAM_NAMES,
     .offset = offsetof(struct data_settings, features),
     .help = "columns to predict from; empty: all but target, split column and row numbers without a name"},
    PARAM_CHOICE_ROW(
        struct data_settings, task, task_choices, TASK_CHOICE_AUTO,
        "what is predicted; auto follows from the target; reconstruction: the features themselves, numbers and categories or an "
        "image (an autoencoder)"),
    PARAM_CHOICE_ROW(
        struct data_settings, scaling, scaling_choices, SCALING_AUTO,
        "numeric features: mean 0 and deviation 1, range 0 to 1, or as they are; fitted on the training part. auto is none where "
        "the network begins with an embedding or masking, min_max where a reconstruction ends in a sigmoid, else standard"),
    PARAM_OBJECT_ROW(struct data_settings, number, number_params, "what columns of numbers become"),
    PARAM_OBJECT_ROW(struct data_settings, text, text_params, "what columns of free text become"),
    PARAM_OBJECT_ROW(struct data_settings, sequence, sequence_params, "what columns of lists of numbers become"),
    PARAM_OBJECT_ROW(struct data_settings, window, window_params,
                     "forecasting: the rows are a series, of which windows are learned; the parts are then one behind the other in time",
                     .flags = PARAM_OPTIONAL, .given_offset = offsetof(struct data_settings, window.is_enabled)),
    PARAM_OBJECT_ROW(struct data_settings, split, split_params, "training, validation and test part of the dataset"),
};
const size_t data_param_count = PARAM_COUNT(data_params);
