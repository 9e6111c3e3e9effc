/* The stages of one file of an upload:
 *
 *   packed     bytes as sent; the first tell whether they are gzip
 *   head       the first plain bytes are held back, up to FORMAT_MAGIC_BYTES; they tell the format (start_file)
 *   plain      every byte goes to the SHA-256 and to the format's reader, the import, or the file's spool
 *
 * A table in a part that is called train, validation or test is spooled, as others may follow; if none does, it is read as it
 * would have been without its name.
 */
#include "server/data/upload.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/gunzip.h"
#include "server/data/multipart.h"
#include "server/data/spool.h"

enum { GZIP_MAGIC_BYTES = 2, LINE_BYTES = STORE_SHA256_HEX_BYTES + MULTIPART_NAME_BYTES_MAX + 4 };

struct file {
  char part[MULTIPART_NAME_BYTES_MAX + 1], name[MULTIPART_NAME_BYTES_MAX + 1];
  char sha256[STORE_SHA256_HEX_BYTES];
  struct spool spool;
};

struct upload {
  struct upload_options options;
  uint64_t body_bytes, plain_bytes;
  const struct format *format; /* of all files; NULL: not known yet */
  bool has_parts;              /* the files are tables that become one; so they are spooled although their format is streamed */
  bool is_made;                /* the import's table is */
  struct multipart *multipart; /* NULL: the body is the file */
  struct import *import;
  void *reader; /* of a format that streams */
  bool has_reader;
  size_t file_count;
  struct file *files; /* [MULTIPART_PARTS_MAX] */

  /* The file under way. */
  const struct format *named_format; /* by its Content-Type or its name; NULL: none */
  bool has_magic;                    /* gzip or not is decided */
  char packed[GZIP_MAGIC_BYTES];
  size_t packed_bytes;
  struct gunzip *gunzip; /* NULL: plain */
  char head[FORMAT_MAGIC_BYTES];
  size_t head_bytes;
  bool is_started; /* its format is known */
  struct sha256_ctx sha256;
};

static struct format_options get_format_options(const struct upload *upload) {
  const char delimiter = upload->format != NULL ? upload->format->delimiter : '\0';
  return (struct format_options){.data_dir = upload->options.data_dir,
                                 .delimiter = delimiter != '\0' ? delimiter : upload->options.delimiter,
                                 .header = upload->options.header,
                                 .bytes_max = upload->options.bytes_max,
                                 .images = upload->options.images};
}

/* Files are kept until all are there. */
static bool is_spooled(const struct upload *upload) { return upload->has_parts || !format_is_streamed(upload->format); }

/* ---- one file ---- */

static enum error_code refuse_unknown(const struct upload *upload, struct error *error) {
  char types[ERROR_DETAIL_BYTES / 2], names[ERROR_DETAIL_BYTES / 4];
  const struct file *file = &upload->files[upload->file_count - 1];
  if (upload->head_bytes == 0)
    return error_set(error, ERROR_INVALID, "%s%.40s%s is empty", file->part[0] != '\0' ? "part \"" : "the file", file->part,
                     file->part[0] != '\0' ? "\"" : "");
  return error_set(error, ERROR_MEDIA_TYPE, "%s%.40s%s is of no known format by its first bytes; give Content-Type (%s) or ?format= (%s)",
                   file->part[0] != '\0' ? "part \"" : "the file", file->part, file->part[0] != '\0' ? "\"" : "",
                   format_list_types(types, sizeof types), format_list_names(names, sizeof names));
}

/* Files of one upload are of one format, and more than one only where their parts mean something. */
static enum error_code check_format(const struct upload *upload, const struct format *format, struct error *error) {
  const struct file *file = &upload->files[upload->file_count - 1];
  if (upload->file_count > 1 && (upload->format != format || format->knows_part == NULL))
    return error_set(error, ERROR_INVALID, "the upload has parts \"%.60s\" (%s) and \"%.60s\" (%s); %s", upload->files[0].part,
                     upload->format->name, file->part, format->name,
                     upload->format == format ? "send one file of it at a time" : "all must be of one format");
  if (upload->multipart == NULL || format->knows_part == NULL) return ERROR_NONE;
  if (upload->file_count == 1 && (strcmp(file->part, "file") == 0 || format_is_streamed(format))) return ERROR_NONE;
  const char *stranger = !format->knows_part(upload->files[0].part) ? upload->files[0].part : file->part;
  if (format->knows_part(stranger)) return ERROR_NONE;
  return error_set(error, ERROR_INVALID, "no part is called \"%.60s\"; of format %s there are %s", stranger, format->name, format->parts);
}

