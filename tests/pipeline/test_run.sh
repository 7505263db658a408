# test_run.sh - the whole pipeline on the bundled models, short: it ends in a report, a killed run
# continues to the same result as an uninterrupted one, and the same seed gives the same bits.
. "$(dirname "$0")/../cli/lib.sh"

cat >"$TMP/short.yaml" <<'Y'
name: short
seed: 5
tasks: [fol-entailment, math-word]
teacher: {model: models/teacher, samples: 1, temperatures: [0.7]}
student: {model: models/student, samples: 3, temperatures: [0.7, 1.0]}
collect: {problems: 16, augment: 0.25, in_flight: 32}
pairs: {per_problem: 2, total: 40}
train: {steps: 6, batch: 8, lr: 0.002, blame: step}
evaluate: {problems: 12, samples: 2, temperature: 0.7}
Y

# A run's chains without what depends on the clock, and its adapters.
fingerprint() { # folder
    "$AP" pairs "$1" --export "$TMP/pairs.jsonl" --export-chains "$TMP/chains.jsonl" 2>/dev/null
    cat "$TMP/pairs.jsonl" "$TMP/chains.jsonl" "$1/dpo/adapter_model.safetensors" \
        "$1/control/adapter_model.safetensors" | sha256sum
}

expect_ok "runs a recipe" "$AP" run "$TMP/short.yaml" --out "$TMP/a"
expect_out_is "$TMP/a/report.html"
expect_true "writes the report" grep -q "</html>" "$TMP/a/report.html"
expect_true "the report names both tasks" grep -q "math-word" "$TMP/a/report.html"
expect_true "the report refers to nothing outside" sh -c "! grep -qE 'src=|href=\"http' '$TMP/a/report.html'"
expect_true "writes an adapter that PEFT reads" test -s "$TMP/a/dpo/adapter_config.json"
for key in '"fol-entailment"' '"math-word"' '"before"' '"after"' '"control"' '"teacher"' '"wilcoxon"' '"mcnemar"' \
    '"pairs"' '"tree"' '"flat"' '"seconds"' '"seed"'; do
    expect_true "the summary has $key" grep -q -- "$key" "$TMP/a/summary.json"
done
first=$(fingerprint "$TMP/a")

expect_ok "does nothing twice" "$AP" run "$TMP/short.yaml" --out "$TMP/a"
expect_true "a finished run stays as it is" test "$(fingerprint "$TMP/a")" = "$first"
expect_ok "repeats with the same seed" "$AP" run "$TMP/short.yaml" --out "$TMP/b"
expect_true "the same seed gives the same chains, pairs and adapters" test "$(fingerprint "$TMP/b")" = "$first"

# Killed again and again, each time a little later, until it is through.
rc=1
for try in $(seq 1 60); do
    { timeout -s KILL "$((try / 4)).$((try % 4 * 25 + 10))" "$AP" run "$TMP/short.yaml" --out "$TMP/c"; } >"$TMP/killed" 2>&1
    [ $? -eq 0 ] && rc=0 && break
done 2>/dev/null
expect_true "a run was killed on its way" test "$try" -gt 2
expect_true "a run that was killed $((try - 1)) times ends" test $rc -eq 0
expect_true "and gives the same as an uninterrupted one" test "$(fingerprint "$TMP/c")" = "$first"

expect_fail 1 "refuses another recipe in the same folder" "$AP" run recipes/demo.yaml --out "$TMP/a"
expect_err "another recipe"
expect_fail 1 "refuses another seed in the same folder" "$AP" run "$TMP/short.yaml" --out "$TMP/a" --seed 6
expect_err "another seed"

expect_ok "evaluates the trained student alone" "$AP" eval --task math-word --model models/student \
    --adapter "$TMP/a/dpo" --count 10 --json
expect_true "the last line counts" sh -c "tail -n 1 '$TMP/out' | grep -q '^{\"problems\": 10, \"greedy_correct\": '"
expect_ok "merges the adapter into the student" "$AP" export "$TMP/a" --out "$TMP/merged" --verify
expect_out "of the trained model in F32; on 8 chains of the run"

# A second round goes on from the first one's adapter, held to the base or to that adapter.
for reference in base adapter; do
    sed -e "s|model: models/student,|model: models/student, adapter: $TMP/a/dpo,|" \
        -e "s|steps: 6, batch: 8,|steps: 2, batch: 4, loss: hinge, nll_weight: 0, reference: $reference,|" \
        -e "s|problems: 16|problems: 6|; s|seed: 5|seed: 6\ncontrol: false|" \
        -e "s|problems: 12, samples: 2|problems: 2, samples: 0|" "$TMP/short.yaml" >"$TMP/$reference.yaml"
    expect_ok "a second round is held to the $reference" "$AP" run "$TMP/$reference.yaml" --out "$TMP/$reference"
done
expect_true "which is not the same" sh -c "! cmp -s '$TMP/base/dpo/adapter_model.safetensors' \
    '$TMP/adapter/dpo/adapter_model.safetensors'"
expect_ok "compares two evaluations of a run" "$AP" compare "$TMP/a:before" "$TMP/a:after"

finish
