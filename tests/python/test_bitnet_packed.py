# SPDX-License-Identifier: Apache-2.0
"""A BitNet model exported with two bits a weight, as transformers loads it: the same logits, and it generates."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import export_folders

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = os.environ.get("PERYTON_PROGRAM")
PIPELINE = """
run: {{name: packed, seed: 0}}
data:
  sources: [{{path: "{text}", documents: blank_line}}]
  split: {{by: document, validation: 10%}}
  tokenizer: byte
components:
  bit: {{family: bitnet, width: 32, layers: 2, heads: 4, kv_heads: 2, tied: false}}
train: {{sequence: 32, global_batch: 4, lr: 1e-2, validation: {{every: 0}}}}
stages:
  - {{kind: pretrain, each: [bit], steps: 4}}
  - {{kind: export, to: hf, weights: packed}}
"""


@unittest.skipUnless(PROGRAM, "PERYTON_PROGRAM is not set")
class BitnetPackedTest(unittest.TestCase):
    def run_checked(self, *command):
        # Compiling the unpacking of each shape takes transformers longer than all the rest.
        done = subprocess.run([*map(str, command)], capture_output=True, text=True,
                              env=os.environ | {"TORCHDYNAMO_DISABLE": "1"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def compare(self, ours, theirs, ids, folder):
        """Logits of the folder `ours` by Peryton against those of `theirs` by transformers."""
        (folder / "loss.json").write_text(
            self.run_checked(PROGRAM, "score", ours, "--ids", ids, "--logits", folder / "out"))
        self.run_checked(sys.executable, HERE / "compare_export.py", theirs, "--ids", ids, "--logits", folder / "out",
                         "--loss", folder / "loss.json", "--rounding-ties", "0.05")

    def test_export(self):
        with tempfile.TemporaryDirectory() as there:
            folder = pathlib.Path(there)
            (folder / "text.txt").write_text("\n\n".join(f"Line {n} of {n * n}, in words." for n in range(200)))
            ids = folder / "ids.json"
            ids.write_text(json.dumps([[(7 * row + 3 * t * t) % 257 for t in range(40)] for row in range(2)]))
            (folder / "run.yaml").write_text(PIPELINE.format(text=folder / "text.txt"))
            self.run_checked(PROGRAM, "run", folder / "run.yaml", "--set", f"run.folder={folder / 'run'}")
            stages = folder / "run" / "stages"
            self.compare(stages / "pretrain-bit" / "model", stages / "export" / "hf", ids, folder)

    def test_published_layouts(self):
        """Files as they are published (bfloat16 beside the bytes), which both sides read."""
        for name in ("packed_scale_multiplies", "packed_scale_divides"):
            with self.subTest(name), tempfile.TemporaryDirectory() as there:
                model = pathlib.Path(there) / "model"
                shutil.copytree(export_folders.GOLDEN / "families" / "bitnet" / name, model)
                self.compare(model, model, model / "ids.json", pathlib.Path(there))


if __name__ == "__main__":
    unittest.main()
