/* A genetic algorithm: a population of networks, of which the better ones have children (Holland: "Adaptation in Natural and Artificial
 * Systems", 1975; on the weights of neural networks: Montana, Davis, "Training feedforward neural networks using genetic algorithms",
 * IJCAI 1989). One step is one generation, judged on the step's rows:
 *
 *   1. the cost of each individual; its best are the elite and live on unchanged
 *   2. for each other place two parents, each the best of a few drawn at random (tournament: Brindle 1981; Goldberg, Deb, "A comparative
 *      analysis of selection schemes used in genetic algorithms", FOGA 1991)
 *   3. crossover makes one child of them: each weight from either (uniform, Syswerda 1989), up to one or two cuts from the first and
 *      then from the other (one_point, two_point), or the weights' mixture by a random share (arithmetic)
 *   4. mutation: some weights change by a normally distributed number
 *
 * The trainer's weights are the best individual. It is individual 0, so that its cost is what the next step reports. At the start, the
 * others are the start weights with normal noise.
 */
#include <math.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"

enum { POPULATION_MAX = 1024, CUTS = 2 };
enum crossover { CROSSOVER_UNIFORM, CROSSOVER_ONE_POINT, CROSSOVER_TWO_POINT, CROSSOVER_ARITHMETIC };
static const char *const crossovers[] = {"uniform", "one_point", "two_point", "arithmetic", NULL};

struct genetic {
  int64_t population, elitism, tournament_size;
  int crossover;
  double crossover_rate, mutation_rate, mutation_scale, initial_scale;
};

static const struct param params[] = {
    PARAM_INTEGER_ROW(struct genetic, population, 2, POPULATION_MAX, 50, "individuals of a generation"),
    PARAM_INTEGER_ROW(struct genetic, elitism, 1, POPULATION_MAX - 1, 2, "best individuals that live on unchanged"),
    PARAM_INTEGER_ROW(struct genetic, tournament_size, 1, POPULATION_MAX, 3, "individuals drawn of which the best becomes a parent"),
    PARAM_CHOICE_ROW(struct genetic, crossover, crossovers, CROSSOVER_UNIFORM, "how two parents' weights make a child's"),
    PARAM_NUMBER_ROW(struct genetic, crossover_rate, 0, 1, 0.7, "share of children of two parents; the others have one"),
    PARAM_NUMBER_ROW(struct genetic, mutation_rate, 0, 1, 0.1, "share of a child's weights that change"),
    PARAM_NUMBER_ROW(struct genetic, mutation_scale, 0, INFINITY, 0.1, "deviation of such a change"),
    PARAM_NUMBER_ROW(struct genetic, initial_scale, 0, INFINITY, 0.5, "deviation of the first generation around the start weights"),
};

/* A generation and the one that is made of it. */
struct generation {
  const struct trainer *trainer;
  const struct genetic *settings;
  const double *costs; /* of each individual; INFINITY where it isn't finite */
  const size_t *ranks; /* individuals, the best first */
};

/* ---- the first generation ---- */

static void start_individual(void *argument, size_t piece) {
  struct trainer *trainer = argument;
  const struct genetic *settings = trainer->settings->algorithm.settings;
  const struct random_stream stream = algorithm_stream(trainer, RANDOM_CHANGE, piece);
  const float scale = piece == 0 ? 0 : (float)settings->initial_scale;
  float *weights = algorithm_state(trainer, piece);
  memcpy(weights, trainer->parameters, trainer->parameter_count * sizeof(float));
  random_fill_normal(&stream, 0, trainer->trained_count, weights);
  for (size_t i = 0; i < trainer->trained_count; i++) weights[i] = trainer->parameters[i] + scale * weights[i];
}

/* ---- selection ---- */

static double judge(const struct trainer *trainer, size_t individual, const struct step_cost *cost) {
  const double mean = algorithm_cost(trainer, algorithm_state(trainer, individual), cost);
  return isfinite(mean) ? mean : (double)INFINITY;
}

/* Individual 0 comes last: its outputs and running statistics are the step's. False: abandoned. */
static bool judge_all(struct trainer *trainer, size_t count, double costs[], struct step_cost *out_cost) {
  for (size_t i = 1; i < count; i++) {
    struct step_cost cost;
    if (!algorithm_evaluate(trainer, algorithm_state(trainer, i), trainer->trial_buffers, &cost)) return false;
    costs[i] = judge(trainer, i, &cost);
  }
  if (!algorithm_evaluate(trainer, algorithm_state(trainer, 0), trainer->trial_buffers, out_cost)) return false;
  costs[0] = judge(trainer, 0, out_cost);
  return true;
}

/* Of equal cost, the lower number comes first. */
static void rank(size_t count, const double costs[], size_t ranks[]) {
  for (size_t i = 0; i < count; i++) {
    size_t at = i;
    for (; at > 0 && costs[i] < costs[ranks[at - 1]]; at--) ranks[at] = ranks[at - 1];
    ranks[at] = i;
  }
}

/* ---- children ---- */

/* The next number of a stream, below `limit`. */
static size_t draw(const struct random_stream *stream, uint64_t *index, size_t limit) {
  const size_t number = (size_t)((double)random_uniform(stream, (*index)++) * (double)limit);
  return number < limit ? number : limit - 1;
}

static const float *choose_parent(const struct generation *generation, const struct random_stream *stream, uint64_t *index) {
  const size_t population = (size_t)generation->settings->population;
  size_t best = draw(stream, index, population);
  for (int64_t i = 1; i < generation->settings->tournament_size; i++) {
    const size_t rival = draw(stream, index, population);
    if (generation->costs[rival] < generation->costs[best]) best = rival;
  }
  return algorithm_state(generation->trainer, best);
}

