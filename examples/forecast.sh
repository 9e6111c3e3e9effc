#!/bin/sh
# The next year of a monthly series, by three networks and by no learning at all. SMALL=1: fewer epochs, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

epochs=500
[ -z "${SMALL:-}" ] || epochs=200
start_server
upload air_passengers

# A year is seen, the year behind it forecast. The first 101 months train, the last 43 test: no month of the test part was ever looked at.
job() {
  jq -n --argjson layers "$1" --argjson epochs "$epochs" '{
    network: {layers: ($layers + [{type: "dense", units: "auto"}])}, dataset: "air_passengers", target: "passengers",
    features: ["passengers"], window: {length: 12, horizon: 12, time: "month"}, split: {validation: 0, test: 0.3},
    optimizer: {type: "adam", learning_rate: 0.01}, epochs: $epochs, seed: 1}'
}
say "Twelve months ahead, $epochs epochs"
while read -r name layers; do
  job "$layers" | submit "$name"
  finish "$name"
  jq --arg name "$name" '.metrics.test | {name: $name, mae, rmse, baselines}' "$dir/$name" >>"$dir/forecasts"
done <<'LAYERS'
linear []
relu [{"type":"dense","units":16,"activation":"relu"}]
gru [{"type":"gru","units":16}]
LAYERS
jq -rs 'def left(n): tostring | . + (" " * ([n - length, 0] | max)); def right(n): tostring | (" " * ([n - length, 0] | max)) + .;
  def round1: . * 10 | round / 10;
  ("forecast" | left(16)) + ("MAE" | right(8)) + ("RMSE" | right(8)),
  ((.[] | {name, mae, rmse}), (.[0].baselines | to_entries[] | {name: .key} + .value)
    | (.name | left(16)) + (.mae | round1 | right(8)) + (.rmse | round1 | right(8)))' "$dir/forecasts"

say "What comes behind the last month"
tail -n 12 examples/data/air_passengers.csv | sed '1i month,passengers' >"$dir/last"
call -H 'Content-Type: text/csv' --data-binary @"$dir/last" "$url/v1/models/linear/predict" >"$dir/next"
cut -d, -f 2 "$dir/last" | tail -n 12 | paste -s -d' ' | sed 's/^/seen      /'
tail -n 1 "$dir/next" | tr , '\n' | awk '{printf "%s%d", (NR > 1) ? " " : "forecast  ", $1 + 0.5} END {print ""}'
echo
jq -s . "$dir/forecasts" >"$dir/all"
holds "a linear network, an autoregression, is far better than the same months again" '.[0].mae < 0.5 * .[0].baselines.seasonal_naive.mae' "$dir/all"
holds "the months again are better than the last one" '.[0].baselines.seasonal_naive.mae < .[0].baselines.naive.mae' "$dir/all"
holds "what saturates can't follow a trend beyond all it has seen" '.[2].mae > 2 * .[0].mae' "$dir/all"
tail -n 1 "$dir/next" | tr , '\n' | jq -s . >"$dir/months"
holds "the summer of the next year is its peak" '(index(max) == 6 or index(max) == 7) and max > 600' "$dir/months"
