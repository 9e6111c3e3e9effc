#!/bin/sh
# The browser tests: all by clicking, in a real Chromium against the real server. Usage: run.sh [build folder]
# Needs Node.js and a Chromium on PATH (or CHROMIUM=path). Ends with "N passed, N failed" and non-zero if anything failed.
set -eu
cd "$(dirname "$0")"
build=${1:-build}
case $build in /*) ;; *) build=$(cd ../.. && pwd)/$build ;; esac
if [ ! -x "$build/backpropd" ]; then
  echo "run.sh: no server at $build/backpropd; build it first" >&2
  exit 2
fi
if [ ! -d node_modules/playwright-core ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
{ BACKPROPD="$build/backpropd" node --test --test-reporter=spec --test-concurrency=1 main_job.test.mjs see.test.mjs explore.test.mjs images.test.mjs series.test.mjs 2>&1 || echo "exit status $?"; } | tee "$log" | grep -v '^exit status '
count() { sed -n "s/^[^a-z]*$1 \([0-9]*\)\$/\1/p" "$log" | tail -n 1; }
passed=$(count pass)
failed=$(count fail)
grep -q '^exit status ' "$log" && status=1
[ -n "$passed" ] || { passed=0; failed=1; status=1; }
echo "$passed passed, ${failed:-0} failed"
exit $status
