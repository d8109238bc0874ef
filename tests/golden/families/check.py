# SPDX-License-Identifier: Apache-2.0
"""Checks stored Mamba-2 values against the plain recurrence, token by token, in NumPy and float64.

Written from the definition of the block alone: state S_t = exp(Δ A) S_{t-1} + Δ x Bᵀ, y = S C + D x. No chunks, no
transformers; torch only reads files. Gradients are checked along random directions by central differences.
"""

import json
import math

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch

CLASS_DEFAULTS = dict(
    n_groups=8, expand=2, conv_kernel=4, layer_norm_epsilon=1e-5, use_bias=False, use_conv_bias=True,
    tie_word_embeddings=False, time_step_limit=[0.0, math.inf],
)


def _silu(v):
    return v / (1 + np.exp(-v))


def _rms(v, eps):
    return v / np.sqrt((v * v).mean(-1, keepdims=True) + eps)


def _mixer(w, prefix, c, u):
    heads, width, states, groups = c["num_heads"], c["head_dim"], c["state_size"], c["n_groups"]
    inner, tokens = heads * width, u.shape[0]
    get = lambda name: w.get(prefix + name)
    bias = lambda name: 0.0 if get(name) is None else get(name)
    projected = u @ get("in_proj.weight").T + bias("in_proj.bias")
    z, xbc, step = np.split(projected, [inner, 2 * inner + 2 * groups * states], axis=1)
    kernel = get("conv1d.weight")[:, 0, :]
    taps = kernel.shape[1]
    padded = np.concatenate([np.zeros((taps - 1, xbc.shape[1])), xbc])
    xbc = _silu(sum(padded[k:k + tokens] * kernel[:, k] for k in range(taps)) + bias("conv1d.bias"))
    x, b, cc = np.split(xbc, [inner, inner + groups * states], axis=1)
    delta = np.clip(np.logaddexp(0, step + get("dt_bias")), *c["time_step_limit"])
    a = -np.exp(get("A_log"))
    group_of = np.arange(heads) * groups // heads
    state, y = np.zeros((heads, width, states)), np.empty((tokens, heads, width))
    for t in range(tokens):
        xt = x[t].reshape(heads, width)
        bt, ct = b[t].reshape(groups, states)[group_of], cc[t].reshape(groups, states)[group_of]
        state = (np.exp(delta[t] * a)[:, None, None] * state
                 + (delta[t][:, None] * xt)[:, :, None] * bt[:, None, :])
        y[t] = np.einsum("hpn,hn->hp", state, ct) + get("D")[:, None] * xt
    gated = (y.reshape(tokens, inner) * _silu(z)).reshape(tokens, groups, inner // groups)
    normed = _rms(gated, c["layer_norm_epsilon"]).reshape(tokens, inner) * get("norm.weight")
    return normed @ get("out_proj.weight").T + bias("out_proj.bias")


def _row(w, c, ids):
    eps, h, hidden = c["layer_norm_epsilon"], w["backbone.embeddings.weight"][ids], []
    for i in range(c["num_hidden_layers"]):
        prefix = f"backbone.layers.{i}."
        h = h + _mixer(w, prefix + "mixer.", c, _rms(h, eps) * w[prefix + "norm.weight"])
        hidden.append(h)
    head = w["backbone.embeddings.weight" if c["tie_word_embeddings"] else "lm_head.weight"]
    return (_rms(h, eps) * w["backbone.norm_f.weight"]) @ head.T, hidden


def _logits(w, c, ids, start):
    rows = []
    for row, starts in zip(ids, start):
        parts = np.split(row, [t for t in range(1, len(row)) if starts[t] == t])
        rows.append(np.concatenate([_row(w, c, part)[0] for part in parts]))
    return np.stack(rows)


def _loss(logits, targets):
    shifted = logits - logits.max(-1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    at = targets >= 0
    return -logp[at, targets[at]].mean()


def _weights(case, folder):
    if case.layout == "mamba_ssm":
        loaded = torch.load(folder / "pytorch_model.bin", weights_only=True)
    else:
        loaded = {}
        for path in sorted(folder.glob("model*.safetensors")):
            loaded |= safetensors.torch.load_file(path)
    return {name.replace("backbone.embedding.", "backbone.embeddings."): value.double().numpy()
            for name, value in loaded.items()}


def _config(case, folder):
    if case.layout == "mamba_ssm":
        return CLASS_DEFAULTS | case.config
    infinity = lambda d: math.inf if d.get("__float__") == "Infinity" else d
    return CLASS_DEFAULTS | json.loads((folder / "config.json").read_text(), object_hook=infinity)


def _check_values(name, w, c, values, targets, start):
    logits = _logits(w, c, values["ids"], start)
    worst = abs(logits - values["logits"]).max()
    assert worst < 2e-6, f"{name}: logits differ by {worst:.1e}"  # float32 spacing of the stored values
    assert abs(_loss(logits, targets) - values["loss"][0]) < 1e-6, f"{name}: loss"
    rng, worst_slope = np.random.default_rng(5), 0.0
    for key in [key for key in values if key.startswith("grad.")]:
        parameter, gradient = key[len("grad."):], values[key].astype(np.float64)
        direction = gradient / np.linalg.norm(gradient) + 0.3 * rng.standard_normal(gradient.shape) / math.sqrt(
            gradient.size)
        both = [_loss(_logits(w | {parameter: w[parameter] + sign * 1e-5 * direction}, c, values["ids"], start),
                      targets) for sign in (1, -1)]
        slope, said = (both[0] - both[1]) / 2e-5, (gradient * direction).sum()
        error = abs(slope - said) / np.linalg.norm(gradient)
        worst_slope = max(worst_slope, error)
        assert error < 1e-5, f"{name}: {parameter}: slope {slope} against {said}"
    print(f"{name}: logits {worst:.1e}, gradients {worst_slope:.1e}")


def run(here, chosen):
    for case in chosen:
        folder = here / case.family / case.name
        w, c = _weights(case, folder), _config(case, folder)
        values = safetensors.numpy.load_file(folder / "expected.safetensors")
        ids = values["ids"]
        targets = np.concatenate([ids[:, 1:], np.full((len(ids), 1), -1)], axis=1)
        _check_values(case.name, w, c, values, targets, np.zeros_like(ids))
        for row in range(len(ids)):
            for i, hidden in enumerate(_row(w, c, ids[row])[1]):
                assert abs(hidden - values[f"hidden.{i}"][row]).max() < 1e-5, f"{case.name}: hidden {i}"
        if case.documents:
            packed = safetensors.numpy.load_file(folder / "packed.safetensors")
            _check_values(case.name + " packed", w, c, packed, packed["targets"], packed["document_start"])
    return 0
