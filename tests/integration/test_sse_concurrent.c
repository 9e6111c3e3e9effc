/* Event streams: news reach clients at once, slow readers stop the reading, silent streams say that they live, and whoever leaves, or a
 * server that closes, leaves no source open. */
#include "server/limits.h"
#include "tests/integration/http_fixture.h"

enum { COMMENT_MS = 300, PATIENCE_MS = 20000 };

/* A source that hands out numbered events up to `published`, as the API's does from the store. */
struct source {
  pthread_mutex_t lock;
  void (*wake)(void *context);
  void *wake_context;
  long long next;
  int event_bytes;
};

static atomic_llong published, read_count;
static atomic_int open_count, read_failure;
static atomic_bool is_over;

static pthread_mutex_t sources_lock = PTHREAD_MUTEX_INITIALIZER;
static struct source *sources[2 * LIMIT_STREAMS];

static enum error_code read_source(void *context, char **out_text, size_t *out_bytes, bool *out_is_last, struct error *error) {
  struct source *source = context;
  *out_text = NULL;
  *out_bytes = 0;
  *out_is_last = false;
  atomic_fetch_add(&read_count, 1);
  if (atomic_load(&read_failure)) return error_set(error, ERROR_INTERNAL, "the store is gone");
  bool ends = atomic_load(&is_over);
  if (source->next > atomic_load(&published)) {
    *out_is_last = ends;
    return ERROR_NONE;
  }
  int bytes = asprintf(out_text, "id: %lld\nevent: metrics\ndata: %0*d\n\n", source->next, source->event_bytes, 7);
  if (bytes < 0) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory");
  *out_bytes = (size_t)bytes;
  source->next++;
  return ERROR_NONE;
}

static void set_source_wake(void *context, void (*wake)(void *wake_context), void *wake_context) {
  struct source *source = context;
  pthread_mutex_lock(&source->lock);
  source->wake = wake;
  source->wake_context = wake_context;
  pthread_mutex_unlock(&source->lock);
}

static void close_source(void *context) {
  struct source *source = context;
  pthread_mutex_lock(&sources_lock);
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    if (sources[i] == source) sources[i] = NULL;
  }
  pthread_mutex_unlock(&sources_lock);
  pthread_mutex_destroy(&source->lock);
  free(source);
  atomic_fetch_sub(&open_count, 1);
}

/* As the hub does: wakes under its lock. */
static void wake_sources(void) {
  pthread_mutex_lock(&sources_lock);
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    if (!sources[i]) continue;
    pthread_mutex_lock(&sources[i]->lock);
    if (sources[i]->wake) sources[i]->wake(sources[i]->wake_context);
    pthread_mutex_unlock(&sources[i]->lock);
  }
  pthread_mutex_unlock(&sources_lock);
}

static void publish(long long count) {
  atomic_fetch_add(&published, count);
  wake_sources();
}

static enum error_code handle_events(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api;
  struct source *source = calloc(1, sizeof *source);
  if (!source) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory");
  pthread_mutex_init(&source->lock, NULL);
  const char *bytes = request_get_query(request, "bytes");
  source->event_bytes = bytes ? atoi(bytes) : 1;
  source->next = request->last_event_id ? atoll(request->last_event_id) + 1 : 1;
  atomic_fetch_add(&open_count, 1);
  pthread_mutex_lock(&sources_lock);
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    if (sources[i]) continue;
    sources[i] = source;
    break;
  }
  pthread_mutex_unlock(&sources_lock);
  response->events = (struct event_source){.context = source, .read = read_source, .set_wake = set_source_wake, .close = close_source};
  return ERROR_NONE;
}

static void set_up(void) { open_server((struct http_options){.stream_comment_ms = COMMENT_MS}); }
static void tear_down(void) {
  if (server) close_server();
  ck_assert_int_eq(atomic_load(&open_count), 0);
}

static int open_stream(const char *path, const char *headers) {
  int client = wire_connect(url);
  ck_assert(wire_send(client, make_request("GET", path, headers, "")));
  return client;
}

static void wait_for_sources(int count) {
  for (int i = 0; i < 4000 && atomic_load(&open_count) != count; i++) sleep_ms(5);
  ck_assert_int_eq(atomic_load(&open_count), count);
}

START_TEST(a_stream_begins_at_once_and_carries_what_is_published) {
  int client = open_stream("/v1/events", "");
  char *text = wire_receive_until(client, ": keep-alive", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(text), 200);
  ck_assert_str_eq(wire_get_header(text, "Content-Type"), "text/event-stream");
  ck_assert_str_eq(wire_get_header(text, "Cache-Control"), "no-cache");
  free(text);
  publish(1);
  text = wire_receive_until(client, "data: 7\n\n", PATIENCE_MS);
  ck_assert_ptr_nonnull(strstr(text, "id: 1\nevent: metrics\n"));
  free(text);
  publish(2);
  text = wire_receive_until(client, "id: 3\nevent: metrics\ndata: 7\n\n", PATIENCE_MS);
  ck_assert_ptr_nonnull(strstr(text, "id: 2\n"));
  ck_assert_ptr_null(strstr(text, "id: 1\n"));
  free(text);
  close(client);
  wait_for_sources(0);
}
END_TEST

