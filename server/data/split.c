#include "server/data/split.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/random.h"
#include "server/data/csv.h"

uint64_t split_size(double share, uint64_t rows) { return (uint64_t)floor(share * (double)rows + 0.5); }

uint64_t split_rows_needed(double share) {
  const double wanted = floor(0.5 / share);
  if (!(wanted < UINT32_MAX)) return UINT32_MAX;
  uint64_t rows = (uint64_t)wanted;
  while (split_size(share, rows) == 0) rows++;
  return rows;
}

enum split_part split_part_of_word(const char *text) {
  static const struct {
    const char *word;
    enum split_part part;
  } words[] = {{"train", PART_TRAIN},    {"training", PART_TRAIN}, {"validation", PART_VALIDATION}, {"valid", PART_VALIDATION},
               {"val", PART_VALIDATION}, {"test", PART_TEST},      {"testing", PART_TEST}};
  size_t bytes = strlen(text);
  text = csv_trim(text, &bytes);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strlen(words[i].word) == bytes && strncasecmp(words[i].word, text, bytes) == 0) return words[i].part;
  }
  return PART_COUNT;
}

/* Rows of one class: how many there are, and how many of them each part takes. */
struct stratum {
  uint64_t count;
  uint64_t part[PART_COUNT]; /* of validation and test; training has the rest */
};

static uint64_t count_left(const struct stratum *stratum) {
  return stratum->count - stratum->part[PART_VALIDATION] - stratum->part[PART_TEST];
}

/* May one more row of it leave the training part? Strictness 2: not the last; 1: the last only of the rarest classes; 0: any. */
static bool can_give(const struct stratum *stratum, int strictness) {
  uint64_t left = count_left(stratum);
  if (left == 0) return false;
  return left > 1 || strictness == 0 || (strictness == 1 && stratum->count <= 2);
}

/* The class that is furthest below its share of the part; the first of several. stratum_count if none can give. */
static size_t find_neediest(const struct stratum *strata, size_t stratum_count, enum split_part part, double share, int strictness) {
  size_t best = stratum_count;
  double best_deficit = 0;
  for (size_t i = 0; i < stratum_count; i++) {
    if (!can_give(&strata[i], strictness)) continue;
    double deficit = share * (double)strata[i].count - (double)strata[i].part[part];
    if (best == stratum_count || deficit > best_deficit) {
      best = i;
      best_deficit = deficit;
    }
  }
  return best;
}

/* Whole rows first, then what rounding left over, to the largest remainders. */
static void share_out(struct stratum *strata, size_t stratum_count, enum split_part part, uint64_t size, uint64_t rows) {
  uint64_t left = size;
  for (size_t i = 0; i < stratum_count; i++) {
    uint64_t whole = size * strata[i].count / rows; /* both below 2^32 */
    uint64_t spare = count_left(&strata[i]);
    if (spare > 0 && whole >= spare) whole = spare - 1;
    strata[i].part[part] = whole;
    left -= whole;
  }
  const double share = (double)size / (double)rows;
  for (int strictness = 2; strictness >= 0; strictness--) {
    while (left > 0) {
      size_t neediest = find_neediest(strata, stratum_count, part, share, strictness);
      if (neediest == stratum_count) break;
      strata[neediest].part[part]++;
      left--;
    }
  }
}

enum error_code split_assign(const struct split_request *request, uint8_t *parts, struct error *error) {
  enum error_code code = ERROR_NONE;
  size_t stratum_count = request->strata == NULL ? 1 : request->stratum_count;
  struct stratum *strata = calloc(stratum_count + 1, sizeof *strata);
  uint32_t *order = malloc(request->count * sizeof *order);
  if (strata == NULL || order == NULL) {
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to split %zu rows", request->count);
    goto cleanup;
  }
  for (size_t i = 0; i < request->count; i++) strata[request->strata == NULL ? 0 : request->strata[i]].count++;
  share_out(strata, stratum_count, PART_VALIDATION, request->validation, request->count);
  share_out(strata, stratum_count, PART_TEST, request->test, request->count);
  const struct random_stream stream = {.seed = request->seed, .purpose = RANDOM_SPLIT};
  random_permutation(&stream, request->count, order);
  for (size_t i = 0; i < request->count; i++) {
    struct stratum *stratum = &strata[request->strata == NULL ? 0 : request->strata[order[i]]];
    enum split_part part = stratum->part[PART_VALIDATION] > 0 ? PART_VALIDATION : stratum->part[PART_TEST] > 0 ? PART_TEST : PART_TRAIN;
    if (part != PART_TRAIN) stratum->part[part]--;
    parts[order[i]] = (uint8_t)part;
  }
cleanup:
  free(strata);
  free(order);
  return code;
}
