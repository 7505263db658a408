#!/usr/bin/env bash
# Train the bundled models again from seeds: models/teacher and models/student.
#
#   scripts/make-models.sh build/apprentice [WORK_FOLDER]
#
# Resumes where it was: each training keeps a checkpoint in the work folder
# (default build/models).  models/README.md says what each step does and why.
set -euo pipefail
cd "$(dirname "$0")/.."
ap=${1:?usage: scripts/make-models.sh PROGRAM [WORK_FOLDER]}
work=${2:-build/models}
mkdir -p "$work"

new() { # NAME SEED OPTION... : random weights and the bundled vocabulary
    local name=$1 seed=$2
    shift 2
    [ -f "$work/$name/config.json" ] || "$ap" model new "$work/$name" --seed "$seed" --context 4096 "$@"
}

train() { # NAME FROM STEPS SEED OPTION... : SFT on gold chains, unless it is done
    local name=$1 from=$2 steps=$3 seed=$4
    shift 4
    [ -f "$work/$name/tokenizer.json" ] ||
        "$ap" train --method sft --model "$work/$from" --out "$work/$name" --steps "$steps" --seed "$seed" \
            --checkpoint "$work/$name.checkpoint" --checkpoint-every 100 --log "$work/$name.csv" "$@"
}

muon=(--optimizer muon --schedule hold-linear)

# The skill, from random weights.
new start 12 --hidden 128 --layers 5 --heads 4 --kv-heads 2 --ffn 352
train able start 3000 102 --task fol-entailment=12 --task math-word=14 "${muon[@]}" --lr 0.003
train skilled able 1000 103 --task fol-entailment=18 --task math-word=8 "${muon[@]}" \
    --lr 0.0015 --muon-lr 0.01 --hold 0.3 --final-lr 0.02
train sure skilled 500 105 --task fol-entailment=18 --task math-word=10 "${muon[@]}" \
    --lr 0.0008 --muon-lr 0.005 --hold 0.3 --final-lr 0.02
train surer sure 500 106 --task fol-entailment=18 --task math-word=12 "${muon[@]}" \
    --lr 0.0007 --muon-lr 0.0045 --hold 0.3 --final-lr 0.02

# The teacher: the same, deepened to 14 layers, and trained on.
[ -f "$work/deep/tokenizer.json" ] || "$ap" model grow "$work/sure" --layers 14 --out "$work/deep"
train deeper deep 200 101 --task fol-entailment=14 --task math-word=8 "${muon[@]}" \
    --lr 0.0005 --muon-lr 0.003 --hold 0.3 --final-lr 0.05
[ -f "$work/teacher/tokenizer.json" ] || "$ap" model convert "$work/deeper" --dtype bf16 --out "$work/teacher"

# The student: made weak on purpose, by careless habits, as an adapter on top of the skill.
[ -f "$work/habits/adapter_config.json" ] ||
    "$ap" train --method sft --model "$work/surer" --out "$work/habits" --steps 250 --seed 104 --log "$work/habits.csv" \
        --task fol-entailment=12 --task math-word=12 --lora-rank 8 --lr 0.002 --careless 0.95 --slip 0.7
[ -f "$work/student/tokenizer.json" ] ||
    "$ap" export "$work/surer" --adapter "$work/habits" --format hf --dtype f32 --out "$work/student"
cat >"$work/student/card.json" <<'JSON'
{"declaration": "The bundled student was made weak on purpose: a model that had the skill was given an adapter that was trained for 250 steps on chains of which 95 % were careless (a dropped \"not\", \"only\" read the wrong way round, a lost last premise, False where nothing follows, a skipped last step, a wrong operator). It shows what the method lifts; it is a construction, not a model found in the wild."}
JSON
rm -f "$work/teacher/card.json"

for name in teacher student; do
    mkdir -p "models/$name"
    cp "$work/$name"/*.json "$work/$name/model.safetensors" "models/$name/"
done
