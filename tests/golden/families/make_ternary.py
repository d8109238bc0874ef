# SPDX-License-Identifier: Apache-2.0
"""Makes the reference values of the ternary families.

    python make_ternary.py                  # writes every folder <family>/<case>/
    python make_ternary.py mmfree/wide ...  # only these

mmfree comes from mmfree_reference.py, bitnet from transformers. See ../README.md for what the files hold.
"""

import argparse
import copy
import json
import pathlib
import shutil

import bitnet_reference
import mmfree_reference
import reference
import ternary_cases
import ternary_inputs
import torch
import weights
from make_families import PROMPT, save
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent


class MmfreeRunner:
    def __init__(self, config, tensors, traps=()):
        self.model = mmfree_reference.Model(config, tensors, traps)

    def __call__(self, ids):
        return self.model(ids)

    def margin(self, ids):
        with torch.no_grad():
            self.model(ids)
        return self.model.margins.tokens


def mmfree_weights(case):
    generator = torch.Generator().manual_seed(case.seed)
    result = {}
    for name, shape in mmfree_reference.shapes(case.config).items():
        if name == "model.lower_bounds":
            result[name] = torch.randn(shape, generator=generator)
        else:
            result[name] = weights._draw(name, shape, generator).float()
        if name.endswith(("attn_norm.weight", "mlp_norm.weight", "model.norm.weight")):
            result[name] = result[name] * case.gain
    return {name: value.to(getattr(torch, case.dtype)) for name, value in result.items()}


def write_model(folder, config, tensors):
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def make_mmfree(case, folder):
    stored = mmfree_weights(case)
    write_model(folder, case.config | {"torch_dtype": case.dtype}, stored)

    def runner(dtype, traps=()):
        return MmfreeRunner(case.config, {name: value.to(dtype).requires_grad_() for name, value in stored.items()},
                            traps)
    exact = runner(torch.float64)
    return exact, runner, lambda run: {name: value.grad for name, value in run.model.weights.items()}


def bitnet_files(case, latent, scales):
    dtype = getattr(torch, case.dtype)
    tensors = {name: value.detach().to(dtype) for name, value in latent.named_parameters()}
    if not scales:
        return tensors
    for name, _ in bitnet_reference.linears(latent):
        kept = tensors[name + ".weight"]
        tensors[name + ".weight"] = bitnet_reference.layers.pack_weights(bitnet_reference.ternary(kept)[0])
        inverse = case.quantization["linear_class"] == "bitlinear"
        tensors[name + ".weight_scale"] = (1 / scales[name] if inverse else scales[name]).to(dtype)
    return tensors


def make_bitnet(case, folder):
    latent = bitnet_reference.build(case.config, None)
    weights.randomise(latent, case.seed)
    frequencies = latent.model.rotary_emb.inv_freq.double()
    latent = latent.to(getattr(torch, case.dtype)).double().eval()
    latent.model.rotary_emb.inv_freq = frequencies  # no weight: not rounded to the stored type
    if case.quantization:  # asserts that no weight is on a border
        [bitnet_reference.ternary(module.weight.data) for _, module in bitnet_reference.linears(latent)]
    packed = case.quantization is not None and case.quantization["quantization_mode"] == "offline"
    scales, kind = {}, "online"
    if packed:
        kind = "auto"
        for name, module in bitnet_reference.linears(latent):
            beta = bitnet_reference.ternary(module.weight.data)[1]
            stored = beta.reshape(1).to(getattr(torch, case.dtype))
            if case.quantization["linear_class"] == "bitlinear":
                stored = (1 / beta).reshape(1).to(getattr(torch, case.dtype))
                scales[name] = 1 / stored.double()
            else:
                scales[name] = stored.double()
    config = bitnet_reference.build(case.config, case.quantization).config.to_dict()
    config["architectures"] = ["BitNetForCausalLM"]
    write_model(folder, {k: v for k, v in config.items() if v is not None}, bitnet_files(case, latent, scales))

    def runner(dtype, traps=()):
        model = copy.deepcopy(latent)
        if case.quantization:
            model = bitnet_reference.replace(model, kind, scales)
        model = model.to(dtype)
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        return bitnet_reference.Runner(model)

    def gradients(run):
        result = {name: parameter.grad for name, parameter in run.model.named_parameters()}
        for name in scales:  # packed weights do not train, and their scales are constants
            del result[name + ".weight"]
            result[name + ".weight_scale"] = torch.zeros(1)
        return result
    exact = runner(torch.float64)
    if packed and case.quantization["linear_class"] == "bitlinear":
        twin = bitnet_reference.Runner(bitnet_reference.replace(copy.deepcopy(latent), "packed", scales))
        ids = torch.arange(12)[None]
        with torch.no_grad():
            difference = float((twin(ids)[0] - exact(ids)[0]).abs().max())
        assert difference < 1e-9, f"{case.name}: the packed class gives other logits ({difference})"
    return exact, runner, gradients


