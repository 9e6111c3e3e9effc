/* What holds for every route: matching, queries, problems, the OpenAPI document. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "tests/support/suite.h"

static enum error_code match(const char *method, const char *path, struct route_match *out_match) {
  struct error error = {0};
  return api_match(method, path, out_match, &error);
}

START_TEST(paths_find_their_routes_and_ids) {
  struct route_match found;
  ck_assert_int_eq(match("GET", "/v1/jobs/a b\xC3\xB6/metrics", &found), ERROR_NONE);
  ck_assert_str_eq(found.route->name, "getJobMetrics");
  ck_assert_str_eq(found.id, "a b\xC3\xB6");
  ck_assert_int_eq(match("HEAD", "/v1/jobs", &found), ERROR_NONE);
  ck_assert_str_eq(found.route->name, "listJobs");
  ck_assert_str_eq(found.id, "");
  ck_assert_int_eq(match("GET", "/assets/views/jobs.js", &found), ERROR_NONE);
  ck_assert_str_eq(found.route->name, "getAsset");
}
END_TEST

START_TEST(what_is_nowhere_is_not_found) {
  static const char *const paths[] = {"",
                                      "v1",
                                      "/v1/",
                                      "/v1/jobs/",
                                      "/v1/jobs//metrics",
                                      "/v1/jobs/a/b",
                                      "/v1/jobs/a/metrics/",
                                      "/v2",
                                      "//",
                                      "/assets/",
                                      "/assets/nothing",
                                      "/assets/../migrations/0001_tables.sql",
                                      "/index.html"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    struct route_match found;
    ck_assert_msg(match("GET", paths[i], &found) == ERROR_NOT_FOUND, "%s", paths[i]);
    ck_assert_ptr_null(found.route);
  }
  char path[400] = "/v1/jobs/";
  memset(path + strlen(path), 'x', 300);
  struct route_match found;
  ck_assert_int_eq(match("GET", path, &found), ERROR_NOT_FOUND);
}
END_TEST

START_TEST(other_methods_are_told_which_are_allowed) {
  struct route_match found;
  ck_assert_int_eq(match("PUT", "/v1/jobs/x", &found), ERROR_METHOD);
  ck_assert_str_eq(found.allow, "GET, HEAD, PATCH, DELETE");
  ck_assert_int_eq(match("GET", "/v1/jobs/x/pause", &found), ERROR_METHOD);
  ck_assert_str_eq(found.allow, "POST");
}
END_TEST

START_TEST(routes_are_consistent) {
  ck_assert_uint_le(route_count, ROUTES_MAX);
  for (size_t i = 0; i < route_count; i++) {
    const struct route *route = &routes[i];
    for (size_t k = 0; k < i; k++) {
      ck_assert_str_ne(route->name, routes[k].name);
      ck_assert(strcmp(route->path, routes[k].path) != 0 || strcmp(route->method, routes[k].method) != 0);
    }
    bool is_post = strcmp(route->method, "POST") == 0;
    if ((route->flags & ROUTE_IDEMPOTENCY) != 0) ck_assert_msg(is_post, "%s", route->name);
    if (is_post || strcmp(route->method, "PATCH") == 0) ck_assert_msg((route->flags & ROUTE_PUBLIC) == 0, "%s", route->name);
    if (route->request_schema != NULL) ck_assert_msg((route->flags & (ROUTE_JSON_BODY | ROUTE_JSON_OR_OTHER_BODY)) != 0, "%s", route->name);
  }
}
END_TEST

START_TEST(unknown_and_repeated_query_parameters_are_refused) {
  struct error error = {0};
  const struct route route = {.method = "GET", .path = "/x", .query = "limit cursor"}, none = {.method = "GET", .path = "/y"};
  struct request request = {.query_count = 2, .query = {{"limit", "3"}, {"cursor", "a"}}};
  ck_assert_int_eq(query_check(&route, &request, &error), ERROR_NONE);
  request.query[1].name = "limit";
  ck_assert_int_eq(query_check(&route, &request, &error), ERROR_MALFORMED);
  request.query[1].name = "cursr";
  ck_assert_int_eq(query_check(&route, &request, &error), ERROR_MALFORMED);
  ck_assert_ptr_nonnull(strstr(error.detail, "did you mean \"cursor\"?"));
  request.query_count = 1;
  ck_assert_int_eq(query_check(&none, &request, &error), ERROR_MALFORMED);
}
END_TEST

START_TEST(numbers_in_queries_are_whole_and_within_range) {
  static const struct {
    const char *text;
    bool is_taken;
  } cases[] = {{"1", true},   {"9", true},   {"007", true}, {"0", false}, {"10", false},  {"-1", false},
               {"+1", false}, {" 1", false}, {"1 ", false}, {"", false},  {"1.0", false}, {"99999999999999999999999", false},
               {"0x1", false}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct request request = {.query_count = 1, .query = {{"n", cases[i].text}}};
    struct error error = {0};
    uint64_t value = 5;
    bool is_taken = query_get_number(&request, (struct query_number){"n", 1, 9}, &value, &error) == ERROR_NONE;
    ck_assert_msg(is_taken == cases[i].is_taken, "\"%s\"", cases[i].text);
    if (!is_taken) ck_assert_uint_eq(value, 5);
  }
}
END_TEST

START_TEST(media_types_are_compared_without_parameters) {
  ck_assert(media_type_is("text/csv", "text/csv"));
  ck_assert(media_type_is("Text/CSV; charset=utf-8", "text/csv"));
  ck_assert(!media_type_is("text/csvx", "text/csv"));
  ck_assert(!media_type_is(NULL, "text/csv"));
  ck_assert(accept_names("application/json, text/csv;q=0.5", "text/csv"));
  ck_assert(!accept_names("*/*", "text/csv"));
  ck_assert(!accept_names(NULL, "text/csv"));
}
END_TEST

