# test_tools.sh - a model whose chat template knows tools goes through a whole run: gold chains and those of a
# teacher without tools become its tool calls, it is sampled, trained and judged.
. "$(dirname "$0")/lib.sh"

expect_ok "makes a little random model" "$AP" model new "$TMP/tools" --hidden 32 --layers 1 --heads 2 --kv-heads 1 \
    --ffn 64 --context 4096
expect_ok "and another one" "$AP" model new "$TMP/rewriting" --hidden 32 --layers 1 --heads 2 --kv-heads 1 --ffn 64 \
    --context 4096

# Written in the manner of Hermes, with the special tokens that the vocabulary has.
cat >"$TMP/tools/chat_template.jinja" <<'J'
{%- if tools %}
    {{- '<|system|>' + (messages[0].content + '\n' if messages[0].role == 'system' else '') + 'Functions:' }}
    {%- for tool in tools %}{{- '\n' + (tool.function | tojson) }}{%- endfor %}
    {{- '\nAnswer with <tool_call>\n{"name": ..., "arguments": ...}\n</tool_call><|end|>\n' }}
{%- endif %}
{%- for m in messages %}
    {%- if m.role == 'user' %}
        {{- '<|user|>' + m.content + '<|end|>\n' }}
    {%- elif m.role == 'tool' %}
        {{- '<|tool|>' + m.content + '<|end|>\n' }}
    {%- elif m.role == 'assistant' %}
        {{- '<|assistant|>' + m.content }}
        {%- for c in m.tool_calls %}
            {{- '<tool_call>\n{"name": "' + c.function.name + '", "arguments": ' }}
            {{- c.function.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}
J

# What was said is cut short when more is said: earlier turns change as the chain grows.
cat >"$TMP/rewriting/chat_template.jinja" <<'J'
{%- for m in messages %}
    {{- '<|' + m.role + '|>' + (m.content if m.role != 'assistant' or loop.revindex < 3 else m.content[:8]) + '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}
J

recipe() { # student folder
    cat <<Y
name: tools
seed: 3
tasks: [math-word]
teacher: {model: models/teacher, samples: 1, temperatures: [0.5]}
student: {model: $1, samples: 2, temperatures: [1.0]}
collect: {problems: 4, gold: chosen, in_flight: 8}
pairs: {per_problem: 2, total: 8}
train: {steps: 2, batch: 4, lr: 0.001}
evaluate: {problems: 2, samples: 1, temperature: 1.0, teacher: false}
Y
}

recipe "$TMP/tools" >"$TMP/tools.yaml"
expect_ok "runs a recipe with it" "$AP" run "$TMP/tools.yaml" --out "$TMP/run"
expect_true "trains an adapter" test -s "$TMP/run/dpo/adapter_model.safetensors"
expect_ok "exports its chains" "$AP" pairs "$TMP/run" --export "$TMP/pairs.jsonl" --export-chains "$TMP/chains.jsonl"
expect_true "there are pairs" test -s "$TMP/pairs.jsonl"
expect_true "with tool calls" grep -q '"tool_calls":\[{"function":{"arguments":{' "$TMP/pairs.jsonl"

recipe "$TMP/rewriting" >"$TMP/rewriting.yaml"
expect_fail 1 "refuses a template that rewrites earlier turns" "$AP" run "$TMP/rewriting.yaml" --out "$TMP/refused"
expect_err "rewrites turn 3 (assistant)"
expect_err "$TMP/rewriting"

finish
