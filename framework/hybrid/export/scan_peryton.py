# SPDX-License-Identifier: Apache-2.0
"""State space families of an exported hybrid.

Modules come from transformers, so tensors keep their names; the mixers are written out, because releases of
transformers differ in them (norm groups, repeated B and C, clamp of the step during cached generation).
"""

import math

import torch
import torch.nn.functional as F
from transformers import Mamba2Model, MambaModel

from .component_base_peryton import Component

SCAN_CHUNK = 64


class _ScanComponent(Component):
    prefix, head_name = "backbone", "lm_head"

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


class MambaComponent(_ScanComponent):
    def __init__(self, name, config):
        if getattr(config, "hidden_act", "silu") not in ("silu", "swish"):
            raise ValueError(f"component {name}: hidden_act must be 'silu'")
        super().__init__(name, config, MambaModel(config))

    def _mixer(self, mixer, index, u, call):
        c, key, padding = self.config, (self.name, index), call.own_padding()
        rank, states = mixer.dt_proj.weight.shape[1], c.state_size
        window, state = (None, None) if call.cache is None else call.cache.states.get(key, (None, None))
        if padding is not None:
            u = u * padding
        x, z = mixer.in_proj(u).chunk(2, dim=-1)
        x, window = _causal_conv(x, mixer.conv1d, window)
        if padding is not None:
            x = x * padding
        step, b, cc = mixer.x_proj(x).split([rank, states, states], dim=-1)
        delta = F.softplus(F.linear(step, mixer.dt_proj.weight).float() + mixer.dt_proj.bias.float())
        y, state = _selective_scan(x.float(), delta, -torch.exp(mixer.A_log.float()), b.float(), cc.float(), state)
        if call.cache is not None:
            call.cache.states[key] = (window, state)
        y = (y + mixer.D.float() * x.float()) * F.silu(z.float())
        return mixer.out_proj(y.to(u.dtype))


class Mamba2Component(_ScanComponent):
    def __init__(self, name, config):
        for key, value in (("norm_before_gate", False), ("rms_norm", True), ("hidden_act", "silu")):
            if getattr(config, key, value) != value:
                raise ValueError(f"component {name}: {key} must be {value!r}")
        super().__init__(name, config, Mamba2Model(config))

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


def _selective_scan(x, delta, a, b, c, state):
    """s_t = exp(delta a) s_{t-1} + delta x b, y_t = s_t c, token by token.

    x and delta [B, T, channels], a [channels, N], b and c [B, T, N], state [B, channels, N] or None.
    """
    if state is None:
        state = x.new_zeros(x.shape[0], x.shape[2], a.shape[1])
    outputs = []
    for t in range(x.shape[1]):
        step = delta[:, t, :, None]
        state = torch.exp(step * a) * state + step * x[:, t, :, None] * b[:, t, None]
        outputs.append((state * c[:, t, None]).sum(-1))
    return torch.stack(outputs, dim=1), state


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