START_TEST(every_code_becomes_a_problem) {
  for (int code = 1; code < ERROR_CODE_COUNT; code++) {
    struct error error = {0};
    error_add(&error, "/a/b", "is \"wrong\" \xff");
    error.code = (enum error_code)code;
    struct response response;
    response_init(&response);
    api_render_error(&error, "req_1", &response);
    ck_assert_int_ge(response.status, 400);
    ck_assert_int_eq(response.status, api_get_status((enum error_code)code));
    json_t *json = json_loads(response.body, 0, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert_str_eq(json_string_value(json_object_get(json, "code")), error_code_name((enum error_code)code));
    ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), response.status);
    ck_assert_str_eq(json_string_value(json_object_get(json, "request_id")), "req_1");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "errors")), 1);
    json_decref(json);
    response_deinit(&response);
  }
}
END_TEST

/* Every "$ref" of the document leads somewhere, and every schema that a route names is there. */
static void check_references(const json_t *json, const json_t *document) {
  const char *key;
  json_t *value;
  size_t index;
  if (json_is_array(json)) {
    json_array_foreach(json, index, value) check_references(value, document);
    return;
  }
  json_object_foreach((json_t *)json, key, value) {
    check_references(value, document);
    if (strcmp(key, "$ref") != 0) continue;
    char path[256];
    snprintf(path, sizeof path, "%s", json_string_value(value));
    const json_t *at = document;
    for (char *part = strtok(path + 2, "/"); part != NULL; part = strtok(NULL, "/")) at = json_object_get(at, part);
    ck_assert_msg(at != NULL, "%s leads nowhere", json_string_value(value));
  }
}

START_TEST(the_openapi_document_describes_every_route) {
  struct api api = {.options = {.version = "1.2.3"}};
  struct request request = {.method = "GET"};
  struct response response;
  struct error error = {0};
  response_init(&response);
  ck_assert_int_eq(openapi_get(&api, &request, &response, &error), ERROR_NONE);
  json_t *document = json_loads(response.body, 0, NULL);
  ck_assert_ptr_nonnull(document);
  check_references(document, document);
  for (size_t i = 0; i < route_count; i++) {
    char method[8] = "";
    for (size_t k = 0; routes[i].method[k] != '\0'; k++) method[k] = (char)tolower((unsigned char)routes[i].method[k]);
    json_t *operation = json_object_get(json_object_get(json_object_get(document, "paths"), routes[i].path), method);
    ck_assert_msg(operation != NULL, "%s %s is missing", routes[i].method, routes[i].path);
    ck_assert_str_eq(json_string_value(json_object_get(operation, "operationId")), routes[i].name);
    /* each query parameter is described */
    size_t described = 0, named = 0, index;
    json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), index, parameter) {
      described += strcmp(json_string_value(json_object_get(parameter, "in")), "query") == 0;
    }
    for (const char *at = routes[i].query; at != NULL; at = strchr(at, ' '), at = at == NULL ? NULL : at + 1) named++;
    ck_assert_msg(described == named, "%s: %zu of %zu query parameters are described", routes[i].name, described, named);
  }
  json_decref(document);
  response_deinit(&response);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "api frame");
  tcase_add_test(test_case, paths_find_their_routes_and_ids);
  tcase_add_test(test_case, what_is_nowhere_is_not_found);
  tcase_add_test(test_case, other_methods_are_told_which_are_allowed);
  tcase_add_test(test_case, routes_are_consistent);
  tcase_add_test(test_case, unknown_and_repeated_query_parameters_are_refused);
  tcase_add_test(test_case, numbers_in_queries_are_whole_and_within_range);
  tcase_add_test(test_case, media_types_are_compared_without_parameters);
  tcase_add_test(test_case, every_code_becomes_a_problem);
  tcase_add_test(test_case, the_openapi_document_describes_every_route);
}

int main(void) { return suite_main("api frame", add_cases); }
