/* The state machine of findings, the history, and what rules share. */
#include "engine/diagnosis/diagnosis.h"

#include <string.h>

#include "engine/diagnosis/rules.h"

const char *const diagnosis_severity_names[4] = {"none", "info", "warning", "critical"};

#define RULE_ADDRESS(name) &diagnosis_##name,
const struct diagnosis_rule *const diagnosis_rules[] = {DIAGNOSIS_RULES(RULE_ADDRESS)};
const size_t diagnosis_rule_count = sizeof diagnosis_rules / sizeof diagnosis_rules[0];
_Static_assert(sizeof diagnosis_rules / sizeof diagnosis_rules[0] <= DIAGNOSIS_RULES_MAX, "a state has room for all rules");

void diagnosis_start(struct diagnosis_state *state) {
  memset(state, 0, sizeof *state);
  state->history.epochs_per_part = 1;
  state->history.best_loss = state->history.best_validation_loss = INFINITY;
  state->history.loss_at_best_validation = state->history.first_gradient_norm = NAN;
}

/* ---- history ---- */

void diagnosis_see_step(struct diagnosis_state *state, uint64_t step, double gradient_norm) {
  struct diagnosis_history *history = &state->history;
  if (isnan(gradient_norm)) return;
  if (step == 1) history->first_gradient_norm = gradient_norm;
  if (!(gradient_norm > history->largest_gradient_norm)) return;
  history->largest_gradient_norm = gradient_norm;
  history->largest_gradient_step = step;
}

static void merge_neighbours(struct diagnosis_history *history) {
  for (size_t i = 0; i < DIAGNOSIS_PARTS / 2; i++) {
    const struct diagnosis_part *first = &history->parts[2 * i], *second = &history->parts[2 * i + 1];
    history->parts[i] = (struct diagnosis_part){.loss = (first->loss + second->loss) / 2,
                                                .validation_loss = (first->validation_loss + second->validation_loss) / 2};
  }
  history->part_count = DIAGNOSIS_PARTS / 2;
  history->epochs_per_part *= 2;
}

static void add_epoch(struct diagnosis_history *history, const struct diagnosis_epoch *epoch) {
  history->open_loss += (float)epoch->loss;
  history->open_validation_loss += (float)epoch->validation_loss;
  history->open_epochs++;
  if (epoch->loss < history->best_loss) history->best_loss = epoch->loss;
  if (epoch->validation_loss < history->best_validation_loss) {
    history->best_validation_loss = epoch->validation_loss;
    history->best_validation_epoch = epoch->epoch;
    history->loss_at_best_validation = epoch->loss;
  }
  if (history->open_epochs < history->epochs_per_part) return;
  if (history->part_count == DIAGNOSIS_PARTS) {
    merge_neighbours(history);
    return; /* the part under way now lasts twice as long */
  }
  const float count = (float)history->open_epochs;
  history->parts[history->part_count++] =
      (struct diagnosis_part){.loss = history->open_loss / count, .validation_loss = history->open_validation_loss / count};
  history->open_epochs = 0;
  history->open_loss = history->open_validation_loss = 0;
}

/* ---- a look at the layers, once for all rules ---- */

static double measure_update_ratio(const struct diagnosis_view *view) {
  double change = 0, size = 0;
  for (size_t i = 0; i < view->facts->layer_count; i++) {
    if (view->facts->layers[i].weight_count == 0) continue;
    const double norm = diagnosis_layer_value(view, i, LAYER_WEIGHT_NORM), ratio = diagnosis_layer_value(view, i, LAYER_UPDATE_RATIO);
    change += ratio * norm * ratio * norm;
    size += norm * norm;
  }
  return size > 0 ? sqrt(change / size) : (double)NAN;
}

static bool find_dead_layer(const struct diagnosis_view *view) {
  const double nearly_all = 0.95;
  for (size_t i = 0; i < view->facts->layer_count; i++)
    if (view->facts->layers[i].can_die && diagnosis_layer_value(view, i, LAYER_DEAD_FRACTION) >= nearly_all) return true;
  return false;
}

