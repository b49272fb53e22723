"""Holds memory plans against what steps really take on a CUDA device: each configuration in a process of its own.

Random weights of the named shapes, a few steps of two forward passes each, built by the stages that a run is built by.
Writes planned and measured peaks as JSON, after each configuration anew. While one process measures, the next imports
its libraries and waits for its turn before it touches the device.

usage: python -m scripts.benchmarks.memory --out FOLDER [--only qlora] [--seconds 500] [--toy]
       python -m scripts.benchmarks.memory --out docs/benchmarks --plan-again
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STEPS = 2
"""The optimizer's states come with the first update, so the second step is the fullest."""
ROW_TOKENS = 2048
FILE = "memory-h100.json"


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration.

    Attributes:
        overrides: As typed after `python -m ftlab`.
        tokens: Tokens of a forward pass; None = the plan chooses within `trainer.memory`, which is then enforced.
        recompute: As `training.recompute` takes it.
        fitted: Whether constants of the plan were fitted on it; docs/benchmarks/memory.md says which were not.
        mixed: Whether rows have the lengths of instruction data; else all have the same.
        capped: Whether the process may not have more than `trainer.memory`, whatever the plan says.
    """

    overrides: str
    tokens: int | None
    recompute: str = "auto"
    fitted: bool = False
    mixed: bool = False
    capped: bool = False


QLORA_8B, LORA_8B, FULL_8B = (
    "model=llama3-8b method=qlora",
    "model=llama3-8b method=lora",
    "model=llama3-8b method=full",
)
QLORA_1B, LORA_1B = "model=llama3.2-1b method=qlora", "model=llama3.2-1b method=lora"
FULL_1B = "model=llama3.2-1b method=full"
DROP = " method.lora_dropout=0.05"

CASES = (
    Case(QLORA_8B, 8192, "none", fitted=True),
    Case(QLORA_8B, 8192, "all", fitted=True),
    Case(FULL_1B, 8192, "none", fitted=True),
    Case(FULL_1B, 8192, "all", fitted=True),
    Case(LORA_1B, 8192, "none", fitted=True),
    Case(QLORA_8B + " kernels=none", 4096, "none", fitted=True),
    Case(QLORA_8B, 4096, "none"),
    Case(QLORA_8B, 8192, "norms"),
    Case(QLORA_8B, 8192, "mlp"),
    Case(QLORA_8B, 8192, "16"),
    Case(QLORA_8B, 16384, "all"),
    Case(QLORA_8B + DROP, 4096, "none"),
    Case(QLORA_8B + DROP, 4096, "mlp"),
    Case(QLORA_8B + DROP, 8192, "all"),
    Case(LORA_8B, 8192, "none"),
    Case(LORA_8B, 8192, "mlp"),
    Case(LORA_8B, 4096, "all"),
    Case(LORA_8B + DROP, 4096, "norms"),
    Case(QLORA_1B, 8192, "none"),
    Case(QLORA_1B, 16384, "mlp"),
    Case(QLORA_1B + DROP, 16384, "all"),
    Case(LORA_1B, 16384, "norms"),
    Case(LORA_1B, 32768, "all"),
    Case(LORA_1B + DROP, 8192, "none"),
    Case(FULL_1B, 4096, "none"),
    Case(FULL_1B, 8192, "norms"),
    Case(FULL_1B, 8192, "mlp"),
    Case(FULL_1B, 16384, "8"),
    Case(FULL_8B, 2048, "all"),
    Case(FULL_8B + " optimizer=paged-adamw-8bit", 4096, "all"),
    Case(QLORA_8B + " trainer.memory=12GB", None),
    Case(QLORA_8B + " trainer.memory=16GB", None),
    Case(QLORA_8B + " trainer.memory=24GB", None),
    Case(LORA_8B + " trainer.memory=24GB", None),
    Case(FULL_1B + " trainer.memory=16GB", None),
    Case(QLORA_8B + " kernels=none", 8192, "all"),
    Case(QLORA_8B + " kernels=none", 4096, "mlp"),
    Case(QLORA_8B + DROP + " kernels=none", 2048, "none"),
    Case(QLORA_8B, 8192, "none", mixed=True),
    Case("model=llama3-8b method=article", 4096, "none"),
    Case(QLORA_8B + " kernels=fp8", 8192, "none"),
    Case("model=llama3-8b method=freeze", 8192, "none"),
    Case(LORA_8B + " quantization=int8", 2048, "none"),
    Case(FULL_1B + " method.adapter_dtype=float32", 4096, "none"),
    Case("model=qwen3-4b method=qlora", 4096, "none"),
    Case("model=gemma3-1b method=lora", 4096, "none"),
    Case("model=phi4-mini method=qlora", 4096, "none"),
    Case("model=llama3.2-1b method=dora", 4096, "none"),
    Case(LORA_8B + DROP + " trainer.memory=40GB", None),
    Case(FULL_1B + " trainer.memory=9GB", 2048, "all", capped=True),
    Case(FULL_1B + " optimizer=paged-adamw-32bit trainer.memory=9GB", 2048, "all", capped=True),
    Case(FULL_1B + " optimizer=paged-adamw-32bit", 2048, "all"),
    Case(FULL_1B, 2048, "all"),
)
TOYS = (
    Case("model=tiny method=qlora", 1024, "none"),
    Case("model=tiny method=lora method.lora_dropout=0.05 trainer.memory=2GB", 1024, "2", capped=True),
)


def main() -> None:
    """Runs all configurations and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="part of the overrides")
    parser.add_argument("--seconds", type=float, default=1e9, help="no configuration starts after this time")
    parser.add_argument("--toy", action="store_true", help="small shapes, to try the script on a CPU")
    parser.add_argument("--plan-again", action="store_true", help="hold today's formulas to what was measured; plot it")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plan_again:
        _plan_again(options.out)
        return
    if options.case:
        _wait_and_measure(Case(**json.loads(options.case)))
        return
    cases = [
        case
        for case in (TOYS if options.toy else CASES)
        if (not options.only or options.only in f"{case.overrides} {case.recompute}")
    ]
    begin, results = time.monotonic(), []
    waiting = [_start(case) for case in cases[:2]]
    for number, case in enumerate(cases):
        child = waiting.pop(0)
        if time.monotonic() - begin > options.seconds:
            for late in (child, *waiting):
                late.kill()
            break
        if number + 2 < len(cases):
            waiting.append(_start(cases[number + 2]))
        result = _finish(child)
        results.append(asdict(case) | result)
        print(_line(results[-1]), flush=True)
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / FILE).write_text(json.dumps(results, indent=1) + "\n")


