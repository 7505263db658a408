#!/bin/bash
# test_mcp.sh - `apprentice mcp` driven by a scripted client.
. "$(dirname "$0")/../cli/lib.sh"

say() { # revision ; a whole session
    printf '%s\n' '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"'"$1"'","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}' \
        '{"jsonrpc":"2.0","method":"notifications/initialized"}' \
        '{"jsonrpc":"2.0","id":2,"method":"tools/list"}' \
        '' \
        '{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"Sum","arguments":{"a":0.1,"b":0.2}}}' \
        '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"AddPremise","arguments":{"formula":"Cat(tom)"}}}' \
        '{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"Prove","arguments":{"goal":"exists x. Cat(x)"}}}' \
        'this is no JSON' \
        '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"Divide","arguments":{"a":1,"b":0}}}'
    printf '{"jsonrpc":"2.0","id":6,"method":"ping"}' # no newline at the end
}
for revision in 2025-11-25 2025-06-18; do
    expect_ok "holds a session of $revision" bash -c "$(declare -f say); say $revision | '$AP' mcp"
    expect_out "\"protocolVersion\":\"$revision\""
    expect_out '"name":"Prove"'
    expect_out '{"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"0.3"}],"isError":false}}'
    expect_out '{"jsonrpc":"2.0","id":4,"result":{"content":[{"type":"text","text":"True"}],"isError":false}}'
    expect_out '"code":-32700'
    expect_out '"text":"Error: division by zero"}],"isError":true}}'
    expect_out '{"jsonrpc":"2.0","id":6,"result":{}}'
    expect_true "answers every request once" test "$(wc -l <"$TMP/out")" -eq 8
done
expect_ok "a line that is too long is answered and skipped" bash -c \
    "{ head -c 3000000 /dev/zero | tr '\\0' x; echo; echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}'; } | '$AP' mcp math"
expect_out "a message of more than 1048576 bytes"
expect_out '{"jsonrpc":"2.0","id":1,"result":{}}'
expect_ok "an end at once is fine" "$AP" mcp fol
expect_empty out
expect_fail 1 "an unknown set is named" "$AP" mcp maths
expect_err 'did you mean `math`?'
finish
