# SPDX-License-Identifier: Apache-2.0
"""What the component families of an exported hybrid share: the cache, what one call holds, embedding and head."""

import torch
import torch.nn.functional as F
from torch import nn


class PerytonCache:
    """What generation keeps between calls: one tuple of tensors [batch, ...] per component and block."""

    def __init__(self):
        self.length = 0
        self.states = {}

    def get_seq_length(self, layer_idx=0):
        return self.length

    def reorder_cache(self, beam_idx):
        self.states = {key: tuple(tensor.index_select(0, beam_idx.to(tensor.device)) for tensor in state)
                       for key, state in self.states.items()}


class KeyValues:
    """The face of the cache that an attention block of one component sees."""

    def __init__(self, cache, name):
        self.cache, self.name = cache, name

    def update(self, keys, values, layer_idx, *unused, **also_unused):
        old = self.cache.states.get((self.name, layer_idx))
        if old is not None:
            keys, values = torch.cat([old[0], keys], dim=-2), torch.cat([old[1], values], dim=-2)
        self.cache.states[self.name, layer_idx] = (keys, values)
        return keys, values


class Call:
    """What the blocks of one forward call share: positions, padding and cache."""

    def __init__(self, ids, attention_mask, cache):
        batch, length = ids.shape
        self.cache, self.past = cache, cache.length if cache is not None else 0
        total = self.past + length
        if attention_mask is not None and bool(attention_mask.bool().all()):
            attention_mask = None
        self.padding = None if attention_mask is None else attention_mask.bool()  # [B, past + T]
        if self.padding is None:
            positions = torch.arange(total, device=ids.device)[None]
        else:
            positions = (self.padding.long().cumsum(-1) - 1).clamp(min=0)
        self.positions = positions[:, self.past:]
        rows = torch.arange(self.past, total, device=ids.device)[:, None]
        self.visible = (torch.arange(total, device=ids.device)[None] <= rows)[None, None]  # [B or 1, 1, T, past + T]
        if self.padding is not None:
            self.visible = self.visible & self.padding[:, None, None, :]

    def seen_through(self, window):
        """`visible`, of each token the last `window` keys only; 0: no limit."""
        if not window:
            return self.visible
        keys = torch.arange(self.visible.shape[-1], device=self.visible.device)
        rows = keys[self.past:, None]
        return self.visible & (keys[None] > rows - window)

    def own_padding(self):
        return None if self.padding is None else self.padding[:, self.past:, None]


class Component(nn.Module):
    def __init__(self, name, config, base):
        super().__init__()
        self.name, self.config, self.width = name, config, config.hidden_size
        self.add_module(self.prefix, base)
        if not config.tie_word_embeddings:
            self.add_module(self.head_name, nn.Linear(config.hidden_size, config.vocab_size, bias=False))

    @property
    def base(self):
        return getattr(self, self.prefix)

    def embed(self, ids, call):
        return F.embedding(ids, self.table.weight)

    def logits(self, hidden, vocabulary):
        head = self.table if self.config.tie_word_embeddings else getattr(self, self.head_name)
        return F.linear(hidden, head.weight[:vocabulary])
