/* Uploads of whole bodies, for tests: written in portions, and with each allocation failing in turn. */
#ifndef TESTS_SUPPORT_WHOLE_UPLOAD_H
#define TESTS_SUPPORT_WHOLE_UPLOAD_H

#include "server/data/upload.h"
#include "tests/support/upload_bodies.h"

/* Begins, writes and finishes; what failed is aborted. */
enum error_code upload_whole(const struct upload_options *options, const struct bytes *body, size_t portion, struct dataset_row *out_row,
                             struct error *error);

/* Again and again, with one more allocation that succeeds, until all do: every time the answer is that memory is out, and nothing is left
 * in memory or in the data directory. */
void upload_whole_without_memory(const struct upload_options *options, const struct bytes *body, size_t portion);

#endif
