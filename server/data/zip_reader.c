#include "server/data/zip_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "server/data/zip_directory.h"

enum { PORTION_BYTES = 64 << 10, SHOWN_NAME = 120 /* characters of a name in an error */ };

struct zip_reader {
  zip_t *zip;
  size_t count;
  struct zip_entry *entries;
  char portion[PORTION_BYTES];
};

bool zip_is_magic(const char *bytes, size_t byte_count) {
  return byte_count >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0);
}

static enum error_code refuse(struct error *error, const char *name, const char *why) {
  return error_set(error, ERROR_INVALID, "entry \"%.*s\" of the ZIP archive %s", SHOWN_NAME, name, why);
}

/* Why a name can't be that of a file among others; NULL if it can. */
static const char *find_name_defect(const char *name) {
  if (*name == '\0') return "has no name";
  if (name[0] == '/') return "has an absolute name; names must be relative";
  if (strchr(name, '\\') != NULL) return "has a backslash in its name; folders are separated by /";
  if (name[1] == ':') return "begins with a drive letter; names must be relative";
  for (const char *part = name; part != NULL; part = strchr(part, '/')) {
    if (*part == '/') part++;
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return "has \"..\" in its name, which leads out of the archive";
  }
  return NULL;
}

/* Left by operating systems; nobody meant to send it. */
static bool is_litter(const char *name) {
  static const char *const files[] = {".DS_Store", "Thumbs.db", "desktop.ini"};
  const char *slash = strrchr(name, '/'), *base = slash != NULL ? slash + 1 : name;
  if (strncmp(name, "__MACOSX/", 9) == 0 || strstr(name, "/__MACOSX/") != NULL || strncmp(base, "._", 2) == 0) return true;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    if (strcasecmp(base, files[i]) == 0) return true;
  return false;
}

/* Attributes are Unix's where the archive was made on such a system; others have no links. */
static const char *find_type_defect(zip_t *zip, uint64_t index) {
  zip_uint8_t system = 0;
  zip_uint32_t attributes = 0;
  if (zip_file_get_external_attributes(zip, index, 0, &system, &attributes) != 0) return "has attributes that can't be read";
  if (system != ZIP_OPSYS_UNIX && system != ZIP_OPSYS_OS_X) return NULL;
  const unsigned type = attributes >> 16 & S_IFMT;
  if (type == S_IFLNK) return "is a symbolic link; an archive of data has files only";
  return type == 0 || type == S_IFREG || type == S_IFDIR ? NULL : "is neither a file nor a folder";
}

static const char *find_stat_defect(const zip_stat_t *stat) {
  const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if ((stat->valid & needed) != needed) return "doesn't tell its size";
  if (stat->encryption_method != ZIP_EM_NONE) return "is encrypted; make the archive without a password";
  if (stat->comp_method != ZIP_CM_STORE && stat->comp_method != ZIP_CM_DEFLATE) return "is compressed otherwise than by deflate";
  return NULL;
}

/* In its raw form: libzip shows those of code page 437 as symbols. */
static bool has_control_character(const char *raw) {
  for (const char *at = raw; *at != '\0'; at++)
    if ((unsigned char)*at < 0x20 || *at == 0x7F) return true;
  return false;
}

static enum error_code take_entry(struct zip_reader *reader, uint64_t index, struct error *error) {
  const char *raw = zip_get_name(reader->zip, index, ZIP_FL_ENC_RAW);
  const char *name = zip_get_name(reader->zip, index, ZIP_FL_ENC_GUESS); /* code page 437 if it is no UTF-8 */
  zip_stat_t stat;
  if (raw == NULL || name == NULL || zip_stat_index(reader->zip, index, 0, &stat) != 0)
    return error_set(error, ERROR_INVALID, "entry %" PRIu64 " of the ZIP archive can't be read: %s", index + 1, zip_strerror(reader->zip));
  const char *defect = has_control_character(raw) ? "has a control character in its name" : find_name_defect(name);
  if (defect == NULL) defect = find_type_defect(reader->zip, index);
  if (defect != NULL) return refuse(error, name, defect);
  if (name[strlen(name) - 1] == '/' || is_litter(name)) return ERROR_NONE;
  defect = find_stat_defect(&stat);
  if (defect != NULL) return refuse(error, name, defect);
  reader->entries[reader->count++] = (struct zip_entry){name, stat.size, index};
  return ERROR_NONE;
}

static int compare_names(const void *left, const void *right) { return strcmp(*(const char *const *)left, *(const char *const *)right); }

