#!/usr/bin/env python3
"""Makes quant.safetensors: weights, and the values bitsandbytes gives them in int8 and NF4.

    python3 tests/data/quant/make_quant.py

Made with bitsandbytes 0.50.2, torch 2.15.0 on the CPU.  `even` is bf16 as models are (its mean
of scales is then exact in any order of summation); `odd` has a part of a block at the end, an
odd number of numbers and a block of zeros.  Scales in 8 bits come from bitsandbytes' portable
nearest-value search, which is also its CUDA rule; its CPU library looks them up in a table and
is off by one code in about one scale of a thousand.  The generator checks that both agree here.
"""
import os

import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))


def nearest(x, code, block):
    """quantize_blockwise as the portable implementation does it."""
    portable = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)
    return torch.ops.bitsandbytes.quantize_blockwise.default.redispatch(portable, x, code, block)


def values(name, w, out):
    f = w.float()  # bitsandbytes rounds what it dequantises to the weights' type; here all is f32
    codes, state = F.quantize_4bit(f, blocksize=64, compress_statistics=False, quant_type="nf4")
    out[name + ".nf4"] = F.dequantize_4bit(codes, state).reshape(w.shape)
    mean = state.absmax.mean()
    small, groups = nearest(state.absmax - mean, F.create_dynamic_map(), 256)
    theirs, _ = F.quantize_blockwise(state.absmax - mean, blocksize=256)
    assert torch.equal(small, theirs), f"{name}: the table look-up differs, choose another seed"
    codes, state = F.quantize_4bit(f, blocksize=64, compress_statistics=True, quant_type="nf4")
    out[name + ".nf4_double"] = F.dequantize_4bit(codes, state).reshape(w.shape)
    q, largest, _ = F.int8_vectorwise_quant(f)
    out[name + ".int8"] = F.int8_vectorwise_dequant(q, largest)
    out[name] = w
    print(name, tuple(w.shape), "mean of scales", mean.item())


def main():
    out = {}
    torch.manual_seed(2)
    values("even", (torch.randn(100, 192) * 0.02).to(torch.bfloat16), out)
    odd = torch.randn(7, 67) * 0.5
    odd.view(-1)[64:128] = 0
    odd[3, :] *= 8
    values("odd", odd, out)
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(HERE, "quant.safetensors"))


main()
