/* What is known of a dataset, as JSON. */
#ifndef SERVER_CODEC_DATASET_JSON_H
#define SERVER_CODEC_DATASET_JSON_H

#include <jansson.h>

#include "server/store/datasets.h"

/* DESIGN.md's upload answer. In lists (not whole) without categories and bad rows. New reference, or NULL if memory is short. */
json_t *dataset_to_json(const struct dataset_row *row, bool is_whole);

/* One cell as the column's kind sees it: a number, a string, or null where it is missing. New reference. */
json_t *dataset_cell_to_json(const struct dataset_column *column, const char *text);
/* A tensor: nested arrays of numbers, by its shape; of a large one its shape alone, {"shape": …, "element": …}. New reference. */
json_t *dataset_tensor_to_json(const struct dataset_column *column, const void *elements);

#endif
