#!/usr/bin/env python3
"""Make the fixtures of this folder: whole trainings by TRL's DPOTrainer with PEFT's LoRA, in float32.

    pip install torch transformers trl peft datasets safetensors
    python3 generate.py            # writes beside itself; about two minutes

Per architecture: a tiny random model, preference pairs, PEFT's fresh adapter, and for each loss the loss and
gradient norm of every optimizer step, the reference log-probs and the final adapter as PEFT saved it.
README.md says what is compared and how closely."""
import json
import os
import shutil
import tempfile

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import peft
import torch
import transformers
import trl
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM,
                          TrainerCallback)
from trl import DPOConfig, DPOTrainer

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPE = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=64, max_position_embeddings=128, rms_norm_eps=1e-5,
             tie_word_embeddings=False, bos_token_id=None, eos_token_id=1, pad_token_id=0)
ARCHITECTURES = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SHAPE, head_dim=8)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**{**SHAPE, "tie_word_embeddings": True})),
}
LORA = dict(r=4, lora_alpha=8, lora_dropout=0.0, bias="none", target_modules="all-linear", task_type="CAUSAL_LM")
STEPS, BATCH, PAIRS = 20, 6, 24
TRAINING = dict(beta=0.15, learning_rate=4e-3, weight_decay=0.01, warmup_steps=4, lr_scheduler_type="linear",
                adam_beta1=0.9, adam_beta2=0.999, adam_epsilon=1e-8, max_grad_norm=1.0)
LOSSES = {
    "sigmoid": dict(loss_type=["sigmoid"]),
    "hinge": dict(loss_type=["hinge"]),
    "ipo": dict(loss_type=["ipo"]),
    "robust": dict(loss_type=["robust"], label_smoothing=0.1),
    "sigmoid_sft": dict(loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.5]),
}
# Continue the adapter of "sigmoid".  TRL takes a copy of a given adapter as the reference, unless told otherwise.
CONTINUED = {
    "continued_adapter": dict(loss_type=["sigmoid"]),
    "continued_base": dict(loss_type=["sigmoid"]),
}
# All of them on the first architecture; on the others these.
ENOUGH = ("sigmoid", "ipo")


def make_model(name):
    torch.manual_seed({"llama": 11, "qwen2": 12}[name])
    cls, config = ARCHITECTURES[name]
    config._attn_implementation = "eager"
    model = cls(config)
    with torch.no_grad():
        for key, p in model.named_parameters():
            noise = torch.randn_like(p)
            p.copy_(1.0 + 0.1 * noise if "norm" in key else 0.2 * noise)
    return model.float()


def make_tokenizer():
    vocab = {"<pad>": 0, "<eos>": 1, **{f"w{i}": i for i in range(2, SHAPE["vocab_size"])}}
    t = Tokenizer(models.WordLevel(vocab, unk_token="<pad>"))
    t.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=t, pad_token="<pad>", eos_token="<eos>")


def make_pairs():
    """Prompts that share their beginning; chosen and rejected part after some tokens.  All completion tokens are the
    model's own, because TRL trains whole completions."""
    g = torch.Generator().manual_seed(7)

    def words(lo, hi):
        n = int(torch.randint(lo, hi + 1, (1,), generator=g))
        return [f"w{int(i)}" for i in torch.randint(2, SHAPE["vocab_size"], (n,), generator=g)]

    instructions = [words(5, 5), words(4, 4)]
    rows = []
    for i in range(PAIRS):
        shared = words(0, 3)
        rows.append(dict(prompt=" ".join(instructions[i % 2] + words(2, 6)),
                         chosen=" " + " ".join(shared + words(2, 7) + ["<eos>"]),
                         rejected=" " + " ".join(shared + words(1, 8) + ["<eos>"])))
    return datasets.Dataset.from_list(rows)


class Recorder(DPOTrainer):
    """DPOTrainer that keeps what it computed, unrounded."""

    def record_to(self, history):
        self.history = history
        inner = self.data_collator

        def collate(examples):
            self.history["batch"].append([e["index"] for e in examples])
            return inner(examples)

        self.data_collator = collate

    def _set_signature_columns_if_needed(self):
        super()._set_signature_columns_if_needed()
        if "index" not in self._signature_columns:
            self._signature_columns.append("index")

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.history["loss"].append(loss.item())
        return loss

    def log(self, logs, start_time=None):
        if "grad_norm" in logs:
            self.history["grad_norm"].append(float(logs["grad_norm"]))
        super().log(logs, start_time)


