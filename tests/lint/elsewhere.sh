#!/usr/bin/env bash
# Compiles, without linking, what this machine does not run:
#
#   tests/lint/elsewhere.sh onednn3   engine/onednn/ against the headers of each
#                                     oneDNN 3.x that onednn.txt pins
#   tests/lint/elsewhere.sh arm64     the engine for arm64
#
# Exit code 77: the headers are not there; test.sh installs them.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Each line of standard input, a file and its flags, is compiled as $@ says.
compile_all() {
    xargs -P 2 -L 1 "$@" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -c \
        -o /dev/null -Iengine -Iengine/base -Igen/c
}

onednn3() {
    local version headers
    while read -r version; do
        headers=.venv/onednn/$version/include
        [ -e "$headers/dnnl.h" ] || exit 77
        printf '#include <dnnl.h>\n#if DNNL_VERSION_MAJOR < 3\n#error\n#endif\n' |
            gcc -fsyntax-only -isystem "$headers" -x c -
        git ls-files 'engine/onednn/*.c' |
            compile_all gcc -Wpedantic -Wconversion -Wno-sign-conversion \
                -isystem "$headers"
        echo "elsewhere: engine/onednn compiles against $version"
    done <tests/lint/onednn.txt
}

# Kernels are compiled once for each instruction set; here there is one.
arm64() {
    local cross=/usr/aarch64-linux-gnu/include
    [ -e "$cross/stdio.h" ] || exit 77
    git ls-files 'engine/*.c' gen/c/onnx.pb-c.c ':!engine/example/*' |
        sed -E '/kernel\/kernel\.c$/!s,^engine/kernel/.*,& -DKERNEL_ISA=generic,' |
        compile_all clang-14 --target=aarch64-linux-gnu -isystem "$cross" \
            -idirafter /usr/include -Iengine/text -O1 -Wno-unused-parameter
    echo "elsewhere: the engine compiles for arm64"
}

case ${1-} in
onednn3 | arm64) "$1" ;;
*) echo "usage: elsewhere.sh onednn3|arm64" >&2; exit 2 ;;
esac
