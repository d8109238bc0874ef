# SPDX-License-Identifier: Apache-2.0
"""Hybrids that a pipeline made and exported, against what `peryton score` says of them."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = os.environ.get("PERYTON_PROGRAM")
PIPELINE = """
run: {{name: "{name}", seed: 0}}
data:
  sources: [{{path: "{text}", documents: blank_line}}]
  split: {{by: document, validation: 10%}}
  tokenizer: byte
components:
  neox: {{family: gpt_neox, width: 32, layers: 2, heads: 2}}
  mamba: {{family: {other}, width: {width}, layers: 2}}
hybrid: {{segments: 2, embeddings: {embeddings}}}
train: {{sequence: 32, global_batch: 4, lr: 1e-2, validation: {{every: 0}}}}
stages:
  - {{kind: pretrain, each: [neox, mamba], steps: 4}}
  - {{kind: search, steps: 6, train: {train}, alpha: {{method: softmax, lr: 2e-2}}}}
  - {{kind: export, to: hf}}
"""
# embeddings, family and width of the second component, what trains
CASES = {
    "keep": ("keep", "mamba2", 24, "[alpha, projectors]"),
    "fresh": ("fresh", "mamba2", 24, "[alpha, projectors, embeddings]"),
    "shared": ("shared", "mamba2", 32, "[alpha, projectors, embeddings]"),
    "shared_ternary": ("shared", "mmfree", 32, "[alpha, projectors, embeddings]"),
}


@unittest.skipUnless(PROGRAM, "PERYTON_PROGRAM is not set")
class HybridExportTest(unittest.TestCase):
    def peryton(self, *arguments):
        done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_exports_agree(self):
        ids = [[(7 * row + 3 * t * t) % 257 for t in range(40)] for row in range(2)]
        for name, (embeddings, other, width, train) in CASES.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as there:
                folder = pathlib.Path(there)
                (folder / "text.txt").write_text("\n\n".join(f"Line {n} of {n * n}, in words." for n in range(200)))
                (folder / "ids.json").write_text(json.dumps(ids))
                (folder / "run.yaml").write_text(PIPELINE.format(
                    name=name, text=folder / "text.txt", embeddings=embeddings, other=other, width=width, train=train))
                self.peryton("run", folder / "run.yaml", "--set", f"run.folder={folder / 'run'}")
                stages = folder / "run" / "stages"
                (folder / "loss.json").write_text(self.peryton(
                    "score", stages / "search" / "model", "--ids", folder / "ids.json", "--logits", folder / "out"))
                # A process of its own: the modelling code of another export may be loaded in this one.
                done = subprocess.run(
                    [sys.executable, HERE / "compare_export.py", stages / "export" / "hf", "--ids", folder / "ids.json",
                     "--logits", folder / "out", "--loss", folder / "loss.json",
                     "--rounding-ties", "0.05" if other == "mmfree" else "0"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
