#!/bin/sh
# make bench: says what machine this is, then measures training and serving. Usage: bench/run.sh BUILD
set -eu
build=${1:-build}
echo "cpu: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores; $(${CC:-cc} --version | head -n 1)"
echo
BACKPROPD="$build/backpropd" "$build/bench/train"
echo
BACKPROPD="$build/backpropd" "$build/bench/serve"
echo
BACKPROPD="$build/backpropd" "$build/bench/import"
echo
# The peers' Python: that which make bench-peers has made, or another's by BENCH_PYTHON.
[ -n "${BENCH_PYTHON:-}" ] || [ ! -x "$build/peers/venv/bin/python" ] || BENCH_PYTHON=$build/peers/venv/bin/python
[ -z "${BENCH_PYTHON:-}" ] || export BENCH_PYTHON
OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 BACKPROPD="$build/backpropd" "$build/bench/fashion"
