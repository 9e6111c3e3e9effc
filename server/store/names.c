/* Ids and names: what they look like, which are taken, and how a nameless resource gets one. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "server/store/private.h"

enum { ID_PREFIX_BYTES = 6, ID_DIGITS = 16 };
_Static_assert(ID_PREFIX_BYTES + 1 + ID_DIGITS + 1 <= STORE_ID_BYTES, "an id must fit its array");

const struct resource networks_resource = {
    .noun = "network",
    .id_prefix = "net",
    .find_by_id = "SELECT number FROM networks WHERE id = ?1",
    .find_by_name = "SELECT number FROM networks WHERE name = ?1",
    .last_number = "SELECT seq FROM sqlite_sequence WHERE name = 'networks'",
};
const struct resource datasets_resource = {
    .noun = "dataset",
    .id_prefix = "data",
    .find_by_id = "SELECT number FROM datasets WHERE id = ?1",
    .find_by_name = "SELECT number FROM datasets WHERE name = ?1",
    .last_number = "SELECT seq FROM sqlite_sequence WHERE name = 'datasets'",
};
const struct resource jobs_resource = {
    .noun = "job",
    .id_prefix = "job",
    .find_by_id = "SELECT number FROM jobs WHERE id = ?1",
    .find_by_name = "SELECT number FROM jobs WHERE name = ?1",
    .last_number = "SELECT seq FROM sqlite_sequence WHERE name = 'jobs'",
};
const struct resource models_resource = {
    .noun = "model",
    .id_prefix = "model",
    .find_by_id = "SELECT number FROM models WHERE id = ?1",
    .find_by_name = "SELECT number FROM models WHERE name = ?1",
    .last_number = "SELECT seq FROM sqlite_sequence WHERE name = 'models'",
};

void store_make_id(const char *prefix, char out_id[STORE_ID_BYTES]) {
  assert(strlen(prefix) <= ID_PREFIX_BYTES);
  uint64_t random = 0;
  ssize_t got;
  /* So few bytes come whole or, before the machine's first entropy, interrupted. */
  do {
    got = getrandom(&random, sizeof random, 0);
  } while (got < 0 && errno == EINTR);
  assert(got == (ssize_t)sizeof random);
  (void)snprintf(out_id, STORE_ID_BYTES, "%.*s_%016" PRIx64, ID_PREFIX_BYTES, prefix, random);
}

static bool looks_like_id(const char *text) {
  size_t prefix = strspn(text, "abcdefghijklmnopqrstuvwxyz");
  if (prefix < 1 || prefix > ID_PREFIX_BYTES || text[prefix] != '_') return false;
  const char *digits = text + prefix + 1;
  return strspn(digits, "0123456789abcdef") == ID_DIGITS && digits[ID_DIGITS] == '\0';
}

/* Reads one code point of UTF-8; returns its length, or 0 if it is none (overlong, a surrogate, out of range, cut off). */
static size_t read_code_point(const unsigned char *text, uint32_t *out_point) {
  static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length = text[0] < 0x80 ? 1 : text[0] >> 5 == 0x6 ? 2 : text[0] >> 4 == 0xe ? 3 : text[0] >> 3 == 0x1e ? 4 : 0;
  if (length == 0) return 0;
  uint32_t point = length == 1 ? text[0] : text[0] & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    if (text[i] >> 6 != 0x2) return 0;
    point = point << 6 | (text[i] & 0x3fu);
  }
  if (point < smallest[length] || (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff) return 0;
  *out_point = point;
  return length;
}

bool store_is_name(const char *name) {
  size_t length = strnlen(name, LIMIT_NAME_BYTES + 1);
  if (length < 1 || length > LIMIT_NAME_BYTES) return false;
  if (name[0] == ' ' || name[length - 1] == ' ' || looks_like_id(name)) return false;
  /* What no path can hold could never be asked for. */
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
  for (size_t i = 0; i < length;) {
    uint32_t point;
    size_t step = read_code_point((const unsigned char *)name + i, &point);
    if (step == 0 || point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == '/' || point == '\\') return false;
    i += step;
  }
  return true;
}

