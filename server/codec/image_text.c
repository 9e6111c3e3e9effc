#include "server/codec/image_text.h"

#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where the base64 begins; NULL: a data URL of another encoding. */
static const char *skip_url_head(const char *text) {
  if (strncasecmp(text, "data:", 5) != 0) return text;
  static const char encoding[] = ";base64";
  const char *comma = strchr(text, ',');
  if (comma == NULL || comma - text < (long)(5 + sizeof encoding - 1)) return NULL;
  return strncasecmp(comma - (sizeof encoding - 1), encoding, sizeof encoding - 1) == 0 ? comma + 1 : NULL;
}

enum error_code image_text_decode(const char *text, const struct image_shape *shape, uint8_t *out_elements, struct error *error) {
  const char *base64 = skip_url_head(text);
  if (base64 == NULL) return error_set(error, ERROR_INVALID, "must be an image in base64: \"data:image/png;base64,…\"");
  const size_t count = strlen(base64);
  size_t byte_count = BASE64_DECODE_LENGTH(count);
  uint8_t *bytes = malloc(byte_count + 1);
  if (bytes == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  struct base64_decode_ctx context;
  base64_decode_init(&context);
  struct error defect = {0};
  enum error_code code = ERROR_NONE;
  if (!base64_decode_update(&context, &byte_count, bytes, count, base64) || !base64_decode_final(&context))
    code = error_set(error, ERROR_INVALID, "must be an image: a PNG or JPEG file in base64, or its %zu × %zu × %zu pixels as arrays",
                     shape->channels, shape->height, shape->width);
  if (code == ERROR_NONE) {
    code = image_decode(bytes, byte_count, shape, out_elements, &defect);
    if (code != ERROR_NONE)
      code = error_set(error, code == ERROR_OUT_OF_MEMORY ? code : ERROR_INVALID, "must be an image in base64; what was sent %.200s",
                       defect.detail);
  }
  free(bytes);
  return code;
}