static bool find_saturated_layer(const struct diagnosis_view *view) {
  const double half = 0.5;
  for (size_t i = 0; i + 1 < view->facts->layer_count; i++)
    if (view->facts->layers[i].can_saturate && diagnosis_layer_value(view, i, LAYER_SATURATED_FRACTION) >= half) return true;
  return false;
}

static struct diagnosis_gradients compare_gradients(const struct diagnosis_view *view) {
  struct diagnosis_gradients gradients = {.last_rms = NAN, .least_rms = INFINITY, .least_layer = DIAGNOSIS_NO_LAYER};
  for (size_t i = view->facts->layer_count; view->epoch->has_gradient && i-- > 0;) {
    const struct diagnosis_layer *layer = &view->facts->layers[i];
    if (layer->weight_count == 0) continue;
    const double rms = diagnosis_layer_value(view, i, LAYER_GRADIENT_NORM) / sqrt((double)layer->weight_count);
    if (rms == 0) continue;
    if (isnan(gradients.last_rms)) {
      gradients.last_rms = rms;
      continue;
    }
    gradients.vanished_count += rms < VANISHED_RATIO * gradients.last_rms;
    if (!(rms < gradients.least_rms)) continue;
    gradients.least_rms = rms;
    gradients.least_layer = (int)i;
  }
  return gradients;
}

/* ---- findings ---- */

static uint32_t least_of(uint64_t a, uint64_t b) { return (uint32_t)(a < b ? a : b); }

/* So many epochs in a row, if it was so at the look before; if not, this one alone. */
static uint32_t lengthen(uint32_t streak, uint32_t epochs_since) { return streak > 0 ? streak + epochs_since : 1; }

/* Takes over what a rule said, so many epochs after it was last asked. True if there is news. */
static bool update_mark(struct diagnosis_mark *mark, const struct diagnosis_rule *rule, const struct diagnosis_facts *facts,
                        const struct diagnosis_epoch *epoch, uint32_t epochs_since, const struct diagnosis_verdict *verdict) {
  const bool holds = verdict->severity != DIAGNOSIS_NONE, was_active = mark->is_active != 0;
  const uint64_t current = epoch->epoch + (epoch->is_diverged ? 1 : 0); /* an epoch that can't be finished counts as under way */
  const uint32_t needed = epoch->is_diverged ? 1 : least_of(rule->epochs_needed, facts->epochs);
  const int32_t severity_before = mark->severity;
  mark->streak = holds == was_active ? 0 : lengthen(mark->streak, epochs_since);
  if (mark->streak >= needed) {
    mark->is_active = holds;
    if (holds && mark->first_epoch == 0) mark->first_epoch = current - (mark->streak - 1);
    mark->streak = 0;
  }
  const bool is_milder = holds && was_active && (int32_t)verdict->severity < mark->severity;
  mark->milder = is_milder ? lengthen(mark->milder, epochs_since) : 0;
  if (holds && mark->is_active) {
    if (!is_milder || mark->milder >= needed) mark->severity = (int32_t)verdict->severity;
    mark->layer = verdict->layer;
    mark->last_epoch = current;
    mark->step = epoch->step;
    memcpy(mark->numbers, verdict->numbers, sizeof mark->numbers);
  }
  return (mark->is_active != 0) != was_active || mark->severity != severity_before;
}

void diagnosis_pass(struct diagnosis_state *state, const struct diagnosis_epoch *epoch) {
  add_epoch(&state->history, epoch);
  state->history.epochs_passed++;
}

uint32_t diagnosis_update(struct diagnosis_state *state, const struct diagnosis_facts *facts, const struct diagnosis_epoch *epoch) {
  struct diagnosis_view view = {.facts = facts, .epoch = epoch, .history = &state->history};
  const uint32_t epochs_since = state->history.epochs_passed + 1;
  uint32_t news = 0;
  if (!epoch->is_diverged) add_epoch(&state->history, epoch);
  view.update_ratio = measure_update_ratio(&view);
  view.has_dead_layer = find_dead_layer(&view);
  view.is_saturated = find_saturated_layer(&view);
  view.gradients = compare_gradients(&view);
  for (size_t i = 0; i < diagnosis_rule_count; i++) {
    const struct diagnosis_rule *rule = diagnosis_rules[i];
    struct diagnosis_verdict verdict = {.layer = DIAGNOSIS_NO_LAYER};
    if (epoch->is_diverged && !rule->sees_divergence) continue;
    rule->check(&view, &verdict);
    if (update_mark(&state->marks[i], rule, facts, epoch, epochs_since, &verdict)) news |= 1u << i;
  }
  state->history.largest_gradient_norm = 0;
  state->history.epochs_passed = 0;
  return news;
}

