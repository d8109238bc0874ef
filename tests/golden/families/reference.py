# SPDX-License-Identifier: Apache-2.0
"""Runs a transformers model entirely in float64, and takes from it what the goldens hold.

The modelling code of transformers casts to float32 inside norms, rotary tables, softmax and the scan, so
`model.double()` alone is no float64 reference. `double_precision()` makes those casts casts to float64.
"""

import contextlib

import torch


class _DoubleTorch:
    """Stands in for the name `torch` inside a modelling module; its float32 is float64."""

    float = torch.float64
    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@contextlib.contextmanager
def double_precision(*modules):
    saved = [(module, module.torch) for module in modules]
    saved_float = torch.Tensor.float
    torch.Tensor.float = torch.Tensor.double
    for module in modules:
        module.torch = _DoubleTorch()
    try:
        yield
    finally:
        torch.Tensor.float = saved_float
        for module, original in saved:
            module.torch = original


def next_token_loss(logits, targets):
    """Mean cross-entropy over the targets that are not negative."""
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten().long(), ignore_index=-1)


def shifted_targets(ids):
    targets = torch.full_like(ids, -1)
    targets[:, :-1] = ids[:, 1:]
    return targets


def blocks_of(model):
    base = model.base_model
    return base.h if hasattr(base, "h") else base.layers


def forward(model, ids):
    """Logits [B, T, V] and the hidden state after each block, [B, T, d]."""
    hidden = []
    hooks = [block.register_forward_hook(
        lambda _, __, output: hidden.append(output[0] if isinstance(output, tuple) else output))
        for block in blocks_of(model)]
    try:
        logits = model(ids, use_cache=False).logits
    finally:
        for hook in hooks:
            hook.remove()
    return logits, hidden


def stored_name(model, name):
    """A parameter's name in files: transformers 5 calls GPT-NeoX's head lm_head, but files keep embed_out."""
    if hasattr(model, "gpt_neox"):
        return name.replace("lm_head.", "embed_out.")
    return name


def gradients(model, loss):
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {stored_name(model, name): parameter.grad.detach().clone()
            for name, parameter in model.named_parameters()}


def greedy(model, prompt, count):
    """Greedy continuation without caches, and the smallest gap between the two best logits."""
    ids, margin = prompt, float("inf")
    with torch.no_grad():
        for _ in range(count):
            last = model(ids, use_cache=False).logits[:, -1]
            best = last.topk(2, dim=-1).values
            margin = min(margin, float((best[:, 0] - best[:, 1]).min()))
            ids = torch.cat([ids, last.argmax(-1, keepdim=True)], dim=1)
    return ids[:, prompt.shape[1]:], margin


def packed_forward(model, ids, documents):
    """Each document of each row run on its own; logits put back where they were."""
    rows = []
    for row, lengths in zip(ids, documents):
        parts = row.split(list(lengths))
        rows.append(torch.cat([model(part[None], use_cache=False).logits[0] for part in parts]))
    return torch.stack(rows)


def packed_layout(ids, documents):
    """document_start [B, T], and targets that never cross a document (-1: no target)."""
    start = torch.zeros_like(ids)
    targets = shifted_targets(ids)
    for row, lengths in enumerate(documents):
        at = 0
        for length in lengths:
            start[row, at:at + length] = at
            targets[row, at + length - 1] = -1
            at += length
    return start, targets
