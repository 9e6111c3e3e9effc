/* GET /v1/datasets/{id}/report: what to know of a dataset before training on it. Balance of the target's classes, how strongly each column
 * goes with the target, rows that come again, and warnings of what would make a model look better than it is. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/codec/settings_json.h"
#include "server/data/association.h"
#include "server/data/plan.h"
#include "server/data/repeats.h"

enum { WARNING_BYTES = 400, RARE_ROWS = 10 };
static const double IMBALANCE_RATIO = 10, MOSTLY = 0.5;

struct report {
  struct api *api;
  const struct request *request;
  struct dataset_row dataset, test_dataset;
  bool has_target, has_test_dataset, is_class;
  size_t target;
  struct association *associations; /* [column_count] */
  uint64_t rows_read;               /* for the associations */
  struct repeats repeats;
  json_t *warnings;
};

static bool is_abandoned(void *context) { return request_is_abandoned(context); }

static const struct dataset_column *get_target(const struct report *report) { return &report->dataset.columns[report->target]; }

/* ---- warnings ---- */

/* column NULL: of the whole dataset. */
__attribute__((format(printf, 4, 5))) static void warn(struct report *report, const char *code, const char *column, const char *format,
                                                       ...) {
  char detail[WARNING_BYTES];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  json_append(&report->warnings, json_pack("{s:s, s:s?, s:s}", "code", code, "column", column, "detail", detail));
}

static void warn_of_column(struct report *report, size_t position) {
  const struct dataset_column *column = &report->dataset.columns[position];
  const struct association *association = &report->associations[position];
  const double missing = (double)column->missing / (double)report->dataset.rows;
  if (association->counts_rows) {
    warn(report, "row_number", column->name,
         "\"%.80s\" counts the rows: it says where a row stands in this file, nothing about new ones. Leave it out of features.",
         column->name);
  } else if (association->is_leak) {
    warn(report, "leakage", column->name,
         "\"%.80s\" alone predicts the target: %s %.4g on rows that it was not fitted on (%.4g without it). If it isn't known before the "
         "target "
         "is, leave it out of features.",
         column->name, report->is_class ? "accuracy" : "R2", association->alone, association->baseline);
  }
  if (missing > MOSTLY)
    warn(report, "mostly_missing", column->name, "\"%.80s\" is missing in %.3g %% of the rows.", column->name, 100 * missing);
  else if (column->min == column->max || (column->has_categories && column->category_count == 1))
    warn(report, "constant", column->name, "\"%.80s\" has the same value in every row; nothing can be learned from it.", column->name);
}

static void warn_of_classes(struct report *report) {
  const struct dataset_column *target = get_target(report);
  uint64_t least = UINT64_MAX, most = 0;
  size_t rare_count = 0;
  const struct category *rarest = NULL;
  for (size_t i = 0; i < target->category_count; i++) {
    const struct category *class = &target->categories[i];
    rare_count += class->count < RARE_ROWS;
    if (class->count > most) most = class->count;
    if (class->count >= least) continue;
    least = class->count;
    rarest = class;
  }
  if (rarest == NULL || target->category_count < 2) return;
  if (rare_count > 0)
    warn(report, "rare_classes", target->name,
         "%zu of %zu classes have fewer than %d rows (\"%.60s\" has %llu); they can hardly be learned or tested.", rare_count,
         target->category_count, RARE_ROWS, rarest->value, (unsigned long long)least);
  if ((double)most >= IMBALANCE_RATIO * (double)least)
    warn(report, "class_imbalance", target->name,
         "the commonest class has %.3g times the rows of the rarest, \"%.60s\"; look at f1 and per_class, not at the accuracy alone, and "
         "try "
         "class_weights of the loss.",
         (double)most / (double)least, rarest->value);
}

static void warn_of_repeats(struct report *report) {
  const struct repeats *repeats = &report->repeats;
  const char *about = repeats->is_estimate ? "about " : "";
  if (repeats->shared > 0)
    warn(report, "shared_rows", NULL, "%s%llu rows of %s are among the training rows too; what is measured on them is no test.", about,
         (unsigned long long)repeats->shared, report->has_test_dataset ? "the test dataset" : "validation and test");
  if (repeats->copies > 0)
    warn(report, "duplicate_rows", NULL, "%s%llu of %llu rows repeat an earlier one (%.3g %%)%s", about,
         (unsigned long long)repeats->copies, (unsigned long long)report->dataset.rows,
         100 * (double)repeats->copies / (double)report->dataset.rows,
         repeats->has_parts ? "." : "; a split by chance puts some of them into training and test both.");
}

static void collect_warnings(struct report *report) {
  report->warnings = json_array();
  warn_of_repeats(report);
  for (size_t i = 0; i < report->dataset.column_count; i++) warn_of_column(report, i);
  if (!report->has_target) return;
  const struct dataset_column *target = get_target(report);
  if (target->missing > 0)
    warn(report, "target_missing", target->name, "the target is missing in %llu rows, which are left out.",
         (unsigned long long)target->missing);
  if (report->is_class) warn_of_classes(report);
}

/* ---- JSON ---- */

static json_t *target_to_json(const struct report *report) {
  if (!report->has_target) return json_null();
  const struct dataset_column *target = get_target(report);
  json_t *classes = report->is_class && target->has_categories ? json_array() : NULL;
  for (size_t i = 0; classes != NULL && i < target->category_count; i++) {
    const struct category *class = &target->categories[i];
    json_append(&classes, json_pack("{s:s, s:I, s:o}", "class", class->value, "count", (json_int_t) class->count, "share",
                                    json_number((double)class->count / (double)(report->dataset.rows - target->missing))));
  }
  return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "column", target->name, "task", report->is_class ? "classification" : "regression",
                   "missing", (json_int_t)target->missing, "mean", json_number(target->mean), "std", json_number(target->std), "classes",
                   classes == NULL ? json_null() : classes);
}

