#!/usr/bin/env bash
# From nothing to a served model: installs what is missing, builds, starts the
# registry and the bundled model, prints how to call it. Ctrl-C drains and
# stops both. A second run installs and builds nothing that is current.
#
#   ./run.sh [BUNDLE...]      default: models/solubility
#
# SPECSERVE_REGISTRY_PORT (5000) and SPECSERVE_BUILD (build) may be set.
set -euo pipefail
cd "$(dirname "$0")"
. ./setup.sh

registry_port=${SPECSERVE_REGISTRY_PORT:-5000}
build=${SPECSERVE_BUILD:-build}
[ $# -gt 0 ] || set -- models/solubility

setup_packages run
SETUP_TARGETS=(--target specserve specserve-registry)
setup_build "$build" # optimised, unless the folder is configured otherwise

state=$(mktemp -d)
registry=
server=
stop() {
    trap '' INT TERM
    local status=0
    # the server first: it drains and gives its port back to the registry
    [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null || true; wait "$server" || status=$?; }
    [ -z "$registry" ] || { kill -TERM "$registry" 2>/dev/null || true; wait "$registry" || status=$?; }
    rm -rf "$state"
    exit "$status"
}

# Children get no Ctrl-C of their own (setsid), so the order of ending is ours.
setsid "$build/bin/specserve-registry" --port "$registry_port" \
    --store "sqlite:$state/registry.db" &
registry=$!
trap stop INT TERM
for _ in $(seq 100); do
    curl -fs "http://127.0.0.1:$registry_port/health" >/dev/null && break
    kill -0 "$registry" 2>/dev/null || { wait "$registry"; exit $?; }
    sleep 0.05
done

setsid "$build/bin/specserve" serve "$@" --show-examples \
    --registry "http://127.0.0.1:$registry_port" --registry-mode required &
server=$!
# wait returns early when a trap runs; the trap ends the script itself
wait "$server" || status=$?
server=
kill -TERM "$registry" 2>/dev/null || true
wait "$registry" || true
rm -rf "$state"
exit "${status:-0}"
