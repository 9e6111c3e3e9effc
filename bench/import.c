/* Uploads of CSV, measured on the real program: processor time of the whole server process for the bytes that it takes in (receiving,
 * SHA-256, parsing, statistics, writing), the time that goes by, and the most memory it takes. The client shares the machine's cores with
 * it. BENCH_IMPORT_MIB sets how large each file is (default 64; 1024 for a gibibyte). Run by bench/run.sh. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/data_files.h"
#include "tests/support/http_client.h"
#include "tests/support/suite.h"

enum { BLOCK_BYTES = 1 << 20, ROW_BYTES_MAX = 512, MIB_DEFAULT = 64 };

static double read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* One row of row i: text and its length. */
typedef int row_writer(size_t i, char text[ROW_BYTES_MAX]);

/* As tables of houses are: nine numbers of many values, and a word. */
static int write_houses(size_t i, char text[ROW_BYTES_MAX]) {
  static const char *const places[] = {"NEAR BAY", "<1H OCEAN", "INLAND", "NEAR OCEAN"};
  const size_t j = i * 2654435761u % 1000003;
  return sprintf(text, "-%zu.%02zu,%zu.%02zu,%zu.0,%zu.0,%zu.0,%zu.0,%zu.0,%zu.%04zu,%zu.0,%s\n", 114 + j % 10, j % 100, 32 + j % 9,
                 j * 7 % 100, 1 + j % 52, j % 9973, j * 3 % 1997, j * 5 % 3989, j * 11 % 1499, j % 15, j * 13 % 10000,
                 15000 + j * 17 % 485000, places[j % 4]);
}

/* As languages print doubles. */
static int write_doubles(size_t i, char text[ROW_BYTES_MAX]) {
  int bytes = 0;
  for (size_t k = 0; k < 8; k++) bytes += sprintf(text + bytes, "%.17g,", sin((double)(i * 8 + k)));
  text[bytes - 1] = '\n';
  return bytes;
}

/* Few species, sexes and islands, some missing, and four numbers of few values. */
static int write_penguins(size_t i, char text[ROW_BYTES_MAX]) {
  static const char *const species[] = {"Adelie", "Gentoo", "Chinstrap"}, *const islands[] = {"Torgersen", "Biscoe", "Dream"};
  const size_t j = i * 2654435761u % 1000003;
  return sprintf(text, "%s,%s,%zu.%zu,%zu.%zu,%zu,%zu,%s,%zu\n", species[j % 3], islands[j / 3 % 3], 32 + j % 28, j % 10, 13 + j % 9,
                 j * 3 % 10, 172 + j % 59, 2700 + j % 73 * 50,
                 j % 31 == 0  ? "NA"
                 : j % 2 == 0 ? "male"
                              : "female",
                 2007 + j % 3);
}

static void upload(const struct server_process *server, const char *what, const char *body, size_t bytes) {
  clockid_t server_clock;
  if (clock_getcpuclockid(server->pid, &server_clock) != 0) exit(1);
  const double cpu = read_clock(server_clock), wall = read_clock(CLOCK_MONOTONIC);
  json_decref(client_expect_json(
      server, &(struct client_request){.path = "/v1/datasets", .content_type = "text/csv", .body = body, .body_bytes = bytes}, 201));
  const double cpu_seconds = read_clock(server_clock) - cpu, seconds = read_clock(CLOCK_MONOTONIC) - wall;
  printf("%-36s %6.0f MB  %5.0f MB/s of server's processor time  %5.0f MB/s of time that goes by\n", what, (double)bytes / 1e6,
         (double)bytes / 1e6 / cpu_seconds, (double)bytes / 1e6 / seconds);
  fflush(stdout);
}

/* `head`, and then the block of whole rows again and again. */
static void upload_repeated(const struct server_process *server, const char *what, const char *head, const char *block, size_t block_bytes,
                            size_t bytes_min) {
  const size_t head_bytes = strlen(head), count = bytes_min / block_bytes + 1, bytes = head_bytes + count * block_bytes;
  char *body = malloc(bytes + 1);
  if (body == NULL) exit(1);
  memcpy(body, head, head_bytes);
  for (size_t i = 0; i < count; i++) memcpy(body + head_bytes + i * block_bytes, block, block_bytes);
  body[bytes] = '\0';
  upload(server, what, body, bytes);
  free(body);
}

static void upload_made(const struct server_process *server, const char *what, const char *head, row_writer *write, size_t bytes_min) {
  char *block = malloc(BLOCK_BYTES + ROW_BYTES_MAX);
  if (block == NULL) exit(1);
  size_t bytes = 0;
  for (size_t i = 0; bytes < BLOCK_BYTES; i++) bytes += (size_t)write(i, block + bytes);
  upload_repeated(server, what, head, block, bytes, bytes_min);
  free(block);
}

static void upload_digits(const struct server_process *server, size_t bytes_min) {
  size_t bytes;
  char *text = data_read_file("examples/data/digits.csv", &bytes), *rows = strchr(text, '\n') + 1;
  char *head = strndup(text, (size_t)(rows - text));
  upload_repeated(server, "65 columns of one or two digits", head, rows, bytes - (size_t)(rows - text), bytes_min);
  free(head);
  free(text);
}

START_TEST(measure_imports) {
  const char *asked = getenv("BENCH_IMPORT_MIB");
  const size_t bytes = (asked != NULL && atoi(asked) > 0 ? (size_t)atoi(asked) : MIB_DEFAULT) << 20;
  struct server_process server;
  server_start(&server, NULL);
  upload_made(&server, "9 columns of numbers, one of words",
              "longitude,latitude,age,rooms,bedrooms,population,households,income,value,ocean_proximity\n", write_houses, bytes);
  upload_made(&server, "8 columns of 17 digits", "a,b,c,d,e,f,g,h\n", write_doubles, bytes);
  upload_digits(&server, bytes);
  upload_made(&server, "3 columns of words, 5 of numbers", "species,island,length,depth,flipper,mass,sex,year\n", write_penguins, bytes);
  printf("%-36s %6.1f MiB\n", "most resident memory of the server", (double)server_get_peak_memory_bytes(&server) / (1 << 20));
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "import");
  tcase_set_timeout(test_case, 0);
  tcase_add_test(test_case, measure_imports);
}

int main(void) {
  setenv("CK_FORK", "no", 1);
  return suite_main("import", add_cases);
}
