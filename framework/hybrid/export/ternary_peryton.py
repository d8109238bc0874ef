# SPDX-License-Identifier: Apache-2.0
"""Ternary families of an exported hybrid: MatMul-free (HGRN-bit) and BitNet.

transformers has no HGRN-bit, and not every release has BitNet, so the modules are here; tensors are named as in the
families' own files. Quantisers are straight-through: their values are exact, their gradient is the identity.
"""

import types

import torch
import torch.nn.functional as F
from torch import nn

from .attention_peryton import Decoder, heads, turn
from .component_base_peryton import Component

FLOOR = 1e-5  # of both scales


def _rms_norm(x, weight, eps):
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


def _round_away(x):
    return torch.sign(x) * torch.floor(x.abs() + 0.5)


class _Norm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return _rms_norm(x, self.weight, self.eps)


class _BitLinear(nn.Module):
    """A ternary layer. `eps`: it has a norm of its own; `packed`: "multiplies" or "divides", four rows in a byte."""

    def __init__(self, outputs, inputs, eps=None, quantise=True, away=False, packed=None):
        super().__init__()
        self.outputs, self.quantise, self.packed = outputs, quantise, packed
        self.round = _round_away if away else torch.round
        if packed is None:
            self.weight = nn.Parameter(torch.empty(outputs, inputs))
        else:
            rows = torch.empty(-(-outputs // 4), inputs, dtype=torch.uint8)
            self.weight = nn.Parameter(rows, requires_grad=False)
            self.weight_scale = nn.Parameter(torch.ones(1), requires_grad=False)
        if eps is not None:
            self.norm = _Norm(inputs, eps)

    def _ternary(self, weight):
        if self.packed is not None:
            codes = torch.cat([(self.weight >> (2 * k)) & 3 for k in range(4)])[:self.outputs]
            scale = self.weight_scale.float()
            return (codes.float() - 1) * (scale if self.packed == "multiplies" else 1 / scale)
        weight = weight.float()
        scale = weight.abs().mean().clamp(min=FLOOR).detach()
        rounded = scale * torch.round(weight / scale).clamp(-1, 1)
        return weight + (rounded - weight).detach()

    def forward(self, x, rows=None, weight=None):
        """The first `rows` outputs; `weight`: of somebody else, for a tied head."""
        weight = self.weight if weight is None else weight
        if hasattr(self, "norm"):
            x = self.norm(x)
        if not self.quantise:
            return F.linear(x, weight[:rows])
        wide = x.float()
        largest = wide.abs().amax(-1, keepdim=True).clamp(min=FLOOR).detach()
        rounded = self.round(wide * (127 / largest)).clamp(-127, 127) * largest / 127
        wide = wide + (rounded - wide).detach()
        return F.linear(wide, self._ternary(weight)[:rows]).to(x.dtype)


def _tree(**parts):
    module = nn.Module()
    for name, part in parts.items():
        module.add_module(name, nn.ModuleList(part) if isinstance(part, list) else part)
    return module


class HGRNBitComponent(Component):
    prefix, head_name = "model", "lm_head"

    def __init__(self, name, c):
        settings = dict(output_gate="mmfreelm", rounding="even", ternary=True, bit_linear_eps=1e-6,
                        use_lower_bound=True, tie_word_embeddings=False, intermediate_size=None, hidden_ratio=4)
        c = types.SimpleNamespace(**settings | vars(c))
        if c.output_gate not in ("mmfreelm", "fla", "paper"):
            raise ValueError(f"component {name}: output_gate {c.output_gate!r} is not supported")
        d = c.hidden_size
        inner = c.intermediate_size or 256 * -(-(2 * c.hidden_ratio * d // 3) // 256)

        def bit(outputs, inputs):
            return _BitLinear(outputs, inputs, c.bit_linear_eps, c.ternary, c.rounding == "away")

        def block():
            mixer = _tree(i_proj=bit(d, d), f_proj=bit(d, d), g_proj=bit(d, d), o_proj=bit(d, d),
                          g_norm=_Norm(d, c.rms_norm_eps))
            return _tree(attn_norm=_Norm(d, c.rms_norm_eps), attn=mixer, mlp_norm=_Norm(d, c.rms_norm_eps),
                         mlp=_tree(gate_proj=bit(2 * inner, d), down_proj=bit(d, inner)))

        base = _tree(embeddings=nn.Embedding(c.vocab_size, d), layers=[block() for _ in range(c.num_hidden_layers)],
                     norm=_Norm(d, c.rms_norm_eps))
        if c.use_lower_bound:
            base.lower_bounds = nn.Parameter(torch.zeros(c.num_hidden_layers, d))
        super().__init__(name, c, base)
        head = bit(c.vocab_size, d)
        if c.tie_word_embeddings:
            head.weight = None  # the embedding's; the norm is the head's own
        self.lm_head = head

    @property
    def table(self):
        return self.base.embeddings

    def final_norm(self, hidden):
        return self.base.norm(hidden)

    def logits(self, hidden, vocabulary):
        return self.lm_head(hidden, vocabulary, self.table.weight if self.config.tie_word_embeddings else None)

    def run(self, first, last, hidden, call):
        for index in range(first, last):
            block = self.base.layers[index]
            hidden = hidden + self._mixer(block.attn, index, block.attn_norm(hidden), call)
            gate, up = block.mlp.gate_proj(block.mlp_norm(hidden)).chunk(2, dim=-1)
            hidden = hidden + block.mlp.down_proj(F.silu(gate) * up)
        return hidden

    def _mixer(self, mixer, index, x, call):
        key, padding = (self.name, index), call.own_padding()
        forget, entering, gate = (layer(x).float() for layer in (mixer.f_proj, mixer.i_proj, mixer.g_proj))
        bound = 0.0
        if self.config.use_lower_bound and index > 0:
            bound = torch.softmax(self.base.lower_bounds.float(), dim=0)[1:index + 1].sum(0)
        forget = bound + (1 - bound) * torch.sigmoid(forget)
        entering = F.silu(entering) * (1 - forget)
        if padding is not None:
            entering = entering * padding
        (state,) = (None,) if call.cache is None else call.cache.states.get(key, (None,))
        state = torch.zeros_like(forget[:, 0]) if state is None else state
        states = []
        for t in range(x.shape[1]):
            state = forget[:, t] * state + entering[:, t]
            states.append(state)
        if call.cache is not None:
            call.cache.states[key] = (state,)
        return mixer.o_proj(self._gated(mixer.g_norm, torch.stack(states, dim=1), gate).to(x.dtype))

    def _gated(self, norm, state, gate):
        if self.config.output_gate == "mmfreelm":
            return norm(gate) * F.silu(state)
        if self.config.output_gate == "fla":
            return norm(state) * F.silu(gate)
        return norm(state * torch.sigmoid(gate))


def _bitnet_storage(name, quantization):
    """How a file holds ternary layers: (quantise, packed)."""
    if not quantization:
        return False, None
    kind, mode = quantization.get("linear_class"), quantization.get("quantization_mode", "offline")
    if kind not in ("autobitlinear", "bitlinear"):
        raise ValueError(f"component {name}: linear_class {kind!r} does not say what weight_scale means")
    if kind == "autobitlinear" and mode == "online":
        return True, None
    return True, "multiplies" if kind == "autobitlinear" else "divides"


class BitNetComponent(Decoder):
    prefix, head_name = "model", "lm_head"

    def __init__(self, name, c):
        c = types.SimpleNamespace(**dict(tie_word_embeddings=False, rope_theta=500000.0) | vars(c))
        quantise, packed = _bitnet_storage(name, getattr(c, "quantization_config", None))
        d, inner = c.hidden_size, c.intermediate_size
        shared = d // c.num_attention_heads * c.num_key_value_heads

        def bit(outputs, inputs):
            return _BitLinear(outputs, inputs, quantise=quantise, packed=packed)

        def norm(width=d):
            return _Norm(width, c.rms_norm_eps)

        def block():
            attention = _tree(q_proj=bit(d, d), k_proj=bit(shared, d), v_proj=bit(shared, d), o_proj=bit(d, d),
                              attn_sub_norm=norm())
            mlp = _tree(gate_proj=bit(inner, d), up_proj=bit(inner, d), down_proj=bit(d, inner),
                        ffn_sub_norm=norm(inner))
            return _tree(input_layernorm=norm(), self_attn=attention, post_attention_layernorm=norm(), mlp=mlp)

        super().__init__(name, c, _tree(embed_tokens=nn.Embedding(c.vocab_size, d),
                                        layers=[block() for _ in range(c.num_hidden_layers)], norm=norm()))
        rope = getattr(c, "rope_parameters", None) or {}
        self.rotary_base = rope.get("rope_theta", c.rope_theta)

    @property
    def table(self):
        return self.base.embed_tokens

    def final_norm(self, hidden):
        return self.base.norm(hidden)

    def _blocks(self):
        return self.base.layers

    def _block(self, block, index, hidden, call):
        c, attention, mlp = self.config, block.self_attn, block.mlp
        normed, width = block.input_layernorm(hidden), c.hidden_size // c.num_attention_heads
        frequencies = self.rotary_base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        query = turn(heads(attention.q_proj(normed), c.num_attention_heads), frequencies, call)
        key = turn(heads(attention.k_proj(normed), c.num_key_value_heads), frequencies, call)
        value = heads(attention.v_proj(normed), c.num_key_value_heads)
        mixed = self._attend(index, query, key, value, call, width ** -0.5)
        hidden = hidden + attention.o_proj(attention.attn_sub_norm(mixed))
        normed = block.post_attention_layernorm(hidden)
        wide = F.relu(mlp.gate_proj(normed)).square() * mlp.up_proj(normed)
        return hidden + mlp.down_proj(mlp.ffn_sub_norm(wide))
