#include "server/data/image_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/header.h"

enum { SNIFF_BYTES = 1 << 16, SNIFF_ROWS = 200 };

/* The last part of a path, and how much of it is before its ending. */
static const char *find_stem(const char *path, size_t *out_bytes) {
  const char *slash = strrchr(path, '/'), *stem = slash == NULL ? path : slash + 1, *dot = strrchr(stem, '.');
  *out_bytes = dot == NULL || dot == stem ? strlen(stem) : (size_t)(dot - stem);
  return stem;
}

static int compare_stems(const char *left, size_t left_bytes, const char *right, size_t right_bytes) {
  const size_t shared = left_bytes < right_bytes ? left_bytes : right_bytes;
  const int order = memcmp(left, right, shared);
  return order != 0 ? order : (left_bytes > right_bytes) - (left_bytes < right_bytes);
}

static int compare_files(const void *left, const void *right, void *context) {
  const struct image_layout *layout = context;
  const size_t a = *(const size_t *)left, b = *(const size_t *)right;
  size_t a_bytes, b_bytes;
  const char *a_stem = find_stem(layout->files[a].name, &a_bytes), *b_stem = find_stem(layout->files[b].name, &b_bytes);
  const int order = compare_stems(a_stem, a_bytes, b_stem, b_bytes);
  return order != 0 ? order : (a > b) - (a < b);
}

