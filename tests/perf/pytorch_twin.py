# SPDX-License-Identifier: Apache-2.0
"""The PyTorch side of compare_pytorch.py.

    pytorch_twin.py make FOLDER              # components, start values and batches
    pytorch_twin.py compare OURS THEIRS      # gradients agree to 1e-4, or exit code 1
    pytorch_twin.py nearer EXACT OURS THEIRS # how far two files of rounded gradients lie from exact ones
    pytorch_twin.py hybrid FOLDER OPTIONS    # the same hybrid, the same protocol as step_benchmark
    pytorch_twin.py block FOLDER OPTIONS     # one Mamba-2 block with every gradient
"""

import argparse
import contextlib
import json
import logging
import math
import pathlib
import resource
import statistics
import sys
import time

import safetensors.torch
import torch
import transformers

WIDTH, VOCABULARY, SEGMENTS, BATCH, LENGTH = 512, 50280, 3, 4, 512
NAMES = ("neox", "mamba")
TABLE = "components.neox.gpt_neox.embed_in.weight"


def make(folder):
    """Frozen components over a vocabulary of 64 (the hybrid brings its own table), written as Hugging Face folders."""
    torch.manual_seed(1)
    neox = transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(
        vocab_size=64, hidden_size=WIDTH, num_hidden_layers=6, num_attention_heads=8, intermediate_size=4 * WIDTH,
        max_position_embeddings=2048, use_parallel_residual=True, bos_token_id=0, eos_token_id=0))
    neox.save_pretrained(folder / "neox")
    mamba = transformers.Mamba2ForCausalLM(transformers.Mamba2Config(
        vocab_size=64, hidden_size=WIDTH, num_hidden_layers=12, num_heads=16, head_dim=64, state_size=128, expand=2,
        n_groups=1, bos_token_id=0, eos_token_id=0, pad_token_id=0))
    with torch.no_grad():  # small branches: else rounding grows from layer to layer, whoever computes them
        for block in mamba.backbone.layers:
            block.mixer.out_proj.weight /= len(mamba.backbone.layers)
    mamba.save_pretrained(folder / "mamba")
    generator = torch.Generator().manual_seed(2)
    start = {TABLE: 0.02 * torch.randn(VOCABULARY, WIDTH, generator=generator)}
    for i in range(SEGMENTS):
        start[f"alpha.{i}"] = torch.randn(len(NAMES), generator=generator)
        for name in NAMES:
            for side in ("in", "out"):
                bound = 1 / math.sqrt(WIDTH)
                for part, shape in (("weight", (WIDTH, WIDTH)), ("bias", (WIDTH,))):
                    value = bound * (2 * torch.rand(shape, generator=generator) - 1)
                    start[f"projectors.{i}.{name}.{side}.{part}"] = value
    safetensors.torch.save_file(start, folder / "start.safetensors")
    ids = torch.randint(0, VOCABULARY, (BATCH, LENGTH + 1), generator=generator, dtype=torch.int32)
    safetensors.torch.save_file({"ids": ids[:, :-1].contiguous(), "targets": ids[:, 1:].contiguous()},
                                folder / "batch.safetensors")
    block = {name: torch.randn(1, 2048, WIDTH, generator=generator) for name in ("hidden", "weights")}
    safetensors.torch.save_file(block, folder / "block.safetensors")


def distances_of(a, b):
    """Relative distance of every gradient of a file from that of another."""
    a, b = safetensors.torch.load_file(a), safetensors.torch.load_file(b)
    if a.keys() != b.keys():
        sys.exit(f"only one side has {sorted(a.keys() ^ b.keys())}")
    return {name: float((a[name].double() - b[name].double()).norm() / b[name].double().norm()) for name in b}


def compare(ours, theirs):
    distances = distances_of(ours, theirs)
    name = max(distances, key=distances.get)
    print(f"{len(distances)} gradients, largest relative distance {distances[name]:.1e} ({name})")
    return 0 if distances[name] <= 1e-4 else 1


def nearer(exact, ours, theirs):
    """Which of two files of rounded gradients is nearer to the exact ones, parameter by parameter."""
    a, b = distances_of(ours, exact), distances_of(theirs, exact)
    print(f"relative distance from fp32, median of {len(a)} gradients: ours {statistics.median(a.values()):.3f}, "
          f"PyTorch {statistics.median(b.values()):.3f}; largest {max(a.values()):.3f} and {max(b.values()):.3f}; "
          f"ours nearer in {sum(a[name] < b[name] for name in a)}")
    return 0


