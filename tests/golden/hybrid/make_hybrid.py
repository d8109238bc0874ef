# SPDX-License-Identifier: Apache-2.0
"""Makes the reference values of the hybrid: its formulas written out plainly over blocks of transformers.

    python make_hybrid.py            # writes components/ and every case

Everything runs in float64 from float32 weights. See ../README.md for what the files hold.
"""

import json
import math
import pathlib
import shutil
import sys

import safetensors.torch
import torch
import transformers
from transformers.models.gpt_neox import modeling_gpt_neox
from transformers.models.mamba2 import modeling_mamba2

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "families"))
sys.path.insert(0, str(HERE))
import reference  # noqa: E402
import weights  # noqa: E402
import importlib.util  # noqa: E402

_spec = importlib.util.spec_from_file_location("hybrid_cases", HERE / "cases.py")
cases = importlib.util.module_from_spec(_spec)
sys.modules["hybrid_cases"] = cases
_spec.loader.exec_module(cases)

torch.set_num_threads(1)  # the models are tiny
LENGTH, BATCH = 37, 2
OUTSIDE_BLOCKS = ("embed", "lm_head", "final_layer_norm", "norm_f")


def make_component(name):
    family, seed, settings = cases.COMPONENTS[name]
    config_class, model_class = {
        "gpt_neox": (transformers.GPTNeoXConfig, transformers.GPTNeoXForCausalLM),
        "mamba2": (transformers.Mamba2Config, transformers.Mamba2ForCausalLM)}[family]
    config = config_class(**settings)
    config._attn_implementation = "eager"
    model = model_class(config)
    weights.randomise(model, seed)
    folder = HERE / "components" / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return model.double().eval(), json.loads((folder / "config.json").read_text())


class Part:
    """Embedding, blocks, final norm and head of one component."""

    def __init__(self, model):
        self.model = model
        self.neox = hasattr(model, "gpt_neox")
        self.base = model.gpt_neox if self.neox else model.backbone
        self.width = model.config.hidden_size

    def embed(self, ids):
        return (self.base.embed_in if self.neox else self.base.embeddings)(ids)

    def run(self, first, last, x):
        length = x.shape[1]
        for block in self.base.layers[first:last]:
            if self.neox:
                mask = torch.full((length, length), -math.inf, dtype=x.dtype).triu(1)[None, None]
                positions = torch.arange(length)[None]
                output = block(x, attention_mask=mask,
                               position_embeddings=self.base.rotary_emb(x, position_ids=positions))
            else:
                output = block(x)
            x = output[0] if isinstance(output, tuple) else output
        return x

    def final_norm(self, x):
        return (self.base.final_layer_norm if self.neox else self.base.norm_f)(x)

    def head(self, x):
        return self.model.lm_head(x)


def resize(x, width):
    if x.shape[-1] >= width:
        return x[..., :width]
    return torch.nn.functional.pad(x, (0, width - x.shape[-1]))


def project(tensors, prefix, variant, x):
    affine = lambda name, v: v @ tensors[f"{prefix}{name}weight"].T + tensors[f"{prefix}{name}bias"]
    if variant in ("default", "linear"):
        return affine("", x)
    if variant == "linear_skip":
        return x + affine("", x)
    inner = torch.nn.functional.gelu(affine("first.", x))
    y = affine("second.", inner)
    return x + y if variant == "two_layer_skip" else y


def make_projectors(case, parts, width):
    generator = torch.Generator().manual_seed(case.seed)

    def affine(prefix, rows, columns):
        return {prefix + "weight": torch.randn(rows, columns, generator=generator) / math.sqrt(columns),
                prefix + "bias": 0.2 * torch.randn(rows, generator=generator)}
    tensors = {}
    for segment in range(len(next(iter(case.segments.values()))) - 1):
        for name, part in parts.items():
            for side, (source, target) in (("in", (width, part.width)), ("out", (part.width, width))):
                prefix = f"projectors.{segment}.{name}.{side}."
                if case.projectors.startswith("two_layer"):
                    tensors |= affine(prefix + "first.", source, source)
                    tensors |= affine(prefix + "second.", target, source)
                else:
                    tensors |= affine(prefix, target, source)
    return tensors


def gates(case, alpha, i, k):
    last = len(alpha) - 1
    if case.gate == "manticore":
        return alpha[i, k], alpha[i, k]
    before = alpha[i - 1, k] if i > 0 else 1.0
    after = alpha[i + 1, k] if i < last else 1.0
    return before * alpha[i, k], alpha[i, k] * after


