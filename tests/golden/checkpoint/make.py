#!/usr/bin/env python3
"""Makes the small files of this folder with the reference libraries (torch, safetensors).

SPDX-License-Identifier: Apache-2.0
Usage: make.py [FOLDER]
"""
import collections
import json
import os
import sys

import torch
from safetensors.torch import save_file


def every_dtype():
    generator = torch.Generator().manual_seed(7)
    normal = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    return {
        "f64": normal,
        "f32": normal.float(),
        "f16": torch.cat([normal.half().flatten(),
                          torch.tensor([0.0, -0.0, 65504.0, 2.0**-24, -3 * 2.0**-24]).half()]),
        "bf16": normal.bfloat16().reshape(3, 5),
        "i64": torch.tensor([[-(2**31), 2**31 - 1, 0]]),
        "i32": torch.arange(6, dtype=torch.int32).reshape(1, 2, 3),
        "i16": torch.tensor([-7, 300], dtype=torch.int16),
        "u8": torch.tensor([0, 255, 3], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
    }


def expected(tensors):
    return {name: {"shape": list(value.shape), "values": value.detach().double().flatten().tolist()}
            for name, value in tensors.items()}


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def main(folder):
    os.makedirs(folder, exist_ok=True)
    at = lambda name: os.path.join(folder, name)

    def write(name, tensors):
        with open(at(name), "w") as file:
            json.dump(expected(tensors), file, indent=0)

    tensors = every_dtype()
    save_file(tensors, at("dtypes.safetensors"), metadata={"format": "pt"})
    torch.save(tensors, at("dtypes.bin"))
    write("dtypes.json", tensors)

    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    views = collections.OrderedDict()
    views["transposed"] = base.t()
    views["columns"] = base[:, 2:5]
    views["offset"] = base[2]
    views["tied"] = base
    views["parameter"] = torch.nn.Parameter(base[1:3].clone().half())
    views["buffer"] = torch.tensor(3)
    torch.save(views, at("views.bin"))
    write("views.json", views)

    torch.manual_seed(3)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2)).bfloat16()
    torch.save(module.state_dict(), at("module.bin"))  # an OrderedDict with a _metadata attribute
    write("module.json", module.state_dict())
    torch.save(module.state_dict(), at("legacy.bin"), _use_new_zipfile_serialization=False)

    torch.save({"weight": base, "bad": Call(os.system, "touch called")}, at("calls_system.bin"))
    torch.save({"weight": base, "bad": Call(eval, "1+1")}, at("calls_eval.bin"))
    torch.save({"weight": base, "state": {"step": 3}}, at("not_tensors.bin"))
    torch.save(base, at("bare_tensor.bin"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
