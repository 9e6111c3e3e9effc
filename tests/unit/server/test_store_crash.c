/* What DESIGN.md section 4 promises of the store: a process that writes is killed at random moments, again and again, and what it had
 * acknowledged is there, each metrics step once, the checkpoint whole, and nothing is left lying about.
 *
 * The child trains: it resumes from the checkpoint's position, commits metrics in batches, checkpoints (small ones and ones of several
 * pieces), sometimes ends a job with a model and starts another, and uploads and deletes datasets. After each commit it writes what it
 * was told is on disk into a pipe. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/store/blobs.h"
#include "server/store/datasets.h"
#include "tests/support/store_scene.h"
#include "tests/support/suite.h"

enum { ROUNDS = 24, STEPS_PER_COMMIT = 5, STEPS_PER_JOB = 200, ACKNOWLEDGED_MAX = 4096 };

/* What the child knows to be on disk. */
struct acknowledgement {
  char job[STORE_ID_BYTES];
  uint64_t step;            /* metrics up to here */
  uint64_t checkpoint_step; /* 0: this commit had none */
  char model[STORE_ID_BYTES];
  char dataset[STORE_ID_BYTES], deleted_dataset[STORE_ID_BYTES];
};

static struct store_scene scene;

static void begin(void) { store_scene_begin(&scene); }
static void end(void) { store_scene_end(&scene); }

/* ---- the child ---- */

struct child {
  struct store_scene *scene;
  int pipe;
  unsigned random;
  char job[STORE_ID_BYTES];
  char dataset[STORE_ID_BYTES];
};

static void need(enum error_code code) {
  if (code != ERROR_NONE) _exit(3);
}

static void acknowledge(struct child *child, const struct acknowledgement *acknowledgement) {
  if (write(child->pipe, acknowledgement, sizeof *acknowledgement) != (ssize_t)sizeof *acknowledgement) _exit(4);
}

static size_t choose_size(struct child *child, uint64_t step) {
  child->random = child->random * 1103515245u + 12345u;
  return (child->random >> 16) % 3 == 0 ? (size_t)(9 << 20) + step : 20000 + step;
}

static int64_t write_state(struct child *child, uint64_t step) {
  size_t byte_count = choose_size(child, step);
  unsigned char *bytes = store_scene_make_bytes(byte_count, step);
  int64_t blob;
  need(blobs_write(child->scene->store, bytes, byte_count, &blob, &child->scene->error));
  free(bytes);
  return blob;
}

static void exchange_dataset(struct child *child, uint64_t step) {
  struct acknowledgement done = {.dataset = ""};
  struct dataset_row row = {.index_stride = 1};
  (void)snprintf(row.file, sizeof row.file, "%d-%llu.csv", (int)getpid(), (unsigned long long)step);
  store_scene_make_file(child->scene, row.file);
  need(datasets_insert(child->scene->store, &row, &child->scene->error));
  memcpy(done.dataset, row.id, STORE_ID_BYTES);
  acknowledge(child, &done);
  if (child->dataset[0]) {
    need(datasets_delete(child->scene->store, child->dataset, &child->scene->error));
    done = (struct acknowledgement){.dataset = ""};
    memcpy(done.deleted_dataset, child->dataset, STORE_ID_BYTES);
    acknowledge(child, &done);
  }
  memcpy(child->dataset, row.id, STORE_ID_BYTES);
}

/* Commits the metrics of the next steps, with a checkpoint at every fourth time, the model at the end. */
static void commit_steps(struct child *child, uint64_t first_step) {
  struct event_row events[STEPS_PER_COMMIT];
  for (size_t i = 0; i < STEPS_PER_COMMIT; i++) events[i] = store_scene_make_metrics(first_step + i);
  const uint64_t step = first_step + STEPS_PER_COMMIT - 1;
  struct acknowledgement done = {.step = step};
  memcpy(done.job, child->job, STORE_ID_BYTES);
  struct job_update update = {.job_id = child->job, .events = events, .event_count = STEPS_PER_COMMIT};
  int64_t blob = 0;
  struct model_row model = {.parameter_count = 1};
  if (step % STEPS_PER_JOB == 0) {
    model.weights_blob = write_state(child, step);
    update.model = &model;
    update.checkpoint_blob = &blob; /* 0: drop it */
    update.sets_state = true;
    update.state = JOB_SUCCEEDED;
  } else if (step % (4 * STEPS_PER_COMMIT) == 0) {
    blob = write_state(child, step);
    update.checkpoint_blob = &blob;
    update.position = &step;
    update.position_bytes = sizeof step;
    done.checkpoint_step = step;
  }
  need(store_scene_commit(child->scene, &update));
  memcpy(done.model, model.id, STORE_ID_BYTES);
  acknowledge(child, &done);
  for (size_t i = 0; i < STEPS_PER_COMMIT; i++) event_row_deinit(&events[i]);
}

