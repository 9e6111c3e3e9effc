/* POST /v1/datasets: an upload, streamed to disk. Its format is that of ?format=, of its Content-Type, or of its first bytes; a form
 * (multipart/form-data) may bring several files that are one dataset. */
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/once.h"
#include "server/api/upload_board.h"
#include "server/codec/dataset_json.h"
#include "server/data/file_share.h"
#include "server/data/multipart.h"
#include "server/data/upload.h"

enum { UPLOAD_PORTION_BYTES = 64 << 10, SAME_DATASETS_MAX = 4 /* looked at, of those with the same upload */ };

static const struct {
  const char *word;
  char delimiter;
} delimiter_words[] = {{"comma", ','}, {"semicolon", ';'}, {"tab", '\t'}, {"pipe", '|'}, {",", ','}, {";", ';'}, {"\t", '\t'}, {"|", '|'}};

static enum error_code read_delimiter(const struct request *request, char *out_delimiter, struct error *error) {
  const char *text = request_get_query(request, "delimiter");
  if (text == NULL || strcmp(text, "auto") == 0) return ERROR_NONE;
  for (size_t i = 0; i < sizeof delimiter_words / sizeof delimiter_words[0]; i++) {
    if (strcmp(text, delimiter_words[i].word) != 0) continue;
    *out_delimiter = delimiter_words[i].delimiter;
    return ERROR_NONE;
  }
  return error_set(error, ERROR_MALFORMED, "query parameter \"delimiter\" must be auto, comma, semicolon, tab or pipe, or that character");
}

static enum error_code read_header(const struct request *request, int *out_header, struct error *error) {
  const char *text = request_get_query(request, "header");
  if (text == NULL || strcmp(text, "auto") == 0) return ERROR_NONE;
  bool is_yes = strcmp(text, "true") == 0;
  if (!is_yes && strcmp(text, "false") != 0)
    return error_set(error, ERROR_MALFORMED, "query parameter \"header\" must be true, false or auto");
  *out_header = is_yes ? 1 : 0;
  return ERROR_NONE;
}

/* Types that say nothing of what is in the body: its first bytes do. */
static bool is_general(const char *content_type) {
  static const char *const general[] = {"application/octet-stream", "application/gzip", "application/x-gzip",
                                        "application/x-www-form-urlencoded" /* curl's, where none is given */};
  if (content_type == NULL || content_type[0] == '\0') return true;
  for (size_t i = 0; i < sizeof general / sizeof general[0]; i++)
    if (media_type_is(content_type, general[i])) return true;
  return false;
}

static enum error_code read_format(const struct request *request, struct upload_options *options,
                                   char boundary[MULTIPART_BOUNDARY_BYTES_MAX + 1], struct error *error) {
  char list[ERROR_DETAIL_BYTES / 2];
  const char *name = request_get_query(request, "format"), *type = request->content_type;
  const bool is_form = type != NULL && media_type_is(type, "multipart/form-data");
  if (name != NULL && (options->format = format_find(name)) == NULL)
    return error_set(error, ERROR_MALFORMED, "query parameter \"format\" must be one of %s", format_list_names(list, sizeof list));
  if (is_form && !multipart_find_boundary(type, boundary))
    return error_set(error, ERROR_MALFORMED, "Content-Type multipart/form-data needs a boundary of 1 to %d characters",
                     MULTIPART_BOUNDARY_BYTES_MAX);
  if (is_form) options->boundary = boundary;
  if (is_form || name != NULL || is_general(type) || (options->format = format_find_by_type(type)) != NULL) return ERROR_NONE;
  return error_set(error, ERROR_MEDIA_TYPE,
                   "Content-Type must be multipart/form-data, application/octet-stream (the format is found), or %s",
                   format_list_types(list, sizeof list));
}

