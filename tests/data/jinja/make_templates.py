"""Writes templates.json: what transformers makes of conversations.json with the chat templates of real models.

    python tests/data/jinja/make_templates.py      (from the repository's root; needs ../shared/data, transformers)

The templates are not ours and stay where they are; of the texts only length and a hash (FNV-1a, 64 bits) are kept,
"raises" where the template refuses.  Spans of {% generation %} blocks are in bytes.  strftime_now is of NOW in UTC.
"""

import glob
import json
import os
from datetime import datetime, timezone

import jinja2
import transformers
from transformers.utils import chat_template_utils as utils

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
NOW = 1700000000
TOKENS = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def templates():
    """(name, file, named template or None, text, special tokens)"""
    shared = "../shared/data/"
    for path in sorted(glob.glob("tests/data/jinja/own/*.jinja")):
        yield path, None, open(path, newline="").read(), {"bos_token": "<s>", "eos_token": "</s>"}
    files = glob.glob(shared + "trl/chat_templates/*.jinja")
    for path in sorted(files + glob.glob(shared + "tokenizers/**/*.jinja", recursive=True)):
        yield path, None, open(path, newline="").read(), {"bos_token": "<s>", "eos_token": "</s>"}
    files = sorted(glob.glob(shared + "tokenizers/**/tokenizer_config.json", recursive=True))
    for path in files + ["models/student/tokenizer_config.json"]:
        config = json.load(open(path))
        tokens = {k: config[k]["content"] if isinstance(config[k], dict) else config[k] for k in TOKENS if config.get(k)}
        given = config.get("chat_template")
        for t in given if isinstance(given, list) else [{"template": given}] if given else []:
            yield path, t.get("name"), t["template"], tokens


def render(template, conversation, tokens, cue):
    conversation = dict(json.loads(json.dumps(conversation)))
    messages, tools = conversation.pop("messages"), conversation.pop("tools", None)
    tracked = "generation" in template and "endgeneration" in template
    try:
        compiled = utils._compile_jinja_template(template)  # cached: the same object renders below
        compiled.globals["strftime_now"] = lambda f: datetime.fromtimestamp(NOW, timezone.utc).strftime(f)
        texts, spans = utils.render_jinja_template(
            [messages], tools=tools, chat_template=template, add_generation_prompt=cue,
            return_assistant_tokens_mask=tracked, **{**tokens, **conversation})
    except Exception as e:
        return {"raises": type(e).__name__}
    text = texts[0]
    out = {"bytes": len(text.encode()), "fnv": format(fnv(text.encode()), "016x")}
    if tracked:
        out["spans"] = [[len(text[:i].encode()) for i in span] for span in spans[0]]
    return out


def one_case_a_line(result):
    text = json.dumps(result, ensure_ascii=False)
    for mark in ('{"file"', '"cases": {', '"one question"'):
        text = text.replace(mark, "\n" + mark)
    for talk in json.load(open(os.path.join(HERE, "conversations.json"), encoding="utf-8")):
        text = text.replace(f', "{talk}": [', f',\n"{talk}": [')
    return text + "\n"


def main():
    os.chdir(ROOT)
    conversations = json.load(open(os.path.join(HERE, "conversations.json"), encoding="utf-8"))
    result = {"made_with": {"jinja2": jinja2.__version__, "transformers": transformers.__version__}, "now": NOW, "templates": []}
    for path, name, text, tokens in templates():
        cases = {c: [render(text, talk, tokens, cue) for cue in (False, True)] for c, talk in conversations.items()}
        source = {"file": path, "name": name, "fnv": format(fnv(text.encode()), "016x"), "tokens": tokens}
        result["templates"].append({**source, "cases": cases})
        bad = sum("raises" in r for c in cases.values() for r in c)
        print(path, name, len(cases) * 2, "texts,", bad, "raise")
    with open(os.path.join(HERE, "templates.json"), "w", encoding="utf-8") as f:
        f.write(one_case_a_line(result))


main()
