/* From files to a model: Fashion-MNIST (Debian: dataset-fashion-mnist), the .gz files as they are, learned by 784-128-10. Timed from the
 * start of the server's process to the model in its store: start, upload of four files, job, evaluation of the test part. All on one
 * processor, the client as well. Beside it the same work as whole PyTorch and scikit-learn programs, if BENCH_PYTHON has them. The settings
 * are the fastest that reach 88 % on average, found with fashion_settings.c. Seeds 0 … RUNS − 1, ours and the peers' by turns. Run by
 * bench/run.sh.
 */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/data_files.h"
#include "tests/support/http_client.h"
#include "tests/support/suite.h"

enum { RUNS = 3, FILES = 4 };
static const char folder[] = "/usr/share/datasets/fashion-mnist";

static const struct {
  const char *part, *name;
} files[FILES] = {{"images", "train-images-idx3-ubyte.gz"},
                  {"labels", "train-labels-idx1-ubyte.gz"},
                  {"test_images", "t10k-images-idx3-ubyte.gz"},
                  {"test_labels", "t10k-labels-idx1-ubyte.gz"}};

#define JOB                                                                                                                                \
  "{\"network\":{\"layers\":[{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":128,\"activation\":\"relu\"},"                           \
  "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]},\"dataset\":\"fashion\",\"target\":\"label\","                        \
  "\"split\":{\"validation\":0},\"epochs\":3,\"batch_size\":64,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.003},"                 \
  "\"schedule\":\"one_cycle\",\"seed\":%d}"

/* What one run took, in seconds, and reached. */
struct measure {
  double wall, cpu, accuracy;
  double upload; /* ours: of wall */
};

static double read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* The four files as the body of a form; its boundary occurs in none of them. */
#define BOUNDARY "----------------------------fashion88"
static char *make_form(size_t *out_bytes) {
  char *form = NULL;
  FILE *stream = open_memstream(&form, out_bytes);
  if (stream == NULL) exit(1);
  for (size_t i = 0; i < FILES; i++) {
    char path[256];
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
    char *content = data_read_file(path, &bytes);
    fprintf(stream, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n\r\n", files[i].part, files[i].name);
    fwrite(content, 1, bytes, stream);
    fputs("\r\n", stream);
    free(content);
  }
  fputs("--" BOUNDARY "--\r\n", stream);
  fclose(stream);
  return form;
}

static struct measure run_ours(int seed) {
  struct server_process server;
  char body[1024], path[128];
  size_t bytes = 0;
  clockid_t server_clock;
  snprintf(body, sizeof body, JOB, seed);
  const double start = read_clock(CLOCK_MONOTONIC), own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  server_start(&server, (const char *const[]){"--log-level", "warn", NULL});
  if (clock_getcpuclockid(server.pid, &server_clock) != 0) exit(1);
  char *form = make_form(&bytes);
  const double upload = read_clock(CLOCK_MONOTONIC);
  json_decref(client_expect_json(&server,
                                 &(struct client_request){.path = "/v1/datasets?name=fashion",
                                                          .content_type = "multipart/form-data; boundary=" BOUNDARY,
                                                          .body = form,
                                                          .body_bytes = bytes},
                                 201));
  free(form);
  const double uploaded = read_clock(CLOCK_MONOTONIC);
  json_t *job = client_expect_json(&server, &(struct client_request){.path = "/v1/jobs", .body = body}, 202);
  struct client_answer events;
  snprintf(path, sizeof path, "/v1/jobs/%s/events", json_text_at(job, "/id"));
  client_get(&server, path, &events); /* until the job has ended */
  answer_deinit(&events);
  const double end = read_clock(CLOCK_MONOTONIC);
  struct measure measure = {
      .wall = end - start, .upload = uploaded - upload, .cpu = read_clock(server_clock) + read_clock(CLOCK_PROCESS_CPUTIME_ID) - own_cpu};
  snprintf(path, sizeof path, "/v1/jobs/%s", json_text_at(job, "/id"));
  json_decref(job);
  job = client_get_json(&server, path, 200);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_str_ne(json_text_at(job, "/model"), "");
  measure.accuracy = json_number_at(job, "/metrics/test/accuracy");
  json_decref(job);
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
  return measure;
}

/* A program that prints its accuracy; NAN: it could not. */
static struct measure run_peer(const char *python, const char *script, int seed) {
  char number[16], out[] = "/tmp/backpropd-fashion-XXXXXX", line[256] = "";
  struct rusage usage;
  int pipes[2], status = 0;
  const int file = mkstemp(out);
  if (file < 0 || pipe(pipes) != 0) exit(1);
  close(file);
  snprintf(number, sizeof number, "%d", seed);
  const double start = read_clock(CLOCK_MONOTONIC);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(pipes[1], STDOUT_FILENO);
    execlp(python, python, script, folder, number, out, (char *)NULL);
    _exit(127);
  }
  close(pipes[1]);
  FILE *answer = fdopen(pipes[0], "r");
  if (answer == NULL || fgets(line, sizeof line, answer) == NULL) line[0] = '\0';
  if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) exit(1);
  const double wall = read_clock(CLOCK_MONOTONIC) - start;
  if (answer != NULL) fclose(answer);
  unlink(out);
  const double cpu =
      (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
  return (struct measure){.wall = wall, .cpu = cpu, .accuracy = status == 0 && line[0] != '\0' ? strtod(line, NULL) : (double)NAN};
}

