#!/bin/sh
# Writes to stdout a C file that holds every file below the given folders: `sh server/embed.sh web migrations > build/assets.c`.
# The Makefile calls it from the repository's root; assets.h declares what the C file defines. The bytes themselves come in through
# the assembler's .incbin when the C file is compiled (from the root as well), so this stays quick for files of any size.
set -eu
export LC_ALL=C

list_files() {
  for folder in "$@"; do
    [ -d "$folder" ] && find "$folder" -type f ! -name '.*'
  done | sort
}

files=$(list_files "$@")
newline='
'
case "$files" in
*[\"\\]*) echo "embed.sh: a file's name contains a quote or a backslash" >&2; exit 1 ;;
esac

cat <<'HEAD'
/* Written by server/embed.sh. */
#include "server/assets.h"

#include <string.h>

#define EMBED(symbol, path)                                                                                       \
  __asm__(".section .rodata\n.balign 16\n.globl " #symbol "\n.hidden " #symbol "\n" #symbol ":\n.incbin \"" path  \
          "\"\n.byte 0\n.previous\n");                                                                            \
  extern const unsigned char symbol[]

HEAD

IFS=$newline
set -f
number=0
for file in $files; do
  echo "EMBED(asset_bytes_$number, \"$file\");"
  number=$((number + 1))
done

echo
echo "/* Sorted by path; the last entry only keeps the table from being empty. */"
echo "static const struct asset table[] = {"
number=0
for file in $files; do
  echo "  {\"$file\", asset_bytes_$number, $(($(wc -c < "$file")))},"
  number=$((number + 1))
done
cat <<TAIL
  {NULL, NULL, 0},
};

const struct asset *assets_get(size_t *out_count)
{
  *out_count = $number;
  return table;
}

const struct asset *assets_find(const char *path)
{
  size_t low = 0, high = $number;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(path, table[middle].path);
    if (order == 0)
      return &table[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}
TAIL