/* Between the cuts from `other`, else as the child is already. */
static void splice(size_t begin, size_t end, const float *other, float *child) {
  if (begin < end) memcpy(child + begin, other + begin, (end - begin) * sizeof(float));
}

static void cross(const struct generation *generation, size_t place, const float *other, float *child, const size_t cuts[CUTS],
                  float share) {
  const size_t count = generation->trainer->trained_count;
  const struct random_stream stream = algorithm_stream(generation->trainer, RANDOM_CROSSOVER, place);
  switch ((enum crossover)generation->settings->crossover) {
  case CROSSOVER_UNIFORM:
    for (size_t i = 0; i < count; i++)
      if (random_uniform(&stream, i) < 0.5f) child[i] = other[i];
    return;
  case CROSSOVER_ONE_POINT: splice(cuts[0], count, other, child); return;
  case CROSSOVER_TWO_POINT: splice(cuts[0] < cuts[1] ? cuts[0] : cuts[1], cuts[0] < cuts[1] ? cuts[1] : cuts[0], other, child); return;
  case CROSSOVER_ARITHMETIC:
    for (size_t i = 0; i < count; i++) child[i] += share * (other[i] - child[i]);
    return;
  }
}

static void mutate(const struct generation *generation, size_t place, float *child) {
  const struct random_stream which = algorithm_stream(generation->trainer, RANDOM_MUTATION, place),
                             change = algorithm_stream(generation->trainer, RANDOM_CHANGE, place);
  const float rate = (float)generation->settings->mutation_rate, scale = (float)generation->settings->mutation_scale;
  for (size_t i = 0; i < generation->trainer->trained_count; i++) {
    if (!(random_uniform(&which, i) < rate)) continue;
    float normal;
    random_fill_normal(&change, i, 1, &normal);
    child[i] += scale * normal;
  }
}

/* Fills one place of the next generation, in scratch. */
static void fill_place(void *argument, size_t place) {
  const struct generation *generation = argument;
  const struct trainer *trainer = generation->trainer;
  const size_t bytes = trainer->parameter_count * sizeof(float);
  float *child = algorithm_scratch(trainer, place);
  if (place < (size_t)generation->settings->elitism) {
    memcpy(child, algorithm_state(trainer, generation->ranks[place]), bytes);
    return;
  }
  const struct random_stream stream = algorithm_stream(trainer, RANDOM_PARENTS, place);
  uint64_t index = 0;
  const float *first = choose_parent(generation, &stream, &index), *other = choose_parent(generation, &stream, &index);
  const bool has_two = random_uniform(&stream, index++) < (float)generation->settings->crossover_rate;
  const size_t cuts[CUTS] = {draw(&stream, &index, trainer->trained_count + 1), draw(&stream, &index, trainer->trained_count + 1)};
  memcpy(child, first, bytes);
  if (has_two) cross(generation, place, other, child, cuts, random_uniform(&stream, index));
  mutate(generation, place, child);
}

static enum step_outcome step(struct trainer *trainer, struct step_cost *out_cost) {
  const struct genetic *settings = trainer->settings->algorithm.settings;
  const size_t population = (size_t)settings->population, bytes = trainer->parameter_count * sizeof(float);
  double costs[POPULATION_MAX];
  size_t ranks[POPULATION_MAX];
  if (trainer->position.evaluations == 0) parallel_run(trainer->parallel, population, start_individual, trainer);
  if (!judge_all(trainer, population, costs, out_cost)) return STEP_ABANDONED;
  out_cost->evaluations = population;
  if (!isfinite(out_cost->loss_sum)) return STEP_DIVERGED;
  rank(population, costs, ranks);
  struct generation generation = {.trainer = trainer, .settings = settings, .costs = costs, .ranks = ranks};
  parallel_run(trainer->parallel, population, fill_place, &generation);
  for (size_t i = 0; i < population; i++) memcpy(algorithm_state(trainer, i), algorithm_scratch(trainer, i), bytes);
  memcpy(trainer->parameters, algorithm_state(trainer, 0), bytes);
  algorithm_keep_buffers(trainer);
  return STEP_TAKEN;
}

static size_t get_population(const void *settings) { return (size_t)((const struct genetic *)settings)->population; }

static uint64_t evaluation_count(const void *settings, size_t trained_count) {
  (void)trained_count;
  return get_population(settings);
}

static enum error_code check(const void *settings, const char *pointer, struct error *error) {
  const struct genetic *genetic = settings;
  char path[ERROR_POINTER_BYTES];
  enum error_code code = ERROR_NONE;
  if (genetic->elitism >= genetic->population) {
    error_pointer(path, pointer, "elitism");
    code = error_add(error, path, "must be less than the population, %lld", (long long)genetic->population);
  }
  if (genetic->tournament_size > genetic->population) {
    error_pointer(path, pointer, "tournament_size");
    code = error_add(error, path, "must be at most the population, %lld", (long long)genetic->population);
  }
  return code;
}

const struct algorithm_kind algorithm_genetic = {
    .kind = {.name = "genetic",
             .summary = "a population of networks, of which the better ones have children: selection, crossover, mutation",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct genetic),
             .check = check},
    .formula = "next = elite ∪ {mutate(cross(best of k, best of k))}",
    .state_count = get_population,
    .scratch_count = get_population,
    .evaluation_count = evaluation_count,
    .step = step,
};
