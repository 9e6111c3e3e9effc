/* make bench-peers: ours beside its peers, the same work, by turns. Run by bench/peers/run.sh, pinned to one core with all its peers.
 *
 * Usage: duel WORK-FOLDER PEERS-FILE [KEY]. A line of PEERS-FILE is "NAME<tab>float32|bfloat16<tab>COMMAND", or
 * "NAME<tab>missing<tab>REASON". KEY: only matches whose key contains it.
 *
 * For each match the start weights, rows and order are written to files, every peer reads them and warms up, and then, ROUNDS times, each
 * peer in turn: ours, peer. A ratio is taken of two neighbours, so that a slow or fast minute of the machine meets both; what is printed
 * is the median of the ratios with the least and the greatest. Losses after the last step must agree (LOSS_TOLERANCE), else the exit
 * status is 1. Peers for bfloat16 stand beside ours in bfloat16, or, where the CPU can't, beside ours in float32.
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/peers/peer.h"
#include "engine/kernels.h"

enum { ROUNDS = 7, ROUNDS_MIN = 3, PEERS_MAX = 16, MATCHES_MAX = 32 };
static const double SLICE_SECONDS = 0.1;
/* One match's share of the whole: when it is used up, rounds end early, but not before ROUNDS_MIN. */
static const double MATCH_SECONDS = 40;
/* Relative; of losses after some hundred steps whose sums were taken in other orders, and of those with bfloat16 products. */
static const double LOSS_TOLERANCE = 0.02, LOSS_TOLERANCE_BFLOAT16 = 0.05;

enum precision { FLOAT32, BFLOAT16, PRECISIONS };
static const char *const precision_names[PRECISIONS] = {"float32", "bfloat16"};

/* Ours in one precision. */
struct own {
  struct ours ours;
  bool is_open;
  size_t count;
  double steps[ROUNDS * PEERS_MAX]; /* seconds */
  double loss;
};

/* A peer's figures in one match. */
struct side {
  bool is_in;
  size_t count;
  double steps[ROUNDS];  /* seconds */
  double ratios[ROUNDS]; /* to ours, just before */
  double loss;
};

/* What remains of a match for the table at the end. */
struct summary {
  double ours[PRECISIONS];  /* median, seconds per step; 0: none */
  double ratios[PEERS_MAX]; /* medians; 0: took no part */
};

/* The whole. */
struct duel {
  const char *work;
  struct peer peers[PEERS_MAX];
  size_t peer_count;
  struct own own[PRECISIONS];
  struct side sides[PEERS_MAX];
  struct summary summaries[MATCHES_MAX];
  double share_sum, share_min; /* of the core, over all turns */
  size_t turn_count;
  bool do_losses_differ;
};

static double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare_numbers(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}
static double sort_median(double *values, size_t count) {
  qsort(values, count, sizeof values[0], compare_numbers);
  return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* ---- the peers ---- */

static void start_peer(struct peer *peer, const char *precision, const char *command) {
  peer->is_bfloat16 = strcmp(precision, precision_names[BFLOAT16]) == 0;
  if (strcmp(precision, "missing") == 0)
    (void)snprintf(peer->reason, sizeof peer->reason, "%s", command);
  else if (!peer_start(peer, command) && peer->reason[0] == '\0')
    (void)snprintf(peer->reason, sizeof peer->reason, "could not be started");
  if (peer->is_alive)
    printf("  %-26s %s\n", peer->name, peer->label);
  else
    printf("  %-26s MISSING: %s\n", peer->name, peer->reason);
  (void)fflush(stdout);
}

static void start_peers(struct duel *duel, const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    perror(path);
    exit(2);
  }
  char line[1024];
  while (duel->peer_count < PEERS_MAX && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *rest = line;
    const char *name = strsep(&rest, "\t"), *precision = strsep(&rest, "\t");
    if (rest == NULL) continue;
    struct peer *peer = &duel->peers[duel->peer_count++];
    (void)snprintf(peer->name, sizeof peer->name, "%s", name);
    start_peer(peer, precision, rest);
  }
  (void)fclose(file);
}

/* ---- one match ---- */