static bool is_image(const struct upload *upload) {
  return upload->head_bytes >= 4 && (memcmp(upload->head, "\x89PNG", 4) == 0 || memcmp(upload->head, "\xFF\xD8\xFF", 3) == 0);
}

/* A file that is none of text, whatever was said of it. */
static enum error_code check_head(const struct upload *upload, const struct format *format, struct error *error) {
  if (upload->head_bytes >= GZIP_MAGIC_BYTES && gunzip_is_magic(upload->head, GZIP_MAGIC_BYTES))
    return error_set(error, ERROR_INVALID, "the file is gzipped twice; gzip it once");
  if (is_image(upload) && (format == NULL || format_is_streamed(format)))
    return error_set(error, ERROR_INVALID, "the file is one image; images come together in a ZIP archive, in a folder for each class");
  const struct format *other = format_find_by_magic(upload->head, upload->head_bytes);
  if (format == NULL || !format_is_streamed(format) || other == NULL || format_is_streamed(other)) return ERROR_NONE;
  return error_set(error, ERROR_INVALID, "the file is no %s, but by its first bytes %s (%s): send it with the Content-Type %.*s",
                   format->name, other->name, other->summary, (int)strcspn(other->media_types, " "), other->media_types);
}

/* What a request asks for and its format has no use for is likely a mistake: of the file, or of its type. */
static enum error_code check_options(const struct upload *upload, const struct format *format, struct error *error) {
  const struct upload_options *options = &upload->options;
  const struct image_options *images = &options->images;
  const bool is_own = options->delimiter == format->delimiter;
  if (options->delimiter != '\0' && (format->takes & FORMAT_TAKES_DELIMITER) == 0 && !is_own)
    return error_set(error, ERROR_MALFORMED,
                     "query parameter \"delimiter\" is of tables in CSV; the file is %s (%s): leave it out, or send the file as text/csv",
                     format->name, format->summary);
  if (options->header >= 0 && (format->takes & FORMAT_TAKES_HEADER) == 0)
    return error_set(error, ERROR_MALFORMED, "query parameter \"header\" is of tables in CSV or TSV; the file is %s (%s): leave it out",
                     format->name, format->summary);
  if ((images->channels > 0 || images->height > 0 || images->width > 0) && (format->takes & FORMAT_TAKES_IMAGES) == 0)
    return error_set(
        error, ERROR_MALFORMED,
        "query parameters \"size\", \"width\", \"height\" and \"channels\" are of images in a ZIP archive; the file is %s (%s): "
        "leave them out",
        format->name, format->summary);
  return ERROR_NONE;
}

static enum error_code begin_import(struct upload *upload, bool is_made, struct error *error) {
  const struct format *format = upload->format;
  upload->is_made = is_made;
  const struct import_options options = {.delimiter = is_made                     ? ','
                                                      : format->delimiter != '\0' ? format->delimiter
                                                                                  : upload->options.delimiter,
                                         .header = is_made ? 1 : upload->options.header,
                                         .is_made = is_made,
                                         .progress = upload->options.progress,
                                         .progress_context = upload->options.progress_context};
  return import_begin(upload->options.data_dir, &options, &upload->import, error);
}

static enum error_code put_plain(struct upload *upload, const char *bytes, size_t byte_count, struct error *error) {
  if (format_is_table(upload->format) && !upload->has_parts) return import_write(upload->import, bytes, byte_count, error);
  sha256_update(&upload->sha256, byte_count, (const uint8_t *)bytes);
  if (is_spooled(upload)) return spool_write(&upload->files[upload->file_count - 1].spool, bytes, byte_count, error);
  return upload->format->write(upload->reader, bytes, byte_count, error);
}

