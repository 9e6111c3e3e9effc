/* ZIP archives made byte by byte, right ones and wrong ones.
 *   struct archive archive = {0};
 *   archive_add(&archive, &(struct archive_entry){.name = "cats/1.png", .bytes = png, .count = png_bytes});
 *   archive_finish(&archive);  … archive.bytes, archive.count …  archive_deinit(&archive);
 */
#ifndef TESTS_SUPPORT_ARCHIVE_H
#define TESTS_SUPPORT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARCHIVE_STORED = 0, ARCHIVE_DEFLATED = 8 };

struct archive_entry {
  const char *name;
  size_t name_bytes; /* 0: to the NUL */
  const void *bytes;
  size_t count;
  int method;
  unsigned flags, unix_mode; /* general purpose bits; 0: no mode */
  uint64_t claimed_count;    /* what it says its size is; 0: count */
  bool is_zip64, has_wrong_checksum;
};

struct archive {
  char *bytes;
  size_t count;
  bool is_zip64; /* its end record */
  uint64_t claimed_entries;
  char *directory;
  size_t directory_bytes, entries;
};

void archive_add(struct archive *archive, const struct archive_entry *entry);
/* A text as a file of that name. */
void archive_add_text(struct archive *archive, const char *name, const char *text);
void archive_finish(struct archive *archive);
void archive_deinit(struct archive *archive);

#endif
