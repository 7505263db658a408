#!/usr/bin/env python3
"""Make the fixtures of llama2.c's format: ../tiny_llama as its exporter would write it, and a vocabulary.

    model.bin       header, then f32 tensors kind by kind; q and k with the pairs of RoPE side by side
    tokenizer.bin   53 tokens with scores
    cases.json      texts and their ids, by the plain rule: of all neighbours that make a token, merge the best

    pip install safetensors==0.8.0 numpy==2.4.6
    python3 tests/data/llama2c/generate.py
"""
import json
import os
import struct

import numpy as np
from safetensors.numpy import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
FROM = os.path.join(HERE, "..", "tiny_llama")


def permute_reverse(w, heads):
    """From Hugging Face's halves to neighbours."""
    rows, cols = w.shape
    return w.reshape(heads, 2, rows // heads // 2, cols).transpose(0, 2, 1, 3).reshape(rows, cols)


def model():
    c = json.load(open(os.path.join(FROM, "config.json")))
    t = load_file(os.path.join(FROM, "model.safetensors"))
    L, H, Hkv = c["num_hidden_layers"], c["num_attention_heads"], c["num_key_value_heads"]
    layer = lambda l, part: t[f"model.layers.{l}.{part}.weight"]
    parts = [t["model.embed_tokens.weight"]]
    parts += [layer(l, "input_layernorm") for l in range(L)]
    parts += [permute_reverse(layer(l, "self_attn.q_proj"), H) for l in range(L)]
    parts += [permute_reverse(layer(l, "self_attn.k_proj"), Hkv) for l in range(L)]
    parts += [layer(l, "self_attn.v_proj") for l in range(L)]
    parts += [layer(l, "self_attn.o_proj") for l in range(L)]
    parts += [layer(l, "post_attention_layernorm") for l in range(L)]
    parts += [layer(l, "mlp.gate_proj") for l in range(L)]
    parts += [layer(l, "mlp.down_proj") for l in range(L)]
    parts += [layer(l, "mlp.up_proj") for l in range(L)]
    parts += [t["model.norm.weight"]]
    parts += [np.zeros((c["max_position_embeddings"], c["head_dim"] // 2), np.float32)] * 2
    with open(os.path.join(HERE, "model.bin"), "wb") as f:
        f.write(struct.pack("7i", c["hidden_size"], c["intermediate_size"], L, H, Hkv, c["vocab_size"],
                            c["max_position_embeddings"]))
        for p in parts:
            f.write(np.ascontiguousarray(p, np.float32).tobytes())


PIECES = [" ", "e", "t", "a", "o", "h", "n", "s", "r", "d", "l", "u", "i", "w", ".", "the", " t", "he", " the", "in", " a",
          "an", "and", " and", "er", "ing", "on", "re", "é"]
BYTES = [0x0A, 0x21, 0x41, 0x42, 0x54, 0xC3, 0xA8, 0xE2, 0x82, 0xAC, 0xFF, 0x7A, 0x62, 0x63, 0x66, 0x67, 0x6B, 0x6D,
         0x70, 0x76, 0x79]


def vocabulary():
    tokens = [("<unk>", 0.0), ("\n<s>\n", 0.0), ("\n</s>\n", 0.0)]
    tokens += [("<0x%02X>" % b, 0.0) for b in BYTES]
    tokens += [(p, -1.0 - i if len(p) == 1 else 20.0 - i) for i, p in enumerate(PIECES)]
    assert len(tokens) == 53, len(tokens)
    with open(os.path.join(HERE, "tokenizer.bin"), "wb") as f:
        f.write(struct.pack("i", max(len(t.encode()) for t, _ in tokens)))
        for t, score in tokens:
            b = t.encode()
            f.write(struct.pack("fi", score, len(b)) + b)
    return tokens


def encode(tokens, text):
    """llama2.c's rule; characters without a token become bytes, as far as those have tokens."""
    ids = {t: i for i, (t, _) in enumerate(tokens)}
    byte = {b: 3 + i for i, b in enumerate(BYTES)}
    out = []
    for c in (" " + text if text else ""):
        out += [ids[c]] if c in ids else [byte[b] for b in c.encode()]
    text_of = lambda i: tokens[i][0]
    while True:
        best = None
        for k in range(len(out) - 1):
            if out[k] < 3 + len(BYTES) or out[k + 1] < 3 + len(BYTES):
                continue
            i = ids.get(text_of(out[k]) + text_of(out[k + 1]))
            if i is not None and (best is None or tokens[i][1] > tokens[best[0]][1]):
                best = (i, k)
        if best is None:
            return out
        out[best[1]:best[1] + 2] = [best[0]]


TEXTS = ["", "the", " the", "the  the", "and then there", "A hint.\nTen!", "ABBA", "other interning", "\u00e9t\u00e9 \u00e8re",
         "10\u20ac".replace("10", "a"), "antheinaand", "a t a n d t h e", "bcfgkmpvyz"]

if __name__ == "__main__":
    model()
    tokens = vocabulary()
    cases = [{"text": t, "ids": encode(tokens, t)} for t in TEXTS]
    json.dump(cases, open(os.path.join(HERE, "cases.json"), "w"), indent=1, ensure_ascii=False)
