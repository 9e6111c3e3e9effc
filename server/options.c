/* The table of options and its three readers: environment, command line, help. */
#include "server/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "engine/param.h"

enum option_type {
  OPTION_TEXT,
  OPTION_COUNT, /* a whole number */
  OPTION_BYTES  /* a whole number with an optional K, M, G or T (powers of 1024) */
};

struct option {
  const char *name;
  const char *value_name;
  const char *help;
  enum option_type type;
  size_t offset; /* const char * for TEXT, uint64_t else */
  uint64_t min, max;
  const char *default_text;   /* read like a value from outside; NULL: not set */
  const char *const *choices; /* TEXT: the only words allowed, NULL at the end */
};

static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};

#define FIELD(field_) offsetof(struct options, field_)
static const struct option table[] = {
    {"listen", "HOST:PORT", "address to serve on; port 0 takes a free one; any but a loopback address needs --token-file", OPTION_TEXT,
     FIELD(listen), 0, 0, "127.0.0.1:8080", NULL},
    {"data-dir", "DIR", "where everything is kept; created if missing", OPTION_TEXT, FIELD(data_dir), 0, 0, "./data", NULL},
    {"workers", "N", "jobs that train at the same time; 0: one per core", OPTION_COUNT, FIELD(workers), 0, 1024, "0", NULL},
    {"threads", "N", "threads that all training together uses; 0: one per core", OPTION_COUNT, FIELD(threads), 0, 1024, "0", NULL},
    {"memory-budget", "BYTES", "memory of all running jobs together; 0: 80 % of the machine's", OPTION_BYTES, FIELD(memory_budget_bytes), 0,
     INT64_MAX, "0", NULL},
    {"token-file", "FILE", "file with the access token (at least 32 random bytes, as text); requests then need Authorization: Bearer",
     OPTION_TEXT, FIELD(token_file), 0, 0, NULL, NULL},
    {"allowed-hosts", "NAMES", "comma separated names that the Host header may carry besides the loopback names", OPTION_TEXT,
     FIELD(allowed_hosts), 0, 0, NULL, NULL},
    {"checkpoint-interval-ms", "N", "milliseconds of training between two checkpoints of a job", OPTION_COUNT,
     FIELD(checkpoint_interval_ms), 1, 3600000, "2000", NULL},
    {"log-level", "LEVEL", "error, warn, info or debug; the log goes to stderr", OPTION_TEXT, FIELD(log_level), 0, 0, "info", log_levels},
    {"max-json-bytes", "BYTES", "largest JSON request body", OPTION_BYTES, FIELD(limits.json_body_bytes), 1024, 1 << 30, "1M", NULL},
    {"max-upload-bytes", "BYTES", "largest dataset upload", OPTION_BYTES, FIELD(limits.upload_bytes), 1024, INT64_MAX, "16G", NULL},
    {"max-body-memory-bytes", "BYTES", "memory of all JSON bodies being received at once", OPTION_BYTES,
     FIELD(limits.collected_bodies_bytes), 1 << 20, INT64_MAX, "64M", NULL},
    {"max-connections", "N", "connections at the same time", OPTION_COUNT, FIELD(limits.connections), 8, 65535, "1000", NULL},
    {"max-event-streams", "N", "event streams at the same time; further ones get 503", OPTION_COUNT, FIELD(limits.event_streams), 1, 65535,
     "256", NULL},
    {"max-uploads", "N", "uploads at the same time; further ones get 429", OPTION_COUNT, FIELD(limits.uploads), 1, 256, "8", NULL},
    {"max-queued-requests", "N", "requests that wait for a handler thread; further ones get 503", OPTION_COUNT,
     FIELD(limits.queued_requests), 1, 65535, "512", NULL},
    {"max-queued-jobs", "N", "jobs that wait in the queue; further ones get 429", OPTION_COUNT, FIELD(limits.queued_jobs), 1, 1000000,
     "10000", NULL},
    {"max-gradient-check-parameters", "N", "weights of a network whose gradient is checked by differences; larger ones are refused",
     OPTION_COUNT, FIELD(limits.gradient_check_parameters), 1, 1000000000, "20000", NULL},
    {"handler-threads", "N", "threads that answer requests", OPTION_COUNT, FIELD(limits.handler_threads), 1, 256, "8", NULL},
    {"max-long-requests", "N", "evaluations, gradient checks and large predictions at the same time; further ones wait", OPTION_COUNT,
     FIELD(limits.long_requests), 1, 256, "2", NULL},
    {"header-timeout-ms", "N", "milliseconds that a client may take for a request's head", OPTION_COUNT, FIELD(limits.header_timeout_ms),
     100, 3600000, "15000", NULL},
    {"body-timeout-ms", "N", "milliseconds without a byte of a body", OPTION_COUNT, FIELD(limits.body_idle_timeout_ms), 100, 3600000,
     "30000", NULL},
    {"min-body-rate", "BYTES", "bytes a second that a body must bring on average over that time", OPTION_BYTES,
     FIELD(limits.body_bytes_per_second_min), 1, 1 << 30, "1K", NULL},
};
enum { OPTION_COUNT_OF_TABLE = sizeof table / sizeof table[0], ENVIRONMENT_NAME_BYTES = 64 };

