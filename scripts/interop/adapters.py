#!/usr/bin/env python3
"""Adapters and merged models of this program in PEFT and transformers, and PEFT's here.

    pip install torch==2.15.0 transformers==5.23.0 peft==0.21.2 safetensors==0.8.0
    make build                                    # with the unit tests
    scripts/interop/adapters.py build             # models/student; about a minute
    scripts/interop/adapters.py build MODEL       # another model folder with a tokenizer and a template for calls

    train --lora-rank   --export peft-->  PEFT: logits               \\
                        --export hf---->  transformers: logits        } equal, and equal to test_trl's
    PEFT: an adapter with ranks, scales and modules of its own ----->/
          --export peft--> PEFT again: equal

PEFT computes in float64; what it finds is laid out like tests/data/trl/llama, and test_trl compares with it."""
import json
import os
import subprocess
import sys
import tempfile

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TEXT = ("A train travels 120 kilometers in 2 hours. How many kilometers does it travel in 5 hours? "
        "All dogs are animals. Rex is a dog. Is Rex an animal?")
TOLERANCE = 2e-5  # float32 against float64, of the largest logit


def open_model(folder, adapter=None):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    if adapter:
        model = PeftModel.from_pretrained(model, adapter, autocast_adapter_dtype=False)
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.data = p.data.double()
    return model.eval()


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def make_uneven(folder, out):
    torch.manual_seed(1)
    model = get_peft_model(open_model(folder), LoraConfig(
        r=6, lora_alpha=5, use_rslora=True, target_modules=r".*\.(q|v|gate|down)_proj", task_type="CAUSAL_LM",
        rank_pattern={"q_proj": 3, r"1\.mlp\..*": 2}, alpha_pattern={"down_proj": 7.5}))
    for name, p in model.named_parameters():
        if "lora_" in name:
            p.data = (0.05 * torch.randn_like(p)).float()
    model.save_pretrained(out)


def compare(what, a, b):
    d = float((a - b).abs().max() / b.abs().max())
    print(f"{what}: logits differ by {d:.1e} of the largest")
    return d <= TOLERANCE


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program = os.path.join(sys.argv[1], "apprentice")
    base = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "models", "student"))

    def apprentice(*args):
        subprocess.run([program, *args], check=True, cwd=ROOT)

    ids = AutoTokenizer.from_pretrained(base)(TEXT)["input_ids"]
    with tempfile.TemporaryDirectory() as made:
        for name in ("config.json", "model.safetensors"):
            os.symlink(os.path.join(base, name), os.path.join(made, name))
        at = {name: os.path.join(made, name) for name in ("ours", "peft", "merged", "uneven", "uneven_back", "uneven_merged")}
        apprentice("train", "--method", "sft", "--task", "math-word=8", "--model", base, "--lora-rank", "8",
                   "--steps", "20", "--lr", "0.005", "--out", at["ours"])
        make_uneven(base, at["uneven"])
        for adapter, peft, merged in (("ours", "peft", "merged"), ("uneven", "uneven_back", "uneven_merged")):
            apprentice("export", base, "--adapter", at[adapter], "--format", "peft", "--out", at[peft], "--verify")
            apprentice("export", base, "--adapter", at[adapter], "--out", at[merged], "--dtype", "f32", "--verify")
        ours, uneven = logits_of(open_model(base, at["peft"]), ids), logits_of(open_model(base, at["uneven"]), ids)
        good = [compare("trained here, merged here, against PEFT", logits_of(open_model(at["merged"]), ids), ours),
                compare("PEFT's, exported here, in PEFT again", logits_of(open_model(base, at["uneven_back"]), ids), uneven),
                compare("PEFT's, merged here, against PEFT", logits_of(open_model(at["uneven_merged"]), ids), uneven)]
        plain = logits_of(open_model(base), ids)
        print(f"(the adapters change logits by {float((ours - plain).abs().max()):.2f} and "
              f"{float((uneven - plain).abs().max()):.2f} of {float(plain.abs().max()):.2f})")
        save_file({k: v.float().contiguous() for k, v in
                   {"logits": plain, "logits.ours": ours, "logits.uneven": uneven}.items()},
                  os.path.join(made, "expected.safetensors"))
        with open(os.path.join(made, "expected.json"), "w") as f:
            json.dump(dict(pairs=[dict(prompt=ids[:-1], chosen=ids[-1:], rejected=ids[-1:])], losses={},
                           loaded=["ours", "uneven"]), f)
        good.append(subprocess.run([os.path.join(sys.argv[1], "tests", "test_trl"), made]).returncode == 0)
        sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
