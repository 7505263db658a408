#!/usr/bin/env python3
"""Make the fixtures of this folder with PyTorch and transformers, in float64.

    pip install torch transformers safetensors
    python3 generate.py            # writes beside itself

The weights are random and rounded to float32 before anything is computed, so
that both sides start from the same numbers.  See README.md."""
import json
import os

import torch
from safetensors.torch import save_file
from torch.func import functional_call
from transformers import LlamaConfig, LlamaForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(20240917)

SHAPE = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=8, vocab_size=53, max_position_embeddings=128,
             rms_norm_eps=1e-5, rope_theta=500.0, tie_word_embeddings=True)
LINEARS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
RANK, ALPHA = 4, 6.0
DPO = dict(beta=0.3, label_smoothing=0.1, nll_weight=0.7)


def make_model():
    model = LlamaForCausalLM(LlamaConfig(**SHAPE, attn_implementation="eager"))
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn_like(p)
            p.copy_(1.0 + 0.2 * noise if "norm" in name else 0.25 * noise)
    return model.float()


def make_adapter(model):
    state, factors = model.state_dict(), {}
    for l in range(SHAPE["num_hidden_layers"]):
        for linear in LINEARS:
            module = f"model.layers.{l}.{linear}"
            out, inp = state[module + ".weight"].shape
            factors[f"base_model.model.{module}.lora_A.weight"] = 0.2 * torch.randn(RANK, inp)
            factors[f"base_model.model.{module}.lora_B.weight"] = 0.2 * torch.randn(out, RANK)
    return factors


def make_pairs():
    """Two pairs of one prompt: chosen and rejected part in the middle of a call.  Result tokens are not trained."""
    def seq(parts):
        ids, trained = [], []
        for n, is_trained in parts:
            ids += torch.randint(0, SHAPE["vocab_size"], (n,)).tolist()
            trained += [is_trained] * n
        return ids, trained

    prompt = seq([(9, 0)])
    pairs = []
    for question, shared in ((5, 3), (4, 4)):
        stem = tuple(a + b for a, b in zip(prompt, seq([(question, 0), (shared, 1)])))
        tails = [seq([(2, 1), (3, 0), (4, 1)]), seq([(3, 1), (2, 0), (2, 1)])]
        pairs.append([tuple(a + b for a, b in zip(stem, tail)) for tail in tails])
    return pairs


def seq_logp(logits_of, seq):
    ids, trained = seq
    logp = torch.log_softmax(logits_of(torch.tensor([ids]))[0], dim=-1)
    return sum(logp[t - 1, ids[t]] for t in range(1, len(ids)) if trained[t])


def dpo_loss(logits_of, pairs, refs):
    """TRL's sigmoid loss with label smoothing, plus the chosen sequence's NLL per trained token."""
    total = 0.0
    for (chosen, rejected), (ref_chosen, ref_rejected) in zip(pairs, refs):
        c, r = seq_logp(logits_of, chosen), seq_logp(logits_of, rejected)
        h = DPO["beta"] * ((c - ref_chosen) - (r - ref_rejected))
        e = DPO["label_smoothing"]
        loss = -(1 - e) * torch.nn.functional.logsigmoid(h) - e * torch.nn.functional.logsigmoid(-h)
        total = total + loss - DPO["nll_weight"] * c / sum(chosen[1])
    return total / len(pairs)


def sft_loss(logits_of, pairs):
    tokens = sum(sum(chosen[1]) for chosen, _ in pairs)
    return -sum(seq_logp(logits_of, chosen) for chosen, _ in pairs) / tokens


def greedy(logits_of, ids, n):
    for _ in range(n):
        ids = ids + [int(logits_of(torch.tensor([ids]))[0, -1].argmax())]
    return ids[-n:]


def main():
    model = make_model()
    factors = make_adapter(model)
    pairs = make_pairs()
    model.save_pretrained(HERE, safe_serialization=True)
    os.remove(os.path.join(HERE, "generation_config.json"))
    adapter = os.path.join(HERE, "adapter")
    os.makedirs(adapter, exist_ok=True)
    save_file(factors, os.path.join(adapter, "adapter_model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(adapter, "adapter_config.json"), "w") as f:
        json.dump(dict(peft_type="LORA", task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, bias="none",
                       target_modules=[m.split(".")[1] for m in LINEARS]), f, indent=2)
        f.write("\n")

    model = model.double()
    weights = {k: v.detach().clone().requires_grad_() for k, v in model.named_parameters()}
    factors = {k: v.double().requires_grad_() for k, v in factors.items()}

    def base(ids):
        return functional_call(model, weights, (ids,), dict(use_cache=False)).logits

    def adapted(ids):
        merged = {k: v.detach() for k, v in weights.items()}
        for l in range(SHAPE["num_hidden_layers"]):
            for linear in LINEARS:
                module = f"model.layers.{l}.{linear}"
                a = factors[f"base_model.model.{module}.lora_A.weight"]
                b = factors[f"base_model.model.{module}.lora_B.weight"]
                merged[module + ".weight"] = merged[module + ".weight"] + ALPHA / RANK * b @ a
        return functional_call(model, merged, (ids,), dict(use_cache=False)).logits

    refs = [[float(seq_logp(base, s)) for s in pair] for pair in pairs]
    tensors, numbers = {}, dict(dpo=DPO, pairs=[[dict(ids=s[0], trained=s[1]) for s in pair] for pair in pairs],
                                ref=refs)
    tensors["logits"] = base(torch.tensor([pairs[0][0][0]]))[0].detach()
    tensors["logits_adapted"] = adapted(torch.tensor([pairs[0][0][0]]))[0].detach()
    numbers["logp_adapted"] = [[float(seq_logp(adapted, s)) for s in pair] for pair in pairs]
    # The full fine-tuning case is measured against references that differ from the policy.
    moved = [[a + 0.8, b - 1.1] for a, b in refs]
    numbers["ref_moved"] = moved
    losses = dict(dpo_full=(dpo_loss(base, pairs, moved), weights), sft_full=(sft_loss(base, pairs), weights),
                  dpo_lora=(dpo_loss(adapted, pairs, refs), factors))
    for name, (loss, params) in losses.items():
        numbers["loss_" + name] = float(loss)
        grads = torch.autograd.grad(loss, list(params.values()))
        for key, grad in zip(params, grads):
            tensors[f"{name}.{key}"] = grad
    prompt = pairs[0][0][0][:14]
    numbers["greedy"] = dict(prompt=prompt, base=greedy(base, prompt, 24), adapted=greedy(adapted, prompt, 24))
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, os.path.join(HERE, "expected.safetensors"))
    with open(os.path.join(HERE, "expected.json"), "w") as f:
        json.dump(numbers, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