static const char *name_at(const void *context, size_t index) {
  (void)context;
  return table[index].name;
}

const char *options_get_name(size_t index) { return index < OPTION_COUNT_OF_TABLE ? table[index].name : NULL; }

static void make_environment_name(const struct option *option, char out_name[ENVIRONMENT_NAME_BYTES]) {
  size_t length = (size_t)snprintf(out_name, ENVIRONMENT_NAME_BYTES, "BACKPROPD_%s", option->name);
  for (size_t i = 0; i < length; i++) out_name[i] = out_name[i] == '-' ? '_' : (char)toupper((unsigned char)out_name[i]);
}

/* Digits, then for bytes one of K M G T (any case) with an optional "B" or "iB". False: not a number, or too large for 64 bits. */
static bool parse_number(const char *text, bool takes_suffix, uint64_t *out_number) {
  uint64_t number = 0;
  const char *at = text;
  if (!isdigit((unsigned char)*at)) return false;
  for (; isdigit((unsigned char)*at); at++) {
    if (__builtin_mul_overflow(number, 10u, &number) || __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number)) return false;
  }
  if (takes_suffix && *at != '\0') {
    static const char units[] = "KMGT";
    const char *unit = strchr(units, toupper((unsigned char)*at));
    if (unit == NULL) return false;
    unsigned shift = 10u * (unsigned)(unit - units + 1);
    if (number > (UINT64_MAX >> shift)) return false;
    number <<= shift;
    at++;
    if (strcmp(at, "B") == 0 || strcmp(at, "iB") == 0) at += strlen(at);
  }
  *out_number = number;
  return *at == '\0';
}

static enum error_code set_text(const struct option *option, const char *where, const char *value, void *field, struct error *error) {
  if (value[0] == '\0') return error_set(error, ERROR_INVALID, "%s is empty; it takes %s (%s)", where, option->value_name, option->help);
  bool is_allowed = option->choices == NULL;
  for (size_t i = 0; !is_allowed && option->choices[i] != NULL; i++) is_allowed = strcmp(value, option->choices[i]) == 0;
  if (!is_allowed) return error_set(error, ERROR_INVALID, "%s is \"%.40s\"; it takes %s", where, value, option->help);
  *(const char **)field = value;
  return ERROR_NONE;
}

/* `where` is the option as the user wrote it: "--workers" or "BACKPROPD_WORKERS". */
static enum error_code set_value(const struct option *option, const char *where, const char *value, struct options *options,
                                 struct error *error) {
  void *field = (char *)options + option->offset;
  if (option->type == OPTION_TEXT) return set_text(option, where, value, field, error);
  uint64_t number = 0;
  if (!parse_number(value, option->type == OPTION_BYTES, &number) || number < option->min || number > option->max) {
    const char *form = option->type == OPTION_BYTES ? "a number of bytes such as 512M or 4G" : "a whole number";
    return error_set(error, ERROR_INVALID, "%s is \"%.40s\"; it takes %s from %" PRIu64 " to %" PRIu64 " (%s)", where, value, form,
                     option->min, option->max, option->help);
  }
  *(uint64_t *)field = number;
  return ERROR_NONE;
}

static enum error_code read_environment(struct options *options, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < OPTION_COUNT_OF_TABLE && code == ERROR_NONE; i++) {
    char name[ENVIRONMENT_NAME_BYTES];
    make_environment_name(&table[i], name);
    const char *value = getenv(name);
    if (value != NULL) code = set_value(&table[i], name, value, options, error);
  }
  return code;
}

