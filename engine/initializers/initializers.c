/* The table of initializers. A new one: its file and its row in kinds.h. */
#include "engine/initializers/kinds.h"

KIND_TABLE(initializer, INITIALIZER_KINDS)
