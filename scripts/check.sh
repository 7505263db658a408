#!/usr/bin/env bash
# Run every check on two finished builds and count.
#   scripts/check.sh RELEASE_BUILD SANITIZER_BUILD
# Unit tests and command-line tests run on the sanitized build, the short
# pipeline on the release build.  The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
release=$PWD/${1#"$PWD/"}
checked=$PWD/${2#"$PWD/"}
export OMP_NUM_THREADS=2
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
passed=0
failed=0
broken=()

title() { printf '\n== %s\n' "$*"; }

unit_tests() {
    title "unit tests (sanitized)"
    local log=$checked/Testing/Temporary/LastTest.log rc=0 good bad programs
    rm -f "$log"
    ctest --test-dir "$checked" -j2 --output-on-failure --no-tests=error | tee "$checked/ctest.log" || rc=$?
    programs=$(sed -nE 's/.* ([0-9]+) tests failed out of .*/\1/p' "$checked/ctest.log")
    good=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) test.*/\1/p' "$log" 2>/dev/null | awk '{ n += $1 } END { print n + 0 }')
    bad=$(sed -nE 's/^\[  FAILED  \] ([0-9]+) test.*, listed below.*/\1/p' "$log" 2>/dev/null | awk '{ n += $1 } END { print n + 0 }')
    # A crash, a leak or a time-out leaves no count: then a program counts as one.
    [ "$bad" -ge "${programs:-0}" ] || bad=$programs
    [ "$rc" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    [ "$rc" -eq 0 ] || broken+=("unit tests")
    passed=$((passed + good))
    failed=$((failed + bad))
}

layers() {
    title "layers, sizes, names"
    if scripts/check-layers.sh; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        broken+=("scripts/check-layers.sh")
    fi
}

# A script says "NAME: N passed, N failed" at its end; one that does not counts as one failure.
script() { # path program
    local output=$checked/script.log rc=0 good bad
    AP=$2 timeout 600 bash "$1" 2>&1 | tee "$output" || rc=$?
    good=$(sed -nE 's/^.*: ([0-9]+) passed, [0-9]+ failed$/\1/p' "$output" | tail -n 1)
    bad=$(sed -nE 's/^.*: [0-9]+ passed, ([0-9]+) failed$/\1/p' "$output" | tail -n 1)
    [ "$rc" -eq 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
    [ "$rc" -eq 0 ] || broken+=("$1")
    passed=$((passed + ${good:-0}))
    failed=$((failed + ${bad:-0}))
}

scripts() { # title folder program
    local path
    for path in "$2"/test_*.sh; do
        [ -f "$path" ] || continue
        title "$1: $(basename "$path")"
        script "$path" "$3"
    done
}

unit_tests
layers
scripts "command line (sanitized)" tests/cli "$checked/apprentice"
scripts "pipeline" tests/pipeline "$release/apprentice"

title "result"
for what in ${broken[@]+"${broken[@]}"}; do
    echo "failed: $what"
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ ${#broken[@]} -eq 0 ]
