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
