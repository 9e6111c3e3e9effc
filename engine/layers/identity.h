/* z = x, value for value: what activation, flatten and reshape compute. */
#ifndef ENGINE_LAYERS_IDENTITY_H
#define ENGINE_LAYERS_IDENTITY_H

#include "engine/layer.h"

void identity_forward(const struct layer *layer, const struct pass *pass);
void identity_backward(const struct layer *layer, const struct pass *pass);
void identity_forward64(const struct layer *layer, const struct pass64 *pass);

#endif
