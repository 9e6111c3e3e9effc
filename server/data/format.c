#include "server/data/format.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/data/array_table.h"
#include "server/data/format_private.h"
#include "server/data/idx.h"
#include "server/data/ndjson.h"
#include "server/data/npy.h"
#include "server/data/table_parts.h"
#include "server/data/zip_reader.h"

static const struct format csv = {.name = "csv",
                                  .summary = "table: a row a line, commas, semicolons, tabs or bars between cells",
                                  .media_types = "text/csv",
                                  .suffixes = ".csv .txt",
                                  .takes = FORMAT_TAKES_DELIMITER | FORMAT_TAKES_HEADER,
                                  .read_parts = table_parts_read_csv,
                                  .knows_part = table_parts_knows_name,
                                  .parts = "train, validation, test"};
static const struct format tsv = {.name = "tsv",
                                  .summary = "table with tabs between cells",
                                  .media_types = "text/tab-separated-values",
                                  .suffixes = ".tsv .tab",
                                  .delimiter = '\t',
                                  .takes = FORMAT_TAKES_HEADER,
                                  .read_parts = table_parts_read_csv,
                                  .knows_part = table_parts_knows_name,
                                  .parts = "train, validation, test"};
static const struct format ndjson = {.name = "ndjson",
                                     .summary = "a JSON object a line (JSON Lines)",
                                     .media_types = "application/x-ndjson application/ndjson application/jsonl application/x-jsonlines",
                                     .suffixes = ".ndjson .jsonl",
                                     .is_magic = ndjson_is_magic,
                                     .open = ndjson_open,
                                     .write = ndjson_write,
                                     .finish = ndjson_finish,
                                     .close = ndjson_close,
                                     .read_parts = table_parts_read_ndjson,
                                     .knows_part = table_parts_knows_name,
                                     .parts = "train, validation, test"};
static const struct format idx = {.name = "idx",
                                  .summary = "arrays as the MNIST files hold them",
                                  .media_types = "application/x-idx",
                                  .suffixes = ".idx -ubyte",
                                  .is_magic = idx_is_magic,
                                  .read = idx_read_files,
                                  .knows_part = array_table_knows_name,
                                  .parts = "images, labels, test_images, test_labels, validation_images, validation_labels"};

static const struct format zip = {.name = "zip",
                                  .summary = "PNG and JPEG images, in a folder for each class or with a table of labels",
                                  .media_types = "application/zip application/x-zip-compressed",
                                  .suffixes = ".zip",
                                  .takes = FORMAT_TAKES_IMAGES,
                                  .is_magic = zip_is_magic,
                                  .read = zip_read_files};

static const struct format npy = {.name = "npy",
                                  .summary = "array of NumPy (np.save), or several as x, y, test_x, test_y",
                                  .media_types = "application/x-npy",
                                  .suffixes = ".npy",
                                  .is_magic = npy_is_magic,
                                  .read = npy_read_files,
                                  .knows_part = array_table_knows_name,
                                  .parts = "x, y, test_x, test_y, validation_x, validation_y (or images and labels)"};
static const struct format npz = {.name = "npz",
                                  .summary = "arrays of NumPy (np.savez, np.savez_compressed)",
                                  .media_types = "application/x-npz",
                                  .suffixes = ".npz",
                                  .is_magic = npz_is_magic,
                                  .read = npz_read_files};

const struct format *const formats[] = {&csv, &tsv, &ndjson, &idx, &npy, &npz, &zip, NULL};

const struct format *format_find(const char *name) {
  for (size_t i = 0; formats[i] != NULL; i++)
    if (strcmp(formats[i]->name, name) == 0) return formats[i];
  return NULL;
}

/* Whether `word` is one of the words of a space separated list. */
static bool has_word(const char *list, const char *word, size_t word_bytes) {
  for (const char *at = list; *at != '\0';) {
    const size_t bytes = strcspn(at, " ");
    if (bytes == word_bytes && strncasecmp(at, word, bytes) == 0) return true;
    at += bytes + strspn(at + bytes, " ");
  }
  return false;
}

const struct format *format_find_by_type(const char *media_type) {
  const size_t bytes = strcspn(media_type, "; \t");
  for (size_t i = 0; formats[i] != NULL && bytes > 0; i++)
    if (has_word(formats[i]->media_types, media_type, bytes)) return formats[i];
  return NULL;
}

const struct format *format_find_by_magic(const char *bytes, size_t byte_count) {
  for (size_t i = 0; formats[i] != NULL; i++)
    if (formats[i]->is_magic != NULL && formats[i]->is_magic(bytes, byte_count)) return formats[i];
  return NULL;
}

const struct format *format_correct(const struct format *format, const char *bytes, size_t byte_count) {
  return format == &zip && npz_is_magic(bytes, byte_count) ? &npz : format;
}

const struct format *format_find_by_suffix(const char *file_name) {
  size_t bytes = strlen(file_name);
  if (bytes > 3 && strcasecmp(file_name + bytes - 3, ".gz") == 0) bytes -= 3;
  for (size_t i = 0; formats[i] != NULL; i++) {
    for (const char *at = formats[i]->suffixes; *at != '\0';) {
      const size_t suffix_bytes = strcspn(at, " ");
      if (bytes > suffix_bytes && strncasecmp(file_name + bytes - suffix_bytes, at, suffix_bytes) == 0) return formats[i];
      at += suffix_bytes + strspn(at + suffix_bytes, " ");
    }
  }
  return NULL;
}

const char *format_list_names(char *out_text, size_t text_bytes) {
  size_t at = 0;
  out_text[0] = '\0';
  for (size_t i = 0; formats[i] != NULL && at < text_bytes; i++)
    at += (size_t)snprintf(out_text + at, text_bytes - at, "%s%s", i > 0 ? ", " : "", formats[i]->name);
  return out_text;
}

const char *format_list_types(char *out_text, size_t text_bytes) {
  size_t at = 0;
  out_text[0] = '\0';
  for (size_t i = 0; formats[i] != NULL && at < text_bytes; i++)
    at += (size_t)snprintf(out_text + at, text_bytes - at, "%s%.*s", i > 0 ? ", " : "", (int)strcspn(formats[i]->media_types, " "),
                           formats[i]->media_types);
  return out_text;
}
