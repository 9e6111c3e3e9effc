#!/bin/sh
# Gets the peers that this machine can have: PyTorch and scikit-learn from pip into BUILD/peers/venv, FANN and the distribution's own
# PyTorch from apt. Run by run.sh only.
# Writes BUILD/peers/missing: "PEER<tab>REASON" for each that could not be had. Usage: install.sh BUILD
#
# pip takes the newest release of its index. If that has builds for the CPU alone (name it in PIP_EXTRA_INDEX_URL), those are taken; else
# the usual ones, which bring GPU libraries of some GB along: nothing here uses them, and their CPU kernels are the same.
set -eu
peers=$1/peers
venv=$peers/venv
mkdir -p "$peers"
: >"$peers/missing"
log=$peers/install.log
: >"$log"

missing() { # peer, reason
  why=$(grep -iE 'error|no matching|unable|could not|missing' "$log" | tail -n 1 | cut -c 1-120)
  printf '%s\t%s%s\n' "$1" "$2" "${why:+: $why}" >>"$peers/missing"
}
install() { # peer, package
  "$venv/bin/python" -m pip show -q "$2" >/dev/null 2>&1 && return
  echo "installing $2 into $venv"
  "$venv/bin/python" -m pip install --disable-pip-version-check --no-cache-dir --only-binary :all: "$2" >>"$log" 2>&1 ||
    missing "$1" "pip could not install $2"
}

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  # Debian keeps venv, and the headers that torch.compile builds with, in packages of their own.
  python3 -c 'import ensurepip, os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' 2>/dev/null ||
    sh tests/tools/install-deps.sh build python >>"$log" 2>&1 || true
  rm -rf "$venv"
  python3 -m venv "$venv" >>"$log" 2>&1 || true
fi
if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  install PyTorch torch
  install scikit-learn scikit-learn
else
  missing PyTorch "no Python with venv and pip"
  missing scikit-learn "no Python with venv and pip"
fi
sh tests/tools/install-deps.sh fann >>"$log" 2>&1 || missing FANN "apt could not install libfann-dev"
# Debian's PyTorch is made for the system's Python; whatever torch that can import will do.
has_debian_torch() { /usr/bin/python3 -c 'import numpy, torch' >/dev/null 2>&1; }
has_debian_torch || echo "installing python3-torch by apt: some 150 MB with what it needs"
sh tests/tools/install-deps.sh torch >>"$log" 2>&1 || has_debian_torch ||
  missing "PyTorch of Debian" "apt could not install python3-torch"
