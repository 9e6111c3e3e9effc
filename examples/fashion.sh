#!/bin/sh
# Clothes on pictures of 28×28 pixels, from IDX files as they are: a network of dense layers, and a convolutional one of fewer than 100,000
# parameters on pictures that are flipped and shifted as it learns.
# Fashion-MNIST is Debian's package dataset-fashion-mnist. SMALL=1: handwritten digits, written as IDX files here, and few epochs, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

folder=${FASHION:-/usr/share/datasets/fashion-mnist}
dense_epochs=12
epochs=30
warmup=500
# Rows FIRST to LAST of digits.csv as IDX: $1-images, $1-labels. Every field of a header has four bytes, the largest first.
write_idx() {
  sed -n "$(($2 + 1)),$(($3 + 1))p" examples/data/digits.csv >"$dir/rows"
  count=$(wc -l <"$dir/rows")
  bytes() { printf '%b' "$(awk -F, "$1" "$dir/rows")"; }
  { printf '\0\0\010\003\0\0%b%b\0\0\0\010\0\0\0\010' "\\0$(printf %o $((count / 256)))" "\\0$(printf %o $((count % 256)))"
    bytes '{for (i = 1; i <= 64; i++) printf "\\0%o", $i * 15}'; } >"$dir/$1-images"
  { printf '\0\0\010\001\0\0%b%b' "\\0$(printf %o $((count / 256)))" "\\0$(printf %o $((count % 256)))"; bytes '{printf "\\0%o", $65}'; } >"$dir/$1-labels"
}
if [ -n "${SMALL:-}" ]; then
  dense_epochs=4
  epochs=8
  warmup=5
  write_idx train 1 1300
  write_idx t10k 1301 1797
  set -- "$dir/train-images" "$dir/train-labels" "$dir/t10k-images" "$dir/t10k-labels"
else
  [ -d "$folder" ] || fail "no $folder: apt-get install dataset-fashion-mnist, or say in FASHION where the .gz files are"
  set -- "$folder/train-images-idx3-ubyte.gz" "$folder/train-labels-idx1-ubyte.gz" "$folder/t10k-images-idx3-ubyte.gz" "$folder/t10k-labels-idx1-ubyte.gz"
fi
start_server
show 'curl -F images=@train-images… -F labels=@train-labels… -F test_images=@t10k-images… -F test_labels=@t10k-labels… …/v1/datasets?name=fashion'
call -F images=@"$1" -F labels=@"$2" -F test_images=@"$3" -F test_labels=@"$4" "$url/v1/datasets?name=fashion" >"$dir/dataset"
jq -r '"\(.rows) pictures of \(.columns[0].shape | map(tostring) | join(" x ")); \(.columns[2].category_counts[1]) to learn from, \(.columns[2].category_counts[0]) to test on"' "$dir/dataset"

three_seeds dense accuracy <<JSON
{"network": {"layers": [
   {"type": "dense", "units": 256, "activation": "relu"}, {"type": "dense", "units": 128, "activation": "relu"},
   {"type": "dense", "units": 100, "activation": "relu"}, {"type": "dense", "units": "auto", "activation": "auto"}]},
 "dataset": "fashion", "target": "label", "split": {"validation": 0, "column": "part"},
 "epochs": $dense_epochs, "batch_size": 128, "optimizer": {"type": "adamw", "learning_rate": 0.001, "weight_decay": 0.05}, "schedule": "cosine"}
JSON
reaches "accuracy of 256-128-100" "$mean" '>=' 0.885

three_seeds convolutional accuracy <<JSON
{"network": {"layers": [
   {"type": "conv2d", "filters": 24, "kernel_size": 3, "padding": "same", "activation": "relu"}, {"type": "max_pool2d", "pool_size": 2},
   {"type": "conv2d", "filters": 48, "kernel_size": 3, "padding": "same", "activation": "relu"}, {"type": "max_pool2d", "pool_size": 2},
   {"type": "conv2d", "filters": 64, "kernel_size": 3, "padding": "same", "activation": "relu"}, {"type": "max_pool2d", "pool_size": 2},
   {"type": "flatten"}, {"type": "dropout", "rate": 0.25},
   {"type": "dense", "units": 64, "activation": "relu"}, {"type": "dropout", "rate": 0.25}, {"type": "dense", "units": "auto", "activation": "auto"}]},
 "dataset": "fashion", "target": "label", "split": {"validation": 0, "column": "part"},
 "augmentation": {"horizontal_flip": true, "shift": 1},
 "epochs": $epochs, "batch_size": 128, "optimizer": {"type": "adamw", "learning_rate": 0.003, "weight_decay": 0.05},
 "schedule": {"type": "cosine", "warmup_steps": $warmup}}
JSON
call "$url/v1/models/convolutional-1" >"$dir/model"
holds "the convolutional network has fewer than 100,000 parameters" '.parameters < 100000' "$dir/model"
reaches "accuracy of the convolutional network" "$mean" '>=' 0.925
