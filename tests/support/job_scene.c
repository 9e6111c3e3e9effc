#include "tests/support/job_scene.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/codec/job_translator.h"
#include "server/data/import.h"

enum { WAIT_SECONDS = 240, POLL_US = 3000, EVENTS_MAX = 100000, SPEC_BYTES = 4096 };

#define MUST(call_)                                                                                                                        \
  do {                                                                                                                                     \
    struct error error_ = {0}, *error = &error_;                                                                                           \
    ck_assert_msg((call_) == ERROR_NONE, "%s: %s (%s)", #call_, error_.detail, error_.item_count > 0 ? error_.items[0].pointer : "");      \
  } while (0)

/* The same numbers everywhere and always. */
static double draw(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(*state >> 11) / 9007199254740992.0 * 2 - 1;
}

static void import_points(struct job_scene *scene, size_t row_count) {
  struct import *import;
  struct import_options options = {.delimiter = ',', .header = 1};
  struct dataset_row row = {.name = ""};
  uint64_t state = 1;
  MUST(import_begin(scene->data_dir, &options, &import, error));
  MUST(import_write(import, "x1,x2,x3,x4,side,height\n", strlen("x1,x2,x3,x4,side,height\n"), error));
  for (size_t i = 0; i < row_count; i++) {
    double x[4];
    for (size_t j = 0; j < 4; j++) x[j] = draw(&state);
    bool is_right = x[0] * x[1] + 0.5 * x[2] + 0.1 * draw(&state) > 0;
    char line[200];
    int length = snprintf(line, sizeof line, "%.6f,%.6f,%.6f,%.6f,%s,%.6f\n", x[0], x[1], x[2], x[3], is_right ? "right" : "left",
                          100 + 10 * (x[0] + x[1] * x[3]));
    MUST(import_write(import, line, (size_t)length, error));
  }
  MUST(import_finish(import, &row, error));
  strcpy(row.name, "points");
  MUST(datasets_insert(scene->store, &row, error));
  memcpy(scene->dataset_id, row.id, sizeof row.id);
  dataset_row_deinit(&row);
}

void job_scene_import(struct job_scene *scene, const char *csv) {
  struct import *import;
  const struct import_options options = {.delimiter = ',', .header = 1};
  struct dataset_row row = {.name = ""};
  MUST(import_begin(scene->data_dir, &options, &import, error));
  MUST(import_write(import, csv, strlen(csv), error));
  MUST(import_finish(import, &row, error));
  job_scene_use(scene, &row);
  dataset_row_deinit(&row);
}

void job_scene_use(struct job_scene *scene, struct dataset_row *row) {
  MUST(datasets_insert(scene->store, row, error));
  memcpy(scene->dataset_id, row->id, sizeof row->id);
}

void job_scene_open(struct job_scene *scene) { MUST(store_open(scene->data_dir, &scene->store, error)); }

void job_scene_create(struct job_scene *scene, size_t row_count) {
  *scene = (struct job_scene){.data_dir = "/tmp/job_scene.XXXXXX"};
  ck_assert_ptr_nonnull(mkdtemp(scene->data_dir));
  job_scene_open(scene);
  import_points(scene, row_count);
}

void job_scene_stop(struct job_scene *scene) {
  jobs_destroy(scene->jobs);
  scene->jobs = NULL;
}

void job_scene_close(struct job_scene *scene) {
  job_scene_stop(scene);
  if (scene->store != NULL) store_close(scene->store);
  scene->store = NULL;
}

void job_scene_destroy(struct job_scene *scene) {
  job_scene_close(scene);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", scene->data_dir);
  ck_assert_int_eq(system(command), 0);
}

void job_scene_start(struct job_scene *scene, const struct jobs_options *options) {
  MUST(jobs_create(scene->store, &job_translator, options, &scene->jobs, error));
}

static void fill_row(struct job_scene *scene, const char *network_json, struct job_row *row) {
  struct job_spec spec;
  struct network_spec network_spec;
  struct dataset_row dataset;
  struct data_plan plan;
  struct network_target target;
  struct network *network;
  MUST(job_translator.decode_job_spec(row->spec_json, &spec, error));
  MUST(job_translator.decode_network_spec(network_json, &network_spec, error));
  MUST(datasets_get(scene->store, scene->dataset_id, &dataset, error));
  MUST(data_plan_create(&dataset, NULL, &spec.data, (uint64_t)spec.train.seed, &plan, error));
  const struct plan_datasets datasets = {.dataset = &dataset};
  MUST(data_plan_follow_network(&plan, &datasets, &network_spec, error));
  data_plan_get_network_target(&plan, &target);
  MUST(network_spec_resolve(&network_spec, &target, error));
  MUST(network_create(&network_spec, &network, error));
  MUST(train_settings_resolve(&spec.train, network, plan.layout.task, error));
  MUST(jobs_measure(&spec, network, &plan, &row->memory_bytes, error));
  row->network_json = job_translator.encode_network_spec(&network_spec);
  memcpy(row->dataset_id, scene->dataset_id, sizeof row->dataset_id);
  network_destroy(network);
  data_plan_deinit(&plan);
  dataset_row_deinit(&dataset);
  network_spec_deinit(&network_spec);
  job_spec_deinit(&spec);
}

void job_scene_submit(struct job_scene *scene, const struct scene_job *job, char out_id[STORE_ID_BYTES]) {
  static const char default_network[] =
      "{\"layers\": [{\"type\": \"dense\", \"units\": 8, \"activation\": \"tanh\"}, {\"type\": \"dense\", \"units\": \"auto\", "
      "\"activation\": \"auto\"}]}";
  struct job_row row = {.priority = job->priority != 0 ? job->priority : 50};
  char spec[SPEC_BYTES];
  const char *target = job->target != NULL ? job->target : "side";
  const char *features = job->features != NULL ? job->features : "\"x1\", \"x2\", \"x3\", \"x4\"";
  snprintf(spec, sizeof spec, "{\"network\": \"n\", \"dataset\": \"points\", \"%s\": \"%s\", \"features\": [%s], %s \"seed\": 7}",
           target[0] == '\0' ? "task" : "target", target[0] == '\0' ? "reconstruction" : target, features,
           job->extra != NULL ? job->extra : "");
  row.spec_json = strdup(spec);
  fill_row(scene, job->network != NULL ? job->network : default_network, &row);
  if (job->memory_bytes != 0) row.memory_bytes = job->memory_bytes;
  MUST(jobs_submit(scene->jobs, &row, error));
  memcpy(out_id, row.id, sizeof row.id);
  job_row_deinit(&row);
}

void job_scene_wait(struct job_scene *scene, const char *id, unsigned states, struct job_row *out_row) {
  struct job_row row = {0};
  for (long waited_us = 0;; waited_us += POLL_US) {
    MUST(jobs_get(scene->store, id, &row, error));
    if ((states >> row.state & 1u) != 0) break;
    ck_assert_msg(waited_us < WAIT_SECONDS * 1000000L, "job is %s, %s", job_state_names[row.state], row.error_json ? row.error_json : "");
    /* A job that ended otherwise will never come to the states waited for. */
    bool is_over = row.state == JOB_SUCCEEDED || row.state == JOB_FAILED || row.state == JOB_CANCELLED;
    ck_assert_msg(!is_over, "job is %s, %s", job_state_names[row.state], row.error_json ? row.error_json : "");
    job_row_deinit(&row);
    usleep(POLL_US);
  }
  if (out_row != NULL)
    *out_row = row;
  else
    job_row_deinit(&row);
}

static size_t count_events(struct job_scene *scene, const char *id, enum event_kind kind) {
  struct event_row *events;
  size_t count;
  MUST(events_list(scene->store, id, 0, 1u << kind, EVENTS_MAX, &events, &count, error));
  events_free(events, count);
  return count;
}

void job_scene_wait_for_metrics(struct job_scene *scene, const char *id, size_t count) {
  for (long waited_us = 0; count_events(scene, id, EVENT_METRICS) < count; waited_us += POLL_US) {
    ck_assert_int_lt(waited_us, WAIT_SECONDS * 1000000L);
    usleep(POLL_US);
  }
}

uint64_t *job_scene_list_steps(struct job_scene *scene, const char *id, size_t *out_count) {
  struct event_row *events;
  MUST(events_list(scene->store, id, 0, 1u << EVENT_METRICS, EVENTS_MAX, &events, out_count, error));
  uint64_t *steps = calloc(*out_count + 1, sizeof *steps);
  for (size_t i = 0; i < *out_count; i++) {
    steps[i] = events[i].step;
    if (i > 0) ck_assert_uint_gt(events[i].seq, events[i - 1].seq);
  }
  events_free(events, *out_count);
  return steps;
}

bool job_scene_has_log(struct job_scene *scene, const char *id, const char *text) {
  struct event_row *events;
  size_t count;
  bool has = false;
  MUST(events_list(scene->store, id, 0, 1u << EVENT_LOG, EVENTS_MAX, &events, &count, error));
  for (size_t i = 0; i < count; i++) has = has || strstr(events[i].data, text) != NULL;
  events_free(events, count);
  return has;
}
