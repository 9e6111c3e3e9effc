/* One request's use of a model: a workspace and room for one batch of rows. Private to server/api.
 *
 * Threads: a predictor belongs to one thread; the model behind it is shared.
 */
#ifndef SERVER_API_PREDICTOR_H
#define SERVER_API_PREDICTOR_H

#include "server/api/context.h"
#include "server/api/model_cache.h"
#include "server/codec/prediction_json.h"

enum { PREDICT_BATCH = 256, PREDICT_WORKSPACE_BYTES_MAX = 64 << 20 };

struct predictor {
  struct api *api;
  struct model *model; /* taken from the cache */
  size_t batch;        /* rows at once */
  size_t input_width, output_width;
  struct workspace *workspace;
  float *x;          /* [batch, input_width] */
  float *outputs;    /* [batch, output_width] */
  uint32_t *lengths; /* [batch] real steps of each output; NULL: all are */
};

/* Takes the model; `rows` says how many rows will come at most, 0: unknown. Deinit whatever the outcome. */
__attribute__((warn_unused_result)) enum error_code predictor_init(struct predictor *predictor, struct api *api, const char *id_or_name,
                                                                   size_t rows, struct error *error);
/* The same with a model that was taken, which it takes over. */
__attribute__((warn_unused_result)) enum error_code predictor_init_with(struct predictor *predictor, struct api *api, struct model *model,
                                                                        size_t rows, struct error *error);
void predictor_deinit(struct predictor *predictor);
/* x[count, input_width] → outputs; count ≤ batch. */
void predictor_run(struct predictor *predictor, size_t count);

/* Appends {"model": …, "predictions": [… to an empty text, and the prediction of each row; predictor_respond closes it and makes it the
 * answer, whatever the outcome taking over the text. */
struct predictor_rows {
  const float *x, *outputs;
  const uint32_t *lengths; /* NULL: all steps are real */
  size_t count;
};
struct prediction predictor_get_row(const struct model *model, const struct predictor_rows *rows, size_t index);
void predictor_write(const struct model *model, const struct predictor_rows *rows, struct prediction_text *text);
__attribute__((warn_unused_result)) enum error_code predictor_respond(struct prediction_text *text, struct response *response,
                                                                      struct error *error);

/* Whether the answer to one row is to be an image, as the client accepts one and the model gives one back; it is then that of the
 * first of the outputs, as PNG. */
bool predictor_gives_image(const struct predictor *predictor, const struct request *request);
__attribute__((warn_unused_result)) enum error_code predictor_respond_image(const struct predictor *predictor, struct response *response,
                                                                            struct error *error);

#endif
