/* GET /v1/datasets/{id}/rows/{row}/image: the image of a row, as PNG. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/data/image_encode.h"
#include "server/data/tensor_file.h"

static enum error_code read_row_number(const struct request *request, const struct dataset_row *dataset, uint64_t *out_row,
                                       struct error *error) {
  char *end = NULL;
  errno = 0;
  const unsigned long long row = isdigit((unsigned char)request->part[0]) ? strtoull(request->part, &end, 10) : 0;
  if (end == NULL || *end != '\0' || errno != 0 || row >= dataset->rows)
    return error_set(error, ERROR_NOT_FOUND, "dataset \"%s\" has no row \"%.40s\"; its rows are 0 to %llu", dataset->name, request->part,
                     (unsigned long long)dataset->rows - 1);
  *out_row = row;
  return ERROR_NONE;
}

static bool is_image(const struct dataset_column *column) {
  return column->kind == COLUMN_IMAGE && column->rank == 3 && column->element == ELEMENT_UINT8;
}

/* The one of ?column=, or the first. */
static enum error_code find_image_column(const struct request *request, const struct dataset_row *dataset, size_t *out_column,
                                         struct error *error) {
  const char *name = request_get_query(request, "column");
  *out_column = 0;
  if (name != NULL) {
    enum error_code code = resource_find_column(dataset, name, out_column, error);
    if (code != ERROR_NONE || is_image(&dataset->columns[*out_column])) return code;
    return error_set(error, ERROR_INVALID, "column \"%.100s\" is %s, not of images", dataset->columns[*out_column].name,
                     column_kind_names[dataset->columns[*out_column].kind]);
  }
  while (*out_column < dataset->column_count && !is_image(&dataset->columns[*out_column])) ++*out_column;
  if (*out_column < dataset->column_count) return ERROR_NONE;
  return error_set(error, ERROR_NOT_FOUND, "dataset \"%s\" has no column of images", dataset->name);
}

/* The longer side is `side`, 0: as it is. */
static size_t scale(size_t size, size_t longer, size_t side) {
  if (side == 0) side = longer < IMAGE_SIDE_MAX ? longer : IMAGE_SIDE_MAX;
  const size_t scaled = (size * side + longer / 2) / longer;
  return scaled > 0 ? scaled : 1;
}

static enum error_code respond_image(struct api *api, const struct dataset_row *dataset, size_t position, uint64_t row, size_t side,
                                     struct response *response, struct error *error) {
  const struct dataset_column *column = &dataset->columns[position];
  const struct image_shape shape = {column->sizes[0], column->sizes[1], column->sizes[2]};
  const size_t longer = shape.height > shape.width ? shape.height : shape.width;
  struct tensor_file tensors;
  enum error_code code = tensor_file_open(store_get_data_dir(api->store), dataset, &tensors, error);
  if (code == ERROR_NONE)
    code = image_encode_png(&shape, tensor_file_get(&tensors, tensor_file_get_offset(dataset, position), row),
                            scale(shape.height, longer, side), scale(shape.width, longer, side), &response->body, &response->body_bytes,
                            error);
  tensor_file_close(&tensors);
  response->status = 200;
  response->content_type = "image/png";
  return code;
}

enum error_code datasets_get_image(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct dataset_row dataset;
  uint64_t row = 0, side = 0;
  size_t column = 0;
  enum error_code code = resource_get_dataset(api, request->id, &dataset, error);
  if (code != ERROR_NONE) return code;
  code = query_get_number(request, (struct query_number){"size", 1, IMAGE_SIDE_MAX}, &side, error);
  if (code == ERROR_NONE) code = find_image_column(request, &dataset, &column, error);
  if (code == ERROR_NONE) code = read_row_number(request, &dataset, &row, error);
  if (code == ERROR_NONE) code = respond_image(api, &dataset, column, row, (size_t)side, response, error);
  dataset_row_deinit(&dataset);
  return code;
}
