"""Load in llama.cpp what `apprentice export` and `apprentice model convert` write, and compare.

    interop.py APPRENTICE GREEDY FOLDER      (make interop calls it)

For the bundled student and a small random model of every family: the model, the
model with its adapter merged in, and the model with the adapter apart, in every
dtype.  In F32, llama.cpp's logits must be ours up to rounding, and its greedy
ids the same; narrower dtypes must stay near, and their files must hold what
ggml-org's own reader makes of the F32 file's numbers.
"""
import json
import os
import subprocess
import sys

import gguf
import numpy as np
from llama_cpp import Llama

APPRENTICE, GREEDY, FOLDER = sys.argv[1:4]
STUDENT = "models/student"
TEXT = "Each glombus is dusty. Max is a glombus. Is Max dusty?"
STEPS = 48
failures = 0


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def ours(model, adapter, ids, steps=STEPS):
    got = json.loads(run(GREEDY, "ids", model, adapter or "-", str(steps), text=" ".join(map(str, ids))))
    return np.array(got["logits"]), got["ids"]


def theirs(file, adapter, ids, steps=STEPS):
    m = Llama(file, lora_path=adapter, n_ctx=256, n_threads=1, verbose=False, logits_all=True, type_k=0, type_v=0)
    m.eval(ids)
    first = np.array(m.scores[len(ids) - 1], dtype=np.float64)
    out = [int(first.argmax())]
    while len(out) < steps:
        m.eval(out[-1:])
        out.append(int(m.scores[m.n_tokens - 1].argmax()))
    text = m.detokenize(out).decode("utf-8", "replace")
    m.close()
    return first, out, text


def report(what, good, detail):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {what:44} {detail}", flush=True)


def compare(what, base, adapter, file, lora, ids, exact):
    x, mine = ours(base, adapter, ids)
    y, others, text = theirs(file, lora, ids)
    error = np.abs(x - y).max() / np.abs(x).max()
    same = next((i for i, (a, b) in enumerate(zip(mine, others)) if a != b), STEPS)
    report(what, error < 1e-4 and same == STEPS if exact else error < 0.05,
           f"logits {error:.1e}, {same} of {STEPS} greedy ids the same")
    if exact:
        decoded = run(APPRENTICE, "tokenize", base, "--decode", text=" ".join(map(str, others)))
        report(what + ", their text", decoded.strip() == text.strip(), repr(text[:30]) if decoded.strip() == text.strip() else f"{text!r} and ours {decoded!r}")


def tensors(file):
    return {t.name: t for t in gguf.GGUFReader(file).tensors}


def check_file(what, wide, narrow):
    """Every tensor of a narrow file is what ggml-org's package rounds the wide file's to."""
    a, b, wrong = tensors(wide), tensors(narrow), []
    for name, t in a.items():
        values = gguf.quants.dequantize(t.data, t.tensor_type).reshape(b[name].data.shape[0], -1)
        kind = b[name].tensor_type
        want = gguf.quants.quantize(values, kind).view(np.uint8).ravel()
        if not np.array_equal(want, np.ascontiguousarray(b[name].data).view(np.uint8).ravel()):
            wrong.append(name)
    report(what + ", their rounding", a.keys() == b.keys() and not wrong, f"{len(a)} tensors {wrong[:3]}")


def check_model(name, base, ids):
    path = lambda part: os.path.join(FOLDER, f"{name}-{part}")
    adapter = path("adapter")
    run(GREEDY, "adapter", base, adapter)
    for dtype in ("f32", "f16", "bf16", "q8_0"):
        file = path(dtype + ".gguf")
        run(APPRENTICE, "model", "convert", base, "--out", file, "--dtype", dtype)
        compare(f"{name} {dtype}", base, None, file, None, ids, dtype == "f32")
        if dtype != "f32":
            check_file(f"{name} {dtype}", path("f32.gguf"), file)
    lora, merged = path("lora.gguf"), path("merged.gguf")
    run(APPRENTICE, "export", base, "--adapter", adapter, "--format", "gguf-lora", "--out", lora)
    run(APPRENTICE, "export", base, "--adapter", adapter, "--format", "gguf", "--dtype", "f32", "--out", merged)
    compare(f"{name} f32 + adapter", base, adapter, path("f32.gguf"), lora, ids, True)
    compare(f"{name} f32 merged", base, adapter, merged, None, ids, True)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    ids = [int(i) for i in run(APPRENTICE, "tokenize", STUDENT, text=TEXT).split()]
    check_model("student", STUDENT, ids)
    for family in ("llama", "mistral", "qwen2", "qwen3", "llama3", "linear"):
        base = os.path.join(FOLDER, family)
        run(GREEDY, "new", family, STUDENT, base)
        check_model(family, base, ids)
    print(f"interop: {failures} failures" if failures else "interop: everything agrees")
    sys.exit(failures > 0)


main()
