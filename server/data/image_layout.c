#include "server/data/image_layout.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const image_part_names[] = {"", "train", "validation", "test"};

static const struct {
  const char *folder;
  enum image_part part;
} part_folders[] = {{"train", IMAGE_PART_TRAIN},    {"training", IMAGE_PART_TRAIN},       {"test", IMAGE_PART_TEST},
                    {"testing", IMAGE_PART_TEST},   {"val", IMAGE_PART_VALIDATION},       {"valid", IMAGE_PART_VALIDATION},
                    {"dev", IMAGE_PART_VALIDATION}, {"validation", IMAGE_PART_VALIDATION}};

static bool has_ending(const char *name, const char *const *endings) {
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot != NULL && endings[i] != NULL; i++)
    if (strcasecmp(dot, endings[i]) == 0) return true;
  return false;
}

static bool is_image(const char *name) {
  static const char *const endings[] = {".png", ".jpg",  ".jpeg", ".jpe",  ".jfif", ".gif", ".bmp",
                                        ".tif", ".tiff", ".webp", ".heic", ".avif", NULL};
  return has_ending(name, endings);
}

static bool is_table(const char *name) {
  static const char *const endings[] = {".csv", ".tsv", NULL};
  return has_ending(name, endings);
}

/* Characters of the first folder; 0: it lies in none. */
static size_t get_folder_bytes(const char *path) {
  const char *slash = strchr(path, '/');
  return slash == NULL ? 0 : (size_t)(slash - path);
}

static void collect(struct image_layout *layout, const struct zip_reader *reader) {
  for (size_t i = 0; i < zip_reader_get_count(reader); i++) {
    const char *name = zip_reader_get_entry(reader, i)->name;
    if (is_image(name)) layout->files[layout->count++] = (struct image_file){.name = name, .path = name, .entry = i};
    if (is_table(name) && layout->table_count++ == 0) layout->table = i;
  }
}

static bool is_below(const char *path, const char *folder, size_t bytes) { return strncmp(path, folder, bytes) == 0 && path[bytes] == '/'; }

/* Whether all images lie in one folder, which says nothing then: unless it is the only one, and there is no table to tell the labels. */
static size_t find_common_folder(const struct image_layout *layout, const char *table_path) {
  const char *first = layout->files[0].path;
  const size_t bytes = get_folder_bytes(first);
  if (bytes == 0 || (table_path != NULL && !is_below(table_path, first, bytes))) return 0;
  bool has_further = table_path != NULL;
  for (size_t i = 0; i < layout->count; i++) {
    if (!is_below(layout->files[i].path, first, bytes)) return 0;
    has_further = has_further || strchr(layout->files[i].path + bytes + 1, '/') != NULL;
  }
  return has_further ? bytes : 0;
}

static void strip_common_folders(struct image_layout *layout, const struct zip_reader *reader) {
  const char *table_path = layout->table_count > 0 ? zip_reader_get_entry(reader, layout->table)->name : NULL;
  for (size_t bytes; (bytes = find_common_folder(layout, table_path)) > 0;) {
    for (size_t i = 0; i < layout->count; i++) layout->files[i].path += bytes + 1;
    if (table_path != NULL) table_path += bytes + 1;
  }
}

static enum image_part find_part(const char *path) {
  const size_t bytes = get_folder_bytes(path);
  for (size_t i = 0; i < sizeof part_folders / sizeof part_folders[0]; i++)
    if (strlen(part_folders[i].folder) == bytes && strncasecmp(path, part_folders[i].folder, bytes) == 0) return part_folders[i].part;
  return IMAGE_PART_NONE;
}

/* Where all top folders are names of parts, and at least two of them. */
static void find_parts(struct image_layout *layout) {
  const enum image_part first = find_part(layout->files[0].path);
  for (size_t i = 0; i < layout->count; i++) {
    const enum image_part part = find_part(layout->files[i].path);
    if (part == IMAGE_PART_NONE) {
      layout->has_parts = false;
      return;
    }
    layout->has_parts = layout->has_parts || part != first;
  }
  for (size_t i = 0; layout->has_parts && i < layout->count; i++) {
    struct image_file *file = &layout->files[i];
    file->part = find_part(file->path);
    file->path += get_folder_bytes(file->path) + 1;
  }
}

static bool ends_in(const char *name, const char *suffix) {
  const size_t bytes = strlen(name), suffix_bytes = strlen(suffix);
  return bytes >= suffix_bytes && strcasecmp(name + bytes - suffix_bytes, suffix) == 0;
}

/* Where an archive holds something else: how that is sent. */
static const char *advise(const struct zip_reader *reader) {
  const char *advice = "";
  for (size_t i = 0; i < zip_reader_get_count(reader); i++) {
    const char *name = zip_reader_get_entry(reader, i)->name;
    if (ends_in(name, "xl/workbook.xml")) return "; of a workbook, save the sheet as CSV (UTF-8)";
    if (ends_in(name, ".csv") || ends_in(name, ".tsv") || ends_in(name, ".ndjson") || ends_in(name, ".jsonl"))
      advice = "; send a table as it is, or gzipped";
    if (ends_in(name, ".zip")) advice = "; send the archive of the images itself";
  }
  return advice;
}

enum error_code image_layout_init(struct image_layout *layout, const struct zip_reader *reader, struct error *error) {
  *layout = (struct image_layout){0};
  const size_t entries = zip_reader_get_count(reader);
  if (entries == 0) return error_set(error, ERROR_INVALID, "the ZIP archive is empty");
  layout->files = calloc(entries, sizeof *layout->files);
  if (layout->files == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the names of %zu files", entries);
  collect(layout, reader);
  if (layout->count == 0) {
    image_layout_deinit(layout);
    return error_set(error, ERROR_INVALID, "the ZIP archive has no image, neither .png nor .jpg: it has %zu file%s, as \"%.100s\"%s",
                     entries, entries == 1 ? "" : "s", zip_reader_get_entry(reader, 0)->name, advise(reader));
  }
  strip_common_folders(layout, reader);
  find_parts(layout);
  for (size_t i = 0; i < layout->count; i++) {
    struct image_file *file = &layout->files[i];
    file->label_bytes = get_folder_bytes(file->path);
    file->label = file->label_bytes > 0 ? file->path : NULL;
    layout->has_labels = layout->has_labels || file->label != NULL;
  }
  return ERROR_NONE;
}

void image_layout_deinit(struct image_layout *layout) {
  free(layout->files);
  *layout = (struct image_layout){0};
}