def zero_gradients(run):
    model = run.model
    values = model.weights.values() if isinstance(model, mmfree_reference.Model) else model.parameters()
    for value in values:
        value.grad = None


def evaluate(run, gradients, ids, targets, documents):
    zero_gradients(run)
    parts, hidden = [], None
    for row, lengths in zip(ids, documents):
        parts.append(torch.cat([run(part[None])[0][0] for part in row.split(list(lengths))]))
    logits = torch.stack(parts)
    if all(len(lengths) == 1 for lengths in documents):
        logits, hidden = run(ids)
    loss = reference.next_token_loss(logits, targets)
    loss.backward()
    result = {"ids": ids, "logits": logits, "loss": loss.reshape(1)}
    if hidden is not None:
        result |= {f"hidden.{i}": value for i, value in enumerate(hidden)}
    return result | {f"grad.{name}": value for name, value in gradients(run).items()}


def single_precision_error(exact, single):
    worst_gradient = max(float((single[name].double() - value).norm() / value.norm().clamp(min=1e-300))
                         for name, value in exact.items() if name.startswith("grad.") and value.norm() > 0)
    return float((single["logits"].double() - exact["logits"]).abs().max()), worst_gradient


def make(case):
    torch.set_num_threads(1)
    folder = HERE / case.family / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make_model = {"mmfree": make_mmfree, "bitnet": make_bitnet}[case.family]
    exact, runner, gradients = make_model(case, folder)
    vocabulary, report = case.config["vocab_size"], ""
    for name, documents in (("expected", ((case.length,),) * case.batch), ("packed", case.documents)):
        if not documents:
            continue
        ids = ternary_inputs.draw(exact.margin, documents, vocabulary, case.seed + (name == "packed"))
        start, targets = reference.packed_layout(ids, documents)
        values = evaluate(exact, gradients, ids, targets, documents)
        if case.family == "mmfree":
            assert exact.model.margins.weights > 1e-6, "a weight on the border: another seed"
        single = evaluate(runner(torch.float32), gradients, ids, targets, documents)
        error = single_precision_error(values, single)
        report += f"  {name}: float32 logits {error[0]:.1e} gradients {error[1]:.1e}"
        if name == "packed":
            values |= {"document_start": start, "targets": targets}
        else:
            prompt, greedy = ternary_inputs.draw_prompt(lambda ids: exact(ids)[0], exact.margin, PROMPT,
                                                        case.new_tokens, vocabulary, case.seed + 2)
            for trap in case.traps:
                with torch.no_grad():
                    values["wrong." + trap] = runner(torch.float64, (trap,))(ids)[0]
            (folder / "ids.json").write_text(json.dumps(ids.tolist()) + "\n")
            (folder / "loss.json").write_text(json.dumps({"loss": float(values["loss"].detach())}) + "\n")
            values |= {"prompt": prompt, "greedy": greedy}
            report = f"loss {float(values['loss'].detach()):.4f}, logits std {float(values['logits'].std()):.2f}" + report
        save(folder / f"{name}.safetensors", values)
    print(f"{case.family}/{case.name}: {report}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="<family>/<case>")
    arguments = parser.parse_args()
    from transformers.models.bitnet import modeling_bitnet
    for case in ternary_cases.CASES:
        if arguments.only and f"{case.family}/{case.name}" not in arguments.only:
            continue
        with reference.double_precision(modeling_bitnet, bitnet_reference.layers):
            make(case)


if __name__ == "__main__":
    main()
