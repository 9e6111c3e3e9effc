/* jobs.c, job_updates.c, events.c: a job's row, its log, the queue. */
#include <stdlib.h>
#include <string.h>

#include "server/store/blobs.h"
#include "tests/support/store_scene.h"
#include "tests/support/suite.h"

static struct store_scene scene;
static char job[STORE_ID_BYTES];

static void begin(void) {
  store_scene_begin(&scene);
  store_scene_insert_job(&scene, "first", 50, job);
}
static void end(void) { store_scene_end(&scene); }

static struct job_row get(const char *id) {
  struct job_row row;
  ASSERT_OK(&scene, jobs_get(scene.store, id, &row, &scene.error));
  return row;
}

static void set_state(const char *id, enum job_state state) {
  ASSERT_OK(&scene, store_scene_commit(&scene, &(struct job_update){.job_id = id, .sets_state = true, .state = state}));
}

static int64_t write_blob(size_t byte_count, uint64_t seed) {
  unsigned char *bytes = store_scene_make_bytes(byte_count, seed);
  int64_t blob;
  ASSERT_OK(&scene, blobs_write(scene.store, bytes, byte_count, &blob, &scene.error));
  free(bytes);
  return blob;
}

/* ---- rows ---- */

START_TEST(new_job_is_queued_with_its_first_event) {
  struct job_row row = get("first");
  ck_assert_str_eq(row.id, job);
  ck_assert_int_eq(row.state, JOB_QUEUED);
  ck_assert_str_eq(row.stop_reason, "");
  ck_assert_int_eq(row.priority, 50);
  ck_assert_str_eq(row.spec_json, "{\"spec\":1}");
  ck_assert_str_eq(row.network_json, "{\"network\":1}");
  ck_assert_uint_eq(row.memory_bytes, 1000);
  ck_assert_uint_eq(row.progress.steps, 30);
  ck_assert_ptr_null(row.latest_json);
  ck_assert_uint_eq(row.last_event, 1);
  ck_assert_int_eq(row.checkpoint_blob, 0);
  ck_assert_int_gt(row.created_ms, 0);
  ck_assert_int_eq(row.started_ms, 0);
  job_row_deinit(&row);
  struct event_row *events;
  size_t count;
  ASSERT_OK(&scene, events_list(scene.store, job, 0, 0, 10, &events, &count, &scene.error));
  ck_assert_uint_eq(count, 1);
  ck_assert_uint_eq(events[0].seq, 1);
  ck_assert_int_eq(events[0].kind, EVENT_STATE);
  ck_assert_str_eq(events[0].data, "{\"state\":\"queued\"}");
  events_free(events, count);
}
END_TEST

START_TEST(taken_job_name_is_a_conflict_and_nothing_is_written) {
  struct job_row row = {.name = "first", .spec_json = strdup("{}"), .network_json = strdup("{}")};
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "a job named \"first\" exists already", jobs_insert(scene.store, &row, "{}", &scene.error));
  job_row_deinit(&row);
  ck_assert_int_eq(store_scene_count(&scene, "jobs"), 1);
  ck_assert_int_eq(store_scene_count(&scene, "events"), 1);
}
END_TEST

START_TEST(update_sets_what_it_names_and_leaves_the_rest) {
  const int64_t priority = 80;
  const struct job_progress progress = {.epoch = 1, .epochs = 3, .step = 10, .steps = 30, .samples = 320, .training_ms = 99};
  struct job_update update = {.job_id = job,
                              .sets_state = true,
                              .state = JOB_RUNNING,
                              .priority = &priority,
                              .name = "renamed",
                              .progress = &progress,
                              .latest_json = "{\"l\":1}",
                              .kernels = "plain",
                              .precision = "bfloat16",
                              .started_ms = 77};
  ASSERT_OK(&scene, store_scene_commit(&scene, &update));
  struct job_update second = {.job_id = job,
                              .best_json = "{\"b\":1}",
                              .error_json = "{\"e\":1}",
                              .test_json = "{\"t\":1}",
                              .stop_reason = "error",
                              .weights_sha256 = "beef",
                              .finished_ms = 88};
  ASSERT_OK(&scene, store_scene_commit(&scene, &second));
  struct job_row row = get("renamed");
  ck_assert_int_eq(row.state, JOB_RUNNING);
  ck_assert_int_eq(row.priority, 80);
  ck_assert_mem_eq(&row.progress, &progress, sizeof progress);
  ck_assert_str_eq(row.latest_json, "{\"l\":1}");
  ck_assert_str_eq(row.best_json, "{\"b\":1}");
  ck_assert_str_eq(row.test_json, "{\"t\":1}");
  ck_assert_str_eq(row.error_json, "{\"e\":1}");
  ck_assert_str_eq(row.kernels, "plain");
  ck_assert_str_eq(row.precision, "bfloat16");
  ck_assert_str_eq(row.stop_reason, "error");
  ck_assert_str_eq(row.weights_sha256, "beef");
  ck_assert_int_eq(row.started_ms, 77);
  ck_assert_int_eq(row.finished_ms, 88);
  ck_assert_str_eq(row.spec_json, "{\"spec\":1}");
  job_row_deinit(&row);
}
END_TEST

