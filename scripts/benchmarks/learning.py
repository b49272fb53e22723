"""Trains with FP8 arithmetic and without from the same seeds, and compares: does FP8 learn as well?

Two bases: `tiny`, the embedded model on the demo; and `wide`, a Llama of 8 layers and width 1,024 that is first trained
as a whole on half of the demo's rows, then gets its adapter on the other half. What must hold (the gate): the mean
loss over the run is within 0.5 % of the exact one's, and so is the held-out loss of the adapter on the exact base.
The kernels without FP8 must give the plain curve. On a CPU the FP8 arithmetic is imitated (same rounding, no speed).

usage: python -m scripts.benchmarks.learning --out FOLDER [--steps 200] [--tokens 4096] [--seeds 3]
       [--bases tiny,wide] [--arms plain,kernels,fp8,fp8-base] [--rate 2e-3]
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch import nn

from ftlab.data.chat import Encoder
from ftlab.data.row import EncodedRow, MicroBatch
from ftlab.data.source import read_splits
from ftlab.kernels.accelerate import accelerate_model, restore
from ftlab.kernels.attention import packed_attention
from ftlab.kernels.fp8 import Fp8Linear
from ftlab.method.peft import PeftMethod
from ftlab.model.load import load_model
from ftlab.model.tokenizer import load_tokenizer
from ftlab.training.loss import sum_nll
from scripts.benchmarks.workload import micro_batches

ARITHMETIC: dict[str, Any] = {"plain": None, "kernels": "model", "fp8": "fp8", "fp8-base": "fp8"}
"""Arms: plain PEFT, fused kernels, FP8 arithmetic on the exact base, and a base that is held in FP8."""
TAIL = 20
"""Steps at the end over which the training loss is averaged."""
WIDE = {
    "model_type": "llama", "vocab_size": 4096, "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 8,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 128, "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
}  # fmt: skip
WIDE_STEPS, WIDE_RATE = 400, 3e-4
"""How long, and at which rate, the wide base is trained first."""
GATE_PERCENT = 0.5


def main() -> None:
    """Runs all arms and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--bases", default="tiny,wide")
    parser.add_argument("--arms", default=",".join(ARITHMETIC))
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    runs: list[dict[str, Any]] = []
    for base in options.bases.split(","):
        train, held_out, weights = _prepare(base, options.tokens, device)
        for seed in range(options.seeds):
            for arm in options.arms.split(","):
                run = _train(base, arm, seed, options, device, weights, train, held_out)
                runs.append({"base": base, "arm": arm, "seed": seed, **run})
                print(base, arm, seed, {key: round(value, 4) for key, value in run.items() if key != "losses"})
    head = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU, FP8 imitated", "torch": torch.__version__,
        "steps": options.steps, "tokens": options.tokens, "rate": options.rate, "gate_percent": GATE_PERCENT,
    }  # fmt: skip
    gaps = compared(runs)
    options.out.mkdir(parents=True, exist_ok=True)
    for run in runs:
        run["losses"] = [round(loss, 4) for loss in run["losses"]]
    (options.out / "learning.json").write_text(json.dumps(head | {"compared": gaps, "runs": runs}, indent=1) + "\n")
    print(json.dumps(gaps, indent=1))