/* The unfinished job that is there, or a new one; returns the step its checkpoint stands at. */
static uint64_t resume(struct child *child) {
  struct job_row *rows, row;
  size_t count;
  char next[sizeof(((struct store_page *)0)->cursor)];
  struct store *store = child->scene->store;
  need(jobs_list(store, &(struct store_page){.limit = 1}, JOB_STATES_UNFINISHED, &rows, &count, next, &child->scene->error));
  if (count == 0) {
    store_scene_insert_job(child->scene, "", 50, child->job);
    free(rows);
    return 0;
  }
  memcpy(child->job, rows[0].id, STORE_ID_BYTES);
  job_row_deinit(&rows[0]);
  free(rows);
  uint64_t step = 0;
  need(jobs_get(store, child->job, &row, &child->scene->error));
  if (row.position_bytes == sizeof step) memcpy(&step, row.position, sizeof step);
  job_row_deinit(&row);
  return step;
}

static void run_child(int pipe, unsigned seed) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct child child = {.scene = &scene, .pipe = pipe, .random = seed};
  need(store_open(scene.dir, &scene.store, &scene.error));
  for (;;) {
    uint64_t step = resume(&child);
    do {
      commit_steps(&child, step + 1);
      step += STEPS_PER_COMMIT;
      if (step % 35 == 0) exchange_dataset(&child, step);
    } while (step % STEPS_PER_JOB != 0);
  }
}

/* ---- the parent ---- */

/* Starts a child, kills it after `delay_ms`, and returns how many acknowledgements it gave. */
static size_t run_round(unsigned seed, int delay_ms, struct acknowledgement *out_acknowledged) {
  int ends[2];
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    (void)close(ends[0]);
    run_child(ends[1], seed);
    _exit(5);
  }
  (void)close(ends[1]);
  size_t count = 0;
  bool is_killed = false, has_started = false;
  int64_t kill_at_ms = store_now_ms() + 60000;
  while (count < ACKNOWLEDGED_MAX) {
    int64_t left_ms = kill_at_ms - store_now_ms();
    struct pollfd waiting = {.fd = ends[0], .events = POLLIN};
    if (!is_killed && poll(&waiting, 1, left_ms > 0 ? (int)left_ms : 0) == 0) {
      (void)kill(child, SIGKILL);
      is_killed = true;
    }
    /* Small writes into a pipe are whole or not there. */
    if (read(ends[0], &out_acknowledged[count], sizeof *out_acknowledged) != (ssize_t)sizeof *out_acknowledged) break;
    count++;
    /* The delay counts from the first write on, so that a slow start doesn't make the round empty. */
    if (!has_started) kill_at_ms = store_now_ms() + delay_ms;
    has_started = true;
  }
  (void)kill(child, SIGKILL);
  (void)close(ends[0]);
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended by itself, status %d", status);
  return count;
}

static void assert_checkpoint_is_whole(const char *job_id) {
  struct job_row job;
  ASSERT_OK(&scene, jobs_get(scene.store, job_id, &job, &scene.error));
  if (job.checkpoint_blob != 0) {
    uint64_t step;
    size_t byte_count;
    ck_assert_uint_eq(job.position_bytes, sizeof step);
    memcpy(&step, job.position, sizeof step);
    ASSERT_OK(&scene, blobs_get_size(scene.store, job.checkpoint_blob, &byte_count, &scene.error));
    unsigned char *expected = store_scene_make_bytes(byte_count, step), *found = malloc(byte_count);
    ASSERT_OK(&scene, blobs_read(scene.store, job.checkpoint_blob, 0, found, byte_count, &scene.error));
    ck_assert(memcmp(expected, found, byte_count) == 0);
    free(expected);
    free(found);
  }
  job_row_deinit(&job);
}

