#!/usr/bin/env bash
# Run the fuzz targets one after the other; whatever one of them finds is a failure.
#   scripts/fuzz.sh BUILD SECONDS [NAME]...     NAME: gguf for fuzz_gguf; none: all of them
# Seeds are tests/fuzz/corpus/NAME.  Inputs that reach new code gather in
# BUILD/corpus/NAME, findings in BUILD/findings.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
build=$1 seconds=$2
shift 2

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        names+=("${name#fuzz_}")
    done
fi

mkdir -p "$build/findings"
failed=()
for name in "${names[@]}"; do
    corpus=$build/corpus/$name
    log=$build/$name.log
    folders=("$corpus")
    mkdir -p "$corpus"
    [ ! -d "tests/fuzz/corpus/$name" ] || folders+=("tests/fuzz/corpus/$name")
    printf 'fuzz: %-14s' "$name"
    if OMP_NUM_THREADS=1 "$build/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3072 \
        -print_final_stats=1 -artifact_prefix="$build/findings/$name-" "${folders[@]}" >"$log" 2>&1; then
        echo "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs, no finding"
    else
        echo "FOUND SOMETHING, see $log:"
        grep -m 3 -E 'ERROR|SUMMARY|runtime error' "$log"
        failed+=("$name")
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "fuzz: ${#failed[@]} of ${#names[@]} targets found something: ${failed[*]}"
    exit 1
fi
echo "fuzz: ${#names[@]} targets, $seconds seconds each, nothing found"
