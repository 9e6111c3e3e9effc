/* backpropd: a neural-network training server. Wiring, and the order of starting and stopping. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/api/api.h"
#include "server/codec/job_translator.h"
#include "server/http/http.h"
#include "server/jobs/jobs.h"
#include "server/log.h"
#include "server/options.h"
#include "server/store/store.h"

enum {
  EXIT_BAD_OPTION = 2,
  STOP_SECONDS_MAX = 9,         /* the rest of a job's step, and all that follows */
  CLOSE_WAIT_MS = 3000,         /* for requests under way when the server stops */
  MALLOC_ARENAS = 2,            /* matrices are mapped one by one; small blocks need no arena a thread */
  MALLOC_MAP_BYTES = 256 << 10, /* what is larger goes back to the system when it is freed */
};

struct server {
  struct store *store;
  struct jobs *jobs;
  struct api *api;
  struct http_server *http;
};

static void configure_memory(void) {
  mallopt(M_ARENA_MAX, MALLOC_ARENAS);
  mallopt(M_MMAP_THRESHOLD, MALLOC_MAP_BYTES);
}

/* Each connection is a descriptor; the usual soft limit of 1024 is below what --max-connections may say. */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Blocked before the first thread starts, so that they reach sigwait and nothing else. */
static void block_signals(sigset_t *out_stops) {
  sigemptyset(out_stops);
  sigaddset(out_stops, SIGTERM);
  sigaddset(out_stops, SIGINT);
  pthread_sigmask(SIG_BLOCK, out_stops, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is told by errno, as a full disk is */
}

/* A step of a very large job may take longer than a stop may. Every answered write is on disk already, so leave as after kill -9. */
static void leave(int signal_number) {
  (void)signal_number;
  _exit(EXIT_SUCCESS);
}

static void limit_stop(void) {
  signal(SIGALRM, leave);
  alarm(STOP_SECONDS_MAX);
}

static enum error_code open_jobs(struct server *server, const struct options *options, struct error *error) {
  struct jobs_options jobs_options = {.workers = (size_t)options->workers,
                                      .threads = (size_t)options->threads,
                                      .memory_budget_bytes = options->memory_budget_bytes,
                                      .checkpoint_interval_ms = (int64_t)options->checkpoint_interval_ms};
  return jobs_create(server->store, &job_translator, &jobs_options, &server->jobs, error);
}

static enum error_code open_api(struct server *server, const struct options *options, struct error *error) {
  struct api_options api_options = {.version = BACKPROPD_VERSION,
                                    .workers = (size_t)options->workers,
                                    .threads = (size_t)options->threads,
                                    .memory_budget_bytes = jobs_get_memory_budget(server->jobs),
                                    .limits = options->limits};
  return api_create(server->store, server->jobs, &api_options, &server->api, error);
}

static void read_traffic(void *context, struct api_traffic *out_traffic) {
  struct http_counts counts;
  http_get_counts(context, &counts);
  *out_traffic = (struct api_traffic){counts.requests, counts.responses_4xx, counts.responses_5xx, counts.connections, counts.streams};
}

static enum error_code open_http(struct server *server, const struct options *options, struct error *error) {
  struct http_options http_options = {
      .listen = options->listen, .token_file = options->token_file, .allowed_hosts = options->allowed_hosts, .limits = options->limits};
  enum error_code code = http_open(server->api, &http_options, &server->http, error);
  if (code == ERROR_NONE) api_set_traffic(server->api, read_traffic, server->http);
  return code;
}

static enum error_code server_open(struct server *server, const struct options *options, struct error *error) {
  enum error_code code = store_open(options->data_dir, &server->store, error);
  if (code == ERROR_NONE) code = open_jobs(server, options, error);
  if (code == ERROR_NONE) code = open_api(server, options, error);
  if (code == ERROR_NONE) code = open_http(server, options, error);
  return code;
}

/* Nobody new, then the jobs (they write checkpoints), then whoever is still connected, then the disk. */
static void server_close(struct server *server) {
  if (server->http != NULL) http_quiesce(server->http);
  if (server->api != NULL) api_drain(server->api);
  if (server->jobs != NULL) jobs_stop(server->jobs);
  /* A handler that is still at work uses all below: every answered write is on disk already, so leave as after kill -9. */
  if (server->http != NULL && !http_close(server->http, CLOSE_WAIT_MS)) _exit(EXIT_SUCCESS);
  api_destroy(server->api);
  jobs_destroy(server->jobs);
  if (server->store != NULL) store_close(server->store);
}

static int serve(const struct options *options) {
  enum log_level level;
  if (log_parse_level(options->log_level, &level)) log_set_level(level);
  configure_memory();
  raise_descriptor_limit();
  sigset_t stops;
  block_signals(&stops);
  struct server server = {0};
  struct error error = {0};
  int status = EXIT_FAILURE;
  if (server_open(&server, options, &error) == ERROR_NONE) {
    printf("listening on %s\n", http_get_url(server.http));
    fflush(stdout);
    log_info("backpropd %s, data in %s", BACKPROPD_VERSION, options->data_dir);
    int signal_number = 0;
    sigwait(&stops, &signal_number);
    log_info("signal %d: stopping", signal_number);
    limit_stop();
    status = EXIT_SUCCESS;
  } else {
    log_error("can't start: %s", error.detail);
  }
  server_close(&server);
  return status;
}

int main(int argc, char **argv) {
  struct options options;
  struct error error = {0};
  if (options_parse(argc, argv, &options, &error) != ERROR_NONE) {
    fprintf(stderr, "backpropd: %s\n", error.detail);
    return EXIT_BAD_OPTION;
  }
  switch (options.action) {
  case OPTIONS_SHOW_HELP: options_print_help(stdout); return EXIT_SUCCESS;
  case OPTIONS_SHOW_VERSION: puts("backpropd " BACKPROPD_VERSION); return EXIT_SUCCESS;
  case OPTIONS_SERVE: break;
  }
  return serve(&options);
}
