#!/usr/bin/env bash
# A minute of one fuzzer. It starts from a copy of the seeds, because libFuzzer
# adds what it finds to their folder. Large seeds would make all inputs large.
#
#   tests/fuzz/run.sh PROGRAM [SEED...]
#
# What fails is left beside the program as crash-*, timeout-* or oom-*.
set -euo pipefail
program=$1
shift
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
number=0
for seed in "$@"; do
    number=$((number + 1))
    if [ "$(stat -c %s "$seed")" -le 16384 ]; then
        cp "$seed" "$corpus/seed-$number"
    fi
done
"$program" "$corpus" -max_total_time=60 -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$(dirname "$program")/"
