#!/bin/bash
# test_tokenize.sh - `apprentice tokenize`: ids, tokens, decoding, counts, wrong input.
. "$(dirname "$0")/lib.sh"

model=tests/data/tokenizer/bundled
from() { # text command...: the text on standard input
    local text=$1
    shift
    printf '%s' "$text" | "$@"
}

expect_ok "prints ids" from 'not<|end|>' "$AP" tokenize $model --special
expect_out_is "330 4"
expect_ok "takes a tokenizer.json as well" from 'not' "$AP" tokenize $model/tokenizer.json
expect_out_is "330"
expect_ok "prints tokens" from $'Sum(1, 2) is.\n' "$AP" tokenize $model --tokens
expect_out $'\t,\\s'
expect_out $'\t is'
expect_out $'\t.\\n'
expect_ok "decodes" from '330 4' "$AP" tokenize $model --decode --special
expect_out_is "not<|end|>"
expect_ok "leaves special tokens out" from '330 4' "$AP" tokenize $model --decode
expect_out_is "not"
expect_ok "counts pieces of JSONL" from $'{"q": "not not", "c": ["not"]}\n{"q": "x", "z": "not"}\n' \
    "$AP" tokenize $model --count --field q --field c
expect_out_is $'2\t1\tnot\n1\t1\t not\n1\t1\tx'

expect_fail 1 "names what is no id" from '330 x7' "$AP" tokenize $model --decode
expect_err '`x7`'
expect_fail 1 "names an id that is none" from '99999' "$AP" tokenize $model --decode
expect_err 'no token 99999'
expect_fail 1 "names the line that is no JSON" from $'{}\n{' "$AP" tokenize $model --count --field q
expect_err 'stdin:2'
expect_fail 1 "names a folder that is not there" "$AP" tokenize nowhere
expect_err 'nowhere'
expect_fail 2 "needs a model" "$AP" tokenize
finish
