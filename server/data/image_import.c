#include "server/data/image_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/image_layout.h"
#include "server/data/image_table.h"

enum { FIRST_CAPACITY = 64 << 10, REASON_BYTES = ERROR_DETAIL_BYTES + 104, SHOWN_NAME = 100, CELLS_MAX = 4 };

/* ---- one file in memory ---- */

static enum error_code append(void *context, const char *portion, size_t byte_count, struct error *error) {
  struct image_bytes *bytes = context;
  if (bytes->count + byte_count > bytes->capacity) {
    size_t capacity = bytes->capacity > 0 ? bytes->capacity : FIRST_CAPACITY;
    while (capacity < bytes->count + byte_count) capacity *= 2;
    char *grown = realloc(bytes->bytes, capacity);
    if (grown == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a file of %zu bytes", capacity);
    bytes->bytes = grown;
    bytes->capacity = capacity;
  }
  memcpy(bytes->bytes + bytes->count, portion, byte_count);
  bytes->count += byte_count;
  return bytes->count < bytes->wanted ? ERROR_NONE : ERROR_CONFLICT; /* enough */
}

enum error_code image_bytes_read(struct image_bytes *bytes, struct zip_reader *reader, size_t entry, size_t wanted, struct error *error) {
  bytes->count = 0;
  bytes->wanted = wanted;
  if (zip_reader_get_entry(reader, entry)->plain_bytes > IMAGE_FILE_BYTES_MAX)
    return error_set(error, ERROR_INVALID, "has more than %d MiB", IMAGE_FILE_BYTES_MAX >> 20);
  if (bytes->bytes == NULL) { /* so that an empty file has an address */
    bytes->bytes = malloc(FIRST_CAPACITY);
    bytes->capacity = bytes->bytes == NULL ? 0 : FIRST_CAPACITY;
    if (bytes->bytes == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a file");
  }
  enum error_code code = zip_reader_read(reader, entry, append, bytes, error);
  return code == ERROR_CONFLICT ? ERROR_NONE : code;
}

/* ---- rows ---- */

struct intake {
  struct import *import;
  struct zip_reader *reader;
  struct image_layout layout;
  struct image_table table; /* of a layout that has one that names files */
  struct image_shape shape;
  struct image_bytes bytes;
  uint8_t *elements; /* of one image */
  const char **cells;
};

/* A file that can't be used costs its row; anything else ends the import. `line` is where it stands in the archive or the table. */
static enum error_code pass_over(struct intake *intake, uint64_t line, const char *name, enum error_code why, const struct error *defect,
                                 struct error *error) {
  if (why != ERROR_INVALID && why != ERROR_TOO_LARGE && why != ERROR_MEDIA_TYPE) return error_set(error, why, "%s", defect->detail);
  const bool is_named = strncmp(defect->detail, "entry ", 6) == 0; /* by the archive's reader */
  char reason[REASON_BYTES];
  snprintf(reason, sizeof reason, is_named ? "%.0s%s" : "\"%.100s\" %s", name, defect->detail);
  return import_add_bad_row(intake->import, line, reason, error);
}

/* Decodes a file into intake->elements. */
static enum error_code decode(struct intake *intake, size_t entry, struct error *defect) {
  enum error_code code = image_bytes_read(&intake->bytes, intake->reader, entry, SIZE_MAX, defect);
  if (code == ERROR_NONE) code = image_decode(intake->bytes.bytes, intake->bytes.count, &intake->shape, intake->elements, defect);
  return code;
}

static enum error_code add_row(struct intake *intake, size_t cell_count, struct error *error) {
  enum error_code code = import_add_row(intake->import, intake->cells, cell_count, error);
  return code == ERROR_NONE ? import_add_records(intake->import, intake->elements, 1, error) : code;
}

/* ---- labels by folders ---- */

/* [image, label, file, part], without what the layout hasn't. */
static size_t set_folder_cells(struct intake *intake, const char *label, const char *file, const char *part) {
  size_t count = 0;
  intake->cells[count++] = label == NULL ? "image" : "";
  if (intake->layout.has_labels) intake->cells[count++] = label == NULL ? "label" : label;
  intake->cells[count++] = file == NULL ? IMAGE_FILE_COLUMN : file;
  if (intake->layout.has_parts) intake->cells[count++] = part == NULL ? "part" : part;
  return count;
}

static enum error_code add_file(struct intake *intake, const struct image_file *file, struct error *error) {
  const struct zip_entry *entry = zip_reader_get_entry(intake->reader, file->entry);
  struct error defect = {0};
  enum error_code code = ERROR_NONE;
  if (intake->layout.has_labels && file->label == NULL)
    code = error_set(&defect, ERROR_INVALID, "lies in no folder; the folder's name is the label");
  if (code == ERROR_NONE) code = decode(intake, file->entry, &defect);
  if (code != ERROR_NONE) return pass_over(intake, entry->index + 1, entry->name, code, &defect, error);
  char *label = strndup(file->label != NULL ? file->label : "", file->label_bytes);
  if (label == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  code = add_row(intake, set_folder_cells(intake, label, entry->name, image_part_names[file->part]), error);
  free(label);
  return code;
}

static enum error_code add_files(struct intake *intake, struct error *error) {
  const char *cells[CELLS_MAX];
  intake->cells = cells;
  const size_t count = set_folder_cells(intake, NULL, NULL, NULL);
  enum error_code code = import_add_row(intake->import, cells, count, error);
  if (intake->layout.has_parts) import_set_part_column(intake->import, count - 1);
  for (size_t i = 0; code == ERROR_NONE && i < intake->layout.count; i++) code = add_file(intake, &intake->layout.files[i], error);
  intake->cells = NULL;
  return code;
}

/* ---- labels by a table ---- */

/* What a column of the table is called in the dataset: that of the files `file`, a lone other one without a name `label`; names that
 * are taken get an underscore. */
static const char *name_table_column(const struct intake *intake, size_t column) {
  static const char *const taken[] = {"image", IMAGE_FILE_COLUMN, "part"}, *const others[] = {"image_", "file_", "part_"};
  const struct image_table *table = &intake->table;
  if (column == table->file_column) return taken[1];
  if (!table->has_header && table->column_count == 2) return "label";
  for (size_t i = 0; i < (intake->layout.has_parts ? 3 : 2); i++)
    if (strcmp(table->names[column], taken[i]) == 0) return others[i];
  return table->names[column];
}

static enum error_code add_table_header(struct intake *intake, struct error *error) {
  size_t count = 0;
  intake->cells[count++] = "image";
  for (size_t i = 0; i < intake->table.column_count; i++) intake->cells[count++] = name_table_column(intake, i);
  if (intake->layout.has_parts) {
    import_set_part_column(intake->import, count);
    intake->cells[count++] = "part";
  }
  return import_add_row(intake->import, intake->cells, count, error);
}

struct table_reading {
  struct intake *intake;
  bool is_past_header;
};

static enum error_code find_image(const struct intake *intake, const struct csv_row *row, const struct image_file **out_file,
                                  struct error *defect) {
  const struct image_table *table = &intake->table;
  if (row->defect != NULL) return error_set(defect, ERROR_INVALID, "%s", row->defect);
  if (row->cell_count != table->column_count)
    return error_set(defect, ERROR_INVALID, "has %zu cells, the first row has %zu", row->cell_count, table->column_count);
  const long found = image_table_find(table, row->cells[table->file_column].text);
  if (found == IMAGE_NONE) return error_set(defect, ERROR_INVALID, "names no image of the archive");
  if (found == IMAGE_SEVERAL) return error_set(defect, ERROR_INVALID, "names several images of the archive; add the folder");
  *out_file = &intake->layout.files[found];
  return ERROR_NONE;
}

static enum error_code take_table_row(void *context, const struct csv_row *row, struct error *error) {
  struct table_reading *reading = context;
  struct intake *intake = reading->intake;
  const struct image_table *table = &intake->table;
  if (!reading->is_past_header && row->defect == NULL) {
    reading->is_past_header = true;
    if (table->has_header) return ERROR_NONE;
  }
  struct error defect = {0};
  const struct image_file *file = NULL;
  enum error_code code = find_image(intake, row, &file, &defect);
  const char *name = row->defect == NULL && table->file_column < row->cell_count ? row->cells[table->file_column].text : "";
  if (code == ERROR_NONE) code = decode(intake, file->entry, &defect);
  if (code != ERROR_NONE) return pass_over(intake, row->line, name, code, &defect, error);
  size_t count = 0;
  intake->cells[count++] = "";
  for (size_t i = 0; i < row->cell_count; i++) intake->cells[count++] = row->cells[i].text;
  if (intake->layout.has_parts) intake->cells[count++] = image_part_names[file->part];
  return add_row(intake, count, error);
}

static enum error_code add_table(struct intake *intake, struct error *error) {
  const struct image_table *table = &intake->table;
  struct csv_parser *parser = NULL;
  struct table_reading reading = {.intake = intake};
  intake->cells = calloc(table->column_count + 2, sizeof *intake->cells);
  enum error_code code = intake->cells != NULL ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  if (code == ERROR_NONE) code = add_table_header(intake, error);
  if (code == ERROR_NONE) code = csv_parser_create(table->delimiter, take_table_row, &reading, &parser, error);
  if (code == ERROR_NONE) code = csv_parser_feed(parser, table->bytes, table->count, error);
  if (code == ERROR_NONE) code = csv_parser_finish(parser, error);
  csv_parser_destroy(parser);
  free(intake->cells);
  intake->cells = NULL;
  return code;
}

/* ---- all of it ---- */

/* Which tells the labels: a table that names the images, if there is one, or else the folders. */
static enum error_code read_table(struct intake *intake, struct error *error) {
  const struct image_layout *layout = &intake->layout;
  intake->table.file_column = SIZE_MAX;
  if (layout->table_count == 0) return ERROR_NONE;
  const char *name = zip_reader_get_entry(intake->reader, layout->table)->name;
  if (layout->table_count > 1)
    return error_set(error, ERROR_INVALID,
                     "the ZIP archive has %zu tables, the first of them \"%.*s\"; leave only the one that tells the images' labels",
                     layout->table_count, SHOWN_NAME, name);
  enum error_code code = image_table_init(&intake->table, layout, intake->reader, error);
  if (code != ERROR_NONE || intake->table.file_column != SIZE_MAX || layout->has_labels) return code;
  return error_set(error, ERROR_INVALID,
                   "no column of the archive's table \"%.*s\" names its images; it needs one with their files' names, as \"%.*s\"",
                   SHOWN_NAME, name, SHOWN_NAME, layout->files[0].name);
}

static enum error_code set_image_column(struct intake *intake, struct error *error) {
  const struct image_shape *shape = &intake->shape;
  const struct tensor_column column = {
      .column = 0, .kind = COLUMN_IMAGE, .rank = 3, .sizes = {shape->channels, shape->height, shape->width}, .element = ELEMENT_UINT8};
  intake->elements = malloc(shape->channels * shape->height * shape->width);
  if (intake->elements == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for an image");
  return import_set_tensors(intake->import, &column, 1, error);
}

enum error_code image_import(struct import *import, struct zip_reader *reader, const struct image_options *options, struct error *error) {
  struct intake intake = {.import = import, .reader = reader};
  enum error_code code = image_layout_init(&intake.layout, reader, error);
  if (code == ERROR_NONE) code = read_table(&intake, error);
  if (code == ERROR_NONE) code = image_find_shape(reader, &intake.layout, options, &intake.shape, error);
  if (code == ERROR_NONE) code = set_image_column(&intake, error);
  if (code == ERROR_NONE) code = intake.table.file_column != SIZE_MAX ? add_table(&intake, error) : add_files(&intake, error);
  image_table_deinit(&intake.table);
  image_layout_deinit(&intake.layout);
  free(intake.elements);
  free(intake.bytes.bytes);
  return code;
}
