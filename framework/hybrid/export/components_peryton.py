# SPDX-License-Identifier: Apache-2.0
"""Component families of an exported hybrid: embedding, blocks, final norm and head, cut apart.

Modules come from transformers, so tensors keep their names. GPT-NeoX blocks run as transformers has them; the
Mamba-2 mixer is written out here, because releases of transformers differ in it (norm groups, repeated B and C,
clamp of the step during cached generation).
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoConfig, GPTNeoXModel, Mamba2Model

SCAN_CHUNK = 64


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


class _KeyValues:
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

    def own_padding(self):
        return None if self.padding is None else self.padding[:, self.past:, None]


class _Component(nn.Module):
    def __init__(self, name, config, base):
        super().__init__()
        self.name, self.config, self.width = name, config, config.hidden_size
        self.add_module(self.prefix, base)
        if not config.tie_word_embeddings:
            self.add_module(self.head_name, nn.Linear(config.hidden_size, config.vocab_size, bias=False))

    @property
    def base(self):
        return getattr(self, self.prefix)

    def embed(self, ids):
        return F.embedding(ids, self.table.weight)

    def logits(self, hidden, vocabulary):
        head = self.table if self.config.tie_word_embeddings else getattr(self, self.head_name)
        return F.linear(hidden, head.weight[:vocabulary])


class GPTNeoXComponent(_Component):
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
        mask = torch.zeros(call.visible.shape, dtype=hidden.dtype, device=hidden.device)
        mask = mask.masked_fill(~call.visible, torch.finfo(hidden.dtype).min)
        rotary = self._rotary(call, hidden)
        past = None if call.cache is None else _KeyValues(call.cache, self.name)
        for block in self.base.layers[first:last]:
            output = block(hidden, attention_mask=mask, position_ids=call.positions, layer_past=past,
                           position_embeddings=rotary)
            hidden = output[0] if isinstance(output, tuple) else output
        return hidden

    def final_norm(self, hidden):
        return self.base.final_layer_norm(hidden)


class Mamba2Component(_Component):
    prefix, head_name = "backbone", "lm_head"

    def __init__(self, name, config):
        for key, value in (("norm_before_gate", False), ("rms_norm", True), ("hidden_act", "silu")):
            if getattr(config, key, value) != value:
                raise ValueError(f"component {name}: {key} must be {value!r}")
        super().__init__(name, config, Mamba2Model(config))

    @property
    def table(self):
        return self.base.embeddings

    def run(self, first, last, hidden, call):
        for index in range(first, last):
            block = self.base.layers[index]
            mixed = self._mixer(block.mixer, index, _rms_norm(hidden, block.norm.weight, self._eps()), call)
            hidden = (hidden.float() + mixed.float()).to(hidden.dtype)
        return hidden

    def final_norm(self, hidden):
        return _rms_norm(hidden, self.base.norm_f.weight, self._eps())

    def _eps(self):
        return self.config.layer_norm_epsilon

    def _mixer(self, mixer, index, u, call):
        c, key = self.config, (self.name, index)
        heads, width, states, groups = c.num_heads, c.head_dim, c.state_size, c.n_groups
        inner = heads * width
        batch, length, _ = u.shape
        padding = call.own_padding()
        window, state = (None, None) if call.cache is None else call.cache.states.get(key, (None, None))
        if padding is not None:
            u = u * padding
        z, xbc, step = mixer.in_proj(u).split([inner, inner + 2 * groups * states, heads], dim=-1)
        xbc, window = _causal_conv(xbc, mixer.conv1d, window)
        if padding is not None:
            xbc = xbc * padding
        x, b, cc = xbc.split([inner, groups * states, groups * states], dim=-1)
        low, high = c.time_step_limit
        delta = F.softplus(step.float() + mixer.dt_bias.float()).clamp(low, high)
        y, state = _scan(x.reshape(batch, length, heads, width).float(), delta, -torch.exp(mixer.A_log.float()),
                         b.reshape(batch, length, groups, states).float(),
                         cc.reshape(batch, length, groups, states).float(), state)
        if call.cache is not None:
            call.cache.states[key] = (window, state)
        y = y + mixer.D.float()[:, None] * x.reshape(batch, length, heads, width).float()
        gated = y.reshape(batch, length, inner) * F.silu(z.float())
        norm_groups = getattr(c, "norm_group_count", None) or groups
        ones = torch.ones(inner // norm_groups, device=u.device)
        normed = _rms_norm(gated.unflatten(-1, (norm_groups, -1)), ones, self._eps()).flatten(-2)
        return mixer.out_proj(mixer.norm.weight * normed.to(u.dtype))


def _rms_norm(x, weight, eps):
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


def _causal_conv(x, conv, window):
    """silu of a depthwise convolution over tokens [B, T, C]; `window` holds the inputs before these."""
    taps = conv.weight.shape[-1]
    x = x.transpose(1, 2)
    before = x.new_zeros(x.shape[0], x.shape[1], taps - 1) if window is None else window
    x = torch.cat([before, x], dim=-1)
    y = F.conv1d(x, conv.weight, conv.bias, groups=x.shape[1])
    return F.silu(y).transpose(1, 2), x[..., x.shape[-1] - (taps - 1):]


def _scan(x, delta, a, b, c, state):
    """S_t = exp(delta a) S_{t-1} + delta x b^T, y_t = S_t c, in chunks of tokens.

    x [B, T, H, P], delta [B, T, H], a [H], b and c [B, T, G, N], state [B, H, P, N] or None.
    """
    batch, length, heads, width = x.shape
    repeat = heads // b.shape[2]
    if state is None:
        state = x.new_zeros(batch, heads, width, b.shape[3])
    outputs = []
    for start in range(0, length, SCAN_CHUNK):
        span = slice(start, start + SCAN_CHUNK)
        bc, cc = (t[:, span].repeat_interleave(repeat, dim=2) for t in (b, c))
        sums = (delta[:, span] * a).cumsum(1).transpose(1, 2)  # [B, H, L], logs of decay
        input_ = delta[:, span, :, None] * x[:, span]
        gap = sums[..., :, None] - sums[..., None, :]
        size = gap.shape[-1]
        future = torch.ones(size, size, dtype=torch.bool, device=x.device).triu(1)
        decay = gap.masked_fill(future, -math.inf).exp()
        scores = torch.einsum("bihn,bjhn->bhij", cc, bc) * decay
        y = torch.einsum("bhij,bjhp->bihp", scores, input_)
        y = y + torch.einsum("bihn,bhpn,bhi->bihp", cc, state, sums.exp())
        to_end = (sums[..., -1:] - sums).exp()
        state = sums[..., -1, None, None].exp() * state + torch.einsum("bjhp,bjhn,bhj->bhpn", input_, bc, to_end)
        outputs.append(y)
    return torch.cat(outputs, dim=1), state


FAMILIES = {"gpt_neox": GPTNeoXComponent, "mamba2": Mamba2Component}
_NOT_OF_THE_MODEL = ("architectures", "auto_map", "dtype", "torch_dtype", "transformers_version", "_name_or_path")


def _plain(value):
    """Undoes the way in which newer releases write an infinity."""
    if isinstance(value, dict):
        return float(value["__float__"]) if set(value) == {"__float__"} else {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def _component_config(settings):
    settings = {key: value for key, value in _plain(settings).items() if key not in _NOT_OF_THE_MODEL}
    family = settings.pop("model_type")
    if family == "gpt_neox":  # both ways of writing rotary positions, so that every release reads one
        rope = settings.get("rope_parameters") or {}
        settings["rotary_pct"] = rope.get("partial_rotary_factor", settings.get("rotary_pct", 0.25))
        settings["rotary_emb_base"] = rope.get("rope_theta", settings.get("rotary_emb_base", 10000))
    return AutoConfig.for_model(family, **settings)


def make_component(name, settings):
    family = settings.get("model_type")
    if family not in FAMILIES:
        raise ValueError(f"component {name}: model_type {family!r} is not one of {sorted(FAMILIES)}")
    return FAMILIES[family](name, _component_config(settings))
