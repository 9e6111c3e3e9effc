#!/bin/sh
# Networks that give back what they take, through fewer numbers than that: pictures of clothes through 2, 8 and 32, noisy ones clean, and penguins, of
# which one that doesn't fit stands out.
# Fashion-MNIST is Debian's package dataset-fashion-mnist. SMALL=1: handwritten digits, written as IDX files here, and few epochs, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

epochs=6
[ -z "${SMALL:-}" ] || epochs=25
start_server
upload_fashion

say "Pictures through a bottleneck"
# coder NAME UNITS NOISE: trains it and tells how near the test part comes out
coder() {
  jq -n --argjson units "$2" --argjson noise "$3" --argjson epochs "$epochs" '{
    network: {layers: [{type: "dense", units: 256, activation: "relu"}, {type: "dense", units: $units, name: "code"},
                       {type: "dense", units: 256, activation: "relu"}, {type: "dense", units: "auto", activation: "sigmoid"}]},
    dataset: "fashion", task: "reconstruction", augmentation: {noise: $noise}, epochs: $epochs, batch_size: 128, seed: 1,
    optimizer: {type: "adam", learning_rate: 0.002}, schedule: "cosine"}' | submit "$1"
  finish "$1"
  [ "$(jq -r .state "$dir/$1")" = succeeded ] || fail "job $1: $(jq -c .error "$dir/$1")"
  jq -r --arg units "$2" '.metrics.test | "\($units) numbers: rmse \(.rmse * 10 | round / 10) of 0 … 255, r2 \(.r2 * 1000 | round / 1000)"' "$dir/$1"
}
coder two 2 0
coder eight 8 0
coder thirty-two 32 0
jq -s 'map(.metrics.test.r2)' "$dir/two" "$dir/eight" "$dir/thirty-two" >"$dir/r2"
holds "two numbers tell something of a picture" '.[0] > 0.1' "$dir/r2"
holds "more numbers tell more" '.[0] < .[1] and .[1] < .[2]' "$dir/r2"

say "A picture back"
call "$url/v1/datasets/fashion/rows/0/image" >"$dir/shirt.png"
show "curl --data-binary @shirt.png -H 'Content-Type: image/png' -H 'Accept: image/png' -o back.png …/v1/models/thirty-two/predict"
call --data-binary @"$dir/shirt.png" -H 'Content-Type: image/png' -H 'Accept: image/png' "$url/v1/models/thirty-two/predict" >"$dir/back.png"
[ "$(head -c 4 "$dir/back.png" | tail -c 3)" = PNG ] || fail "what came back is no PNG"
echo "✓ what comes back is a PNG of $(wc -c <"$dir/back.png") bytes"

say "Noisy pictures, clean"
coder cleaner 64 0.4
# Pictures of the test part, which comes last; noise of deviation 100 on them, kept to whole numbers of 0 … 255.
rows=$(jq .rows "$dir/dataset")
call "$url/v1/datasets/fashion/rows?offset=$((rows - 40))&limit=40" | jq -c '[.rows[][0] | flatten]' >"$dir/clean"
jq -r '.[] | map(tostring) | join(" ")' "$dir/clean" | awk 'BEGIN { srand(1) } {
  printf "%s[", (NR > 1 ? ",\n" : "[")
  for (i = 1; i <= NF; i++) {
    v = int($i + 100 * sqrt(-2 * log(1 - rand())) * cos(6.283185307 * rand()) + 0.5)
    printf "%s%d", (i > 1 ? "," : ""), (v < 0 ? 0 : v > 255 ? 255 : v)
  }
  printf "]" } END { print "]" }' >"$dir/noisy"
jq '{rows: map({image: .})}' "$dir/noisy" >"$dir/body"
post "$dir/body" "$url/v1/models/cleaner/predict" | jq -c '[.predictions[].values.image | flatten]' >"$dir/cleaned"
jq -s 'def distance($a; $b): [$a, $b] | map(flatten) | transpose | map(pow(.[0] - .[1]; 2)) | add / length | sqrt;
  {noisy: distance(.[0]; .[1]), cleaned: distance(.[0]; .[2])}' "$dir/clean" "$dir/noisy" "$dir/cleaned" >"$dir/distances"
jq -r '"from the clean picture: the noisy one \(.noisy * 10 | round / 10), what comes back \(.cleaned * 10 | round / 10)"' "$dir/distances"
holds "what comes back of a noisy picture is nearer to the clean one" '.cleaned < 0.75 * .noisy' "$dir/distances"

say "Penguins, numbers and categories: one that doesn't fit"
upload penguins
jq -n '{network: {layers: [{type: "dense", units: 16, activation: "tanh"}, {type: "dense", units: 4, name: "code"},
                           {type: "dense", units: 16, activation: "tanh"}, {type: "dense", units: "auto", activation: "auto"}]},
        dataset: "penguins", task: "reconstruction", features: ["species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex"],
        epochs: 300, seed: 1, optimizer: {type: "adam", learning_rate: 0.01}, schedule: "cosine"}' | submit penguins
finish penguins
jq -r '.metrics.test | "test part: r2 of the numbers \(.r2 * 1000 | round / 1000), accuracy of the categories \(.accuracy * 1000 | round / 1000)"' "$dir/penguins"
holds "most categories come back" '.metrics.test.accuracy > 0.85' "$dir/penguins"
call --data-binary @examples/data/penguins.csv -H 'Content-Type: text/csv' "$url/v1/models/penguins/predict" | awk -F, 'NR > 1 { print $NF }' | sort -g >"$dir/errors"
cat >"$dir/body" <<'JSON'
{"rows": [{"species": "Gentoo", "island": "Torgersen", "bill_length_mm": 39, "bill_depth_mm": 21, "flipper_length_mm": 190, "body_mass_g": 6000, "sex": "female"}]}
JSON
show "a heavy, short-winged Gentoo with an Adelie's bill, from Torgersen"
post "$dir/body" "$url/v1/models/penguins/predict" >"$dir/odd"
jq -c '.predictions[0] | {values: (.values | with_entries(.value |= if type == "number" then (. * 10 | round / 10) else . end)), reconstruction_error: (.reconstruction_error * 1000 | round / 1000)}' "$dir/odd"
jq -s '{odd: .[0].predictions[0].reconstruction_error, largest: (.[1:] | max), median: (.[1:] | sort | .[length / 2 | floor])}' "$dir/odd" "$dir/errors" >"$dir/compared"
jq -r '"its error \(.odd * 1000 | round / 1000); of the penguins of the dataset half are below \(.median * 1000 | round / 1000), all up to \(.largest * 1000 | round / 1000)"' "$dir/compared"
holds "it is farther off than any of the dataset" '.odd > .largest' "$dir/compared"
