/* An upload on its way to becoming a dataset: bytes of a request's body in, a dataset's row out, in bounded memory.
 *
 *     body ─▶ parts of a form, or the body itself ─▶ gunzip, if it is gzip ─▶ its format ─▶ import
 *
 * The format is the one that is asked for, else the one of the part's Content-Type, of its first bytes, or of its file's name. Formats that
 * stream go straight into the import; the files of others are kept in temporary files without a name until all are there.
 * SHA-256: of one file, that of its plain bytes; of several, that of a line "<sha256>  <part>\n" for each, sorted by part (what sha256sum
 * would print of files named as the parts), so that neither their order nor the form's boundary matters.
 * Threads: belongs to one thread.
 */
#ifndef SERVER_DATA_UPLOAD_H
#define SERVER_DATA_UPLOAD_H

#include "server/data/format.h"

struct upload_options {
  const char *data_dir;
  const struct format *format; /* NULL: found */
  const char *boundary;        /* of multipart/form-data; NULL: the body is the file */
  char delimiter;              /* as import_options */
  int header;
  struct image_options images; /* as format_options */
  uint64_t bytes_max;          /* of the body, and of the plain bytes of all files together */
  void (*progress)(void *context,
                   uint64_t row_count); /* as import_options: what is read whole gets its rows in upload_finish; may be NULL */
  void *progress_context;
};

struct upload;
/* Borrows data_dir; copies the rest. */
__attribute__((warn_unused_result)) enum error_code upload_begin(const struct upload_options *options, struct upload **out_upload,
                                                                 struct error *error);
/* After an error, upload_abort. */
__attribute__((warn_unused_result)) enum error_code upload_write(struct upload *upload, const char *bytes, size_t byte_count,
                                                                 struct error *error);
/* Rows of the table so far; those of a format that is read whole come in upload_finish. */
uint64_t upload_get_row_count(const struct upload *upload);
/* As import_finish. Destroys `upload`, whatever the outcome. */
__attribute__((warn_unused_result)) enum error_code upload_finish(struct upload *upload, struct dataset_row *out_row, struct error *error);
void upload_abort(struct upload *upload);

#endif
