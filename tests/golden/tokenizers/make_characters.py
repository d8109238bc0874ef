"""Makes the goldens of BPE over characters (SentencePiece style) with the `tokenizers` library.

    python tests/golden/tokenizers/make_characters.py

Reads corpus.txt and texts.json (make_tokenizers.py). Writes, beside this file, characters.texts.json (the strings
that byte-level tokenizers have no use for) and for each configuration <name>.tokenizer.json, trained on the corpus,
and <name>.ids.json: what the library encodes of both lists of strings, what it decodes that to, and what it decodes
random ids to.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import random

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer

HERE = pathlib.Path(__file__).parent
SPACE = "\u2581"
MORE = [
    SPACE, SPACE * 3, "a" + SPACE + "b", SPACE + "a", " " + SPACE + " a", "<s>", "</s>", "<s>Hello</s>", "<s> Hello </s> world",
    "a<s>b", "a <s> b", "  <s>  ", "<s><s>", "Hello</s>world", "</s> </s>", "<unk>", "a<unk>b", "<0x41>", "<0x0A>\n", "<0xZZ>",
    "[INST] What is it? [/INST] It is.</s>", "<pad>", "a <pad>b", "<left>  a", "  <left>a", "a  <right>  b", "\n<both>\n", "x<both> y",
    "quick", "the quick one", "quickly", "  quick  ", "\u0000\u0001\u007f\u0080", "\u00a0", "\u3000", "\ufb01n", "e\u0301", "\u0301",
    "of the of the of the", "ofthe", "  two  spaces  ", "\ttab", "line\nline\n\nline", "日本 語", "𝒳", "🦊🦔", "ÿ", "Ωmega", "the",
]


def trained(lines, size, pre=None, normalizer=None):
    """Tokens (single characters first, by id) and merges."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    tokenizer.train_from_iterator(lines, BpeTrainer(vocab_size=size, show_progress=False, limit_alphabet=120))
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [tuple(pair) for pair in model["merges"]]


def build(tokens, merges, first=("<unk>", "<s>", "</s>"), fallback=range(256), **model):
    names = list(first) + [f"<0x{byte:02X}>" for byte in fallback]
    names += [token for token in tokens if token not in names]
    vocabulary = {token: index for index, token in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, **model))
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in first])
    return tokenizer


def llama_decoder(strip=True):
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if strip else []))


def configurations(lines):
    space = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    whole = trained(lines, 700, None, space)  # no words: tokens across spaces

    llama2 = build(*whole, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    llama2.normalizer, llama2.decoder = space, llama_decoder()
    yield "llama2", llama2

    mistral = build(*whole, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    mistral.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, "first", False)
    mistral.decoder = llama_decoder()
    mistral.add_special_tokens([AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True),
                                AddedToken("<both>", lstrip=True, rstrip=True, normalized=True)])
    mistral.add_tokens([AddedToken("quick", single_word=True), AddedToken("[INST]"), AddedToken("[/INST]", normalized=False)])
    yield "mistral", mistral

    words = trained(lines, 500, pre_tokenizers.Metaspace(SPACE, "always", True))
    always = build(*words, fallback=range(0x20, 0xC0), unk_token="<unk>", fuse_unk=False, byte_fallback=True)
    always.pre_tokenizer, always.decoder = pre_tokenizers.Metaspace(SPACE, "always", True), decoders.Metaspace(SPACE, "always", True)
    always.add_tokens([AddedToken("quick", normalized=True), AddedToken("<pad>", normalized=False)])
    yield "metaspace-always", always

    never = build(*words, fallback=(), unk_token="<unk>", fuse_unk=True, ignore_merges=True)
    never.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s{2,}"), " ")])
    never.pre_tokenizer, never.decoder = pre_tokenizers.Metaspace(SPACE, "never", True), decoders.Metaspace(SPACE, "never", True)
    yield "metaspace-never", never

    replace = normalizers.Replace(" ", SPACE)
    gemma = build(*trained(lines, 600, None, replace), first=("<pad>", "<eos>", "<bos>", "<unk>"), unk_token="<unk>",
                  fuse_unk=True, byte_fallback=True)
    gemma.normalizer, gemma.pre_tokenizer = replace, pre_tokenizers.Split(" ", "merged_with_previous")
    gemma.decoder = llama_decoder(strip=False)
    gemma.add_tokens([AddedToken(SPACE * n, normalized=False) for n in (2, 3, 4)] + [AddedToken("\n\n", normalized=False)])
    yield "gemma", gemma

    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Metaspace(SPACE, "first", True)]
    plain = build(*words, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    plain.pre_tokenizer, plain.decoder = pre_tokenizers.Sequence(steps), llama_decoder()
    yield "digits-first", plain


def main():
    lines = (HERE / "corpus.txt").read_text().split("\n")
    (HERE / "characters.texts.json").write_text(json.dumps(MORE, separators=(",", ":")) + "\n")
    texts = json.loads((HERE / "texts.json").read_text()) + MORE
    for name, tokenizer in configurations(lines):
        written = json.loads(tokenizer.to_str())
        file = HERE / f"{name}.tokenizer.json"
        file.write_text(json.dumps(written, ensure_ascii=False, separators=(",", ":")) + "\n")
        loaded = Tokenizer.from_file(str(file))
        ids = [loaded.encode(text, add_special_tokens=False).ids for text in texts]
        rng = random.Random(7)
        # Bytes alone can be no UTF-8, for which the library has a character and we have the bytes.
        whole = [index for token, index in loaded.get_vocab().items() if not token.startswith("<0x")]
        random_ids = [[rng.choice(sorted(whole)) for _ in range(rng.randint(1, 12))] for _ in range(60)]
        decode = lambda rows: [loaded.decode(row, skip_special_tokens=False) for row in rows]
        golden = {"ids": ids, "decoded": decode(ids), "random_ids": random_ids, "random_decoded": decode(random_ids)}
        (HERE / f"{name}.ids.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
