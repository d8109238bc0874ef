#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes cases.safetensors beside itself: BitLinear and its straight-through gradients from autograd.

Written from the formulas in framework/ops/bit_linear.h alone, in float64. Inputs are float32 values that
keep away from every border of the quantisers, so that float32 arithmetic takes the same decisions. The
activations' borders that are wanted (ties) are tested elsewhere. Needs PyTorch and safetensors.
"""
import pathlib

import torch
from safetensors.torch import save_file

KAPPA = 1e-5


def straight_through(value, quantised):
    """The quantised value forward, the identity backward."""
    return value + (quantised - value).detach()


def normalised(x, gain, eps):
    if eps is None:
        return x
    z = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
    return z if gain is None else z * gain


def quantised_rows(z):
    scale = 127 / z.abs().amax(-1, keepdim=True).clamp(min=KAPPA)
    rest = (z * scale).detach()
    assert ((rest - rest.floor() - 0.5).abs() > 5e-5).all()
    return straight_through(z, rest.round().clamp(-127, 127) / scale)


def quantised_weight(w):
    beta = w.abs().mean().clamp(min=KAPPA)
    ratio = (w / beta).detach()
    assert ((ratio.abs() - 0.5).abs() > 1e-5).all()
    return straight_through(w, beta * ratio.round().clamp(-1, 1))


def first_case(name, *arguments, **named):
    """The case of the first seed that keeps away from the borders."""
    for seed in range(100):
        try:
            return case(name, seed, *arguments, **named)
        except AssertionError:
            pass
    raise SystemExit(f"no seed for {name}")


def case(name, seed, rows, width, outs, eps, gains):
    torch.manual_seed(seed)
    tensors = {"x": torch.randn(rows, width) * 2}
    for i, out in enumerate(outs):
        tensors[f"weight.{i}"] = torch.randn(out, width) * 0.05
        if gains:
            tensors[f"gain.{i}"] = 1 + 0.3 * torch.randn(width)
        tensors[f"d_y.{i}"] = torch.randn(rows, out)
    leaves = {k: v.double().requires_grad_() for k, v in tensors.items() if not k.startswith("d_y")}
    loss = 0
    for i in range(len(outs)):
        z = quantised_rows(normalised(leaves["x"], leaves.get(f"gain.{i}"), eps))
        y = z @ quantised_weight(leaves[f"weight.{i}"]).T
        tensors[f"y.{i}"] = y.detach().float()
        loss = loss + (y * tensors[f"d_y.{i}"].double()).sum()
    loss.backward()
    for key, leaf in leaves.items():
        tensors[f"grad.{key}"] = leaf.grad.float()
    return {f"{name}.{key}": value.contiguous() for key, value in tensors.items()}


if __name__ == "__main__":
    tensors = {}
    tensors |= first_case("single", 5, 67, [12], 1e-6, gains=True)
    tensors |= first_case("group", 4, 96, [9, 16, 5], 1e-6, gains=True)
    tensors |= first_case("plain", 5, 70, [8, 10], None, gains=False)
    tensors |= first_case("no_gain", 3, 40, [7], 1e-5, gains=False)
    save_file(tensors, str(pathlib.Path(__file__).parent / "cases.safetensors"))
