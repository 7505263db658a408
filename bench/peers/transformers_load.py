#!/usr/bin/env python3
"""transformers from process start to the first token, which is written to stdout; run.py holds the watch.

    transformers_load.py FOLDER/model"""
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

QUESTION = "What is 17 * 12 + 5?"
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
inputs = tokenizer(QUESTION, return_tensors="pt")
out = model.generate(**inputs, max_new_tokens=1, do_sample=False, pad_token_id=0)
print(repr(tokenizer.decode(out[0, -1:])), flush=True)
