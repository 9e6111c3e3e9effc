/* FANN's side of a match (peer.h says how they talk): fann_train_epoch in batch mode over the rows of each step. Run by duel.c.
 *
 * FANN's batch mode is w += rate / n · Σ (y − a) f′(z) x. That is our squared_error, C = 1/n Σ (a − y)², with half the learning rate. It
 * bounds a at 0.01 and 0.99 inside f′, which the matches' losses stay clear of. No cross entropy, no Adam, no momentum in batches.
 */
#include <fann.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WIDTHS = 8, LINE_BYTES = 1024 };

struct work {
  char hidden[32], output[32], loss[32], optimizer[32];
  double learning_rate, momentum;
  size_t batch, rows, steps;
  unsigned widths[WIDTHS], width_count;
  size_t weight_count;
  float *x, *y, *weights; /* y [rows, output] */
  uint32_t *order;
  float **step_inputs, **step_outputs; /* [steps * batch] rows, in the order of the steps */
  struct fann *network;
};

static double read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *allocate(size_t count, size_t bytes) {
  void *memory = calloc(count + 1, bytes);
  if (memory == NULL) exit(1);
  return memory;
}

static FILE *open_file(const char *folder, const char *name) {
  char path[LINE_BYTES + 32];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (file != NULL) return file;
  perror(path);
  exit(1);
}

static void *read_array(const char *folder, const char *name, size_t count) {
  FILE *file = open_file(folder, name);
  float *values = allocate(count, sizeof *values);
  if (fread(values, sizeof *values, count, file) != count) exit(1);
  (void)fclose(file);
  return values;
}

