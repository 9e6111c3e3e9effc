/* What the handlers share: the server's parts, answers in JSON, reading of queries and bodies. Private to server/api.
 *
 * A handler returns ERROR_NONE and leaves an answer in `response`, or returns a code and leaves the details in `error`; api_handle then
 * makes the problem+json of it.
 */
#ifndef SERVER_API_CONTEXT_H
#define SERVER_API_CONTEXT_H

#include <jansson.h>
#include <stdatomic.h>

#include "server/api/api.h"
#include "server/codec/json_text.h"

enum {
  ROUTES_MAX = 64,
  STATUS_CLASSES = 6, /* 1xx … 5xx; 0 unused */
  LIST_LIMIT_DEFAULT = 50,
  LIST_LIMIT_MAX = 1000,
  ROWS_LIMIT_DEFAULT = 50,
  ROWS_LIMIT_MAX = 1000,
  IDEMPOTENCY_KEY_BYTES_MAX = 255
};

struct model_cache;
struct gathering;
struct upload_board;

struct api {
  struct store *store;
  struct jobs *jobs;
  struct api_options options;
  struct model_cache *models;
  struct gathering *gathering; /* gather.c */
  struct upload_board *uploads;
  atomic_bool is_draining;
  int64_t started_ms;
  /* context is written before the function, and read after it */
  void *_Atomic traffic_context;
  void (*_Atomic read_traffic)(void *context, struct api_traffic *out_traffic);
  atomic_ullong answers[ROUTES_MAX][STATUS_CLASSES]; /* by route and status class */
  atomic_ullong answer_us[ROUTES_MAX];               /* time spent in handlers */
};

/* api.c: monotonic; and the counting of an answer that was begun then. */
uint64_t api_now_us(void);
void api_count_answer(struct api *api, const struct route *route, const struct response *response, uint64_t started_us);

/* The four sorts of stored resources. */
enum resource { RESOURCE_NETWORK, RESOURCE_DATASET, RESOURCE_JOB, RESOURCE_MODEL };

/* Turns a store's ERROR_NOT_FOUND into one that names the resource and suggests the nearest existing name; leaves other codes alone. */
enum error_code resource_explain(struct api *api, enum resource resource, const char *id_or_name, enum error_code code,
                                 struct error *error);
/* The same for a reference inside a body: a field error at `pointer`. */
void resource_add_missing(struct api *api, enum resource resource, const char *id_or_name, const char *pointer, struct error *error);

/* A dataset by its id or name, with such an error; dataset_row_deinit it afterwards. */
__attribute__((warn_unused_result)) enum error_code resource_get_dataset(struct api *api, const char *id_or_name,
                                                                         struct dataset_row *out_row, struct error *error);
/* One column of it, by its name or, if none is called so, its position; ERROR_NOT_FOUND suggests the nearest name. */
__attribute__((warn_unused_result)) enum error_code resource_find_column(const struct dataset_row *dataset, const char *name_or_position,
                                                                         size_t *out_column, struct error *error);

/* Answers. `json` is taken over; NULL means that memory was short while it was built. */
__attribute__((warn_unused_result)) enum error_code respond_json(struct response *response, int status, json_t *json, struct error *error);
/* The same with nine digits for each number: for values that are float32. */
__attribute__((warn_unused_result)) enum error_code respond_json_float(struct response *response, int status, json_t *json,
                                                                       struct error *error);
/* `text` is malloc'd and taken over; NULL likewise. */
__attribute__((warn_unused_result)) enum error_code respond_text(struct response *response, int status, const char *content_type,
                                                                 char *text, struct error *error);
void respond_nothing(struct response *response); /* 204 */
/* {"items": …, "next_cursor": …} */
__attribute__((warn_unused_result)) enum error_code respond_page(struct response *response, json_t *items, const char *next_cursor,
                                                                 struct error *error);

/* Queries. An unknown parameter, or one given twice, is ERROR_MALFORMED and names the known ones. */
__attribute__((warn_unused_result)) enum error_code query_check(const struct route *route, const struct request *request,
                                                                struct error *error);
/* A whole number within [min, max]; *out_value keeps its default if the parameter is missing. */
struct query_number {
  const char *name;
  uint64_t min, max;
};
__attribute__((warn_unused_result)) enum error_code query_get_number(const struct request *request, struct query_number number,
                                                                     uint64_t *out_value, struct error *error);
/* true or false. */
__attribute__((warn_unused_result)) enum error_code query_get_boolean(const struct request *request, const char *name, bool *out_value,
                                                                      struct error *error);
/* limit and cursor. */
__attribute__((warn_unused_result)) enum error_code query_get_page(const struct request *request, struct store_page *out_page,
                                                                   struct error *error);

/* The body as a JSON object. New reference. */
__attribute__((warn_unused_result)) enum error_code request_parse_object(const struct request *request, json_t **out_object,
                                                                         struct error *error);
/* Field errors for keys of `object` that aren't among `known` (NULL at the end). */
void object_check_keys(const json_t *object, const char *const *known, const char *pointer, struct error *error);

/* Part of a media type before any ';', compared without case: "text/csv" is "text/csv; charset=utf-8". */
bool media_type_is(const char *content_type, const char *type);
/* Whether an Accept header asks for this type by name. */
bool accept_names(const char *accept, const char *type);

/* A temporary file in the data directory that has no name: gone when it is closed, whatever happens. */
__attribute__((warn_unused_result)) enum error_code temporary_open(struct api *api, FILE **out_file, struct error *error);
/* Flushes the file and makes it the response's. Closes `file`, whatever the outcome. */
__attribute__((warn_unused_result)) enum error_code respond_file(struct response *response, const char *content_type, FILE *file,
                                                                 struct error *error);

/* SHA-256 as 64 hexadecimal digits. */
void sha256_hex(const void *bytes, size_t byte_count, char out_hex[STORE_SHA256_HEX_BYTES]);

#endif
