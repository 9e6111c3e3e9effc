/* Initializers: start values of a weight tensor. One file per kind in initializers/. */
#ifndef ENGINE_INITIALIZER_H
#define ENGINE_INITIALIZER_H

#include <stddef.h>

#include "engine/param.h"
#include "engine/random.h"

struct initializer_kind {
  struct kind kind;
  /* Fills `weights`, a tensor [rows, columns] seen as a matrix (rows = outputs), of the given fan-in and fan-out. */
  void (*fill)(const void *settings, const struct random_stream *stream, size_t rows, size_t columns, size_t fan_in, size_t fan_out,
               float *weights);
};

extern const struct kind_table initializer_kinds;

#endif
