#!/bin/sh
# The server's own /openapi.json, checked by a real validator (npm @redocly/cli). Usage: openapi.sh BUILD
set -eu
build=${1:-build}
cd "$(dirname "$0")/../.."
root=$(pwd)
if [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -lt 18 ]; then
  echo "openapi: not run, the validator needs Node.js 18 or newer"
  echo "0 passed, 0 failed"
  exit 0
fi
dir=$(mktemp -d)
server=""
stop() {
  [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
  rm -rf "$dir"
}
trap stop EXIT
: >"$dir/out"
"$root/$build/backpropd" --listen 127.0.0.1:0 --data-dir "$dir/data" --log-level warn >"$dir/out" &
server=$!
tries=0
until grep -q '^listening on ' "$dir/out"; do
  kill -0 "$server" 2>/dev/null || { echo "the server ended before it was ready" >&2; exit 1; }
  tries=$((tries + 1)); [ $tries -lt 600 ] || exit 1
  sleep 0.1
done
curl -sSf "$(sed -n 's/^listening on //p' "$dir/out")/openapi.json" >"$dir/openapi.json"
cp tests/integration/redocly.yaml tests/integration/package.json tests/integration/package-lock.json "$dir/"
cd "$dir"
npm ci --no-audit --no-fund --loglevel=error >npm.log 2>&1 || { cat npm.log >&2; exit 1; }
REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true npx --no-install redocly lint --config redocly.yaml openapi.json