START_TEST(unexpected_state_is_a_conflict_that_says_both) {
  struct job_update update = {.job_id = job,
                              .expected_states = 1u << JOB_RUNNING | 1u << JOB_PAUSING | 1u << JOB_PAUSED,
                              .sets_state = true,
                              .state = JOB_CANCELLING};
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "the job \"first\" is queued, not running, pausing or paused", store_scene_commit(&scene, &update));
  update.expected_states = 1u << JOB_QUEUED;
  ASSERT_OK(&scene, store_scene_commit(&scene, &update));
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "the job \"first\" is cancelling, not queued", store_scene_commit(&scene, &update));
}
END_TEST

START_TEST(conflict_of_one_update_undoes_all) {
  char other[STORE_ID_BYTES];
  store_scene_insert_job(&scene, "second", 50, other);
  struct event_row event = store_scene_make_metrics(1);
  const int64_t blob = write_blob(100, 1);
  const struct job_update updates[] = {
      {.job_id = job, .sets_state = true, .state = JOB_RUNNING, .events = &event, .event_count = 1, .checkpoint_blob = &blob},
      {.job_id = other, .expected_states = 1u << JOB_PAUSED, .sets_state = true, .state = JOB_QUEUED}};
  ASSERT_FAILS(&scene, ERROR_CONFLICT, "second", jobs_commit(scene.store, updates, 2, &scene.error));
  event_row_deinit(&event);
  struct job_row row = get(job);
  ck_assert_int_eq(row.state, JOB_QUEUED);
  ck_assert_uint_eq(row.last_event, 1);
  ck_assert_int_eq(row.checkpoint_blob, 0);
  job_row_deinit(&row);
  ck_assert_int_eq(store_scene_count(&scene, "events"), 2);
}
END_TEST

START_TEST(several_jobs_are_updated_together) {
  char other[STORE_ID_BYTES];
  store_scene_insert_job(&scene, "second", 50, other);
  const struct job_update updates[] = {{.job_id = job, .sets_state = true, .state = JOB_RUNNING},
                                       {.job_id = other, .sets_state = true, .state = JOB_CANCELLED}};
  ASSERT_OK(&scene, jobs_commit(scene.store, updates, 2, &scene.error));
  uint64_t counts[JOB_STATE_COUNT];
  ASSERT_OK(&scene, jobs_count(scene.store, counts, &scene.error));
  const uint64_t expected[JOB_STATE_COUNT] = {[JOB_RUNNING] = 1, [JOB_CANCELLED] = 1};
  ck_assert_mem_eq(counts, expected, sizeof counts);
}
END_TEST

START_TEST(update_of_an_unknown_job_is_not_found) {
  ck_assert_int_eq(store_scene_commit(&scene, &(struct job_update){.job_id = "job_0123456789abcdef"}), ERROR_NOT_FOUND);
}
END_TEST

