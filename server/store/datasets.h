/* Tables datasets, dataset_columns, dataset_categories, dataset_bad_rows: what is known of each uploaded file. */
#ifndef SERVER_STORE_DATASETS_H
#define SERVER_STORE_DATASETS_H

#include "server/store/store.h"

/* Stored as numbers: new ones go to the end. */
enum column_kind { COLUMN_NUMERIC, COLUMN_CATEGORICAL, COLUMN_TEXT, COLUMN_IMAGE, COLUMN_DATETIME, COLUMN_SEQUENCE };
extern const char *const column_kind_names[7]; /* "numeric", "categorical", "text", "image", "datetime", "sequence", NULL */

/* One distinct value of a column. Kept for numeric columns too (classes may be numbers), up to a limit; beyond
 * it has_categories is false. */
struct category {
  char *value;
  uint64_t count;
};

/* What a tensor is made of. Stored as numbers: new ones go to the end. */
enum tensor_element { ELEMENT_UINT8, ELEMENT_FLOAT32 };
extern const char *const tensor_element_names[3]; /* "uint8", "float32", NULL */
enum { COLUMN_RANK_MAX = 3 };

struct dataset_column {
  char *name;
  enum column_kind kind; /* inferred, or corrected by PATCH */
  bool can_be_numeric;   /* every present value is a finite number */
  bool is_integral;      /* … and whole */
  uint64_t missing;
  int datetime_form;    /* every present value is a date, written so: server/data/datetime.h; 0: not */
  size_t list_shortest; /* every present value is a list of numbers, the shortest of so many … */
  size_t list_longest;  /* … and the longest of so many: server/data/sequence.h; 0: not */
  /* NAN unless can_be_numeric, of dates (seconds since 1970 in UTC) or of a tensor's or of lists' numbers; std is the population's. */
  double min, max, mean, std;
  bool has_categories;
  size_t category_count;
  struct category *categories; /* sorted: by number if can_be_numeric, else by bytes */
  /* Of a column of tensors (rank > 0), whose values stand in the tensor file and whose cells in the table are "": an image is
   * [channels, height, width], a sequence [time, features]. */
  size_t rank;
  size_t sizes[COLUMN_RANK_MAX];
  enum tensor_element element;
  bool says_part;           /* made at import of an upload of several parts: train, validation or test for each row */
  char *first_word;         /* of a column that would be numeric but for a few cells: the first of these, cut short; else NULL … */
  uint64_t first_word_line; /* … and the line in the file where its row starts */
};
/* Elements of one tensor of a column; 0 of a column of the table. */
size_t dataset_column_count_elements(const struct dataset_column *column);

struct bad_row {
  uint64_t line; /* 1-based line in the file where the row starts */
  char *reason;  /* "has 5 cells, the header has 4" */
};

struct dataset_row {
  char id[STORE_ID_BYTES];
  char name[LIMIT_NAME_BYTES + 1];
  char file[STORE_ID_BYTES + 8]; /* name within <data-dir>/datasets/ */
  char sha256[STORE_SHA256_HEX_BYTES];
  char tensor_file[STORE_ID_BYTES + 12]; /* likewise; "": no column of tensors */
  uint64_t record_bytes;                 /* of one row in it */
  uint64_t bytes;                        /* as uploaded (decompressed), of all files together */
  uint64_t table_bytes;                  /* of `file`, which is the upload itself or was made of it */
  uint64_t rows;                         /* good rows */
  char delimiter;
  bool has_header;
  uint64_t bad_row_count;
  size_t bad_rows_kept; /* the first ones are reported */
  struct bad_row *bad_rows;
  size_t column_count;
  struct dataset_column *columns;
  uint64_t index_stride; /* every so many good rows … */
  size_t index_count;
  uint64_t *index; /* … the byte offset in the file where that row starts; index[0] is row 0 */
  int64_t created_ms;
};
void dataset_row_deinit(struct dataset_row *row);

/* Fills id (unless set), name (unless set), created_ms. The file must be in place already. */
__attribute__((warn_unused_result)) enum error_code datasets_insert(struct store *store, struct dataset_row *row, struct error *error);
__attribute__((warn_unused_result)) enum error_code datasets_get(struct store *store, const char *id_or_name, struct dataset_row *out_row,
                                                                 struct error *error);
/* Without categories, bad rows and index (NULL, counts 0). */
__attribute__((warn_unused_result)) enum error_code datasets_list(struct store *store, const struct store_page *page,
                                                                  struct dataset_row **out_rows, size_t *out_count,
                                                                  char out_next_cursor[sizeof(((struct store_page *)0)->cursor)],
                                                                  struct error *error);
/* Files of other datasets whose upload was the same, by SHA-256, the last ones first. How many; 0 too where the store can't be read. */
struct dataset_files {
  char file[STORE_ID_BYTES + 8], tensor_file[STORE_ID_BYTES + 12];
};
size_t datasets_find_same(struct store *store, const struct dataset_row *row, size_t count_max, struct dataset_files *out_files);
/* Renames and sets column kinds (change_count of them) in one transaction. name may be NULL.
 * ERROR_CONFLICT, naming them, if a kind would become another while unfinished jobs use the dataset: they must find it as it was. */
struct column_change {
  size_t column;
  enum column_kind kind;
};
__attribute__((warn_unused_result)) enum error_code datasets_update(struct store *store, const char *id, const char *name,
                                                                    const struct column_change *changes, size_t change_count,
                                                                    struct error *error);
/* Deletes row and files. ERROR_CONFLICT, naming them, while unfinished jobs use it. */
__attribute__((warn_unused_result)) enum error_code datasets_delete(struct store *store, const char *id_or_name, struct error *error);

#endif
