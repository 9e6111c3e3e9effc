#!/bin/sh
# make bench-peers: gets the peers, says what machine this is, and plays the matches on one core. Usage: bench/peers/run.sh BUILD [KEY]
set -eu
build=${1:-build}
only=${2:-}
peers=$build/peers
sh bench/peers/install.sh "$build"

# One core for ours and all peers, who take turns: the last that we may run on, which other programs use least.
core=$(taskset -cp $$ | sed 's/.*[:,-] *//')
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TORCHINDUCTOR_COMPILE_THREADS=1
export TORCHINDUCTOR_CACHE_DIR="$PWD/$peers/inductor" PYTHONPATH=bench/peers
# Some machines hold OpenBLAS back to kernels for older CPUs; a peer plays with its best.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE 2>/dev/null || true

list=$peers/peers
: >"$list"
add() { # the peer that must not be missing, its name in the tables, precision, command
  reason=$(sed -n "s/^$1	//p" "$peers/missing" | head -n 1)
  if [ -n "$reason" ]; then printf '%s\tmissing\t%s\n' "$2" "$reason" >>"$list"; else printf '%s\t%s\t%s\n' "$2" "$3" "$4" >>"$list"; fi
}
python=$peers/venv/bin/python
add PyTorch "PyTorch" float32 "$python bench/peers/torch_peer.py eager float32"
add PyTorch "PyTorch compiled" float32 "$python bench/peers/torch_peer.py compile float32"
add PyTorch "PyTorch autocast" bfloat16 "$python bench/peers/torch_peer.py eager bfloat16"
add PyTorch "PyTorch autocast compiled" bfloat16 "$python bench/peers/torch_peer.py compile bfloat16"
add "PyTorch of Debian" "PyTorch of Debian" float32 "/usr/bin/python3 bench/peers/torch_peer.py eager float32"
add "PyTorch of Debian" "PyTorch of Debian autocast" bfloat16 "/usr/bin/python3 bench/peers/torch_peer.py eager bfloat16"
add scikit-learn "scikit-learn" float32 "$python bench/peers/sklearn_peer.py"
if ! grep -q '^FANN' "$peers/missing"; then ${MAKE:-make} -s BUILD="$build" "$build/bench/peers/fann_peer"; fi
add FANN "FANN" float32 "$build/bench/peers/fann_peer $(pkg-config --modversion fann 2>/dev/null || true)"

echo "cpu: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), family $(sed -n 's/^cpu family.*: //p' /proc/cpuinfo | head -n 1)," \
  "model $(sed -n 's/^model\t*: //p' /proc/cpuinfo | head -n 1)," \
  "of" $(grep -m 1 '^flags' /proc/cpuinfo | tr ' ' '\n' | grep -E '^(avx2|avx512f|avx512_bf16|amx_tile|amx_bf16)$' | tr '\n' ' ')
echo "all on core $core by taskset, by turns; load of the $(nproc --all) cores before: $(cut -d ' ' -f 1-3 /proc/loadavg); $(${CC:-cc} --version | head -n 1)"
taskset -c "$core" "$build/bench/peers/duel" "$peers" "$list" $only
echo
echo "load after: $(cut -d ' ' -f 1-3 /proc/loadavg)"
