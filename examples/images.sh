#!/bin/sh
# From a folder of pictures to a prediction: handwritten digits as PNG files, a folder for each digit, in a ZIP; a convolutional network that
# learns from them; and a PNG that it has never seen, sent as it is.
# The pictures are made here, by the server itself, of the numbers in examples/data/digits.csv. SMALL=1: fewer of them, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh
command -v zip >/dev/null || fail "zip is needed; apt-get install zip"

count=1797 epochs=20
[ -z "${SMALL:-}" ] || { count=600; epochs=12; }
unseen=100 # pictures that are kept out of the ZIP
start_server

# Pixels of 0 … 16 become bytes of an IDX file of images, as which they are uploaded; each comes back as a PNG.
say "$count digits of 8 × 8 pixels as PNG files, a folder for each digit"
{
  printf '\000\000\010\003\000\000'
  awk -v n="$count" 'BEGIN { printf "\\%03o\\%03o\\000\\000\\000\\010\\000\\000\\000\\010", int(n / 256), n % 256 }' >"$dir/head"
  printf "$(cat "$dir/head")"
  awk -F, -v n="$count" 'NR > 1 && NR <= n + 1 { for (i = 1; i <= 64; i++) printf "\\%03o", int($i * 255 / 16 + 0.5); print "" }' examples/data/digits.csv >"$dir/octal"
  while IFS= read -r row; do printf "$row"; done <"$dir/octal"
} >"$dir/digits.idx"
call --data-binary @"$dir/digits.idx" -H 'Content-Type: application/x-idx' "$url/v1/datasets?name=pixels" >"$dir/dataset"
mkdir "$dir/png" && (cd "$dir/png" && curl -sS "$url/v1/datasets/pixels/rows/[0-$((count - 1))]/image" -o '#1.png') || fail "the pictures were not made"
awk -F, -v n="$count" 'NR > 1 && NR <= n + 1 { print NR - 2, $65 }' examples/data/digits.csv >"$dir/labels"
for digit in 0 1 2 3 4 5 6 7 8 9; do mkdir -p "$dir/zip/digits/$digit"; done
while read -r row digit; do
  [ "$row" -ge $((count - unseen)) ] || mv "$dir/png/$row.png" "$dir/zip/digits/$digit/"
done <"$dir/labels"
(cd "$dir/zip" && zip -qr0 ../digits.zip digits)

say "Upload the folder as a ZIP"
show "curl --data-binary @digits.zip -H 'Content-Type: application/zip' '\$url/v1/datasets?name=digits'"
call --data-binary @"$dir/digits.zip" -H 'Content-Type: application/zip' "$url/v1/datasets?name=digits" >"$dir/dataset"
jq -c '{rows, bad_rows: .bad_rows.count, columns: [.columns[] | {name, kind} + if .shape then {shape} else {} end]}' "$dir/dataset"

say "Train a convolutional network, $epochs epochs"
jq -n --argjson epochs "$epochs" '{
  network: {layers: [{type: "conv2d", filters: 16, kernel_size: 3, padding: "same", activation: "relu"}, {type: "max_pool2d", pool_size: 2},
                     {type: "conv2d", filters: 32, kernel_size: 3, padding: "same", activation: "relu"}, {type: "flatten"},
                     {type: "dense", units: "auto", activation: "auto"}]},
  dataset: "digits", target: "label", optimizer: {type: "adam", learning_rate: 0.005}, epochs: $epochs, seed: 1}' | submit digits
finish digits
jq -c '{state, accuracy: (.metrics.test.accuracy * 10000 | round / 10000)}' "$dir/digits"

say "Predict pictures that it has never seen"
row=$((count - 1))
show "curl --data-binary @$row.png -H 'Content-Type: image/png' \$url/v1/models/digits/predict"
call --data-binary @"$dir/png/$row.png" -H 'Content-Type: image/png' "$url/v1/models/digits/predict" >"$dir/prediction"
jq -c '.predictions[0] | {class, probability: (.probabilities[.class] * 10000 | round / 10000)}' "$dir/prediction"
(cd "$dir/png" && zip -q0 ../unseen.zip ./*.png)
show "curl --data-binary @unseen.zip -H 'Content-Type: application/zip' \$url/v1/models/digits/predict"
call --data-binary @"$dir/unseen.zip" -H 'Content-Type: application/zip' "$url/v1/models/digits/predict" >"$dir/predictions.csv"
cut -d, -f1-5 "$dir/predictions.csv" | head -n 4
awk -F, 'NR == FNR { split($0, pair, " "); digit[pair[1] ".png"] = pair[2]; next } FNR > 1 { rows++; right += $2 == digit[$1] }
  END { printf "{\"rows\": %d, \"right\": %d}\n", rows, right }' "$dir/labels" "$dir/predictions.csv" >"$dir/score"
echo "$(jq .right "$dir/score") of $(jq .rows "$dir/score") are right"
echo
digit=$(awk -v row="$row" '$1 == row { print $2 }' "$dir/labels")
holds "every picture has become a row, of 1 × 8 × 8 pixels" ".rows == $((count - unseen)) and .bad_rows.count == 0 and .columns[0].shape == [1, 8, 8]" "$dir/dataset"
holds "it has learned" '.metrics.test.accuracy > 0.85' "$dir/digits"
holds "the picture shows $digit, and it says so" ".predictions[0].class == \"$digit\"" "$dir/prediction"
holds "most of the pictures that it has never seen are right" ".rows == $unseen and .right >= 0.8 * .rows" "$dir/score"
