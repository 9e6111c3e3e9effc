#!/bin/sh
# Clothes on pictures of 28×28 pixels, from IDX files as they are: a network of dense layers, and a convolutional one of fewer than 100,000
# parameters on pictures that are flipped and shifted as it learns.
# Fashion-MNIST is Debian's package dataset-fashion-mnist. SMALL=1: handwritten digits, written as IDX files here, and few epochs, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

dense_epochs=12
epochs=30
warmup=500
if [ -n "${SMALL:-}" ]; then
  dense_epochs=4
  epochs=8
  warmup=5
fi
start_server
show 'curl -F images=@train-images… -F labels=@train-labels… -F test_images=@t10k-images… -F test_labels=@t10k-labels… …/v1/datasets?name=fashion'
upload_fashion
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
