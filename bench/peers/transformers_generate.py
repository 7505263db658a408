#!/usr/bin/env python3
"""transformers' generate on the rollout that `apprentice bench --write` wrote: seconds for all chains.

    transformers_generate.py --model FOLDER/model --script FOLDER/rollout.json

At its best: the tool prompt is computed once and its cache repeated for every problem, each question once and repeated
for every sample; all chains are one batch without padding, whose cache is kept from call to call."""
import json

import peer

args = peer.arguments(__doc__.split("\n")[0], (["--script"], {"required": True}))
peer.quiet()

import torch
from transformers import AutoModelForCausalLM, DynamicCache, GenerationConfig

torch.set_num_threads(args.threads)
model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
with open(args.script) as file:
    script = json.load(file)
prompts = torch.tensor(script["prompts"])  # (problems, tool + question)
results = torch.tensor(script["results"])  # (chains, steps - 1, result)
samples, steps, call = script["samples"], script["steps"], script["call"]
sampling = GenerationConfig(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=call, min_new_tokens=call,
                            pad_token_id=0, eos_token_id=None, use_cache=True)


def shared_prefix(rows):
    """Number of tokens that all rows begin with."""
    same = (rows == rows[0]).all(dim=0)
    return int(same.long().cumprod(0).sum())


@torch.inference_mode()
def prefill(first):
    """The cache of all prompts but their last token, for every sample."""
    cache = DynamicCache(config=model.config)
    tool = shared_prefix(prompts)
    model(prompts[:1, :tool], past_key_values=cache, use_cache=True, logits_to_keep=1)
    cache.batch_repeat_interleave(len(prompts))
    logits = model(prompts[:, tool:], past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    first[:] = logits[:, -1].double().log_softmax(-1).max(-1).values.tolist()
    cache.crop(-1)
    cache.batch_repeat_interleave(samples)
    return cache


@torch.inference_mode()
def rollout(first):
    torch.manual_seed(1)
    cache = prefill(first)
    ids = prompts.repeat_interleave(samples, dim=0)
    for step in range(steps):
        ids = model.generate(ids, attention_mask=torch.ones_like(ids), past_key_values=cache, generation_config=sampling)
        if step + 1 < steps:
            ids = torch.cat([ids, results[:, step]], dim=1)
    assert ids.shape[1] == prompts.shape[1] + steps * call + (steps - 1) * results.shape[2], ids.shape


first = []
peer.measure(args, lambda: rollout(first),
             lambda seconds, cpu: peer.report("rollout", len(prompts) * samples, seconds, cpu, first))
