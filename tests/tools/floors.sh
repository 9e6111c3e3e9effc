#!/bin/sh
# No part includes what stands above it, and each library stays behind its door (docs/architecture.md). Prints every breach.
set -eu
cd "$(dirname "$0")/../.."
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

# Floors, top to bottom. A folder may include itself and what stands to its right.
floors="server/http server/api server/codec server/jobs server/data server/store engine"
# Leaf headers that any part of server/ may use; they include nothing of ours but the engine's ground floor.
leaves="server/log.h server/limits.h server/assets.h server/options.h"

below=$floors
for floor in $floors; do
  for file in $(find "$floor" -name '*.[ch]' | sort); do
    grep -n '#include "' "$file" | while IFS= read -r row; do
      header=$(printf '%s' "$row" | sed 's/.*#include "\([^"]*\)".*/\1/')
      allowed=no
      for folder in $below; do case $header in "$folder"/*) allowed=yes ;; esac; done
      case $floor in server/*) case " $leaves " in *" $header "*) allowed=yes ;; esac ;; esac
      [ $allowed = yes ] || echo "$file:${row%%:*}: includes $header, which stands above it"
    done >>"$breaches"
  done
  below=${below#"$floor "}
done

# Doors: header pattern, then the only places that may include it.
door() {
  pattern=$1; shift
  for file in $(grep -rlE "#include <$pattern" engine server 2>/dev/null | sort); do
    allowed=no
    for folder in "$@"; do case $file in "$folder"/*) allowed=yes ;; esac; done
    [ $allowed = yes ] || echo "$file: includes <$pattern…>, which belongs to: $*" >>"$breaches"
  done
}
door 'microhttpd' server/http
door 'jansson' server/api server/codec
door 'sqlite3' server/store
door '(zip|png|jpeglib)\.h' server/data
door 'pthread|<threads' server/http server/jobs server/store server/api
door '(dnnl|oneapi)' engine

# The engine knows neither HTTP nor JSON nor SQL, and never prints, exits or aborts.
grep -nE '\b(printf|fprintf|puts|exit|abort)\(' -r engine --include='*.c' >>"$breaches" || true

if [ -s "$breaches" ]; then
  cat "$breaches"
  echo "floors: $(wc -l <"$breaches") breaches"
  exit 1
fi
echo "floors: every include points downwards"
