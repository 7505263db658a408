#!/bin/bash
# test_compare.sh - `apprentice compare` on result files and on things that are none.
. "$(dirname "$0")/lib.sh"

# 20 problems; A has the first 6 right, B all but the first 2; 4 samples each
make_results() { # name first last-right
    printf '{"task": "math", "model": "%s", "name": "%s", "problems": [' "$1" "$1"
    for i in $(seq 1 20); do
        [ "$i" -gt 1 ] && printf ','
        if [ "$i" -ge "$2" ] && [ "$i" -le "$3" ]; then right=true rate=3; else right=false rate=1; fi
        printf '{"id": "p%d", "hash": "%016x", "template": "t%d", "greedy": %s, "successes": %d, "samples": 4}' \
            "$i" "$i" $((i % 2)) $right $rate
    done
    printf ']}\n'
}
make_results weak 1 6 >"$TMP/a.json"
make_results strong 3 20 >"$TMP/b.json"

expect_ok "compares two files" "$AP" compare "$TMP/a.json" "$TMP/b.json"
expect_out "math: 20 problems in both"
expect_out "greedy 6 of 20, 30.0 %"
expect_out "greedy 18 of 20, 90.0 %"
expect_out "14 gained, 2 lost; McNemar (exact) p = 0.00418"
expect_out "B - A = +30.0 points"
expect_out "exact, 4 zeros dropped, 16 in ties"
expect_out "t0              10     3     9       7     1"

expect_ok "prints an object with --json" "$AP" compare "$TMP/a.json" "$TMP/b.json" --json
expect_out '"gained":14'
expect_out '"p_holm"'

expect_fail 1 "names a missing file" "$AP" compare "$TMP/none.json" "$TMP/b.json"
expect_err "none.json"
echo '{"task": "math", "problems": [{"id": 1}]}' >"$TMP/broken.json"
expect_fail 1 "names the broken problem" "$AP" compare "$TMP/a.json" "$TMP/broken.json"
expect_err "broken.json: problem 1"
expect_fail 1 "asks which evaluation of a folder" "$AP" compare "$TMP" "$TMP/b.json"
expect_err ":after"
expect_fail 1 "names a folder without a run" "$AP" compare "$TMP:before" "$TMP/b.json"
expect_err "no run here"
expect_fail 2 "needs two evaluations" "$AP" compare "$TMP/a.json"
finish
