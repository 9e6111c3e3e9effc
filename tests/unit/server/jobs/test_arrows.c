/* The state machine: every arrow that clients take leads where jobs.h says, and there are no others. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/job_scene.h"
#include "tests/support/suite.h"

static struct job_scene scene;

/* A stopped pool takes no job and moves none by itself, so that each state can be looked at. */
static void open_scene(void) {
  job_scene_create(&scene, 60);
  struct jobs_options options = {.workers = 1};
  job_scene_start(&scene, &options);
  jobs_stop(scene.jobs);
}

static void close_scene(void) { job_scene_destroy(&scene); }

static void put_into_state(const char *id, enum job_state state) {
  struct error error = {0};
  struct job_update update = {.job_id = id, .sets_state = true, .state = state};
  ck_assert_int_eq(jobs_commit(scene.store, &update, 1, &error), ERROR_NONE);
}

static enum job_state get_state(const char *id) {
  struct job_row row;
  struct error error = {0};
  ck_assert_int_eq(jobs_get(scene.store, id, &row, &error), ERROR_NONE);
  enum job_state state = row.state;
  job_row_deinit(&row);
  return state;
}

typedef enum error_code arrow(struct jobs *jobs, const char *id, struct error *error);
enum { NONE = JOB_STATE_COUNT };
static const struct {
  const char *name;
  arrow *take;
  int to[JOB_STATE_COUNT]; /* queued, running, pausing, paused, cancelling, cancelled, succeeded, failed */
} arrows[] = {
    {"pause", jobs_pause, {JOB_PAUSED, JOB_PAUSING, NONE, NONE, NONE, NONE, NONE, NONE}},
    {"resume", jobs_resume, {NONE, NONE, NONE, JOB_QUEUED, NONE, NONE, NONE, NONE}},
    {"cancel", jobs_cancel, {JOB_CANCELLED, JOB_CANCELLING, JOB_CANCELLING, JOB_CANCELLED, NONE, NONE, NONE, NONE}},
};

START_TEST(each_arrow_leads_where_it_should_from_each_state) {
  char id[STORE_ID_BYTES];
  struct scene_job job = {0};
  job_scene_submit(&scene, &job, id);
  for (size_t a = 0; a < sizeof arrows / sizeof arrows[0]; a++) {
    for (int from = 0; from < JOB_STATE_COUNT; from++) {
      put_into_state(id, (enum job_state)from);
      struct error error = {0};
      enum error_code code = arrows[a].take(scene.jobs, id, &error);
      int to = arrows[a].to[from];
      const char *from_name = job_state_names[from];
      ck_assert_msg(code == (to == NONE ? ERROR_CONFLICT : ERROR_NONE), "%s from %s: %d", arrows[a].name, from_name, (int)code);
      ck_assert_msg((int)get_state(id) == (to == NONE ? from : to), "%s from %s", arrows[a].name, from_name);
      if (to == NONE) ck_assert_msg(strstr(error.detail, from_name) != NULL, "%s: %s", arrows[a].name, error.detail);
    }
  }
}
END_TEST

START_TEST(each_arrow_leaves_its_event_and_an_end_where_it_ends) {
  char id[STORE_ID_BYTES];
  struct scene_job job = {0};
  struct error error = {0};
  job_scene_submit(&scene, &job, id);
  ck_assert_int_eq(jobs_pause(scene.jobs, id, &error), ERROR_NONE);
  ck_assert_int_eq(jobs_resume(scene.jobs, id, &error), ERROR_NONE);
  ck_assert_int_eq(jobs_cancel(scene.jobs, id, &error), ERROR_NONE);
  static const char *const states[] = {"queued", "paused", "queued", "cancelled", "cancelled"};
  struct event_row *events;
  size_t count;
  ck_assert_int_eq(events_list(scene.store, id, 0, 0, 100, &events, &count, &error), ERROR_NONE);
  ck_assert_uint_eq(count, 5);
  for (size_t i = 0; i < count; i++) {
    ck_assert_uint_eq(events[i].seq, i + 1);
    ck_assert_int_eq(events[i].kind, i < 4 ? EVENT_STATE : EVENT_END);
    ck_assert_ptr_nonnull(strstr(events[i].data, states[i]));
  }
  events_free(events, count);
  struct job_row row;
  job_scene_wait(&scene, id, 1u << JOB_CANCELLED, &row);
  ck_assert_str_eq(row.stop_reason, "cancelled");
  ck_assert_int_gt(row.finished_ms, 0);
  job_row_deinit(&row);
}
END_TEST

