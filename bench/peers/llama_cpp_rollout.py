#!/usr/bin/env python3
"""llama.cpp on the rollout that `apprentice bench --write` wrote: seconds for all chains.

    llama_cpp_rollout.py --model model.gguf --script FOLDER/rollout.json

At its best: its own batches over parallel sequences, without a server in between; the tool prompt is computed once and
copied to every problem, each question once and copied to every sample; one decode call advances all chains; its own
sampler."""
import ctypes
import json

import peer

args = peer.arguments(__doc__.split("\n")[0], (["--script"], {"required": True}),
                      (["--micro-batch"], {"type": int, "default": 512, "help": "tokens per pass (n_ubatch)"}),
                      (["--unified"], {"action": "store_true", "help": "one key/value buffer for all sequences"}),
                      (["--no-flash"], {"action": "store_true", "help": "attention as plain products"}),
                      (["--cache"], {"default": "f16", "choices": ["f16", "f32"], "help": "type of keys and values"}))
peer.quiet()

import llama_cpp as llama
import numpy

with open(args.script) as file:
    script = json.load(file)
prompts, results = script["prompts"], script["results"]
samples, steps, call = script["samples"], script["steps"], script["call"]
chains = len(prompts) * samples
longest = len(prompts[0]) + steps * call + sum(len(r) for r in results[0])
tool = next(i for i in range(len(prompts[0])) if len({p[i] for p in prompts}) > 1)

silence = llama.llama_log_callback(lambda *_: None)  # must live as long as the library
llama.llama_log_set(silence, ctypes.c_void_p(0))
llama.llama_backend_init()
model = llama.llama_model_load_from_file(args.model.encode(), llama.llama_model_default_params())
assert model, args.model
context_params = llama.llama_context_default_params()
room = -(-(longest + 8) // 32) * 32
context_params.n_ctx = chains * room
context_params.n_seq_max = chains
context_params.n_batch = max(2048, chains * (1 + max((len(r[0]) for r in results if r), default=0)))
context_params.n_ubatch = args.micro_batch
context_params.n_threads = context_params.n_threads_batch = args.threads
context_params.kv_unified = args.unified
if args.no_flash:
    context_params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
context_params.type_k = context_params.type_v = 0 if args.cache == "f32" else 1
context = llama.llama_init_from_model(model, context_params)
assert context, "no context"
memory = llama.llama_get_memory(context)
vocabulary = llama.llama_model_get_vocab(model)
V = llama.llama_vocab_n_tokens(vocabulary)
batch = llama.llama_batch_init(context_params.n_batch, 0, 1)


def decode(entries):
    """entries: (sequence, first position, tokens, whether the last one's output is wanted)."""
    batch.n_tokens = 0
    for sequence, position, tokens, wanted in entries:
        for i, token in enumerate(tokens):
            at = batch.n_tokens
            batch.token[at] = token
            batch.pos[at] = position + i
            batch.n_seq_id[at] = 1
            batch.seq_id[at][0] = sequence
            batch.logits[at] = wanted and i + 1 == len(tokens)
            batch.n_tokens += 1
    status = llama.llama_decode(context, batch)
    assert status == 0, status


def outputs(entries):
    """Place in the batch of each entry's last token."""
    at, places = -1, []
    for _, _, tokens, _ in entries:
        at += len(tokens)
        places.append(at)
    return places


def likeliest(place):
    """Log-probability of the likeliest token."""
    row = numpy.ctypeslib.as_array(llama.llama_get_logits_ith(context, place), (V,)).astype(numpy.float64)
    return -float(numpy.log(numpy.exp(row - row.max()).sum()))


def prefill(first):
    """Prompts of all problems into their first chain, then copies for the others; logits of the last tokens."""
    llama.llama_memory_clear(memory, True)
    for at in range(0, tool, context_params.n_batch):
        decode([(0, at, prompts[0][at:min(tool, at + context_params.n_batch)], False)])
    for p in range(1, len(prompts)):
        llama.llama_memory_seq_cp(memory, 0, p * samples, -1, -1)
    # All but the last token of a question once per problem; the last one by every chain, which needs its logits.
    last = len(prompts[0]) - 1
    decode([(p * samples, tool, prompt[tool:last], False) for p, prompt in enumerate(prompts)])
    for p in range(len(prompts)):
        for s in range(1, samples):
            llama.llama_memory_seq_cp(memory, p * samples, p * samples + s, -1, -1)
    entries = [(c, last, prompts[c // samples][last:], True) for c in range(chains)]
    decode(entries)
    return outputs(entries)


def rollout(first, seed):
    samplers = []
    for c in range(chains):
        sampler = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        llama.llama_sampler_chain_add(sampler, llama.llama_sampler_init_temp(1.0))
        llama.llama_sampler_chain_add(sampler, llama.llama_sampler_init_dist(seed + c))
        samplers.append(sampler)
    places = prefill(first)
    if not first:
        first += [likeliest(places[p * samples]) for p in range(len(prompts))]
    position = [len(prompts[0])] * chains
    for step in range(steps):
        for i in range(call):
            tokens = [[llama.llama_sampler_sample(samplers[c], context, places[c])] for c in range(chains)]
            if i + 1 == call:
                if step + 1 == steps:
                    break
                tokens = [t + results[c][step] for c, t in enumerate(tokens)]
            entries = [(c, position[c], tokens[c], True) for c in range(chains)]
            decode(entries)
            places = outputs(entries)
            position = [p + len(t) for p, t in zip(position, tokens)]
    for sampler in samplers:
        llama.llama_sampler_free(sampler)


first = []
peer.measure(args, lambda: rollout(first, 1),
             lambda seconds, cpu: peer.report("rollout", chains, seconds, cpu, first, micro_batch=args.micro_batch,
                                              unified=args.unified, no_flash=args.no_flash, cache=args.cache))