/* "28x28", or "28" of both sides. */
static bool parse_size(const char *text, struct image_options *images) {
  char *end = NULL;
  const unsigned long width = *text >= '1' && *text <= '9' ? strtoul(text, &end, 10) : 0;
  const bool has_height = end != NULL && *end == 'x' && end[1] >= '1' && end[1] <= '9';
  const unsigned long height = has_height ? strtoul(end + 1, &end, 10) : width;
  if (end == NULL || *end != '\0' || width < 1 || width > IMAGE_SIDE_MAX || height < 1 || height > IMAGE_SIDE_MAX) return false;
  images->width = width;
  images->height = height;
  return true;
}

/* What images are brought to: ?size=28x28, or ?width= and ?height=, and ?channels=. */
static enum error_code read_images(const struct request *request, struct image_options *images, struct error *error) {
  const char *size = request_get_query(request, "size");
  uint64_t width = 0, height = 0, channels = 0;
  enum error_code code = query_get_number(request, (struct query_number){"width", 1, IMAGE_SIDE_MAX}, &width, error);
  if (code == ERROR_NONE) code = query_get_number(request, (struct query_number){"height", 1, IMAGE_SIDE_MAX}, &height, error);
  if (code == ERROR_NONE) code = query_get_number(request, (struct query_number){"channels", 1, 4}, &channels, error);
  if (code != ERROR_NONE) return code;
  if (channels == 2)
    return error_set(error, ERROR_MALFORMED, "query parameter \"channels\" must be 1 (grey), 3 (RGB) or 4 (RGB and opacity)");
  *images = (struct image_options){.channels = channels, .height = height, .width = width};
  if (size == NULL) return ERROR_NONE;
  if (width > 0 || height > 0) return error_set(error, ERROR_MALFORMED, "give \"size\", or \"width\" and \"height\", not both");
  if (parse_size(size, images)) return ERROR_NONE;
  return error_set(error, ERROR_MALFORMED, "query parameter \"size\" must be width x height, as 28x28, each from 1 to %d", IMAGE_SIDE_MAX);
}

static enum error_code read_options(struct api *api, const struct request *request, char boundary[MULTIPART_BOUNDARY_BYTES_MAX + 1],
                                    struct upload_options *out_options, struct error *error) {
  *out_options =
      (struct upload_options){.data_dir = store_get_data_dir(api->store), .header = -1, .bytes_max = api->options.limits.upload_bytes};
  enum error_code code = read_format(request, out_options, boundary, error);
  if (code == ERROR_NONE) code = read_delimiter(request, &out_options->delimiter, error);
  if (code == ERROR_NONE) code = read_images(request, &out_options->images, error);
  return code == ERROR_NONE ? read_header(request, &out_options->header, error) : code;
}

/* A bad or taken name is found before the file is sent. Without a key only: a repetition's name is taken, by itself. */
static enum error_code check_name(struct api *api, const struct request *request, struct error *error) {
  const char *name = request_get_query(request, "name");
  if (name == NULL) return ERROR_NONE;
  if (!store_is_name(name)) {
    return error_set(error, ERROR_INVALID, "query parameter \"name\" must be " STORE_NAME_RULE, LIMIT_NAME_BYTES);
  }
  if (request->idempotency_key != NULL) return ERROR_NONE;
  struct dataset_row row = {0};
  struct error missing = {0};
  enum error_code code = datasets_get(api->store, name, &row, &missing);
  if (code == ERROR_NOT_FOUND) return ERROR_NONE;
  dataset_row_deinit(&row);
  return code != ERROR_NONE ? error_set(error, code, "%s", missing.detail)
                            : error_set(error, ERROR_CONFLICT, "there is a dataset named \"%s\" already", name);
}

/* An upload's note, for the rows of what is read whole once all of it has come. */
struct upload_reading {
  struct upload_board *board;
  struct upload_note *note;
};

static void note_rows(void *context, uint64_t row_count) {
  const struct upload_reading *reading = context;
  upload_board_update(reading->board, reading->note, reading->note->phase, reading->note->bytes, row_count);
}

