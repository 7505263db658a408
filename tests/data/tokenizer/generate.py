#!/usr/bin/env python3
"""Make the tokenizer fixtures: NAME/tokenizer.json and NAME/cases.json.

Five small tokenizers that together use every component that is supported, and
the ids that Hugging Face's tokenizers gives for texts that are hard to cut.
bundled/tokenizer.json is not made here: test_tokenizer.c checks that the program
makes it from bundled/words.txt; only its cases are.

    pip install tokenizers==0.23.3
    python3 tests/data/tokenizer/generate.py
"""
import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = [
    "Each glombus is dusty. Max is a glombus. If something is dusty then it is not tame.",
    "Tom has 12 apples and buys 30 more for $4.50 each; how many are there in 2 boxes?",
    "AddPremise('forall x. (Cat(x) -> Animal(x))') Sum(a=2, b=-3) Answer(value='True')",
    "Der Äpfel-Händler weiß: 50 % der Äpfel sind grün. Où est l'été? Ça va.",
    "I've seen it, we'll go, they're here, he'd say, don't WE'LL",
    "    indented = [x for x in range(10)]\n\treturn\n\n\nend",
]

HARD = [
    "Blostrea streabl(strus)\nBl Str Ea us usus Usstr", "", " ", "  ", "a", " a", "a ", "  a  b  ", "\n", "\n\n", " \n ", "\t\t", "a\r\nb\r\n", "hello world",
    " hello  world ", "I've I'VE we'll WE'LL don't 'tis", "12 345 6789 1,234.50 3²½", "x=1;y=-2", "café", "cafe\u0301",
    "\u00c5ngstr\u00f6m \u212bngstr\u00f6m", "ﬁne ①② ™", "日本語テキスト", "안녕하세요 각", "🙂👍🏽👨‍👩‍👧", "a\u00a0b\u2003c\u3000d\u2028e\u180ef\u200bg",
    "ſs 'ſ İI ıi", "▁ ▁▁ a▁b", "<s>", "</s> <s>x</s>", "a<end>b <end> c", "[MASK] x[MASK]y x [MASK] y", "<pad>  <pad>", "wordy word WORD",
    "Forall forall x. (P(x) -> Q(x)) exists y. R(y, a)", "AddPremise('not Dusty(max)')", "Sum(2, -3.5) Answer(value=12)",
    "1. Each glombus is dusty.\n2. Max is not.\nIs it true?", "(x)(ab)((x))", "a, b=3, cde='x', 4", "<|end|> <|user|>x", "%$#@!?...  --",
    "\u0000\u0001\u007f", "e\u0323\u0301 \u1eb9\u0301", "q\u0307\u0323", "\u1100\u1161\u11a8",
]


def texts():
    rng = random.Random(7)
    pools = [
        [chr(c) for c in range(32, 127)],
        list("ab \n'sAB12,.(=x)"),
        list("aé ß▁İ漢🙂\u0301\u00a0 '19_-") + ["<s>", "<end>", "[MASK]", "word", "<|end|>"],
        [chr(c) for c in range(0x20, 0x250)],
    ]
    out = list(HARD) + CORPUS
    for _ in range(60):
        pool = rng.choice(pools)
        out.append("".join(rng.choice(pool) for _ in range(rng.randint(1, 24))))
    return out


def train(tok, size, corpus=CORPUS, **more):
    tok.train_from_iterator(corpus * 2, trainers.BpeTrainer(vocab_size=size, show_progress=False, **more))


def byte_level():
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tok.decoder = decoders.ByteLevel()
    train(tok, 420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.add_special_tokens(["<s>", AddedToken("</s>", rstrip=True)])
    tok.add_tokens([AddedToken("[MASK]", lstrip=True), AddedToken("word", single_word=True, normalized=False), "<end>"])
    return tok


def split():
    """Llama 3's expression, its ignore_merges, and single digits."""
    regex = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
             r"\s*[\r\n]+|\s+(?!\S)|\s+")
    tok = Tokenizer(models.BPE(ignore_merges=True))
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(regex), "isolated"),
        pre_tokenizers.Split("=", "merged_with_previous"),
        pre_tokenizers.Split(Regex(r"[.;]"), "merged_with_next"),
        pre_tokenizers.Split(Regex(r"\w"), "contiguous", invert=True),
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    train(tok, 420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.add_special_tokens(["<s>", "</s>", "<|end|>"])
    return tok


def byte_fallback():
    """Like Llama 2: no pieces, spaces written as U+2581, bytes for what is unknown."""
    source = Tokenizer(models.BPE(unk_token="<unk>"))
    source.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    source.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    train(source, 300, CORPUS[:5], special_tokens=["<unk>", "<s>", "</s>"])  # without line feeds: those are bytes
    model = json.loads(source.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    tokens[3:3] = ["<0x%02X>" % b for b in range(256)]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges, unk_token="<unk>", fuse_unk=True,
                               byte_fallback=True))
    tok.normalizer = source.normalizer
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(" ", 1, 0)])
    tok.add_special_tokens(["<unk>", "<s>", AddedToken("</s>", rstrip=True)])
    tok.add_tokens([AddedToken("<end>", normalized=True)])
    return tok


def metaspace():
    """Much that is rare: several normalizers, Metaspace, an unknown token."""
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tok.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip(),
                                           normalizers.Replace(Regex(r"\s+"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=True)])
    tok.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="first", split=True)
    train(tok, 260, special_tokens=["<unk>", "<pad>"])
    return tok


def whitespace():
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.normalizer = normalizers.NFKD()
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Whitespace()])
    train(tok, 220, special_tokens=["<unk>"])
    return tok


def write(name, tok):
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    cases = []
    for specials in (True, False):
        tok.encode_special_tokens = not specials
        for text in texts():
            ids = tok.encode(text, add_special_tokens=False).ids
            decoded = tok.decode(ids, skip_special_tokens=False)
            cases.append({"text": text, "specials": specials, "ids": ids, "decoded": decoded})
    tok.encode_special_tokens = False
    if name != "bundled":
        tok.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    with open(os.path.join(folder, "cases.json"), "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


for make in (byte_level, split, byte_fallback, metaspace, whitespace):
    write(make.__name__.replace("_", "-"), make())
write("bundled", Tokenizer.from_file(os.path.join(HERE, "bundled", "tokenizer.json")))
