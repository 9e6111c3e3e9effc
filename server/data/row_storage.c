#include "server/data/row_storage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static bool is_full(int reason) { return reason == ENOSPC || reason == EDQUOT || reason == EFBIG; }

static enum error_code refuse(int reason, size_t bytes, const char *data_dir, struct error *error) {
  if (reason == ENOMEM) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to map a file of %zu bytes of prepared rows", bytes);
  if (is_full(reason)) {
    return error_set(
        error, ERROR_DISK_FULL,
        "the prepared rows need %zu bytes on the disk of the data directory %.128s, which are not free; nothing was kept of them", bytes,
        data_dir);
  }
  return error_set(error, ERROR_INTERNAL, "the prepared rows' file of %zu bytes: %s", bytes, strerror(reason));
}

static bool make_path(char path[PATH_BYTES], const char *data_dir, const char *rest) {
  const int length = snprintf(path, PATH_BYTES, "%s/datasets%s", data_dir, rest);
  return length >= 0 && length < PATH_BYTES;
}

enum error_code row_storage_check_disk(const char *data_dir, uint64_t bytes, struct error *error) {
  struct statvfs disk;
  if (bytes == 0 || statvfs(data_dir, &disk) != 0) return ERROR_NONE; /* then row_storage_open will say */
  const uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
  if (bytes <= free_bytes) return ERROR_NONE;
  return error_set(error, ERROR_DISK_FULL,
                   "the prepared rows need %" PRIu64 " bytes on the disk of the data directory, where %" PRIu64 " are free", bytes,
                   free_bytes);
}

/* Where the file system has no unnamed files, one that loses its name at once; between the two calls a crash leaves it to the sweep of
 * datasets/. */
static int open_unnamed(const char *data_dir) {
  char path[PATH_BYTES];
  if (!make_path(path, data_dir, "")) {
    errno = ENAMETOOLONG;
    return -1;
  }
  const int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) || !make_path(path, data_dir, "/.rows-XXXXXX")) return fd;
  const int named = mkostemp(path, O_CLOEXEC);
  if (named >= 0) unlink(path);
  return named;
}

static int allocate_file(int fd, size_t bytes) {
  int reason;
  do reason = posix_fallocate(fd, 0, (off_t)bytes);
  while (reason == EINTR);
  return reason;
}

static enum error_code open_file(const char *data_dir, size_t bytes, struct row_storage *out_storage, struct error *error) {
  const int fd = open_unnamed(data_dir);
  if (fd < 0) return refuse(errno, bytes, data_dir, error);
  int reason = allocate_file(fd, bytes);
  void *start = reason == 0 ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (reason == 0 && start == MAP_FAILED) reason = errno;
  close(fd); /* the mapping keeps the file */
  if (reason != 0) return refuse(reason, bytes, data_dir, error);
  *out_storage = (struct row_storage){.floats = start, .bytes = bytes, .is_file = true};
  return ERROR_NONE;
}

enum error_code row_storage_open(const char *data_dir, size_t bytes, bool in_file, struct row_storage *out_storage, struct error *error) {
  *out_storage = (struct row_storage){0};
  if (in_file) return open_file(data_dir, bytes, out_storage, error);
  const size_t aligned = (bytes + ROW_STORAGE_ALIGNMENT_BYTES - 1) / ROW_STORAGE_ALIGNMENT_BYTES * ROW_STORAGE_ALIGNMENT_BYTES;
  float *floats = aligned_alloc(ROW_STORAGE_ALIGNMENT_BYTES, aligned);
  if (floats == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu bytes of rows", bytes);
  *out_storage = (struct row_storage){.floats = floats, .bytes = bytes};
  return ERROR_NONE;
}

void row_storage_close(struct row_storage *storage) {
  if (storage->is_file)
    munmap(storage->floats, storage->bytes);
  else
    free(storage->floats);
  *storage = (struct row_storage){0};
}

/* Whole pages inside the range; advice that isn't taken is no error. */
static void advise(const struct row_storage *storage, const float *begin, size_t bytes, int advice) {
  const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
  const size_t offset = (size_t)(begin - storage->floats) * sizeof(float);
  const size_t first = (offset + page_bytes - 1) / page_bytes * page_bytes, end = (offset + bytes) / page_bytes * page_bytes;
  if (storage->is_file && first < end) (void)madvise((char *)storage->floats + first, end - first, advice);
}

void row_storage_expect_any_order(const struct row_storage *storage, const float *begin, size_t bytes) {
  advise(storage, begin, bytes, MADV_RANDOM);
}

void row_storage_expect_order(const struct row_storage *storage, const float *begin, size_t bytes) {
  advise(storage, begin, bytes, MADV_SEQUENTIAL);
}
