/* What a trace or a gradient check is about: a model, or a network with weights given or random; with its loss, and rows and targets from
 * the request's body as floats. Private to server/api.
 *
 * Threads: a subject belongs to one thread; a model behind it is shared.
 */
#ifndef SERVER_API_SUBJECT_H
#define SERVER_API_SUBJECT_H

#include "server/api/context.h"
#include "server/api/model_cache.h"
#include "server/codec/trace_json.h"

struct subject {
  struct api *api;
  struct model *model; /* taken from the cache; NULL: a network */
  char id[LIMIT_NAME_BYTES + 1];
  struct network_spec spec;    /* of a network */
  struct network *own_network; /* compiled from it */
  const struct network *network;
  enum task task;     /* of the model or the dataset, or as far as the network's output tells it */
  bool is_loss_given; /* by the request */
  bool as_values;     /* the loss compares classes as values */
  size_t row_count;
  size_t input_width, target_width; /* floats of one row, and of its target */
  float *x, *targets;               /* [row_count, …] */
  double *class_weights;            /* [outputs] or NULL; owned */
};

/* Deinit a subject whatever the outcome; it must have been zeroed. */
__attribute__((warn_unused_result)) enum error_code subject_open_model(struct subject *subject, struct api *api, const char *id_or_name,
                                                                       struct error *error);
/* A stored network; refused if a dataset would have to decide something in it. */
__attribute__((warn_unused_result)) enum error_code subject_open_network(struct subject *subject, struct api *api, const char *id_or_name,
                                                                         struct error *error);
/* The spec of a network that a body names or holds, at `pointer`; to be compiled then, without a dataset or after resolving it with one. */
__attribute__((warn_unused_result)) enum error_code subject_load_network(struct subject *subject, struct api *api, const json_t *network,
                                                                         const char *pointer, struct error *error);
__attribute__((warn_unused_result)) enum error_code subject_compile(struct subject *subject, const char *pointer, struct error *error);
void subject_deinit(struct subject *subject);

/* Copies the loss, optimizer and clipping that a model was trained with over the defaults; for a network there is nothing to do. */
__attribute__((warn_unused_result)) enum error_code subject_inherit(const struct subject *subject, struct train_settings *train,
                                                                    struct error *error);
/* The body's keys that `params` has, into `settings`. Further keys than those and `others` (NULL at the end) are errors. */
__attribute__((warn_unused_result)) enum error_code subject_read_settings(struct subject *subject, const json_t *body,
                                                                          const char *const *others, const struct param *params,
                                                                          size_t param_count, void *settings, struct error *error);
/* Decides an "auto" loss and checks that it fits; from then on the widths are known. */
__attribute__((warn_unused_result)) enum error_code subject_resolve_loss(struct subject *subject, struct train_settings *train,
                                                                         struct error *error);
/* Does that, then reads "rows" and "targets" of the body into x and targets: a model's raw, as predict takes them, its targets perhaps in
 * its rows; a network's as plain numbers. Then the class weights are known too. What is wrong is added to the errors that there are. */
__attribute__((warn_unused_result)) enum error_code subject_read_rows(struct subject *subject, const json_t *body,
                                                                      struct train_settings *train, struct error *error);
/* Room for so many rows and targets. */
__attribute__((warn_unused_result)) enum error_code subject_make_room(struct subject *subject, size_t row_count, struct error *error);
/* The class weights that the loss is computed with on these rows. */
__attribute__((warn_unused_result)) enum error_code subject_weigh_classes(struct subject *subject, const struct train_settings *train,
                                                                          struct error *error);
/* Start weights: the model's, or by seed; then those in the body's "weights", {"layer.tensor": numbers}. */
__attribute__((warn_unused_result)) enum error_code subject_read_weights(const struct subject *subject, const json_t *body, uint64_t seed,
                                                                         float *parameters, float *buffers, struct error *error);

#endif
