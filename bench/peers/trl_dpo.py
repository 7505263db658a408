#!/usr/bin/env python3
"""TRL's DPOTrainer on the pairs that `apprentice bench --write` wrote: seconds per optimizer step.

    trl_dpo.py --model FOLDER/model --pairs FOLDER/train-chains.jsonl --batch 4

The same work as `apprentice bench train-chains`: sigmoid DPO with beta 0.1, LoRA of rank 16 on all linears, AdamW,
f32, all pairs in one step (accumulated over micro-batches of --batch pairs), reference log-probs computed beforehand.
At its best: no gradient checkpointing, no logging, no saving, tokens given as ids."""
import json
import os
import time

import peer

args = peer.arguments(__doc__.split("\n")[0],
                      (["--pairs"], {"required": True, "help": "JSON lines of prompt_ids, chosen_ids, rejected_ids"}),
                      (["--batch"], {"type": int, "default": 1, "help": "pairs per forward pass"}))
peer.quiet()

import tempfile

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

torch.set_num_threads(args.threads)


class Steps(TrainerCallback):
    """Wall time of every optimizer step, its forward and backward passes included."""

    def __init__(self):
        self.seconds, self.cpu = [], []

    def on_step_begin(self, *_, **__):
        self.start, self.busy = time.perf_counter(), time.process_time()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.start)
        self.cpu.append(time.process_time() - self.busy)


class OnIds(DPOTrainer):
    """The data has its token ids already: nothing is to be prepared."""

    def _prepare_dataset(self, dataset, *_, **__):
        return dataset


with open(args.pairs) as file:
    pairs = [json.loads(line) for line in file]
folder = tempfile.TemporaryDirectory()
tokenizer = AutoTokenizer.from_pretrained(args.model)
if tokenizer.pad_token is None:  # padding is masked; any token will do
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
steps = Steps()
trainer = OnIds(
    model=AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32),
    args=DPOConfig(
        output_dir=folder.name, use_cpu=True, bf16=False, gradient_checkpointing=False, max_length=None,
        loss_type=["sigmoid"], beta=0.1, precompute_ref_log_probs=True, precompute_ref_batch_size=args.batch,
        per_device_train_batch_size=args.batch, gradient_accumulation_steps=-(-len(pairs) // args.batch),
        max_steps=args.warm_up + args.repeats, learning_rate=1e-4, lr_scheduler_type="constant", max_grad_norm=1.0,
        save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True, seed=1),
    train_dataset=Dataset.from_list(pairs),
    processing_class=tokenizer,
    peft_config=LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"),
    callbacks=[steps])
reference = [sum(trainer.train_dataset[name]) / len(pairs) for name in ("ref_chosen_logps", "ref_rejected_logps")]
trainer.train()
folder.cleanup()
peer.report(os.path.splitext(os.path.basename(args.pairs))[0], len(pairs), steps.seconds[args.warm_up:],
            sum(steps.cpu[args.warm_up:]), reference, batch=args.batch)
