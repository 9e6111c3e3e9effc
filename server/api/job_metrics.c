/* GET /v1/jobs/{id}/metrics: the series a job has measured, as JSON or CSV.
 *
 * Events are read in pages. Without max_points an answer has at most ANSWER_POINTS_MAX points or so and says where to go on; with it, all
 * of them are thinned as they pass (series.h). CSV without max_points goes through a file, so that it may be of any length.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/series.h"
#include "server/codec/prediction_json.h"
#include "server/codec/report_text.h"
#include "server/codec/settings_json.h"
#include "server/store/jobs.h"

enum {
  EVENTS_PAGE = 100,
  SHORT_EVENTS_MAX = 5000, /* more are read on a thread for long requests */
  ANSWER_POINTS_MAX = 200000,
  MAX_POINTS_MAX = 10000,
  THINNED_POINTS_MAX = 2000000 /* of all series while thinning */
};

struct metrics_query {
  uint64_t after, max_points; /* max_points 0: all */
  const char *names;          /* NULL: all */
  bool is_csv;
};

static enum error_code read_query(const struct request *request, struct metrics_query *out_query, struct error *error) {
  *out_query = (struct metrics_query){.names = request_get_query(request, "names"), .is_csv = accept_names(request->accept, "text/csv")};
  enum error_code code = query_get_number(request, (struct query_number){"after", 0, INT64_MAX}, &out_query->after, error);
  if (code == ERROR_NONE)
    code = query_get_number(request, (struct query_number){"max_points", SERIES_POINTS_MIN, MAX_POINTS_MAX}, &out_query->max_points, error);
  const char *format = request_get_query(request, "format");
  if (code != ERROR_NONE || format == NULL) return code;
  out_query->is_csv = strcmp(format, "csv") == 0;
  if (out_query->is_csv || strcmp(format, "json") == 0) return ERROR_NONE;
  return error_set(error, ERROR_MALFORMED, "query parameter \"format\" must be json or csv");
}

/* names=loss,validation_loss,layers.hidden.*: whole names, or beginnings that end in a star. */
static bool is_wanted(const struct metrics_query *query, const char *name) {
  if (query->names == NULL || query->names[0] == '\0') return true;
  for (const char *at = query->names; *at != '\0';) {
    size_t length = strcspn(at, ",");
    bool is_prefix = length > 0 && at[length - 1] == '*';
    size_t compared = is_prefix ? length - 1 : length;
    if (strncmp(at, name, compared) == 0 && (is_prefix || name[compared] == '\0')) return true;
    at += length;
    at += *at == ',';
  }
  return false;
}

/* A walk over a job's metrics events, page by page. */
struct event_walk {
  struct api *api;
  const char *job_id;
  uint64_t last_seq; /* events after it are read; then the last one read */
  /* Takes an event and its values; may set must_stop, and then this event was the last. */
  enum error_code (*take)(struct event_walk *walk, const struct event_row *event, const struct report_values *values, struct error *error);
  void *context;
  bool must_stop;
  struct report_values values; /* of the event under way */
};

static enum error_code walk_page(struct event_walk *walk, struct event_row *events, size_t count, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < count && code == ERROR_NONE && !walk->must_stop; i++) {
    code = report_values_read(&walk->values, events[i].data, error);
    if (code == ERROR_NONE) code = walk->take(walk, &events[i], &walk->values, error);
    walk->last_seq = events[i].seq;
  }
  return code;
}

static enum error_code walk_events(struct event_walk *walk, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (size_t count = EVENTS_PAGE; code == ERROR_NONE && !walk->must_stop && count == EVENTS_PAGE;) {
    struct event_row *events = NULL;
    code = events_list(walk->api->store, walk->job_id, walk->last_seq, 1u << EVENT_METRICS, EVENTS_PAGE, &events, &count, error);
    if (code != ERROR_NONE) break;
    code = walk_page(walk, events, count, error);
    events_free(events, count);
  }
  report_values_deinit(&walk->values);
  return code;
}

struct collection {
  const struct metrics_query *query;
  struct series_set set;
  uint64_t best_epoch; /* 0: none */
  uint64_t seen_epoch; /* of the event before */
};