static int rank_of(const struct diagnosis_finding *finding) {
  return (finding->is_active ? 0 : DIAGNOSIS_CRITICAL) + (DIAGNOSIS_CRITICAL - (int)finding->severity);
}

static bool comes_before(const struct diagnosis_finding *a, const struct diagnosis_finding *b) {
  return rank_of(a) != rank_of(b) ? rank_of(a) < rank_of(b) : a->first_epoch < b->first_epoch;
}

static void fill_finding(const struct diagnosis_mark *mark, const struct diagnosis_rule *rule, const struct diagnosis_facts *facts,
                         struct diagnosis_finding *out_finding) {
  *out_finding = (struct diagnosis_finding){.rule = rule,
                                            .severity = (enum diagnosis_severity)mark->severity,
                                            .is_active = mark->is_active != 0,
                                            .layer = mark->layer == DIAGNOSIS_NO_LAYER ? NULL : facts->layers[mark->layer].name,
                                            .first_epoch = mark->first_epoch,
                                            .last_epoch = mark->last_epoch,
                                            .step = mark->step};
  memcpy(out_finding->numbers, mark->numbers, sizeof mark->numbers);
  for (size_t i = 0; i < DIAGNOSIS_TRIES && rule->advice[i].text != NULL; i++)
    if (rule->advice[i].applies == NULL || rule->advice[i].applies(facts))
      out_finding->advice[out_finding->advice_count++] = rule->advice[i].text;
  rule->tell(facts, out_finding, out_finding->seen, sizeof out_finding->seen);
}

size_t diagnosis_list(const struct diagnosis_state *state, const struct diagnosis_facts *facts, uint32_t mask,
                      struct diagnosis_finding out_findings[DIAGNOSIS_RULES_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < diagnosis_rule_count; i++) {
    if ((mask >> i & 1u) == 0 || state->marks[i].severity == DIAGNOSIS_NONE) continue;
    struct diagnosis_finding finding;
    fill_finding(&state->marks[i], diagnosis_rules[i], facts, &finding);
    size_t at = count++;
    for (; at > 0 && comes_before(&finding, &out_findings[at - 1]); at--) out_findings[at] = out_findings[at - 1];
    out_findings[at] = finding;
  }
  return count;
}

/* ---- what rules share ---- */

int diagnosis_find_worst(const struct diagnosis_view *view, enum layer_value value, bool (*has)(const struct diagnosis_layer *layer),
                         double limit, double *out_worst, size_t *out_count) {
  int worst = DIAGNOSIS_NO_LAYER;
  *out_worst = -INFINITY;
  *out_count = 0;
  for (size_t i = 0; i + 1 < view->facts->layer_count; i++) {
    const double here = diagnosis_layer_value(view, i, value);
    if (!has(&view->facts->layers[i])) continue;
    *out_count += here >= limit;
    if (!(here > *out_worst)) continue;
    *out_worst = here;
    worst = (int)i;
  }
  return worst;
}

const char *diagnosis_name(const char *noun, const char *const *names, double index, char out_text[DIAGNOSIS_NAME_BYTES]) {
  if (names == NULL)
    (void)snprintf(out_text, DIAGNOSIS_NAME_BYTES, "%s %.0f", noun, index);
  else
    (void)snprintf(out_text, DIAGNOSIS_NAME_BYTES, "%s \"%.48s\"", noun, names[(size_t)index]);
  return out_text;
}

bool diagnosis_has_no_clipping(const struct diagnosis_facts *facts) { return !facts->is_clipped; }
bool diagnosis_has_no_normalization(const struct diagnosis_facts *facts) { return !facts->has_normalization; }
