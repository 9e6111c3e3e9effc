#!/bin/sh
# Installs the Debian or Ubuntu packages that are missing. Usage: install-deps.sh build|test|browser|lint|python|fann|torch …
# build: to compile and run the server and the demo. test: also the test suite. lint: also the linters.
set -eu

packages=""
add() { packages="$packages $*"; }
for set in "$@"; do
  case $set in
  build) add build-essential pkg-config libmicrohttpd-dev libjansson-dev libsqlite3-dev nettle-dev libunistring-dev zlib1g-dev libzip-dev \
    libpng-dev libjpeg-dev libdnnl-dev curl jq ;;
  test) add check libsubunit-dev libcurl4-openssl-dev sqlite3 procps zip ;;
  browser)
    add chromium
    # Any Node.js will do, however it was installed.
    command -v npm >/dev/null 2>&1 || add nodejs npm ;;
  lint) add cppcheck clang-format ;;
  python) add python3-venv python3-dev ;; # of the peers in bench/peers
  fann) add libfann-dev ;;
  torch) add python3-torch python3-numpy libopenblas0-pthread ;; # a peer too; alone it multiplies with the reference BLAS
  *) echo "install-deps.sh: unknown set \"$set\"; known: build test browser lint python fann torch" >&2; exit 2 ;;
  esac
done

missing=""
for package in $packages; do
  case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
  "install ok installed") ;;
  *) # Ubuntu's chromium is a snap; any Chromium on PATH will do.
    if [ "$package" = chromium ] && command -v chromium >/dev/null 2>&1; then continue; fi
    missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "missing packages:$missing" >&2
    echo "install them as root: apt-get install$missing" >&2
    exit 1
  fi
  sudo=sudo
fi
echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $sudo apt-get update &&
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "could not install:$missing" >&2
  exit 1
fi
