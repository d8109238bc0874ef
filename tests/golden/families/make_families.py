# SPDX-License-Identifier: Apache-2.0
"""Makes the reference values of the component families with transformers.

    python make_families.py                 # writes every folder <family>/<case>/
    python make_families.py gpt_neox/sharded ...   # only these
    python make_families.py --check         # stored mamba2 values against a plain recurrence in NumPy

See ../README.md for what the files hold.
"""

import argparse
import importlib
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROMPT, NEW_TOKENS = 9, 16


def build(case):
    """A float64 model whose weights are exactly those that are stored."""
    import torch
    import transformers

    import weights
    config = transformers.AutoConfig.for_model(case.model_type or case.family, **case.config)
    new = lambda: transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    stored = new()
    weights.randomise(stored, case.seed)
    stored = stored.to(getattr(torch, case.dtype))
    weights.write(case, stored, HERE / case.family / case.name)
    model = new()  # its rotary tables have not been rounded to the stored type
    model.load_state_dict(stored.state_dict())
    return model.double().eval()


def expected(case, model):
    import torch

    import reference
    generator = torch.Generator().manual_seed(case.seed + 1000)
    draw = lambda rows, length: torch.randint(0, case.config["vocab_size"], (rows, length), generator=generator)
    ids = draw(case.batch, case.length)
    logits, hidden = reference.forward(model, ids)
    loss = reference.next_token_loss(logits, reference.shifted_targets(ids))
    result = {"ids": ids, "logits": logits, "loss": loss.reshape(1)}
    result |= {f"hidden.{i}": value for i, value in enumerate(hidden)}
    result |= {f"grad.{name}": value for name, value in reference.gradients(model, loss).items()}
    while True:  # a prompt whose greedy choices are not close calls
        prompt = draw(1, PROMPT)
        tokens, margin = reference.greedy(model, prompt, NEW_TOKENS)
        if margin > 5e-3:
            break
    # The cached path of transformers' Mamba-2 forgets time_step_limit, so it is asked only without one.
    cached = "time_step_limit" not in case.config
    generated = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=NEW_TOKENS,
                               min_new_tokens=NEW_TOKENS if case.config["eos_token_id"] is None else None,
                               do_sample=False, use_cache=cached, eos_token_id=-1, pad_token_id=0)
    assert torch.equal(generated[:, PROMPT:], tokens), f"{case.name}: generate() disagrees"
    return result | {"prompt": prompt, "greedy": tokens}


def expected_packed(case, model):
    import torch

    import reference
    generator = torch.Generator().manual_seed(case.seed + 2000)
    length = sum(case.documents[0])
    ids = torch.randint(0, case.config["vocab_size"], (len(case.documents), length), generator=generator)
    start, targets = reference.packed_layout(ids, case.documents)
    logits = reference.packed_forward(model, ids, case.documents)
    loss = reference.next_token_loss(logits, targets)
    result = {"ids": ids, "document_start": start, "targets": targets, "logits": logits,
              "loss": loss.reshape(1)}
    return result | {f"grad.{name}": value for name, value in reference.gradients(model, loss).items()}


def save(path, tensors):
    import safetensors.torch
    import torch
    safetensors.torch.save_file(
        {name: value.detach().to(torch.float32 if value.is_floating_point() else torch.int32).contiguous()
         for name, value in tensors.items()}, path)


def make(case):
    import torch

    import reference
    torch.set_num_threads(1)  # the models are tiny
    folder = HERE / case.family / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kind = case.model_type or case.family
    modules = [importlib.import_module(f"transformers.models.{kind}.modeling_{kind}"),
               importlib.import_module("transformers.modeling_rope_utils")]
    with reference.double_precision(*modules):
        model = build(case)
        values = expected(case, model)
        save(folder / "expected.safetensors", values)
        (folder / "ids.json").write_text(json.dumps(values["ids"].tolist()) + "\n")
        (folder / "loss.json").write_text(json.dumps({"loss": float(values["loss"])}) + "\n")
        if case.documents:
            save(folder / "packed.safetensors", expected_packed(case, model))
    spread = float(values["logits"].std())
    print(f"{case.family}/{case.name}: loss {float(values['loss']):.4f}, logits std {spread:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="<family>/<case>")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    import cases
    chosen = [case for case in cases.CASES
              if not arguments.only or f"{case.family}/{case.name}" in arguments.only]
    if arguments.check:
        import check
        return check.run(HERE, [case for case in chosen if case.family == "mamba2"])
    for case in chosen:
        make(case)
    return 0


if __name__ == "__main__":
    sys.exit(main())
