# Shared by run.sh, test.sh and docker/Dockerfile: sourced, not run.
#
#   setup_packages run|test   installs what packages.txt names and is missing
#   setup_build DIR [ARGS]    configures and builds what is not current

setup_root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

setup_packages() {
    local wanted missing sudo=
    wanted=$(awk -v all="$1" '$1 == "run" || ($1 == "test" && all == "test") { print $2 }' \
        "$setup_root/packages.txt")
    # A package may be there under another name that provides it: other makers'
    # nodejs holds npm.
    # shellcheck disable=SC2016  # fields of dpkg
    missing=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' |
        awk -v wanted="$wanted" '
            $1 == "installed" {
                gsub(/\([^)]*\)|,/, "")
                for (i = 2; i <= NF; i++) have[$i] = 1
            }
            END { n = split(wanted, name, /[ \n]+/)
                  for (i = 1; i <= n; i++) if (name[i] != "" && !have[name[i]]) print name[i] }')
    [ -z "$missing" ] && return 0
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    echo "installing:" $missing >&2
    $sudo apt-get update -q >&2
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $missing >&2
}

setup_build() {
    local dir=$1 log
    shift
    log=$(mktemp)
    # Configuring again takes a second and sees packages that came meanwhile.
    cmake -S "$setup_root" -B "$dir" -G Ninja "$@" >"$log" 2>&1 ||
        { cat "$log" >&2; rm -f "$log"; return 1; }
    rm -f "$log"
    cmake --build "$dir" "${SETUP_TARGETS[@]}" >&2
}