START_TEST(last_event_id_resumes) {
  publish(5);
  int client = open_stream("/v1/events", "Last-Event-ID: 3\r\n");
  char *text = wire_receive_until(client, "id: 5\n", PATIENCE_MS);
  ck_assert_ptr_nonnull(strstr(text, "id: 4\n"));
  ck_assert_ptr_null(strstr(text, "id: 3\n"));
  free(text);
  close(client);
}
END_TEST

START_TEST(a_silent_stream_says_that_it_lives) {
  int client = open_stream("/v1/events", "");
  for (int i = 0; i < 4; i++) {
    char *text = wire_receive_until(client, ": keep-alive\n\n", PATIENCE_MS);
    ck_assert_ptr_nonnull(strstr(text, ": keep-alive\n\n"));
    free(text);
  }
  close(client);
}
END_TEST

START_TEST(the_last_news_ends_the_response) {
  int client = open_stream("/v1/events", "");
  free(wire_receive_until(client, ": keep-alive", PATIENCE_MS));
  atomic_store(&is_over, true);
  publish(1);
  char *text = wire_receive_until(client, "0\r\n\r\n", PATIENCE_MS);
  ck_assert_ptr_nonnull(strstr(text, "id: 1\n"));
  free(text);
  wait_for_sources(0);
  /* The connection goes on. */
  ck_assert(wire_send(client, make_request("GET", "/v1/things", "", "")));
  text = wire_receive_until(client, "}\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(text), 200);
  free(text);
  close(client);
}
END_TEST

START_TEST(a_source_that_fails_ends_its_stream) {
  int client = open_stream("/v1/events", "");
  free(wire_receive_until(client, ": keep-alive", PATIENCE_MS));
  atomic_store(&read_failure, 1);
  publish(1);
  char *text = wire_receive_until(client, "0\r\n\r\n", PATIENCE_MS);
  ck_assert_ptr_nonnull(strstr(text, "0\r\n\r\n"));
  free(text);
  wait_for_sources(0);
  close(client);
}
END_TEST

START_TEST(a_slow_reader_stops_the_reading_and_then_gets_everything) {
  int client = open_stream("/v1/events?bytes=10000", "");
  publish(5000); /* 50 MB */
  long long before = -1, reads = 0;
  for (int i = 0; i < 100 && before != (reads = atomic_load(&read_count)); i++) {
    before = reads;
    sleep_ms(300);
  }
  ck_assert_msg(reads < 2500, "%lld events were read for a client that takes none", reads);
  char expected[40];
  size_t at = 0, capacity = 60 << 20;
  char *text = malloc(capacity);
  ck_assert_ptr_nonnull(text);
  ssize_t got;
  while ((got = read(client, text + at, capacity - at - 1)) > 0) {
    at += (size_t)got;
    text[at] = 0;
    if (strstr(text + (at > 20000 ? at - 20000 : 0), "id: 5000\n")) break;
  }
  const char *from = text;
  for (int i = 1; i <= 5000; i++) {
    (void)snprintf(expected, sizeof expected, "id: %d\n", i);
    from = strstr(from, expected);
    ck_assert_msg(from != NULL, "%s is missing", expected);
  }
  free(text);
  close(client);
}
END_TEST

START_TEST(a_client_that_leaves_while_suspended_is_noticed) {
  for (int i = 0; i < 10; i++) {
    int client = open_stream("/v1/events", "");
    free(wire_receive_until(client, ": keep-alive", PATIENCE_MS));
    close(client);
  }
  wait_for_sources(0);
  struct http_counts counts;
  http_get_counts(server, &counts);
  ck_assert_uint_eq(counts.streams, 0);
}
END_TEST

START_TEST(head_of_a_stream_has_no_stream) {
  char *text = wire_exchange(url, make_request("HEAD", "/v1/events", "Connection: close\r\n", ""));
  ck_assert_int_eq(wire_get_status(text), 200);
  ck_assert_str_eq(wire_get_header(text, "Content-Type"), "text/event-stream");
  ck_assert_uint_eq(strlen(wire_get_body(text)), 0);
  free(text);
  wait_for_sources(0);
}
END_TEST

START_TEST(more_streams_than_there_are_places_are_asked_to_come_later) {
  static int clients[LIMIT_STREAMS];
  for (int i = 0; i < LIMIT_STREAMS; i++) clients[i] = open_stream("/v1/events", "");
  for (int i = 0; i < LIMIT_STREAMS; i++) free(wire_receive_until(clients[i], ": keep-alive", PATIENCE_MS));
  int one_more = open_stream("/v1/events", "");
  char *text = wire_receive_until(one_more, "}\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(text), 503);
  ck_assert_str_ne(wire_get_header(text, "Retry-After"), "");
  free(text);
  close(one_more);
  /* All of them hear the same news, while others are served. */
  publish(1);
  ck_assert_int_eq(get_status("GET", "/v1/things", "", ""), 200);
  for (int i = 0; i < LIMIT_STREAMS; i++) {
    text = wire_receive_until(clients[i], "id: 1\n", PATIENCE_MS);
    ck_assert_ptr_nonnull(strstr(text, "id: 1\n"));
    free(text);
    close(clients[i]);
  }
  wait_for_sources(0);
  int again = open_stream("/v1/events", "");
  text = wire_receive_until(again, "id: 1\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(text), 200);
  free(text);
  close(again);
}
END_TEST

static atomic_bool keeps_publishing;

static void *publish_on(void *context) {
  (void)context;
  while (atomic_load(&keeps_publishing)) {
    publish(1);
    sleep_ms(1);
  }
  return NULL;
}

START_TEST(news_wakers_and_leaving_clients_at_once_lose_nothing) {
  pthread_t threads[2];
  int clients[16];
  atomic_store(&keeps_publishing, true);
  for (int i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, publish_on, NULL), 0);
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 16; i++) clients[i] = open_stream("/v1/events", "");
    for (int i = 0; i < 16; i++) {
      if (i % 3 == 0) {
        close(clients[i]);
        continue;
      }
      char *text = wire_receive_until(clients[i], "id: 20\n", PATIENCE_MS);
      const char *from = text;
      for (int id = 1; id <= 20; id++) {
        char expected[32];
        (void)snprintf(expected, sizeof expected, "id: %d\n", id);
        const char *found = strstr(from, expected);
        ck_assert_msg(found != NULL, "%s is missing or out of order", expected);
        from = found;
      }
      free(text);
      close(clients[i]);
    }
  }
  atomic_store(&keeps_publishing, false);
  for (int i = 0; i < 2; i++) (void)pthread_join(threads[i], NULL);
  wait_for_sources(0);
}
END_TEST

