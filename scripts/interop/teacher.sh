#!/usr/bin/env bash
# A whole run whose teacher is llama.cpp's server: the bundled teacher as GGUF behind /v1/chat/completions.
#   scripts/interop/teacher.sh BUILD        BUILD holds apprentice
# Makes a Python environment in BUILD/interop/teacher (the wheel is compiled: many minutes), unless TEACHER_PYTHON
# names an interpreter that has llama-cpp-python[server] and transformers.  The latter reads the tokenizer, for
# llama.cpp does not know the rule by which the bundled models cut text.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
apprentice=$build/apprentice
python=${TEACHER_PYTHON:-$build/interop/teacher/bin/python}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT

if [ -z "${TEACHER_PYTHON:-}" ] && [ ! -x "$python" ]; then
    python3 -m venv "$build/interop/teacher"
    "$python" -m pip install --quiet "llama-cpp-python[server]==0.3.36" transformers jinja2
fi
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$apprentice" model convert models/teacher --out "$work/teacher.gguf" 2>/dev/null
"$python" -m llama_cpp.server --model "$work/teacher.gguf" --port "$port" --n_ctx 4096 \
    --hf_pretrained_model_name_or_path models/teacher >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 240); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 "$server" 2>/dev/null || { tail -n 5 "$work/server.log"; exit 1; }
    sleep 0.5
done

cat >"$work/recipe.yaml" <<Y
name: llama-cpp
seed: 3
tasks: [math-word, fol-entailment]
teacher: {url: "http://127.0.0.1:$port/v1", model: teacher, results: tool, explain: false, max_tokens: 80,
          samples: 1, temperatures: [0.7], in_flight: 4}
student: {model: models/student, samples: 2, temperatures: [0.8]}
collect: {problems: 8, augment: 0}
pairs: {per_problem: 2, total: 40}
train: {steps: 2, batch: 8, lr: 0.002}
control: false
evaluate: {problems: 6, samples: 0, teacher: true}
Y
"$apprentice" run "$work/recipe.yaml" --out "$work/run"
correct=$("$python" -c 'import json, sys; t = json.load(open(sys.argv[1]))["tasks"].values()
print(sum(x["teacher"]["greedy_correct"] for x in t), "of", sum(x["teacher"]["problems"] for x in t))' "$work/run/summary.json")
echo "llama.cpp's server as the teacher: $correct held-out problems, $(wc -l <"$work/run/teacher.jsonl") requests"
[ "${correct%% *}" -ge 10 ] || { echo "it should solve nearly all"; exit 1; }

kill "$server"
server=
"$apprentice" run "$work/recipe.yaml" --out "$work/again" --replay "$work/run/teacher.jsonl" 2>/dev/null
for run in run again; do
    "$apprentice" pairs "$work/$run" --export "$work/pairs.jsonl" --export-chains "$work/$run.jsonl" >/dev/null 2>&1
done
cmp "$work/run.jsonl" "$work/again.jsonl"
echo "its recorded answers give the same chains without it"
