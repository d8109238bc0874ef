# SPDX-License-Identifier: Apache-2.0
"""Component families of an exported hybrid: embedding, blocks, final norm and head, cut apart."""

import types

from transformers import AutoConfig

from .attention_peryton import GPT2Component, GPTNeoComponent, GPTNeoXComponent, LlamaComponent, MistralComponent
from .scan_peryton import Mamba2Component, MambaComponent
from .ternary_peryton import BitNetComponent, HGRNBitComponent

FAMILIES = {"bitnet": BitNetComponent, "gpt2": GPT2Component, "gpt_neo": GPTNeoComponent, "gpt_neox": GPTNeoXComponent,
            "hgrn_bit": HGRNBitComponent, "llama": LlamaComponent, "mamba": MambaComponent, "mamba2": Mamba2Component,
            "mistral": MistralComponent}
_OUR_MODULES = ("bitnet", "hgrn_bit")  # not known to every release of transformers, or to none
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
    if family in _OUR_MODULES:
        return types.SimpleNamespace(**settings)
    return AutoConfig.for_model(family, **settings)


def make_component(name, settings):
    family = settings.get("model_type")
    if family not in FAMILIES:
        raise ValueError(f"component {name}: model_type {family!r} is not one of {sorted(FAMILIES)}")
    return FAMILIES[family](name, _component_config(settings))
