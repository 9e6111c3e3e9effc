/* The network spec: its table, and how names, "auto" and a missing input are filled in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/layers/kinds.h"
#include "engine/network_private.h"

static const struct param input_params[] = {
    {.name = "shape",
     .type = PARAM_SHAPE,
     .offset = offsetof(struct network_input, shape),
     .help = "sizes of the axes of one sample: [features], [time, features] or [channels, height, width]; follows from the dataset if left "
             "out"},
};

const struct param network_params[3] = {
    {.name = "name", .type = PARAM_TEXT, .offset = offsetof(struct network_spec, name), .help = "unique name, to refer to it by"},
    PARAM_OBJECT_ROW(struct network_spec, input, input_params, "what goes in"),
    {.name = "layers",
     .type = PARAM_KINDS,
     .offset = offsetof(struct network_spec, layers),
     .kinds = &layer_kinds,
     .flags = PARAM_REQUIRED,
     .help = "the layers, each taking the output of the one before unless `inputs` says otherwise; the last is the output"},
};

void network_spec_deinit(struct network_spec *spec) { settings_deinit(spec, network_params, PARAM_COUNT(network_params)); }

/* Whether the layer's table has a row for the activation: where it has none, "auto" can't be meant. */
static bool has_activation(const struct param *params, size_t param_count, size_t base) {
  for (size_t i = 0; i < param_count; i++) {
    size_t offset = base + params[i].offset;
    if (params[i].type == PARAM_INLINE && has_activation(params[i].params, params[i].param_count, offset)) return true;
    if (params[i].type == PARAM_KIND && offset == offsetof(struct layer_common, activation)) return true;
  }
  return false;
}

static bool is_auto_activation(const struct spec *layer) {
  return layer_common_of(layer)->activation.kind == NULL && has_activation(layer->kind->params, layer->kind->param_count, 0);
}

/* A field of the layer that is an integer set to "auto"; NULL if there is none. */
static int64_t *find_auto_integer(const struct spec *layer, const struct param **out_param) {
  for (size_t i = 0; i < layer->kind->param_count; i++) {
    const struct param *param = &layer->kind->params[i];
    if (param->type != PARAM_INTEGER) continue;
    int64_t *field = param_field(layer->settings, param);
    if (*field != PARAM_INTEGER_AUTO) continue;
    *out_param = param;
    return field;
  }
  return NULL;
}

static bool is_name_taken(const struct network_spec *spec, const char *name) {
  for (size_t i = 0; i < spec->layers.count; i++)
    if (strcmp(layer_common_of(&spec->layers.items[i])->name, name) == 0) return true;
  return false;
}

/* "dense_0" by type and position; if someone else's name is that already, with as many _ more as it takes. */
static void name_layers(struct network_spec *spec) {
  for (size_t i = 0; i < spec->layers.count; i++) {
    struct spec *layer = &spec->layers.items[i];
    struct layer_common *common = layer_common_of(layer);
    if (common->name[0] != '\0') continue;
    char name[LIMIT_NAME_BYTES + 1];
    size_t length = (size_t)snprintf(name, sizeof name, "%s_%zu", layer->kind->name, i);
    while (is_name_taken(spec, name) && length < LIMIT_NAME_BYTES) {
      name[length++] = '_';
      name[length] = '\0';
    }
    memcpy(common->name, name, sizeof name);
  }
}

static enum error_code refuse_auto(const struct network_spec *spec, size_t index, const char *field, struct error *error) {
  char pointer[ERROR_POINTER_BYTES];
  error_pointer(pointer, "/layers", "%zu", index);
  error_pointer(pointer, pointer, "%s", field);
  return error_add(error, pointer, "can't be \"auto\": only the last layer, \"%s\", follows from the target",
                   layer_common_of(&spec->layers.items[spec->layers.count - 1])->name);
}

