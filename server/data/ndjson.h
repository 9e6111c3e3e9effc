/* NDJSON (also called JSON Lines): a JSON object a line, made a table's rows as they stream by, in bounded memory.
 *
 * The columns are the keys of the first NDJSON_SNIFF_BYTES, in order of appearance (json_line.h says what becomes of values and of objects
 * within objects); what a row lacks is missing. Lines that are no object, have a key twice or a key that none of the first lines had are
 * bad rows, reported with their number. Empty lines are passed over.
 */
#ifndef SERVER_DATA_NDJSON_H
#define SERVER_DATA_NDJSON_H

#include "server/data/format.h"
#include "server/data/row_sink.h"

enum { NDJSON_SNIFF_BYTES = 1 << 16, NDJSON_LINE_BYTES_MAX = 8 << 20 };

/* The functions of the format's record. */
bool ndjson_is_magic(const char *bytes, size_t byte_count);
__attribute__((warn_unused_result)) enum error_code ndjson_open(struct import *import, const struct format_options *options,
                                                                void **out_reader, struct error *error);
/* The same, of rows that go elsewhere; what `sink` holds is copied. */
__attribute__((warn_unused_result)) enum error_code ndjson_open_into(const struct row_sink *sink, void **out_reader, struct error *error);
__attribute__((warn_unused_result)) enum error_code ndjson_write(void *reader, const char *bytes, size_t byte_count, struct error *error);
__attribute__((warn_unused_result)) enum error_code ndjson_finish(void *reader, struct error *error);
void ndjson_close(void *reader);

#endif