/* Opens and warms up ours, and writes the files. */
static void open_own(struct duel *duel, const struct match *match, const char *folder) {
  memset(duel->own, 0, sizeof duel->own);
  for (enum precision precision = FLOAT32; precision < PRECISIONS; precision++) {
    struct own *own = &duel->own[precision];
    if (precision == BFLOAT16 && !match->has_bfloat16) return;
    ours_open(&own->ours, match, precision == BFLOAT16);
    own->is_open = strcmp(ours_get_precision(&own->ours), precision_names[precision]) == 0;
    if (own->is_open)
      (void)ours_run(&own->ours, 0);
    else
      ours_close(&own->ours);
    if (precision != FLOAT32) continue;
    size_t count;
    float *values = ours_copy_weights(&own->ours, &count);
    char *names = ours_list_tensors(&own->ours);
    if (!match_write(match, folder, &(struct match_weights){.values = values, .count = count, .names = names})) exit(2);
    free(values);
    free(names);
  }
}

static void open_peers(struct duel *duel, const struct match *match, const char *folder) {
  memset(duel->sides, 0, sizeof duel->sides);
  for (size_t i = 0; i < duel->peer_count; i++) {
    struct peer *peer = &duel->peers[i];
    if (!peer->is_alive) continue;
    peer->reason[0] = '\0';
    if (match->has_bfloat16 || !peer->is_bfloat16) duel->sides[i].is_in = peer_open(peer, folder);
  }
}

static void count_share(struct duel *duel, double share) {
  duel->share_sum += share;
  if (duel->turn_count == 0 || share < duel->share_min) duel->share_min = share;
  duel->turn_count++;
}

static void play_turn(struct duel *duel, size_t which) {
  struct peer *peer = &duel->peers[which];
  struct side *side = &duel->sides[which];
  struct own *own = &duel->own[peer->is_bfloat16 && duel->own[BFLOAT16].is_open ? BFLOAT16 : FLOAT32];
  if (!side->is_in || !peer->is_alive) return;
  const struct outcome ours = ours_run(&own->ours, SLICE_SECONDS);
  own->steps[own->count++] = ours.step_seconds;
  own->loss = ours.loss;
  count_share(duel, ours.share);
  struct outcome theirs;
  if (!peer_run(peer, SLICE_SECONDS, &theirs)) return;
  side->steps[side->count] = theirs.step_seconds;
  side->ratios[side->count++] = theirs.step_seconds / ours.step_seconds;
  side->loss = theirs.loss;
  count_share(duel, theirs.share);
}

static void play_rounds(struct duel *duel) {
  const double start = now_seconds();
  for (size_t round = 0; round < ROUNDS; round++) {
    if (round >= ROUNDS_MIN && now_seconds() - start > MATCH_SECONDS) return;
    for (size_t i = 0; i < duel->peer_count; i++) play_turn(duel, i);
  }
}

/* ---- what came of it ---- */

/* `steps` sorted. */
static void print_row(const char *name, const char *setting, const double *steps, size_t count, double median) {
  char spread[64];
  const int digits = median < 1e-5 ? 2 : 0;
  (void)snprintf(spread, sizeof spread, "[%.*f .. %.*f]", digits, steps[0] * 1e6, digits, steps[count - 1] * 1e6);
  printf("  %-26s %-20s %10.*f %-20s", name, setting, digits, median * 1e6, spread);
}

/* Ends the row. */
static void print_loss(struct duel *duel, double loss, bool is_bfloat16) {
  const double reference = duel->own[FLOAT32].loss, tolerance = is_bfloat16 ? LOSS_TOLERANCE_BFLOAT16 : LOSS_TOLERANCE;
  const bool does_differ = !(fabs(loss - reference) <= tolerance * fabs(reference));
  if (does_differ) duel->do_losses_differ = true;
  printf(" %.6f%s\n", loss, does_differ ? "  LOSS DIFFERS" : "");
}

static void print_own(struct duel *duel, struct summary *summary) {
  for (enum precision precision = FLOAT32; precision < PRECISIONS; precision++) {
    struct own *own = &duel->own[precision];
    if (own->count == 0) continue;
    summary->ours[precision] = sort_median(own->steps, own->count);
    print_row("backpropd", precision_names[precision], own->steps, own->count, summary->ours[precision]);
    printf(" %-26s", "");
    print_loss(duel, own->loss, precision == BFLOAT16);
  }
}

