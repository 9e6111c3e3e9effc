/* Layers: the protocol between a layer kind and the network. One file per kind in layers/, one row in layers/layers.c.
 *
 * A layer computes z from the outputs of its inputs; the network then applies the layer's activation, a = f(z), and a is what its
 * successors see. Backward, the network first turns ∂C/∂a into δ = ∂C/∂z by the activation's own backward; the layer then adds
 * ∂C/∂w to the gradients and writes ∂C/∂x for each input. A kind so never deals with activations, branches or sums of gradients.
 *
 *     x₀ x₁ …  ──forward──▶  z  ──activation──▶  a  ──▶ successors
 *     ∂C/∂x    ◀──backward── δ  ◀──activation──  ∂C/∂a ◀── (summed by the network over successors)
 *
 * Arrays are row-major, batch first: x[i] is [batch, in[i] …], z and δ are [batch, out …].
 *
 * Sequences of different length. Samples [time, …] are padded at their end to one size. An array may come with lengths, one a sample: steps
 * 0 … length − 1 along axis 0 are real, 1 ≤ length ≤ size of the axis, the rest is padding. Layers that know padding when they see it
 * (embedding with padding_idx, masking) make lengths; each kind says in compile what becomes of them (enum layer_lengths). The network
 * keeps a = 0 at padded steps, and δ = 0 before a kind's backward: so a kind that acts step by step needs no code for lengths.
 * A kind that mixes steps (pooling, convolution, recurrence, attention, batch norm) must look at pass->lengths and leave padded steps
 * out. What always holds: padding the same sequences further, to a longer axis 0, changes no real step's output, no cost and no gradient
 * beyond rounding. A kind that can't hold to this refuses inputs with lengths in compile, saying what to do.
 * Joined layers. Where nobody wants to see what is between two layers, a kind may compute both at once (join below).
 *
 * Threads: functions are pure but for the arrays they are handed. They may cut work into pieces with pass->parallel.
 */
#ifndef ENGINE_LAYER_H
#define ENGINE_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/activation.h"
#include "engine/error.h"
#include "engine/initializer.h"
#include "engine/parallel.h"
#include "engine/param.h"
#include "engine/random.h"

/* What a layer makes of its inputs' lengths. */
enum layer_lengths {
  LAYER_LENGTHS_END,  /* the output has none: what it holds of each sample counts as a whole */
  LAYER_LENGTHS_KEEP, /* the output's steps are the inputs': the same length; of inputs that differ, the shorter */
  LAYER_LENGTHS_OWN   /* forward and forward64 write pass->out_lengths */
};

/* The first member of every layer's settings struct. The tables below describe parts of it; a kind's table includes, by
 * PARAM_INLINE rows at offset 0, those that make sense for it. */
struct layer_common {
  char name[LIMIT_NAME_BYTES + 1]; /* "" → "<type>_<index>" */
  struct names inputs;             /* empty → the layer before; "input" is the network's */
  struct spec activation;          /* kind NULL: "auto", decided by the target */
  double l1, l2;                   /* penalty on weights (not biases): l1 Σ|w| + l2 Σ w² is added to the cost */
  bool trainable;                  /* false: frozen; training leaves its weights and running statistics as they are */
};
extern const struct param layer_name_params[3];       /* name, inputs, trainable: every layer */
extern const struct param layer_activation_params[1]; /* activation: every layer but activation, dropout */
extern const struct param layer_penalty_params[2];    /* l1, l2: layers with weights */

/* One parameter or buffer tensor of a layer: a named view into the network's one block. */
struct layer_tensor {
  char name[32]; /* PyTorch's: "weight", "bias", "running_mean", "weight_ih" */
  struct shape shape;
  size_t offset; /* floats from the start of the network's parameter or buffer block */
  size_t fan_in, fan_out;
  const struct spec *initializer; /* borrowed from the settings; NULL: filled with `fill` */
  float fill;
  size_t zero_row;   /* 1 + index of a row that starts as zeros whatever the initializer, and has no gradient; 0: none */
  bool is_penalized; /* l1, l2 apply */
  bool is_shift;     /* a value for each channel, as batch_norm counts channels, added to all of that channel's in z */
  bool is_lost;      /* set by the network: a shift that what follows takes off again */
};

/* A layer of a compiled network, as its kind sees it. */
struct layer {
  const struct layer_kind *kind;
  const void *settings; /* starts with struct layer_common; borrowed from the network */
  size_t index;         /* position in the network's order; also the random lane */
  bool is_frozen;       /* not trainable */
  const char *name;     /* for errors; borrowed, as are the inputs' names */
  size_t input_count;
  const char *input_names[LIMIT_LAYER_INPUTS];
  struct shape in[LIMIT_LAYER_INPUTS];  /* one sample of each input */
  bool has_lengths[LIMIT_LAYER_INPUTS]; /* pass->lengths of that input won't be NULL; then it has at least two axes */
  /* Set by kind->compile: */
  struct shape out;           /* one sample of the output */
  enum layer_lengths lengths; /* KEEP and OWN need an output [time, …] of at least two axes; END unless set */
  bool takes_off_shifts;      /* in training what is added to all values of a channel of its inputs changes nothing */
  bool passes_shifts_on;      /* what is added to all values of a channel of an input is added to z's */
  size_t tensor_count;
  struct layer_tensor tensors[LIMIT_LAYER_TENSORS]; /* trained */
  size_t buffer_count;
  struct layer_tensor buffers[LIMIT_LAYER_TENSORS]; /* not trained: running statistics */
  size_t saved_per_sample;                          /* floats that forward leaves for backward: per sample … */
  size_t saved_fixed;                               /* … and per batch */
  size_t work_per_sample, work_fixed;               /* floats that one call of forward or backward needs for itself, likewise */
  size_t half_per_sample, half_fixed;               /* bfloat16 values that its products in that precision need room for, likewise */
  double flops_per_sample;                          /* of a forward pass; multiply and add count as two */
};

