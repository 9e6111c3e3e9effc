/* Diagnosis: a doctor who looks at a run after every epoch and says what is wrong with it, in numbers and in words.
 *
 *   facts (fixed for a run) ─┐
 *   state (the run so far)  ─┼─▶ diagnosis_update ─▶ rules ─▶ findings: what was seen, why it matters, what to try
 *   epoch (its values)      ─┘
 *
 * Of a run of many short epochs not every one is looked at (the caller chooses which): the others add to the history alone. What a rule
 * said at a look then holds for the epochs since the look before, so that a number of epochs means the same however far looks are apart; no
 * rule that needs more than one epoch makes a finding of a single look.
 *
 * Plain data in, plain data out: nothing here knows of trainers. Each rule is one file and one row in rules.h. A rule says of one epoch
 * whether it holds; it becomes a finding after it has held for rule->epochs_needed epochs in a row, and is past (is_active false) after it
 * has not held for as many; likewise it becomes less grave only after as many, but graver at once. A finding keeps its first epoch; one
 * that comes again is the same finding. One rule makes at most one finding, which names the layer that has it worst.
 *
 * The state is a function of facts and epochs alone, so that it is the same however often a run was stopped; it is part of struct
 * train_position. Cost: some hundred nanoseconds an epoch, whatever its length.
 */
#ifndef ENGINE_DIAGNOSIS_DIAGNOSIS_H
#define ENGINE_DIAGNOSIS_DIAGNOSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/metric.h"

enum {
  DIAGNOSIS_NUMBERS = 6,      /* of one finding */
  DIAGNOSIS_TRIES = 8,        /* pieces of advice of one rule */
  DIAGNOSIS_RULES_MAX = 16,   /* room for findings */
  DIAGNOSIS_PARTS = 32,       /* of a run's history */
  DIAGNOSIS_SEEN_BYTES = 512, /* of a finding's sentence */
  DIAGNOSIS_NO_LAYER = -1
};

enum diagnosis_severity {
  DIAGNOSIS_NONE,
  DIAGNOSIS_INFO,    /* nothing is wrong, but it is good to know */
  DIAGNOSIS_WARNING, /* the network learns less than it could */
  DIAGNOSIS_CRITICAL /* it can't learn like this */
};
extern const char *const diagnosis_severity_names[4];

/* Values of each layer at the end of an epoch that is looked at. Norms and ratio are of the epoch's last step, the others
 * of its sample (activity.h). */
enum layer_value {
  LAYER_GRADIENT_NORM,
  LAYER_WEIGHT_NORM,
  LAYER_UPDATE_RATIO,
  LAYER_ACTIVATION_MEAN,
  LAYER_ACTIVATION_STD,
  LAYER_DEAD_FRACTION,
  LAYER_SATURATED_FRACTION,
  LAYER_VALUES
};

struct diagnosis_layer {
  const char *name;
  const char *activation;
  size_t weight_count; /* that are trained */
  bool can_die, can_saturate;
};

/* What doesn't change during a run. Texts and layers are borrowed. */
struct diagnosis_facts {
  enum task task;
  size_t layer_count;
  const struct diagnosis_layer *layers; /* in the order of computation; the last is the output */
  const char *optimizer;
  uint64_t epochs, steps_per_epoch;
  size_t train_rows;
  size_t weight_count;  /* of the whole network */
  size_t sample_rows;   /* that activity is measured on, each epoch */
  double learning_rate; /* before the schedule */
  bool is_clipped, has_validation, restores_best, has_normalization, has_dropout, has_class_weights;
  double baseline_loss;              /* of the best constant answer, on the training part; NAN: unknown */
  double baseline_hits;              /* accuracy of the best constant answer; NAN: not a classification */
  const char *const *class_names;    /* of classes, or of a multilabel task's labels; NULL: by number */
  const char *const *input_names;    /* likewise */
  size_t largest_class, least_class; /* of a multilabel task: the label with the least even answers, twice */
  double largest_share, least_share; /* of the training rows */
  bool is_scale_felt;                /* the scale of the inputs matters to the layers that take them */
  size_t widest_input;               /* index of the input with the largest root mean square … */
  double widest_rms, narrowest_rms;  /* … its value, and the smallest but for inputs that are always 0 */
};

/* What an epoch has come to. */
struct diagnosis_epoch {
  uint64_t epoch, step;         /* done, this one included */
  double loss, validation_loss; /* NAN: none */
  double hits;                  /* accuracy, or mae; training part */
  double learning_rate;         /* of its last step */
  bool has_gradient;            /* the algorithm computes one; else gradient norms say nothing */
  const float *layer_values;    /* [layer_count, LAYER_VALUES] */
  bool is_diverged;             /* the run ends here: a number was not finite. Values may be those of the epoch before, or not finite */
  int diverged_layer;           /* where the first such number was; DIAGNOSIS_NO_LAYER: not in a layer */
};

