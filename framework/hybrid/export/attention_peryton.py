# SPDX-License-Identifier: Apache-2.0
"""Attention families of an exported hybrid. Modules come from transformers, so tensors keep their names.

GPT-NeoX blocks run as transformers has them. The others are written out over their modules, because the way to hand
a block its mask and its cache differs between releases.
"""

import math

import torch
import torch.nn.functional as F
from transformers import GPT2Model, GPTNeoModel, GPTNeoXModel, LlamaModel, MistralModel

from .component_base_peryton import Component, KeyValues


def _additive(visible, hidden):
    """Not -inf: a padded token that sees nothing must not become NaN, which later tokens would read as 0 · NaN."""
    mask = torch.zeros(visible.shape, dtype=hidden.dtype, device=hidden.device)
    return mask.masked_fill(~visible, torch.finfo(hidden.dtype).min)


class GPTNeoXComponent(Component):
    prefix, head_name = "gpt_neox", "embed_out"

    def __init__(self, name, config):
        config._attn_implementation = "sdpa"  # takes our mask as it is, in every release
        super().__init__(name, config, GPTNeoXModel(config))
        rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
        if rope.get("rope_type", rope.get("type", "default")) != "default":
            raise ValueError(f"component {name}: only plain rotary positions are supported")

    @property
    def table(self):
        return self.base.embed_in

    def _rotary(self, call, hidden):
        rope = getattr(self.config, "rope_parameters", None) or {}
        base = rope.get("rope_theta") or self.config.rotary_emb_base
        part = rope["partial_rotary_factor"] if "partial_rotary_factor" in rope else self.config.rotary_pct
        size = int(self.width // self.config.num_attention_heads * part)
        steps = torch.arange(0, size, 2, dtype=torch.float32, device=hidden.device)
        angles = call.positions[..., None].float() / base ** (steps / size)
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos().to(hidden.dtype), angles.sin().to(hidden.dtype)

    def run(self, first, last, hidden, call):
        mask = _additive(call.visible, hidden)
        rotary = self._rotary(call, hidden)
        past = None if call.cache is None else KeyValues(call.cache, self.name)
        for block in self.base.layers[first:last]:
            output = block(hidden, attention_mask=mask, position_ids=call.positions, layer_past=past,
                           position_embeddings=rotary)
            hidden = output[0] if isinstance(output, tuple) else output
        return hidden

    def final_norm(self, hidden):
        return self.base.final_layer_norm(hidden)


class Decoder(Component):
    """Pre-norm blocks of self-attention and an MLP, one after the other."""

    def run(self, first, last, hidden, call):
        for index in range(first, last):
            hidden = self._block(self._blocks()[index], index, hidden, call)
        return hidden

    def _attend(self, index, query, key, value, call, scale, window=0):
        """query [B, heads, T, w], key and value [B, kv heads, T, w] -> [B, T, heads * w]."""
        past = None if call.cache is None else KeyValues(call.cache, self.name)
        if past is not None:
            key, value = past.update(key, value, index)
        repeat = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(repeat, dim=1), value.repeat_interleave(repeat, dim=1)
        mask = _additive(call.seen_through(window), query)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
        return mixed.transpose(1, 2).flatten(2)


def turn(x, frequencies, call):
    """Rotary positions in halves, on heads [B, heads, T, w]; w / 2 frequencies."""
    angles = call.positions[:, None, :, None].double() * frequencies.to(x.device)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


def heads(x, count):
    return x.unflatten(-1, (count, -1)).transpose(1, 2)  # [B, heads, T, w]


class LlamaComponent(Decoder):
    prefix, head_name, made_of = "model", "lm_head", LlamaModel

    def __init__(self, name, config):
        super().__init__(name, config, self.made_of(config))
        self.rope = dict(getattr(config, "rope_scaling", None) or getattr(config, "rope_parameters", None) or {})
        self.rope.setdefault("rope_theta", getattr(config, "rope_theta", 10000.0))
        self.rope_type = self.rope.get("rope_type", self.rope.get("type", "default"))
        if self.rope_type not in ("default", "linear", "llama3"):
            raise ValueError(f"component {name}: rotary positions of type {self.rope_type!r} are not supported")

    @property
    def table(self):
        return self.base.embed_tokens

    def final_norm(self, hidden):
        return self.base.norm(hidden)

    def _blocks(self):
        return self.base.layers

    def _frequencies(self, width):
        plain = self.rope["rope_theta"] ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        if self.rope_type == "default":
            return plain
        kept = torch.zeros_like(plain)
        if self.rope_type == "llama3":
            low, high = self.rope["low_freq_factor"], self.rope["high_freq_factor"]
            turns = self.rope["original_max_position_embeddings"] * plain / (2 * math.pi)
            kept = ((turns - low) / (high - low)).clamp(0, 1)
        return (1 - kept) * plain / self.rope["factor"] + kept * plain

    def _block(self, block, index, hidden, call):
        c, attention, normed = self.config, block.self_attn, block.input_layernorm(hidden)
        query = heads(attention.q_proj(normed), c.num_attention_heads)
        frequencies = self._frequencies(query.shape[-1])
        query = turn(query, frequencies, call)
        key = turn(heads(attention.k_proj(normed), c.num_key_value_heads), frequencies, call)
        value = heads(attention.v_proj(normed), c.num_key_value_heads)
        window = getattr(c, "sliding_window", None) or 0
        mixed = self._attend(index, query, key, value, call, query.shape[-1] ** -0.5, window)
        hidden = hidden + attention.o_proj(mixed)
        return hidden + block.mlp(block.post_attention_layernorm(hidden))


class MistralComponent(LlamaComponent):
    made_of = MistralModel


class _LearnedPositions(Decoder):
    prefix, head_name = "transformer", "lm_head"

    @property
    def table(self):
        return self.base.wte

    def embed(self, ids, call):
        return super().embed(ids, call) + F.embedding(call.positions, self.base.wpe.weight)

    def final_norm(self, hidden):
        return self.base.ln_f(hidden)

    def _blocks(self):
        return self.base.h


class GPT2Component(_LearnedPositions):
    def __init__(self, name, config):
        super().__init__(name, config, GPT2Model(config))

    def _block(self, block, index, hidden, call):
        c = self.config
        projected = block.attn.c_attn(block.ln_1(hidden)).chunk(3, dim=-1)
        query, key, value = (heads(part, c.num_attention_heads) for part in projected)
        scale = query.shape[-1] ** -0.5 if c.scale_attn_weights else 1.0
        if c.scale_attn_by_inverse_layer_idx:
            scale /= index + 1
        hidden = hidden + block.attn.c_proj(self._attend(index, query, key, value, call, scale))
        return hidden + block.mlp(block.ln_2(hidden))


class GPTNeoComponent(_LearnedPositions):
    def __init__(self, name, config):
        config._attn_implementation = "eager"  # the only one that every release has for it
        super().__init__(name, config, GPTNeoModel(config))

    def _block(self, block, index, hidden, call):
        c, attention, normed = self.config, block.attn.attention, block.ln_1(hidden)
        query, key, value = (heads(project(normed), c.num_attention_heads)
                             for project in (attention.q_proj, attention.k_proj, attention.v_proj))
        window = c.window_size if c.attention_layers[index] == "local" else 0
        hidden = hidden + attention.out_proj(self._attend(index, query, key, value, call, 1.0, window))
        return hidden + block.mlp(block.ln_2(hidden))
