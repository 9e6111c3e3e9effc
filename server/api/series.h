/* Named series of measurements, thinned as they come in: however long a run was, a series keeps at most `points_max` points (besides pinned
 * ones), and among them the least, the greatest and the last of each stretch. Private to server/api.
 *
 * Stretches ("buckets") start with one point each; whenever there are too many, neighbours are joined two by two. Points that are not
 * finite, and the best epoch's, are pinned: they are never dropped.
 */
#ifndef SERVER_API_SERIES_H
#define SERVER_API_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { SERIES_POINTS_MIN = 6 }; /* fewer can't hold two buckets */

struct point {
  uint64_t seq, step, epoch;
  double value; /* NAN: not finite */
};

struct series {
  char *name;
  size_t points_max; /* 0: keep all */
  size_t point_count, capacity;
  struct point *points; /* in order while not thinned; then three per bucket: min, max, last */
  bool is_thinned;
  uint64_t bucket_points;      /* raw points that a whole bucket stands for */
  uint64_t last_bucket_points; /* those in the last bucket */
  size_t pinned_count, pinned_capacity;
  struct point *pinned;
};

struct series_set {
  size_t points_max;
  size_t count, capacity;
  struct series *series;
  size_t next;         /* where the next name is looked for first: events have their values in the same order */
  size_t stored_count; /* points in memory, all series together */
};

void series_set_deinit(struct series_set *set);
/* The series of that name, made if it is new. */
__attribute__((warn_unused_result)) enum error_code series_set_get(struct series_set *set, const char *name, struct series **out_series,
                                                                   struct error *error);
__attribute__((warn_unused_result)) enum error_code series_add(struct series_set *set, struct series *series, const struct point *point,
                                                               bool is_pinned, struct error *error);
/* Brings the points that are kept into order, each once. Nothing can be added afterwards. */
__attribute__((warn_unused_result)) enum error_code series_finish(struct series *series, struct error *error);

#endif
