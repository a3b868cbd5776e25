#!/usr/bin/env bash
# clang-tidy over every source of ours, with the compile commands of BUILD.
#
#   tests/lint/tidy.sh BUILD [FILE...]
set -euo pipefail
build=$1
shift
if [ $# -eq 0 ]; then
    mapfile -t files < <(git ls-files 'engine/*.c' 'server/*.c' 'registry/*.c' \
        'codegen/*.c' 'clients/c/*.c' ':!engine/example/*')
else
    files=("$@")
fi
printf '%s\n' "${files[@]}" |
    xargs -P 2 -n 8 clang-tidy-14 -p "$build" --quiet 2> >(grep -v 'warnings generated' >&2)
echo "tidy: ${#files[@]} files clean"