static int compare_wall(const void *left, const void *right) {
  const double a = ((const struct measure *)left)->wall, b = ((const struct measure *)right)->wall;
  return (a > b) - (a < b);
}

static void print(const char *what, struct measure runs[RUNS]) {
  double accuracy = 0;
  for (size_t i = 0; i < RUNS; i++) accuracy += runs[i].accuracy / RUNS;
  if (isnan(accuracy)) return;
  qsort(runs, RUNS, sizeof runs[0], compare_wall);
  const struct measure *median = &runs[RUNS / 2];
  printf("%-24s %6.2f s [%.2f … %.2f] %8.2f s %9.2f %%", what, median->wall, runs[0].wall, runs[RUNS - 1].wall, median->cpu,
         100 * accuracy);
  if (median->upload > 0) printf("   of which upload %.2f s", median->upload);
  printf("\n");
}

/* Everything on the last processor that we may run on, which other programs use least. */
static void take_one_processor(void) {
  cpu_set_t all, one;
  CPU_ZERO(&one);
  if (sched_getaffinity(0, sizeof all, &all) != 0) return;
  size_t last = 0;
  for (size_t i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &all)) last = i;
  CPU_SET(last, &one);
  (void)sched_setaffinity(0, sizeof one, &one);
}

START_TEST(measure_fashion) {
  const char *python = getenv("BENCH_PYTHON");
  if (access(folder, R_OK) != 0) {
    printf("Fashion-MNIST is not measured: %s is missing (apt-get install dataset-fashion-mnist)\n", folder);
    return;
  }
  struct measure ours[RUNS], torch[RUNS], sklearn[RUNS];
  take_one_processor();
  for (int seed = 0; seed < RUNS; seed++) {
    ours[seed] = run_ours(seed);
    if (python == NULL) continue;
    torch[seed] = run_peer(python, "bench/peers/fashion_torch.py", seed);
    sklearn[seed] = run_peer(python, "bench/peers/fashion_sklearn.py", seed);
  }
  printf("Fashion-MNIST, 784-128-10, from the start of the process and .gz files to a saved model, one processor, %d seeds\n", RUNS);
  printf("%-24s %24s %10s %11s\n", "", "time that goes by", "processor", "test");
  print("backpropd", ours);
  if (python == NULL) return;
  print("PyTorch", torch);
  print("scikit-learn", sklearn);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *measuring = suite_add_case(suite, "measuring");
  tcase_set_timeout(measuring, 600);
  tcase_add_test(measuring, measure_fashion);
}

int main(void) {
  setenv("CK_FORK", "no", 1);
  return suite_main("fashion", add_cases);
}
