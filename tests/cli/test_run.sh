# test_run.sh - wrong input to the commands on runs: one clear message with the place, the right exit code.
. "$(dirname "$0")/lib.sh"

head='name: x
student: {model: models/student}
tasks: [math-word]'

expect_fail 1 "names a recipe that is not there" "$AP" run nowhere.yaml
expect_err "nowhere.yaml"
printf '%s\nevalute: {problems: 3}\n' "$head" >"$TMP/key.yaml"
expect_fail 1 "names an unknown key with its line" "$AP" run "$TMP/key.yaml" --out "$TMP/r"
expect_err "key.yaml:4"
expect_err "evaluate"
printf 'name: x\nstudent: {model: models/student}\ntasks: [math-wrd]\n' >"$TMP/task.yaml"
expect_fail 1 "names an unknown task" "$AP" run "$TMP/task.yaml" --out "$TMP/r"
expect_err "math-wrd"
printf 'name: x\nstudent: {model: models/nobody}\ntasks: [math-word]\n' >"$TMP/model.yaml"
expect_fail 1 "names a model that is not there" "$AP" run "$TMP/model.yaml" --out "$TMP/r"
expect_err "models/nobody"
printf 'name: [x\n' >"$TMP/broken.yaml"
expect_fail 1 "names the line of broken YAML" "$AP" run "$TMP/broken.yaml" --out "$TMP/r"
expect_err "broken.yaml:"
printf '%s\n' "$head" >"$TMP/good.yaml"
touch "$TMP/file"
expect_fail 1 "says when the folder cannot be made" "$AP" run "$TMP/good.yaml" --out "$TMP/file/run"
expect_err "$TMP/file"

for stage in collect pairs train eval; do
    expect_fail 1 "$stage names a folder without a run" "$AP" $stage "$TMP/nowhere"
    expect_err "no run in this folder"
    expect_true "$stage does not make the folder" test ! -e "$TMP/nowhere"
done
mkdir "$TMP/junk" && echo "not a database, but long enough to be read as one" >"$TMP/junk/run.db"
expect_fail 1 "says that a store is broken" "$AP" collect "$TMP/junk"
expect_err "run.db"

expect_fail 2 "eval wants a run or a task" "$AP" eval
expect_err "--task"
expect_fail 2 "train wants a run or a task" "$AP" train --model models/student
expect_fail 2 "train knows what gold chains are for" "$AP" train --method dpo --task math-word=1
expect_fail 1 "eval names a problem file that is not there" "$AP" eval --task math-word --problems "$TMP/none.jsonl"
expect_err "none.jsonl"
expect_fail 2 "model wants an action it knows" "$AP" model grow "$TMP/x"
expect_fail 1 "model info names a folder that is not a model" "$AP" model info "$TMP/junk"
expect_err "config.json"

finish
