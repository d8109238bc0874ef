# SPDX-License-Identifier: Apache-2.0
"""Token rows on which no quantiser is close to a border between two integers.

A value that lies a float32 rounding error from such a border may fall on either side, and one step of an int8
quantiser changes logits by far more than any tolerance. Models are causal, so rows can be grown token by token: the
next one is the first of a random order whose smallest distance from a border is above MARGIN in every layer.
"""

import torch

MARGIN = 4e-4  # in steps of the quantiser; float32 runs stay within 1e-4 of float64 ones


def grow(run, length, vocabulary, generator, start=None):
    """One row [length]. `run(ids [B, T])` gives the margin of each token, [B, T]."""
    row = torch.zeros(0, dtype=torch.long) if start is None else start
    while row.shape[0] < length:
        candidates = torch.randperm(vocabulary, generator=generator)
        ids = torch.cat([row.expand(vocabulary, -1), candidates[:, None]], 1)
        good = (run(ids)[:, -1] > MARGIN).nonzero()
        if good.shape[0] == 0:
            row = row[:-2]  # a dead end
            continue
        row = ids[good[0, 0]]
    return row


def draw(run, documents, vocabulary, seed):
    """Rows of documents, each grown on its own: [len(documents), sum of lengths]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.cat([grow(run, length, vocabulary, generator) for length in lengths])
                        for lengths in documents])


def draw_prompt(model, run, prompt, count, vocabulary, seed):
    """A prompt whose greedy continuation has clear winners and stays off the borders, and that continuation."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(400):
        ids = grow(run, prompt, vocabulary, generator)[None]
        for _ in range(count):
            with torch.no_grad():
                best = model(ids)[:, -1].topk(2, dim=-1)
            if float(best.values[0, 0] - best.values[0, 1]) < 0.02:
                break
            ids = torch.cat([ids, best.indices[:, :1]], 1)
        else:
            if float(run(ids[:, :-1]).min()) > MARGIN / 4:
                return ids[:, :prompt], ids[:, prompt:]
    raise SystemExit("no clear prompt: another seed")
