/* A store in a directory of its own, for tests. */
#ifndef TESTS_SUPPORT_STORE_SCENE_H
#define TESTS_SUPPORT_STORE_SCENE_H

#include <check.h>

#include "server/store/jobs.h"

struct store_scene {
  char dir[32];
  struct store *store; /* NULL while closed */
  struct error error;  /* for the calls of the test */
};

/* Fails the test, with the store's own words, unless the call succeeds. */
#define ASSERT_OK(scene, call) ck_assert_msg((call) == ERROR_NONE, "%s: %s", #call, (scene)->error.detail)
/* Fails the test unless the call ends with `expected` and a sentence that contains `words`. */
#define ASSERT_FAILS(scene, expected, words, call)                                                                                         \
  do {                                                                                                                                     \
    ck_assert_int_eq((call), (expected));                                                                                                  \
    ck_assert_msg(strstr((scene)->error.detail, (words)) != NULL, "\"%s\" lacks \"%s\"", (scene)->error.detail, (words));                  \
  } while (0)

/* A new directory, with an open store. */
void store_scene_begin(struct store_scene *scene);
void store_scene_close(struct store_scene *scene);
void store_scene_reopen(struct store_scene *scene);
/* Closes and removes everything. */
void store_scene_end(struct store_scene *scene);

/* Asks the database itself: first column of the first row, or the rows of `table`. */
int64_t store_scene_ask(const struct store_scene *scene, const char *sql);
int64_t store_scene_count(const struct store_scene *scene, const char *table);
void store_scene_execute(const struct store_scene *scene, const char *sql);
/* PRAGMA integrity_check and foreign_key_check find nothing. */
void store_scene_assert_whole(const struct store_scene *scene);

/* Inserts a queued job; name "" for a default one. */
void store_scene_insert_job(struct store_scene *scene, const char *name, int64_t priority, char out_id[STORE_ID_BYTES]);
/* One update of one job. */
enum error_code store_scene_commit(struct store_scene *scene, const struct job_update *update);
/* A metrics event with data {"step":…}; free with event_row_deinit. */
struct event_row store_scene_make_metrics(uint64_t step);

/* byte_count bytes that depend on `seed`; malloc'd. */
unsigned char *store_scene_make_bytes(size_t byte_count, uint64_t seed);

/* An empty file of that name in datasets/. */
void store_scene_make_file(const struct store_scene *scene, const char *name);
bool store_scene_has_file(const struct store_scene *scene, const char *name);

#endif
