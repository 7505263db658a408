# test_teacher.sh - a whole run whose teacher is behind a URL: the scripted server answers gold calls (and lies now and
# then).  Killed and continued, recorded and replayed, cut short by its budget: always the same chains.
. "$(dirname "$0")/../cli/lib.sh"

for task in math-word fol-entailment; do # the problems of seed 5, and those derived from them are near enough
    for split in train heldout; do
        "$AP" problems $task --split $split --seed 5 --count 60 >>"$TMP/gold.jsonl"
    done
done
server=$(dirname "$AP")/tests/hostile_teacher
[ -x "$server" ] || server=$(dirname "$AP")/check/tests/hostile_teacher
sleep 600 | "$server" "$TMP/gold.jsonl" >"$TMP/port" &
holder=$!
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$TMP"' EXIT
for _ in $(seq 100); do [ -s "$TMP/port" ] && break; sleep 0.05; done
port=$(cut -d' ' -f2 "$TMP/port")
host=http://127.0.0.1:$port

recipe() { # settings of the server, teacher's keys -> a recipe on stdout
    cat <<Y
name: remote
seed: 5
tasks: [math-word, fol-entailment]
teacher: {url: "$host/$1/v1", model: scripted, samples: 2, temperatures: [0.7, 1.0], backoff: 0.01, attempts: 12$2}
student: {model: models/student, samples: 2, temperatures: [0.8]}
collect: {problems: 16, augment: 0, in_flight: 64}
pairs: {per_problem: 2, total: 40}
train: {steps: 2, batch: 8, lr: 0.002}
control: false
evaluate: {problems: 8, samples: 0, teacher: true}
Y
}
# What the run's collected and evaluated teacher chains are, without clocks.
chains() { # folder
    "$AP" pairs "$1" --export "$TMP/pairs.jsonl" --export-chains "$TMP/chains.jsonl" >/dev/null 2>&1
    sha256sum <"$TMP/chains.jsonl"
}
server_says() { # count | reset
    local line=
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /%s HTTP/1.1\r\n\r\n' "$1" >&3
    while read -r -t 5 line <&3 && [[ $line != {* ]]; do :; done
    exec 3>&-
    echo "$line"
}
asked() { # key of the server's counts
    server_says count | sed -E "s/.*\"$1\":([0-9]+).*/\1/"
}

export AP_TEACHER_KEY=sk-pipeline-secret-1
recipe wrong=25 ", key_env: AP_TEACHER_KEY, price: {input: 1, output: 4}" >"$TMP/text.yaml"
expect_ok "runs a recipe with a remote teacher" "$AP" run "$TMP/text.yaml" --out "$TMP/a"
first=$(chains "$TMP/a")
expect_true "there are chains" test "$(wc -l <"$TMP/chains.jsonl")" -ge 140
expect_true "the teacher was evaluated" grep -q '"teacher":{"greedy_correct"' "$TMP/a/summary.json"
expect_true "the summary counts requests" grep -q '"requests":' "$TMP/a/summary.json"
expect_true "the summary has a cost" grep -q '"cost":' "$TMP/a/summary.json"
expect_true "the report too" grep -q "requests</b>" "$TMP/a/report.html"
expect_true "the key is in no file of the run" sh -c "! grep -rqa sk-pipeline-secret '$TMP/a'"
expect_true "each answer has one line" test "$(wc -l <"$TMP/a/teacher.jsonl")" = "$(sort -u "$TMP/a/teacher.jsonl" | wc -l)"
requests=$(asked requests)
expect_ok "does nothing twice" "$AP" run "$TMP/text.yaml" --out "$TMP/a"
expect_true "not even ask" test "$(asked requests)" = "$requests"
expect_fail 1 "without its key it says so" env -u AP_TEACHER_KEY "$AP" run "$TMP/text.yaml" --out "$TMP/nokey"
expect_err "AP_TEACHER_KEY"

expect_ok "a recorded teacher answers offline" "$AP" run "$TMP/text.yaml" --out "$TMP/r" --replay "$TMP/a/teacher.jsonl" \
    --teacher-url http://127.0.0.1:1/v1
expect_true "with the same chains" test "$(chains "$TMP/r")" = "$first"
expect_true "and no request" test "$(asked requests)" = "$requests"

# Killed again and again, with failures and latency, until it is through.  By hand: AP_KILLS=100 AP_LATENCY=300
recipe "wrong=25,fail=10,latency=${AP_LATENCY:-40}" ", key_env: AP_TEACHER_KEY, in_flight: 8" >"$TMP/slow.yaml"
server_says reset >/dev/null
rc=1
kills=0
for try in $(seq 1 ${AP_KILLS:-12}); do
    { timeout -s KILL "0.$((RANDOM % 80 + 10))" "$AP" run "$TMP/slow.yaml" --out "$TMP/k"; } >"$TMP/killed" 2>&1 && rc=0 && break
    kills=$try
done 2>/dev/null
[ $rc -eq 0 ] || expect_ok "a run that was killed $kills times ends" "$AP" run "$TMP/slow.yaml" --out "$TMP/k"
expect_true "it was killed on its way" test "$kills" -ge 1
expect_true "at a kill no more is lost than was in flight" test $(asked twice) -le $((kills * 8))
echo "killed $kills times, $(asked twice) answers were lost with the process that waited for them"
expect_true "and has the same chains" test "$(chains "$TMP/k")" = "$first"
expect_true "no answer was asked for again" test "$(grep -v '"lost"' "$TMP/k/teacher.jsonl" | sed -E 's/.*"key":"([0-9a-f]+)".*/\1/' | sort | uniq -d | wc -l)" = 0

recipe wrong=25 ", key_env: AP_TEACHER_KEY, price: {input: 1, output: 4}, budget: {cost: 0.01}, max_tokens: 100" >"$TMP/budget.yaml"
expect_fail 1 "a budget that is used up stops the run" "$AP" run "$TMP/budget.yaml" --out "$TMP/m"
expect_err "budget is used up"
expect_ok "which goes on when it is raised" "$AP" run "$TMP/budget.yaml" --out "$TMP/m" --budget 10
expect_true "and has all its chains" test "$(chains "$TMP/m")" = "$first"

# Questions that never get an answer: their chains are left out, counted, and say nothing about the teacher.
recipe lose=6 "" | sed 's/attempts: 12/attempts: 2/' >"$TMP/lose.yaml"
expect_ok "a few chains without an answer are left out" "$AP" run "$TMP/lose.yaml" --out "$TMP/l"
expect_err "chains got no answer and are left out (HTTP 500: lost)"
expect_true "no chain of the teacher is wrong by that" sh -c "! grep -q '\"actor\":\"teacher\".*\"verdict\":\"in' '$TMP/l/chains.jsonl'"
expect_true "the report tells" grep -q "requests given up" "$TMP/l/report.html"
recipe lose=40 "" | sed 's/attempts: 12/attempts: 2/' >"$TMP/lose.yaml"
expect_fail 1 "many stop the run" "$AP" run "$TMP/lose.yaml" --out "$TMP/l2"
expect_err "start again"
expect_ok "which goes on where the server is well" "$AP" collect "$TMP/l2" --teacher-url "$host/x/v1"

# The recipe that comes along, smaller.
sed -e 's/problems: 500/problems: 8/g; s/steps: 200/steps: 2/; s/batch: 16/batch: 8/; s/samples: [34]/samples: 1/' \
    -e 's/total: 1600/total: 20/; s/augment: 0.25/augment: 0/; s/^seed: 1/seed: 5/' recipes/own-teacher.yaml >"$TMP/own.yaml"
expect_ok "recipes/own-teacher.yaml runs" env TEACHER_KEY=sk-own-teacher-key "$AP" run "$TMP/own.yaml" --out "$TMP/o" \
    --teacher-url "$host/x/v1"

recipe x ", key_env: AP_TEACHER_KEY, style: tools" >"$TMP/tools.yaml"
expect_ok "runs with calls as tools" "$AP" run "$TMP/tools.yaml" --out "$TMP/t"
expect_true "which teach, too" grep -q 'teacher.*student' "$TMP/t/report.html"

# One command line each; results on stdout.
expect_ok "evaluates a remote model" "$AP" eval --task math-word --seed 5 --count 8 --url "$host/x/v1" --remote-model m \
    --record "$TMP/rec.jsonl" --json
expect_out '"problems": 8, "greedy_correct": 8'
requests=$(asked requests)
expect_ok "again from the record" "$AP" eval --task math-word --seed 5 --count 8 --replay "$TMP/rec.jsonl" --remote-model m --json
expect_out '"problems": 8, "greedy_correct": 8'
expect_true "which asks nothing" test "$(asked requests)" = "$requests"
expect_ok "solves with a remote model" "$AP" solve math-word --seed 5 --problem 2 --url "$host/x/v1" --remote-model m --style tools
expect_out "(correct)"
expect_fail 1 "names a server that refuses" "$AP" solve math-word hostile --url "$host/mode=http_401/v1" --remote-model m
expect_err "HTTP 401"
expect_fail 1 "names what is missing" "$AP" solve math-word x --url "$host/v1"
expect_err "--remote-model"
expect_fail 1 "names a style it does not know" "$AP" solve math-word x --url "$host/v1" --remote-model m --style json
expect_err "text or tools"
expect_fail 1 "extra must be an object" "$AP" solve math-word x --url "$host/v1" --remote-model m --extra '[1]'
expect_err "JSON object"

sed 's/style: tools/stile: tools/' "$TMP/tools.yaml" >"$TMP/wrong.yaml"
expect_fail 1 "names an unknown key of a teacher" "$AP" run "$TMP/wrong.yaml" --out "$TMP/w"
expect_err "style"
kill $holder 2>/dev/null
finish
