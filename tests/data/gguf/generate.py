#!/usr/bin/env python3
"""Make the GGUF fixtures, with ggml-org's own package as the writer.

    blocks.gguf   random blocks of Q8_0, Q4_0, Q4_K and Q6_K beside what the package makes of them (NAME.f32),
                  and numbers (numbers.f32) beside what it rounds them to (numbers, Q8_0)
    mistral.gguf, qwen2.gguf, qwen3.gguf
                  the models of ../architectures under GGUF's names, q and k of mistral (there: llama) reordered
    llama3.gguf   ../architectures/llama with the scaling of Llama 3.1, as a tensor of factors
    kinds.gguf    metadata of every type

    pip install gguf==0.19.0 safetensors==0.8.0 numpy==2.4.6
    python3 tests/data/gguf/generate.py
"""
import json
import math
import os

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from safetensors import safe_open

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "..", "architectures")


# ---------------------------------------------------------------- blocks

def halves(rng, n, low, high):
    return rng.uniform(low, high, n).astype(np.float16).view(np.uint8).reshape(n, 2)


def random_blocks(rng, kind, n):
    """Any bits, but scales that are finite."""
    size = gguf.GGML_QUANT_SIZES[kind][1]
    b = rng.integers(0, 256, (n, size), dtype=np.uint8)
    if kind in (T.Q8_0, T.Q4_0):
        b[:, 0:2] = halves(rng, n, -0.1, 0.1)
    elif kind == T.Q4_K:
        b[:, 0:2] = halves(rng, n, -0.01, 0.01)
        b[:, 2:4] = halves(rng, n, -0.01, 0.01)
    else:
        b[:, 208:210] = halves(rng, n, -0.001, 0.001)
    return b


def blocks():
    rng = np.random.default_rng(3)
    w = gguf.GGUFWriter(os.path.join(HERE, "blocks.gguf"), "blocks")
    for kind in (T.Q8_0, T.Q4_0, T.Q4_K, T.Q6_K):
        numbers, size = gguf.GGML_QUANT_SIZES[kind]
        rows = random_blocks(rng, kind, 6).reshape(3, 2 * size)
        w.add_tensor(kind.name, rows, raw_dtype=kind)
        w.add_tensor(kind.name + ".f32", gguf.quants.dequantize(rows, kind).reshape(3, 2 * numbers))
    x = rng.normal(0, 1, (8, 64)).astype(np.float32)
    x[1] *= 1e-4
    x[2] *= 1e4
    x[3, :32] = 0
    x[4, ::3] = 0.5 * x[4, 0]
    w.add_tensor("numbers.f32", x)
    w.add_tensor("numbers", gguf.quants.quantize(x, T.Q8_0), raw_dtype=T.Q8_0)
    close(w)


# ---------------------------------------------------------------- models

LAYER = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
         "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
MODEL = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def rename(name):
    stem, kind = name.rsplit(".", 1)
    if stem in MODEL:
        return MODEL[stem] + "." + kind
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{LAYER[part]}.{kind}"


def reorder(x, heads):
    """Pairs that RoPE turns together become neighbours."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def add_tensors(w, folder, config, to, permute):
    with safe_open(os.path.join(MODELS, folder, "model.safetensors"), "pt") as f:
        for name in sorted(f.keys()):
            x = f.get_tensor(name).float().numpy()
            if permute and ".q_proj" in name:
                x = reorder(x, config["num_attention_heads"])
            if permute and ".k_proj" in name:
                x = reorder(x, config["num_key_value_heads"])
            if x.ndim == 1:
                w.add_tensor(rename(name), x)
            elif to == T.BF16:
                w.add_tensor(rename(name), gguf.quants.quantize(x, T.BF16), raw_dtype=T.BF16)
            else:
                w.add_tensor(rename(name), x.astype(np.float16 if to == T.F16 else np.float32))


def add_shape(w, c):
    theta = c.get("rope_theta") or c["rope_parameters"]["rope_theta"]
    w.add_vocab_size(c["vocab_size"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    head = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    w.add_key_length(head)
    w.add_value_length(head)
    w.add_rope_dimension_count(head)
    w.add_rope_freq_base(theta)
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])


def vocabulary(w, n):
    """Sentencepiece's: the bytes and single letters."""
    tokens = ["<unk>", "<s>", "</s>"] + [chr(0x61 + i) for i in range(n - 3)]
    kinds = [2, 3, 3] + [1] * (n - 3)
    w.add_tokenizer_model("llama")
    w.add_token_list(tokens)
    w.add_token_scores([0.0] * n)
    w.add_token_types(kinds)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)


def llama3_factors(head, theta, factor=8.0, low=1.0, high=4.0, original=8192):
    out = []
    for i in range(head // 2):
        wavelength = 2 * math.pi * theta ** (2 * i / head)
        if wavelength < original / high:
            out.append(1.0)
        elif wavelength > original / low:
            out.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(out, dtype=np.float32)


def model(file, folder, arch, to, scaled=False):
    config = json.load(open(os.path.join(MODELS, folder, "config.json")))
    w = gguf.GGUFWriter(os.path.join(HERE, file), arch)
    if scaled:
        config["rope_parameters"] = {"rope_theta": 500000.0}
    add_shape(w, config)
    if config.get("sliding_window") and config["model_type"] == "mistral":
        w.add_sliding_window(config["sliding_window"])
    w.add_file_type({T.F16: 1, T.BF16: 32, T.F32: 0}[to])
    vocabulary(w, config["vocab_size"])
    if scaled:
        w.add_tensor("rope_freqs.weight", llama3_factors(config["head_dim"], 500000.0))
    add_tensors(w, folder, config, to, arch == "llama")
    close(w)


def kinds():
    w = gguf.GGUFWriter(os.path.join(HERE, "kinds.gguf"), "kinds")
    w.add_uint8("u8", 200), w.add_int8("i8", -100), w.add_uint16("u16", 60000), w.add_int16("i16", -30000)
    w.add_uint32("u32", 4000000000), w.add_int32("i32", -2000000000), w.add_uint64("u64", 1 << 40)
    w.add_int64("i64", -(1 << 40)), w.add_float32("f32", 0.5), w.add_float64("f64", -0.1), w.add_bool("yes", True)
    w.add_bool("no", False), w.add_string("text", "d\u00e9j\u00e0 vu"), w.add_array("numbers", [1, 2, 3])
    w.add_array("words", ["one", "", "three"]), w.add_array("reals", [0.25, -4.0])
    w.add_array("nested", [[1, 2], [3]])
    w.add_uint64("huge", 1 << 63)
    close(w)


def close(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    blocks()
    model("mistral.gguf", "mistral_f16", "llama", T.F16)
    model("qwen2.gguf", "qwen2_bf16", "qwen2", T.BF16)
    model("qwen3.gguf", "qwen3", "qwen3", T.F16)
    model("llama3.gguf", "llama", "llama", T.F16, scaled=True)
    kinds()