START_TEST(list_filters_by_state_and_leaves_texts_out) {
  char ids[3][STORE_ID_BYTES], next[sizeof(((struct store_page *)0)->cursor)];
  for (size_t i = 0; i < 3; i++) store_scene_insert_job(&scene, "", 50, ids[i]);
  set_state(ids[1], JOB_RUNNING);
  struct job_row *rows;
  size_t count;
  const struct store_page page = {.limit = 2};
  ASSERT_OK(&scene, jobs_list(scene.store, &page, 1u << JOB_QUEUED, &rows, &count, next, &scene.error));
  ck_assert_uint_eq(count, 2);
  ck_assert_str_eq(rows[0].id, ids[2]);
  ck_assert_str_eq(rows[1].id, ids[0]);
  ck_assert_str_eq(rows[1].name, "job-2");
  ck_assert_ptr_null(rows[0].spec_json);
  ck_assert_ptr_null(rows[0].network_json);
  ck_assert_str_ne(next, "");
  for (size_t i = 0; i < count; i++) job_row_deinit(&rows[i]);
  free(rows);
  ASSERT_OK(&scene, jobs_list(scene.store, &(struct store_page){.limit = 10}, 0, &rows, &count, next, &scene.error));
  ck_assert_uint_eq(count, 4);
  for (size_t i = 0; i < count; i++) job_row_deinit(&rows[i]);
  free(rows);
}
END_TEST

/* ---- events ---- */

static void append(const char *id, uint64_t first_step, uint64_t last_step, uint64_t *out_seqs) {
  size_t count = (size_t)(last_step - first_step + 1);
  struct event_row *events = calloc(count, sizeof *events);
  for (size_t i = 0; i < count; i++) events[i] = store_scene_make_metrics(first_step + i);
  ASSERT_OK(&scene, store_scene_commit(&scene, &(struct job_update){.job_id = id, .events = events, .event_count = count}));
  for (size_t i = 0; i < count; i++) {
    if (out_seqs) out_seqs[i] = events[i].seq;
  }
  events_free(events, count);
}

START_TEST(events_are_numbered_without_a_gap_within_each_job) {
  char other[STORE_ID_BYTES];
  store_scene_insert_job(&scene, "second", 50, other);
  uint64_t seqs[3];
  append(job, 1, 3, seqs);
  ck_assert_uint_eq(seqs[0], 2);
  ck_assert_uint_eq(seqs[2], 4);
  append(other, 1, 1, seqs);
  ck_assert_uint_eq(seqs[0], 2);
  struct event_row log = {.kind = EVENT_LOG, .data = strdup("text")};
  ASSERT_OK(&scene, store_scene_commit(&scene, &(struct job_update){.job_id = job, .events = &log, .event_count = 1}));
  ck_assert_uint_eq(log.seq, 5);
  ck_assert_int_gt(log.at_ms, 0);
  event_row_deinit(&log);
}
END_TEST

START_TEST(metrics_of_a_step_that_is_stored_are_skipped) {
  uint64_t seqs[4];
  append(job, 1, 3, seqs);
  append(job, 2, 5, seqs); /* resumed from a checkpoint after step 1 */
  const uint64_t expected[4] = {0, 0, 5, 6};
  ck_assert_mem_eq(seqs, expected, sizeof seqs);
  ck_assert_int_eq(store_scene_ask(&scene, "SELECT count(*) FROM events WHERE kind = 0"), 5);
  ck_assert_int_eq(store_scene_ask(&scene, "SELECT count(DISTINCT step) FROM events WHERE kind = 0"), 5);
  struct job_row row = get(job);
  ck_assert_uint_eq(row.last_event, 6);
  ck_assert_uint_eq(row.last_metrics_step, 5);
  job_row_deinit(&row);
}
END_TEST

START_TEST(what_the_doctor_found_at_a_step_is_stored_once_before_its_metrics) {
  for (int round = 0; round < 2; round++) { /* the second as a resumed run repeats it */
    struct event_row events[2] = {{.kind = EVENT_DIAGNOSIS, .step = 4, .epoch = 2, .data = strdup("{\"code\":\"plateau\"}")},
                                  store_scene_make_metrics(4)};
    struct job_update update = {.job_id = job, .diagnosis_json = "[{\"code\":\"plateau\"}]", .events = events, .event_count = 2};
    ASSERT_OK(&scene, store_scene_commit(&scene, &update));
    ck_assert_uint_eq(events[0].seq, round == 0 ? 2 : 0);
    ck_assert_uint_eq(events[1].seq, round == 0 ? 3 : 0);
    event_row_deinit(&events[0]);
    event_row_deinit(&events[1]);
  }
  ck_assert_int_eq(store_scene_ask(&scene, "SELECT count(*) FROM events WHERE kind = 4"), 1);
  ck_assert_str_eq(event_kind_names[EVENT_DIAGNOSIS], "diagnosis");
  struct job_row row = get(job);
  ck_assert_str_eq(row.diagnosis_json, "[{\"code\":\"plateau\"}]");
  job_row_deinit(&row);
}
END_TEST

