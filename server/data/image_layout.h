/* What the folders of an archive of images say: which part of the data an image belongs to, and which class.
 *
 *     cats/1.png, dogs/2.png                      the first folder is the label
 *     pets/cats/1.png, pets/dogs/2.png            folders that all share are left aside
 *     train/cats/1.png, test/dogs/2.png           train, validation and test (training, val, valid, dev, testing) as top folders say
 *                                                 the part
 *     1.png, 2.png, labels.csv                    a table beside the images has the labels (image_table.h)
 *
 * Files are images by their ending: .png, .jpg, .jpeg, .jpe, .jfif, and those of formats that aren't read, so that they are missed. Other
 * files than images and tables (.csv, .tsv) are passed over.
 */
#ifndef SERVER_DATA_IMAGE_LAYOUT_H
#define SERVER_DATA_IMAGE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "server/data/zip_reader.h"

enum image_part { IMAGE_PART_NONE, IMAGE_PART_TRAIN, IMAGE_PART_VALIDATION, IMAGE_PART_TEST };
extern const char *const image_part_names[]; /* "", "train", "validation", "test" */

struct image_file {
  const char *name; /* in the archive; the reader's */
  const char *path; /* … without the folders that all share and those of parts */
  size_t entry;     /* in the reader */
  enum image_part part;
  const char *label; /* of label_bytes, in path; NULL: it lies in no folder */
  size_t label_bytes;
};

struct image_layout {
  size_t count; /* at least 1 */
  struct image_file *files;
  bool has_parts, has_labels;
  size_t table_count, table; /* the entry of the first */
};

/* ERROR_INVALID: no image. The reader must outlive the layout. */
__attribute__((warn_unused_result)) enum error_code image_layout_init(struct image_layout *layout, const struct zip_reader *reader,
                                                                      struct error *error);
void image_layout_deinit(struct image_layout *layout);

#endif