static enum error_code refuse_doubles(const struct zip_reader *reader, struct error *error) {
  const char **names = calloc(reader->count + 1, sizeof *names);
  if (names == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the ZIP archive's names");
  for (size_t i = 0; i < reader->count; i++) names[i] = reader->entries[i].name;
  qsort(names, reader->count, sizeof *names, compare_names);
  enum error_code code = ERROR_NONE;
  for (size_t i = 1; i < reader->count && code == ERROR_NONE; i++)
    if (strcmp(names[i - 1], names[i]) == 0) code = refuse(error, names[i], "comes twice");
  free(names);
  return code;
}

/* By what the entries say of themselves; zip_reader_read holds them to it. */
static enum error_code refuse_bomb(const struct zip_reader *reader, uint64_t file_bytes, uint64_t plain_bytes_max, struct error *error) {
  uint64_t plain_bytes = 0;
  for (size_t i = 0; i < reader->count; i++) {
    if (reader->entries[i].plain_bytes > plain_bytes_max - plain_bytes)
      return error_set(error, ERROR_TOO_LARGE, "unpacked, an upload may have %" PRIu64 " bytes", plain_bytes_max);
    plain_bytes += reader->entries[i].plain_bytes;
  }
  if (plain_bytes > ZIP_RATIO_FROM_BYTES && plain_bytes / ZIP_RATIO_MAX > file_bytes)
    return error_set(error, ERROR_TOO_LARGE,
                     "more than %d bytes would come from each byte of the ZIP archive, as in a decompression bomb; store it uncompressed",
                     ZIP_RATIO_MAX);
  return ERROR_NONE;
}

static enum error_code open_archive(struct zip_reader *reader, int fd, struct error *error) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return error_set(error, ERROR_INTERNAL, "opening the ZIP archive: %s", strerror(errno));
  int reason = 0;
  reader->zip = zip_fdopen(own, 0, &reason); /* takes the descriptor, unless it fails */
  if (reader->zip != NULL) return ERROR_NONE;
  close(own);
  if (reason == ZIP_ER_MEMORY) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the ZIP archive's directory");
  zip_error_t told;
  zip_error_init_with_code(&told, reason);
  error_set(error, ERROR_INVALID, "the ZIP archive can't be read: %s", zip_error_strerror(&told));
  zip_error_fini(&told);
  return ERROR_INVALID;
}

static enum error_code take_entries(struct zip_reader *reader, struct error *error) {
  const zip_int64_t count = zip_get_num_entries(reader->zip, 0);
  if (count < 0 || count > ZIP_ENTRIES_MAX) return error_set(error, ERROR_TOO_LARGE, "a ZIP archive may have %d entries", ZIP_ENTRIES_MAX);
  reader->entries = calloc((size_t)count + 1, sizeof *reader->entries);
  if (reader->entries == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the ZIP archive's directory");
  enum error_code code = ERROR_NONE;
  for (uint64_t i = 0; i < (uint64_t)count && code == ERROR_NONE; i++) code = take_entry(reader, i, error);
  return code;
}

enum error_code zip_reader_open(int fd, uint64_t plain_bytes_max, struct zip_reader **out_reader, struct error *error) {
  *out_reader = NULL;
  uint64_t file_bytes = 0;
  enum error_code code = zip_directory_check(fd, &file_bytes, error);
  if (code != ERROR_NONE) return code;
  struct zip_reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to read a ZIP archive");
  code = open_archive(reader, fd, error);
  if (code == ERROR_NONE) code = take_entries(reader, error);
  if (code == ERROR_NONE) code = refuse_doubles(reader, error);
  if (code == ERROR_NONE) code = refuse_bomb(reader, file_bytes, plain_bytes_max, error);
  if (code != ERROR_NONE) {
    zip_reader_close(reader);
    return code;
  }
  *out_reader = reader;
  return ERROR_NONE;
}

void zip_reader_close(struct zip_reader *reader) {
  if (reader == NULL) return;
  if (reader->zip != NULL) zip_discard(reader->zip);
  free(reader->entries);
  free(reader);
}

size_t zip_reader_get_count(const struct zip_reader *reader) { return reader->count; }

const struct zip_entry *zip_reader_get_entry(const struct zip_reader *reader, size_t i) { return &reader->entries[i]; }

static enum error_code read_portions(struct zip_reader *reader, zip_file_t *file, const struct zip_entry *entry, zip_handler *handler,
                                     void *context, struct error *error) {
  uint64_t plain_bytes = 0;
  for (;;) {
    const zip_int64_t count = zip_fread(file, reader->portion, PORTION_BYTES);
    if (count < 0)
      return error_set(error, ERROR_INVALID, "entry \"%.*s\" of the ZIP archive is broken: %s", SHOWN_NAME, entry->name,
                       zip_file_strerror(file));
    plain_bytes += (uint64_t)count;
    if (plain_bytes > entry->plain_bytes || (count == 0 && plain_bytes < entry->plain_bytes))
      return refuse(error, entry->name, "is broken: it unpacks to other than the size it gives");
    if (count == 0) return ERROR_NONE;
    enum error_code code = handler(context, reader->portion, (size_t)count, error);
    if (code != ERROR_NONE) return code;
  }
}

enum error_code zip_reader_read(struct zip_reader *reader, size_t i, zip_handler *handler, void *context, struct error *error) {
  const struct zip_entry *entry = &reader->entries[i];
  zip_file_t *file = zip_fopen_index(reader->zip, entry->index, 0);
  if (file == NULL)
    return error_set(error, ERROR_INVALID, "entry \"%.*s\" of the ZIP archive is broken: %s", SHOWN_NAME, entry->name,
                     zip_strerror(reader->zip));
  enum error_code code = read_portions(reader, file, entry, handler, context, error);
  (void)zip_fclose(file);
  return code;
}
