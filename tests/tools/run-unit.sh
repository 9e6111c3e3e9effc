#!/bin/sh
# Runs the built Check binaries below BUILD/tests whose path contains FILTER, shows each one's summary and ends with the sum.
# Usage: run-unit.sh BUILD [FILTER]
set -u
build=$1
filter=${2:-}
passed=0
failed=0
for test in $(find "$build/tests" -type f -name 'test_*' -perm -u+x | sort); do
  case $test in *"$filter"*) ;; *) continue ;; esac
  log="$test.log"
  BACKPROPD="$build/backpropd" "$test" >"$log" 2>&1
  status=$?
  summary=$(grep -E '^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+' "$log" | tail -n 1)
  checks=$(printf '%s' "$summary" | sed -n 's/.*Checks: \([0-9]*\).*/\1/p')
  bad=$(printf '%s' "$summary" | sed -n 's/.*Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 + \2/p')
  checks=${checks:-1}
  bad=$((${bad:-1}))
  # A sanitizer's report, or a crash outside a test, counts as a failure too.
  if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  [ "$bad" -le "$checks" ] || checks=$bad
  passed=$((passed + checks - bad))
  failed=$((failed + bad))
  if [ "$bad" -eq 0 ]; then
    printf 'ok    %s (%s checks)\n' "${test#"$build"/tests/}" "$checks"
  else
    printf 'FAIL  %s\n' "${test#"$build"/tests/}"
    tail -n 60 "$log" | sed 's/^/      /'
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
