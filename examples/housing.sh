#!/bin/sh
# Prices of houses in California's blocks of 1990, by a network with dropout, and a rate that warms up and then falls. Each number is cut into bins: what a
# block's place says of its price has nothing to do with a straight line, and what its rooms and incomes say is skewed.
# HOUSING names the CSV file (20,640 rows: longitude, latitude, …, ocean_proximity, median_house_value; handson-ml's housing.csv).
# SMALL=1, or no such file: a made-up one of that form, as CI runs it.
set -eu
cd "$(dirname "$0")/.."
. examples/common.sh

epochs=30
start_server
if [ -n "${SMALL:-}" ] || [ ! -f "${HOUSING:-}" ]; then
  [ -n "${SMALL:-}" ] || echo "HOUSING names no file: a made-up one it is, and no bar to reach"
  SMALL=1
  epochs=15
  HOUSING=$dir/housing.csv
  jq -rn '["rooms", "income", "coast", "median_house_value"], (range(1200) | (. * 37 % 90 / 10) as $income | (. * 7919 % 41) as $rooms |
    [$rooms, (if . % 50 == 0 then null else $income end), (if . % 3 == 0 then "NEAR BAY" else "INLAND" end),
     40000 * $income + 900 * $rooms + (if . % 3 == 0 then 60000 else 0 end)]) | @csv' >"$HOUSING"
fi
call --data-binary @"$HOUSING" -H 'Content-Type: text/csv' "$url/v1/datasets?name=housing" >"$dir/dataset"
say "$(jq .rows "$dir/dataset") blocks, the test part is 20 % of them"
three_seeds housing rmse <<JSON
{"network": {"layers": [
   {"type": "dense", "units": 256, "activation": "gelu"}, {"type": "dropout", "rate": 0.2},
   {"type": "dense", "units": 128, "activation": "gelu"}, {"type": "dropout", "rate": 0.2},
   {"type": "dense", "units": "auto", "activation": "auto"}]},
 "dataset": "housing", "target": "median_house_value", "split": {"validation": 0, "test": 0.2},
 "number": {"encoding": "piecewise_linear", "bins": 64},
 "epochs": $epochs, "batch_size": 128, "optimizer": {"type": "adamw", "learning_rate": 0.003, "weight_decay": 0.05},
 "schedule": {"type": "cosine", "warmup_steps": 300}}
JSON
reaches "RMSE of housing" "$mean" '<=' 50000
holds "it predicts far better than the mean" '.metrics.test.r2 > 0.7' "$dir/housing-1"
