#!/bin/sh
# make demo: the main job, end to end, with plain curl against a server of its own. Ends by itself; leaves nothing behind.
#
#     upload digits.csv ──▶ create a network ──▶ start a job ──▶ watch it ──▶ test accuracy ──▶ predict one row
set -eu
cd "$(dirname "$0")/.."

. examples/common.sh

say "1. Install what is missing, build"
sh tests/tools/install-deps.sh build
make -s -j "$(nproc)" all || fail "the build failed"

say "2. Start the server on a free port of 127.0.0.1, with a temporary data directory"
start_server
echo "listening on $url"

say "3. Upload 1797 handwritten digits, 8 x 8 pixels each"
show "curl --data-binary @examples/data/digits.csv -H 'Content-Type: text/csv' '$url/v1/datasets?name=digits'"
call --data-binary @examples/data/digits.csv -H 'Content-Type: text/csv' "$url/v1/datasets?name=digits" >"$dir/dataset"
jq -r '"\(.name): \(.rows) rows, \(.columns | length) columns, \(.bytes) bytes, sha256 \(.sha256[0:16])…"' "$dir/dataset"

say "4. Create a network"
cat >"$dir/network.json" <<'JSON'
{"name": "digits-mlp",
 "layers": [
   {"type": "dense", "units": 128, "activation": "relu", "name": "hidden"},
   {"type": "dropout", "rate": 0.2},
   {"type": "dense", "units": "auto", "activation": "auto"}]}
JSON
cat "$dir/network.json"
post "$dir/network.json" "$url/v1/networks" >"$dir/network"

say "5. Start a training job"
cat >"$dir/job.json" <<'JSON'
{"name": "digits-demo", "network": "digits-mlp", "dataset": "digits", "target": "digit", "task": "classification",
 "split": {"validation": 0.15, "test": 0.15, "stratify": true},
 "optimizer": {"type": "adam", "learning_rate": 0.001}, "schedule": {"type": "cosine"},
 "epochs": 150, "batch_size": 32, "seed": 7}
JSON
cat "$dir/job.json"
post "$dir/job.json" "$url/v1/jobs" >"$dir/job"
job=$(jq -r .id "$dir/job")

say "6. Watch it"
bar() {
  jq -r 'def pad(n): tostring | . + (" " * ([n - length, 0] | max));
    def round4: if . == null then "-" else . * 10000 | round / 10000 end;
    .progress as $p | .metrics.latest as $m | (($p.fraction // 0) * 30 | floor) as $n |
    "\r[" + ("#" * $n) + ("." * (30 - $n)) + "] " +
    ("epoch \($p.epoch)/\($p.epochs)" | pad(14)) + "  " +
    ("loss \($m.loss | round4)" | pad(12)) + "  " +
    ("accuracy \($m.validation_accuracy | round4)" | pad(16)) + "  " +
    (if $p.eta_seconds == null then "" else "ETA \($p.eta_seconds * 10 | round / 10) s" end | pad(10))' | tr -d '\n'
}
tries=0
while :; do
  call "$url/v1/jobs/$job" >"$dir/job"
  bar <"$dir/job"
  case $(jq -r .state "$dir/job") in succeeded | failed | cancelled) break ;; esac
  tries=$((tries + 1))
  [ $tries -lt 6000 ] || fail "the job did not end within ten minutes"
  sleep 0.1
done
echo
[ "$(jq -r .state "$dir/job")" = succeeded ] || { jq . "$dir/job" >&2; fail "the job did not succeed"; }

say "7. The result on the test part, which training never saw"
jq -r '.metrics.test | "test accuracy \(.accuracy), loss \(.loss), macro F1 \(.f1)"' "$dir/job"
echo
echo "confusion matrix (row: true digit, column: predicted digit)"
jq -r 'def pad: tostring | (" " * ([4 - length, 0] | max)) + .;
  "     " + ([range(0; .metrics.test.confusion_matrix | length)] | map(pad) | add),
  (.metrics.test.confusion_matrix | to_entries[] | "\(.key | pad) " + (.value | map(pad) | add))' "$dir/job"

say "8. Predict one row"
model=$(jq -r .model "$dir/job")
show "curl -H 'Content-Type: application/json' -d '{\"rows\": [[0,0,7,15, …]]}' $url/v1/models/$model/predict"
call "$url/v1/datasets/digits/rows?offset=3&limit=1" >"$dir/rows"
jq '{rows: [.rows[0] | if type == "object" then del(.digit) else .[0:64] end]}' "$dir/rows" >"$dir/predict.json"
post "$dir/predict.json" "$url/v1/models/$model/predict" >"$dir/prediction"
jq -r '.predictions[0] | "class \(.class)", (.probabilities | to_entries[] | "  \(.key)  \(.value * 100000 | round / 1000) %")' "$dir/prediction"

accuracy_ok=$(jq '.metrics.test.accuracy >= 0.96' "$dir/job")
[ "$accuracy_ok" = true ] || fail "test accuracy is below 0.96"

say "Go on from here"
cat <<EOF
  make run                                    # serves on http://127.0.0.1:8080, open it in a browser
  curl --data-binary @mine.csv -H 'Content-Type: text/csv' 'http://127.0.0.1:8080/v1/datasets?name=mine'
  curl -H 'Content-Type: application/json' --data-binary @network.json http://127.0.0.1:8080/v1/networks
  curl -H 'Content-Type: application/json' --data-binary @job.json http://127.0.0.1:8080/v1/jobs
  curl -N http://127.0.0.1:8080/v1/jobs/NAME/events
  curl -o model.safetensors 'http://127.0.0.1:8080/v1/models/NAME/export?format=safetensors'
EOF
