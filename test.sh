#!/usr/bin/env bash
# Sets up what the tests need and runs every test; ctest's summary comes last.
#
#   ./test.sh [CTEST ARGUMENTS]     e.g. ./test.sh -R unit
#
# build/       gcc, as shipped: unit, golden, operators, end to end, lint
# build-asan/  clang, address and undefined behaviour sanitizers, and fuzzers
# build-tsan/  clang, thread sanitizer
# The sanitizer builds run as tests of the first one (asan.*, tsan.*, fuzz.*).
set -euo pipefail
cd "$(dirname "$0")"
. ./setup.sh

setup_packages test
wanted=$(cat tests/requirements.txt tests/lint/onednn.txt)
if [ "$wanted" != "$(cat .venv/requirements.txt 2>/dev/null)" ]; then
    python3 -m venv --clear .venv
    pip=(.venv/bin/pip install -q --disable-pip-version-check)
    "${pip[@]}" -r tests/requirements.txt
    while read -r headers; do # of oneDNN 3.x; without the library itself
        "${pip[@]}" --no-deps --target ".venv/onednn/$headers" "$headers"
    done <tests/lint/onednn.txt
    echo "$wanted" >.venv/requirements.txt
fi
setup_build build-asan -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang-14 \
    -DSANITIZE=address -DFUZZ=ON
setup_build build-tsan -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang-14 \
    -DSANITIZE=thread
# last: it registers the sanitizer builds that it finds
setup_build build -DCMAKE_BUILD_TYPE=RelWithDebInfo
exec ctest --test-dir build -j2 --output-on-failure "$@"