/* Of formats that stream: where their bytes go. */
static enum error_code open_stream(struct upload *upload, struct error *error) {
  const struct format_options options = get_format_options(upload);
  enum error_code code = begin_import(upload, !format_is_table(upload->format), error);
  if (code != ERROR_NONE || upload->format->open == NULL) return code;
  code = upload->format->open(upload->import, &options, &upload->reader, error);
  upload->has_reader = code == ERROR_NONE;
  return code;
}

/* The format is decided by what is asked for, what is said of the file, what it begins with, and what it is called. */
static enum error_code start_file(struct upload *upload, struct error *error) {
  const struct format *format = upload->options.format;
  struct file *file = &upload->files[upload->file_count - 1];
  if (format == NULL) format = upload->named_format;
  if (format != NULL) format = format_correct(format, upload->head, upload->head_bytes);
  if (format == NULL) format = format_find_by_magic(upload->head, upload->head_bytes);
  if (format == NULL) format = format_find_by_suffix(file->name);
  enum error_code code = check_head(upload, format, error);
  if (code != ERROR_NONE) return code;
  if (format == NULL) return refuse_unknown(upload, error);
  code = check_format(upload, format, error);
  if (code == ERROR_NONE) code = check_options(upload, format, error);
  if (code != ERROR_NONE) return code;
  upload->format = format;
  upload->is_started = true;
  upload->has_parts = upload->multipart != NULL && format->read_parts != NULL && format->knows_part(file->part);
  sha256_init(&upload->sha256);
  code = is_spooled(upload) ? spool_open(upload->options.data_dir, &file->spool, error) : open_stream(upload, error);
  return code == ERROR_NONE ? put_plain(upload, upload->head, upload->head_bytes, error) : code;
}

static enum error_code take_plain(void *context, const char *bytes, size_t byte_count, struct error *error) {
  struct upload *upload = context;
  upload->plain_bytes += byte_count;
  if (upload->plain_bytes > upload->options.bytes_max)
    return error_set(error, ERROR_TOO_LARGE, "decompressed, an upload may have %llu bytes", (unsigned long long)upload->options.bytes_max);
  if (!upload->is_started) {
    const size_t room = FORMAT_MAGIC_BYTES - upload->head_bytes, taken = byte_count < room ? byte_count : room;
    memcpy(upload->head + upload->head_bytes, bytes, taken);
    upload->head_bytes += taken;
    bytes += taken;
    byte_count -= taken;
    enum error_code code = upload->head_bytes == FORMAT_MAGIC_BYTES ? start_file(upload, error) : ERROR_NONE;
    if (code != ERROR_NONE) return code;
  }
  return byte_count > 0 ? put_plain(upload, bytes, byte_count, error) : ERROR_NONE;
}

static enum error_code unpack(struct upload *upload, const char *bytes, size_t byte_count, struct error *error) {
  return upload->gunzip != NULL ? gunzip_feed(upload->gunzip, bytes, byte_count, error) : take_plain(upload, bytes, byte_count, error);
}

static enum error_code decide_packing(struct upload *upload, struct error *error) {
  upload->has_magic = true;
  enum error_code code = ERROR_NONE;
  if (gunzip_is_magic(upload->packed, upload->packed_bytes))
    code = gunzip_create(upload->options.bytes_max, take_plain, upload, &upload->gunzip, error);
  return code == ERROR_NONE && upload->packed_bytes > 0 ? unpack(upload, upload->packed, upload->packed_bytes, error) : code;
}

static enum error_code begin_file(struct upload *upload, const char *part, const char *name, struct error *error) {
  if (upload->file_count == MULTIPART_PARTS_MAX)
    return error_set(error, ERROR_TOO_LARGE, "an upload may have %d files", MULTIPART_PARTS_MAX);
  struct file *file = &upload->files[upload->file_count++];
  snprintf(file->part, sizeof file->part, "%s", part);
  snprintf(file->name, sizeof file->name, "%s", name);
  upload->named_format = NULL;
  upload->has_magic = upload->is_started = false;
  upload->packed_bytes = upload->head_bytes = 0;
  return ERROR_NONE;
}