START_TEST(closing_ends_every_stream_and_loses_no_source) {
  int clients[20];
  pthread_t thread;
  atomic_store(&keeps_publishing, true);
  for (int i = 0; i < 20; i++) clients[i] = open_stream(i % 2 ? "/v1/events" : "/v1/events?bytes=100000", "");
  free(wire_receive_until(clients[1], ": keep-alive", PATIENCE_MS));
  ck_assert_int_eq(pthread_create(&thread, NULL, publish_on, NULL), 0);
  sleep_ms(100); /* by now the even ones, which nobody reads, are full and the others are busy */
  struct timespec before, after;
  (void)clock_gettime(CLOCK_MONOTONIC, &before);
  close_server();
  (void)clock_gettime(CLOCK_MONOTONIC, &after);
  ck_assert_int_le(after.tv_sec - before.tv_sec, FIXTURE_CLOSE_MS / 1000);
  ck_assert_int_eq(atomic_load(&open_count), 0);
  atomic_store(&keeps_publishing, false);
  (void)pthread_join(thread, NULL);
  for (int i = 0; i < 20; i++) close(clients[i]);
}
END_TEST

START_TEST(closing_ends_silent_streams_properly) {
  int client = open_stream("/v1/events", "");
  free(wire_receive_until(client, ": keep-alive", PATIENCE_MS));
  close_server();
  char *text = wire_receive_until(client, NULL, PATIENCE_MS);
  ck_assert_ptr_nonnull(strstr(text, "0\r\n\r\n"));
  free(text);
  close(client);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "streams");
  tcase_add_checked_fixture(test_case, set_up, tear_down);
  tcase_add_test(test_case, a_stream_begins_at_once_and_carries_what_is_published);
  tcase_add_test(test_case, last_event_id_resumes);
  tcase_add_test(test_case, a_silent_stream_says_that_it_lives);
  tcase_add_test(test_case, the_last_news_ends_the_response);
  tcase_add_test(test_case, a_source_that_fails_ends_its_stream);
  tcase_add_test(test_case, a_slow_reader_stops_the_reading_and_then_gets_everything);
  tcase_add_test(test_case, a_client_that_leaves_while_suspended_is_noticed);
  tcase_add_test(test_case, head_of_a_stream_has_no_stream);
  tcase_add_test(test_case, more_streams_than_there_are_places_are_asked_to_come_later);
  tcase_add_test(test_case, news_wakers_and_leaving_clients_at_once_lose_nothing);
  tcase_add_test(test_case, closing_ends_every_stream_and_loses_no_source);
  tcase_add_test(test_case, closing_ends_silent_streams_properly);
}

int main(void) { return suite_main("sse", add_cases); }
