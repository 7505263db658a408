#!/usr/bin/env python3
"""TRL's DPOTrainer on the pairs that `apprentice bench --write` wrote: seconds per optimizer step.

    trl_dpo.py --model FOLDER/model --pairs FOLDER/train-chains.jsonl --batch 4

The same work as `apprentice bench train-chains`: sigmoid DPO with beta 0.1, LoRA of rank 16 on all linears, AdamW,
f32, all pairs in one step (accumulated over micro-batches of --batch pairs), reference log-probs computed beforehand.
At its best: no gradient checkpointing, no logging, no saving, tokens given as ids."""
import json
import os

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
    """Times every optimizer step after the warm-up, its forward and backward passes included; the trainer has the loop."""

    def __init__(self):
        self.done, self.asked, self.timer = 0, iter(peer.asked(args)), peer.Timer()
        self.seconds, self.cpu = [], 0.0

    def on_step_begin(self, *_, **__):
        if self.done >= args.warm_up and next(self.asked, None) is None:
            raise SystemExit
        self.timer.start()

    def on_step_end(self, *_, **__):
        wall, busy = self.timer.stop()
        self.done += 1
        if self.done <= args.warm_up:
            return
        if args.serve:
            report([wall], busy)
        self.seconds.append(wall)
        self.cpu += busy


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
        max_steps=args.warm_up + (1000 if args.serve else args.repeats), learning_rate=1e-4, lr_scheduler_type="constant", max_grad_norm=1.0,
        save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True, seed=1),
    train_dataset=Dataset.from_list(pairs),
    processing_class=tokenizer,
    peft_config=LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"),
    callbacks=[steps])
reference = [sum(trainer.train_dataset[name]) / len(pairs) for name in ("ref_chosen_logps", "ref_rejected_logps")]


def report(seconds, cpu):
    workload = os.path.splitext(os.path.basename(args.pairs))[0]
    peer.report(workload, len(pairs), seconds, cpu, reference, batch=args.batch)


trainer.train()
folder.cleanup()
if not args.serve:
    report(steps.seconds, steps.cpu)