static void read_case(const char *folder, struct work *work) {
  FILE *file = open_file(folder, "case.txt");
  char line[LINE_BYTES];
  while (fgets(line, sizeof line, file) != NULL) {
    char *rest = line, *token;
    const char *key = strsep(&rest, " \n");
    struct {
      const char *key;
      char *text;
    } words[] = {{"hidden", work->hidden}, {"output", work->output}, {"loss", work->loss}, {"optimizer", work->optimizer}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
      if (strcmp(key, words[i].key) == 0) (void)snprintf(words[i].text, sizeof work->hidden, "%s", strsep(&rest, " \n"));
    if (strcmp(key, "learning_rate") == 0) work->learning_rate = strtod(rest, NULL);
    if (strcmp(key, "momentum") == 0) work->momentum = strtod(rest, NULL);
    if (strcmp(key, "batch") == 0) work->batch = strtoul(rest, NULL, 10);
    if (strcmp(key, "rows") == 0) work->rows = strtoul(rest, NULL, 10);
    if (strcmp(key, "steps") == 0) work->steps = strtoul(rest, NULL, 10);
    while (strcmp(key, "widths") == 0 && work->width_count < WIDTHS && (token = strsep(&rest, " \n")) != NULL && *token != '\0')
      work->widths[work->width_count++] = (unsigned)strtoul(token, NULL, 10);
  }
  (void)fclose(file);
}

static const char *find_obstacle(const struct work *work) {
  if (strcmp(work->optimizer, "sgd") != 0) return "FANN has no Adam";
  if (strcmp(work->loss, "squared_error") != 0) return "FANN has squared error only";
  if (work->momentum > 0) return "FANN has no momentum in batches";
  if (strcmp(work->hidden, "sigmoid") != 0 || strcmp(work->output, "sigmoid") != 0) return "only its sigmoid is used here";
  return NULL;
}

static void read_arrays(const char *folder, struct work *work) {
  const size_t inputs = work->widths[0], outputs = work->widths[work->width_count - 1];
  for (size_t i = 0; i + 1 < work->width_count; i++) work->weight_count += (size_t)work->widths[i + 1] * (work->widths[i] + 1);
  work->x = read_array(folder, "x.f32", work->rows * inputs);
  work->weights = read_array(folder, "weights.f32", work->weight_count);
  work->order = read_array(folder, "order.u32", work->steps * work->batch);
  float *classes = read_array(folder, "y.f32", work->rows);
  work->y = allocate(work->rows * outputs, sizeof(float));
  for (size_t row = 0; row < work->rows; row++)
    if (outputs == 1)
      work->y[row] = classes[row];
    else
      work->y[row * outputs + (size_t)classes[row]] = 1;
  free(classes);
  work->step_inputs = allocate(work->steps * work->batch, sizeof(float *));
  work->step_outputs = allocate(work->steps * work->batch, sizeof(float *));
  for (size_t i = 0; i < work->steps * work->batch; i++) {
    work->step_inputs[i] = work->x + work->order[i] * inputs;
    work->step_outputs[i] = work->y + work->order[i] * outputs;
  }
}

static void close_work(struct work *work) {
  if (work->network != NULL) fann_destroy(work->network);
  free(work->x);
  free(work->y);
  free(work->weights);
  free(work->order);
  free(work->step_inputs);
  free(work->step_outputs);
  memset(work, 0, sizeof *work);
}

/* NULL, or why not. */
static const char *open_work(const char *folder, struct work *work) {
  close_work(work);
  read_case(folder, work);
  const char *obstacle = find_obstacle(work);
  if (obstacle != NULL) return obstacle;
  read_arrays(folder, work);
  work->network = fann_create_standard_array(work->width_count, work->widths);
  if (work->network == NULL || fann_get_total_connections(work->network) < work->weight_count) return "FANN could not create the network";
  fann_set_activation_function_hidden(work->network, FANN_SIGMOID);
  fann_set_activation_function_output(work->network, FANN_SIGMOID);
  fann_set_activation_steepness_hidden(work->network, 0.5f); /* its sigmoid is 1 / (1 + exp(−2 s z)) */
  fann_set_activation_steepness_output(work->network, 0.5f);
  fann_set_training_algorithm(work->network, FANN_TRAIN_BATCH);
  fann_set_train_error_function(work->network, FANN_ERRORFUNC_LINEAR);
  fann_set_learning_rate(work->network, (float)(2 * work->learning_rate));
  return NULL;
}

/* FANN keeps a neuron's weights in a row with its bias last. */
static void reset_weights(struct work *work) {
  const float *from = work->weights;
  fann_type *to = work->network->weights;
  for (size_t layer = 0; layer + 1 < work->width_count; layer++) {
    const size_t in = work->widths[layer], out = work->widths[layer + 1];
    for (size_t unit = 0; unit < out; unit++, to += in + 1) {
      memcpy(to, from + unit * in, in * sizeof *to);
      to[in] = from[out * in + unit];
    }
    from += out * (in + 1);
  }
}

static void run_once(struct work *work, double *spent, double *passed) {
  reset_weights(work);
  struct fann_train_data data = {
      .num_data = (unsigned)work->batch, .num_input = work->widths[0], .num_output = work->widths[work->width_count - 1]};
  const double wall = read_clock(CLOCK_MONOTONIC), processor = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  for (size_t step = 0; step < work->steps; step++) {
    data.input = work->step_inputs + step * work->batch;
    data.output = work->step_outputs + step * work->batch;
    (void)fann_train_epoch(work->network, &data);
  }
  *spent += read_clock(CLOCK_PROCESS_CPUTIME_ID) - processor;
  *passed += read_clock(CLOCK_MONOTONIC) - wall;
}

static double measure_loss(const struct work *work) {
  const size_t inputs = work->widths[0], outputs = work->widths[work->width_count - 1];
  double sum = 0;
  for (size_t row = 0; row < work->rows; row++) {
    const fann_type *a = fann_run(work->network, work->x + row * inputs);
    for (size_t j = 0; j < outputs; j++) {
      const double miss = (double)a[j] - (double)work->y[row * outputs + j];
      sum += miss * miss;
    }
  }
  return sum / (double)work->rows;
}

static void answer_run(struct work *work, double seconds) {
  double spent = 0, passed = 0;
  size_t runs = 0;
  for (; runs == 0 || spent < seconds; runs++) run_once(work, &spent, &passed);
  printf("done %.9g %.9g %.9g\n", spent / (double)(runs * work->steps), spent / passed, measure_loss(work));
}

int main(int argc, char **argv) {
  static struct work work;
  char line[LINE_BYTES];
  printf("hello FANN %s\n", argc > 1 ? argv[1] : "");
  (void)fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "open ", 5) == 0) {
      const char *obstacle = open_work(line + 5, &work);
      printf("%s %s\n", obstacle ? "cannot" : "ready", obstacle ? obstacle : "batch mode");
    } else if (strncmp(line, "run ", 4) == 0 && work.network != NULL) {
      answer_run(&work, strtod(line + 4, NULL));
    }
    (void)fflush(stdout);
  }
  close_work(&work);
  return 0;
}