START_TEST(same_step_twice_in_one_update_is_stored_once) {
  struct event_row events[2] = {store_scene_make_metrics(4), store_scene_make_metrics(4)};
  ASSERT_OK(&scene, store_scene_commit(&scene, &(struct job_update){.job_id = job, .events = events, .event_count = 2}));
  ck_assert_uint_eq(events[0].seq, 2);
  ck_assert_uint_eq(events[1].seq, 0);
  event_row_deinit(&events[0]);
  event_row_deinit(&events[1]);
}
END_TEST

START_TEST(events_are_listed_after_a_number_by_kind_and_limit) {
  append(job, 1, 10, NULL);
  struct event_row *events;
  size_t count;
  ASSERT_OK(&scene, events_list(scene.store, job, 4, 0, 3, &events, &count, &scene.error));
  ck_assert_uint_eq(count, 3);
  ck_assert_uint_eq(events[0].seq, 5);
  ck_assert_uint_eq(events[0].step, 4);
  ck_assert_str_eq(events[0].data, "{\"step\":4}");
  ck_assert_uint_eq(events[2].seq, 7);
  events_free(events, count);
  ASSERT_OK(&scene, events_list(scene.store, job, 0, 1u << EVENT_STATE, 100, &events, &count, &scene.error));
  ck_assert_uint_eq(count, 1);
  events_free(events, count);
  ASSERT_OK(&scene, events_list(scene.store, job, UINT64_MAX, 0, 100, &events, &count, &scene.error));
  ck_assert_uint_eq(count, 0);
  events_free(events, count);
  ck_assert_int_eq(events_list(scene.store, "nobody", 0, 0, 1, &events, &count, &scene.error), ERROR_NOT_FOUND);
}
END_TEST

/* ---- checkpoints and models ---- */

START_TEST(new_checkpoint_replaces_the_old_one) {
  static const size_t sizes[] = {1000, 9 << 20, 2000};
  for (size_t i = 0; i < 3; i++) {
    const int64_t blob = write_blob(sizes[i], i);
    struct job_update update = {.job_id = job, .checkpoint_blob = &blob, .position = &sizes[i], .position_bytes = sizeof sizes[i]};
    ASSERT_OK(&scene, store_scene_commit(&scene, &update));
    struct job_row row = get(job);
    ck_assert_int_eq(row.checkpoint_blob, blob);
    ck_assert_uint_eq(row.position_bytes, sizeof sizes[i]);
    ck_assert_mem_eq(row.position, &sizes[i], sizeof sizes[i]);
    job_row_deinit(&row);
    ck_assert_int_eq(store_scene_count(&scene, "blobs"), 1);
    ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), sizes[i] > STORE_PIECE_BYTES ? 3 : 1);
  }
  ck_assert_int_eq(store_scene_count(&scene, "leftovers"), 0);
}
END_TEST

START_TEST(checkpoint_survives_reopening) {
  const int64_t blob = write_blob(5 << 20, 4);
  ASSERT_OK(&scene, store_scene_commit(&scene, &(struct job_update){.job_id = job, .checkpoint_blob = &blob}));
  store_scene_reopen(&scene);
  unsigned char *expected = store_scene_make_bytes(5 << 20, 4), *found = malloc(5 << 20);
  ASSERT_OK(&scene, blobs_read(scene.store, blob, 0, found, 5 << 20, &scene.error));
  ck_assert(memcmp(expected, found, 5 << 20) == 0);
  free(expected);
  free(found);
}
END_TEST

START_TEST(checkpoint_zero_drops_blob_and_position) {
  const int64_t blob = write_blob(100, 1), none = 0;
  struct job_update update = {.job_id = job, .checkpoint_blob = &blob, .position = "p", .position_bytes = 1};
  ASSERT_OK(&scene, store_scene_commit(&scene, &update));
  ASSERT_OK(&scene, store_scene_commit(&scene, &(struct job_update){.job_id = job, .checkpoint_blob = &none}));
  struct job_row row = get(job);
  ck_assert_int_eq(row.checkpoint_blob, 0);
  ck_assert_ptr_null(row.position);
  job_row_deinit(&row);
  ck_assert_int_eq(store_scene_count(&scene, "blobs"), 0);
}
END_TEST

