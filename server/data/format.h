/* The formats of uploads: one record each, from which come what Content-Types and values of ?format= are taken, how a file without either
 * is recognized, and who reads it. A format whose files are tables as they come streams them; any other gets its files whole, mapped, and
 * makes a table of them (import.h). Tables that come as several parts are made one, too.
 *
 * Adding a format is a record and its reader, and a row in format.c.
 */
#ifndef SERVER_DATA_FORMAT_H
#define SERVER_DATA_FORMAT_H

#include <stdbool.h>

#include "server/data/image_import.h"
#include "server/data/import.h"

enum { FORMAT_MAGIC_BYTES = 128, FORMAT_NAME_BYTES = 80 };

/* A file of an upload, plain (decompressed), in a temporary file that is mapped. */
struct format_file {
  const char *part; /* the form's field that it came in; "" where the upload is the file */
  const char *name; /* as the client calls it, for messages; may be "" */
  int fd;           /* open for reading; its position may be moved */
  const unsigned char *bytes;
  uint64_t byte_count;
};

/* What a request says of how to read an upload. Each format looks at its own. */
struct format_options {
  const char *data_dir;
  char delimiter; /* of tables; as import_options */
  int header;
  uint64_t bytes_max;          /* of plain bytes, for what is unpacked further */
  struct image_options images; /* the one size and channel count of a folder of images */
};

/* Which of them it looks at. */
enum { FORMAT_TAKES_DELIMITER = 1, FORMAT_TAKES_HEADER = 2, FORMAT_TAKES_IMAGES = 4 };

struct format {
  const char *name;                                       /* ?format= */
  const char *summary;                                    /* "NumPy array" */
  const char *media_types;                                /* space separated; the first is the usual one */
  const char *suffixes;                                   /* of file names, space separated: ".csv .txt" */
  char delimiter;                                         /* tables: '\0' is found in the file */
  unsigned takes;                                         /* FORMAT_TAKES_… */
  bool (*is_magic)(const char *bytes, size_t byte_count); /* of up to FORMAT_MAGIC_BYTES; NULL: nothing tells it */
  /* Streamed, one file: bytes as they come. `reader` is made by open and freed by close. All NULL: the bytes are the table itself. */
  enum error_code (*open)(struct import *import, const struct format_options *options, void **out_reader, struct error *error);
  enum error_code (*write)(void *reader, const char *bytes, size_t byte_count, struct error *error);
  enum error_code (*finish)(void *reader, struct error *error);
  void (*close)(void *reader);
  /* Or whole: all files at once. NULL: it is streamed. */
  enum error_code (*read)(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                          struct error *error);
  /* Of a streamed one, several files, each one of its parts: then they are read whole. NULL: one file only. */
  enum error_code (*read_parts)(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                                struct error *error);
  bool (*knows_part)(const char *part); /* of several files: whether it has a meaning; NULL: one file only */
  const char *parts;                    /* tells which have */
};
extern const struct format *const formats[]; /* NULL at the end */

static inline bool format_is_streamed(const struct format *format) { return format->read == NULL; }
/* The upload is the table, byte by byte. */
static inline bool format_is_table(const struct format *format) { return format->read == NULL && format->open == NULL; }

/* NULL: none. */
const struct format *format_find(const char *name);
const struct format *format_find_by_type(const char *media_type); /* what follows a ';' is ignored */
const struct format *format_find_by_magic(const char *bytes, size_t byte_count);
/* What a file is that begins so and is said to be of `format`: an archive of arrays is no archive of images, whatever the
 * client's list of types says. */
const struct format *format_correct(const struct format *format, const char *bytes, size_t byte_count);
const struct format *format_find_by_suffix(const char *file_name); /* also before ".gz" */
/* "csv, tsv, idx" or, of media types, "text/csv, …"; for errors and descriptions. */
const char *format_list_names(char *out_text, size_t text_bytes);
const char *format_list_types(char *out_text, size_t text_bytes);

#endif
