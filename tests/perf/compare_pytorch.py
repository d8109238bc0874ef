# SPDX-License-Identifier: Apache-2.0
"""Times Peryton and PyTorch on the same work, in turn, on the same cores; see README.md.

    python3 tests/perf/compare_pytorch.py --build build --rows block,step --repetitions 5
"""

import argparse
import json
import os
import pathlib
import platform
import select
import statistics
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
ALL_GROUPS = "[alpha,projectors,embeddings,heads,components,norms]"
# Row: (what, PyTorch's options, our settings, least ratio).
ROWS = {
    "block": ("block", [], [], 6.0),
    "step": ("hybrid", [], [], 3.0),
    "bf16": ("hybrid", ["--bf16"], ["stages.search.precision=bf16"], 2.5),
    "full": ("hybrid", ["--full"], ["stages.search.train=" + ALL_GROUPS], None),
}


class Worker:
    """A process that answers every line with a line of JSON."""

    def __init__(self, command, folder, patience=None):
        self.patience = patience
        self.process = subprocess.Popen([str(part) for part in command], cwd=folder, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.first = self.answer()

    def answer(self):
        # One line a question, so nothing waits in Python's buffer.
        if not select.select([self.process.stdout], [], [], self.patience)[0]:
            self.process.kill()
            raise RuntimeError(f"no answer for {self.patience} s")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("ended with " + str(self.process.wait()))
        return json.loads(line)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def python_of(work):
    """The interpreter with PyTorch: PERYTON_PYTHON, or an environment of our own from PyPI."""
    if os.environ.get("PERYTON_PYTHON"):
        return os.environ["PERYTON_PYTHON"]
    folder = work / "venv"
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
    return folder / "bin" / "python"


def our_command(row, options, gradients):
    what, _, settings, _ = ROWS[row]
    program = options.build.resolve() / "bin" / "step_benchmark"
    common = ["--gradients", gradients, "--threads", options.threads]
    if what == "block":
        return [program, "block", "mamba", "--batch", "block.safetensors", *common]
    settings = settings + options.set
    sets = [part for setting in settings for part in ("--set", setting)]
    return [program, "hybrid", HERE / "hybrid_step.yaml", "--start", "start.safetensors", "--batch",
            "batch.safetensors", "--vocabulary", "50280", *common, *sets]


def start_workers(row, options, python):
    """Peryton and PyTorch eager and compiled; gradients are compared before anything is timed."""
    what, settings, _, _ = ROWS[row]
    ours = options.work / "ours.safetensors"
    workers = {"Peryton": Worker(our_command(row, options, ours), options.work)}
    for name in options.against:
        theirs = options.work / f"{name}.safetensors"
        command = [python, HERE / "pytorch_twin.py", what, options.work, "--gradients", theirs, "--threads",
                   options.threads, *settings, *(["--compile"] if name == "compile" else [])]
        try:
            workers[name] = Worker(command, options.work, options.patience)
        except RuntimeError as error:
            print(f"{row}: PyTorch {name} does not work here: {error}", file=sys.stderr)
            continue
        check(row, name, workers, [python, HERE / "pytorch_twin.py", "compare", ours, theirs])
    return workers


def check(row, name, workers, command):
    a, b = workers["Peryton"].first["loss"], workers[name].first["loss"]
    # bfloat16 rounds to 3 digits on both sides, each in its own places: only the loss can be compared.
    exact = row != "bf16"
    result = subprocess.run([str(part) for part in command], text=True, capture_output=True)
    print(f"{row}, PyTorch {name}: loss {a:.6f} and {b:.6f}; {result.stdout.strip()}", file=sys.stderr)
    if abs(a - b) > (1e-4 if exact else 1e-2) * abs(b) or (exact and result.returncode != 0):
        sys.exit(f"{row}: Peryton and PyTorch {name} do not compute the same")


def time_row(row, options, python):
    workers = start_workers(row, options, python)
    times = {name: [] for name in workers}
    for worker in workers.values():
        worker.ask("step")  # warm
    if options.ask:
        input(f"{row}: ready, Enter to start the timing\n")
    for _ in range(options.repetitions):
        for name, worker in workers.items():
            times[name].append(worker.ask("step")["seconds"])
    result = {"flops": workers["Peryton"].first["flops"]}
    for name, worker in workers.items():
        result[name] = {"seconds": statistics.median(times[name]), "times": times[name],
                        "peak": worker.ask("memory")["peak"]}
        worker.close()
    return result


def print_row(row, result):
    ours = result["Peryton"]
    others = {name: value for name, value in result.items() if name not in ("Peryton", "flops")}
    cells = [row, f"{ours['seconds']:.3f} s"]
    cells += [f"{value['seconds']:.3f} s {name}" for name, value in others.items()]
    if others:
        best = min(value["seconds"] for value in others.values())
        least = ROWS[row][3]
        cells.append(f"{best / ours['seconds']:.2f}×" + (f" (at least {least}×)" if least else ""))
        memory = min(value["peak"] for value in others.values())
        cells.append(f"memory {ours['peak'] / 2**30:.2f} of {memory / 2**30:.2f} GiB: {ours['peak'] / memory:.2f}")
    cells.append(f"{result['flops'] / ours['seconds'] * 1e-9:.0f} GFLOP/s")
    print("| " + " | ".join(cells) + " |", flush=True)


def compare_own(options):
    """The step frozen, with bfloat16 weights and with all trained, ours against ours, in turn."""
    rows = ("step", "bf16", "full")
    workers = {row: Worker(our_command(row, options, options.work / f"{row}.safetensors"), options.work)
               for row in rows}
    times = {row: [] for row in rows}
    for worker in workers.values():
        worker.ask("step")  # warm
    for _ in range(options.repetitions):
        for row, worker in workers.items():
            times[row].append(worker.ask("step")["seconds"])
    flops = workers["full"].first["flops"] / workers["step"].first["flops"]
    for worker in workers.values():
        worker.close()
    seconds = {row: statistics.median(times[row]) for row in rows}
    ratio = seconds["full"] / seconds["step"]
    print(f"| ours in turn | fp32 {seconds['step']:.3f} s | bf16 {seconds['bf16']:.3f} s | "
          f"all trained {seconds['full']:.3f} s | all trained / frozen: time {ratio:.3f} for FLOP {flops:.3f}, "
          f"{ratio / flops:.0%} (at least 90 %) |", flush=True)
    return {"times": times, "flops": flops}


def compare_gradients(options, python):
    """How far the first step's gradients with bfloat16 lie from those with float32: ours, and PyTorch's autocast."""
    files = {name: options.work / f"gradients_{name}.safetensors" for name in ("fp32", "ours", "autocast")}
    twin = [python, HERE / "pytorch_twin.py"]
    commands = {"fp32": our_command("step", options, files["fp32"]), "ours": our_command("bf16", options, files["ours"]),
                "autocast": [*twin, "hybrid", options.work, "--bf16", "--gradients", files["autocast"],
                             "--threads", options.threads]}
    for command in commands.values():
        Worker(command, options.work, options.patience).close()
    said = subprocess.run([str(part) for part in [*twin, "nearer", *files.values()]], text=True, capture_output=True,
                          check=True).stdout
    print(f"| gradients with bf16 | {said.strip()} |", flush=True)


def write_text(path):
    """Text to learn from: this repository's own sources and pages."""
    root = HERE.parent.parent
    files = [file for kind in ("*.md", "*.h", "*.cpp") for part in ("docs", "framework", "kernels", "launch")
             for file in sorted((root / part).rglob(kind))]
    path.write_text("".join(file.read_text(encoding="utf-8") for file in files), encoding="utf-8")


def losses_of(row, options):
    """The loss of each of 200 steps, one a line; what a file of an earlier run holds already is not run again."""
    kept = options.work / f"losses_{row}.txt"
    if kept.exists() and len(kept.read_text().split()) == 200:
        return [float(line) for line in kept.read_text().split()]
    command = our_command(row, options, options.work / "ours.safetensors")
    # A start that does not amplify every difference; at 1e-3 without warm-up two runs in fp32 part as well.
    gentle = ["--set", "train.lr=3e-4", "--set", "train.warmup=20"]
    worker = Worker([*command, *gentle, "--text", "text.txt"], options.work)
    losses = [worker.first["loss"]]
    with kept.open("w", encoding="utf-8") as file:
        print(losses[0], file=file, flush=True)
        for _ in range(199):
            losses.append(worker.ask("step")["loss"])
            print(losses[-1], file=file, flush=True)
    worker.close()
    return losses


def compare_losses(options):
    """Loss after 200 steps with bfloat16 weights and with float32: the mean of the last ten, each on text not seen
    before (one batch again and again is soon known by heart, and its loss says nothing)."""
    exact, rounded = (statistics.mean(losses_of(row, options)[-10:]) for row in ("step", "bf16"))
    print(f"| loss after 200 steps | fp32 {exact:.4f} | bf16 {rounded:.4f} | "
          f"{abs(rounded / exact - 1):.2%} apart (at most 1 %) |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default="build", help="folder built with -DPERYTON_BENCHMARKS=ON")
    parser.add_argument("--work", type=pathlib.Path, help="where components and the environment go")
    parser.add_argument("--rows", default="block,step,bf16,own", help="of " + ", ".join(ROWS) + ", own, gradients, losses")
    parser.add_argument("--against", default="eager,compile", help="PyTorch eager, compile, or nothing")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--patience", type=float, default=900, help="seconds for the first step of PyTorch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="a setting of hybrid_step.yaml")
    parser.add_argument("--ask", action="store_true", help="wait for Enter before each timing")
    options = parser.parse_args()
    options.against = [name for name in options.against.split(",") if name]
    options.work = (options.work or options.build / "perf").resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    python = python_of(options.work)
    if not (options.work / "block.safetensors").exists():
        subprocess.run([python, HERE / "pytorch_twin.py", "make", options.work], check=True)
    if not (options.work / "text.txt").exists():
        write_text(options.work / "text.txt")
    print(f"{platform.platform()}, {options.threads} threads, medians of {options.repetitions}", flush=True)
    results = {}
    for row in options.rows.split(","):
        if row == "losses":
            compare_losses(options)
            continue
        if row == "gradients":
            compare_gradients(options, python)
            continue
        if row == "own":
            results[row] = compare_own(options)
            continue
        results[row] = time_row(row, options, python)
        print_row(row, results[row])
    (options.work / "results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
