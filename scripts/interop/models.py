#!/usr/bin/env python3
"""Compare model folders in this program and in transformers: logits, every layer's output, greedy text.

    pip install torch==2.15.0 transformers==5.23.0 safetensors==0.8.0
    make build                                      # with the unit tests
    scripts/interop/models.py build/check           # the bundled models
    scripts/interop/models.py build/check DIR...    # any folder with one model.safetensors

transformers computes in float64; what it finds is laid out like
tests/data/architectures, and test_architectures compares with it."""
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "data", "architectures"))
from generate import greedy, run  # noqa: E402

TEXT = ("A train travels 120 kilometers in 2 hours. How many kilometers does it travel in 5 hours? "
        "All dogs are animals. Rex is a dog. Is Rex an animal?")
GREEDY = 24


def expect(folder, name, tensors):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    ids = AutoTokenizer.from_pretrained(folder)(TEXT)["input_ids"]
    logits, hidden = run(model, ids)
    tensors[name + ".logits"] = logits
    for l, h in enumerate(hidden):
        tensors[f"{name}.hidden.{l}"] = h
    tokens, margin = greedy(model, ids, GREEDY)
    print(f"{folder}: {sum(p.numel() for p in model.parameters())} parameters, {len(ids)} tokens, "
          f"closest decision {margin:.3g}")
    return dict(weights=name, ids=ids, prompt=len(ids), greedy=tokens)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = sys.argv[1]
    folders = sys.argv[2:] or [os.path.join(ROOT, "models", name) for name in ("teacher", "student")]
    with tempfile.TemporaryDirectory() as made:
        tensors, numbers = {}, {}
        for i, folder in enumerate(folders):
            name = f"{i}_{os.path.basename(os.path.abspath(folder))}"
            os.symlink(os.path.abspath(folder), os.path.join(made, name))
            numbers[name] = expect(folder, name, tensors)
        save_file({k: v.float().contiguous() for k, v in tensors.items()}, os.path.join(made, "expected.safetensors"))
        with open(os.path.join(made, "expected.json"), "w") as f:
            json.dump(numbers, f)
        sys.exit(subprocess.run([os.path.join(build, "tests", "test_architectures"), made]).returncode)


if __name__ == "__main__":
    main()
