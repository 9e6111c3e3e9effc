#!/bin/sh
# Every optimizer that the server knows, on one problem from one initialization, each with its own default learning rate and with one that
# suits the problem.
# SMALL=1: fewer epochs, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

epochs=40
[ -z "${SMALL:-}" ] || epochs=12
start_server
upload digits

job() {
  jq -n --argjson optimizer "$1" --argjson batch "$2" --argjson epochs "$epochs" '{
    network: {layers: [{type: "dense", units: 32, activation: "relu"}, {type: "dense", units: "auto", activation: "auto"}]},
    dataset: "digits", target: "digit", optimizer: $optimizer, keep: "last", batch_size: $batch, epochs: $epochs, seed: 1}'
}
# The rates that suit this problem. Whoever wants all rows at once gets them.
suited() {
  case $1 in
  sgd) echo 0.1 ;; adadelta) echo 2 ;; adagrad) echo 0.05 ;; lion) echo 0.001 ;; rprop) echo 0.01 ;; lbfgs) echo 1 ;; rmsprop) echo 0.003 ;; *) echo 0.005 ;;
  esac
}
say "Handwritten digits, 32 hidden units, $epochs epochs"
for name in $(call "$url/v1/schema" | jq -r '.optimizers[].type'); do
  batch=32
  more='{}'
  case $name in rprop) batch=2000 ;; lbfgs) batch=2000 more='{"line_search": "strong_wolfe"}' ;; esac
  rate=$(suited "$name")
  for kind in default suited; do
    jq -n --arg type "$name" --argjson more "$more" --argjson rate "$rate" --arg kind $kind \
      '{type: $type} + $more + (if $kind == "suited" then {learning_rate: $rate} else {} end)' >"$dir/optimizer"
    job "$(cat "$dir/optimizer")" $batch | submit "$name-$kind"
    finish "$name-$kind"
    series "$name-$kind" loss
  done
  jq -s --arg name "$name" --argjson rate "$rate" '{name: $name, default: .[0].spec.optimizer.learning_rate, rate: $rate, start: .[2].series.loss.value[0],
    loss: [.[0, 1].metrics.latest.loss], accuracy: [.[0, 1].metrics.test.accuracy]}' \
    "$dir/$name-default" "$dir/$name-suited" "$dir/$name-default.series" >>"$dir/found"
done
jq -rs 'def left(n): tostring | . + (" " * ([n - length, 0] | max)); def right(n): tostring | (" " * ([n - length, 0] | max)) + .;
  def round4: . * 10000 | round / 10000;
  ("optimizer" | left(11)) + ("default rate" | right(13)) + ("loss" | right(9)) + ("accuracy" | right(10)) + ("suited rate" | right(13)) +
    ("loss" | right(9)) + ("accuracy" | right(10)),
  (.[] | (.name | left(11)) + (.default | right(13)) + (.loss[0] | round4 | right(9)) + (.accuracy[0] | round4 | right(10)) +
    (.rate | right(13)) + (.loss[1] | round4 | right(9)) + (.accuracy[1] | round4 | right(10)))' "$dir/found"
echo
jq -s . "$dir/found" >"$dir/all"
holds "every optimizer lowers the loss" 'all(.[]; .loss[1] < .start)' "$dir/all"
holds "with a rate that suits, each reaches 90 % of the test part" 'all(.[]; .accuracy[1] >= 0.9)' "$dir/all"