def compared(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each arm against `plain`, seed by seed.

    Args:
        runs: Results with `base`, `arm`, `seed`, `mean`, `tail` and `held_out`.

    Returns:
        For each base and arm the gaps in percent, a number a seed and their mean, and whether the means pass the gate.
    """
    plain = {(run["base"], run["seed"]): run for run in runs if run["arm"] == "plain"}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        if run["arm"] != "plain" and (run["base"], run["seed"]) in plain:
            groups.setdefault((run["base"], run["arm"]), []).append(run)
    found = []
    for (base, arm), group in groups.items():
        line: dict[str, Any] = {"base": base, "arm": arm}
        for key in ("mean", "tail", "held_out"):
            gaps = [100 * (run[key] / plain[base, run["seed"]][key] - 1) for run in group]
            line[key] = {"percent": [round(gap, 3) for gap in gaps], "mean": round(statistics.fmean(gaps), 3)}
        line["passes"] = all(abs(line[key]["mean"]) <= GATE_PERCENT for key in ("mean", "held_out"))
        found.append(line)
    return found


def _prepare(base: str, tokens: int, device: str) -> tuple[list[EncodedRow], list[MicroBatch], dict[str, Any] | None]:
    """Rows to train on, held-out batches, and the weights of the wide base (None for the embedded model)."""
    splits = read_splits()
    tokenizer, _ = load_tokenizer(path=None)
    encoder = Encoder(tokenizer, train_on="answer", max_row_tokens=512)
    rows = encoder.encode_all(splits.train)
    held_out = micro_batches(encoder.encode_all(splits.validation), tokens)
    if base == "tiny":
        return rows, held_out, None
    first = Encoder(tokenizer, train_on="assistant", max_row_tokens=512).encode_all(splits.train[::2])
    torch.manual_seed(0)
    model = _base(base, device, None).float().train()
    model.requires_grad_(True)
    packed_attention(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=WIDE_RATE, fused=device == "cuda")
    order = _order(first, 0, tokens)
    for step in range(WIDE_STEPS):
        with torch.autocast(device, torch.bfloat16):
            loss = _mean(model, order[step % len(order)])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    print(f"the wide base after {WIDE_STEPS} steps: loss {float(loss.detach()):.3f}")
    return rows[1::2], held_out, {name: weight.detach().bfloat16() for name, weight in model.state_dict().items()}


def _base(base: str, device: str, weights: dict[str, Any] | None) -> Any:
    if base == "tiny":
        return load_model(path=None, device=device)
    model = load_model(path=None, device=device, weights="random", shape=WIDE)
    if weights is not None:
        model.load_state_dict(weights)
    return model


def _train(
    base: str, arm: str, seed: int, options: Any, device: str, weights: Any, rows: list[EncodedRow], held_out: Any
) -> dict[str, Any]:
    torch.manual_seed(seed)
    config = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    exact = _base(base, device, weights)
    model: Any = PeftMethod(peft_config=config, name="lora", total_steps=options.steps).apply(exact).train()
    packed_attention(model)
    layers = [module for module in model.modules() if type(getattr(module, "base_layer", None)) is nn.Linear]
    exact_layers = [module.base_layer for module in layers]
    if arm == "fp8-base":
        for module in layers:
            module.base_layer = Fp8Linear(module.base_layer)
    if ARITHMETIC[arm] is not None:
        accelerate_model(model, arithmetic=ARITHMETIC[arm])
    order = _order(rows, seed, options.tokens)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.rate, weight_decay=0.0)
    losses = []
    for step in range(options.steps):
        optimizer.param_groups[0]["lr"] = options.rate * min(1.0, (step + 1) / 10) * (1 - step / options.steps)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = _mean(model, order[step % len(order)])
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    restore(model)  # the adapter is judged on the exact base, the plain way
    for module, layer in zip(layers, exact_layers, strict=True):
        module.base_layer = layer
    model.eval()
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        sums = [(float(sum_nll(model, batch)), int((batch.targets != -100).sum())) for batch in held_out]
    values = [float(loss) for loss in losses]
    return {
        "mean": statistics.fmean(values), "tail": statistics.fmean(values[-TAIL:]),
        "held_out": sum(nll for nll, _ in sums) / sum(count for _, count in sums), "losses": values,
    }  # fmt: skip


def _mean(model: Any, batch: MicroBatch) -> Any:
    return sum_nll(model, batch) / int((batch.targets != -100).sum())


def _order(rows: list[EncodedRow], seed: int, tokens: int) -> list[MicroBatch]:
    """The rows in an order of the seed's, packed."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
    return micro_batches([rows[index] for index in order], tokens)


if __name__ == "__main__":
    main()
