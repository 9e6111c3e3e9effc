#include "tests/support/archive.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void append(char **to, size_t *count, const void *bytes, size_t byte_count) {
  *to = realloc(*to, *count + byte_count + 1);
  ck_assert_ptr_nonnull(*to);
  if (byte_count > 0) memcpy(*to + *count, bytes, byte_count);
  *count += byte_count;
}

/* A little-endian number of `bytes` bytes at a place. */
static void put(unsigned char *at, int bytes, uint64_t number) {
  for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(number >> 8 * i);
}

static char *deflate_raw(const void *bytes, size_t count, size_t *out_count) {
  z_stream stream = {0};
  ck_assert_int_eq(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  const size_t room = deflateBound(&stream, count);
  char *packed = malloc(room + 1);
  ck_assert_ptr_nonnull(packed);
  stream.next_in = (unsigned char *)(size_t)bytes;
  stream.avail_in = (unsigned)count;
  stream.next_out = (unsigned char *)packed;
  stream.avail_out = (unsigned)room;
  ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
  *out_count = stream.total_out;
  deflateEnd(&stream);
  return packed;
}

void archive_add(struct archive *archive, const struct archive_entry *entry) {
  enum { LOCAL_BYTES = 30, CENTRAL_BYTES = 46, EXTRA_BYTES = 28 };
  size_t packed_count = entry->count;
  char *packed = entry->method == ARCHIVE_DEFLATED ? deflate_raw(entry->bytes, entry->count, &packed_count) : NULL;
  const size_t name_bytes = entry->name_bytes != 0 ? entry->name_bytes : strlen(entry->name);
  const uint64_t size = entry->claimed_count != 0 ? entry->claimed_count : entry->count;
  const uint64_t offset = archive->count;
  const uint32_t checksum = (uint32_t)crc32(0, entry->bytes, (unsigned)entry->count) ^ (entry->has_wrong_checksum ? 1 : 0);
  unsigned char local[LOCAL_BYTES] = {'P', 'K', 3, 4}, central[CENTRAL_BYTES] = {'P', 'K', 1, 2}, extra[EXTRA_BYTES] = {1};
  const size_t extra_bytes = entry->is_zip64 ? EXTRA_BYTES : 0;
  put(extra + 2, 2, EXTRA_BYTES - 4);
  put(extra + 4, 8, size);
  put(extra + 12, 8, packed_count);
  put(extra + 20, 8, offset);
  put(local + 4, 2, 45);
  put(local + 6, 2, entry->flags);
  put(local + 8, 2, (uint64_t)entry->method);
  put(local + 14, 4, checksum);
  put(local + 18, 4, entry->is_zip64 ? UINT32_MAX : packed_count);
  put(local + 22, 4, entry->is_zip64 ? UINT32_MAX : size);
  put(local + 26, 2, name_bytes);
  put(local + 28, 2, entry->is_zip64 ? 20 : 0);
  append(&archive->bytes, &archive->count, local, sizeof local);
  append(&archive->bytes, &archive->count, entry->name, name_bytes);
  unsigned char local_extra[20] = {1, 0, 16, 0};
  put(local_extra + 4, 8, size);
  put(local_extra + 12, 8, packed_count);
  append(&archive->bytes, &archive->count, local_extra, entry->is_zip64 ? sizeof local_extra : 0);
  append(&archive->bytes, &archive->count, packed != NULL ? packed : entry->bytes, packed_count);
  free(packed);
  put(central + 4, 2, (3 << 8) | 45); /* made on Unix */
  memcpy(central + 6, local + 4, 26);
  put(central + 30, 2, extra_bytes);
  put(central + 38, 4, (uint64_t)entry->unix_mode << 16);
  put(central + 42, 4, entry->is_zip64 ? UINT32_MAX : offset);
  append(&archive->directory, &archive->directory_bytes, central, sizeof central);
  append(&archive->directory, &archive->directory_bytes, entry->name, name_bytes);
  append(&archive->directory, &archive->directory_bytes, extra, extra_bytes);
  archive->entries++;
}

void archive_add_text(struct archive *archive, const char *name, const char *text) {
  archive_add(archive, &(struct archive_entry){.name = name, .bytes = text, .count = strlen(text), .method = ARCHIVE_DEFLATED});
}

void archive_finish(struct archive *archive) {
  enum { END64_BYTES = 56, LOCATOR_BYTES = 20, END_BYTES = 22 };
  const uint64_t entries = archive->claimed_entries != 0 ? archive->claimed_entries : archive->entries, offset = archive->count;
  unsigned char end64[END64_BYTES] = {'P', 'K', 6, 6}, locator[LOCATOR_BYTES] = {'P', 'K', 6, 7}, end[END_BYTES] = {'P', 'K', 5, 6};
  append(&archive->bytes, &archive->count, archive->directory, archive->directory_bytes);
  put(end64 + 4, 8, END64_BYTES - 12);
  put(end64 + 12, 2, 45);
  put(end64 + 14, 2, 45);
  put(end64 + 24, 8, entries);
  put(end64 + 32, 8, entries);
  put(end64 + 40, 8, archive->directory_bytes);
  put(end64 + 48, 8, offset);
  put(locator + 8, 8, archive->count);
  put(locator + 16, 4, 1);
  if (archive->is_zip64) append(&archive->bytes, &archive->count, end64, sizeof end64);
  if (archive->is_zip64) append(&archive->bytes, &archive->count, locator, sizeof locator);
  put(end + 8, 2, archive->is_zip64 ? UINT16_MAX : entries);
  put(end + 10, 2, archive->is_zip64 ? UINT16_MAX : entries);
  put(end + 12, 4, archive->is_zip64 ? UINT32_MAX : archive->directory_bytes);
  put(end + 16, 4, archive->is_zip64 ? UINT32_MAX : offset);
  append(&archive->bytes, &archive->count, end, sizeof end);
}

void archive_deinit(struct archive *archive) {
  free(archive->bytes);
  free(archive->directory);
  *archive = (struct archive){0};
}
