/* The real server as a child process of a test: started on 127.0.0.1 and a free port, stopped politely or by kill -9, started again on
 * the same data directory. The binary is $BACKPROPD or, beside a test in build/tests/…, build/backpropd.
 *
 * A function that fails ends the test through Check. A server dies with the test that started it, and with the thread that did so: start
 * servers from a test's main thread.
 */
#ifndef TESTS_SUPPORT_SERVER_PROCESS_H
#define TESTS_SUPPORT_SERVER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct server_process {
  pid_t pid; /* 0: not running */
  int port;
  char url[64];        /* "http://127.0.0.1:43121" */
  char directory[128]; /* temporary folder of this server, removed by server_cleanup */
  char data_dir[160];  /* below it */
  char log_path[160];  /* what the server writes to stderr, over all its starts */
  int output;          /* read end of its stdout */
};

/* Makes the temporary folder and starts the server. `arguments`: further ones, NULL at the end, or NULL. --listen 127.0.0.1:0 and
 * --data-dir come by themselves. Returns once the server said that it listens. */
void server_start(struct server_process *server, const char *const *arguments);

/* Starts it again on the same data directory, after server_stop or server_kill. */
void server_restart(struct server_process *server, const char *const *arguments);

/* SIGTERM, and waits. Returns the exit status, or 128 + signal. */
int server_stop(struct server_process *server);

/* kill -9, and waits. */
void server_kill(struct server_process *server);

bool server_is_alive(struct server_process *server);

/* Resident memory in bytes (VmRSS), or its highest value so far (VmHWM). */
size_t server_get_memory_bytes(const struct server_process *server);
size_t server_get_peak_memory_bytes(const struct server_process *server);

/* Kills it if it still runs and removes its folder. */
void server_cleanup(struct server_process *server);

/* PRAGMA integrity_check and foreign_key_check of the stopped server's database; ends the test if it isn't whole. */
void server_assert_database_is_whole(const struct server_process *server);

/* The usual end: it stops with 0, its database is whole, and its folder goes. */
void server_end(struct server_process *server);

/* Entries of <data-dir>/datasets/: what uploads left there. */
size_t server_count_dataset_files(const struct server_process *server);

#endif
