/* What a network makes of sequences of different length that come padded: whether it takes steps, and the masking layer
 * that tells it which are real. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/layer.h"
#include "engine/network.h"

static bool takes_input(const struct network_spec *spec, size_t index) {
  const struct names *inputs = &layer_common_of(&spec->layers.items[index])->inputs;
  return inputs->count == 0 ? index == 0 : strcmp(inputs->items[0], "input") == 0;
}

bool network_spec_takes_steps(const struct network_spec *spec) {
  for (size_t i = 0; i < spec->layers.count; i++)
    if (takes_input(spec, i) && layer_kind_of(&spec->layers.items[i])->takes_steps) return true;
  return false;
}

static bool is_name_taken(const struct network_spec *spec, const char *name) {
  for (size_t i = 0; i < spec->layers.count; i++)
    if (strcmp(layer_common_of(&spec->layers.items[i])->name, name) == 0) return true;
  return false;
}

/* Lets every layer that took the network's input take another. */
static bool redirect(const struct specs *layers, const char *from, const char *to) {
  for (size_t i = 0; i < layers->count; i++) {
    struct names *inputs = &layer_common_of(&layers->items[i])->inputs;
    for (size_t k = 0; k < inputs->count; k++) {
      if (strcmp(inputs->items[k], from) != 0) continue;
      char *copy = strdup(to);
      if (copy == NULL) return false;
      free(inputs->items[k]);
      inputs->items[k] = copy;
    }
  }
  return true;
}

/* The layers with a masking before them. */
static enum error_code put_masking_first(struct network_spec *spec, char name[LIMIT_NAME_BYTES + 1], struct error *error) {
  struct spec masking;
  enum error_code code = spec_init(&masking, kind_table_find(&layer_kinds, "masking"), error);
  if (code != ERROR_NONE) return code;
  size_t length = (size_t)snprintf(name, LIMIT_NAME_BYTES + 1, "masking");
  while (is_name_taken(spec, name) && length < LIMIT_NAME_BYTES) {
    name[length++] = '_';
    name[length] = '\0';
  }
  struct spec *items = realloc(spec->layers.items, (spec->layers.count + 1) * sizeof *items);
  if (items != NULL) spec->layers.items = items;
  if (items == NULL || !redirect(&spec->layers, "input", name)) {
    spec_deinit(&masking);
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a layer");
  }
  memcpy(layer_common_of(&masking)->name, name, LIMIT_NAME_BYTES + 1);
  memmove(items + 1, items, spec->layers.count * sizeof *items);
  items[0] = masking;
  spec->layers.count++;
  return ERROR_NONE;
}

static enum error_code take_masking_away(struct network_spec *spec, const char *name, struct error *error) {
  spec_deinit(&spec->layers.items[0]);
  spec->layers.count--;
  memmove(spec->layers.items, spec->layers.items + 1, spec->layers.count * sizeof *spec->layers.items);
  if (redirect(&spec->layers, name, "input")) return ERROR_NONE;
  return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a layer");
}

enum error_code network_spec_mask_padding(struct network_spec *spec, struct error *error) {
  double value;
  char name[LIMIT_NAME_BYTES + 1];
  if (network_spec_get_mask(spec, &value) || spec->layers.count >= LIMIT_LAYERS) return ERROR_NONE;
  enum error_code code = put_masking_first(spec, name, error);
  if (code != ERROR_NONE) return code;
  struct network *network = NULL;
  struct error refusal = {0};
  code = network_create(spec, &network, &refusal);
  network_destroy(network);
  return code == ERROR_NONE ? ERROR_NONE : take_masking_away(spec, name, error);
}
