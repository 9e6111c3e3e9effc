#!/bin/sh
# Penguins' species from measurements, some of them missing: no type is set by hand, a missing number becomes the mean and says so beside it.
# SMALL=1: one seed, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

start_server
upload penguins
say "344 penguins, the test part is 25 % of them; all but the network is default"
jq -r '.columns[] | "\(.name): \(.kind), \(.missing) missing"' "$dir/dataset"
three_seeds penguins accuracy <<'JSON'
{"network": {"layers": [
   {"type": "dense", "units": 64, "activation": "relu"}, {"type": "dense", "units": 64, "activation": "relu"},
   {"type": "dense", "units": "auto", "activation": "auto"}]},
 "dataset": "penguins", "target": "species", "split": {"validation": 0, "test": 0.25}}
JSON
reaches "accuracy of penguins" "$mean" '>=' 0.98
show 'curl …/v1/models/penguins-1/predict'
echo '{"rows": [{"island": "Biscoe", "bill_length_mm": 46.5, "flipper_length_mm": 217, "body_mass_g": 5200}]}' >"$dir/row"
post "$dir/row" "$url/v1/models/penguins-1/predict" | tee "$dir/predicted" | jq -c .predictions
holds "a penguin of which sex, year and bill depth aren't known is told by the rest" '.predictions[0].class == "Gentoo"' "$dir/predicted"