static enum error_code sort_files(struct image_table *table, struct error *error) {
  size_t *order = malloc(table->layout->count * sizeof *order);
  if (order == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the names of the images");
  for (size_t i = 0; i < table->layout->count; i++) order[i] = i;
  qsort_r(order, table->layout->count, sizeof *order, compare_files, (void *)(uintptr_t)table->layout);
  table->by_stem = order;
  return ERROR_NONE;
}

/* Is one path the other, or the end of it behind a folder? An ending may be left out of the cell. */
static bool is_named(const char *path, const char *cell) {
  size_t cell_bytes = strlen(cell), path_bytes = strlen(path), stem_bytes;
  const char *stem = find_stem(path, &stem_bytes);
  const char *cell_slash = strrchr(cell, '/'), *cell_base = cell_slash == NULL ? cell : cell_slash + 1;
  if (strlen(cell_base) == stem_bytes && strncmp(cell_base, stem, stem_bytes) == 0) path_bytes = (size_t)(stem - path) + stem_bytes;
  const bool is_cell_longer = cell_bytes > path_bytes;
  const char *longer = is_cell_longer ? cell : path, *shorter = is_cell_longer ? path : cell;
  const size_t longer_bytes = is_cell_longer ? cell_bytes : path_bytes, shorter_bytes = is_cell_longer ? path_bytes : cell_bytes;
  const size_t before = longer_bytes - shorter_bytes;
  return strncmp(longer + before, shorter, shorter_bytes) == 0 && (before == 0 || longer[before - 1] == '/');
}

/* The first file in by_stem that isn't before this stem. */
static size_t find_first(const struct image_table *table, const char *stem, size_t bytes) {
  size_t low = 0, high = table->layout->count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    size_t found_bytes;
    const char *found = find_stem(table->layout->files[table->by_stem[middle]].name, &found_bytes);
    if (compare_stems(found, found_bytes, stem, bytes) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Among the files of that stem. */
static long find_among(const struct image_table *table, const char *cell, const char *stem, size_t stem_bytes) {
  long found = IMAGE_NONE;
  for (size_t i = find_first(table, stem, stem_bytes); i < table->layout->count; i++) {
    size_t bytes;
    const char *path = table->layout->files[table->by_stem[i]].name, *other = find_stem(path, &bytes);
    if (compare_stems(other, bytes, stem, stem_bytes) != 0) break;
    if (!is_named(path, cell)) continue;
    if (found != IMAGE_NONE) return IMAGE_SEVERAL;
    found = (long)table->by_stem[i];
  }
  return found;
}

long image_table_find(const struct image_table *table, const char *cell) {
  size_t bytes = strlen(cell), stem_bytes;
  char path[1024];
  const char *trimmed = csv_trim(cell, &bytes);
  if (bytes == 0 || bytes >= sizeof path) return IMAGE_NONE;
  memcpy(path, trimmed, bytes);
  path[bytes] = '\0';
  for (char *at = path; *at != '\0'; at++)
    if (*at == '\\') *at = '/'; /* as a table made on Windows writes it */
  const char *start = strncmp(path, "./", 2) == 0 ? path + 2 : path;
  const char *stem = find_stem(start, &stem_bytes);
  const long found = find_among(table, start, stem, stem_bytes);
  /* A name without ending may have a dot: "IMG.0042". */
  return found != IMAGE_NONE || stem[stem_bytes] == '\0' ? found : find_among(table, start, stem, strlen(stem));
}

static enum error_code append(void *context, const char *bytes, size_t byte_count, struct error *error) {
  struct image_table *table = context;
  (void)error;
  memcpy(table->bytes + table->count, bytes, byte_count);
  table->count += byte_count;
  return ERROR_NONE;
}

/* The beginning, to find names and the column of files. */
struct sniffing {
  struct image_table *table;
  size_t *hits;              /* [column_count] files that its cells name, each counted once */
  long (*files)[SNIFF_ROWS]; /* [column_count] those files */
  size_t row_count;
};

/* Once a file: numbers that stand for classes may be names of files too, but the same ones come again. */
static void count_hit(struct sniffing *sniffing, size_t column, long file) {
  if (file < 0) return;
  for (size_t i = 0; i < sniffing->hits[column]; i++)
    if (sniffing->files[column][i] == file) return;
  sniffing->files[column][sniffing->hits[column]++] = file;
}

static enum error_code look_at_row(void *context, const struct csv_row *row, struct error *error) {
  struct sniffing *sniffing = context;
  struct image_table *table = sniffing->table;
  if (row->defect != NULL) return ERROR_NONE;
  const bool is_first = table->names == NULL;
  if (is_first) {
    enum error_code code = header_make_names(row, table->has_header, &table->names, error);
    if (code != ERROR_NONE) return code;
    table->column_count = row->cell_count;
    sniffing->hits = calloc(row->cell_count + 1, sizeof *sniffing->hits);
    sniffing->files = calloc(row->cell_count + 1, sizeof *sniffing->files);
    if (sniffing->hits == NULL || sniffing->files == NULL)
      return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", row->cell_count);
  }
  if ((is_first && table->has_header) || row->cell_count != table->column_count) return ERROR_NONE;
  for (size_t i = 0; i < row->cell_count; i++) count_hit(sniffing, i, image_table_find(table, row->cells[i].text));
  return ++sniffing->row_count < SNIFF_ROWS ? ERROR_NONE : ERROR_CONFLICT; /* enough seen */
}

/* The column whose first cells name most files: one for every fourth cell, or it means something else. */
static size_t choose_column(const struct sniffing *sniffing) {
  size_t best = SIZE_MAX;
  for (size_t i = 0; i < sniffing->table->column_count; i++)
    if (4 * sniffing->hits[i] >= sniffing->row_count && sniffing->hits[i] > 0 &&
        (best == SIZE_MAX || sniffing->hits[i] > sniffing->hits[best]))
      best = i;
  return best;
}

static enum error_code sniff(struct image_table *table, struct error *error) {
  const size_t count = table->count < SNIFF_BYTES ? table->count : SNIFF_BYTES;
  table->delimiter = csv_guess_delimiter(table->bytes, count);
  table->has_header = header_find(table->bytes, count, table->delimiter);
  struct sniffing sniffing = {.table = table};
  struct csv_parser *parser = NULL;
  enum error_code code = csv_parser_create(table->delimiter, look_at_row, &sniffing, &parser, error);
  if (code == ERROR_NONE) code = csv_parser_feed(parser, table->bytes, table->count, error);
  if (code == ERROR_NONE) code = csv_parser_finish(parser, error);
  if (code == ERROR_CONFLICT) code = ERROR_NONE;
  csv_parser_destroy(parser);
  table->file_column = code == ERROR_NONE && table->names != NULL ? choose_column(&sniffing) : SIZE_MAX;
  free(sniffing.hits);
  free(sniffing.files);
  return code;
}

enum error_code image_table_init(struct image_table *table, const struct image_layout *layout, struct zip_reader *reader,
                                 struct error *error) {
  *table = (struct image_table){.layout = layout, .file_column = SIZE_MAX};
  const struct zip_entry *entry = zip_reader_get_entry(reader, layout->table);
  if (entry->plain_bytes > IMAGE_TABLE_BYTES_MAX)
    return error_set(error, ERROR_TOO_LARGE, "the archive's table \"%.100s\" may have %d MiB", entry->name, IMAGE_TABLE_BYTES_MAX >> 20);
  table->bytes = malloc((size_t)entry->plain_bytes + 1);
  if (table->bytes == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the table \"%.100s\"", entry->name);
  enum error_code code = zip_reader_read(reader, layout->table, append, table, error);
  if (code == ERROR_NONE) code = sort_files(table, error);
  return code == ERROR_NONE ? sniff(table, error) : code;
}

void image_table_deinit(struct image_table *table) {
  header_free_names(table->names, table->column_count);
  free((void *)(uintptr_t)table->by_stem);
  free(table->bytes);
  *table = (struct image_table){0};
}
