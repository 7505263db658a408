#!/bin/bash
# test_prove.sh - `apprentice prove`: single questions and files in FOLIO's format.
. "$(dirname "$0")/../cli/lib.sh"

cat_rule='forall x. (Cat(x) -> Animal(x))'
expect_ok "proves" "$AP" prove --premise "$cat_rule" --premise 'Cat(tom)' --goal 'Animal(tom)'
expect_out_is "True"
expect_ok "refutes" "$AP" prove --premise "$cat_rule" --premise '¬Animal(tom)' --goal 'Cat(tom)'
expect_out_is "False"
expect_ok "says when nothing follows" "$AP" prove --premise "$cat_rule" --goal 'Animal(tom)' --countermodel
expect_out_is "Unknown
nothing is true"
expect_ok "reports contradicting premises" "$AP" prove --premise 'A & ~A' --goal 'B'
expect_out_is "True"
expect_err "contradict each other"

expect_fail 1 "shows where a formula is wrong" "$AP" prove --premise "$cat_rule" --premise 'Cat(tom' --goal 'Animal(tom)'
expect_err "--premise 2"
expect_err "column 8"
expect_fail 1 "checks arities" "$AP" prove --premise 'Cat(tom)' --goal 'Cat(tom, bob)'
expect_err "had 1 before"
expect_fail 2 "needs a goal" "$AP" prove --premise 'Cat(tom)'
expect_fail 2 "takes a goal or a file" "$AP" prove --goal 'A' --jsonl x.jsonl
expect_fail 1 "names a missing file" "$AP" prove --jsonl "$TMP/none.jsonl"
expect_err "none.jsonl"

cat >"$TMP/a.jsonl" <<'EOF'
{"id": "one", "premises-FOL": ["∀x (Cat(x) → Animal(x)))", "Cat(tom)"], "conclusion-FOL": "Animal(tom)", "label": "True"}
{"premises-FOL": ["∀x (Cat(x) → Animal(x))"], "conclusion-FOL": "Animal(tom)", "label": "Uncertain"}
{"premises-FOL": ["Cat(tom)"], "conclusion-FOL": "¬Cat(tom)", "label": "True"}
{"premises-FOL": ["Cat(tom) ∧"], "conclusion-FOL": "¬Cat(tom)", "label": "True"}
EOF
expect_ok "reads a file" "$AP" prove --jsonl "$TMP/a.jsonl"
expect_out "one: True, label True"
expect_out "premise 1: surplus \`)\` dropped"
expect_out ":3: False, label True, differs"
expect_out ":4: unreadable, label True"
expect_out "4 records, 3 parsed, 1 repaired, 2 agree with the label (50.0 %)"
expect_ok "prints JSON" "$AP" prove --jsonl "$TMP/a.jsonl" --json
tail -n 1 "$TMP/out" >"$TMP/last" && mv "$TMP/last" "$TMP/out"
expect_out_is '{"records": 4, "parsed": 3, "repaired": 1, "agree": 2}'

echo '{"premises-FOL": 3}' >"$TMP/b.jsonl"
expect_fail 1 "names the line of a wrong record" "$AP" prove --jsonl "$TMP/b.jsonl"
expect_err "b.jsonl:1"
echo '{"premises-FOL": ["A"' >"$TMP/c.jsonl"
expect_fail 1 "names the line of broken JSON" "$AP" prove --jsonl "$TMP/c.jsonl"
expect_err "c.jsonl:1"

data=../shared/data
if [ -d "$data" ]; then
    for want in 'folio/folio-validation {"records": 126, "parsed": 126, "repaired": 10, "agree": 118}' \
        'derived/prontoqa-dev-fol {"records": 285, "parsed": 285, "repaired": 0, "agree": 285}' \
        'derived/proofwriter-dev-fol {"records": 499, "parsed": 499, "repaired": 0, "agree": 489}'; do
        expect_ok "decides ${want%% *}" "$AP" prove --jsonl "$data/${want%% *}.jsonl" --json
        tail -n 1 "$TMP/out" >"$TMP/last" && mv "$TMP/last" "$TMP/out"
        expect_out_is "${want#* }"
    done
else
    echo "skipped: $data is not here"
fi
finish