class Rates(TrainerCallback):
    def __init__(self, history):
        self.history = history

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        self.history["lr"].append(kwargs["lr_scheduler"].get_last_lr()[0])


def save_adapter(model, folder):
    model.save_pretrained(folder, selected_adapters=["default"])
    os.remove(os.path.join(folder, "README.md"))


def train(name, folder, loss, settings):
    history = dict(batch=[], loss=[], grad_norm=[], lr=[])
    model, how = make_model(name), dict(peft_config=LoraConfig(**LORA))
    if loss in CONTINUED:
        model, how = PeftModel.from_pretrained(model, os.path.join(folder, "sigmoid"), is_trainable=True), {}
        if loss == "continued_base":
            how = dict(ref_model=make_model(name))
    rows = make_pairs().add_column("index", list(range(PAIRS)))
    with tempfile.TemporaryDirectory() as out:
        config = DPOConfig(output_dir=out, max_steps=STEPS, per_device_train_batch_size=BATCH, logging_steps=1,
                           seed=3, bf16=False, gradient_checkpointing=False, use_cpu=True, report_to=[],
                           save_strategy="no", precompute_ref_log_probs=True, disable_tqdm=True, **TRAINING, **settings)
        trainer = Recorder(model=model, args=config, train_dataset=rows, processing_class=make_tokenizer(),
                           callbacks=[Rates(history)], **how)
        if loss not in CONTINUED:
            peft.set_peft_model_state_dict(trainer.model,
                                           load_file(os.path.join(folder, "start", "adapter_model.safetensors")))
        trainer.record_to(history)
        trainer.train()
    save_adapter(trainer.model, os.path.join(folder, loss))
    data = trainer.train_dataset
    pairs = [dict(prompt=r["prompt_ids"], chosen=r["chosen_ids"], rejected=r["rejected_ids"]) for r in data]
    history["reference"] = [[r["ref_chosen_logps"], r["ref_rejected_logps"]] for r in data]
    assert len(history["loss"]) == len(history["grad_norm"]) == len(history["lr"]) == STEPS
    history["batch"] = history["batch"][:STEPS]
    return pairs, {**settings, **history}, trainer.model


def make_uneven(name, folder):
    """An adapter that uses what PEFT can say of ranks, scales and modules; no training, just random factors."""
    config = LoraConfig(r=6, lora_alpha=5, use_rslora=True, target_modules=r".*\.(q|v|gate|down)_proj", task_type="CAUSAL_LM",
                        exclude_modules=["layers.0.mlp.gate_proj"], rank_pattern={"q_proj": 3, r"1\.mlp\..*": 2},
                        alpha_pattern={"down_proj": 7.5})
    model = get_peft_model(make_model(name), config)
    torch.manual_seed(6)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_" in key:
                p.copy_(0.2 * torch.randn_like(p))
    save_adapter(model, os.path.join(folder, "uneven"))
    return model


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def main():
    transformers.logging.set_verbosity_error()
    for name in ARCHITECTURES:
        folder = os.path.join(HERE, name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        model = make_model(name)
        model.save_pretrained(folder)
        os.remove(os.path.join(folder, "generation_config.json"))
        torch.manual_seed(5)
        save_adapter(get_peft_model(model, LoraConfig(**LORA)), os.path.join(folder, "start"))
        numbers = dict(training=dict(TRAINING, steps=STEPS, batch=BATCH), losses={},
                       versions={m.__name__: m.__version__ for m in (torch, transformers, trl, peft)})
        tensors = {}
        for loss, settings in {**LOSSES, **CONTINUED}.items():
            if name != "llama" and loss not in ENOUGH:
                continue
            pairs, history, trained = train(name, folder, loss, settings)
            numbers.setdefault("pairs", pairs)
            assert numbers["pairs"] == pairs
            numbers["losses"][loss] = history
            tensors["logits." + loss] = logits(trained, pairs[0]["prompt"] + pairs[0]["chosen"])
        numbers["loaded"] = []
        if name == "llama":
            numbers["loaded"].append("uneven")
            tensors["logits.uneven"] = logits(make_uneven(name, folder), pairs[0]["prompt"] + pairs[0]["chosen"])
        tensors["logits"] = logits(model, pairs[0]["prompt"] + pairs[0]["chosen"])
        save_file(tensors, os.path.join(folder, "expected.safetensors"))
        with open(os.path.join(folder, "expected.json"), "w") as f:
            json.dump(numbers, f)
            f.write("\n")


if __name__ == "__main__":
    main()
