# SPDX-License-Identifier: Apache-2.0
"""Random weights of a size that keeps logits and gradients of order 1, and the layouts they are stored in."""

import json
import math

import torch


def _draw(name, shape, generator, conv1d):
    normal = torch.randn(shape, generator=generator)
    uniform = torch.rand(shape, generator=generator)
    if name.endswith("A_log"):
        return torch.log(0.5 + 7.5 * uniform)
    if name.endswith(("dt_bias", "dt_proj.bias")):
        step = 0.03 * (0.6 / 0.03) ** uniform
        return torch.log(torch.expm1(step))
    if name.endswith(".D"):
        return 1 + 0.3 * normal
    if name.endswith("conv1d.weight"):
        return normal / math.sqrt(shape[-1])
    if "norm" in name or ".ln_" in name:
        return 1 + 0.2 * normal if name.endswith("weight") else 0.2 * normal
    if name.endswith("bias"):
        return 0.2 * normal
    return normal / math.sqrt(shape[0 if conv1d else -1])


@torch.no_grad()
def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        conv1d = model.config.model_type == "gpt2" and ".h." in name  # weights are [in, out]
        parameter.copy_(_draw(name, tuple(parameter.shape), generator, conv1d).float())


def write(case, model, folder):
    if case.layout == "mamba_ssm":
        return _write_mamba_ssm(case, model, folder)
    size = "40KB" if case.layout == "sharded" else "50GB"
    model.save_pretrained(folder, max_shard_size=size)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if case.layout == "legacy":
        {"gpt_neox": _legacy_gpt_neox, "mamba2": _legacy_mamba2, "llama": _legacy_llama, "gpt2": _legacy_gpt2,
         "gpt_neo": _legacy_gpt2}[case.family](case, folder)
    if case.layout == "missing_keys":
        _drop_keys(folder)


def _edit_config(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _old_style(config):
    config["torch_dtype"] = config.pop("dtype", "float32")
    config["transformers_version"] = "4.24.0"


def _legacy_gpt_neox(case, folder):
    """Keys and buffers of files written by releases before 4.45."""
    import safetensors.torch

    def change(config):
        _old_style(config)
        config.pop("rope_parameters", None)
        config.pop("attention_bias", None)
        config["rotary_pct"] = case.config["rotary_pct"]
        config["rotary_emb_base"] = case.config["rotary_emb_base"]
    _edit_config(folder, change)
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    positions = case.config["max_position_embeddings"]
    rotary = int(case.config["hidden_size"] // case.config["num_attention_heads"] * case.config["rotary_pct"])
    for i in range(case.config["num_hidden_layers"]):
        prefix = f"gpt_neox.layers.{i}.attention."
        tensors[prefix + "bias"] = torch.tril(
            torch.ones(positions, positions, dtype=torch.bool)).view(1, 1, positions, positions)
        tensors[prefix + "masked_bias"] = torch.tensor(-1e9)
        tensors[prefix + "rotary_emb.inv_freq"] = (
            1.0 / case.config["rotary_emb_base"] ** (torch.arange(0, rotary, 2).float() / rotary))
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def _legacy_mamba2(case, folder):
    """An infinite clamp written as a bare Infinity, and keys that converters add."""
    def change(config):
        _old_style(config)
        config["time_step_limit"] = [0.0, math.inf]
        config["rms_norm"] = True
        config["norm_before_gate"] = False
    _edit_config(folder, change)


def _legacy_llama(case, folder):
    """Rotary settings as releases before 5 wrote them, and the rotary table that the oldest files hold."""
    import safetensors.torch

    def change(config):
        _old_style(config)
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope.pop("rope_theta")
        rope["type"] = rope.pop("rope_type")
        config["rope_scaling"] = rope
        config.pop("head_dim")
    _edit_config(folder, change)
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    width = case.config["hidden_size"] // case.config["num_attention_heads"]
    for i in range(case.config["num_hidden_layers"]):
        tensors[f"model.layers.{i}.self_attn.rotary_emb.inv_freq"] = (
            1.0 / 500.0 ** (torch.arange(0, width, 2).float() / width))
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def _legacy_gpt2(case, folder):
    """Names without the model's prefix, and masks, as in the first published files."""
    import safetensors.torch

    _edit_config(folder, _old_style)
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): value
               for name, value in safetensors.torch.load_file(path).items()}
    positions = case.config.get("n_positions") or case.config["max_position_embeddings"]
    mask = torch.tril(torch.ones(positions, positions)).view(1, 1, positions, positions)
    place = "h.0.attn." if case.family == "gpt2" else "h.0.attn.attention."
    tensors[place + "bias"] = mask
    tensors[place + "masked_bias"] = torch.tensor(-1e4)
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


_KEPT = {
    "architectures", "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "intermediate_size", "max_position_embeddings", "num_heads", "head_dim", "num_layers", "n_embd", "n_layer", "n_head",
    "n_positions", "state_size", "dtype",
    "transformers_version",
}


def _drop_keys(folder):
    """Everything that equals the class default, which is then what the reader must assume."""
    def change(config):
        for key in set(config) - _KEPT:
            del config[key]
    _edit_config(folder, change)


def _write_mamba_ssm(case, model, folder):
    (folder / "config.json").write_text(json.dumps(case.mamba_ssm, indent=4) + "\n")
    state = model.state_dict()
    for name in list(state):
        new = name.replace("backbone.embeddings.", "backbone.embedding.")
        state[new] = state.pop(name)
    state["lm_head.weight"] = (
        state["backbone.embedding.weight"] if case.mamba_ssm["tie_embeddings"] else state["lm_head.weight"])
    if case.dtype != "float32":
        state = dict(state)  # without the metadata that a state_dict carries: both kinds exist
    torch.save(state, folder / "pytorch_model.bin")
