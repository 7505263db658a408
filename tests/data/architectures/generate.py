#!/usr/bin/env python3
"""Make the fixtures of this folder with PyTorch and transformers, in float64.

    pip install torch==2.15.0 transformers==5.23.0 safetensors==0.8.0
    python3 generate.py            # writes beside itself

One tiny random model per family, some read with several configurations.  The
weights are rounded to the dtype of their file before anything is computed, so
that both sides start from the same numbers.  See README.md."""
import json
import os
import shutil

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from transformers import (LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config)

HERE = os.path.dirname(os.path.abspath(__file__))
T, PROMPT, GREEDY = 36, 14, 24

COMMON = dict(vocab_size=64, max_position_embeddings=128, bos_token_id=1, eos_token_id=2)
LLAMA3 = dict(rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64, rope_theta=100.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32, rope_theta=1000.0)

# name: (config class, keys, dtype of the file)
WEIGHTS = dict(
    llama=(LlamaConfig, dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                             num_key_value_heads=2, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-5,
                             rope_parameters=dict(rope_type="default", rope_theta=500.0)), torch.float32),
    llama_linear=(LlamaConfig, dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2,
                                  num_key_value_heads=2, head_dim=16, tie_word_embeddings=True,
                                  rope_parameters=dict(rope_type="linear", factor=3.0, rope_theta=100.0)),
                torch.float32),
    mistral=(MistralConfig, dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                                 num_key_value_heads=1, head_dim=16, sliding_window=7,
                                 rope_parameters=dict(rope_type="default", rope_theta=10000.0)), torch.float32),
    mistral_f16=(MistralConfig, dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                                     num_key_value_heads=4, sliding_window=None,
                                     rope_parameters=dict(rope_type="default", rope_theta=1000.0)), torch.float16),
    qwen2_bf16=(Qwen2Config, dict(hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
                                  num_key_value_heads=2, use_sliding_window=True, sliding_window=9,
                                  max_window_layers=1, tie_word_embeddings=True,
                                  rope_parameters=dict(rope_type="default", rope_theta=1000.0)), torch.bfloat16),
    qwen3=(Qwen3Config, dict(hidden_size=48, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                             num_key_value_heads=2, head_dim=16, tie_word_embeddings=True,
                             rope_parameters=dict(rope_type="default", rope_theta=1000.0)), torch.float32),
)
# name: (weights, changes of the keys)
CASES = dict(
    llama=("llama", {}),
    llama_linear=("llama_linear", {}),
    llama_llama3=("llama_linear", dict(rope_parameters=LLAMA3)),
    llama_yarn=("llama_linear", dict(rope_parameters=dict(YARN, attention_factor=1.3, beta_fast=4.0, beta_slow=0.5,
                                                        truncate=False))),
    mistral=("mistral", {}),
    mistral_f16=("mistral_f16", {}),
    qwen2_bf16=("qwen2_bf16", {}),
    qwen2_yarn=("qwen2_bf16", dict(rope_parameters=YARN, use_sliding_window=False)),
    qwen3=("qwen3", {}),
    qwen3_window=("qwen3", dict(use_sliding_window=True, sliding_window=5,
                                layer_types=["full_attention", "sliding_attention"],
                                rope_parameters=dict(YARN, mscale=2.0, mscale_all_dim=0.5))),
)
OLD_KEYS = ["llama_llama3", "qwen2_yarn"]  # written as transformers 4 did


def make_weights(name):
    kind, keys, dtype = WEIGHTS[name]
    model = AutoModelForCausalLM.from_config(kind(**COMMON, **keys), attn_implementation="eager")
    with torch.no_grad():
        for key, p in model.named_parameters():
            noise = torch.randn_like(p)
            p.copy_(1.0 + 0.2 * noise if "norm" in key else 0.25 * noise)
    return model.to(dtype)


def config_of(name):
    weights, changes = CASES[name]
    kind, keys, dtype = WEIGHTS[weights]
    return kind(**COMMON, **{**keys, **changes}, dtype=dtype)


def write_case(name, model):
    """config.json as save_pretrained writes it, beside the weights when the case is the one named like them."""
    folder, scratch = os.path.join(HERE, name), os.path.join(HERE, "scratch")
    os.makedirs(folder, exist_ok=True)
    if CASES[name][0] == name:
        model.save_pretrained(scratch, safe_serialization=True)
        shutil.copyfile(os.path.join(scratch, "model.safetensors"), os.path.join(folder, "model.safetensors"))
        shutil.rmtree(scratch)
    config = config_of(name)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    if name in OLD_KEYS:
        path = os.path.join(folder, "config.json")
        with open(path) as f:
            keys = json.load(f)
        rope = keys.pop("rope_parameters")
        keys["rope_theta"] = rope.pop("rope_theta")
        rope["type"] = rope.pop("rope_type")
        keys["rope_scaling"] = rope
        keys["torch_dtype"] = keys.pop("dtype")
        keys.pop("layer_types", None)
        with open(path, "w") as f:
            json.dump(keys, f, indent=2)
            f.write("\n")


def model_of(name, weights, dtype):
    model = AutoModelForCausalLM.from_config(config_of(name), attn_implementation="eager", dtype=dtype)
    model.load_state_dict(weights.state_dict())
    return model


def run(model, ids):
    """Logits (T, V) and what each layer puts out (T, D); transformers' own hidden_states end after the final norm."""
    hidden = []
    hooks = [layer.register_forward_hook(lambda m, i, out: hidden.append(out[0] if isinstance(out, tuple) else out))
             for layer in model.model.layers]
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    for hook in hooks:
        hook.remove()
    return logits, [h.reshape(len(ids), -1) for h in hidden]


def greedy(model, ids, n):
    """The continuation, and the smallest distance of the best from the second best logit on the way."""
    margin = float("inf")
    for _ in range(n):
        with torch.no_grad():
            top = model(torch.tensor([ids]), use_cache=False).logits[0, -1].topk(2)
        margin = min(margin, float(top.values[0] - top.values[1]))
        ids = ids + [int(top.indices[0])]
    return ids[-n:], margin


def main():
    torch.manual_seed(20260117)
    models = {name: make_weights(name) for name in WEIGHTS}
    tensors, numbers = {}, {}
    for name, (weights, _) in CASES.items():
        write_case(name, models[weights])
        ids = torch.randint(0, COMMON["vocab_size"], (T,)).tolist()
        model = model_of(name, models[weights], torch.float64)
        logits, hidden = run(model, ids)
        tensors[name + ".logits"] = logits
        for l, h in enumerate(hidden):
            tensors[f"{name}.hidden.{l}"] = h
        if WEIGHTS[weights][2] == torch.bfloat16:  # every operation in bf16, as most tools run such a file
            tensors[name + ".logits_bf16"], _ = run(model_of(name, models[weights], torch.bfloat16), ids)
        tokens, margin = greedy(model, ids[:PROMPT], GREEDY)
        assert margin > 1e-3, (name, margin)  # else no rounding could be allowed for
        numbers[name] = dict(weights=weights, ids=ids, prompt=PROMPT, greedy=tokens)
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, os.path.join(HERE, "expected.safetensors"))
    with open(os.path.join(HERE, "expected.json"), "w") as f:
        json.dump(numbers, f)
        f.write("\n")


if __name__ == "__main__":
    main()