def hybrid_logits(case, parts, width, projectors, alpha, ids):
    last = len(alpha) - 1
    h = sum(alpha[0, k] * resize(part.embed(ids), width) for k, part in enumerate(parts.values()))
    for i in range(len(alpha)):
        total = 0.0
        for k, (name, part) in enumerate(parts.items()):
            gate_in, gate_out = gates(case, alpha, i, k)
            prefix = f"projectors.{i}.{name}."
            u = (1 - gate_in) * project(projectors, prefix + "in.", case.projectors, h)
            u = u + gate_in * resize(h, part.width)
            v = part.run(case.segments[name][i], case.segments[name][i + 1], u)
            if i == last:
                v = part.final_norm(v)
            z = (1 - gate_out) * project(projectors, prefix + "out.", case.projectors, v)
            total = total + alpha[i, k] * (z + gate_out * resize(v, width))
        h = total
    mixing = alpha[0] if case.fidelity == "released_code" else alpha[last]
    logits = sum(mixing[k] * part.head(resize(h, part.width))[..., :case.vocabulary]
                 for k, part in enumerate(parts.values()))
    return torch.nn.functional.pad(logits, (0, case.vocab_size - case.vocabulary), value=-math.inf)


def config_of(case, configs, width, alpha):
    """The same keys as an exported hybrid's config.json (framework/hybrid/export/README.md)."""
    return {
        "model_type": "peryton", "gate": case.gate, "fidelity": case.fidelity, "width": width,
        "projectors": case.projectors, "embeddings": "keep", "vocabulary": case.vocabulary,
        "vocab_size": case.vocab_size, "alpha": alpha.tolist(),
        "segments": [case.segments[name] for name in case.segments],
        "components": [{"name": name, "config": configs[name]} for name in case.segments],
    }


def evaluate(case, parts, width, projectors, alpha, logits_of_alpha, ids, targets, documents):
    leaves = {name: value.double().requires_grad_() for name, value in projectors.items()}
    # α as leaf values of their own, so that its gradient treats them as independent.
    values = alpha.detach().clone().requires_grad_()
    if documents:
        pieces = [torch.cat([hybrid_logits(case, parts, width, leaves, values, part[None])[0]
                             for part in row.split(list(lengths))])
                  for row, lengths in zip(ids, documents)]
        logits = torch.stack(pieces)
    else:
        logits = hybrid_logits(case, parts, width, leaves, values, ids)
    loss = reference.next_token_loss(logits, targets)
    for part in parts.values():
        part.model.zero_grad(set_to_none=True)
    loss.backward()
    result = {"ids": ids, "targets": targets, "logits": logits, "loss": loss.reshape(1)}
    result |= {f"grad.{name}": value.grad for name, value in leaves.items()}
    for name, part in parts.items():
        result |= {f"grad.components.{name}.{reference.stored_name(part.model, key)}": value.grad
                   for key, value in part.model.named_parameters()
                   if case.every_gradient or any(word in key for word in OUTSIDE_BLOCKS)}
    if logits_of_alpha is not None:
        result |= {"alpha_logits": logits_of_alpha, "grad.alpha": values.grad}
        result["grad.alpha_logits"] = torch.autograd.grad(
            logits_of_alpha.softmax(-1), logits_of_alpha, values.grad)[0]
    return result


def save(path, tensors):
    safetensors.torch.save_file(
        {name: value.detach().to(torch.float32 if value.is_floating_point() else torch.int32).contiguous()
         for name, value in tensors.items()}, path)


def make(case, models, configs):
    parts = {name: Part(models[name]) for name in case.segments}
    width = case.width or max(part.width for part in parts.values())
    generator = torch.Generator().manual_seed(case.seed + 1000)
    count = len(next(iter(case.segments.values()))) - 1
    if case.alpha:
        logits_of_alpha, alpha = None, torch.tensor(case.alpha, dtype=torch.float64)
    else:
        logits_of_alpha = torch.randn(count, len(parts), generator=generator).double().requires_grad_()
        alpha = logits_of_alpha.softmax(-1)
    projectors = make_projectors(case, parts, width)
    folder = HERE / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps(config_of(case, configs, width, alpha.detach()), indent=1) + "\n")
    save(folder / "projectors.safetensors", projectors)
    ids = torch.randint(0, case.vocabulary, (BATCH, LENGTH), generator=generator)
    plain = evaluate(case, parts, width, projectors, alpha, logits_of_alpha, ids,
                     reference.shifted_targets(ids), ())
    save(folder / "expected.safetensors", plain)
    if case.documents:
        start, targets = reference.packed_layout(ids, case.documents)
        packed = evaluate(case, parts, width, projectors, alpha, logits_of_alpha, ids, targets,
                          case.documents)
        kept = {name: value for name, value in packed.items() if not name.startswith("grad.components")}
        save(folder / "packed.safetensors", kept | {"document_start": start})
    real = plain["logits"][..., :case.vocabulary]
    print(f"{case.name}: loss {float(plain['loss'].detach()):.4f}, logits std {float(real.detach().std()):.2f}")


def main():
    with reference.double_precision(modeling_gpt_neox, modeling_mamba2):
        made = {name: make_component(name) for name in cases.COMPONENTS}
        models = {name: pair[0] for name, pair in made.items()}
        configs = {name: pair[1] for name, pair in made.items()}
        for case in cases.CASES:
            make(case, models, configs)


if __name__ == "__main__":
    main()
