/* Blocks: the large arrays that everything of a training run is cut from. */
#ifndef ENGINE_BLOCK_H
#define ENGINE_BLOCK_H

#include <stddef.h>

enum { BLOCK_ALIGNMENT = 64 }; /* bytes: a block starts on a cache line, and so do the arrays that are cut from it */

/* `bytes` of zeros, a multiple of BLOCK_ALIGNMENT and more than none; NULL: no memory. The pages are touched here, so that training finds
 * them there. The caller frees it by free(). */
void *block_create(size_t bytes);

#endif
