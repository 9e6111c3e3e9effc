/* A table beside images: the column of a CSV that names files of an archive, and which file a cell names. */
#ifndef SERVER_DATA_IMAGE_TABLE_H
#define SERVER_DATA_IMAGE_TABLE_H

#include "server/data/csv.h"
#include "server/data/image_layout.h"

enum { IMAGE_TABLE_BYTES_MAX = 256 << 20, IMAGE_NONE = -1, IMAGE_SEVERAL = -2 };

struct image_table {
  char *bytes; /* owned: the whole CSV */
  size_t count;
  char delimiter;
  bool has_header;
  size_t column_count, file_column;
  char **names;          /* owned: of its columns */
  const size_t *by_stem; /* owned: files, by their names without folders and ending */
  const struct image_layout *layout;
};

/* Reads the layout's table. No column that names files is no error: file_column is SIZE_MAX then. Deinit whatever the outcome. */
__attribute__((warn_unused_result)) enum error_code image_table_init(struct image_table *table, const struct image_layout *layout,
                                                                     struct zip_reader *reader, struct error *error);
void image_table_deinit(struct image_table *table);
/* The file that a cell names, by its path or the end of it, with its ending or without; IMAGE_NONE, IMAGE_SEVERAL. */
long image_table_find(const struct image_table *table, const char *cell);

#endif