/* The first event of an epoch number is the one at that epoch's end. */
static enum error_code collect_event(struct event_walk *walk, const struct event_row *event, const struct report_values *values,
                                     struct error *error) {
  struct collection *collection = walk->context;
  bool is_best = collection->best_epoch > 0 && event->epoch == collection->best_epoch && collection->seen_epoch != event->epoch;
  collection->seen_epoch = event->epoch;
  for (size_t i = 0; i < values->count; i++) {
    const struct report_value *value = &values->items[i];
    if (!is_wanted(collection->query, value->name)) continue;
    struct series *series;
    enum error_code code = series_set_get(&collection->set, value->name, &series, error);
    struct point point = {event->seq, event->step, event->epoch, report_value_get(value)};
    if (code == ERROR_NONE) code = series_add(&collection->set, series, &point, is_best, error);
    if (code != ERROR_NONE) return code;
  }
  if (collection->query->max_points == 0) {
    walk->must_stop = collection->set.stored_count >= ANSWER_POINTS_MAX;
  } else if (collection->set.stored_count > THINNED_POINTS_MAX) {
    return error_set(error, ERROR_INVALID, "there are %zu series: ask for some of them by names, or for fewer max_points",
                     collection->set.count);
  }
  return ERROR_NONE;
}

static uint64_t read_best_epoch(const struct job_row *row) {
  json_t *best = json_read_own(row->best_json);
  json_int_t epoch = json_integer_value(json_object_get(best, "epoch"));
  json_decref(best);
  return epoch > 0 ? (uint64_t)epoch : 0;
}

static json_t *series_to_json(const struct series *series) {
  json_t *steps = json_array(), *epochs = json_array(), *values = json_array(), *non_finite = json_array();
  for (size_t i = 0; i < series->point_count; i++) {
    const struct point *point = &series->points[i];
    json_append(&steps, json_integer((json_int_t)point->step));
    json_append(&epochs, json_integer((json_int_t)point->epoch));
    json_append(&values, json_number(point->value));
    if (isnan(point->value)) json_append(&non_finite, json_integer((json_int_t)i));
  }
  bool has_non_finite = json_array_size(non_finite) > 0;
  json_t *json = json_pack("{s:o, s:o, s:o}", "step", steps, "epoch", epochs, "value", values);
  if (has_non_finite)
    json_put(&json, "non_finite", non_finite);
  else
    json_decref(non_finite);
  return json;
}

static enum error_code respond_series(struct collection *collection, uint64_t last_seq, bool has_more, struct response *response,
                                      struct error *error) {
  json_t *all = json_object();
  for (size_t i = 0; i < collection->set.count; i++) {
    json_put(&all, collection->set.series[i].name, series_to_json(&collection->set.series[i]));
  }
  char next[24];
  snprintf(next, sizeof next, "%llu", (unsigned long long)last_seq);
  return respond_json(response, 200, json_pack("{s:o, s:s, s:b}", "series", all, "next", next, "more", (int)has_more), error);
}

static void write_real(FILE *file, double value) {
  char text[JSON_REAL_BYTES];
  json_format_real(value, text);
  fputs(text, file);
}

