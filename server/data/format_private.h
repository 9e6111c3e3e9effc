/* The readers that format.c's records name; they are as format.h says. Nobody else includes this. */
#ifndef SERVER_DATA_FORMAT_PRIVATE_H
#define SERVER_DATA_FORMAT_PRIVATE_H

#include "server/data/format.h"

/* A file for an error: its part, its name, or "the file". */
const char *format_file_describe(const struct format_file *file, char out_text[FORMAT_NAME_BYTES]);

enum error_code idx_read_files(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                               struct error *error);
enum error_code zip_read_files(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                               struct error *error);
enum error_code npy_read_files(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                               struct error *error);
enum error_code npz_read_files(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                               struct error *error);
/* A ZIP archive whose first file is an array. */
bool npz_is_magic(const char *bytes, size_t byte_count);

#endif
