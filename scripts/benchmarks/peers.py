"""Trains the same rows with ftlab, TRL and Unsloth, each in its own process and in turn, and prints ratios.

    python -m scripts.benchmarks.peers --out docs/benchmarks/peers.json [--rounds 3] [--arms NAME,...]

A random-weight checkpoint of the Llama-3-8B shape is written first (a step's arithmetic doesn't depend on the values
of the weights), with a tokenizer of one word a token, so that every system gets the same rows of the same length. A
system that isn't installed is left out and said. ftlab runs as its users run it, through its command line.

Tokens a second count no padding, over whole steps of wall time behind the warm-up (waiting for data included); peaks
are PyTorch's `max_memory_allocated`. A run counts only if its first loss agrees to 1 % with the plain path's (ftlab
with `kernels=none`) and its loss moved, that is, its gradients weren't zero.
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WARM_UP, STEPS = 4, 10
"""Steps before the clock starts, and steps that are timed."""

DENSE, LENGTHS = "dense 4 × 2048", "instruction lengths"


@dataclass(frozen=True)
class Arm:
    """One system with one setting on one workload.

    Attributes:
        name: What the table shows.
        system: `ftlab`, `trl` or `unsloth`.
        workload: `DENSE` (4 rows of 2048 tokens a step) or `LENGTHS` (log-normal, mean about 260, at most 2048).
        options: Overrides (ftlab), or arguments of `peer.py`.
    """

    name: str
    system: str
    workload: str
    options: Sequence[str] = field(default=())


LEAN = "kernels.hold_unpacked=false"
"""Where the least memory is measured, none is filled because it is free."""

ARMS = (
    Arm("ftlab plain path", "ftlab", DENSE, ("method=qlora", "kernels=none")),
    Arm("ftlab qlora", "ftlab", DENSE, ("method=qlora",)),
    Arm("TRL qlora, default", "trl", DENSE, ("--recompute", "1")),
    Arm("Unsloth qlora, default", "unsloth", DENSE, ("--recompute", "1")),
    Arm("Unsloth qlora, no recompute", "unsloth", DENSE, ("--recompute", "0")),
    Arm("ftlab qlora, nothing held unpacked", "ftlab", DENSE, ("method=qlora", LEAN)),
    Arm("ftlab qlora, all recomputed", "ftlab", DENSE, ("method=qlora", "training.recompute=all", LEAN)),
    Arm("ftlab qlora, inputs in RAM", "ftlab", DENSE, ("method=qlora", "training.recompute=offload", LEAN)),
    Arm("ftlab qlora, fp8 arithmetic", "ftlab", DENSE, ("method=qlora", "kernels=fp8")),
    Arm("ftlab lora on fp8", "ftlab", DENSE, ("method=lora", "quantization=fp8", "kernels=fp8")),
    Arm("ftlab qlora, packed", "ftlab", LENGTHS, ("method=qlora",)),
    Arm("TRL qlora, default, padded", "trl", LENGTHS, ("--recompute", "1")),
    Arm("Unsloth qlora, default, packed", "unsloth", LENGTHS, ("--recompute", "1", "--packing", "1")),
    Arm("ftlab lora", "ftlab", DENSE, ("method=lora",)),
    Arm("Unsloth lora, no recompute", "unsloth", DENSE, ("--recompute", "0", "--method", "lora")),
)

RATIOS = (
    ("default against Unsloth's default", "ftlab qlora", "Unsloth qlora, default"),
    ("default against TRL's default", "ftlab qlora", "TRL qlora, default"),
    ("best against best", "ftlab qlora", "Unsloth qlora, no recompute"),
    (
        "best against best, in less memory than Unsloth's",
        "ftlab qlora, nothing held unpacked",
        "Unsloth qlora, no recompute",
    ),
    ("least memory against Unsloth's default", "ftlab qlora, inputs in RAM", "Unsloth qlora, default"),
    ("packed instruction lengths", "ftlab qlora, packed", "Unsloth qlora, default, packed"),
    ("packed against TRL's padded", "ftlab qlora, packed", "TRL qlora, default, padded"),
    ("LoRA on a 16-bit base", "ftlab lora", "Unsloth lora, no recompute"),
    ("FP8 arithmetic against Unsloth's best", "ftlab qlora, fp8 arithmetic", "Unsloth qlora, no recompute"),
    ("an FP8 base against Unsloth's best", "ftlab lora on fp8", "Unsloth qlora, no recompute"),
)
"""Name, ours, theirs."""


Read = Callable[[str], dict[str, Any]]
"""Makes a result of what a run printed."""


def main() -> None:
    """Runs what the command line asks for, and writes results after every run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="goes on from what the file holds: further rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arms", default="", help="names, separated by semicolons; empty = all")
    parser.add_argument("--shape", default="llama3-8b", help="a choice of the `model` group")
    parser.add_argument("--limit", type=float, default=180, help="seconds that one run may take")
    options = parser.parse_args()
    chosen = [arm for arm in ARMS if not options.arms or arm.name in options.arms.split(";")]
    missing = {arm.system for arm in chosen if importlib.util.find_spec(arm.system) is None}
    for system in sorted(missing):
        print(f"{system} is not installed and left out.")
    runs: list[dict[str, Any]] = json.loads(options.out.read_text())["runs"] if options.out.is_file() else []
    first = 1 + max((line["round"] for line in runs), default=-1)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        prepare(Path(folder), options.shape)
        for number in range(first, first + options.rounds):
            for arm in chosen:
                if arm.system in missing:
                    continue
                line = {"round": number, "arm": arm.name, "workload": arm.workload, **run(arm, Path(folder), options)}
                line["clocks"] = clocks()
                runs.append(line)
                print(json.dumps(line), flush=True)
                write(options.out, options.shape, runs)
    print(table(runs))


