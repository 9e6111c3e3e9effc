#include "server/data/output_units.h"

#include <stdlib.h>

static bool has_categories(const struct preprocessor *preprocessor) {
  for (size_t i = 0; preprocessor->is_reconstruction && i < preprocessor->feature_count; i++)
    if (preprocessor->features[i].kind == COLUMN_CATEGORICAL) return true;
  return false;
}

static void describe_feature(struct output_units *units, const struct feature *feature) {
  const size_t pixels = feature->kind == COLUMN_IMAGE ? feature->image.height * feature->image.width : 1;
  for (size_t j = 0; j < feature->width; j++) {
    double *scale = &units->scale[feature->offset + j];
    *scale = feature->kind == COLUMN_IMAGE ? (double)feature->image.scale[j / pixels] : feature->scale;
    if (units->category_spans != NULL)
      units->category_spans[feature->offset + j] = feature->kind == COLUMN_CATEGORICAL ? feature->category_count : 0;
  }
  units->is_one_quantity = feature->kind == COLUMN_IMAGE; /* with nothing beside it */
  units->has_numbers = units->has_numbers || feature->kind != COLUMN_CATEGORICAL;
}

size_t output_units_measure(const struct preprocessor *preprocessor) {
  const size_t width = preprocessor->task == TASK_REGRESSION ? preprocessor->output_width : 0;
  return width * (sizeof(double) + (has_categories(preprocessor) ? sizeof(size_t) : 0));
}

enum error_code output_units_init(struct output_units *units, const struct preprocessor *preprocessor, struct error *error) {
  *units = (struct output_units){0};
  if (preprocessor->task != TASK_REGRESSION) return ERROR_NONE;
  units->scale = calloc(preprocessor->output_width, sizeof *units->scale);
  if (has_categories(preprocessor)) units->category_spans = calloc(preprocessor->output_width, sizeof *units->category_spans);
  if (units->scale == NULL || (has_categories(preprocessor) && units->category_spans == NULL))
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the scales of %zu outputs", preprocessor->output_width);
  if (preprocessor->is_reconstruction) {
    for (size_t i = 0; i < preprocessor->feature_count; i++) describe_feature(units, &preprocessor->features[i]);
    return ERROR_NONE;
  }
  units->has_numbers = true;
  for (size_t i = 0; i < preprocessor->target_count; i++) units->scale[i] = preprocessor->targets[i].scale;
  return ERROR_NONE;
}

void output_units_deinit(struct output_units *units) {
  free(units->scale);
  free(units->category_spans);
  *units = (struct output_units){0};
}
