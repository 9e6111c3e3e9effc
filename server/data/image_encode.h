/* Images as PNG, for thumbnails. Threads: any. */
#ifndef SERVER_DATA_IMAGE_ENCODE_H
#define SERVER_DATA_IMAGE_ENCODE_H

#include "server/data/image_decode.h"

/* elements[channels, height, width], channels 1 (grey), 3 (RGB) or 4 (RGB and opacity), brought to height × width, sides up to
 * IMAGE_SIDE_MAX (image_resize.h); *out_png, of *out_bytes, is the caller's to free. */
__attribute__((warn_unused_result)) enum error_code image_encode_png(const struct image_shape *shape, const uint8_t *elements,
                                                                     size_t height, size_t width, char **out_png, size_t *out_bytes,
                                                                     struct error *error);

#endif
