"""Measures a whole training step (forward, backward, update) with each kernel on and off, in one process.

Every variant must agree with the plain path (Transformers, PEFT, logits in chunks) in loss to 1 % and have gradients
that aren't zero. Prints a short table last, and writes everything as JSON.

Bases: nf4; nf4+fp8 (NF4 in memory, FP8 arithmetic); bf16; fp8 (made from bf16, so it comes last).

usage: python -m scripts.benchmarks.step --out FOLDER [--shape llama3-8b] [--base nf4,nf4+fp8,bf16,fp8]
       [--only parts,dense,packed,profile] [--variants "all kernels,plain PEFT"]
"""

import argparse
import json
import platform
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ftlab.data.row import MicroBatch
from ftlab.kernels.accelerate import accelerate_model, restore
from ftlab.kernels.recompute import Recompute, set_recompute
from ftlab.training import loss as training_loss
from scripts.benchmarks.workload import (
    SHAPES,
    Stepper,
    build_model,
    dense_rows,
    instruction_rows,
    micro_batches,
    round_base,
    unpack_base,
)

NO_KERNELS = {"attention": False, "mlp": False, "norms": False}

VARIANTS: dict[str, dict[str, Any]] = {
    "all kernels": {},
    "plain PEFT": {"kernels": NO_KERNELS, "plain_head": True},
    "plain PEFT, recompute all": {"kernels": NO_KERNELS, "plain_head": True, "recompute": Recompute(layers=-1)},
    "without attention": {"kernels": {"attention": False}},
    "without mlp": {"kernels": {"mlp": False}},
    "without norms": {"kernels": {"norms": False}},
    "without head": {"plain_head": True},
    "recompute norms": {"recompute": Recompute(norms=True)},
    "recompute mlp": {"recompute": Recompute(norms=True, mlp=True)},
    "recompute half": {"recompute": Recompute(layers=16)},
    "recompute all": {"recompute": Recompute(layers=-1)},
}
"""Of the dense workload; the packed one runs the first."""

PARTS = (
    ("attention", ("flash", "fmha", "cudnn", "sdpa")),
    ("products", ("gemm", "nvjet", "cutlass", "xmma", "splitk", "cublas")),
    ("update", ("multi_tensor",)),
    ("copies and element-wise", ("elementwise", "copy", "fill", "cat", "reduce", "memcpy", "memset", "index")),
)


def plain_nll(model: nn.Module, batch: MicroBatch) -> Tensor:
    """Σ NLL by logits, as for a head that is trained."""
    module: Any = training_loss
    kept = module.head_obstacle
    module.head_obstacle = lambda _: "asked for"
    try:
        return training_loss.sum_nll(model, batch)
    finally:
        module.head_obstacle = kept


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shape", default="llama3-8b", choices=SHAPES)
    parser.add_argument("--base", default="nf4,bf16")
    parser.add_argument("--only", default="parts,dense,packed,profile")
    parser.add_argument("--variants", default="")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=2048)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    report = _Report(options.out, device)
    only = options.only.split(",")
    if "parts" in only and device == "cuda":
        from scripts.benchmarks.parts import measure

        report.add(part="parts", values=measure())
    begin = time.perf_counter()
    model = build_model(options.shape, "nf4", device)
    report.add(part="build", seconds=round(time.perf_counter() - begin, 1))
    for base in options.base.split(","):
        restore(model)
        if base == "bf16":
            unpack_base(model)
        if base == "fp8":
            round_base(model)
        torch.cuda.empty_cache() if device == "cuda" else None
        _Bench(model, base, device, options, report).run(only)
    report.table()


class _Report:
    """Lines of results, on disk after each."""

    def __init__(self, folder: Path, device: str) -> None:
        import bitsandbytes
        import peft
        import transformers

        self._file = folder / "step.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.head = {
            "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor(),
            "torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__,
            "bitsandbytes": bitsandbytes.__version__,
        }  # fmt: skip
        self.lines: list[dict[str, Any]] = []

    def add(self, **line: Any) -> None:
        """Keeps and prints a line."""
        self.lines.append(line)
        print(json.dumps(line), flush=True)
        self._file.write_text(json.dumps(self.head | {"results": self.lines}, indent=1) + "\n")

    def table(self) -> None:
        """The steps, one a line."""
        print(json.dumps(self.head))
        for line in self.lines:
            if line["part"] == "step":
                print(
                    f"{line['base']:8}{line['workload']:8}{line['variant']:28}"
                    + (
                        f"{line['tokens_per_s']:9.0f} tok/s {line['peak_gib']:7.2f} GiB"
                        if "peak_gib" in line
                        else line["error"]
                    )
                )