static void print_peer(struct duel *duel, size_t which, struct summary *summary) {
  const struct peer *peer = &duel->peers[which];
  struct side *side = &duel->sides[which];
  if (side->count == 0) {
    if (peer->reason[0] != '\0') printf("  %-26s does not take part: %s\n", peer->name, peer->reason);
    return;
  }
  const double step = sort_median(side->steps, side->count), ratio = sort_median(side->ratios, side->count);
  char text[64];
  (void)snprintf(text, sizeof text, "%.2fx [%.2f .. %.2f]", ratio, side->ratios[0], side->ratios[side->count - 1]);
  print_row(peer->name, peer->setting, side->steps, side->count, step);
  printf(" %-26s", text);
  print_loss(duel, side->loss, peer->is_bfloat16);
  summary->ratios[which] = ratio;
}

static void play(struct duel *duel, const struct match *match, struct summary *summary) {
  char folder[512];
  (void)snprintf(folder, sizeof folder, "%s/%s", duel->work, match->key);
  open_own(duel, match, folder);
  open_peers(duel, match, folder);
  play_rounds(duel);
  struct ours *ours = &duel->own[FLOAT32].ours;
  printf("\n%s: %zu steps, loss before %.6f%s\n", match->title, match_steps(match), ours_measure_loss(ours, ours->start),
         match->has_bfloat16 && !duel->own[BFLOAT16].is_open ? "; ours computes in float32 on this CPU, also beside peers in bfloat16"
                                                             : "");
  printf("  %-47s %10s %-20s %-26s %s\n", "", "us/step", "[min .. max]", "to ours [min .. max]", "loss after");
  print_own(duel, summary);
  for (size_t i = 0; i < duel->peer_count; i++) print_peer(duel, i, summary);
  (void)fflush(stdout);
  for (size_t i = 0; i < PRECISIONS; i++)
    if (duel->own[i].is_open) ours_close(&duel->own[i].ours);
}

static void print_summary(const struct duel *duel, const struct match *match, const struct summary *summary) {
  for (enum precision precision = FLOAT32; precision < PRECISIONS; precision++) {
    const enum precision ours = summary->ours[precision] > 0 ? precision : FLOAT32;
    size_t count = 0;
    for (size_t i = 0; i < duel->peer_count; i++) {
      if (summary->ratios[i] <= 0 || duel->peers[i].is_bfloat16 != (precision == BFLOAT16)) continue;
      if (count++ == 0) printf("  %-42s %-9s %10.2f us", match->title, precision_names[ours], summary->ours[ours] * 1e6);
      printf("%s %s %.2fx", count > 1 ? "," : " ", duel->peers[i].name, summary->ratios[i]);
    }
    if (count > 0) printf("\n");
  }
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: duel WORK-FOLDER PEERS-FILE [KEY]\n");
    return 2;
  }
  (void)signal(SIGPIPE, SIG_IGN);
  static struct duel duel;
  duel.work = argv[1];
  const char *only = argc > 3 ? argv[3] : "";
  printf("ours: backpropd %s, kernels %s. Peers:\n", BACKPROPD_VERSION, kernels_name());
  start_peers(&duel, argv[2]);
  for (size_t i = 0; i < match_count; i++)
    if (strstr(matches[i].key, only) != NULL) play(&duel, &matches[i], &duel.summaries[i]);
  printf("\na step of ours, and how many times as long others take (medians)\n");
  for (size_t i = 0; i < match_count; i++) print_summary(&duel, &matches[i], &duel.summaries[i]);
  for (size_t i = 0; i < duel.peer_count; i++) peer_stop(&duel.peers[i]);
  if (duel.turn_count > 0)
    printf("\ntimes are processor time; who had the turn had %.0f %% of the core, at least %.0f %%\n",
           100 * duel.share_sum / (double)duel.turn_count, 100 * duel.share_min);
  if (duel.do_losses_differ) fprintf(stderr, "bench-peers: losses after the same steps differ: see above\n");
  return duel.do_losses_differ ? 1 : 0;
}
