"""Checks a tokenizer.json learnt by `peryton tokenizer train` against the `tokenizers` library.

    python tests/golden/tokenizers/check_trained.py build/bin/peryton [TEXT]

Learns a vocabulary from TEXT (default: corpus.txt), reads it with the library and compares the ids of
texts.json and of TEXT's lines both ways; then compares the speed of both on TEXT, on one thread.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent


def run(*arguments):
    started = time.perf_counter()
    output = subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.PIPE).stdout.decode()
    return output, time.perf_counter() - started


def main():
    peryton = pathlib.Path(sys.argv[1]).resolve()
    text = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else HERE / "corpus.txt").resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        learnt = folder / "tokenizer.json"
        _, train_seconds = run(peryton, "tokenizer", "train", "--vocabulary", 4096, "--threads", 1,
                               "--documents", "file", "--out", learnt, text)
        library = Tokenizer.from_file(str(learnt))
        texts = json.loads((HERE / "texts.json").read_text()) + text.read_text().split("\n")[:5000]
        (folder / "in.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
        encoded, _ = run(peryton, "tokenizer", "encode", "--tokenizer", learnt, "--jsonl", folder / "in.jsonl")
        ours = [json.loads(line) for line in encoded.splitlines()]
        theirs = [e.ids for e in library.encode_batch(texts, add_special_tokens=False)]
        assert ours == theirs, [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b][:10]
        (folder / "ids.jsonl").write_text(encoded)
        decoded, _ = run(peryton, "tokenizer", "decode", "--tokenizer", learnt, "--jsonl", folder / "ids.jsonl")
        assert [json.loads(line)["text"] for line in decoded.splitlines()] == texts
        print(f"{len(texts)} texts: same ids, and back")

        _, encode_seconds = run(peryton, "tokenize", "--tokenizer", learnt, "--threads", 1,
                                "--out", folder / "a.tokens", "--documents", "lines:26", text)
        lines = text.read_text().split("\n")
        pieces = ["\n".join(lines[i : i + 26]) for i in range(0, len(lines), 26)]
        started = time.perf_counter()
        for piece in pieces:
            library.encode(piece)
        print(f"encode: peryton {encode_seconds:.2f} s, tokenizers {time.perf_counter() - started:.2f} s")
        other = Tokenizer(models.BPE())
        other.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=4096, special_tokens=["<|endoftext|>"], show_progress=False,
                                      min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        started = time.perf_counter()
        other.train_from_iterator([text.read_text()], trainer)
        print(f"train: peryton {train_seconds:.2f} s, tokenizers {time.perf_counter() - started:.2f} s")
        assert other.get_vocab() == library.get_vocab(), "the library learns another vocabulary"
        print("the library learns the same vocabulary")


if __name__ == "__main__":
    main()