class _Bench:
    """All variants of one base."""

    def __init__(self, model: Any, base: str, device: str, options: Any, report: _Report) -> None:
        self._model, self._base, self._device, self._options, self._report = model, base, device, options, report
        self._arithmetic = "fp8" if base.endswith("fp8") else "model"
        vocabulary = SHAPES[options.shape]["vocab_size"]
        longest = options.tokens
        self._dense = micro_batches(dense_rows(4, longest, vocabulary), 4 * longest)
        self._packed = micro_batches(instruction_rows(256, longest, vocabulary), 4 * longest)[:8]
        self._reference: tuple[float, list[Tensor]] | None = None

    def run(self, only: list[str]) -> None:
        """Measures; a variant that fails (out of memory) says so and the next one runs."""
        chosen = [name for name in self._options.variants.split(",") if name] or list(VARIANTS)[
            : None if self._base == "nf4" else 2
        ]
        self._set(VARIANTS["plain PEFT, recompute all"])
        if self._reference is None:
            self._reference = self._stepper(True).gradients(self._dense[0])
        for name in chosen if "dense" in only else []:
            self._measure(name, "dense", self._dense)
        if "packed" in only:
            self._measure("all kernels", "packed", self._packed)
        if "profile" in only and self._device == "cuda":
            self._profile()

    def _set(self, variant: dict[str, Any]) -> list[str]:
        restore(self._model)
        notes = accelerate_model(self._model, **({"arithmetic": self._arithmetic} | variant.get("kernels", {})))
        return notes + set_recompute(self._model, variant.get("recompute", Recompute()))

    def _stepper(self, plain_head: bool) -> Stepper:
        nll = plain_nll if plain_head else training_loss.sum_nll
        return Stepper(model=self._model, nll=nll, device=self._device)

    def _measure(self, name: str, workload: str, batches: list[MicroBatch]) -> None:
        variant = VARIANTS[name]
        stepper: Stepper | None = None
        line: dict[str, Any] = {"part": "step", "base": self._base, "workload": workload, "variant": name}
        try:
            notes = self._set(variant)
            stepper = self._stepper(bool(variant.get("plain_head")))
            line |= self._check(stepper)
            stepper.rewind()
            timing = stepper.timed(batches, warm=2 if workload == "dense" else len(batches), steps=self._options.steps
                                   if workload == "dense" else len(batches))  # fmt: skip
            line |= {"tokens_per_s": round(timing.tokens_per_s, 1), "step_s": round(timing.step_s, 4),
                     "peak_gib": round(timing.peak_gib, 3), "loss": timing.loss, "notes": notes}  # fmt: skip
            stepper.rewind()
        except (RuntimeError, AssertionError) as error:
            stepper.rewind() if stepper is not None else None
            line["error"] = f"{type(error).__name__}: {str(error)[:300]}"
        self._report.add(**line)
        if self._device == "cuda":
            torch.cuda.empty_cache()

    def _check(self, stepper: Stepper) -> dict[str, float]:
        """Loss to 1 %, gradients there; and how far they are from the plain ones (bf16 rounds both)."""
        assert self._reference is not None
        loss, grads = stepper.gradients(self._dense[0])
        plain_loss, plain_grads = self._reference
        assert abs(loss / plain_loss - 1) < 0.01, f"the loss is {loss}, the plain path's is {plain_loss}"
        assert len(grads) == len(plain_grads)
        assert all(bool(grad.any()) for grad in grads), "a gradient is zero"
        dot = sum(float((left * right).sum()) for left, right in zip(grads, plain_grads, strict=True))
        norms = [sum(float(grad.square().sum()) for grad in each) ** 0.5 for each in (grads, plain_grads)]
        return {"loss_0": loss, "plain_loss_0": plain_loss, "gradient_cosine": dot / (norms[0] * norms[1]),
                "gradient_norm_ratio": norms[0] / norms[1]}  # fmt: skip

    def _profile(self) -> None:
        from torch.profiler import ProfilerActivity, profile

        self._set({})
        stepper = self._stepper(False)
        stepper.step(self._dense[0])
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            stepper.step(self._dense[0])
            torch.cuda.synchronize()
        kernels = {event.key: event.self_device_time_total / 1e3 for event in profiler.key_averages()}
        parts: dict[str, float] = defaultdict(float)
        for name, spent in kernels.items():
            parts[_part_of(name)] += spent
        top = sorted(kernels.items(), key=lambda item: -item[1])[:30]
        self._report.add(
            part="profile",
            base=self._base,
            milliseconds={name: round(spent, 2) for name, spent in parts.items() if spent > 0.05},
            kernels={name[:110]: round(spent, 2) for name, spent in top},
        )


def _part_of(kernel: str) -> str:
    lower = kernel.lower()
    return next((part for part, marks in PARTS if any(mark in lower for mark in marks)), kernel[:40])


if __name__ == "__main__":
    main()
