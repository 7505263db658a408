#!/bin/bash
# test_functions.sh - the examples of docs/FUNCTIONS.md: an own function in each of the four ways.
. "$(dirname "$0")/../cli/lib.sh"
build=$(dirname "$AP")
cp -r examples/functions "$TMP/own"

# 1. in C, with the library
expect_ok "a C program has a function of its own" "$build/examples/calculator" "Kilometres(miles=10)"
expect_out "16.09344"

# 2. a command
expect_ok "a command is a function" "$AP" call examples/functions/words.yaml "Words(text='one two three')"
expect_out_is "3"
expect_ok "beside built-in ones, also in JSON" "$AP" call examples/functions/words.yaml \
    '{"name": "Words", "arguments": {"text": "a b"}}' "Sum(3, 2)"
expect_out_is "2
5"
expect_ok "it is described like built-in ones" "$AP" call examples/functions/words.yaml --list
expect_out "Words(text: string) counts the words of a text. text: the text. Example: Words(text='one two three')"
expect_ok "its schema is published" "$AP" call examples/functions/words.yaml --schema
expect_out '"properties":{"text":{"description":"the text","type":"string"}},"required":["text"]'
expect_fail 1 "its arguments are checked" "$AP" call examples/functions/words.yaml "Words(text=5)"
expect_err "must be a string, got a number"
sed -i 's/words.sh\]/words.sh, x]/; s/name: Words/name: Words\n    timeout: 0.3/; s/timeout: 5/network: false/' "$TMP/own/words.yaml"
printf '#!/bin/sh\nsleep 60\n' >"$TMP/own/words.sh"
expect_fail 1 "what hangs is an observation" "$AP" call "$TMP/own/words.yaml" "Words(text='x')"
expect_err "Error: Words did not end within 0.3 seconds"

# 3. MCP; the sanitizer needs more address space than a server may have
sed -i 's/session: chain/session: chain\n    memory: 0/' "$TMP/own/logic.yaml"
expect_ok "an MCP server's tools are functions" env PATH="$build:$PATH" "$AP" call "$TMP/own/logic.yaml" \
    "AddPremise('forall x. (Cat(x) -> Pet(x))')" "AddPremise('Cat(tom)')" "Prove('Pet(tom)')"
expect_out_is "premise 1
premise 2
True"
expect_fail 1 "what a tool refuses is an observation" env PATH="$build:$PATH" "$AP" call "$TMP/own/logic.yaml" "Prove('((')"
expect_err "Error: "

# 4. a plug-in
cp "$build/examples/plugin_distance.so" "$TMP/own/"
expect_ok "a plug-in's function is a task's" "$AP" call "$TMP/own/distance.yaml" "Kilometres(miles=26.2)"
expect_out "42.164"
expect_ok "a plug-in can be named on the command line" "$AP" call distance "Travel(3)" "Travel(4)" \
    --plugin "$TMP/own/plugin_distance.so"
expect_out_is "3 km so far
7 km so far"
expect_fail 1 "what is no plug-in is named" "$AP" call distance "Travel(3)" --plugin "$AP"
expect_err "the plug-in cannot be loaded"
expect_fail 2 "a plug-in needs a name" "$AP" call math "Sum(1, 2)" --plugin
expect_err "--plugin needs the name of a library"

# all of them in chains of a model, and for other agents
expect_ok "a model is judged with a task of one's own" "$AP" eval --task examples/functions/words.yaml \
    --problems examples/functions/words.jsonl --model models/student --samples 2 --json
expect_out '"task": "words"'
say() {
    printf '%s\n' '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}' \
        '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"Words","arguments":{"text":"a b c d"}}}'
}
expect_ok "a task's functions are tools for other agents" bash -c \
    "$(declare -f say); say | '$AP' mcp examples/functions/words.yaml"
expect_out '{"content":[{"type":"text","text":"4"}],"isError":false}'

# the document shows the files as they are
shown() { # file; every line of it but comments stands in the document, indented
    while IFS= read -r line; do
        grep -qxF -- "    $line" docs/FUNCTIONS.md || { echo "not shown: $line"; return 1; }
    done < <(grep -v '^$\|^# ' "$1")
}
for file in words.sh words.yaml; do
    expect_ok "docs/FUNCTIONS.md shows $file" shown "examples/functions/$file"
done

# what is wrong with a task is said with its line
printf 'prompt: p\nfunctions:\n  - Sum\n  - {command: [x], name: F, descripton: d}\nproblems: {generator: math-word}\nchecker: number\n' \
    >"$TMP/wrong.yaml"
expect_fail 1 "a wrong key has its line" "$AP" call "$TMP/wrong.yaml" "Sum(1, 2)"
expect_err "wrong.yaml:4: unknown key \`descripton\`; did you mean \`description\`?"
finish
