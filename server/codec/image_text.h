/* Images within JSON: a PNG or JPEG file in base64 (RFC 4648), alone or as a data URL ("data:image/png;base64,…", RFC 2397). */
#ifndef SERVER_CODEC_IMAGE_TEXT_H
#define SERVER_CODEC_IMAGE_TEXT_H

#include "server/data/image_decode.h"

/* Fills out_elements[channels, height, width]. ERROR_INVALID, whose detail goes on after the field's name ("must be …"). */
__attribute__((warn_unused_result)) enum error_code image_text_decode(const char *text, const struct image_shape *shape,
                                                                      uint8_t *out_elements, struct error *error);

#endif