/* The run so far, in at most DIAGNOSIS_PARTS parts of equally many epochs: when there are too many, neighbours are merged. */
struct diagnosis_part {
  float loss, validation_loss; /* means over its epochs */
};
struct diagnosis_history {
  uint32_t part_count, epochs_per_part;
  uint32_t open_epochs; /* of the part under way */
  float open_loss, open_validation_loss;
  struct diagnosis_part parts[DIAGNOSIS_PARTS];
  uint32_t epochs_passed;                                          /* since the last look */
  double best_loss, best_validation_loss, loss_at_best_validation; /* by epoch */
  uint64_t best_validation_epoch;                                  /* 0: none yet */
  double first_gradient_norm;                                      /* NAN: not measured */
  double largest_gradient_norm;                                    /* since the last look; 0: not measured */
  uint64_t largest_gradient_step;
};

/* What a rule has found so far. */
struct diagnosis_mark {
  int32_t severity; /* enum diagnosis_severity; NONE: no finding yet */
  int32_t layer;    /* index, or DIAGNOSIS_NO_LAYER */
  uint32_t is_active;
  uint32_t streak; /* epochs in a row, up to this look from the first, in which the rule said otherwise than is_active */
  uint32_t milder; /* epochs in a row in which it held, but less gravely */
  uint64_t first_epoch, last_epoch, step;
  double numbers[DIAGNOSIS_NUMBERS];
};

/* Plain data; begins as diagnosis_start makes it. */
struct diagnosis_state {
  struct diagnosis_history history;
  struct diagnosis_mark marks[DIAGNOSIS_RULES_MAX];
};

/* Gradients of the layers with weights, as root mean square per weight: norms alone would compare sizes of layers. Gradients that are
 * exactly 0 are left out: they are not small but cut off, as before batch norm over a batch of one row. */
struct diagnosis_gradients {
  double last_rms;       /* of the last such layer, which takes the loss's gradient first */
  double least_rms;      /* of all others */
  int least_layer;       /* where that is */
  size_t vanished_count; /* layers far below last_rms (VANISHED_RATIO); 0 too where there is nothing to compare */
};

struct diagnosis_view {
  const struct diagnosis_facts *facts;
  const struct diagnosis_epoch *epoch;
  const struct diagnosis_history *history; /* this epoch included */
  double update_ratio; /* ‖Δw‖ / ‖w‖ of all weights together, by the epoch's last step. NAN: nothing is trained */
  bool has_dead_layer; /* nearly all units of one are dead: nothing before it learns, whatever else it looks like */
  bool is_saturated;   /* half of the values of a hidden layer or more */
  struct diagnosis_gradients gradients;
};

/* What a rule says of one epoch. */
struct diagnosis_verdict {
  enum diagnosis_severity severity; /* NONE: it doesn't hold */
  int layer;
  double numbers[DIAGNOSIS_NUMBERS];
};

struct diagnosis_finding;

struct diagnosis_advice {
  const char *text;
  bool (*applies)(const struct diagnosis_facts *facts); /* NULL: always */
};

struct diagnosis_rule {
  const char *code;    /* "dead_relu" */
  const char *summary; /* what it finds, in a line */
  const char *rule;    /* when it holds, with its limits */
  const char *why;     /* why it matters */
  struct diagnosis_advice advice[DIAGNOSIS_TRIES];
  const char *number_names[DIAGNOSIS_NUMBERS]; /* of verdict->numbers; the first NULL ends them */
  uint32_t epochs_needed;
  bool sees_divergence; /* is asked when a run diverges too; else only at the end of an epoch */
  void (*check)(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict); /* *out_verdict: NONE, no layer, zeros */
  void (*tell)(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes);
};

/* One thing found, ready to be told. */
struct diagnosis_finding {
  const struct diagnosis_rule *rule;
  enum diagnosis_severity severity;
  bool is_active;                   /* it holds still */
  const char *layer;                /* borrowed from the facts; NULL: of the run as a whole */
  uint64_t first_epoch, last_epoch; /* in which it held; from 1, the one under way counting */
  uint64_t step;                    /* at which last_epoch's values were taken */
  double numbers[DIAGNOSIS_NUMBERS];
  size_t advice_count;
  const char *advice[DIAGNOSIS_TRIES]; /* what to try, best first */
  char seen[DIAGNOSIS_SEEN_BYTES];     /* what was seen, in plain words with the numbers */
};

extern const struct diagnosis_rule *const diagnosis_rules[];
extern const size_t diagnosis_rule_count;

void diagnosis_start(struct diagnosis_state *state);
/* A step whose gradient norm (before clipping) is known. */
void diagnosis_see_step(struct diagnosis_state *state, uint64_t step, double gradient_norm);
/* After an epoch that is not looked at. Of its values, those of layers aren't read. */
void diagnosis_pass(struct diagnosis_state *state, const struct diagnosis_epoch *epoch);
/* After each other epoch, and once when the run diverges. Returns a bit for each rule (1 << index) with news: found,
 * past, or of another severity. */
uint32_t diagnosis_update(struct diagnosis_state *state, const struct diagnosis_facts *facts, const struct diagnosis_epoch *epoch);
/* What there is to tell of the rules in `mask`: active findings first, the gravest first, of these the oldest. Returns how many. */
size_t diagnosis_list(const struct diagnosis_state *state, const struct diagnosis_facts *facts, uint32_t mask,
                      struct diagnosis_finding out_findings[DIAGNOSIS_RULES_MAX]);

#endif
