# SPDX-License-Identifier: Apache-2.0
"""Builds folders like those that an export writes, out of golden files."""

import json
import pathlib
import shutil

import safetensors.torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
CODE = ROOT / "framework" / "hybrid" / "export"
AUTO = {
    "architectures": ["PerytonForCausalLM"],
    "auto_map": {"AutoConfig": "configuration_peryton.PerytonConfig",
                 "AutoModelForCausalLM": "modeling_peryton.PerytonForCausalLM"},
    "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "torch_dtype": "float32",
}


def load_tensors(folder):
    tensors = {}
    for path in sorted(folder.glob("model*.safetensors")):
        tensors |= safetensors.torch.load_file(path)
    return tensors


def copy_code(folder):
    for path in CODE.glob("*_peryton.py"):
        shutil.copy(path, folder)


def write(folder, config, components, projectors):
    """`components`: name -> tensors as in the component's own file."""
    folder.mkdir(parents=True, exist_ok=True)
    copy_code(folder)
    (folder / "config.json").write_text(json.dumps(config | AUTO, indent=1))
    tensors = {f"components.{name}.{key}": value
               for name, part in components.items() for key, value in part.items()}
    safetensors.torch.save_file(tensors | projectors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def from_hybrid_case(name, folder, **changes):
    source = GOLDEN / "hybrid" / name
    config = json.loads((source / "config.json").read_text()) | changes
    parts = {part["name"]: load_tensors(GOLDEN / "hybrid" / "components" / part["name"])
             for part in config["components"]}
    return write(folder, config, parts, safetensors.torch.load_file(source / "projectors.safetensors"))


def from_family_case(source, folder):
    """A hybrid of one component alone; its projectors exist and have no say."""
    import torch
    own = json.loads((source / "config.json").read_text())
    of = lambda *names: next(own[name] for name in names if name in own)
    depth, width = of("num_hidden_layers", "num_layers", "n_layer"), of("hidden_size", "n_embd")
    rows = own["vocab_size"]
    config = {
        "model_type": "peryton", "components": [{"name": "only", "config": own}], "segments": [[0, depth]],
        "width": width, "gate": "transition", "alpha": [[1.0]], "projectors": "linear", "embeddings": "keep",
        "vocabulary": rows, "vocab_size": rows, "fidelity": "ours"}
    projectors = {f"projectors.0.only.{side}.{kind}": torch.randn(*shape)
                  for side in ("in", "out") for kind, shape in (("weight", (width, width)), ("bias", (width,)))}
    buffers = (".attention.bias", ".attn.bias", ".masked_bias", "rotary_emb.inv_freq")
    bare = ("wte.", "wpe.", "h.", "ln_f.")  # an export writes the model's prefix
    tensors = {"transformer." * key.startswith(bare) + key: value.float() if value.is_floating_point() else value
               for key, value in load_tensors(source).items() if not key.endswith(buffers)}
    return write(folder, config, {"only": tensors}, projectors)
