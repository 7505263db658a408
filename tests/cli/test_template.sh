#!/bin/bash
# test_template.sh - `apprentice template`: models, files, variables, wrong input.
. "$(dirname "$0")/lib.sh"

cat >"$TMP/talk.json" <<'END'
{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"},
              {"role": "assistant", "content": "4", "reasoning": "sum"}]}
END
cat >"$TMP/tools.json" <<'END'
{"messages": [{"role": "user", "content": "Hi"}], "tools": [{"type": "function", "function": {"name": "Add"}}],
 "mood": "kind"}
END
printf '%s' '{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}' \
    '{% if add_generation_prompt %}<assistant>{% endif %}' >"$TMP/chat.jinja"

expect_ok "prints a conversation" "$AP" template "$TMP/chat.jinja" "$TMP/talk.json"
expect_out_is "<system>Be brief.<user>2+2?<assistant>4"
expect_ok "asks the model to speak" "$AP" template "$TMP/chat.jinja" "$TMP/tools.json" --generation-prompt
expect_out_is "<user>Hi<assistant>"
expect_ok "sets a variable to text" "$AP" template "$TMP/chat.jinja" "$TMP/tools.json" --set 'bos_token=<s>'
expect_out_is "<s><user>Hi"

printf '%s' '{{ flag is true }} {{ n + 1 }} {{ word }} {{ mood }} {{ tools[0].function.name }}' >"$TMP/set.jinja"
expect_ok "sets variables to JSON, and takes others from the file" "$AP" template "$TMP/set.jinja" "$TMP/tools.json" \
    --set flag=true --set n=41 --set word=true-ish
expect_out_is "True 42 true-ish kind Add"
printf '%s' '{{ tools is none }} {{ messages[2].reasoning_content }} {{ messages[2].thinking }}' >"$TMP/none.jinja"
expect_ok "gives templates what transformers does" "$AP" template "$TMP/none.jinja" "$TMP/talk.json"
expect_out_is "True sum sum"

mkdir "$TMP/model"
cat >"$TMP/model/tokenizer_config.json" <<'END'
{"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null,
 "chat_template": [{"name": "default", "template": "{{ bos_token }}plain{{ eos_token }}{{ pad_token }}"},
                   {"name": "tool_use", "template": "{{ tools | tojson }}"}]}
END
expect_ok "takes template and special tokens of a model" "$AP" template "$TMP/model" "$TMP/talk.json"
expect_out_is "<s>plain</s>"
expect_ok "takes the template for tools when there are tools" "$AP" template "$TMP/model" "$TMP/tools.json"
expect_out_is '[{"type": "function", "function": {"name": "Add"}}]'
expect_ok "takes the bundled model" "$AP" template models/student "$TMP/talk.json"
expect_out "2+2?"
expect_ok "has a help with an example" "$AP" template --help
expect_out "apprentice template models/student hi.json --generation-prompt"

printf '%s' 'line one
{{ raise_exception("roles must alternate") }}' >"$TMP/raise.jinja"
expect_fail 1 "passes on what the template objects to" "$AP" template "$TMP/raise.jinja" "$TMP/talk.json"
expect_err "raise.jinja:2: roles must alternate"
expect_empty out
printf '%s' '{% if true %}' >"$TMP/open.jinja"
expect_fail 1 "names the line of a broken template" "$AP" template "$TMP/open.jinja" "$TMP/talk.json"
expect_err "open.jinja:1"
expect_err "endif"
echo '{"tools": []}' >"$TMP/empty.json"
expect_fail 1 "names what a conversation lacks" "$AP" template "$TMP/chat.jinja" "$TMP/empty.json"
expect_err "messages"
echo '{"messages": [3]}' >"$TMP/three.json"
expect_fail 1 "wants messages to be objects" "$AP" template "$TMP/chat.jinja" "$TMP/three.json"
expect_err "message 1"
echo '{' >"$TMP/broken.json"
expect_fail 1 "names a conversation that is no JSON" "$AP" template "$TMP/chat.jinja" "$TMP/broken.json"
expect_err "broken.json:"
mkdir "$TMP/none"
echo '{}' >"$TMP/none/tokenizer_config.json"
expect_fail 1 "names a model without template" "$AP" template "$TMP/none" "$TMP/talk.json"
expect_err "chat_template"
expect_fail 1 "names a file that is not there" "$AP" template "$TMP/no.jinja" "$TMP/talk.json"
expect_err "no.jinja"
expect_fail 1 "wants a name and a value" "$AP" template "$TMP/chat.jinja" "$TMP/talk.json" --set x
expect_err "NAME=VALUE"
expect_fail 2 "needs a conversation" "$AP" template models/student
finish