/* A dataset is deleted only after the next one is acknowledged, so the last of a round is there. */
static void assert_last_dataset_is_there(const struct acknowledgement *acknowledged, size_t count) {
  while (count > 0 && !acknowledged[count - 1].dataset[0]) count--;
  if (count == 0) return;
  struct dataset_row dataset;
  ASSERT_OK(&scene, datasets_get(scene.store, acknowledged[count - 1].dataset, &dataset, &scene.error));
  ck_assert(store_scene_has_file(&scene, dataset.file));
  dataset_row_deinit(&dataset);
}

static void assert_acknowledged(const struct acknowledgement *done) {
  struct dataset_row dataset;
  if (done->deleted_dataset[0]) ck_assert_int_eq(datasets_get(scene.store, done->deleted_dataset, &dataset, &scene.error), ERROR_NOT_FOUND);
  if (!done->job[0]) return;
  struct job_row job;
  ASSERT_OK(&scene, jobs_get(scene.store, done->job, &job, &scene.error));
  ck_assert_uint_ge(job.last_metrics_step, done->step);
  uint64_t position = 0;
  if (job.position) memcpy(&position, job.position, sizeof position);
  if (job.state == JOB_QUEUED) ck_assert_uint_ge(position, done->checkpoint_step);
  if (done->model[0]) ck_assert_str_eq(job.model_id, done->model);
  job_row_deinit(&job);
}

static void assert_nothing_is_lost_repeated_or_left(void) {
  store_scene_assert_whole(&scene);
  static const char *const violations[] = {
      /* steps 1 … last, each once; numbers 1 … last, each once */
      "SELECT count(*) FROM jobs WHERE last_metrics_step <> (SELECT count(DISTINCT step) FROM events WHERE job = jobs.number AND kind = 0)",
      "SELECT count(*) FROM jobs WHERE last_metrics_step <> (SELECT count(*) FROM events WHERE job = jobs.number AND kind = 0)",
      "SELECT count(*) FROM jobs WHERE last_metrics_step <> (SELECT coalesce(max(step), 0) FROM events WHERE job = jobs.number AND kind = "
      "0)",
      "SELECT count(*) FROM jobs WHERE last_event <> (SELECT count(*) FROM events WHERE job = jobs.number)",
      "SELECT count(*) FROM jobs WHERE last_event <> (SELECT max(seq) FROM events WHERE job = jobs.number)",
      /* a job that ended has its model, and nothing else does */
      "SELECT count(*) FROM jobs WHERE (state = 6) <> (model_id IN (SELECT id FROM models))",
      /* blobs and pieces are those that are referred to */
      "SELECT count(*) FROM blobs WHERE number NOT IN (SELECT checkpoint_blob FROM jobs WHERE checkpoint_blob NOT NULL"
      " UNION SELECT weights_blob FROM models)",
      "SELECT count(*) FROM blob_pieces WHERE blob NOT IN (SELECT number FROM blobs)",
      "SELECT count(*) FROM blobs WHERE byte_count <> (SELECT sum(length(bytes)) FROM blob_pieces WHERE blob = blobs.number)",
      "SELECT count(*) FROM leftovers",
  };
  for (size_t i = 0; i < sizeof violations / sizeof *violations; i++)
    ck_assert_msg(store_scene_ask(&scene, violations[i]) == 0, "%s", violations[i]);
}

START_TEST(killed_writer_loses_nothing_it_acknowledged) {
  static struct acknowledgement acknowledged[ACKNOWLEDGED_MAX];
  size_t total = 0;
  unsigned seed = (unsigned)store_now_ms();
  for (unsigned round = 0; round < ROUNDS; round++) {
    store_scene_close(&scene);
    unsigned random = (seed + round) * 2654435761u >> 8;
    size_t count = run_round(seed + round, (int)(random % 120), acknowledged);
    total += count;
    ASSERT_OK(&scene, store_open(scene.dir, &scene.store, &scene.error));
    assert_nothing_is_lost_repeated_or_left();
    for (size_t i = 0; i < count; i++) assert_acknowledged(&acknowledged[i]);
    assert_last_dataset_is_there(acknowledged, count);
    if (count > 0 && acknowledged[count - 1].job[0]) assert_checkpoint_is_whole(acknowledged[count - 1].job);
  }
  ck_assert_uint_ge(total, ROUNDS); /* it did write */
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *crash = suite_add_case(suite, "crash");
  tcase_add_checked_fixture(crash, begin, end);
  tcase_add_test(crash, killed_writer_loses_nothing_it_acknowledged);
}

int main(void) { return suite_main("store crash", add_cases); }