/* Name under which the layer's table has its activation. */
static const char *activation_field(const struct spec *layer) {
  for (size_t i = 0; i < layer->kind->param_count; i++)
    if (layer->kind->params[i].type == PARAM_KIND && layer->kind->params[i].offset == offsetof(struct layer_common, activation))
      return layer->kind->params[i].name;
  return "activation";
}

/* ---- tokens ---- */

static bool takes_input(const struct network_spec *spec, size_t index) {
  const struct names *inputs = &layer_common_of(&spec->layers.items[index])->inputs;
  return inputs->count == 0 ? index == 0 : strcmp(inputs->items[0], "input") == 0;
}

static bool takes_input_tokens(const struct network_spec *spec, size_t index) {
  return layer_kind_of(&spec->layers.items[index])->takes_tokens && takes_input(spec, index);
}

static size_t find_layer(const struct network_spec *spec, const char *name) {
  size_t i = 0;
  while (i < spec->layers.count && strcmp(layer_common_of(&spec->layers.items[i])->name, name) != 0) i++;
  return i;
}

/* Whether the layer takes the network's input, as it is or reshaped. The steps are counted, as names may still go in circles. */
static bool takes_input_values(const struct network_spec *spec, size_t index) {
  for (size_t step = 0; step < spec->layers.count && index < spec->layers.count; step++) {
    if (takes_input(spec, index)) return true;
    const struct names *inputs = &layer_common_of(&spec->layers.items[index])->inputs;
    index = inputs->count == 0 ? index - 1 : find_layer(spec, inputs->items[0]);
    if (index >= spec->layers.count || layer_kind_of(&spec->layers.items[index]) != &layer_reshape) return false;
  }
  return false;
}

bool network_spec_takes_unscaled(const struct network_spec *spec) {
  for (size_t i = 0; i < spec->layers.count; i++) {
    const struct layer_kind *kind = layer_kind_of(&spec->layers.items[i]);
    if ((kind->takes_tokens && takes_input(spec, i)) || (kind->takes_unscaled && takes_input_values(spec, i))) return true;
  }
  return false;
}

bool network_spec_takes_vectors(const struct network_spec *spec) {
  static const char *const of_vectors[] = {"dense", "activation", "dropout", "batch_norm", "layer_norm", "add", "concat"};
  for (size_t i = 0; i < spec->layers.count; i++) {
    size_t k = 0;
    while (k < sizeof of_vectors / sizeof of_vectors[0] && strcmp(spec->layers.items[i].kind->name, of_vectors[k]) != 0) k++;
    if (k == sizeof of_vectors / sizeof of_vectors[0]) return false;
  }
  return true;
}

bool network_spec_takes_tokens(const struct network_spec *spec) {
  for (size_t i = 0; i < spec->layers.count; i++)
    if (takes_input_tokens(spec, i)) return true;
  return false;
}

/* An integer of the layer's settings by its name; every kind that takes tokens has those that are asked for. */
static int64_t *get_integer(const struct spec *layer, const char *name) {
  size_t i = 0;
  while (strcmp(layer->kind->params[i].name == NULL ? "" : layer->kind->params[i].name, name) != 0) i++;
  return param_field(layer->settings, &layer->kind->params[i]);
}

bool network_spec_get_tokens(const struct network_spec *spec, size_t *out_count, int64_t *out_padding) {
  *out_count = SIZE_MAX;
  *out_padding = -1;
  for (size_t i = 0; i < spec->layers.count; i++) {
    if (!takes_input_tokens(spec, i)) continue;
    const int64_t count = *get_integer(&spec->layers.items[i], "input_dim"), padding = *get_integer(&spec->layers.items[i], "padding_idx");
    if (count == PARAM_INTEGER_AUTO) return false;
    if ((size_t)count < *out_count) *out_count = (size_t)count;
    if (padding != PARAM_INTEGER_NONE) *out_padding = padding;
  }
  return *out_count != SIZE_MAX;
}

