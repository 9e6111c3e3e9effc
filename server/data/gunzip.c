#include "server/data/gunzip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>

enum { PLAIN_BYTES = 64 << 10, GZIP_WINDOW = 15 + 16 /* zlib: the largest window, a gzip header */ };

struct gunzip {
  z_stream stream;
  bool is_between; /* a member has ended, none has begun */
  uint64_t packed_bytes, plain_bytes, plain_bytes_max;
  gunzip_handler *handler;
  void *context;
  unsigned char plain[PLAIN_BYTES];
};

bool gunzip_is_magic(const char *bytes, size_t byte_count) {
  return byte_count >= 2 && (unsigned char)bytes[0] == 0x1F && (unsigned char)bytes[1] == 0x8B;
}

enum error_code gunzip_create(uint64_t plain_bytes_max, gunzip_handler *handler, void *context, struct gunzip **out_gunzip,
                              struct error *error) {
  struct gunzip *gunzip = calloc(1, sizeof *gunzip);
  *out_gunzip = NULL;
  if (gunzip == NULL || inflateInit2(&gunzip->stream, GZIP_WINDOW) != Z_OK) {
    free(gunzip);
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to decompress");
  }
  gunzip->plain_bytes_max = plain_bytes_max;
  gunzip->handler = handler;
  gunzip->context = context;
  *out_gunzip = gunzip;
  return ERROR_NONE;
}

void gunzip_destroy(struct gunzip *gunzip) {
  if (gunzip == NULL) return;
  (void)inflateEnd(&gunzip->stream);
  free(gunzip);
}

static enum error_code refuse_broken(const struct gunzip *gunzip, struct error *error) {
  return error_set(error, ERROR_INVALID, "the gzip data is broken after %" PRIu64 " plain bytes: %s", gunzip->plain_bytes,
                   gunzip->stream.msg != NULL ? gunzip->stream.msg : "it ends too early");
}

static enum error_code hand_out(struct gunzip *gunzip, size_t bytes, struct error *error) {
  gunzip->plain_bytes += bytes;
  if (gunzip->plain_bytes > gunzip->plain_bytes_max)
    return error_set(error, ERROR_TOO_LARGE, "decompressed, an upload may have %" PRIu64 " bytes", gunzip->plain_bytes_max);
  if (gunzip->plain_bytes > GUNZIP_RATIO_FROM_BYTES && gunzip->plain_bytes / GUNZIP_RATIO_MAX > gunzip->packed_bytes)
    return error_set(error, ERROR_TOO_LARGE,
                     "more than %d bytes come from each compressed one, as in a decompression bomb; upload it plain", GUNZIP_RATIO_MAX);
  return bytes == 0 ? ERROR_NONE : gunzip->handler(gunzip->context, (const char *)gunzip->plain, bytes, error);
}

enum error_code gunzip_feed(struct gunzip *gunzip, const char *bytes, size_t byte_count, struct error *error) {
  z_stream *stream = &gunzip->stream;
  stream->next_in = (unsigned char *)(size_t)bytes; /* only read */
  stream->avail_in = (unsigned)byte_count;
  gunzip->packed_bytes += byte_count;
  do {
    if (gunzip->is_between && inflateReset(stream) != Z_OK) return refuse_broken(gunzip, error);
    gunzip->is_between = false;
    stream->next_out = gunzip->plain;
    stream->avail_out = PLAIN_BYTES;
    const int status = inflate(stream, Z_NO_FLUSH);
    if (status == Z_MEM_ERROR) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to decompress");
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) return refuse_broken(gunzip, error);
    gunzip->is_between = status == Z_STREAM_END;
    enum error_code code = hand_out(gunzip, PLAIN_BYTES - stream->avail_out, error);
    if (code != ERROR_NONE) return code;
  } while (stream->avail_in > 0 || (stream->avail_out == 0 && !gunzip->is_between));
  return ERROR_NONE;
}

enum error_code gunzip_finish(const struct gunzip *gunzip, struct error *error) {
  return gunzip->is_between ? ERROR_NONE : refuse_broken(gunzip, error);
}