def _start(case: Case) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "scripts.benchmarks.memory", "--out", ".", "--case", json.dumps(asdict(case))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(child: "subprocess.Popen[str]") -> dict[str, Any]:
    """Lets a waiting process measure, and takes what it found."""
    begin = time.monotonic()
    out, errors = child.communicate("go\n")
    if child.returncode:
        return {"error": "\n".join(errors.splitlines()[-6:])}
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found | {"seconds": round(time.monotonic() - begin, 1)}


def _line(result: dict[str, Any]) -> str:
    head = f"{result['overrides']:62} {result['tokens'] or 'auto'!s:>6} {result['recompute']:>5}"
    if "error" in result:
        return f"{head}  {result['error'][-400:]}"
    if "out_of_memory" in result:
        return f"{head}  OUT OF MEMORY (plan fits: {result['plan']['fits']})"
    planned, measured = result["plan"]["tensor_bytes"] / 2**30, result["peak_bytes"] / 2**30
    return (
        f"{head} {planned:7.2f} {measured:7.2f} GiB {planned / measured - 1:+6.1%}  reserved "
        f"{result['reserved_bytes'] / 2**30:6.2f} device {result['device_used_bytes'] / 2**30:6.2f} planned "
        f"{result['plan']['needed_bytes'] / 2**30:6.2f}  {result['step_s']:.2f} s a step, {result['seconds']} s"
    )


def _wait_and_measure(case: Case) -> None:
    """Imports everything, waits for its turn, and prints what it measures as JSON."""
    import torch

    from ftlab.stage.surroundings import settle

    settle(offline=True)
    importlib.import_module("ftlab.stage.load")
    sys.stdin.readline()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(json.dumps(measure(case, device)))