bool network_spec_get_mask(const struct network_spec *spec, double *out_value) {
  for (size_t i = 0; i < spec->layers.count; i++) {
    const struct spec *layer = &spec->layers.items[i];
    if (layer_kind_of(layer) != &layer_masking || !takes_input_values(spec, i)) continue;
    *out_value = layer_masking_get_value(layer);
    return true;
  }
  return false;
}

/* How many tokens there are is open until a dataset says so. */
static bool has_open_tokens(const struct network_spec *spec) {
  for (size_t i = 0; i < spec->layers.count; i++)
    if (takes_input_tokens(spec, i) && *get_integer(&spec->layers.items[i], "input_dim") == PARAM_INTEGER_AUTO) return true;
  return false;
}

/* "auto": as many tokens as the dataset has, the first of them padding. */
static enum error_code fill_tokens(struct network_spec *spec, const struct network_target *target, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < spec->layers.count; i++) {
    const struct spec *layer = &spec->layers.items[i];
    if (!takes_input_tokens(spec, i)) continue;
    int64_t *input_dim = get_integer(layer, "input_dim"), *padding_idx = get_integer(layer, "padding_idx");
    char pointer[ERROR_POINTER_BYTES];
    error_pointer(pointer, "/layers", "%zu", i);
    error_pointer(pointer, pointer, "input_dim");
    if (*input_dim == PARAM_INTEGER_AUTO && target->token_count == 0) {
      code = error_add(error, pointer, "can't be \"auto\": the features are no text; give the number of different tokens");
    } else if (*input_dim == PARAM_INTEGER_AUTO) {
      *input_dim = (int64_t)target->token_count;
      if (*padding_idx == PARAM_INTEGER_NONE) *padding_idx = 0;
    } else if ((size_t)*input_dim < target->token_count) {
      code = error_add(error, pointer,
                       "must be at least %zu, as many tokens as the text is cut into (vocabulary, padding and unknown), or \"auto\"",
                       target->token_count);
    }
  }
  return code;
}

static enum error_code refuse_hidden_autos(const struct network_spec *spec, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i + 1 < spec->layers.count; i++) {
    const struct spec *layer = &spec->layers.items[i];
    const struct param *param;
    if (find_auto_integer(layer, &param) != NULL && !takes_input_tokens(spec, i)) code = refuse_auto(spec, i, param->name, error);
    if (is_auto_activation(layer)) code = refuse_auto(spec, i, activation_field(layer), error);
  }
  return code;
}

/* Two classes need one output where a sigmoid was asked for, else two for softmax. */
static int64_t count_outputs(const struct spec *output, const struct network_target *target) {
  const struct spec *activation = &layer_common_of(output)->activation;
  bool is_sigmoid = activation->kind != NULL && strcmp(activation->kind->name, "sigmoid") == 0;
  bool has_two_classes = target->is_classification && !target->is_multilabel && target->output_width == 2 && target->steps <= 1;
  return is_sigmoid && has_two_classes ? 1 : (int64_t)target->output_width;
}

static enum error_code fill_from_target(struct network_spec *spec, const struct network_target *target, struct error *error) {
  struct spec *output = &spec->layers.items[spec->layers.count - 1];
  const struct param *param;
  int64_t *field;
  while ((field = find_auto_integer(output, &param)) != NULL) *field = count_outputs(output, target);
  if (spec->input.shape.rank == 0) spec->input.shape = target->input;
  if (!is_auto_activation(output)) return ERROR_NONE;
  const char *activation = target->is_multilabel ? "sigmoid" : target->is_classification ? "softmax" : "linear";
  return spec_init(&layer_common_of(output)->activation, kind_table_find(&activation_kinds, activation), error);
}

