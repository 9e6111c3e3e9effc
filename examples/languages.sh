#!/bin/sh
# The language of a sentence, from its characters: as a bag of runs of up to three of them, and in their order, by an embedding and a convolution.
# SMALL=1: one seed and fewer epochs, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

epochs='"auto"'
[ -z "${SMALL:-}" ] || epochs=20
start_server
upload udhr_sentences
say "1468 sentences in 20 languages, the test part is 25 % of them"
three_seeds bag accuracy <<'JSON'
{"network": {"layers": [{"type": "dense", "units": 64, "activation": "relu"}, {"type": "dense", "units": "auto", "activation": "auto"}]},
 "dataset": "udhr_sentences", "target": "language", "split": {"validation": 0, "test": 0.25},
 "text": {"tokens": "characters", "ngrams": 3}}
JSON
reaches "accuracy of the bag" "$mean" '>=' 0.95
three_seeds sequence accuracy <<JSON
{"network": {"layers": [
   {"type": "embedding", "input_dim": "auto", "output_dim": 16}, {"type": "conv1d", "filters": 64, "kernel_size": 4, "activation": "relu"},
   {"type": "global_max_pool"}, {"type": "dense", "units": "auto", "activation": "auto"}]},
 "dataset": "udhr_sentences", "target": "language", "split": {"validation": 0, "test": 0.25}, "epochs": $epochs,
 "text": {"tokens": "characters", "max_length": 200}}
JSON
reaches "accuracy of the sequence" "$mean" '>=' 0.95
show 'curl …/v1/models/bag-1/predict'
echo '{"rows": [{"text": "Every child has the right to play."}, {"text": "Jedes Kind hat das Recht zu spielen."}]}' >"$dir/row"
post "$dir/row" "$url/v1/models/bag-1/predict" | tee "$dir/predicted" | jq -c '.predictions[].class'
holds "sentences that it has never seen are told apart" '.predictions[0].class != .predictions[1].class' "$dir/predicted"
