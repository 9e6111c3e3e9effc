/* Handler threads. Three pools of the same kind: short requests wait in a bounded queue, long ones in another; uploads, whose handlers live as
 * long as their clients take to send, have threads of their own and never wait.
 */
#include "server/http/server.h"

#include <stdlib.h>
#include <string.h>

/* A struct error (8 KiB), 32 levels of JSON, SQLite: 256 KiB hold it; sanitizers take more. */
enum { STACK_BYTES = 512 << 10 };

/* Called with the lock held, which is let go while the handler works. */
static void answer(struct handler_pool *pool, struct exchange *exchange) {
  struct http_server *server = pool->server;
  struct response response;
  unlock_server(server);
  response_init(&response);
  api_handle(server->api, exchange->match.route, &exchange->request, &response);
  lock_server(server);
  pool->under_way--;
  exchange->response = response;
  exchange->is_ready = true;
  exchange_resume(exchange);
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