static json_t *association_to_json(const struct dataset_column *column, const struct association *association) {
  json_t *alone = association->has_alone
                      ? json_pack("{s:o, s:o}", "score", json_number(association->alone), "baseline", json_number(association->baseline))
                      : json_null();
  return json_pack("{s:s, s:s, s:s, s:o, s:o}", "column", column->name, "kind", column_kind_names[column->kind], "measure",
                   association_measure_names[association->measure], "correlation", json_number(association->value), "alone", alone);
}

struct place {
  double strength;
  size_t column;
};

static int compare_places(const void *left, const void *right) {
  const struct place *a = left, *b = right;
  if (a->strength != b->strength) return a->strength < b->strength ? 1 : -1;
  return (a->column > b->column) - (a->column < b->column);
}

/* The strongest first; those of which nothing can be said are left out. */
static json_t *associations_to_json(const struct report *report) {
  json_t *list = json_array();
  struct place *places = malloc((report->dataset.column_count + 1) * sizeof *places);
  size_t count = 0;
  if (places == NULL) json_decref(list);
  if (places == NULL) return NULL;
  for (size_t i = 0; i < report->dataset.column_count && report->has_target; i++) {
    if (report->associations[i].measure != ASSOCIATION_NONE)
      places[count++] = (struct place){.strength = fabs(report->associations[i].value), .column = i};
  }
  qsort(places, count, sizeof *places, compare_places);
  for (size_t i = 0; i < count; i++)
    json_append(&list, association_to_json(&report->dataset.columns[places[i].column], &report->associations[places[i].column]));
  free(places);
  return list;
}

static json_t *repeats_to_json(uint64_t count, const struct repeat *first, size_t shown) {
  json_t *list = json_array();
  for (size_t i = 0; i < shown; i++)
    json_append(&list, json_pack("{s:I, s:I}", "row", (json_int_t)first[i].row, "same_as", (json_int_t)first[i].first_row));
  return json_pack("{s:I, s:o}", "count", (json_int_t)count, "first", list);
}

static json_t *report_to_json(const struct report *report) {
  const struct repeats *repeats = &report->repeats;
  json_t *shared = repeats->has_parts ? repeats_to_json(repeats->shared, repeats->shared_first, repeats->shared_shown) : json_null();
  return json_pack("{s:s, s:I, s:o, s:o, s:I, s:o, s:o, s:b, s:O}", "dataset", report->dataset.id, "rows", (json_int_t)report->dataset.rows,
                   "target", target_to_json(report), "correlations", associations_to_json(report), "correlation_rows",
                   (json_int_t)report->rows_read, "duplicates",
                   repeats_to_json(repeats->copies, repeats->copies_first, repeats->copies_shown), "shared_rows", shared, "is_estimate",
                   (int)repeats->is_estimate, "warnings", report->warnings);
}

/* ---- all together ---- */

static enum error_code find_target(struct report *report, struct error *error) {
  const char *name = request_get_query(report->request, "target");
  if (name == NULL) return ERROR_NONE;
  enum error_code code = resource_find_column(&report->dataset, name, &report->target, error);
  if (code != ERROR_NONE) return code;
  report->has_target = true;
  report->is_class = data_plan_is_of_classes(get_target(report));
  if (report->is_class && !get_target(report)->has_categories)
    return error_set(error, ERROR_INVALID,
                     "column \"%.80s\" has more different values than can be classes, and is not numeric; it can't be a target",
                     get_target(report)->name);
  return ERROR_NONE;
}

static enum error_code read_dataset(struct report *report, struct error *error) {
  const char *data_dir = store_get_data_dir(report->api->store);
  const struct association_request associations = {.data_dir = data_dir,
                                                   .dataset = &report->dataset,
                                                   .target = report->has_target ? report->target : report->dataset.column_count,
                                                   .is_class = report->is_class,
                                                   .poll = is_abandoned,
                                                   .poll_context = (void *)report->request};
  const struct repeats_request repeats = {.data_dir = data_dir,
                                          .dataset = &report->dataset,
                                          .test_dataset = report->has_test_dataset ? &report->test_dataset : NULL,
                                          .poll = is_abandoned,
                                          .poll_context = (void *)report->request};
  report->associations = calloc(report->dataset.column_count + 1, sizeof *report->associations);
  if (report->associations == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  enum error_code code = associations_read(&associations, report->associations, &report->rows_read, error);
  return code == ERROR_NONE ? repeats_read(&repeats, &report->repeats, error) : code;
}

enum error_code datasets_get_report(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct report report = {.api = api, .request = request};
  const char *test_name = request_get_query(request, "test_dataset");
  enum error_code code = resource_get_dataset(api, request->id, &report.dataset, error);
  if (code == ERROR_NONE) code = find_target(&report, error);
  report.has_test_dataset = code == ERROR_NONE && test_name != NULL;
  if (report.has_test_dataset) code = resource_get_dataset(api, test_name, &report.test_dataset, error);
  if (code == ERROR_NONE) code = read_dataset(&report, error);
  if (code == ERROR_NONE) {
    collect_warnings(&report);
    code = respond_json(response, 200, report_to_json(&report), error);
  }
  json_decref(report.warnings);
  free(report.associations);
  dataset_row_deinit(&report.dataset);
  dataset_row_deinit(&report.test_dataset);
  return code;
}
