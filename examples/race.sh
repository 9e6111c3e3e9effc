#!/bin/sh
# Prior art beside backpropagation: four ways to find the weights of one network, from one initialization, with one budget of evaluations.
# SMALL=1: a small budget, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

budget=10000
[ -z "${SMALL:-}" ] || budget=3000
start_server
upload iris

# Each step looks at the whole training part, so that steps, epochs and costs mean the same to all.
job() {
  jq -n --argjson algorithm "$1" --argjson budget "$budget" '{
    network: {layers: [{type: "dense", units: 8, activation: "tanh"}, {type: "dense", units: "auto", activation: "auto"}]},
    dataset: "iris", target: "species", algorithm: $algorithm, optimizer: {type: "adam", learning_rate: 0.02},
    keep: "last", batch_size: 150, epochs: 1000000, max_evaluations: $budget, seed: 1}'
}
say "Four algorithms, $budget evaluations of the cost each"
for algorithm in backprop finite_differences random_search genetic; do
  job "{\"type\": \"$algorithm\"}" | submit $algorithm
  finish $algorithm
  series $algorithm evaluations,loss
  jq -s --arg name $algorithm 'def time: split(".") | (.[0] + "Z" | fromdate) + (.[1] | rtrimstr("Z") | "0." + . | tonumber);
    .[0] as $job | .[1].series as $series
    | ([range($series.loss.value | length) | select($series.loss.value[.] <= 0.1)] | first) as $there
    | {name: $name, evaluations: $job.metrics.latest.evaluations, epochs: $job.progress.epoch, start: $series.loss.value[0],
       loss: $job.metrics.latest.loss, accuracy: $job.metrics.test.accuracy,
       seconds: (($job.finished_at | time) - ($job.started_at | time)),
       there: (if $there == null then null else $series.evaluations.value[$there] end)}' "$dir/$algorithm" "$dir/$algorithm.series" >>"$dir/race"
done
jq -rs 'def left(n): tostring | . + (" " * ([n - length, 0] | max)); def right(n): tostring | (" " * ([n - length, 0] | max)) + .;
  def round4: . * 10000 | round / 10000;
  ("algorithm" | left(20)) + ("evaluations" | right(12)) + ("epochs" | right(8)) + ("seconds" | right(9)) + ("loss" | right(9)) + ("test accuracy" | right(15)) +
    ("evaluations to loss 0.1" | right(25)),
  (.[] | (.name | left(20)) + (.evaluations | right(12)) + (.epochs | right(8)) + (.seconds * 10 | round / 10 | right(9)) + (.loss | round4 | right(9)) + (.accuracy | round4 | right(15)) +
    (.there // "never" | right(25)))' "$dir/race"
echo
jq -s . "$dir/race" >"$dir/all"
holds "all start from the same loss" '[.[].start | . * 10000 | round] | unique | length == 1 or (.[1] - .[0]) <= 1' "$dir/all"
holds "all have spent the budget, and at most one step more" "all(.[]; .evaluations >= $budget and .evaluations < $budget + 200)" "$dir/all"
holds "all have learned" 'all(.[]; .loss < 0.6 * .start)' "$dir/all"
holds "backpropagation is at a loss of 0.1 first" '.[0].there as $first | $first != null and all(.[1:][]; .there == null or .there > $first)' "$dir/all"
holds "finite differences take the same path, at 135 evaluations where backpropagation takes one" \
  '.[1].there == null or (.[1].there / .[0].there | . > 120 and . < 150)' "$dir/all"
