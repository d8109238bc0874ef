# SPDX-License-Identifier: Apache-2.0
"""`peryton score` on every golden folder. The program's path is in PERYTON_PROGRAM (run.py sets it)."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import safetensors.torch

import export_folders

PROGRAM = os.environ.get("PERYTON_PROGRAM")


@unittest.skipUnless(PROGRAM, "PERYTON_PROGRAM is not set")
class ScoreTest(unittest.TestCase):
    def test_families(self):
        folders = sorted(path.parent for path in (export_folders.GOLDEN / "families").glob("*/*/expected.safetensors"))
        self.assertGreater(len(folders), 15)
        for folder in folders:
            with self.subTest(f"{folder.parent.name}/{folder.name}"), tempfile.TemporaryDirectory() as there:
                out = pathlib.Path(there) / "out.safetensors"
                done = subprocess.run(
                    [PROGRAM, "score", folder, "--ids", folder / "ids.json", "--logits", out],
                    capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                golden = json.loads((folder / "loss.json").read_text())["loss"]
                self.assertAlmostEqual(json.loads(done.stdout)["loss"], golden, delta=1e-4)
                ours = safetensors.torch.load_file(out)["logits"]
                theirs = safetensors.torch.load_file(folder / "expected.safetensors")["logits"]
                self.assertEqual(ours.shape, theirs.shape)
                self.assertLessEqual(float((ours - theirs).abs().max()), 1e-4)


if __name__ == "__main__":
    unittest.main()
