/* Connections and their deadlines. libmicrohttpd only knows how long a connection has been silent; a client that sends a byte now and then
 * would hold its place for ever. So each connection carries a deadline that fits what we wait for, and the streamer thread sweeps.
 *
 *     connected, or the last exchange is over ──▶ header deadline (a longer one between requests)
 *     request line read ──▶ header deadline      body ──▶ idle deadline, moved by each part      handler or response ──▶ none
 */
#include "server/http/server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { SWEEP_MS_MIN = 10, SWEEP_MS_MAX = 1000 };

static struct connection *connection_create(struct http_server *server, struct MHD_Connection *mhd) {
  struct connection *connection = calloc(1, sizeof *connection);
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (!connection || !info) {
    free(connection);
    return NULL;
  }
  connection->server = server;
  connection->socket = info->connect_fd;
  connection->deadline_ms = http_get_clock_ms() + (int64_t)server->limits.header_timeout_ms;
  return connection;
}

void connection_notify(void *context, struct MHD_Connection *mhd, void **socket_context, enum MHD_ConnectionNotificationCode code) {
  struct http_server *server = context;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    struct connection *connection = *socket_context = connection_create(server, mhd);
    atomic_fetch_add(&server->connection_count, 1);
    if (!connection) return; /* serve_begin_exchange refuses its requests */
    lock_server(server);
    connection->next = server->connections;
    if (connection->next) connection->next->previous = connection;
    server->connections = connection;
    if (!connection->next) pthread_cond_signal(&server->streamer_wanted); /* it doesn't sweep while there are none */
    unlock_server(server);
    return;
  }
  struct connection *connection = *socket_context;
  atomic_fetch_sub(&server->connection_count, 1);
  if (!connection) return;
  lock_server(server);
  if (connection->previous)
    connection->previous->next = connection->next;
  else
    server->connections = connection->next;
  if (connection->next) connection->next->previous = connection->previous;
  unlock_server(server);
  free(connection);
  *socket_context = NULL;
}

void connection_set_deadline(struct connection *connection, int64_t deadline_ms) {
  if (connection) connection->deadline_ms = deadline_ms;
}

bool connection_has_ended(const struct connection *connection) {
  char byte;
  ssize_t got = recv(connection->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* Under the lock. libmicrohttpd 0.9.75 misses the end of a connection that comes together with its last bytes, as its epoll is
 * edge-triggered. Closing our reading side, which is over anyway, makes epoll tell it again. */
static void point_out_end(struct connection *connection) {
  char byte;
  if (recv(connection->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) (void)shutdown(connection->socket, SHUT_RD);
}

int64_t connections_sweep(struct http_server *server, int64_t now_ms) {
  if (!server->connections) return 0;
  const struct server_limits *limits = &server->limits;
  int64_t shortest_ms =
      (int64_t)(limits->header_timeout_ms < limits->body_idle_timeout_ms ? limits->header_timeout_ms : limits->body_idle_timeout_ms);
  int64_t pause_ms = shortest_ms / 4 < SWEEP_MS_MIN ? SWEEP_MS_MIN : shortest_ms / 4 > SWEEP_MS_MAX ? SWEEP_MS_MAX : shortest_ms / 4;
  for (struct connection *connection = server->connections; connection; connection = connection->next) {
    if (connection->deadline_ms == 0) continue;
    if (connection->deadline_ms > now_ms) {
      point_out_end(connection);
      continue;
    }
    /* The socket is still open: libmicrohttpd closes it only after it has told connection_notify, which takes the lock. */
    connection->is_timed_out = true;
    connection->deadline_ms = 0;
    (void)shutdown(connection->socket, SHUT_RDWR);
  }
  return now_ms + pause_ms;
}