def measure(case: Case, device: Any) -> dict[str, Any]:
    """Builds the configuration and runs its steps.

    Args:
        case: The configuration.
        device: Where.

    Returns:
        Plan and measured bytes; `out_of_memory` where it did not fit.
    """
    import torch

    from ftlab.memory.plan import CONTEXT_BYTES
    from ftlab.memory.table import plan_data
    from ftlab.stage.plan import hold_to
    from ftlab.training.memory import is_out_of_memory

    found: dict[str, Any] = {"device": "CPU", "torch": torch.__version__}
    there = 80 * 2**30
    if device.type == "cuda":
        torch.zeros(1, device=device)
        free, total = torch.cuda.mem_get_info()
        found |= {"device": torch.cuda.get_device_name(), "context_bytes": total - free - torch.cuda.memory_reserved()}
        there = free + CONTEXT_BYTES
    cfg, plan = _plan(case, device.type, there)
    found["plan"] = plan_data(plan)
    if (case.tokens is None or case.capped) and device.type == "cuda":
        hold_to(cfg.trainer.memory)
    try:
        return found | _steps(case, cfg, plan, device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return found | {"out_of_memory": str(error).splitlines()[0]}


def _plan(case: Case, device: str, there: int, step_tokens: int | None = None) -> tuple[Any, Any]:
    from hydra import compose, initialize_config_dir

    from ftlab.config.folder import CONF_DIR
    from ftlab.memory.budget import stated_bytes
    from ftlab.memory.shape import shape_of
    from ftlab.stage.plan import plan_for
    from ftlab.stage.shape import model_keys

    budget = ["training.recompute=auto"] if case.tokens is None else [
        f"training.micro_batch_tokens={case.tokens}", f"training.recompute={case.recompute}"
    ]  # fmt: skip
    fixed = ["model.weights=random", "kernels.hold_unpacked=false"]  # what fills free memory would hide the rest
    with initialize_config_dir(config_dir=str(CONF_DIR), version_base="1.3"):
        cfg = compose("config", overrides=[*fixed, *case.overrides.split(), *budget])
    row = min(ROW_TOKENS, cfg.model.context_tokens)
    allowed = stated_bytes(cfg.trainer.memory) or there
    step_tokens = step_tokens or (2 * case.tokens if case.tokens else 16 * row)
    plan, _ = plan_for(cfg, shape_of(model_keys(cfg)), device, allowed, longest_row=row, step_tokens=step_tokens)  # type: ignore[arg-type]
    return cfg, plan


def planned(result: dict[str, Any]) -> Any:
    """Today's plan for what was measured.

    Args:
        result: An entry of the result file.

    Returns:
        The plan at the measured budget and level of recomputation.
    """
    from dataclasses import replace

    case = Case(**{key: result[key] for key in Case.__dataclass_fields__})
    if case.tokens is None:  # measured at what the plan had chosen
        case = replace(case, tokens=result["plan"]["micro_batch_tokens"], recompute=result["plan"]["recompute"])
    _, plan = _plan(case, "cuda", result["plan"]["device_bytes"], step_tokens=result["plan"]["step_tokens"])
    return plan


def _plan_again(folder: Path) -> None:
    """Writes today's plans beside the measurements, and draws both."""
    from ftlab.memory.table import plan_data
    from scripts.benchmarks.scatter import scatter_svg

    results = json.loads((folder / FILE).read_text())
    for result in results:
        result["plan"] = plan_data(planned(result))
        print(_line(result))
    (folder / FILE).write_text(json.dumps(results, indent=1) + "\n")
    points = [
        (
            result["peak_bytes"] / 2**30,
            result["plan"]["tensor_bytes"] / 2**30,
            "fitted" if result["fitted"] else "held out",
        )
        for result in results
    ]
    (folder / "memory-h100.svg").write_text(scatter_svg(points, x="measured peak, GiB", y="planned peak, GiB"))


def _steps(case: Case, cfg: Any, plan: Any, device: Any) -> dict[str, Any]:
    import torch

    from ftlab.callbacks.memory import peak_resident_bytes
    from ftlab.config.build import build, build_method
    from ftlab.kernels.attention import packed_attention
    from ftlab.kernels.recompute import Recompute, set_recompute
    from ftlab.optimizer.build import build_optimizer
    from ftlab.stage.load import accelerate, load_base
    from ftlab.training.gradient import clip, gradient_norm
    from ftlab.training.loss import sum_nll
    from ftlab.training.memory import release

    model = build_method(cfg.method, total_steps=10).apply(load_base(cfg, device))
    notes = accelerate(cfg, model)
    level = plan.load.level
    notes += set_recompute(model, Recompute(level.norms, level.mlp, level.layers, level.offload))
    packed_attention(model)
    model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = build_optimizer(build(cfg.optimizer, "optimizer"), model.named_parameters())
    batches = _batches(case, plan, cfg.model.shape.vocab_size)
    release(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(STEPS):
        begin = time.perf_counter()
        for batch in batches:
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = sum_nll(model, batch) / (2 * batch.input_ids.numel())
            loss.backward()
            del loss
        clip(trained, gradient_norm(trained).to(device), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize()
        step_s = time.perf_counter() - begin
    used = {"peak_bytes": peak_resident_bytes(), "reserved_bytes": 0, "device_used_bytes": 0}
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        used = {
            "peak_bytes": torch.cuda.max_memory_allocated(),
            "reserved_bytes": torch.cuda.max_memory_reserved(),
            "device_used_bytes": total - free,
        }
    return used | {"step_s": round(step_s, 3), "trained_parameters": sum(map(torch.numel, trained)), "notes": notes}


def _batches(case: Case, plan: Any, vocabulary: int) -> list[Any]:
    """Two forward passes as full as the plan's budget."""
    from scripts.benchmarks.workload import dense_rows, instruction_rows, micro_batches

    load = plan.load
    if case.mixed:
        return micro_batches(instruction_rows(4 * load.tokens // 270, load.longest_row, vocabulary), load.tokens)[:2]
    rows = max(1, load.tokens // load.longest_row)
    return micro_batches(dense_rows(2 * rows, load.longest_row, vocabulary), rows * load.longest_row)


if __name__ == "__main__":
    main()
