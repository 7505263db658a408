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

# The same problems in both: short and long entailment, word problems.
tasks=(--task models/training/fol-mixed.yaml=16 --task math-word=32)
sft=("$ap" train --method sft --optimizer muon --schedule hold-linear --checkpoint-every 100)

# train NAME FROM STEPS OPTION... : SFT from a folder into work/NAME, unless that is there.
train() {
    local name=$1 from=$2 steps=$3
    shift 3
    [ -f "$work/$name/model.safetensors" ] && return
    "${sft[@]}" "${tasks[@]}" --model "$from" --steps "$steps" --out "$work/$name" \
        --checkpoint "$work/$name.checkpoint" --log "$work/$name.csv" "$@"
}

[ -f "$work/teacher-new/config.json" ] ||
    "$ap" model new "$work/teacher-new" --hidden 192 --layers 5 --heads 6 --kv-heads 2 --ffn 512 --seed 11
[ -f "$work/student-new/config.json" ] ||
    "$ap" model new "$work/student-new" --hidden 128 --layers 4 --heads 4 --kv-heads 2 --ffn 352 --seed 12

train teacher "$work/teacher-new" 1500 --seed 101
train student-able "$work/student-new" 2500 --seed 102
# The student is made weak on purpose: it has the skill, and careless habits.
train student "$work/student-able" 250 --seed 103 --careless 0.9 --slip 0.6 --optimizer adamw --lr 0.001

for name in teacher student; do
    mkdir -p "models/$name"
    cp "$work/$name"/*.json "$work/$name/model.safetensors" "models/$name/"
done
