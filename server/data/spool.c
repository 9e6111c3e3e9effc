#include "server/data/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/data/import_private.h"
#include "server/store/store.h"

enum { PATH_BYTES = 4096 };

enum error_code spool_open(const char *data_dir, struct spool *out_spool, struct error *error) {
  char folder[PATH_BYTES], path[PATH_BYTES + STORE_ID_BYTES + 8], id[STORE_ID_BYTES];
  *out_spool = (struct spool){.fd = -1};
  const int length = snprintf(folder, sizeof folder, "%s/datasets", data_dir);
  if (length < 0 || (size_t)length >= sizeof folder) return error_set(error, ERROR_INTERNAL, "the data directory's name is too long");
  if (mkdir(folder, 0700) != 0 && errno != EEXIST) return import_set_io_error(error, "making the folder of");
  /* The store sweeps the name if the process ends between the two calls. */
  store_make_id("up", id);
  snprintf(path, sizeof path, "%s/.%s.part", folder, id);
  out_spool->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (out_spool->fd < 0) return import_set_io_error(error, "creating");
  unlink(path);
  return ERROR_NONE;
}

void spool_close(struct spool *spool) {
  if (spool->bytes != NULL && spool->byte_count > 0) munmap((void *)(uintptr_t)spool->bytes, (size_t)spool->byte_count);
  if (spool->fd >= 0) close(spool->fd);
  *spool = (struct spool){.fd = -1};
}

enum error_code spool_write(struct spool *spool, const void *bytes, size_t byte_count, struct error *error) {
  spool->byte_count += byte_count;
  return import_write_file(spool->fd, bytes, byte_count, error);
}

enum error_code spool_map(struct spool *spool, struct error *error) {
  static const unsigned char nothing[1];
  if (spool->byte_count == 0) {
    spool->bytes = nothing;
    return ERROR_NONE;
  }
  void *bytes = mmap(NULL, (size_t)spool->byte_count, PROT_READ, MAP_SHARED, spool->fd, 0);
  if (bytes == MAP_FAILED) return import_set_io_error(error, "reading");
  (void)madvise(bytes, (size_t)spool->byte_count, MADV_SEQUENTIAL);
  spool->bytes = bytes;
  return ERROR_NONE;
}