/* The number of the row that `sql` finds for `key`, or 0. */
static enum error_code find_number(struct connection *connection, const char *sql, const char *key, int64_t *out_number,
                                   struct error *error) {
  struct query query;
  query_start(&query, connection, sql, error);
  query_bind_text(&query, key);
  *out_number = query_step(&query) ? query_get_int(&query) : 0;
  return query_finish(&query);
}

enum error_code resource_find(struct connection *connection, const struct resource *resource, const char *id_or_name, int64_t *out_number,
                              struct error *error) {
  const char *sql = looks_like_id(id_or_name) ? resource->find_by_id : resource->find_by_name;
  enum error_code code = find_number(connection, sql, id_or_name, out_number, error);
  if (code != ERROR_NONE) return code;
  if (*out_number != 0) return ERROR_NONE;
  /* What is neither a name nor an id may be anything; it isn't repeated. */
  if (!looks_like_id(id_or_name) && !store_is_name(id_or_name))
    return error_set(error, ERROR_NOT_FOUND, "there is no such %s", resource->noun);
  return error_set(error, ERROR_NOT_FOUND, "there is no %s \"%s\"", resource->noun, id_or_name);
}

enum error_code resource_check_name(struct connection *connection, const struct resource *resource, const char *name, int64_t own_number,
                                    struct error *error) {
  if (!store_is_name(name)) return error_set(error, ERROR_INVALID, "a name must be " STORE_NAME_RULE, LIMIT_NAME_BYTES);
  int64_t number;
  enum error_code code = find_number(connection, resource->find_by_name, name, &number, error);
  if (code != ERROR_NONE) return code;
  if (number != 0 && number != own_number)
    return error_set(error, ERROR_CONFLICT, "a %s named \"%s\" exists already", resource->noun, name);
  return ERROR_NONE;
}

/* base-2, with as much of the base as fits, cut between characters. */
static void append_suffix(const char *base, uint64_t suffix, char out_name[LIMIT_NAME_BYTES + 1]) {
  char tail[24];
  size_t tail_bytes = (size_t)snprintf(tail, sizeof tail, "-%" PRIu64, suffix);
  size_t kept = strnlen(base, LIMIT_NAME_BYTES);
  if (kept > LIMIT_NAME_BYTES - tail_bytes) {
    kept = LIMIT_NAME_BYTES - tail_bytes;
    while (kept > 0 && ((unsigned char)base[kept] >> 6) == 0x2) kept--;
  }
  memcpy(out_name, base, kept);
  memcpy(out_name + kept, tail, tail_bytes + 1);
}

enum error_code resource_make_name(struct connection *connection, const struct resource *resource, const char *base,
                                   char out_name[LIMIT_NAME_BYTES + 1], struct error *error) {
  char name[LIMIT_NAME_BYTES + 1];
  (void)snprintf(name, sizeof name, "%s", base);
  for (uint64_t suffix = 2;; suffix++) {
    int64_t number;
    enum error_code code = find_number(connection, resource->find_by_name, name, &number, error);
    if (code != ERROR_NONE) return code;
    if (number == 0) break;
    append_suffix(base, suffix, name);
  }
  memcpy(out_name, name, sizeof name);
  return ERROR_NONE;
}

enum error_code resource_name(struct connection *connection, const struct resource *resource, char id[STORE_ID_BYTES],
                              char name[LIMIT_NAME_BYTES + 1], struct error *error) {
  if (id[0] == '\0') store_make_id(resource->id_prefix, id);
  if (name[0] != '\0') return resource_check_name(connection, resource, name, 0, error);
  struct query query;
  query_start(&query, connection, resource->last_number, error);
  int64_t last = query_step(&query) ? query_get_int(&query) : 0;
  enum error_code code = query_finish(&query);
  if (code != ERROR_NONE) return code;
  char base[LIMIT_NAME_BYTES + 1];
  (void)snprintf(base, sizeof base, "%s-%" PRId64, resource->noun, last + 1);
  return resource_make_name(connection, resource, base, name, error);
}
