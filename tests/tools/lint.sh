#!/bin/sh
# Static analysis (cppcheck) and layout (clang-format): no findings allowed.
set -eu
cd "$(dirname "$0")/../.."
sh tests/tools/install-deps.sh lint
sources=$(git ls-files '*.c' '*.h')
echo "clang-format: $(echo "$sources" | wc -l) files"
clang-format --dry-run -Werror $sources
echo "cppcheck"
cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j "$(nproc)" \
  --suppressions-list=tests/tools/cppcheck.suppressions -I . -D_GNU_SOURCE -DBACKPROPD_VERSION='""' engine server
echo "lint: clean"
