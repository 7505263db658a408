#!/bin/bash
# test_solve.sh - `apprentice solve`: one chain on the terminal, from a model that knows nothing.
. "$(dirname "$0")/../cli/lib.sh"

expect_ok "makes a model" "$AP" model new "$TMP/model" --hidden 32 --layers 1 --heads 2 --kv-heads 1 --ffn 48

question='Ann has 3 boxes with 12 eggs each. How many eggs has she?'
expect_fail 1 "solves with a model that knows nothing" "$AP" solve math-word "$question" --model "$TMP/model"
expect_out "Question: $question"
expect_out "No answer: "
expect_err "the chain ended without an answer"
expect_true "colours nothing that is no terminal" sh -c "! grep -q '\[' '$TMP/out'"

cp "$TMP/out" "$TMP/first"
run "$AP" solve math-word "$question" --model "$TMP/model" --temperature 1 --seed 7
cp "$TMP/out" "$TMP/drawn"
run "$AP" solve math-word "$question" --model "$TMP/model" --temperature 1 --seed 7
expect_true "draws the same with the same seed" cmp "$TMP/out" "$TMP/drawn"
run "$AP" solve math-word "$question" --model "$TMP/model" --temperature 1 --seed 8
expect_true "draws something else with another seed" sh -c "! cmp '$TMP/out' '$TMP/drawn'"

expect_fail 1 "prints a held-out problem with its gold answer" "$AP" solve fol-entailment --problem 3 --model "$TMP/model"
expect_out "Gold: "
expect_out "(invalid)"
expect_fail 1 "prints JSON" "$AP" solve math-word --problem 1 --model "$TMP/model" --json
for key in question steps answer end tokens seconds gold verdict; do
    expect_out "\"$key\":"
done

expect_fail 2 "takes a question or a problem" "$AP" solve math-word --model "$TMP/model"
expect_fail 2 "takes not both" "$AP" solve math-word "$question" --problem 1 --model "$TMP/model"
expect_fail 1 "names an unknown task" "$AP" solve math-words "$question" --model "$TMP/model"
expect_err "math-words"
expect_fail 1 "names a missing model" "$AP" solve math-word "$question" --model "$TMP/nothing"
expect_err "$TMP/nothing"
expect_fail 1 "names a missing adapter" "$AP" solve math-word "$question" --model "$TMP/model" --adapter "$TMP/nothing"
expect_err "$TMP/nothing"

run "$AP" model new "$TMP/short" --hidden 32 --layers 1 --heads 2 --kv-heads 1 --ffn 48 --context 64
expect_fail 1 "says when the prompt is too long for the model" "$AP" solve math-word "$question" --model "$TMP/short"
expect_out "No answer: context full"

finish
