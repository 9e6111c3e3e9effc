#!/bin/sh
# Vanishing gradients: ten sigmoid layers, of which the first hardly learns; and what cures it. The number to look at is the ratio of the first
# to the last hidden layer's gradient norm in the first epoch.
# SMALL=1: fewer epochs, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

epochs=30
[ -z "${SMALL:-}" ] || epochs=3
start_server
upload digits

# job LAYER NORM: ten layers like LAYER, each followed by a batch_norm if NORM
job() {
  jq -n --argjson layer "$1" --argjson norm "$2" --argjson epochs "$epochs" '{
    network: {layers: ([range(10) as $i | ({type: "dense", units: 48, name: "hidden\($i + 1)"} + $layer),
                        (if $norm then {type: "batch_norm"} else empty end)] + [{type: "dense", units: "auto", activation: "auto"}])},
    dataset: "digits", target: "digit", optimizer: {type: "adam", learning_rate: 0.001}, keep: "last", batch_size: 32, epochs: $epochs, seed: 1}'
}
say "Ten hidden layers on handwritten digits, $epochs epochs"
while read -r name norm layer; do
  job "$layer" "$norm" | submit "$name"
  finish "$name"
  series "$name" layers.hidden1.gradient_norm,layers.hidden10.gradient_norm
  jq -s --arg name "$name" '{name: $name, ratio: (.[1].series | .["layers.hidden1.gradient_norm"].value[0] / .["layers.hidden10.gradient_norm"].value[0]),
    accuracy: .[0].metrics.test.accuracy}' "$dir/$name" "$dir/$name.series" >>"$dir/found"
done <<'KINDS'
sigmoid false {"activation": "sigmoid"}
relu false {"activation": "relu", "initializer": "he_uniform"}
batch_norm true {"activation": "sigmoid"}
initialization false {"activation": "sigmoid", "initializer": {"type": "normal", "std": 0.58}, "bias": false}
KINDS
jq -rs 'def left(n): tostring | . + (" " * ([n - length, 0] | max)); def right(n): tostring | (" " * ([n - length, 0] | max)) + .;
  def short: if . == 0 then "0" else (. | log10 | floor) as $e | ((. / pow(10; $e) * 100 | round) / 100 | tostring) + "e" + ($e | tostring) end;
  ("network" | left(20)) + ("first / last gradient" | right(22)) + ("test accuracy" | right(15)),
  (.[] | (.name | left(20)) + (.ratio | short | right(22)) + (.accuracy * 10000 | round / 10000 | right(15)))' "$dir/found"
echo
jq -s 'map({key: .name, value: .}) | from_entries' "$dir/found" >"$dir/all"
holds "through ten sigmoid layers the gradient all but vanishes: ratio below 1e-4" '.sigmoid.ratio < 1e-4' "$dir/all"
holds "with ReLU it arrives: above 0.01" '.relu.ratio > 0.01' "$dir/all"
holds "with BatchNorm, too" '.batch_norm.ratio > 0.01' "$dir/all"
holds "with larger start weights as well" '.initialization.ratio > 0.01' "$dir/all"
holds "and then the network learns" '.relu.accuracy > .sigmoid.accuracy + 0.3 and .batch_norm.accuracy > .sigmoid.accuracy + 0.3' "$dir/all"
