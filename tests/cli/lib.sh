# lib.sh - what the command-line tests share.  A test is a script
#
#     . "$(dirname "$0")/../cli/lib.sh"
#     expect_ok   "prints its version"        "$AP" --version
#     expect_out  "apprentice 0."
#     expect_fail 2 "rejects a wrong command" "$AP" colect
#     expect_err  "did you mean"
#     finish
#
# The program under test is $AP.  expect_ok and expect_fail run a command and
# keep its output; expect_out and expect_err look into the last one's.  $TMP is
# a fresh folder, removed at the end.  Scripts run in the repository's root.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
: "${AP:=build/apprentice}"
AP=$(realpath -m "$AP")
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
passed=0
failed=0
last=""

pass() { passed=$((passed + 1)); }

fail() { # what
    failed=$((failed + 1))
    echo "FAILED: $1"
    echo "  command: ${command_line:-}"
    sed 's/^/  stdout: /' "$TMP/out" | head -n 20
    sed 's/^/  stderr: /' "$TMP/err" | head -n 20
}

run() { # command... ; sets rc
    command_line=$*
    rc=0
    "$@" >"$TMP/out" 2>"$TMP/err" </dev/null || rc=$?
}

expect_ok() { # name command...
    last=$1
    shift
    run "$@"
    if [ $rc -eq 0 ]; then pass; else fail "$last (exit code $rc, expected 0)"; fi
}

expect_fail() { # exit-code name command...
    local code=$1
    last=$2
    shift 2
    run "$@"
    if [ $rc -eq "$code" ]; then pass; else fail "$last (exit code $rc, expected $code)"; fi
}

expect_in() { # file text
    if grep -qF -- "$2" "$1"; then pass; else fail "$last: expected \"$2\" on std$(basename "$1")"; fi
}
expect_out() { expect_in "$TMP/out" "$1"; }
expect_err() { expect_in "$TMP/err" "$1"; }

expect_out_is() { # whole standard output, without the last newline
    if [ "$(cat "$TMP/out")" = "$1" ]; then pass; else fail "$last: expected exactly \"$1\" on stdout"; fi
}

expect_empty() { # out | err
    if [ ! -s "$TMP/$1" ]; then pass; else fail "$last: expected nothing on std$1"; fi
}

expect_true() { # name command... : a condition, output not kept
    last=$1
    shift
    command_line=$*
    if "$@" >/dev/null 2>&1; then pass; else fail "$last"; fi
}

finish() {
    echo "$(basename "$0"): $passed passed, $failed failed"
    [ $failed -eq 0 ]
    exit
}
