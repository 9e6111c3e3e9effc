/* The MHD thread: libmicrohttpd's rounds, and what is done between two of them.
 *
 *     poll ──▶ MHD_run: accept, read, call serve_answer, write ──▶ answer what this round has gathered ──▶ MHD_run sends the answers ──▶ …
 *
 * So requests that were ready at once are computed at once, however many clients they come from, and none waits for others to arrive.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/http/server.h"

enum { STACK_BYTES = 512 << 10 };

/* True if there was something. */
static bool answer_gathered(struct http_server *server) {
  struct exchange *exchange = server->gathered;
  if (!exchange) return false;
  server->gathered = NULL;
  api_answer_gathered(server->api);
  lock_server(server);
  while (exchange) {
    struct exchange *next = exchange->next_queued;
    exchange->is_ready = true;
    exchange_release(exchange);
    exchange = next;
  }
  unlock_server(server);
  return true;
}

/* Closes the socket that new clients come by, once http_quiesce has asked for it. */
static void close_listener(struct http_server *server) {
  lock_server(server);
  bool is_due = server->is_quiesced && server->listener.socket >= 0;
  unlock_server(server);
  if (!is_due) return;
  (void)MHD_quiesce_daemon(server->daemon);
  close(server->listener.socket);
  lock_server(server);
  server->listener.socket = -1;
  pthread_cond_broadcast(&server->exchange_over);
  unlock_server(server);
}

/* Until libmicrohttpd has something to do, or the loop is over. */
static void wait_for_work(struct http_server *server, int epoll) {
  MHD_UNSIGNED_LONG_LONG timeout_ms;
  int pause_ms = -1;
  if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES) pause_ms = timeout_ms < 60000 ? (int)timeout_ms : 60000;
  if (pause_ms == 0) return;
  struct pollfd descriptors[2] = {{.fd = epoll, .events = POLLIN}, {.fd = server->loop.wake, .events = POLLIN}};
  uint64_t wake_count;
  if (poll(descriptors, 2, pause_ms) > 0 && descriptors[1].revents) (void)!read(server->loop.wake, &wake_count, sizeof wake_count);
}

static void *run_loop(void *context) {
  struct http_server *server = context;
  int epoll = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  while (!atomic_load_explicit(&server->loop.is_over, memory_order_relaxed)) {
    (void)MHD_run(server->daemon);
    close_listener(server);
    if (!answer_gathered(server)) wait_for_work(server, epoll);
  }
  (void)answer_gathered(server);
  (void)MHD_run(server->daemon);
  return NULL;
}

enum error_code loop_start(struct http_server *server, struct error *error) {
  struct loop *loop = &server->loop;
  loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (loop->wake < 0) return error_set(error, ERROR_UNAVAILABLE, "can't start the HTTP thread: %s", strerror(errno));
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
  int failure = pthread_create(&loop->thread, &attributes, run_loop, server);
  pthread_attr_destroy(&attributes);
  if (failure) return error_set(error, ERROR_UNAVAILABLE, "can't start the HTTP thread: %s", strerror(failure));
  loop->is_started = true;
  return ERROR_NONE;
}

void loop_wake(struct http_server *server) {
  uint64_t one = 1;
  (void)!write(server->loop.wake, &one, sizeof one);
}

void loop_stop(struct http_server *server) {
  struct loop *loop = &server->loop;
  if (loop->is_started) {
    atomic_store(&loop->is_over, true);
    loop_wake(server);
    (void)pthread_join(loop->thread, NULL);
    loop->is_started = false;
  }
  if (loop->wake >= 0) close(loop->wake);
  loop->wake = -1;
}
