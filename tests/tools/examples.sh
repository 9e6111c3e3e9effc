#!/bin/sh
# The examples in small, each of which checks what it claims. `sh tests/tools/examples.sh BUILD`
set -u
cd "$(dirname "$0")/../.."
BUILD=$1
export BUILD
passed=0
failed=0
for example in race vanishing exploding optimizers forecast penguins languages spam housing fashion images autoencoder; do
  echo "$example"
  if SMALL=1 sh "examples/$example.sh" >"$BUILD/$example.log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL  examples/$example.sh"
    cat "$BUILD/$example.log"
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
