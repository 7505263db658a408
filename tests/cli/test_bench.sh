#!/bin/bash
# test_bench.sh - `apprentice bench`: workloads on a tiny model, three forms of output, files for others; bench_ops.
. "$(dirname "$0")/lib.sh"

expect_ok "makes a tiny model" "$AP" model new "$TMP/m" --hidden 8 --layers 1 --heads 1 --kv-heads 1 --ffn 8
once="--model $TMP/m --repeats 1 --warm-up 0"

expect_ok "measures what is named" "$AP" bench train-chains train-pairs load $once --csv "$TMP/b.csv"
expect_out "train-chains"
expect_out "of peak"
expect_out "load-cold"
expect_true "writes the figures as CSV too" grep -q '^train-pairs,pairs,8,.*,11309,' "$TMP/b.csv"

expect_ok "says where the time went" "$AP" bench train-chains $once --profile
expect_out "attention_d"
expect_out "rest"

expect_ok "prints JSON" "$AP" bench rollout $once --json --threads 1
expect_out '"workload":"rollout"'
expect_out '"units":64'
expect_out '"threads":1'

expect_ok "computes where threads are bound" env -u GOMP_SPINCOUNT -u OMP_NUM_THREADS OMP_PROC_BIND=true "$AP" bench rollout $once --json
expect_out "\"threads\":$(nproc)"

expect_ok "writes a token, which load waits for" "$AP" bench first-token --model "$TMP/m"
if [ -c /dev/full ]; then
    expect_fail 1 "and says once that it cannot" sh -c '"$0" bench first-token --model "$1" >/dev/full' "$AP" "$TMP/m"
    expect_true "in one line" test "$(wc -l <"$TMP/err")" = 1
fi

expect_ok "times single operations beside OpenBLAS's product" "$(dirname "$AP")/bench/bench_ops" 1 rope
expect_out "sgemm,1024^3"
expect_out "rope,T4000"
expect_fail 2 "names an operation that nobody knows" "$(dirname "$AP")/bench/bench_ops" 1 rppe
expect_err 'no operation'"'"'s name begins with `rppe`'

expect_fail 2 "rejects a workload that nobody knows" "$AP" bench rolout
expect_err 'unknown workload `rolout`; did you mean `rollout`?'
expect_fail 1 "names a model that is not there" "$AP" bench rollout --model nowhere
expect_err 'nowhere'
expect_out_is ""
expect_fail 1 "names a file that cannot be written" "$AP" bench load $once --csv /nowhere/b.csv
expect_err '/nowhere/b.csv'
finish
