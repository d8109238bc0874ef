#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes adamw.json beside itself: trajectories of torch.optim.AdamW with clipping and a changing learning rate.

Two parameters, one with weight decay and one without, in float64 and float32. Needs PyTorch.
"""
import json
import pathlib

import torch

STEPS, SIZES = 6, {"decayed": 11, "plain": 5}
SETTINGS = dict(lr=3e-2, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.1, clip=1.5)


def trajectory(dtype, starts, gradients):
    parameters = {k: torch.nn.Parameter(torch.tensor(v, dtype=dtype)) for k, v in starts.items()}
    groups = [
        {"params": [parameters["decayed"]], "weight_decay": SETTINGS["weight_decay"]},
        {"params": [parameters["plain"]], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups, lr=SETTINGS["lr"], betas=(SETTINGS["beta1"], SETTINGS["beta2"]), eps=SETTINGS["eps"])
    out = []
    for step in range(STEPS):
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(gradients[step][name], dtype=dtype)
        norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), SETTINGS["clip"])
        for group in optimizer.param_groups:  # two steps of linear warm-up, then constant
            group["lr"] = SETTINGS["lr"] * min(1.0, (step + 1) / 2)
        optimizer.step()
        out.append({"norm": float(norm), **{k: v.detach().double().tolist() for k, v in parameters.items()}})
    return out


def main():
    torch.manual_seed(5)
    starts = {k: torch.randn(n, dtype=torch.float32).double().tolist() for k, n in SIZES.items()}
    # Gradients of very different sizes, so that some steps are clipped and some are not.
    gradients = [
        {k: (torch.randn(n, dtype=torch.float32) * 10.0 ** (step % 3 - 1)).double().tolist()
         for k, n in SIZES.items()}
        for step in range(STEPS)
    ]
    golden = {
        "settings": SETTINGS, "warmup": 2, "starts": starts, "gradients": gradients,
        "float64": trajectory(torch.float64, starts, gradients),
        "float32": trajectory(torch.float32, starts, gradients),
        "torch": torch.__version__,
    }
    path = pathlib.Path(__file__).with_name("adamw.json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
