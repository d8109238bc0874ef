# SPDX-License-Identifier: Apache-2.0
"""An exported hybrid: components joined by projectors and mixed by α, segment after segment.

The formulas are in the export's README; the names below are theirs.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .component_base_peryton import Call, PerytonCache
from .components_peryton import make_component
from .configuration_peryton import PerytonConfig


class _Named(nn.Module):
    """Submodules under names of the user's, which may be names that a ModuleDict refuses."""

    def __init__(self, modules):
        super().__init__()
        self._modules.update(modules)

    def __getitem__(self, name):
        return self._modules[name]


class _TwoLayer(nn.Module):
    def __init__(self, source, target):
        super().__init__()
        self.first = nn.Linear(source, source)
        self.second = nn.Linear(source, target)

    def forward(self, x):
        return self.second(F.gelu(self.first(x)))


class _Skip(nn.Module):
    """x + inner(x), with the inner map's parameters under its own names."""

    def __init__(self, inner):
        super().__init__()
        self._modules.update(inner._modules)
        self._parameters.update(inner._parameters)
        self._map = type(inner).forward

    def forward(self, x):
        return x + self._map(self, x)


def _projector(variant, source, target):
    inner = _TwoLayer(source, target) if variant.startswith("two_layer") else nn.Linear(source, target)
    if not variant.endswith("_skip"):
        return inner
    if source != target:
        raise ValueError(f"projectors {variant} need equal widths, not {source} and {target}")
    return _Skip(inner)


def _resize(x, width):
    return x[..., :width] if x.shape[-1] >= width else F.pad(x, (0, width - x.shape[-1]))


def _blend(gate, identity, projected):
    """gate · identity() + (1 − gate) · projected(), leaving out what has weight 0."""
    if gate == 1.0:
        return identity()
    if gate == 0.0:
        return projected()
    return (1.0 - gate) * projected() + gate * identity()


class PerytonForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = PerytonConfig
    base_model_prefix = "peryton"
    main_input_name = "input_ids"
    _supports_sdpa = True
    _supports_cache_class = True
    _is_stateful = True  # the cache cannot be rolled back
    _no_split_modules = ["GPT2Block", "GPTNeoBlock", "GPTNeoXLayer", "LlamaDecoderLayer", "Mamba2Block",
                         "MambaBlock", "MistralDecoderLayer"]

    def __init__(self, config):
        super().__init__(config)
        self.names = [component["name"] for component in config.components]
        self.components = _Named({component["name"]: make_component(component["name"], component["config"])
                                  for component in config.components})
        self.projectors = _Named({str(i): _Named({name: self._pair(name) for name in self.names})
                                  for i in range(len(config.alpha))})
        self.post_init()

    def _pair(self, name):
        width, own = self.config.width, self.components[name].width
        return _Named({"in": _projector(self.config.projectors, width, own),
                       "out": _projector(self.config.projectors, own, width)})

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            module.weight.data.normal_(0.0, 0.02)
            if getattr(module, "bias", None) is not None:
                module.bias.data.zero_()

    def get_input_embeddings(self):
        return self.components[self.names[0]].table

    def set_input_embeddings(self, value):
        raise NotImplementedError("every component has an embedding of its own")

    def get_output_embeddings(self):
        return None

    def resize_token_embeddings(self, *unused, **also_unused):
        raise NotImplementedError("every component has an embedding of its own")

    # Gates of segment i and column k: (input side, output side).
    def _gates(self, i, k):
        alpha = self.config.alpha
        if self.config.gate == "manticore":
            return alpha[i][k], alpha[i][k]
        before = alpha[i - 1][k] if i > 0 else 1.0
        after = alpha[i + 1][k] if i + 1 < len(alpha) else 1.0
        return before * alpha[i][k], alpha[i][k] * after

    @staticmethod
    def _mix(weights, terms):
        """Σ weight · term() over the weights that are not 0."""
        total = None
        for weight, term in zip(weights, terms):
            if weight != 0.0:
                value = term() if weight == 1.0 else weight * term()
                total = value if total is None else total + value
        return total

    def _visit(self, i, k, h, call):
        """Segment i of component k, from and to the shared space."""
        part, pair = self.components[self.names[k]], self.projectors[str(i)][self.names[k]]
        gate_in, gate_out = self._gates(i, k)
        first, last = self.config.segments[k][i], self.config.segments[k][i + 1]
        u = _blend(gate_in, lambda: _resize(h, part.width), lambda: pair["in"](h))
        v = part.run(first, last, u, call)
        if i + 1 == len(self.config.alpha):
            v = part.final_norm(v)
        return _blend(gate_out, lambda: _resize(v, self.config.width), lambda: pair["out"](v))

    def _hidden(self, ids, call):
        alpha, parts = self.config.alpha, [self.components[name] for name in self.names]
        h = self._mix(alpha[0], [lambda part=part: _resize(part.embed(ids, call), self.config.width) for part in parts])
        for i, row in enumerate(alpha):
            h = self._mix(row, [lambda k=k: self._visit(i, k, h, call) for k in range(len(parts))])
        return h

    def _logits(self, h):
        old = self.config.fidelity == "released_code"
        row, vocabulary = self.config.alpha[0 if old else -1], self.config.vocabulary
        parts = [self.components[name] for name in self.names]
        logits = self._mix(row, [
            lambda part=part: part.logits(_resize(h, part.width), vocabulary) for part in parts])
        return F.pad(logits, (0, self.config.vocab_size - vocabulary), value=-math.inf)

    def forward(self, input_ids=None, attention_mask=None, labels=None, past_key_values=None, use_cache=None,
                logits_to_keep=0, return_dict=None, **unused):
        if input_ids is None:
            raise ValueError("a hybrid reads input_ids; it has no single embedding to replace")
        cache = past_key_values if isinstance(past_key_values, PerytonCache) else None
        if cache is None and use_cache:
            cache = PerytonCache()
        h = self._hidden(input_ids, Call(input_ids, attention_mask, cache))
        if cache is not None:
            cache.length += input_ids.shape[1]
        if isinstance(logits_to_keep, int) and logits_to_keep > 0:
            h = h[:, -logits_to_keep:]
        logits, loss = self._logits(h), None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        if return_dict is False:
            return tuple(value for value in (loss, logits, cache) if value is not None)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=cache)

    def _prepare_cache_for_generation(self, *unused, **also_unused):
        return False  # forward() makes the only kind of cache that fits

    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, attention_mask=None, use_cache=None,
                                      **kwargs):
        cache = past_key_values if isinstance(past_key_values, PerytonCache) else None
        inputs = {"input_ids": input_ids[:, cache.length:] if cache is not None else input_ids,
                  "attention_mask": attention_mask, "past_key_values": cache, "use_cache": use_cache}
        if "logits_to_keep" in kwargs:
            inputs["logits_to_keep"] = kwargs["logits_to_keep"]
        return inputs

    @staticmethod
    def _reorder_cache(past_key_values, beam_idx):
        past_key_values.reorder_cache(beam_idx)
        return past_key_values
