#!/usr/bin/env bash
# Install the Debian packages that Apprentice is built with.  Says what and why,
# does nothing when all are there, works as root or with sudo.
#   scripts/install-deps.sh           install what is missing
#   scripts/install-deps.sh --list    only print the list
set -euo pipefail

packages() {
    cat <<'LIST'
gcc                     the C compiler, with OpenMP and the sanitizers
libc6-dev               headers of the C library
cmake                   configures the build, runs the tests
pkg-config              finds the libraries below
libopenblas-openmp-dev  matrix products, on OpenMP's own threads
libz3-dev               the prover behind the fol functions
libgmp-dev              exact rational numbers
libsqlite3-dev          the store of a run
libjansson-dev          JSON
libyaml-dev             YAML: recipes and tasks
libpcre2-dev            regular expressions of tokenizers
libcurl4-openssl-dev    HTTP: MCP servers and teachers behind an address
libutf8proc-dev         Unicode classes and normal forms
uthash-dev              hash tables
libcmocka-dev           unit tests
LIST
}

say() { echo "install-deps: $*" >&2; }

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if [ "${1:-}" = --list ]; then
    packages
    exit 0
fi
if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian system; going on without looking. Needed are, by their Debian names:"
    packages >&2
    exit 0
fi

missing=()
while read -r name why; do
    if ! is_installed "$name"; then
        [ ${#missing[@]} -gt 0 ] || say "missing packages:"
        printf '  %-24s%s\n' "$name" "$why" >&2
        missing+=("$name")
    fi
done < <(packages)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=(env DEBIAN_FRONTEND=noninteractive)
elif command -v sudo >/dev/null; then
    say "installing them needs administrator rights: using sudo"
    as_root=(sudo env DEBIAN_FRONTEND=noninteractive)
else
    say "neither root nor sudo is at hand. Ask an administrator for:"
    echo "  apt-get install ${missing[*]}" >&2
    exit 1
fi

apt() { "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 "$@" >&2; }
install_missing() { apt install -y --no-install-recommends "${missing[@]}"; }

# Lists that know all the packages need no update, unless they turn out to be stale.
known=$(apt-cache policy "${missing[@]}" 2>/dev/null | grep -c 'Candidate: [^(]' || true)
if [ "$known" -eq ${#missing[@]} ] && install_missing; then
    exit 0
fi
say "updating the package lists"
apt update || say "the lists could not be updated; trying with those at hand"
if ! install_missing; then
    say "apt-get could not install: ${missing[*]}"
    exit 1
fi
