#include "server/api/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET_MIN, BUCKET_MAX, BUCKET_LAST, BUCKET_POINTS };

void series_set_deinit(struct series_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    free(set->series[i].name);
    free(set->series[i].points);
    free(set->series[i].pinned);
  }
  free(set->series);
  memset(set, 0, sizeof *set);
}

enum error_code series_set_get(struct series_set *set, const char *name, struct series **out_series, struct error *error) {
  for (size_t i = 0; i < set->count; i++) {
    const size_t index = (set->next + i) % set->count;
    if (strcmp(set->series[index].name, name) != 0) continue;
    *out_series = &set->series[index];
    set->next = index + 1;
    return ERROR_NONE;
  }
  if (set->count == set->capacity) {
    size_t capacity = set->capacity == 0 ? 16 : 2 * set->capacity;
    struct series *grown = realloc(set->series, capacity * sizeof *grown);
    if (grown == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
    set->series = grown;
    set->capacity = capacity;
  }
  char *copy = strdup(name);
  if (copy == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  set->series[set->count] = (struct series){.name = copy, .points_max = set->points_max};
  *out_series = &set->series[set->count++];
  return ERROR_NONE;
}

static bool append(struct point **points, size_t *count, size_t *capacity, const struct point *point) {
  if (*count == *capacity) {
    size_t grown_capacity = *capacity == 0 ? 32 : 2 * *capacity;
    struct point *grown = realloc(*points, grown_capacity * sizeof *grown);
    if (grown == NULL) return false;
    *points = grown;
    *capacity = grown_capacity;
  }
  (*points)[(*count)++] = *point;
  return true;
}

static void widen(struct point *bucket, const struct point *least, const struct point *greatest, const struct point *last) {
  if (!isnan(least->value) && !(bucket[BUCKET_MIN].value <= least->value)) bucket[BUCKET_MIN] = *least;
  if (!isnan(greatest->value) && !(bucket[BUCKET_MAX].value >= greatest->value)) bucket[BUCKET_MAX] = *greatest;
  bucket[BUCKET_LAST] = *last;
}

/* Joins neighbouring buckets two by two; an odd last one stays as it is and goes on filling. */
static void join_buckets(struct series *series) {
  size_t count = series->point_count / BUCKET_POINTS, joined = (count + 1) / 2;
  for (size_t i = 0; i < count / 2; i++) {
    struct point *target = series->points + i * BUCKET_POINTS;
    const struct point *left = series->points + 2 * i * BUCKET_POINTS, *right = left + BUCKET_POINTS;
    if (target != left) memmove(target, left, BUCKET_POINTS * sizeof *target);
    widen(target, &right[BUCKET_MIN], &right[BUCKET_MAX], &right[BUCKET_LAST]);
  }
  if (count % 2 == 1) {
    memmove(series->points + (joined - 1) * BUCKET_POINTS, series->points + (count - 1) * BUCKET_POINTS,
            BUCKET_POINTS * sizeof(struct point));
  } else {
    series->last_bucket_points += series->bucket_points;
  }
  series->bucket_points *= 2;
  series->point_count = joined * BUCKET_POINTS;
}

/* Capacity is points_max, and a bucket takes three of them. */
static void add_to_buckets(struct series *series, const struct point *point) {
  if (series->point_count > 0 && series->last_bucket_points < series->bucket_points) {
    widen(series->points + series->point_count - BUCKET_POINTS, point, point, point);
    series->last_bucket_points++;
    return;
  }
  if (series->point_count + BUCKET_POINTS > series->points_max) {
    join_buckets(series);
    add_to_buckets(series, point);
    return;
  }
  for (size_t i = 0; i < BUCKET_POINTS; i++) series->points[series->point_count++] = *point;
  series->last_bucket_points = 1;
}

/* From all points to buckets: the points so far are put in again, one by one. */
static bool start_thinning(struct series *series) {
  struct point *raw = series->points;
  size_t raw_count = series->point_count;
  series->points = malloc((series->points_max + BUCKET_POINTS) * sizeof *series->points);
  if (series->points == NULL) {
    series->points = raw;
    return false;
  }
  series->capacity = series->points_max + BUCKET_POINTS;
  series->point_count = 0;
  series->bucket_points = 1;
  series->is_thinned = true;
  for (size_t i = 0; i < raw_count; i++) add_to_buckets(series, &raw[i]);
  free(raw);
  return true;
}

enum error_code series_add(struct series_set *set, struct series *series, const struct point *point, bool is_pinned, struct error *error) {
  bool is_stored = true;
  size_t before = series->point_count + series->pinned_count;
  if (is_pinned || isnan(point->value)) is_stored = append(&series->pinned, &series->pinned_count, &series->pinned_capacity, point);
  if (is_stored && !series->is_thinned) {
    if (series->points_max == 0 || series->point_count < series->points_max) {
      is_stored = append(&series->points, &series->point_count, &series->capacity, point);
    } else if ((is_stored = start_thinning(series))) {
      add_to_buckets(series, point);
    }
  } else if (is_stored) {
    add_to_buckets(series, point);
  }
  set->stored_count += series->point_count + series->pinned_count - before;
  return is_stored ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
}

static int compare_points(const void *left, const void *right) {
  const struct point *a = left, *b = right;
  return (a->seq > b->seq) - (a->seq < b->seq);
}

enum error_code series_finish(struct series *series, struct error *error) {
  if (!series->is_thinned) return ERROR_NONE; /* in order already; pinned ones are among them */
  for (size_t i = 0; i < series->pinned_count; i++) {
    if (!append(&series->points, &series->point_count, &series->capacity, &series->pinned[i])) {
      return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
    }
  }
  qsort(series->points, series->point_count, sizeof *series->points, compare_points);
  size_t kept = 0;
  for (size_t i = 0; i < series->point_count; i++) {
    if (kept > 0 && series->points[kept - 1].seq == series->points[i].seq) continue;
    series->points[kept++] = series->points[i];
  }
  series->point_count = kept;
  return ERROR_NONE;
}