/* One forward and backward pass over a batch, as a kind sees it. All memory is the network's. */
struct pass {
  size_t batch;
  bool training;                      /* dropout drops, batch norm uses the batch's statistics and updates the running ones */
  bool row_by_row;                    /* a row's result must not depend on what else is in the batch: kernel_dense_rows */
  uint64_t seed, epoch, step;         /* for random_stream, with lane = layer->index */
  const float *x[LIMIT_LAYER_INPUTS]; /* a of each input */
  float *z;
  const uint32_t *lengths[LIMIT_LAYER_INPUTS]; /* [batch] of each input; NULL: all its steps are real */
  uint32_t *out_lengths;                       /* [batch], for LAYER_LENGTHS_OWN: written by forward; NULL else */
  const float *parameters;                     /* the network's block; add layer->tensors[i].offset */
  float *buffers;                              /* likewise; written in training only */
  float *saved;                                /* saved_per_sample · batch + saved_fixed floats; training only */
  float *work; /* work_per_sample · batch + work_fixed floats, in inference too; the next layer's call writes over them */
  /* backward only: */
  const float *delta;            /* δ = ∂C/∂z; z is there still if the kind says reads_z */
  float *gradients;              /* the network's block; a kind overwrites its own tensors' parts */
  bool skips_gradients;          /* nobody will read its tensors' parts: a kind may leave them out */
  float *dx[LIMIT_LAYER_INPUTS]; /* ∂C/∂x, overwritten; NULL where nobody needs it; δ itself if the kind passes that on (hands_delta_on) */
  const struct parallel *parallel;
  uint16_t *half; /* room for bfloat16 operands, which are to be used then; NULL: float32 */
};

/* The same pass in float64, forward only, with the same random masks: what gradient checks differentiate. */
struct pass64 {
  size_t batch;
  bool training;
  uint64_t seed, epoch, step;
  const double *x[LIMIT_LAYER_INPUTS];
  double *z;
  const uint32_t *lengths[LIMIT_LAYER_INPUTS];
  uint32_t *out_lengths;
  const double *parameters;
  const double *buffers; /* never written */
  double *work;          /* work_per_sample · batch + work_fixed values */
};

struct layer_kind {
  struct kind kind;
  const char *formula;          /* "z = W x + b" */
  const char *gradient_formula; /* "∂C/∂W = δ xᵀ, …", for whoever looks into a step; NULL: not told */
  size_t input_min, input_max;  /* how many inputs it takes */
  bool takes_unscaled;          /* x means something as it is (masking tells padding by it): it is better not scaled */
  bool takes_steps;             /* x is [time, features] and nothing else: a list of numbers is one of steps to it */
  bool takes_tokens;            /* x holds numbers of tokens; its parameters are called input_dim ("auto": the dataset's) and padding_idx */
  bool keeps_values;            /* z is x, value by value: both may be one array, and so may δ and ∂C/∂x */
  bool reads_z;                 /* backward looks at pass->z, where else an activation may have left its slope */
  bool hands_delta_on;          /* its inputs have as many values as the output, and ∂C/∂x of each is δ */
  bool normalizes;              /* its output does not depend on the scale of its input */
  /* Checks the input shapes and fills the part of `layer` "set by compile"; saved_*, work_* and counts are 0 on entry. Sets (error_set) a
   * detail that names both layers and shapes; the caller puts the pointer. Or, where a parameter is to blame, adds (error_add) the same
   * with a pointer from the layer on, "/stride". Sizes up to LIMIT_SAMPLE_VALUES are fine for products
   * of two; the caller checks what compile has set. */
  enum error_code (*compile)(struct layer *layer, struct error *error);
  void (*forward)(const struct layer *layer, const struct pass *pass);
  void (*backward)(const struct layer *layer, const struct pass *pass);
  void (*forward64)(const struct layer *layer, const struct pass64 *pass);
  /* Whether this layer, its activation (NULL: linear) and `next`, the only one that takes its output, can be computed in one go, without
   * what is in between being written; then what that takes is added to saved_* and work_*. After compile; NULL: never. */
  bool (*join)(struct layer *layer, const struct spec *activation, const struct layer *next);
  /* The two in one: pass->z and pass->delta are those of `next`, all else is this layer's. */
  void (*forward_joined)(const struct layer *layer, const struct spec *activation, const struct pass *pass);
  void (*backward_joined)(const struct layer *layer, const struct spec *activation, const struct pass *pass);
};

extern const struct kind_table layer_kinds;

static inline const struct layer_kind *layer_kind_of(const struct spec *spec) { return (const struct layer_kind *)spec->kind; }
static inline struct layer_common *layer_common_of(const struct spec *spec) { return (struct layer_common *)spec->settings; }

/* For compile functions: appends a tensor and returns it. The fan-in is the product of all sizes but the first, the fan-out the first
 * size; whoever knows better sets them. The table has room for all tensors of any kind. */
struct layer_tensor *layer_add_tensor(struct layer *layer, const char *name, const struct shape *shape);
struct layer_tensor *layer_add_buffer(struct layer *layer, const char *name, const struct shape *shape, float fill);

#endif
