# SPDX-License-Identifier: Apache-2.0
"""Runs every comparison of this folder, given the path of the `peryton` program; exit code 77: packages are missing."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
NEEDED = ("numpy", "safetensors", "torch", "transformers")


def main():
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print("skipped, these Python packages are missing:", ", ".join(missing))
        return 77
    if len(sys.argv) > 1:
        os.environ["PERYTON_PROGRAM"] = sys.argv[1]
    check = subprocess.run([sys.executable, HERE.parent / "golden" / "families" / "make_families.py", "--check"])
    result = unittest.TextTestRunner().run(unittest.defaultTestLoader.discover(str(HERE)))
    return 0 if result.wasSuccessful() and check.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
