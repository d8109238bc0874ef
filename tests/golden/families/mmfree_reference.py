# SPDX-License-Identifier: Apache-2.0
"""The MatMul-free language model (Zhu et al. 2024) written out plainly in PyTorch, from its formulas.

It shares nothing with Peryton. Everything runs in the dtype of the weights it is given. Quantisers are
straight-through: their values are exact, their gradient is the identity, scales included. Every call records how
far each value was from the border between two integers, so that inputs can be chosen that no rounding error moves.
"""

import torch
import torch.nn.functional as F

FLOOR = 1e-5  # of both scales
ORDERS = ("mmfreelm", "fla", "paper")


class Margins:
    """Smallest distance from a rounding border, per token of the current run."""

    def __init__(self):
        self.tokens = None
        self.weights = float("inf")

    def see_tokens(self, scaled):  # [B, T, n] before rounding
        near = ((scaled.abs() % 1.0) - 0.5).abs().amin(-1).detach()
        self.tokens = near if self.tokens is None else torch.minimum(self.tokens, near)

    def see_weights(self, scaled):  # only the border at 1/2 changes a trit
        self.weights = min(self.weights, float((scaled.abs() - 0.5).abs().min()))


def rms_norm(x, gain, eps):
    return gain * (x * (x.pow(2).mean(-1, keepdim=True) + eps).pow(-0.5))


def round_away(x):
    return torch.sign(x) * torch.floor(x.abs() + 0.5)


class Model:
    """`weights`: published names to tensors. `config`: config.json. `traps`: what to get wrong on purpose."""

    def __init__(self, config, weights, traps=()):
        self.config, self.weights, self.traps = config, weights, set(traps)
        self.order = config.get("output_gate", "mmfreelm")
        self.round = round_away if config.get("rounding") == "away" else torch.round
        self.eps = config["rms_norm_eps"]
        self.bit_eps = 1e-8 if "eps" in self.traps else 1e-6
        self.margins = Margins()

    def parameters(self):
        return self.weights

    def bit_linear(self, x, name, inner_norm=True):
        z = x
        if inner_norm and "one_norm" not in self.traps:
            z = rms_norm(x, self.weights[name + ".norm.weight"], self.bit_eps)
        largest = z.detach().abs().amax(-1, keepdim=True).clamp(min=FLOOR)
        scaled = z.detach() * (127 / largest)
        self.margins.see_tokens(scaled)
        q = self.round(scaled).clamp(-127, 127)
        z = z + (q * largest / 127 - z).detach()
        w = self.weights[name + ".weight"]
        beta = w.detach().abs().mean().clamp(min=FLOOR)
        self.margins.see_weights(w.detach() / beta)
        ternary = torch.round(w.detach() / beta).clamp(-1, 1)
        return F.linear(z, w + (beta * ternary - w).detach())

    def lower_bound(self, layer):
        if not self.config["use_lower_bound"]:
            return torch.zeros(())
        p = torch.softmax(self.weights["model.lower_bounds"], dim=0)
        return p[1:layer + 1].sum(0)

    def mixer(self, x, layer):
        name = f"model.layers.{layer}.attn."
        u, v, p = (self.bit_linear(x, name + k) for k in ("f_proj", "i_proj", "g_proj"))
        gamma = self.lower_bound(layer)
        f = gamma + (1 - gamma) * torch.sigmoid(u)
        i = F.silu(v) * (1 - (torch.sigmoid(u) if "unbounded_input" in self.traps else f))
        state, states = torch.zeros_like(f[:, 0]), []
        for t in range(f.shape[1]):
            state = f[:, t] * state + i[:, t]
            states.append(state)
        h, gain = torch.stack(states, 1), self.weights[name + "g_norm.weight"]
        if self.order == "mmfreelm":
            o = rms_norm(p, gain, self.eps) * F.silu(h)
        elif self.order == "fla":
            o = rms_norm(h, gain, self.eps) * F.silu(p)
        else:
            o = rms_norm(h * torch.sigmoid(p), gain, self.eps)
        return self.bit_linear(o, name + "o_proj")

    def channels(self, x, layer):
        name = f"model.layers.{layer}.mlp."
        merged = self.bit_linear(x, name + "gate_proj")
        if "two_betas" in self.traps:  # each half with a scale of its own
            merged = torch.cat([self._half(x, name, 0), self._half(x, name, 1)], -1)
        gate, up = merged.chunk(2, -1)
        return self.bit_linear(F.silu(gate) * up, name + "down_proj")

    def _half(self, x, name, half):
        w = self.weights[name + "gate_proj.weight"]
        part = Model(self.config, {"half.weight": w.chunk(2, 0)[half],
                                   "half.norm.weight": self.weights[name + "gate_proj.norm.weight"]})
        return part.bit_linear(x, "half")

    def __call__(self, ids):
        """Logits [B, T, V] and the hidden state after each block."""
        self.margins = Margins()
        w, hidden = self.weights, []
        x = F.embedding(ids, w["model.embeddings.weight"])
        for layer in range(self.config["num_hidden_layers"]):
            prefix = f"model.layers.{layer}."
            x = x + self.mixer(rms_norm(x, w[prefix + "attn_norm.weight"], self.eps), layer)
            x = x + self.channels(rms_norm(x, w[prefix + "mlp_norm.weight"], self.eps), layer)
            hidden.append(x)
        x = rms_norm(x, w["model.norm.weight"], self.eps)
        if "plain_head" in self.traps:
            return F.linear(x, w["lm_head.weight"]), hidden
        return self.bit_linear(x, "lm_head"), hidden


def intermediate(config):
    return config["intermediate_size"] or 256 * -(-(8 * config["hidden_size"] // 3) // 256)


def shapes(config):
    d, vocabulary, layers = config["hidden_size"], config["vocab_size"], config["num_hidden_layers"]
    inner = intermediate(config)
    result = {"model.embeddings.weight": (vocabulary, d)}
    if config["use_lower_bound"]:
        result["model.lower_bounds"] = (layers, d)
    for layer in range(layers):
        p = f"model.layers.{layer}."
        for name in ("i", "f", "g", "o"):
            result[f"{p}attn.{name}_proj.weight"] = (d, d)
            result[f"{p}attn.{name}_proj.norm.weight"] = (d,)
        result |= {p + "attn.g_norm.weight": (d,), p + "attn_norm.weight": (d,), p + "mlp_norm.weight": (d,),
                   p + "mlp.gate_proj.weight": (2 * inner, d), p + "mlp.gate_proj.norm.weight": (d,),
                   p + "mlp.down_proj.weight": (d, inner), p + "mlp.down_proj.norm.weight": (inner,)}
    return result | {"model.norm.weight": (d,), "lm_head.weight": (vocabulary, d), "lm_head.norm.weight": (d,)}
