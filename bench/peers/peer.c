#include "bench/peers/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_LIMIT_MS = 600 * 1000 }; /* torch.compile may take a minute, and a match has four ways to compile; nothing takes ten */

static void give_up(struct peer *peer, const char *reason) {
  (void)snprintf(peer->reason, sizeof peer->reason, "%s", reason);
  peer_stop(peer);
}

/* Reads one line that starts with `word` and a space; *out_rest: what follows, without the line's end. Lines are never buffered ahead of
 * poll: a peer says one line, then waits. */
static bool hear(struct peer *peer, char *line, size_t line_bytes) {
  struct pollfd wait = {.fd = fileno(peer->out), .events = POLLIN};
  if (poll(&wait, 1, ANSWER_LIMIT_MS) != 1) {
    give_up(peer, "gave no answer in time");
    return false;
  }
  if (fgets(line, (int)line_bytes, peer->out) == NULL) {
    give_up(peer, "ended before its time (see its errors above)");
    return false;
  }
  line[strcspn(line, "\n")] = '\0';
  return true;
}

static const char *after(const char *line, const char *word) {
  const size_t length = strlen(word);
  return strncmp(line, word, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

bool peer_start(struct peer *peer, const char *command) {
  int to[2], from[2];
  if (pipe(to) != 0 || pipe(from) != 0) return false;
  peer->pid = fork();
  if (peer->pid == 0) {
    (void)dup2(to[0], STDIN_FILENO);
    (void)dup2(from[1], STDOUT_FILENO);
    (void)close(to[0]), (void)close(to[1]), (void)close(from[0]), (void)close(from[1]);
    char line[1024];
    (void)snprintf(line, sizeof line, "exec %s", command);
    (void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(127);
  }
  (void)close(to[0]), (void)close(from[1]);
  if (peer->pid < 0) return false;
  /* Later peers must not inherit these ends, or this one would never see the end of its input. */
  (void)fcntl(to[1], F_SETFD, FD_CLOEXEC), (void)fcntl(from[0], F_SETFD, FD_CLOEXEC);
  peer->in = fdopen(to[1], "w");
  peer->out = fdopen(from[0], "r");
  peer->is_alive = peer->in != NULL && peer->out != NULL;
  char answer[PEER_TEXT_BYTES];
  if (!peer->is_alive || !hear(peer, answer, sizeof answer)) return false;
  const char *label = after(answer, "hello");
  if (label == NULL) {
    give_up(peer, answer);
    return false;
  }
  (void)snprintf(peer->label, sizeof peer->label, "%s", label);
  return true;
}

bool peer_open(struct peer *peer, const char *folder) {
  if (!peer->is_alive) return false;
  char answer[PEER_TEXT_BYTES];
  if (fprintf(peer->in, "open %s\n", folder) < 0 || fflush(peer->in) != 0) {
    give_up(peer, "ended before its time (see its errors above)");
    return false;
  }
  if (!hear(peer, answer, sizeof answer)) return false;
  const char *setting = after(answer, "ready"), *reason = after(answer, "cannot");
  (void)snprintf(peer->setting, sizeof peer->setting, "%s", setting ? setting : "");
  (void)snprintf(peer->reason, sizeof peer->reason, "%s", setting ? "" : reason ? reason : answer);
  return setting != NULL;
}

bool peer_run(struct peer *peer, double seconds, struct outcome *out_outcome) {
  char answer[PEER_TEXT_BYTES];
  if (fprintf(peer->in, "run %.3f\n", seconds) < 0 || fflush(peer->in) != 0) {
    give_up(peer, "ended before its time (see its errors above)");
    return false;
  }
  if (!hear(peer, answer, sizeof answer)) return false;
  const char *numbers = after(answer, "done");
  char *end = NULL;
  if (numbers == NULL) {
    give_up(peer, answer);
    return false;
  }
  out_outcome->step_seconds = strtod(numbers, &end);
  out_outcome->share = strtod(end, &end);
  out_outcome->loss = strtod(end, &end);
  return true;
}

void peer_stop(struct peer *peer) {
  if (!peer->is_alive) return;
  peer->is_alive = false;
  (void)fclose(peer->in);
  (void)fclose(peer->out);
  (void)kill(peer->pid, SIGTERM);
  (void)waitpid(peer->pid, NULL, 0);
}