START_TEST(checkpoint_that_is_not_whole_is_refused) {
  const int64_t nowhere = 99, incomplete = write_blob(9 << 20, 1);
  ck_assert_int_eq(store_scene_commit(&scene, &(struct job_update){.job_id = job, .checkpoint_blob = &nowhere}), ERROR_INTERNAL);
  store_scene_execute(&scene, "DELETE FROM blob_pieces WHERE piece = 1");
  ck_assert_int_eq(store_scene_commit(&scene, &(struct job_update){.job_id = job, .checkpoint_blob = &incomplete}), ERROR_INTERNAL);
}
END_TEST

START_TEST(finished_job_hands_over_its_model) {
  const int64_t checkpoint = write_blob(100, 1), none = 0;
  ASSERT_OK(&scene, store_scene_commit(&scene, &(struct job_update){.job_id = job, .checkpoint_blob = &checkpoint}));
  struct model_row model = {.network_json = strdup("{}"),
                            .preprocessing_json = strdup("{\"p\":1}"),
                            .parameter_count = 20,
                            .weights_sha256 = "cafe",
                            .weights_blob = write_blob(80, 2)};
  struct event_row end_event = {.kind = EVENT_END, .data = strdup("{}")};
  struct job_update update = {.job_id = job,
                              .sets_state = true,
                              .state = JOB_SUCCEEDED,
                              .stop_reason = "completed",
                              .model = &model,
                              .checkpoint_blob = &none,
                              .events = &end_event,
                              .event_count = 1};
  ASSERT_OK(&scene, store_scene_commit(&scene, &update));
  ck_assert_str_eq(model.name, "first");
  ck_assert_str_eq(model.job_id, job);
  struct job_row row = get(job);
  ck_assert_str_eq(row.model_id, model.id);
  ck_assert_int_eq(row.checkpoint_blob, 0);
  job_row_deinit(&row);
  ASSERT_OK(&scene, jobs_delete(scene.store, job, &scene.error));
  store_scene_reopen(&scene);
  struct model_row found;
  ASSERT_OK(&scene, models_get(scene.store, "first", &found, &scene.error));
  ck_assert_str_eq(found.preprocessing_json, "{\"p\":1}");
  ck_assert_str_eq(found.metrics_json, "{}");
  ck_assert_uint_eq(found.parameter_count, 20);
  ck_assert_str_eq(found.weights_sha256, "cafe");
  size_t byte_count;
  ASSERT_OK(&scene, blobs_get_size(scene.store, found.weights_blob, &byte_count, &scene.error));
  ck_assert_uint_eq(byte_count, 80);
  model_row_deinit(&found);
  model_row_deinit(&model);
  event_row_deinit(&end_event);
}
END_TEST

/* ---- the queue ---- */

START_TEST(queue_is_ordered_by_priority_then_age) {
  char low[STORE_ID_BYTES], high[STORE_ID_BYTES], same[STORE_ID_BYTES], running[STORE_ID_BYTES];
  store_scene_insert_job(&scene, "low", 10, low);
  store_scene_insert_job(&scene, "running", 100, running);
  store_scene_insert_job(&scene, "high", 90, high);
  store_scene_insert_job(&scene, "same", 50, same);
  set_state(running, JOB_RUNNING);
  char(*ids)[STORE_ID_BYTES];
  uint64_t *memory_bytes;
  size_t count, position;
  ASSERT_OK(&scene, jobs_list_queue(scene.store, &ids, &memory_bytes, &count, &scene.error));
  const char *const expected[] = {high, job, same, low};
  ck_assert_uint_eq(count, 4);
  for (size_t i = 0; i < 4; i++) {
    ck_assert_str_eq(ids[i], expected[i]);
    ck_assert_uint_eq(memory_bytes[i], 1000);
    ASSERT_OK(&scene, jobs_get_queue_position(scene.store, expected[i], &position, &scene.error));
    ck_assert_uint_eq(position, i + 1);
  }
  ASSERT_OK(&scene, jobs_get_queue_position(scene.store, running, &position, &scene.error));
  ck_assert_uint_eq(position, 0);
  ck_assert_int_eq(jobs_get_queue_position(scene.store, "nobody", &position, &scene.error), ERROR_NOT_FOUND);
  free(ids);
  free(memory_bytes);
}
END_TEST

/* ---- deletion ---- */

