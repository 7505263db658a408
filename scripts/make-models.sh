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

# One thread each, two trainings at a time: small matrices gain little from a second thread.
export OMP_NUM_THREADS=1

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
            --task models/training/fol-mixed.yaml=8 --task math-word=24 \
            --checkpoint "$work/$name.checkpoint" --checkpoint-every 100 --log "$work/$name.csv" "$@"
}

base=(--optimizer muon --lr 0.003 --schedule hold-linear)

teacher() {
    new teacher-new 11 --hidden 192 --layers 5 --heads 6 --kv-heads 2 --ffn 512
    train teacher teacher-new 1800 101 "${base[@]}"
}

# The student is made weak on purpose: first it learns the skill, then careless habits.
student() {
    new student-new 12 --hidden 128 --layers 4 --heads 4 --kv-heads 2 --ffn 352
    train student-able student-new 3000 102 "${base[@]}"
    train student student-able 250 103 --lr 0.001 --careless 0.9 --slip 0.6
}

teacher &
student
wait $!

for name in teacher student; do
    mkdir -p "models/$name"
    cp "$work/$name"/config.json "$work/$name"/tokenizer*.json "$work/$name/model.safetensors" "models/$name/"
done
