# What the examples share: a server of their own on a free port, which ends with them and leaves nothing behind, and curl to talk to it.
# Read by `. examples/common.sh` in the project's folder. BUILD: where the server was built (default build).

me=$(basename "$0" .sh)
build=${BUILD:-build}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { echo "$me: $*" >&2; exit 1; }
show() { printf '\033[2m$ %s\033[0m\n' "$*"; }

server=""
dir=$(mktemp -d)
stop() {
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

# start_server [OPTION …]: sets url
start_server() {
  : >"$dir/out"
  "$build/backpropd" --listen 127.0.0.1:0 --data-dir "$dir/data" --log-level warn "$@" >"$dir/out" &
  server=$!
  tries=0
  until grep -q '^listening on ' "$dir/out"; do
    kill -0 "$server" 2>/dev/null || fail "the server ended before it was ready"
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "the server was not ready within a minute"
    sleep 0.1
  done
  url=$(sed -n 's/^listening on //p' "$dir/out")
}

# curl that shows the server's own words when it refuses.
call() {
  status=$(curl -sS -o "$dir/answer" -w '%{http_code}' "$@") || fail "curl failed"
  case $status in 2*) cat "$dir/answer" ;; *) cat "$dir/answer" >&2; fail "the server answered $status" ;; esac
}
# post FILE URL: JSON from a file (curl's --json is younger than Ubuntu 22.04's curl)
post() { call -H 'Content-Type: application/json' --data-binary @"$1" "$2"; }
# upload NAME: examples/data/NAME.csv
upload() { call --data-binary @"examples/data/$1.csv" -H 'Content-Type: text/csv' "$url/v1/datasets?name=$1" >"$dir/dataset"; }

# submit NAME < job spec without a name: queues it
submit() {
  jq --arg name "$1" '. + {name: $name}' >"$dir/job.json"
  post "$dir/job.json" "$url/v1/jobs" >"$dir/submitted"
}
# finish NAME: waits for its end and keeps the job in $dir/NAME
finish() {
  tries=0
  while :; do
    call "$url/v1/jobs/$1" >"$dir/$1"
    case $(jq -r .state "$dir/$1") in succeeded | failed | cancelled) break ;; esac
    tries=$((tries + 1))
    [ $tries -lt 36000 ] || fail "job $1 did not end within an hour"
    sleep 0.1
  done
}
# series NAME METRICS: their values over the run, kept in $dir/NAME.series
series() { call "$url/v1/jobs/$1/metrics?names=$2" >"$dir/$1.series"; }

# holds WHAT CONDITION FILE: the claims that an example makes are checked, by a jq condition on a file
holds() {
  [ "$(jq "$2" "$3")" = true ] || fail "this should hold, but doesn't: $1"
  echo "✓ $1"
}

# three_seeds NAME METRIC < job spec without name and seed: trains it with seeds 1, 2, 3, shows the test metric of each and keeps their mean in $mean.
# SMALL=1: with seed 1 alone.
three_seeds() {
  cat >"$dir/spec"
  seeds='1 2 3'
  [ -z "${SMALL:-}" ] || seeds=1
  : >"$dir/$1.found"
  for seed in $seeds; do jq --argjson seed "$seed" '. + {seed: $seed}' "$dir/spec" | submit "$1-$seed"; done
  for seed in $seeds; do
    finish "$1-$seed"
    [ "$(jq -r .state "$dir/$1-$seed")" = succeeded ] || fail "job $1-$seed: $(jq -c .error "$dir/$1-$seed")"
    jq --arg metric "$2" '.metrics.test[$metric]' "$dir/$1-$seed" >>"$dir/$1.found"
  done
  mean=$(jq -s 'add / length' "$dir/$1.found")
  printf '%-28s test %s' "$1" "$2"
  for value in $(cat "$dir/$1.found") "$mean"; do printf ' %10s' "$(echo "$value" | jq '. * 10000 | round / 10000')"; done
  printf '  (the last is the mean)\n'
}

# reaches WHAT NUMBER CONDITION BAR: a bar, which SMALL=1 doesn't reach for
reaches() {
  [ -z "${SMALL:-}" ] || return 0
  [ "$(jq -n --argjson value "$2" --argjson bar "$4" "\$value $3 \$bar")" = true ] || fail "$1: $2 is not $3 $4"
  echo "✓ $1: $3 $4"
}

# Rows $2 to $3 of digits.csv as IDX files: $dir/$1-images, $dir/$1-labels. Every field of a header has four bytes, the largest first.
write_idx() {
  sed -n "$(($2 + 1)),$(($3 + 1))p" examples/data/digits.csv >"$dir/rows"
  count=$(wc -l <"$dir/rows")
  bytes() { printf '%b' "$(awk -F, "$1" "$dir/rows")"; }
  { printf '\0\0\010\003\0\0%b%b\0\0\0\010\0\0\0\010' "\\0$(printf %o $((count / 256)))" "\\0$(printf %o $((count % 256)))"
    bytes '{for (i = 1; i <= 64; i++) printf "\\0%o", $i * 15}'; } >"$dir/$1-images"
  { printf '\0\0\010\001\0\0%b%b' "\\0$(printf %o $((count / 256)))" "\\0$(printf %o $((count % 256)))"; bytes '{printf "\\0%o", $65}'; } >"$dir/$1-labels"
}
# upload_fashion: Fashion-MNIST, Debian's package dataset-fashion-mnist, as the dataset "fashion". SMALL=1: handwritten digits in its place.
upload_fashion() {
  folder=${FASHION:-/usr/share/datasets/fashion-mnist}
  if [ -n "${SMALL:-}" ]; then
    write_idx train 1 1300
    write_idx t10k 1301 1797
    set -- "$dir/train-images" "$dir/train-labels" "$dir/t10k-images" "$dir/t10k-labels"
  else
    [ -d "$folder" ] || fail "no $folder: apt-get install dataset-fashion-mnist, or say in FASHION where the .gz files are"
    set -- "$folder/train-images-idx3-ubyte.gz" "$folder/train-labels-idx1-ubyte.gz" "$folder/t10k-images-idx3-ubyte.gz" "$folder/t10k-labels-idx1-ubyte.gz"
  fi
  call -F images=@"$1" -F labels=@"$2" -F test_images=@"$3" -F test_labels=@"$4" "$url/v1/datasets?name=fashion" >"$dir/dataset"
}
