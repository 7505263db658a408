#!/bin/bash
# test_problems.sh - `apprentice problems`: generated and imported problems, and what goes wrong.
. "$(dirname "$0")/../cli/lib.sh"

expect_ok "prints JSON lines" "$AP" problems math-word --count 3 --seed 7
expect_out '"task":"math-word"'
cp "$TMP/out" "$TMP/first"
expect_ok "the same seed gives the same problems" "$AP" problems math-word --count 3 --seed 7
cmp -s "$TMP/first" "$TMP/out" && pass || fail "the same seed gives the same problems"
expect_ok "reads what it wrote" "$AP" problems math-word --problems "$TMP/first" --count 0
cmp -s "$TMP/first" "$TMP/out" && pass || fail "JSON lines read back the same"
expect_ok "prints text" "$AP" problems fol-entailment --split heldout --count 2 --text
expect_out "Is it true?"
expect_out "    Prove('"

cat > "$TMP/gsm.jsonl" <<'END'
{"question": "How much is half of 48, plus 3?", "answer": "Half is 48/2=<<48/2=24>>24.\nSo 24+3=<<24+3=27>>27\n#### 27"}
END
expect_ok "converts annotations" "$AP" problems gsm8k --problems "$TMP/gsm.jsonl" --text
expect_out "    Divide(48, 2)"
expect_out "    Sum(24, 3)"

# The example of docs/TASKS.md, as it stands there.
mkdir "$TMP/shop"
sed -n '/^```json/,/^```/p' docs/TASKS.md | grep -v '^```' > "$TMP/shop/problems.jsonl"
sed -n '/^```yaml/,/^```/p' docs/TASKS.md | grep -v '^```' > "$TMP/shop/shop.yaml"
expect_ok "the manual's own task works" "$AP" problems "$TMP/shop/shop.yaml" --count 1 --text
expect_out "    Sum(4.8, 3.10)"

printf '{"question": "q", "answer": "a"}\n{"question": 5, "answer": "a"}\n' > "$TMP/broken.jsonl"
expect_fail 1 "names file and line of a broken record" "$AP" problems math-word --problems "$TMP/broken.jsonl"
expect_err "broken.jsonl:2"
expect_err '`question` must be a string'
expect_fail 1 "a missing file is named" "$AP" problems math-word --problems "$TMP/none.jsonl"
expect_err "none.jsonl"
expect_fail 1 "an unknown task is named" "$AP" problems math-wrod
expect_err 'did you mean `math-word`?'
expect_fail 2 "a wrong split" "$AP" problems math-word --split test
expect_err "train or heldout"
printf 'prompt: x\nfunctions: math\nproblms: {generator: math-word}\nchecker: number\n' > "$TMP/own.yaml"
expect_fail 1 "a wrong key of an own task" "$AP" problems "$TMP/own.yaml"
expect_err "own.yaml:3"
expect_err 'did you mean `problems`?'
finish