static enum error_code check_input(const struct network_spec *spec, const struct network_target *target, struct error *error) {
  if (target->input.rank == 0 || shape_size(&spec->input.shape) == shape_size(&target->input)) return ERROR_NONE;
  char given[SHAPE_TEXT_BYTES], needed[SHAPE_TEXT_BYTES];
  return error_add(error, "/input/shape",
                   "%s does not fit the dataset's features, %s: leave the input out, or make its sizes multiply to %zu",
                   shape_format(&spec->input.shape, given, sizeof given), shape_format(&target->input, needed, sizeof needed),
                   shape_size(&target->input));
}

/* Several targets of a classification are the classes of a sequence's steps. */
static enum error_code check_steps(const struct network_spec *spec, const struct shape *out, const struct network_target *target,
                                   struct error *error) {
  if (out->rank == 2 && out->sizes[0] == target->steps && out->sizes[1] == target->output_width) return ERROR_NONE;
  char pointer[ERROR_POINTER_BYTES], text[SHAPE_TEXT_BYTES];
  error_pointer(pointer, "/layers", "%zu", spec->layers.count - 1);
  return error_add(
      error, pointer,
      "the network's output has the shape %s, but %zu targets of a classification are a class for each step of a sequence, and "
      "need [%zu, %zu]: one of %zu classes a step",
      shape_format(out, text, sizeof text), target->steps, target->steps, target->output_width, target->output_width);
}

static enum error_code check_output(const struct network_spec *spec, const struct network_target *target, struct error *error) {
  struct network *network;
  enum error_code code = network_create(spec, &network, error);
  if (code != ERROR_NONE) return code;
  struct shape out = *network_get_output_shape(network);
  const struct spec *activation = network_get_output_activation(network);
  bool is_yes_or_no = target->is_classification && !target->is_multilabel && target->output_width == 2 && shape_size(&out) == 1 &&
                      strcmp(activation->kind->name, "sigmoid") == 0;
  network_destroy(network);
  const bool has_steps = target->is_classification && !target->is_multilabel && out.rank == 2 && out.sizes[0] > 1;
  if (target->steps > 1) return check_steps(spec, &out, target, error);
  if ((shape_size(&out) == target->output_width && !has_steps) || is_yes_or_no) return ERROR_NONE;
  char pointer[ERROR_POINTER_BYTES], text[SHAPE_TEXT_BYTES];
  error_pointer(pointer, "/layers", "%zu", spec->layers.count - 1);
  return error_add(error, pointer, "the network's output \"%s\" has the shape %s, but the target needs %zu %s",
                   layer_common_of(&spec->layers.items[spec->layers.count - 1])->name, shape_format(&out, text, sizeof text),
                   target->output_width,
                   target->is_multilabel       ? "labels"
                   : target->is_classification ? "classes"
                   : target->output_width == 1 ? "number"
                                               : "numbers");
}

static enum network_known get_known(const struct network_spec *spec) {
  const struct param *param;
  if (has_open_tokens(spec)) return NETWORK_KNOWN_NOTHING;
  return find_auto_integer(&spec->layers.items[spec->layers.count - 1], &param) == NULL ? NETWORK_KNOWN_ALL : NETWORK_KNOWN_BUT_OUTPUT;
}

enum error_code network_spec_resolve(struct network_spec *spec, const struct network_target *target, struct error *error) {
  if (spec->layers.count == 0) return error_add(error, "/layers", "needs at least one layer");
  name_layers(spec);
  enum error_code code = refuse_hidden_autos(spec, error);
  if (code != ERROR_NONE) return code;
  if (target == NULL) return network_check_draft(spec, get_known(spec), error);
  code = fill_tokens(spec, target, error);
  if (code == ERROR_NONE) code = fill_from_target(spec, target, error);
  if (code == ERROR_NONE) code = check_input(spec, target, error);
  if (code == ERROR_NONE) code = check_output(spec, target, error);
  if (code == ERROR_NONE && target->has_padding && network_spec_takes_steps(spec)) code = network_spec_mask_padding(spec, error);
  return code;
}