static enum error_code take_packed(void *context, const char *bytes, size_t byte_count, struct error *error) {
  struct upload *upload = context;
  enum error_code code = ERROR_NONE;
  for (; !upload->has_magic && byte_count > 0 && code == ERROR_NONE; bytes++, byte_count--) {
    upload->packed[upload->packed_bytes++] = *bytes;
    if (upload->packed_bytes == GZIP_MAGIC_BYTES) code = decide_packing(upload, error);
  }
  return code == ERROR_NONE && byte_count > 0 ? unpack(upload, bytes, byte_count, error) : code;
}

static void write_hex(struct sha256_ctx *context, char out_hex[STORE_SHA256_HEX_BYTES]) {
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_digest(context, sizeof digest, digest);
  for (size_t i = 0; i < sizeof digest; i++) snprintf(out_hex + 2 * i, 3, "%02x", digest[i]);
}

static enum error_code end_file(void *context, struct error *error) {
  struct upload *upload = context;
  enum error_code code = upload->has_magic ? ERROR_NONE : decide_packing(upload, error);
  if (code == ERROR_NONE && upload->gunzip != NULL) code = gunzip_finish(upload->gunzip, error);
  gunzip_destroy(upload->gunzip);
  upload->gunzip = NULL;
  if (code == ERROR_NONE && !upload->is_started) code = start_file(upload, error);
  if (code == ERROR_NONE) write_hex(&upload->sha256, upload->files[upload->file_count - 1].sha256);
  return code;
}

/* ---- parts of a form ---- */

static enum error_code begin_part(void *context, const struct multipart_part *part, struct error *error) {
  struct upload *upload = context;
  for (size_t i = 0; i < upload->file_count; i++)
    if (strcmp(upload->files[i].part, part->name) == 0)
      return error_set(error, ERROR_INVALID, "two parts are called \"%.60s\"; give each its own name", part->name);
  enum error_code code = begin_file(upload, part->name, part->file_name, error);
  if (code == ERROR_NONE) upload->named_format = format_find_by_type(part->content_type);
  return code;
}

/* ---- all together ---- */

enum error_code upload_begin(const struct upload_options *options, struct upload **out_upload, struct error *error) {
  struct upload *upload = calloc(1, sizeof *upload);
  *out_upload = NULL;
  if (upload == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for an upload");
  upload->options = *options;
  upload->files = calloc(MULTIPART_PARTS_MAX, sizeof *upload->files);
  enum error_code code = upload->files != NULL ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "no memory for an upload");
  for (size_t i = 0; code == ERROR_NONE && i < MULTIPART_PARTS_MAX; i++) upload->files[i].spool.fd = -1;
  if (code == ERROR_NONE && options->boundary != NULL) {
    const struct multipart_handlers handlers = {.context = upload, .begin = begin_part, .take = take_packed, .end = end_file};
    code = multipart_create(options->boundary, &handlers, &upload->multipart, error);
  } else if (code == ERROR_NONE) {
    code = begin_file(upload, "", "", error);
  }
  if (code == ERROR_NONE)
    *out_upload = upload;
  else
    upload_abort(upload);
  return code;
}

enum error_code upload_write(struct upload *upload, const char *bytes, size_t byte_count, struct error *error) {
  upload->body_bytes += byte_count;
  if (upload->body_bytes > upload->options.bytes_max)
    return error_set(error, ERROR_TOO_LARGE, "an upload may have %llu bytes", (unsigned long long)upload->options.bytes_max);
  return upload->multipart != NULL ? multipart_feed(upload->multipart, bytes, byte_count, error)
                                   : take_packed(upload, bytes, byte_count, error);
}

uint64_t upload_get_row_count(const struct upload *upload) { return upload->import == NULL ? 0 : import_get_row_count(upload->import); }

