# test_export.sh - exports: every format verified, damage found, wrong input explained; training on from an adapter.
. "$(dirname "$0")/lib.sh"

base=tests/data/trl/llama

expect_ok "merges and verifies" "$AP" export $base --adapter $base/sigmoid --out "$TMP/merged" --verify
expect_out "hf of $base"
expect_out "verified: 18080 weights are those of the trained model in F32"
expect_out "another token is the likeliest at 0"
expect_true "the folder has its configuration" test -s "$TMP/merged/config.json"
expect_ok "rounds to bf16" "$AP" export $base --adapter $base/sigmoid --out "$TMP/bf16" --dtype bf16 --verify
expect_out "in BF16"
expect_ok "knows dtypes in capitals" "$AP" export $base --adapter $base/ipo --out "$TMP/f16" --dtype F16 --verify
expect_ok "writes the adapter" "$AP" export $base --adapter $base/sigmoid --format peft --out "$TMP/peft" --verify
expect_true "names its base" grep -q "\"base_model_name_or_path\":\"$base\"" "$TMP/peft/adapter_config.json"
expect_ok "writes the adapter for llama.cpp" "$AP" export $base --adapter $base/sigmoid --format gguf-lora \
    --out "$TMP/adapter.gguf" --verify
expect_ok "an adapter in GGUF is one like another" "$AP" export $base --adapter "$TMP/adapter.gguf" --out "$TMP/merged" \
    --only-verify
expect_ok "merges into NF4 weights" "$AP" export $base --adapter $base/sigmoid --base-dtype nf4 --out "$TMP/nf4" --verify
expect_fail 1 "which are others" "$AP" export $base --adapter $base/sigmoid --out "$TMP/nf4" --only-verify
expect_err "differs from the trained model"

printf '\x7f' | dd of="$TMP/merged/model.safetensors" bs=1 seek=70000 conv=notrunc 2>/dev/null
expect_fail 1 "finds one damaged byte" "$AP" export $base --adapter $base/sigmoid --out "$TMP/merged" --only-verify
expect_err "$TMP/merged: tensor \`"
expect_err "differs from the trained model: number"
truncate -s 70000 "$TMP/merged/model.safetensors"
expect_fail 1 "finds a file that was cut off" "$AP" export $base --adapter $base/sigmoid --out "$TMP/merged" --only-verify
expect_err "model.safetensors"

expect_ok "trains an adapter" "$AP" train --method sft --task math-word=1 --model models/student --lora-rank 2 --steps 1 \
    --warmup 0 --lr 0.01 --out "$TMP/first"
expect_ok "trains on from it" "$AP" train --method sft --task math-word=1 --model models/student --adapter "$TMP/first" \
    --steps 1 --warmup 0 --lr 0.01 --out "$TMP/second"
expect_true "and not in place" sh -c "! cmp -s '$TMP/first/adapter_model.safetensors' '$TMP/second/adapter_model.safetensors'"
expect_true "its shape stays" cmp "$TMP/first/adapter_config.json" "$TMP/second/adapter_config.json"
expect_fail 2 "an adapter has its own rank" "$AP" train --method sft --task math-word=1 --model models/student \
    --adapter "$TMP/first" --lora-rank 4 --out "$TMP/third"
expect_ok "writes a model for llama.cpp" "$AP" export models/student --adapter "$TMP/second" --format gguf --dtype q8_0 \
    --out "$TMP/student.gguf" --verify
expect_out "in Q8_0; on 8 generated chains"
expect_ok "copies the tokenizer" "$AP" export models/student --adapter "$TMP/second" --out "$TMP/student"
expect_true "as it is" cmp models/student/tokenizer.json "$TMP/student/tokenizer.json"

expect_fail 2 "wants to know where to" "$AP" export $base --format hf
expect_fail 2 "names the formats" "$AP" export $base --format onnx --out "$TMP/x"
expect_err "gguf-lora"
expect_fail 1 "names the dtypes" "$AP" export $base --dtype fp8 --out "$TMP/x"
expect_err "q8_0"
expect_fail 1 "peft has no bf16" "$AP" export $base --adapter $base/ipo --format peft --dtype bf16 --out "$TMP/x"
expect_fail 1 "peft needs an adapter" "$AP" export $base --format peft --out "$TMP/x"
expect_err "needs an adapter"
expect_fail 1 "does not write over the base" "$AP" export "$TMP/student" --out "$TMP/student"
expect_err "over the one it comes from"
expect_fail 1 "names an adapter that is not there" "$AP" export $base --adapter "$TMP/none" --out "$TMP/x"
expect_err "$TMP/none"
expect_fail 1 "names a model that is not there" "$AP" export "$TMP/none" --out "$TMP/x"
expect_fail 2 "model has no merge any more" "$AP" model merge $base

finish
