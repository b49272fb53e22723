"""Trains the embedded model on the demo three times from one seed: plain, with the kernels, and with FP8 arithmetic.

What must hold: the kernels give the plain curve, and FP8 stays within 0.5 % of it over the run, as does its adapter on
the exact base. On a CPU the FP8 arithmetic is imitated (same rounding, no speed).

usage: python -m scripts.benchmarks.learning --out FOLDER [--steps 200] [--tokens 4096] [--runs plain,kernels,fp8]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig

from ftlab.data.chat import Encoder
from ftlab.data.row import EncodedRow, MicroBatch
from ftlab.data.source import read_splits
from ftlab.kernels.accelerate import accelerate_model, restore
from ftlab.kernels.attention import packed_attention
from ftlab.method.peft import PeftMethod
from ftlab.model.load import load_model
from ftlab.model.tokenizer import load_tokenizer
from ftlab.training.loss import sum_nll
from scripts.benchmarks.workload import micro_batches

ARITHMETIC: dict[str, Any] = {"plain": None, "kernels": "model", "fp8": "fp8"}
TAIL = 20
"""Steps at the end over which the training loss is averaged."""


def main() -> None:
    """Runs all three and compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--runs", default=",".join(ARITHMETIC))
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    names = options.runs.split(",")
    results = {name: _train(ARITHMETIC[name], options.steps, options.tokens, device) for name in names}
    plain = results["plain"]
    for name, result in results.items():
        losses, exact = result["losses"], plain["losses"]
        result["mean_gap_percent"] = 100 * (sum(losses) / sum(exact) - 1)
        result["tail_loss"] = sum(losses[-TAIL:]) / TAIL
        result["tail_gap_percent"] = 100 * (result["tail_loss"] / (sum(exact[-TAIL:]) / TAIL) - 1)
        result["held_out_gap_percent"] = 100 * (result["held_out"] / plain["held_out"] - 1)
        print(name, {key: round(value, 4) for key, value in result.items() if key != "losses"}, flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    head = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU (FP8 imitated)",
        "torch": torch.__version__, "steps": options.steps, "tokens": options.tokens,
    }  # fmt: skip
    (options.out / "learning.json").write_text(json.dumps(head | {"runs": results}, indent=1) + "\n")


def _train(arithmetic: Any, steps: int, tokens: int, device: str) -> dict[str, Any]:
    torch.manual_seed(0)
    base = load_model(path=None, device=device)
    config = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    model: Any = PeftMethod(peft_config=config, name="lora", total_steps=steps).apply(base).train()
    packed_attention(model)
    if arithmetic is not None:
        accelerate_model(model, arithmetic=arithmetic)
    train, held_out = _batches(tokens)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 10) * (1 - step / steps))
    losses = []
    for step in range(steps):
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = _mean(model, train[step % len(train)])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    restore(model)  # the adapter is judged on the exact base
    model.eval()
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        sums = [(float(sum_nll(model, batch)), int((batch.targets != -100).sum())) for batch in held_out]
    return {"losses": losses, "held_out": sum(nll for nll, _ in sums) / sum(count for _, count in sums)}


def _mean(model: Any, batch: MicroBatch) -> Any:
    return sum_nll(model, batch) / int((batch.targets != -100).sum())


def _batches(tokens: int) -> tuple[list[MicroBatch], list[MicroBatch]]:
    """Packed micro-batches of the demo's training and validation rows."""
    splits = read_splits()
    tokenizer, _ = load_tokenizer(path=None)
    encoder = Encoder(tokenizer, train_on="answer", max_row_tokens=512)
    train: list[EncodedRow] = encoder.encode_all(splits.train)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).tolist()
    return micro_batches([train[index] for index in order], tokens), micro_batches(
        encoder.encode_all(splits.validation), tokens
    )


if __name__ == "__main__":
    main()
