#!/bin/sh
# Exploding gradients: start weights that are too large, so that each of ten layers makes the gradient larger; and clipping, which bounds it.
# SMALL=1: fewer epochs, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

epochs=25
[ -z "${SMALL:-}" ] || epochs=5
start_server
upload digits

# job SETTINGS: the same network and data with further settings
job() {
  jq -n --argjson more "$1" --argjson epochs "$epochs" '{
    network: {layers: ([range(10) as $i | {type: "dense", units: 48, activation: "relu", name: "hidden\($i + 1)",
                                           initializer: {type: "normal", std: 0.3}}] + [{type: "dense", units: "auto", activation: "auto"}])},
    dataset: "digits", target: "digit", optimizer: {type: "sgd", learning_rate: 0.05}, batch_size: 32,
    epochs: $epochs, keep: "last", seed: 1} + $more'
}
say "Ten ReLU layers with start weights of deviation 0.3 instead of 0.2, $epochs epochs"
while read -r name settings; do
  job "$settings" | submit "$name"
  finish "$name"
  series "$name" gradient_norm,batch_loss
  jq -s --arg name "$name" '{name: $name, state: .[0].state, reason: .[0].stop_reason, first: .[1].series.gradient_norm.value[0],
    step: .[0].progress.step, accuracy: .[0].metrics.test.accuracy, detail: .[0].error.detail}' "$dir/$name" "$dir/$name.series" >>"$dir/found"
done <<'KINDS'
unclipped {}
clip_norm {"clip_norm": 5}
clip_value {"clip_value": 0.01}
KINDS
jq -rs 'def left(n): tostring | . + (" " * ([n - length, 0] | max)); def right(n): tostring | (" " * ([n - length, 0] | max)) + .;
  ("settings" | left(14)) + ("gradient norm, step 1" | right(23)) + ("ended" | right(14)) + ("test accuracy" | right(15)),
  (.[] | (.name | left(14)) + (.first | round | right(23)) + (.reason | right(14)) +
    (if .accuracy == null then "-" else .accuracy * 10000 | round / 10000 end | right(15)))' "$dir/found"
jq -rs '.[] | select(.detail != null) | "\(.name): \(.detail)"' "$dir/found"
echo
jq -s 'map({key: .name, value: .}) | from_entries' "$dir/found" >"$dir/all"
holds "the first gradient is a thousand times what is usual" '.unclipped.first > 1000' "$dir/all"
holds "without clipping, training diverges" '.unclipped.reason == "diverged"' "$dir/all"
holds "clipped by norm, it runs to its end and learns" '.clip_norm.reason == "completed" and .clip_norm.accuracy > 0.3' "$dir/all"
holds "clipped by value, too" '.clip_value.reason == "completed" and .clip_value.accuracy > 0.3' "$dir/all"
