#!/bin/bash
# test_call.sh - `apprentice call`: results, errors, help and schema.
. "$(dirname "$0")/../cli/lib.sh"

expect_ok "adds" "$AP" call math 'Sum(a=2, b=-3)'
expect_out_is "-1"
expect_ok "takes JSON calls" "$AP" call math '{"name": "Divide", "arguments": {"a": 1, "b": 3}}'
expect_out_is "1/3"
expect_ok "several calls share one chain" "$AP" call fol "AddPremise('forall x. (Cat(x) -> Pet(x))')" \
    "AddPremise('Cat(tom)')" "Prove('Pet(tom)')"
expect_out_is "premise 1
premise 2
True"
expect_ok "single functions are a set, too" "$AP" call Sum,Prove "Prove('A | not A')"
expect_out_is "True"
expect_ok "prints JSON lines" "$AP" call math 'Answer(0.50)' --json
expect_out_is '{"answer":"0.5","error":false,"function":"Answer","text":"0.5"}'

expect_fail 1 "an error observation goes to stderr" "$AP" call math 'Divide(1, 0)'
expect_out_is ""
expect_err "Error: division by zero"
expect_fail 1 "one error is enough for exit code 1" "$AP" call math 'Sum(2)' 'Sum(2, 3)'
expect_out_is "5"
expect_err "for example: Sum(a=2, b=3)"
expect_fail 1 "names the nearest set" "$AP" call maths 'Sum(2, 3)'
expect_err 'did you mean `math`?'
expect_fail 2 "needs a call" "$AP" call math
expect_err "--list"
expect_fail 2 "needs a set" "$AP" call

expect_ok "lists the functions" "$AP" call math --list
expect_out "Sum(a: number, b: number, ...) adds two or more numbers. Example: Sum(a=2, b=3)"
expect_out "Answer(value)"
expect_ok "prints OpenAI tools" "$AP" call fol --schema
expect_out '"name":"AddPremise"'
finish
