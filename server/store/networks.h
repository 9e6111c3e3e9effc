/* Table networks: specs as their clients gave and named them. */
#ifndef SERVER_STORE_NETWORKS_H
#define SERVER_STORE_NETWORKS_H

#include "server/store/store.h"

struct network_row {
  char id[STORE_ID_BYTES];
  char name[LIMIT_NAME_BYTES + 1];
  char *spec_json; /* resolved as far as possible without a dataset */
  int64_t created_ms;
};
void network_row_deinit(struct network_row *row);

/* Fills id and created_ms; an empty name is replaced by a free one ("network-12"). ERROR_CONFLICT if the name is taken. */
__attribute__((warn_unused_result)) enum error_code networks_insert(struct store *store, struct network_row *row, struct error *error);
__attribute__((warn_unused_result)) enum error_code networks_get(struct store *store, const char *id_or_name, struct network_row *out_row,
                                                                 struct error *error);
__attribute__((warn_unused_result)) enum error_code networks_delete(struct store *store, const char *id_or_name, struct error *error);
/* out_rows: malloc'd array, each row to be deinited. */
__attribute__((warn_unused_result)) enum error_code networks_list(struct store *store, const struct store_page *page,
                                                                  struct network_row **out_rows, size_t *out_count,
                                                                  char out_next_cursor[sizeof(((struct store_page *)0)->cursor)],
                                                                  struct error *error);

#endif
