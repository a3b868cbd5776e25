#!/bin/sh
# npm_ci.sh FOLDER: installs what the folder's package-lock.json pins, unless it is there
set -e
cd "$1"
[ node_modules/.package-lock.json -nt package-lock.json ] ||
    npm ci --silent --no-audit --no-fund