/* Thinned series side by side: a line for each event that any of them kept. */
static enum error_code respond_series_csv(struct api *api, struct collection *collection, struct response *response, struct error *error) {
  FILE *file;
  const struct series_set *set = &collection->set;
  size_t *next = calloc(set->count + 1, sizeof *next);
  if (next == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  enum error_code code = temporary_open(api, &file, error);
  if (code != ERROR_NONE) {
    free(next);
    return code;
  }
  fputs("step,epoch", file);
  for (size_t i = 0; i < set->count; i++) {
    fputc(',', file);
    csv_write_cell(file, set->series[i].name);
  }
  for (;;) {
    const struct point *first = NULL;
    for (size_t i = 0; i < set->count; i++) {
      const struct point *point = &set->series[i].points[next[i]];
      if (next[i] < set->series[i].point_count && (first == NULL || point->seq < first->seq)) first = point;
    }
    if (first == NULL) break;
    uint64_t seq = first->seq;
    fprintf(file, "\n%llu,%llu", (unsigned long long)first->step, (unsigned long long)first->epoch);
    for (size_t i = 0; i < set->count; i++) {
      fputc(',', file);
      const struct series *series = &set->series[i];
      if (next[i] >= series->point_count || series->points[next[i]].seq != seq) continue;
      double value = series->points[next[i]++].value;
      if (isnan(value))
        fputs("NaN", file);
      else
        write_real(file, value);
    }
  }
  fputc('\n', file);
  free(next);
  return respond_file(response, "text/csv; charset=utf-8", file, error);
}

/* CSV of everything: the columns are known only when all events were read, so they are read twice. */
struct csv_pass {
  const struct metrics_query *query;
  struct series_set columns; /* names only */
  FILE *file;
};

static enum error_code collect_name(struct event_walk *walk, const struct event_row *event, const struct report_values *values,
                                    struct error *error) {
  struct csv_pass *pass = walk->context;
  (void)event;
  for (size_t i = 0; i < values->count; i++) {
    struct series *series;
    if (!is_wanted(pass->query, values->items[i].name)) continue;
    enum error_code code = series_set_get(&pass->columns, values->items[i].name, &series, error);
    if (code != ERROR_NONE) return code;
  }
  return ERROR_NONE;
}

/* An event between two epochs has no line where only values of epochs are asked for. */
static bool has_column(const struct csv_pass *pass, const struct report_values *values) {
  for (size_t i = 0; i < pass->columns.count; i++)
    if (report_values_find(values, pass->columns.series[i].name) != NULL) return true;
  return false;
}

static enum error_code write_event(struct event_walk *walk, const struct event_row *event, const struct report_values *values,
                                   struct error *error) {
  struct csv_pass *pass = walk->context;
  (void)error;
  if (!has_column(pass, values)) return ERROR_NONE;
  fprintf(pass->file, "%llu,%llu", (unsigned long long)event->step, (unsigned long long)event->epoch);
  for (size_t i = 0; i < pass->columns.count; i++) {
    const struct report_value *value = report_values_find(values, pass->columns.series[i].name);
    const double number = value == NULL ? 0 : report_value_get(value);
    fputc(',', pass->file);
    if (isnan(number))
      fputs("NaN", pass->file);
    else if (value != NULL)
      write_real(pass->file, number);
  }
  fputc('\n', pass->file);
  return ERROR_NONE;
}

static void write_csv_header(const struct csv_pass *pass) {
  fputs("step,epoch", pass->file);
  for (size_t i = 0; i < pass->columns.count; i++) {
    fputc(',', pass->file);
    csv_write_cell(pass->file, pass->columns.series[i].name);
  }
  fputc('\n', pass->file);
}

static enum error_code respond_all_csv(struct api *api, const char *job_id, const struct metrics_query *query, struct response *response,
                                       struct error *error) {
  struct csv_pass pass = {.query = query};
  struct event_walk names = {.api = api, .job_id = job_id, .last_seq = query->after, .take = collect_name, .context = &pass};
  struct event_walk rows = {.api = api, .job_id = job_id, .last_seq = query->after, .take = write_event, .context = &pass};
  enum error_code code = temporary_open(api, &pass.file, error);
  if (code == ERROR_NONE) code = walk_events(&names, error);
  if (code == ERROR_NONE) {
    write_csv_header(&pass);
    code = walk_events(&rows, error);
  }
  series_set_deinit(&pass.columns);
  if (code == ERROR_NONE) return respond_file(response, "text/csv; charset=utf-8", pass.file, error);
  if (pass.file != NULL) fclose(pass.file);
  return code;
}

static enum error_code respond_collected(struct api *api, const struct job_row *row, const struct metrics_query *query,
                                         struct response *response, struct error *error) {
  struct collection collection = {.query = query, .set = {.points_max = query->max_points}, .best_epoch = read_best_epoch(row)};
  struct event_walk walk = {.api = api, .job_id = row->id, .last_seq = query->after, .take = collect_event, .context = &collection};
  enum error_code code = walk_events(&walk, error);
  for (size_t i = 0; i < collection.set.count && code == ERROR_NONE; i++) code = series_finish(&collection.set.series[i], error);
  if (code == ERROR_NONE) {
    code = query->is_csv ? respond_series_csv(api, &collection, response, error)
                         : respond_series(&collection, walk.last_seq, walk.must_stop, response, error);
  }
  series_set_deinit(&collection.set);
  return code;
}

enum error_code jobs_get_metrics(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct metrics_query query;
  struct job_row row = {0};
  enum error_code code = read_query(request, &query, error);
  if (code != ERROR_NONE) return code;
  code = jobs_get(api->store, request->id, &row, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_JOB, request->id, code, error);
  response->is_deferred = !request->may_take_long && row.last_event > query.after && row.last_event - query.after > SHORT_EVENTS_MAX;
  if (response->is_deferred) {
    job_row_deinit(&row);
    return ERROR_NONE;
  }
  code = query.is_csv && query.max_points == 0 ? respond_all_csv(api, row.id, &query, response, error)
                                               : respond_collected(api, &row, &query, response, error);
  job_row_deinit(&row);
  return code;
}
