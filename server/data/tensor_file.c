/* Tensor files, read back. */
#include "server/data/tensor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

size_t tensor_file_get_offset(const struct dataset_row *dataset, size_t column) {
  size_t offset = 0;
  for (size_t i = 0; i <= column; i++) {
    const struct dataset_column *tensor = &dataset->columns[i];
    if (tensor->rank == 0) continue;
    const size_t element_bytes = tensor_element_bytes(tensor->element);
    offset = (offset + element_bytes - 1) / element_bytes * element_bytes;
    if (i < column) offset += dataset_column_count_elements(tensor) * element_bytes;
  }
  return offset;
}

static enum error_code fail_to_open(const struct dataset_row *dataset, int reason, struct error *error) {
  return error_set(error, ERROR_INTERNAL, "opening the tensors of dataset \"%s\": %s", dataset->name, strerror(reason));
}

static enum error_code map_file(struct tensor_file *file, const struct dataset_row *dataset, int fd, struct error *error) {
  struct stat status;
  size_t bytes;
  if (fstat(fd, &status) != 0) return fail_to_open(dataset, errno, error);
  if (__builtin_mul_overflow(dataset->record_bytes, dataset->rows, &bytes) || (uint64_t)status.st_size != bytes || bytes == 0)
    return error_set(error, ERROR_INTERNAL, "the tensors of dataset \"%s\" have %lld bytes; %" PRIu64 " rows of %" PRIu64 " need others",
                     dataset->name, (long long)status.st_size, dataset->rows, dataset->record_bytes);
  void *mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return fail_to_open(dataset, errno, error);
  file->bytes = mapped;
  file->byte_count = bytes;
  return ERROR_NONE;
}

enum error_code tensor_file_open(const char *data_dir, const struct dataset_row *dataset, struct tensor_file *out_file,
                                 struct error *error) {
  *out_file = (struct tensor_file){.record_bytes = (size_t)dataset->record_bytes, .rows = dataset->rows};
  if (dataset->tensor_file[0] == '\0') return ERROR_NONE;
  char path[PATH_BYTES];
  const int length = snprintf(path, sizeof path, "%s/datasets/%s", data_dir, dataset->tensor_file);
  if (length < 0 || (size_t)length >= sizeof path) return error_set(error, ERROR_INTERNAL, "the data directory's name is too long");
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail_to_open(dataset, errno, error);
  enum error_code code = map_file(out_file, dataset, fd, error);
  close(fd);
  return code;
}

void tensor_file_close(struct tensor_file *file) {
  if (file->bytes != NULL) munmap((void *)(uintptr_t)file->bytes, file->byte_count);
  *file = (struct tensor_file){0};
}