static void upload_destroy(struct upload *upload) {
  for (size_t i = 0; upload->files != NULL && i < MULTIPART_PARTS_MAX; i++) spool_close(&upload->files[i].spool);
  if (upload->has_reader && upload->format->close != NULL) upload->format->close(upload->reader);
  gunzip_destroy(upload->gunzip);
  multipart_destroy(upload->multipart);
  free(upload->files);
  free(upload);
}

void upload_abort(struct upload *upload) {
  if (upload == NULL) return;
  import_abort(upload->import);
  upload_destroy(upload);
}

static int compare_parts(const void *left, const void *right) {
  return strcmp((*(const struct file *const *)left)->part, (*(const struct file *const *)right)->part);
}

static void describe_source(const struct upload *upload) {
  struct import_source source = {.bytes = upload->plain_bytes};
  const struct file *files[MULTIPART_PARTS_MAX] = {0};
  if (upload->file_count == 1) {
    memcpy(source.sha256, upload->files[0].sha256, sizeof source.sha256);
  } else {
    struct sha256_ctx sha256;
    sha256_init(&sha256);
    for (size_t i = 0; i < upload->file_count; i++) files[i] = &upload->files[i];
    qsort(files, upload->file_count, sizeof files[0], compare_parts);
    for (size_t i = 0; i < upload->file_count; i++) {
      char line[LINE_BYTES];
      const int bytes = snprintf(line, sizeof line, "%s  %s\n", files[i]->sha256, files[i]->part);
      sha256_update(&sha256, (size_t)bytes, (const uint8_t *)line);
    }
    write_hex(&sha256, source.sha256);
  }
  import_set_source(upload->import, &source);
}

/* The only part of a table. */
static enum error_code read_lone(struct upload *upload, struct error *error) {
  enum { PORTION_BYTES = 1 << 16 };
  struct spool *spool = &upload->files[0].spool;
  enum error_code code = spool_map(spool, error);
  if (code == ERROR_NONE) code = open_stream(upload, error);
  for (uint64_t at = 0; at < spool->byte_count && code == ERROR_NONE; at += PORTION_BYTES) {
    const char *bytes = (const char *)spool->bytes + at;
    const size_t byte_count = spool->byte_count - at < PORTION_BYTES ? (size_t)(spool->byte_count - at) : PORTION_BYTES;
    code = upload->has_reader ? upload->format->write(upload->reader, bytes, byte_count, error)
                              : import_write(upload->import, bytes, byte_count, error);
  }
  return code;
}

static enum error_code read_files(struct upload *upload, struct error *error) {
  if (upload->has_parts && upload->file_count == 1) return read_lone(upload, error);
  struct format_file files[MULTIPART_PARTS_MAX];
  const struct format_options options = get_format_options(upload);
  const bool is_lone = upload->file_count == 1 && strcmp(upload->files[0].part, "file") == 0;
  enum error_code code = begin_import(upload, true, error);
  for (size_t i = 0; i < upload->file_count && code == ERROR_NONE; i++) {
    struct file *file = &upload->files[i];
    code = spool_map(&file->spool, error);
    files[i] = (struct format_file){.part = is_lone ? "" : file->part,
                                    .name = file->name,
                                    .fd = file->spool.fd,
                                    .bytes = file->spool.bytes,
                                    .byte_count = file->spool.byte_count};
  }
  if (code != ERROR_NONE) return code;
  return (upload->has_parts ? upload->format->read_parts : upload->format->read)(files, upload->file_count, &options, upload->import,
                                                                                 error);
}

enum error_code upload_finish(struct upload *upload, struct dataset_row *out_row, struct error *error) {
  enum error_code code = upload->multipart != NULL ? multipart_finish(upload->multipart, error) : end_file(upload, error);
  if (code == ERROR_NONE && upload->file_count == 0) code = error_set(error, ERROR_INVALID, "the form has no file");
  if (code == ERROR_NONE && is_spooled(upload)) code = read_files(upload, error);
  if (code == ERROR_NONE && upload->has_reader) code = upload->format->finish(upload->reader, error);
  if (code != ERROR_NONE) {
    upload_abort(upload);
    return code;
  }
  if (upload->is_made) describe_source(upload);
  code = import_finish(upload->import, out_row, error);
  upload_destroy(upload);
  return code;
}
