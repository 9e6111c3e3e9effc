/* The program's options. One table (options.c) is the command line, the environment, --help and the man page's list.
 *
 * `--data-dir DIR` and `--data-dir=DIR` on the command line; BACKPROPD_DATA_DIR in the environment, which the command line overrides.
 * A leaf: used by main. Texts are borrowed from argv and the environment. Threads: one, at start.
 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/error.h"
#include "server/limits.h"

enum options_action { OPTIONS_SERVE, OPTIONS_SHOW_HELP, OPTIONS_SHOW_VERSION };

struct options {
  enum options_action action;
  const char *listen;
  const char *data_dir;
  const char *token_file;    /* NULL: none */
  const char *allowed_hosts; /* NULL: none besides loopback */
  const char *log_level;     /* "error", "warn", "info", "debug" */
  uint64_t workers, threads; /* 0: one per core */
  uint64_t memory_budget_bytes;
  uint64_t checkpoint_interval_ms;
  struct server_limits limits;
};

/* Defaults, then the environment, then the command line. ERROR_INVALID names the option and says what would be right. */
__attribute__((warn_unused_result)) enum error_code options_parse(int argc, char *const *argv, struct options *out_options,
                                                                  struct error *error);

/* --help, produced from the table. */
void options_print_help(FILE *file);

/* The table's names without dashes ("data-dir"), for whoever checks that the man page has them all; NULL past the end. */
const char *options_get_name(size_t index);

#endif
