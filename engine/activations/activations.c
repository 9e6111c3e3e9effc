/* The table of activations. A new one: its file and its row in kinds.h. */
#include "engine/activations/kinds.h"

KIND_TABLE(activation, ACTIVATION_KINDS)