START_TEST(deleted_job_leaves_nothing) {
  const int64_t blob = write_blob(9 << 20, 1);
  append(job, 1, 20, NULL);
  ASSERT_OK(&scene, store_scene_commit(&scene, &(struct job_update){.job_id = job, .checkpoint_blob = &blob}));
  ASSERT_OK(&scene, jobs_delete(scene.store, "first", &scene.error));
  static const char *const tables[] = {"jobs", "events", "blobs", "blob_pieces", "leftovers"};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) ck_assert_int_eq(store_scene_count(&scene, tables[i]), 0);
}
END_TEST

START_TEST(many_events_are_deleted_too) {
  append(job, 1, 25000, NULL);
  ck_assert_int_eq(store_scene_count(&scene, "events"), 25001);
  ASSERT_OK(&scene, jobs_delete(scene.store, "first", &scene.error));
  ck_assert_int_eq(store_scene_count(&scene, "events"), 0);
  ck_assert_int_eq(store_scene_count(&scene, "leftovers"), 0);
}
END_TEST

START_TEST(job_at_work_can_not_be_deleted) {
  static const enum job_state busy[] = {JOB_RUNNING, JOB_PAUSING, JOB_CANCELLING},
                              idle[] = {JOB_QUEUED, JOB_PAUSED, JOB_SUCCEEDED, JOB_FAILED};
  for (size_t i = 0; i < 3; i++) {
    set_state(job, busy[i]);
    ASSERT_FAILS(&scene, ERROR_CONFLICT, job_state_names[busy[i]], jobs_delete(scene.store, job, &scene.error));
  }
  for (size_t i = 0; i < 4; i++) {
    char id[STORE_ID_BYTES];
    store_scene_insert_job(&scene, "", 50, id);
    set_state(id, idle[i]);
    ASSERT_OK(&scene, jobs_delete(scene.store, id, &scene.error));
  }
}
END_TEST

static void add_rows(Suite *suite) {
  TCase *rows = suite_add_case(suite, "rows");
  tcase_add_checked_fixture(rows, begin, end);
  tcase_add_test(rows, new_job_is_queued_with_its_first_event);
  tcase_add_test(rows, taken_job_name_is_a_conflict_and_nothing_is_written);
  tcase_add_test(rows, update_sets_what_it_names_and_leaves_the_rest);
  tcase_add_test(rows, unexpected_state_is_a_conflict_that_says_both);
  tcase_add_test(rows, conflict_of_one_update_undoes_all);
  tcase_add_test(rows, several_jobs_are_updated_together);
  tcase_add_test(rows, update_of_an_unknown_job_is_not_found);
  tcase_add_test(rows, list_filters_by_state_and_leaves_texts_out);
  tcase_add_test(rows, queue_is_ordered_by_priority_then_age);
}

static void add_cases(Suite *suite) {
  add_rows(suite);
  TCase *events = suite_add_case(suite, "events");
  tcase_add_checked_fixture(events, begin, end);
  tcase_add_test(events, events_are_numbered_without_a_gap_within_each_job);
  tcase_add_test(events, metrics_of_a_step_that_is_stored_are_skipped);
  tcase_add_test(events, what_the_doctor_found_at_a_step_is_stored_once_before_its_metrics);
  tcase_add_test(events, same_step_twice_in_one_update_is_stored_once);
  tcase_add_test(events, events_are_listed_after_a_number_by_kind_and_limit);
  TCase *checkpoints = suite_add_case(suite, "checkpoints");
  tcase_add_checked_fixture(checkpoints, begin, end);
  tcase_add_test(checkpoints, new_checkpoint_replaces_the_old_one);
  tcase_add_test(checkpoints, checkpoint_survives_reopening);
  tcase_add_test(checkpoints, checkpoint_zero_drops_blob_and_position);
  tcase_add_test(checkpoints, checkpoint_that_is_not_whole_is_refused);
  tcase_add_test(checkpoints, finished_job_hands_over_its_model);
  TCase *deletion = suite_add_case(suite, "deletion");
  tcase_add_checked_fixture(deletion, begin, end);
  tcase_add_test(deletion, deleted_job_leaves_nothing);
  tcase_add_test(deletion, many_events_are_deleted_too);
  tcase_add_test(deletion, job_at_work_can_not_be_deleted);
}

int main(void) { return suite_main("store jobs", add_cases); }
