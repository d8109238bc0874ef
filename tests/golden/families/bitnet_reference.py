# SPDX-License-Identifier: Apache-2.0
"""BitNet models of transformers, in float64, with either kind of quantised linear layer.

transformers replaces layers only while it loads; here the same classes are put in by hand. Its packed class rounds
without a straight-through gradient, so gradients of packed models are those of the `autobitlinear` twin.
"""

import os

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # before torch: its quantisers are decorated with torch.compile

import torch  # noqa: E402
from transformers import BitNetConfig, BitNetForCausalLM  # noqa: E402
from transformers.integrations import bitnet as layers  # noqa: E402

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Margins:
    tokens = None

    @classmethod
    def see(cls, activation):
        scaled = activation * (127 / activation.abs().amax(-1, keepdim=True).clamp(min=1e-5))
        near = ((scaled.abs() % 1.0) - 0.5).abs().amin(-1)
        cls.tokens = near if cls.tokens is None else torch.minimum(cls.tokens, near)


class _WatchedActQuant(layers.ActQuant):
    @classmethod
    def apply(cls, activation):
        Margins.see(activation.detach())
        return super().apply(activation)


def linears(model):
    return [(name, module) for name, module in model.named_modules() if name.split(".")[-1] in LINEARS]


def ternary(weight):
    """T and beta of a latent weight, in float64."""
    beta = weight.double().abs().mean().clamp(min=1e-5)
    scaled = weight.double() / beta
    assert (scaled.abs() - 0.5).abs().min() > 1e-6, "a weight on the border: another seed"
    return scaled.round().clamp(-1, 1), beta


def replace(model, kind, scales=None):
    """`kind`: online (latent weights), auto (packed, scale multiplies) or packed (scale divides)."""
    for name, old in linears(model):
        out, inner = old.weight.shape
        if kind == "packed":
            new = layers.BitLinear(inner, out, bias=False, dtype=torch.float64)
            new.weight = layers.pack_weights(ternary(old.weight.data)[0])
            new.weight_scale = 1 / scales[name]
        else:
            new = layers.AutoBitLinear(inner, out, bias=False, dtype=torch.float64, online_quant=kind == "online")
            new.weight.data = old.weight.data if kind == "online" else ternary(old.weight.data)[0]
            if kind == "auto":
                new.weight_scale = scales[name]
        model.set_submodule(name, new)
    return model


def build(config, quantization):
    layers.ActQuant = _WatchedActQuant
    made = BitNetConfig(**config)
    if quantization:
        made.quantization_config = quantization
    made._attn_implementation = "eager"
    return BitNetForCausalLM(made)


class Runner:
    """What the golden script asks of a model: logits, hidden states, margins."""

    def __init__(self, model):
        self.model = model

    def __call__(self, ids):
        Margins.tokens, hidden = None, []
        hooks = [block.register_forward_hook(
            lambda _, __, output: hidden.append(output[0] if isinstance(output, tuple) else output))
            for block in self.model.model.layers]
        try:
            logits = self.model(ids, use_cache=False).logits
        finally:
            for hook in hooks:
                hook.remove()
        return logits, hidden

    def margin(self, ids):
        with torch.no_grad():
            self(ids)
        return Margins.tokens if Margins.tokens is not None else torch.ones(ids.shape)