class Part:
    """Blocks and final norm of one component."""

    def __init__(self, model):
        self.neox = hasattr(model, "gpt_neox")
        self.model = model
        self.base = model.gpt_neox if self.neox else model.backbone
        self.norm = self.base.final_layer_norm if self.neox else self.base.norm_f
        cut = len(self.base.layers) // SEGMENTS
        self.segments = [list(self.base.layers)[i * cut:(i + 1) * cut] for i in range(SEGMENTS)]

    def run(self, segment, x):
        rotary = self.base.rotary_emb(x, position_ids=torch.arange(x.shape[1])[None]) if self.neox else None
        for block in self.segments[segment]:
            output = block(x, attention_mask=None, position_embeddings=rotary) if self.neox else block(x)
            x = output[0] if isinstance(output, tuple) else output
        return self.norm(x) if segment + 1 == SEGMENTS else x


class Hybrid:
    """The formulas of the gate `transition` with one shared table; alpha sums to one over it."""

    def __init__(self, folder, train_components):
        self.parts = {"neox": Part(transformers.GPTNeoXForCausalLM.from_pretrained(folder / "neox")),
                      "mamba": Part(transformers.Mamba2ForCausalLM.from_pretrained(folder / "mamba"))}
        self.trained = {name: torch.nn.Parameter(value) for name, value in
                        safetensors.torch.load_file(folder / "start.safetensors").items()}
        for name, part in self.parts.items():
            part.model.requires_grad_(False)
            for key, value in part.model.named_parameters():
                if train_components and not any(word in key for word in ("embed", "lm_head")):
                    self.trained[f"components.{name}.{key}"] = value.requires_grad_()
        batch = safetensors.torch.load_file(folder / "batch.safetensors")
        self.ids, self.targets = batch["ids"].long(), batch["targets"].long()

    def project(self, i, name, side, x):
        prefix = f"projectors.{i}.{name}.{side}."
        return torch.nn.functional.linear(x, self.trained[prefix + "weight"], self.trained[prefix + "bias"])

    def loss(self):
        alpha = [self.trained[f"alpha.{i}"].softmax(-1) for i in range(SEGMENTS)]
        h = torch.nn.functional.embedding(self.ids, self.trained[TABLE])
        for i in range(SEGMENTS):
            total = 0.0
            for k, name in enumerate(NAMES):
                a = alpha[i][k]
                enter = a * alpha[i - 1][k] if i > 0 else a
                leave = a * alpha[i + 1][k] if i + 1 < SEGMENTS else a
                v = self.parts[name].run(i, (1 - enter) * self.project(i, name, "in", h) + enter * h)
                total = total + a * ((1 - leave) * self.project(i, name, "out", v) + leave * v)
            h = total
        logits = torch.nn.functional.linear(h, self.trained[TABLE])
        return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), self.targets.flatten())

    def optimiser(self):
        groups = [{"params": [], "lr": 1e-3, "weight_decay": 0.01}, {"params": [], "lr": 1e-3, "weight_decay": 0.0},
                  {"params": [], "lr": 1e-2, "weight_decay": 0.0}]
        for name, value in self.trained.items():
            groups[2 if name.startswith("alpha") else int(value.dim() < 2)]["params"].append(value)
        return torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, fused=True)


class Block:
    """One Mamba-2 block, its norm and residual included."""

    def __init__(self, folder):
        model = transformers.Mamba2ForCausalLM.from_pretrained(folder / "mamba")
        self.block = model.backbone.layers[0]
        batch = safetensors.torch.load_file(folder / "block.safetensors")
        self.hidden, self.weights = batch["hidden"].requires_grad_(), batch["weights"]
        self.trained = {f"backbone.layers.0.{name}": value for name, value in self.block.named_parameters()}
        self.trained["hidden"] = self.hidden

    def loss(self):
        output = self.block(self.hidden)
        return ((output[0] if isinstance(output, tuple) else output) * self.weights).sum()

    def optimiser(self):
        return None


def serve(work, options):
    function = torch.compile(work.loss) if options.compile else work.loss
    precision = torch.autocast("cpu", torch.bfloat16) if options.bf16 else contextlib.nullcontext()
    optimiser = work.optimiser()

    def gradients():
        for value in work.trained.values():
            value.grad = None
        with precision:
            loss = function()
        loss.backward()
        return float(loss.detach())

    loss = gradients()
    kept = {name: value.grad.float().contiguous() for name, value in work.trained.items()}
    safetensors.torch.save_file(kept, options.gradients)
    del kept
    if optimiser:
        optimiser.step()
    print(json.dumps({"loss": loss}), flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(json.dumps({"peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}), flush=True)
            continue
        start = time.perf_counter()
        loss = gradients()
        if optimiser:
            optimiser.step()
        print(json.dumps({"seconds": time.perf_counter() - start, "loss": loss}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("make", "compare", "nearer", "hybrid", "block"))
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    parser.add_argument("--gradients")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--full", action="store_true", help="components train too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.utils.logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    if options.what == "make":
        return make(options.paths[0])
    if options.what == "compare":
        return compare(*options.paths)
    if options.what == "nearer":
        return nearer(*options.paths)
    folder = options.paths[0]
    serve(Hybrid(folder, options.full) if options.what == "hybrid" else Block(folder), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