/* The body into files in the data directory, in bounded memory. */
static enum error_code receive_body(struct api *api, const struct request *request, const struct upload_options *options,
                                    struct upload_note *note, struct dataset_row *out_row, struct error *error) {
  struct upload *upload = NULL;
  struct upload_reading reading = {.board = api->uploads, .note = note};
  struct upload_options told = *options;
  told.progress = note_rows;
  told.progress_context = &reading;
  enum error_code code = upload_begin(&told, &upload, error);
  if (code != ERROR_NONE) return code;
  char *portion = malloc(UPLOAD_PORTION_BYTES);
  if (portion == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  for (size_t bytes = 1; code == ERROR_NONE && bytes > 0;) {
    code = request->read(request->read_context, portion, UPLOAD_PORTION_BYTES, &bytes, error);
    if (code == ERROR_NONE && bytes > 0) code = upload_write(upload, portion, bytes, error);
    const enum upload_phase phase = code == ERROR_NONE && bytes == 0 ? UPLOAD_READING : UPLOAD_RECEIVING;
    upload_board_update(api->uploads, note, phase, note->bytes + bytes, upload_get_row_count(upload));
  }
  free(portion);
  if (code == ERROR_NONE) return upload_finish(upload, out_row, error);
  upload_abort(upload);
  return code;
}

static enum error_code receive(struct api *api, const struct request *request, const struct upload_options *options,
                               struct dataset_row *out_row, struct error *error) {
  struct upload_note note = {.total_bytes = request->body_length, .started_ms = store_now_ms()};
  const char *name = request_get_query(request, "name");
  if (name != NULL) snprintf(note.name, sizeof note.name, "%s", name);
  upload_board_put(api->uploads, &note);
  enum error_code code = receive_body(api, request, options, &note, out_row, error);
  upload_board_take_down(api->uploads, &note);
  return code;
}

struct dataset_insertion {
  struct api *api;
  struct dataset_row *row;
  bool is_inserted;
};

static enum error_code insert_dataset(void *context, struct response *response, struct error *error) {
  struct dataset_insertion *insertion = context;
  enum error_code code = datasets_insert(insertion->api->store, insertion->row, error);
  if (code != ERROR_NONE) return code;
  insertion->is_inserted = true;
  response_add_header(response, "Location", "/v1/datasets/%s", insertion->row->id);
  return respond_json(response, 201, dataset_to_json(insertion->row, true), error);
}

/* What was uploaded before is stored once. */
static void share_files(struct api *api, const struct dataset_row *row) {
  struct dataset_files same[SAME_DATASETS_MAX];
  const char *data_dir = store_get_data_dir(api->store);
  const size_t count = datasets_find_same(api->store, row, SAME_DATASETS_MAX, same);
  bool has_table = false, has_tensors = row->tensor_file[0] == '\0';
  for (size_t i = 0; i < count && !(has_table && has_tensors); i++) {
    has_table = has_table || file_share(data_dir, row->file, same[i].file);
    has_tensors = has_tensors || file_share(data_dir, row->tensor_file, same[i].tensor_file);
  }
}

enum error_code datasets_post(struct api *api, const struct request *request, struct response *response, struct error *error) {
  char boundary[MULTIPART_BOUNDARY_BYTES_MAX + 1];
  struct upload_options options;
  struct dataset_row row = {0};
  enum error_code code = read_options(api, request, boundary, &options, error);
  if (code == ERROR_NONE) code = check_name(api, request, error);
  if (code == ERROR_NONE) code = receive(api, request, &options, &row, error);
  if (code != ERROR_NONE) return code;
  share_files(api, &row);
  const char *name = request_get_query(request, "name");
  if (name != NULL) snprintf(row.name, sizeof row.name, "%s", name);
  struct once once;
  struct dataset_insertion insertion = {.api = api, .row = &row};
  code = once_init(&once, request, row.sha256, error);
  if (code == ERROR_NONE) code = once_run(api, &once, insert_dataset, &insertion, response, error);
  /* Refused, answered from an earlier time, or rolled back: nothing refers to the files. */
  if (code != ERROR_NONE || !insertion.is_inserted) import_remove_files(store_get_data_dir(api->store), &row);
  dataset_row_deinit(&row);
  return code;
}
