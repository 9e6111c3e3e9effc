#include "engine/affine.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
  MARGIN = 1,
  CHUNK = 64 /* pixels whose places are worked out together, for all channels */
};

void affine_join(struct affine *map, const struct affine *next) {
  const struct affine first = *map;
  map->xx = first.xx * next->xx + first.xy * next->yx;
  map->xy = first.xx * next->xy + first.xy * next->yy;
  map->yx = first.yx * next->xx + first.yy * next->yx;
  map->yy = first.yx * next->xy + first.yy * next->yy;
  map->x = first.xx * next->x + first.xy * next->y + first.x;
  map->y = first.yx * next->x + first.yy * next->y + first.y;
}

bool affine_is_exact(const struct affine *map) {
  const bool mirrors = fabs(map->xx) == 1 && fabs(map->yy) == 1 && map->xy == 0 && map->yx == 0;
  return mirrors && map->x == floor(map->x) && map->y == floor(map->y);
}

bool affine_is_identity(const struct affine *map) {
  return affine_is_exact(map) && map->xx == 1 && map->yy == 1 && map->x == 0 && map->y == 0;
}

/* ---- planes with a margin ---- */

struct planes {
  size_t channels, height, width;
  size_t line, plane; /* floats from one line to the next, from one plane to the next */
  float *first;       /* pixel (0, 0) of channel 0 */
};

static struct planes lay_out(const struct shape *image, float *scratch) {
  struct planes planes = {.channels = image->sizes[0], .height = image->sizes[1], .width = image->sizes[2]};
  planes.line = planes.width + 2 * MARGIN;
  planes.plane = planes.line * (planes.height + 2 * MARGIN);
  if (scratch != NULL) planes.first = scratch + MARGIN * planes.line + MARGIN;
  return planes;
}

size_t affine_measure_scratch(const struct shape *image) {
  const struct planes planes = lay_out(image, NULL);
  return planes.channels * planes.plane;
}

static void fill(float *values, size_t count, float value) {
  for (size_t i = 0; i < count; i++) values[i] = value;
}

static void copy_planes(const struct planes *planes, const float *background, const float *x) {
  for (size_t channel = 0; channel < planes->channels; channel++) {
    float *corner = planes->first + channel * planes->plane - MARGIN * planes->line - MARGIN;
    fill(corner, planes->line, background[channel]);
    for (size_t y = 0; y < planes->height; y++, x += planes->width) {
      float *line = corner + (y + MARGIN) * planes->line;
      line[0] = line[planes->line - 1] = background[channel];
      memcpy(line + MARGIN, x, planes->width * sizeof *x);
    }
    fill(corner + (planes->height + MARGIN) * planes->line, planes->line, background[channel]);
  }
}

/* ---- whole pixels ---- */

/* One line: out[i] = line[i + shift], or mirrored, line[width − 1 − i + shift]. */
static void copy_line(const float *restrict line, ptrdiff_t width, ptrdiff_t shift, bool is_mirrored, float background,
                      float *restrict out) {
  /* From here to there the old image has a pixel. */
  const ptrdiff_t least = is_mirrored ? shift : -shift, first = least > 0 ? least : 0;
  const ptrdiff_t most = is_mirrored ? width + shift : width - shift, end = most < width ? most : width;
  if (first >= end) {
    fill(out, (size_t)width, background);
    return;
  }
  fill(out, (size_t)first, background);
  if (is_mirrored)
    for (ptrdiff_t i = first; i < end; i++) out[i] = line[width - 1 - i + shift];
  else
    memcpy(out + first, line + first + shift, (size_t)(end - first) * sizeof *out);
  fill(out + end, (size_t)(width - end), background);
}

static void move(const struct affine *map, const struct planes *planes, const float *background, float *x) {
  const ptrdiff_t height = (ptrdiff_t)planes->height, width = (ptrdiff_t)planes->width, dx = (ptrdiff_t)map->x, dy = (ptrdiff_t)map->y;
  for (size_t channel = 0; channel < planes->channels; channel++) {
    for (ptrdiff_t y = 0; y < height; y++, x += width) {
      const ptrdiff_t from = (map->yy > 0 ? y : height - 1 - y) + dy;
      if (from < 0 || from >= height)
        fill(x, (size_t)width, background[channel]);
      else
        copy_line(planes->first + channel * planes->plane + (size_t)from * planes->line, width, dx, map->xx < 0, background[channel], x);
    }
  }
}

/* ---- between pixels ---- */

/* Where the pixels of a chunk are seen: the pixel above and to the left, and how far to the right of it and below it. */
struct places {
  int32_t at[CHUNK];
  float right[CHUNK], below[CHUNK];
};

/* −1 … limit: beyond the margin all is background, as it is on it. */
static inline float clamp(float place, float limit) {
  const float least = place < -1 ? -1 : place;
  return least > limit ? limit : least;
}

/* From −1 up; at most to the last pixel that has one behind it, the margin's. */
static inline int32_t round_down(float place, int32_t last) {
  const int32_t whole = (int32_t)(place + 1) - 1;
  return whole > last ? last : whole;
}

static void find_places(const struct affine *map, const struct planes *planes, size_t y, size_t first, struct places *places) {
  const float width = (float)planes->width, height = (float)planes->height;
  const double center_x = ((double)planes->width - 1) / 2, center_y = ((double)planes->height - 1) / 2;
  const double dx = (double)first - center_x, dy = (double)y - center_y;
  const float start_x = (float)(map->xx * dx + map->xy * dy + map->x + center_x), step_x = (float)map->xx;
  const float start_y = (float)(map->yx * dx + map->yy * dy + map->y + center_y), step_y = (float)map->yx;
  const int32_t line = (int32_t)planes->line, width_1 = (int32_t)planes->width - 1, height_1 = (int32_t)planes->height - 1;
  for (int32_t i = 0; i < CHUNK; i++) {
    const float at_x = clamp(start_x + (float)i * step_x, width), at_y = clamp(start_y + (float)i * step_y, height);
    const int32_t left = round_down(at_x, width_1), above = round_down(at_y, height_1);
    places->at[i] = above * line + left;
    places->right[i] = at_x - (float)left;
    places->below[i] = at_y - (float)above;
  }
}

static void interpolate(const struct places *places, const float *plane, size_t line, size_t count, float *restrict out) {
  const float *next_line = plane + line;
  for (size_t i = 0; i < count; i++) {
    const int32_t at = places->at[i];
    const float above = plane[at] + places->right[i] * (plane[at + 1] - plane[at]);
    const float below = next_line[at] + places->right[i] * (next_line[at + 1] - next_line[at]);
    out[i] = above + places->below[i] * (below - above);
  }
}

static void resample(const struct affine *map, const struct planes *planes, float *x) {
  struct places places;
  const size_t plane_size = planes->height * planes->width;
  for (size_t y = 0; y < planes->height; y++) {
    for (size_t first = 0; first < planes->width; first += CHUNK) {
      const size_t count = planes->width - first < CHUNK ? planes->width - first : CHUNK;
      find_places(map, planes, y, first, &places);
      for (size_t channel = 0; channel < planes->channels; channel++)
        interpolate(&places, planes->first + channel * planes->plane, planes->line, count,
                    x + channel * plane_size + y * planes->width + first);
    }
  }
}

void affine_apply(const struct affine *map, const struct shape *image, const float *background, float *scratch, float *x) {
  const struct planes planes = lay_out(image, scratch);
  copy_planes(&planes, background, x);
  if (affine_is_exact(map))
    move(map, &planes, background, x);
  else
    resample(map, &planes, x);
}
