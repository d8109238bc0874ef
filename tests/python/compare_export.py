# SPDX-License-Identifier: Apache-2.0
"""Compares logits that `peryton score` wrote with those of transformers, for any model folder.

    peryton score FOLDER --ids ids.json --logits out.safetensors > loss.json
    python compare_export.py FOLDER --ids ids.json --logits out.safetensors --loss loss.json

FOLDER is a component or an exported hybrid (its modelling code is run). Prints one JSON line; exit code 1 where the two
disagree or generate() does not continue a prompt as the logits say.
"""

import argparse
import json
import pathlib
import sys

import safetensors.torch
import torch
import transformers


def load(folder):
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, trust_remote_code=True, output_loading_info=True, dtype=torch.float32)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[kind]:
            raise SystemExit(f"{folder}: {kind}: {sorted(report[kind])}")
    return torch.nn.Module.float(model).eval()  # transformers refuses to widen what is quantised


def compare_logits(ours, theirs):
    """Largest difference over finite logits, per position. Ids that theirs masks with -inf are masked or absent in ours."""
    if ours.shape[-1] < theirs.shape[-1] and bool(torch.isneginf(theirs[..., ours.shape[-1]:]).all()):
        theirs = theirs[..., :ours.shape[-1]]
    if ours.shape != theirs.shape:
        raise SystemExit(f"shapes differ: {tuple(ours.shape)} and {tuple(theirs.shape)}")
    finite = torch.isfinite(theirs)
    if not torch.equal(finite, torch.isfinite(ours)):
        raise SystemExit("logits are infinite or NaN at different places")
    difference = torch.where(finite, (ours - theirs).abs(), torch.zeros(())).amax(-1)
    return difference, float(theirs[finite].std())


class RoundingTies:
    """Positions [rows, time] where a ternary layer of a model rounds a value that lies as near to a border as two correct
    float32 programs may differ: 5e-5 of a step of 1 (the one that was traced: 34.4999977 here, 34.5000216 there, because
    the largest of its row, by which all are divided, differed by 6e-7 of itself)."""

    LAYERS, MARGIN = ("_BitLinear", "AutoBitLinear", "BitLinear"), 5e-5

    def __init__(self, model, ids):
        self.found = torch.zeros(ids.shape, dtype=torch.bool)
        for layer in model.modules():
            if type(layer).__name__ in self.LAYERS:
                layer.register_forward_pre_hook(self._look)

    def _look(self, layer, arguments):
        norm = getattr(layer, "norm", None)
        x = arguments[0] if norm is None else norm(arguments[0])
        if x.shape[:-1] != self.found.shape:
            return  # generate() asks in other shapes
        steps = x.double() * (127 / x.double().abs().amax(-1, keepdim=True).clamp(min=1e-5))
        self.found |= ((steps - steps.floor() - 0.5).abs() < self.MARGIN).any(-1)

    def explain(self, beyond):
        """The first of each row's differences stands at a tie; what follows sees another state."""
        for row, tied in zip(beyond, self.found):
            if bool(row.any()) and not bool(tied[int(row.to(torch.uint8).argmax())]):
                return False
        return True


def mean_loss(logits, ids):
    return float(torch.nn.functional.cross_entropy(logits[:, :-1].double().flatten(0, 1), ids[:, 1:].flatten()))


def generates(model, ids, count):
    """generate() with and without caches continues the first half of the rows alike and follows the logits."""
    prompt = ids[:, :max(1, ids.shape[1] // 2)]
    options = dict(attention_mask=torch.ones_like(prompt), max_new_tokens=count, do_sample=False,
                   eos_token_id=-1, pad_token_id=0)
    cached = model.generate(prompt, use_cache=True, **options)
    plain = model.generate(prompt, use_cache=False, **options)
    logits = model(plain).logits[:, prompt.shape[1] - 1:-1]
    follows = torch.equal(logits.argmax(-1), plain[:, prompt.shape[1]:])
    return follows and torch.equal(cached, plain)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--ids", type=pathlib.Path, required=True, help="JSON: equally long lists of token ids")
    parser.add_argument("--logits", type=pathlib.Path, required=True, help="safetensors with one tensor, logits")
    parser.add_argument("--loss", type=pathlib.Path, help="JSON that `peryton score` printed, with a key loss")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of logits, absolute (default 1e-4)")
    parser.add_argument("--rounding-ties", type=float, default=0.0, metavar="SHARE",
                        help="of positions that may differ by more, up to 1%% of the logits' spread, if the first of each "
                             "row has an activation on a border of its rounding to 8 bits: it may fall on either side, and "
                             "what follows sees the difference (default 0)")
    parser.add_argument("--new-tokens", type=int, default=16, help="0: leave generate() out")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    ids = torch.tensor(json.loads(arguments.ids.read_text()))
    ours = safetensors.torch.load_file(arguments.logits)["logits"]
    with torch.no_grad():
        model = load(arguments.folder)
        ties = RoundingTies(model, ids)
        theirs = model(ids).logits
        difference, spread = compare_logits(ours, theirs)
        beyond = difference > arguments.tolerance
        count = int(beyond.sum())
        result = {"logits_max_difference": float(difference.max()), "positions_beyond_tolerance": count,
                  "positions_with_rounding_ties": int(ties.found.sum()), "logits_std": spread, "loss": mean_loss(theirs, ids)}
        few = count <= arguments.rounding_ties * difference.numel() and float(difference.max()) <= 0.01 * spread
        good = count == 0 or (few and ties.explain(beyond))
        if arguments.loss:
            result["loss_difference"] = abs(result["loss"] - json.loads(arguments.loss.read_text())["loss"])
            good = good and result["loss_difference"] <= arguments.tolerance
        if arguments.new_tokens:
            result["generates"] = generates(model, ids, arguments.new_tokens)
            good = good and result["generates"]
    print(json.dumps(result | {"agree": good}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