START_TEST(an_unknown_job_is_not_found) {
  struct error error = {0};
  ck_assert_int_eq(jobs_pause(scene.jobs, "job_0000000000000000", &error), ERROR_NOT_FOUND);
  ck_assert_int_eq(jobs_change(scene.jobs, "job_0000000000000000", "x", NULL, &error), ERROR_NOT_FOUND);
}
END_TEST

START_TEST(name_and_priority_can_be_changed) {
  char id[STORE_ID_BYTES];
  struct scene_job job = {0};
  struct error error = {0};
  int64_t priority = 90;
  job_scene_submit(&scene, &job, id);
  ck_assert_int_eq(jobs_change(scene.jobs, id, "renamed", &priority, &error), ERROR_NONE);
  struct job_row row;
  ck_assert_int_eq(jobs_get(scene.store, "renamed", &row, &error), ERROR_NONE);
  ck_assert_str_eq(row.id, id);
  ck_assert_int_eq(row.priority, 90);
  job_row_deinit(&row);
}
END_TEST

START_TEST(what_a_dead_process_left_is_put_in_order) {
  static const enum job_state left[] = {JOB_RUNNING, JOB_PAUSING, JOB_CANCELLING, JOB_QUEUED, JOB_PAUSED, JOB_FAILED};
  static const unsigned found[] = {JOB_SUCCEEDED, JOB_PAUSED, JOB_CANCELLED, JOB_SUCCEEDED, JOB_PAUSED, JOB_FAILED};
  char ids[6][STORE_ID_BYTES];
  struct scene_job job = {.extra = "\"epochs\": 2,"};
  for (size_t i = 0; i < 6; i++) {
    job_scene_submit(&scene, &job, ids[i]);
    put_into_state(ids[i], left[i]);
  }
  job_scene_stop(&scene);
  struct jobs_options options = {.workers = 1};
  job_scene_start(&scene, &options);
  for (size_t i = 0; i < 6; i++) job_scene_wait(&scene, ids[i], 1u << found[i], NULL);
}
END_TEST

START_TEST(admission_names_need_and_budget) {
  job_scene_stop(&scene);
  struct jobs_options options = {.workers = 1, .memory_budget_bytes = 3 << 20};
  job_scene_start(&scene, &options);
  struct error error = {0};
  ck_assert_uint_eq(jobs_get_memory_budget(scene.jobs), 3 << 20);
  ck_assert_int_eq(jobs_admit(scene.jobs, 3 << 20, &error), ERROR_NONE);
  ck_assert_int_eq(jobs_admit(scene.jobs, (3 << 20) + 1, &error), ERROR_OVER_BUDGET);
  ck_assert_ptr_nonnull(strstr(error.detail, "3145729 bytes"));
  ck_assert_ptr_nonnull(strstr(error.detail, "3145728 bytes (3.0 MiB)"));
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "arrows");
  tcase_add_checked_fixture(test_case, open_scene, close_scene);
  tcase_add_test(test_case, each_arrow_leads_where_it_should_from_each_state);
  tcase_add_test(test_case, each_arrow_leaves_its_event_and_an_end_where_it_ends);
  tcase_add_test(test_case, an_unknown_job_is_not_found);
  tcase_add_test(test_case, name_and_priority_can_be_changed);
  tcase_add_test(test_case, what_a_dead_process_left_is_put_in_order);
  tcase_add_test(test_case, admission_names_need_and_budget);
}

int main(void) { return suite_main("arrows", add_cases); }
