/* The ways a prediction's input may come, by Content-Type. predict.c has the table; nobody else includes this. */
#ifndef SERVER_API_PREDICT_PRIVATE_H
#define SERVER_API_PREDICT_PRIVATE_H

#include "server/api/handlers.h"
#include "server/api/predictor.h"

/* predict.c */
route_handler predict_json, predict_csv;
/* Whether other requests would notice that a thread is busy with it. */
bool predict_is_long(const struct predictor *predictor, size_t row_count);
/* predict_numbers.c: the same as predict_json, sooner; false if it is not for it, and nothing was done. */
bool predict_numbers(struct api *api, const struct request *request, struct response *response, enum error_code *out_code,
                     struct error *error);
/* predict_ndjson.c */
route_handler predict_ndjson;
/* predict_raw.c: one sentence; one image */
route_handler predict_text, predict_image;
/* predict_images.c: many images, as an archive or a form; CSV, a line for each */
route_handler predict_archive, predict_form;

/* The one feature of the model, which must be of that kind; else ERROR_INVALID, which says what the model takes instead. `what`
 * names what was sent: "a text". */
__attribute__((warn_unused_result)) enum error_code predictor_get_lone_feature(const struct predictor *predictor, enum column_kind kind,
                                                                               const char *what, const struct feature **out_feature,
                                                                               struct error *error);

/* A request's body in memory, followed by a NUL; `bytes` is the caller's to free, whatever the outcome.
 * ERROR_TOO_LARGE beyond bytes_max. */
struct body_bytes {
  char *bytes;
  size_t count, capacity;
};
__attribute__((warn_unused_result)) enum error_code body_append(struct body_bytes *body, const char *bytes, size_t count, size_t bytes_max,
                                                                struct error *error);
__attribute__((warn_unused_result)) enum error_code body_read(const struct request *request, size_t bytes_max, struct body_bytes *out_body,
                                                              struct error *error);

#endif