def prepare(folder: Path, shape: str) -> None:
    """Writes checkpoint and rows in a process of its own, which gives the device's memory back."""
    subprocess.run([sys.executable, "-m", "scripts.benchmarks.checkpoint", str(folder), shape], check=True)


def run(arm: Arm, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Runs one arm; what goes wrong is a result, too.

    Args:
        arm: What to run.
        folder: Holds `checkpoint` and the rows.
        options: Of the command line.
    """
    rows = folder / ("dense.jsonl" if arm.workload == DENSE else "lengths.jsonl")
    begin = _ftlab if arm.system == "ftlab" else _peer
    command, read = begin(arm, folder, rows)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.limit)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {options.limit} s"}
    if done.returncode:
        return {"error": (done.stderr or done.stdout)[-1500:]}
    return read(done.stdout)


def clocks() -> str | None:
    """The first GPU's clocks, power and temperature, as its driver says right after a run; None without a driver."""
    asked = ["nvidia-smi", "--query-gpu=clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu"]
    try:
        said = subprocess.run([*asked, "--format=csv,noheader", "--id=0"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None


def _ftlab(arm: Arm, folder: Path, rows: Path) -> tuple[list[str], Read]:
    place = tempfile.mkdtemp(dir=folder)
    batch_rows = 4 if arm.workload == DENSE else 32
    overrides = [
        "model=custom", "model.name=random", f"model.path={folder / 'checkpoint'}", "data=text", f"data.path={rows}",
        "data.validation_fraction=0.02", "method.lora_dropout=0", f"training.batch_rows={batch_rows}",
        f"training.max_steps={WARM_UP + STEPS}", "training.max_row_tokens=2048", "training.eval_every_steps=1000",
        "scheduler=constant", "~callbacks.samples", "~callbacks.checkpoint", "logger=none", "evaluation=none",
        "offline=true", f"hydra.run.dir={place}/run", *arm.options,
    ]  # fmt: skip

    def read(_: str) -> dict[str, Any]:
        from ftlab.logger.csv import read_metrics

        card = json.loads(Path(place, "run", "run.json").read_text())
        steps = [row for row in read_metrics(Path(place, "run", "metrics.csv")) if "train/elapsed_s" in row]
        tokens = sum(row["train/tokens_per_s"] * row["train/step_s"] for row in steps[WARM_UP:])
        seconds = steps[-1]["train/elapsed_s"] - steps[WARM_UP - 1]["train/elapsed_s"]
        if not all(row["train/grad_norm"] > 0 for row in steps):
            return {"error": f"a gradient is zero or not finite: {[row['train/grad_norm'] for row in steps]}"}
        measured = card["measured"]
        pace = _result(tokens, seconds, measured["peak_bytes"], steps[0]["train/loss"], steps[-1]["train/loss"])
        pace["idle_share"] = measured["idle_share"]
        notes = {"device": card["device"], "versions": card["versions"], "kernels": card["model"]["kernels"]}
        return pace | notes | {"reserved_gib": _gib(measured["peak_reserved_bytes"])}

    return [sys.executable, "-m", "ftlab", *overrides], read


def _peer(arm: Arm, folder: Path, rows: Path) -> tuple[list[str], Read]:
    batch_rows = 4 if arm.workload == DENSE or "--packing" in arm.options else 16
    command = [
        sys.executable, "-m", "scripts.benchmarks.peer", "--system", arm.system, "--rows", str(rows),
        "--checkpoint", str(folder / "checkpoint"), "--batch-rows", str(batch_rows), "--warm-up", str(WARM_UP),
        "--steps", str(STEPS), *arm.options,
    ]  # fmt: skip

    def read(said: str) -> dict[str, Any]:
        line = next(line for line in said.splitlines() if line.startswith("RESULT "))
        found = json.loads(line.removeprefix("RESULT "))
        keys = ("tokens", "seconds", "peak_bytes", "first_loss", "last_loss")
        return _result(*(found[key] for key in keys)) | {
            key: found[key] for key in ("device", "versions", "reserved_gib")
        }

    return command, read


def _result(tokens: float, seconds: float, peak_bytes: float, first_loss: float, last_loss: float) -> dict[str, Any]:
    return {
        "tokens_per_s": round(tokens / seconds), "step_s": round(seconds / STEPS, 4), "peak_gib": _gib(peak_bytes),
        "first_loss": first_loss, "last_loss": last_loss,
    }  # fmt: skip


def _gib(count: float) -> float:
    return round(count / 2**30, 2)


def medians(runs: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Pace and peak of each arm, over the rounds; arms without a run that counts are left out."""
    by_arm: dict[str, list[dict[str, Any]]] = {}
    plain = [line["first_loss"] for line in runs if line["arm"] == "ftlab plain path" and "error" not in line]
    for line in runs:
        if "error" in line or line["first_loss"] == line["last_loss"]:
            continue
        if plain and abs(line["first_loss"] - plain[0]) > 0.01 * plain[0]:
            continue
        by_arm.setdefault(line["arm"], []).append(line)
    return {
        arm: {key: statistics.median(line[key] for line in lines) for key in ("tokens_per_s", "peak_gib")}
        for arm, lines in by_arm.items()
    }


def ratios(runs: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Ours divided by theirs, of each round in which both ran."""
    found: dict[str, list[float]] = {}
    for name, ours, theirs in RATIOS:
        for number in sorted({line["round"] for line in runs}):
            pace = medians([line for line in runs if line["round"] == number])
            if ours in pace and theirs in pace:
                found.setdefault(name, []).append(round(pace[ours]["tokens_per_s"] / pace[theirs]["tokens_per_s"], 3))
    return found


def table(runs: Sequence[dict[str, Any]]) -> str:
    """Medians and ratios, for the terminal."""
    lines = [
        f"{arm:34}{pace['tokens_per_s']:9,.0f} tok/s {pace['peak_gib']:7.2f} GiB" for arm, pace in medians(runs).items()
    ]
    lines += [f"{name:42}{', '.join(f'{value:.2f}' for value in values)}" for name, values in ratios(runs).items()]
    lost = [f"{line['arm']}: {line['error'][-300:]}" for line in runs if "error" in line]
    return "\n".join([*lines, *lost])


def write(out: Path, shape: str, runs: Sequence[dict[str, Any]]) -> None:
    """Writes all runs so far with what they say together."""
    out.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "shape": shape,
        "warm_up_steps": WARM_UP,
        "steps": STEPS,
        "medians": medians(runs),
        "ratios": ratios(runs),
    }
    out.write_text(json.dumps(report | {"runs": list(runs)}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
