#!/bin/sh
# Runs the built Check binaries below BUILD/tests whose path contains FILTER, shows each one's summary and ends with the sum.
# Usage: run-unit.sh BUILD [FILTER]
#
# JOBS of them run at a time (default: as many as there are processors). What a test says goes to its own log, and is shown once its turn
# has come, so that the output is the same whatever ends first. A test whose source says "Runs alone:" (and why) starts when all before it
# have ended, and none starts beside it.
set -u
build=$1
filter=${2:-}
jobs=${JOBS:-$(nproc)}
passed=0
failed=0
running=''
numbers=''
trap 'trap - TERM; kill $numbers 2>/dev/null; exit 130' INT TERM

list=$(find "$build/tests" -type f -name 'test_*' -perm -u+x | sort)
tests=''
for test in $list; do
  case $test in *"$filter"*) tests="$tests $test" ;; esac
done

# The exit status goes to a file, under its name only when it is whole.
run() {
  BACKPROPD="$build/backpropd" "$1" >"$1.log" 2>&1
  echo $? >"$1.status.part"
  mv "$1.status.part" "$1.status"
}

runs_alone() { grep -qs 'Runs alone:' "tests/${1#"$build"/tests/}.c"; }

# Keeps in `running` those that have not ended, and waits until they are fewer than $1.
wait_until_fewer() {
  while :; do
    still=''
    count=0
    for test in $running; do
      [ -e "$test.status" ] || { still="$still $test" count=$((count + 1)); }
    done
    running=$still
    show_ended
    [ "$count" -ge "$1" ] || return
    sleep 0.05
  done
}

start() {
  run "$1" &
  numbers="$numbers $!"
  running="$running $1"
}

show() {
  log="$1.log"
  status=$(cat "$1.status")
  summary=$(grep -E '^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+' "$log" | tail -n 1)
  checks=$(printf '%s' "$summary" | sed -n 's/.*Checks: \([0-9]*\).*/\1/p')
  bad=$(printf '%s' "$summary" | sed -n 's/.*Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 + \2/p')
  checks=${checks:-1}
  bad=$((${bad:-1}))
  # A sanitizer's report, or a crash outside a test, counts as a failure too.
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  [ "$bad" -le "$checks" ] || checks=$bad
  passed=$((passed + checks - bad))
  failed=$((failed + bad))
  if [ "$bad" -eq 0 ]; then
    printf 'ok    %s (%s checks)\n' "${1#"$build"/tests/}" "$checks"
  else
    printf 'FAIL  %s\n' "${1#"$build"/tests/}"
    tail -n 60 "$log" | sed 's/^/      /'
    failures="$failures$(printf '\nFAIL  %s\n' "${1#"$build"/tests/}"; grep -E ':[FE]:|ERROR: .*Sanitizer' "$log")"
  fi
}

# Those whose turn it is: all up to the first that has not ended.
show_ended() {
  while [ -n "$unshown" ]; do
    first=${unshown%% *}
    [ -e "$first.status" ] || return
    show "$first"
    unshown=${unshown#"$first"}
    unshown=${unshown# }
  done
}

unshown=''
failures=''
for test in $tests; do
  rm -f "$test.status"
  unshown="$unshown${unshown:+ }$test"
done
for next in $tests; do
  if runs_alone "$next"; then
    wait_until_fewer 1
    start "$next"
    wait_until_fewer 1
  else
    wait_until_fewer "$jobs"
    start "$next"
  fi
done
wait_until_fewer 1
# Once more, without what the tests said, so that the end of a long log tells what failed.
[ -z "$failures" ] || echo "$failures"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
