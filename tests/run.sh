#!/bin/sh
# make test: installs what is missing, builds, and runs everything: unit, golden, integration, torture and browser tests, and the examples.
# Ends with "N passed, N failed" and non-zero if anything failed.
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs a step, shows it, and adds its last "N passed, N failed" to the sum; a step without such a line counts as one check.
step() {
  title=$1; shift
  echo "== $title"
  { "$@" 2>&1; echo "status $?"; } | tee "$log" | grep -v '^status [0-9]*$'
  status=$(sed -n 's/^status \([0-9]*\)$/\1/p' "$log" | tail -n 1)
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  ok=$(printf '%s' "$counts" | sed -n 's/^\([0-9]*\) passed.*/\1/p')
  bad=$(printf '%s' "$counts" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
  if [ -z "$counts" ]; then
    if [ "$status" = 0 ]; then ok=1 bad=0; else ok=0 bad=1; fi
  elif [ "$status" != 0 ] && [ "$bad" = 0 ]; then
    bad=1
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
}

step "install" sh tests/tools/install-deps.sh build test browser
step "build" make -s -j "$(nproc)" BUILD="$build" all
step "unit, integration and torture tests" make -s -j "$(nproc)" BUILD="$build" unit
step "golden: PyTorch's numbers" make -s BUILD="$build" golden
step "golden: PyTorch's numbers for random networks" make -s BUILD="$build" GOLDEN=tests/golden/random golden
step "golden: PyTorch's numbers, in bfloat16" make -s BUILD="$build" GOLDEN_OPTIONS=--bfloat16 golden
step "examples in small: what each claims" sh tests/tools/examples.sh "$build"
step "OpenAPI: validator" sh tests/integration/openapi.sh "$build"
step "browser: the main job by clicking" sh tests/browser/run.sh "$build"
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
