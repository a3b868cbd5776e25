#!/usr/bin/env bash
# Every C file of ours is as clang-format leaves it; .def tables are not C files.
set -euo pipefail
git ls-files '*.c' '*.h' ':!gen' | xargs clang-format-14 --dry-run -Werror
echo "format: clean"
