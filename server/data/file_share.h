/* Files of the same content stored once: a file is replaced by a second name (a hard link) of another that holds the same bytes.
 *
 * So each dataset keeps files of its own names, which are deleted with it, and the space is free when the last name is gone; nothing counts
 * references, and a crash at any moment leaves each dataset with its whole content. Files are never changed once they are named. */
#ifndef SERVER_DATA_FILE_SHARE_H
#define SERVER_DATA_FILE_SHARE_H

#include <stdbool.h>

/* Both names are in <data-dir>/datasets/. True if `file` now is `other` under a second name; false, and nothing has changed, if their bytes
 * differ, or anything fails (a file system without such links, a file that has too many, or that was deleted meanwhile). */
bool file_share(const char *data_dir, const char *file, const char *other);

#endif