/* The option that "--name" or "--name=value" means, or NULL. */
static const struct option *find_option(const char *argument, size_t name_length) {
  for (size_t i = 0; i < OPTION_COUNT_OF_TABLE; i++)
    if (strlen(table[i].name) == name_length && strncmp(argument + 2, table[i].name, name_length) == 0) return &table[i];
  return NULL;
}

static enum error_code refuse_unknown(const char *argument, size_t name_length, struct error *error) {
  if (strncmp(argument, "--", 2) != 0) {
    return error_set(error, ERROR_INVALID, "unexpected argument \"%.60s\"; options are written --name value, see --help", argument);
  }
  char name[LIMIT_NAME_BYTES + 1];
  snprintf(name, sizeof name, "%.*s", name_length > LIMIT_NAME_BYTES ? LIMIT_NAME_BYTES : (int)name_length, argument + 2);
  const char *near = param_suggest(name, OPTION_COUNT_OF_TABLE, name_at, NULL);
  if (near != NULL) return error_set(error, ERROR_INVALID, "unknown option --%s; did you mean --%s?", name, near);
  return error_set(error, ERROR_INVALID, "unknown option --%s; --help lists them", name);
}

static enum error_code read_command_line(int argc, char *const *argv, struct options *options, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (int i = 1; i < argc && code == ERROR_NONE; i++) {
    const char *argument = argv[i];
    bool is_long = strncmp(argument, "--", 2) == 0;
    size_t name_length = is_long ? strcspn(argument + 2, "=") : 0;
    const struct option *option = is_long ? find_option(argument, name_length) : NULL;
    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
      options->action = OPTIONS_SHOW_HELP;
    } else if (strcmp(argument, "--version") == 0 || strcmp(argument, "-V") == 0) {
      options->action = OPTIONS_SHOW_VERSION;
    } else if (option == NULL) {
      code = refuse_unknown(argument, name_length, error);
    } else {
      char where[LIMIT_NAME_BYTES + 3];
      snprintf(where, sizeof where, "--%s", option->name);
      const char *value = argument[2 + name_length] == '=' ? argument + 3 + name_length : NULL;
      if (value == NULL && i + 1 < argc) value = argv[++i];
      code = value != NULL ? set_value(option, where, value, options, error)
                           : error_set(error, ERROR_INVALID, "%s needs a value: %s (%s)", where, option->value_name, option->help);
    }
  }
  return code;
}

enum error_code options_parse(int argc, char *const *argv, struct options *out_options, struct error *error) {
  *out_options = (struct options){.action = OPTIONS_SERVE};
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < OPTION_COUNT_OF_TABLE && code == ERROR_NONE; i++)
    if (table[i].default_text != NULL) code = set_value(&table[i], table[i].name, table[i].default_text, out_options, error);
  /* The command line is looked at first for --help and --version, which must work whatever the environment says. */
  struct options given = *out_options;
  if (code == ERROR_NONE) code = read_command_line(argc, argv, &given, error);
  if (code == ERROR_NONE && given.action != OPTIONS_SERVE) {
    *out_options = given;
    return ERROR_NONE;
  }
  if (code == ERROR_NONE) code = read_environment(out_options, error);
  if (code == ERROR_NONE) code = read_command_line(argc, argv, out_options, error);
  return code;
}

void options_print_help(FILE *file) {
  fputs("Usage: backpropd [OPTION]...\n\n"
        "A neural-network training server: upload data, describe a network, train it, watch it, predict with it, all over HTTP.\n"
        "Once ready it prints \"listening on http://HOST:PORT\" to stdout. SIGTERM stops it; running jobs go on at the next start.\n\n"
        "Each option can also be given in the environment, as in brackets; the command line wins. BYTES take K, M, G, T.\n\n",
        file);
  for (size_t i = 0; i < OPTION_COUNT_OF_TABLE; i++) {
    const struct option *option = &table[i];
    char name[ENVIRONMENT_NAME_BYTES];
    make_environment_name(option, name);
    fprintf(file, "  --%s %s  [%s]\n      %s", option->name, option->value_name, name, option->help);
    if (option->default_text != NULL && strcmp(option->default_text, "0") != 0) fprintf(file, " (default %s)", option->default_text);
    fputc('\n', file);
  }
  fputs("  -h, --help\n      show this\n  -V, --version\n      show the version\n", file);
}
