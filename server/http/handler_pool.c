/* Handler threads. Three pools of the same kind: short requests wait in a bounded queue, long ones in another; uploads, whose handlers live
 * as long as their clients take to send, have threads of their own and never wait.
 */
#include "server/http/server.h"

#include <stdlib.h>
#include <string.h>

/* A struct error (8 KiB), 32 levels of JSON, SQLite: 256 KiB hold it; sanitizers take more. */
enum { STACK_BYTES = 512 << 10 };

/* Called with the lock held, which is let go while the handler works. */
static void handle(struct exchange *exchange, struct response *out_response) {
  struct http_server *server = exchange->server;
  unlock_server(server);
  response_init(out_response);
  api_handle(server->api, exchange->match.route, &exchange->request, out_response);
  lock_server(server);
}

/* Under the lock. Has a request handled again by a thread for long ones; false if too many wait for those. */
static bool defer(struct exchange *exchange) {
  exchange->request.may_take_long = true;
  return handler_pool_submit(&exchange->server->long_requests, exchange);
}

/* Under the lock, which is let go for a moment. */
static void refuse(struct exchange *exchange, struct response *response) {
  struct error error;
  error_clear(&error);
  (void)error_set(&error, ERROR_UNAVAILABLE, "too many long requests wait; try again later");
  unlock_server(exchange->server);
  response_deinit(response);
  api_render_error(&error, exchange->request_id, response);
  lock_server(exchange->server);
}

/* Called with the lock held, which is let go meanwhile. */
static void answer(struct handler_pool *pool, struct exchange *exchange) {
  struct http_server *server = pool->server;
  struct response response;
  handle(exchange, &response);
  bool is_deferred = response.is_deferred && defer(exchange);
  if (!is_deferred) {
    if (response.is_deferred) refuse(exchange, &response);
    exchange->response = response;
    exchange->is_ready = true;
    exchange_resume(exchange);
  }
  pool->under_way--;
  exchange_release(exchange);
  pthread_cond_broadcast(&server->exchange_over);
}

/* Under the lock. Its client is gone. */
static void drop(struct handler_pool *pool, struct exchange *exchange) {
  pool->under_way--;
  exchange_release(exchange);
  pthread_cond_broadcast(&pool->server->exchange_over);
}

static void *run_thread(void *context) {
  struct handler_pool *pool = context;
  struct http_server *server = pool->server;
  lock_server(server);
  while (!server->is_stopping) {
    struct exchange *exchange = pool->first;
    if (!exchange) {
      pthread_cond_wait(&pool->available, &server->lock);
      continue;
    }
    pool->first = exchange->next_queued;
    if (!pool->first) pool->last = NULL;
    if (server->is_aborting)
      drop(pool, exchange);
    else
      answer(pool, exchange);
  }
  unlock_server(server);
  return NULL;
}

enum error_code handler_pool_start(struct handler_pool *pool, struct http_server *server, size_t thread_count, size_t waiting_max,
                                   struct error *error) {
  pool->server = server;
  pool->under_way_max = thread_count + waiting_max;
  pool->threads = calloc(thread_count, sizeof *pool->threads);
  if (!pool->threads) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu threads", thread_count);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
  int failure = 0;
  while (pool->thread_count < thread_count) {
    failure = pthread_create(&pool->threads[pool->thread_count], &attributes, run_thread, pool);
    if (failure) break;
    pool->thread_count++;
  }
  pthread_attr_destroy(&attributes);
  if (failure) return error_set(error, ERROR_UNAVAILABLE, "can't start a handler thread: %s", strerror(failure));
  return ERROR_NONE;
}

bool handler_pool_submit(struct handler_pool *pool, struct exchange *exchange) {
  if (pool->under_way == pool->under_way_max) return false;
  pool->under_way++;
  exchange->references++;
  exchange->next_queued = NULL;
  if (pool->last)
    pool->last->next_queued = exchange;
  else
    pool->first = exchange;
  pool->last = exchange;
  pthread_cond_signal(&pool->available);
  return true;
}

void handler_pool_stop(struct handler_pool *pool) {
  if (!pool->threads) return;
  lock_server(pool->server);
  pthread_cond_broadcast(&pool->available);
  unlock_server(pool->server);
  for (size_t i = 0; i < pool->thread_count; i++) (void)pthread_join(pool->threads[i], NULL);
  free(pool->threads);
  pool->threads = NULL;
}
