#include "tests/support/server_process.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_TIMEOUT_MS = 120000, ARGUMENTS_MAX = 32 };

/* $BACKPROPD, or the backpropd of the build folder that this test binary lies in. */
static void find_binary(char *path, size_t path_bytes) {
  const char *given = getenv("BACKPROPD");
  if (given != NULL && given[0] != '\0') {
    ck_assert_int_lt(snprintf(path, path_bytes, "%s", given), (int)path_bytes);
    return;
  }
  ssize_t length = readlink("/proc/self/exe", path, path_bytes - 1);
  ck_assert_int_gt(length, 0);
  path[length] = '\0';
  char *tests = strstr(path, "/tests/");
  ck_assert_msg(tests != NULL, "no build folder above %s", path);
  ck_assert_int_lt(snprintf(tests, path_bytes - (size_t)(tests - path), "/backpropd"), (int)(path_bytes - (size_t)(tests - path)));
}

static void run_child(const struct server_process *server, const char *const *arguments, int output, pid_t parent) {
  char binary[4096];
  find_binary(binary, sizeof binary);
  const char *all[ARGUMENTS_MAX + 6] = {binary, "--listen", "127.0.0.1:0", "--data-dir", server->data_dir};
  for (size_t i = 0; arguments != NULL && arguments[i] != NULL && i < ARGUMENTS_MAX; i++) all[5 + i] = arguments[i];
  int log_file = open(server->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_file < 0 || dup2(log_file, STDERR_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  execv(binary, (char *const *)all);
  _exit(127);
}

/* Reads stdout until the line that names the URL. */
static void wait_until_listening(struct server_process *server) {
  static const char prefix[] = "listening on ";
  char text[1024] = "";
  size_t length = 0;
  for (;;) {
    struct pollfd entry = {.fd = server->output, .events = POLLIN};
    int ready = poll(&entry, 1, START_TIMEOUT_MS);
    if (ready < 0 && errno == EINTR) continue;
    ck_assert_msg(ready > 0, "the server did not say that it listens; its log is %s", server->log_path);
    ssize_t count = read(server->output, text + length, sizeof text - 1 - length);
    ck_assert_msg(count > 0, "the server ended before it listened; its log is %s", server->log_path);
    length += (size_t)count;
    text[length] = '\0';
    char *line = strstr(text, prefix);
    char *end = line == NULL ? NULL : strchr(line, '\n');
    if (end == NULL) continue;
    *end = '\0';
    snprintf(server->url, sizeof server->url, "%.60s", line + strlen(prefix));
    const char *colon = strrchr(server->url, ':');
    ck_assert_ptr_nonnull(colon);
    server->port = atoi(colon + 1);
    ck_assert_int_gt(server->port, 0);
    return;
  }
}

void server_start(struct server_process *server, const char *const *arguments) {
  memset(server, 0, sizeof *server);
  server->output = -1;
  snprintf(server->directory, sizeof server->directory, "/tmp/backpropd-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(server->directory));
  snprintf(server->data_dir, sizeof server->data_dir, "%s/data", server->directory);
  snprintf(server->log_path, sizeof server->log_path, "%s/log", server->directory);
  server_restart(server, arguments);
}

void server_restart(struct server_process *server, const char *const *arguments) {
  ck_assert_int_eq(server->pid, 0);
  int ends[2];
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  pid_t parent = getpid();
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) run_child(server, arguments, ends[1], parent);
  close(ends[1]);
  server->pid = pid;
  server->output = ends[0];
  wait_until_listening(server);
}

static int wait_for_end(struct server_process *server) {
  int status = 0;
  while (waitpid(server->pid, &status, 0) < 0) ck_assert_int_eq(errno, EINTR);
  server->pid = 0;
  if (server->output >= 0) close(server->output);
  server->output = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int server_stop(struct server_process *server) {
  ck_assert_int_gt(server->pid, 0);
  kill(server->pid, SIGTERM);
  return wait_for_end(server);
}

void server_kill(struct server_process *server) {
  ck_assert_int_gt(server->pid, 0);
  kill(server->pid, SIGKILL);
  wait_for_end(server);
}

bool server_is_alive(struct server_process *server) {
  if (server->pid <= 0) return false;
  int status = 0;
  pid_t ended = waitpid(server->pid, &status, WNOHANG);
  if (ended == 0) return true;
  server->pid = 0;
  return false;
}

static size_t read_status_bytes(const struct server_process *server, const char *label) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", (int)server->pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  size_t kibibytes = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, label, strlen(label)) == 0) kibibytes = strtoull(line + strlen(label), NULL, 10);
  }
  fclose(file);
  return kibibytes * 1024;
}

size_t server_get_memory_bytes(const struct server_process *server) { return read_status_bytes(server, "VmRSS:"); }
size_t server_get_peak_memory_bytes(const struct server_process *server) { return read_status_bytes(server, "VmHWM:"); }

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

void server_cleanup(struct server_process *server) {
  if (server->pid > 0) server_kill(server);
  if (server->directory[0] != '\0') nftw(server->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  server->directory[0] = '\0';
}

static void assert_pragma_answers(sqlite3 *database, const char *pragma, const char *expected) {
  sqlite3_stmt *statement = NULL;
  ck_assert_int_eq(sqlite3_prepare_v2(database, pragma, -1, &statement, NULL), SQLITE_OK);
  if (sqlite3_step(statement) == SQLITE_ROW) {
    const char *answer = (const char *)sqlite3_column_text(statement, 0);
    ck_assert_msg(expected != NULL && strcmp(answer, expected) == 0, "%s: %s", pragma, answer);
  } else {
    ck_assert_msg(expected == NULL, "%s: no answer", pragma);
  }
  sqlite3_finalize(statement);
}

void server_assert_database_is_whole(const struct server_process *server) {
  ck_assert_int_eq(server->pid, 0);
  char path[256];
  snprintf(path, sizeof path, "%s/backpropd.db", server->data_dir);
  sqlite3 *database = NULL;
  ck_assert_int_eq(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
  assert_pragma_answers(database, "PRAGMA integrity_check", "ok");
  assert_pragma_answers(database, "PRAGMA foreign_key_check", NULL);
  sqlite3_close(database);
}

void server_end(struct server_process *server) {
  ck_assert_int_eq(server_stop(server), 0);
  server_assert_database_is_whole(server);
  server_cleanup(server);
}

size_t server_count_dataset_files(const struct server_process *server) {
  char path[256];
  snprintf(path, sizeof path, "%s/datasets", server->data_dir);
  DIR *folder = opendir(path);
  if (folder == NULL) return 0;
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
    count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  closedir(folder);
  return count;
}
