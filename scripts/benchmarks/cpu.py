"""Times the default run's training on a CPU against a plain loop of Transformers and PEFT with the same settings.

    python -m scripts.benchmarks.cpu --out docs/benchmarks/cpu.json [--rounds 3] [--steps 20]

Both train the embedded model on the demo: 4-bit base, LoRA r 16 on all linear layers, 16 rows a step in the same
order, the same rates, clipping and AdamW, float32. The plain loop pads its 16 rows to the longest, as Transformers'
collators do, and takes the loss that the model returns. ftlab runs through its command line, each in a process of its
own and in turn. Tokens a second count no padding; ftlab's include the pauses between steps (logging, metrics). A run
counts only if both first losses agree to 1 %.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM_UP = 3
"""Steps before the clock starts."""
ROWS, RANK, RATE, WARMUP_SHARE, SEED = 16, 16, 2e-3, 0.03, 1
"""What `method=qlora model=tiny` comes to; the run is checked against it."""


def main() -> None:
    """Runs rounds and writes the results after each run; with --plain, is the plain loop itself."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--kernels", default="auto", help="a choice of ftlab's `kernels` group")
    parser.add_argument("--plain", action="store_true", help="run the plain loop and print its result")
    options = parser.parse_args()
    if options.plain:
        print("RESULT " + json.dumps(_plain(WARM_UP + options.steps)))
        return
    runs: list[dict[str, Any]] = []
    for number in range(options.rounds):
        for system in ("ftlab", "plain"):
            found = _ftlab(options) if system == "ftlab" else _peer(options)
            runs.append({"round": number, "system": system, **found})
            print(json.dumps(runs[-1]), flush=True)
            if options.out is not None:
                options.out.write_text(json.dumps(_report(options, runs), indent=1) + "\n")
    print(json.dumps(_report(options, runs)["ratios"]))


def _report(options: Any, runs: list[dict[str, Any]]) -> dict[str, Any]:
    import psutil
    import torch

    by_round: dict[int, dict[str, dict[str, Any]]] = {}
    for run in runs:
        by_round.setdefault(run["round"], {})[run["system"]] = run
    pairs = [pair for pair in by_round.values() if len(pair) == 2]
    for pair in pairs:
        first = [pair[system]["first_loss"] for system in ("ftlab", "plain")]
        if abs(first[0] / first[1] - 1) > 0.01:
            raise SystemExit(f"The first losses must agree to 1 %, but are {first[0]} and {first[1]}.")
    ratios = [round(pair["ftlab"]["tokens_per_s"] / pair["plain"]["tokens_per_s"], 3) for pair in pairs]
    return {
        "processor": _processor(), "cores": psutil.cpu_count(logical=False), "threads": torch.get_num_threads(),
        "torch": torch.__version__, "steps": options.steps, "kernels": options.kernels, "ratios": ratios,
        "median_ratio": statistics.median(ratios) if ratios else None, "runs": runs,
    }  # fmt: skip


def _ftlab(options: Any) -> dict[str, Any]:
    from ftlab.logger.csv import read_metrics

    with tempfile.TemporaryDirectory() as folder:
        overrides = [
            f"training.max_steps={WARM_UP + options.steps}", "training.eval_every_steps=100000", "evaluation=none",
            "~callbacks.samples", "~callbacks.checkpoint", "logger=none", "trainer=cpu", "method.lora_dropout=0",
            f"kernels={options.kernels}", f"hydra.run.dir={folder}/run", f"seed={SEED}",
        ]  # fmt: skip
        done = subprocess.run([sys.executable, "-m", "ftlab", *overrides], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit((done.stdout + done.stderr)[-3000:])
        steps = [row for row in read_metrics(Path(folder, "run", "metrics.csv")) if "train/elapsed_s" in row]
    rate = max(row["train/learning_rate"] for row in steps)
    if abs(rate / RATE - 1) > 0.1:
        raise SystemExit(f"The plain loop trains at {RATE}, but ftlab at {rate}.")
    tokens = sum(row["train/tokens_per_s"] * row["train/step_s"] for row in steps[WARM_UP:])
    seconds = steps[-1]["train/elapsed_s"] - steps[WARM_UP - 1]["train/elapsed_s"]
    return _result(tokens, seconds, steps[0]["train/loss"], steps[-1]["train/loss"])


def _peer(options: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "scripts.benchmarks.cpu", "--plain", "--steps", str(options.steps)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))  # type: ignore[no-any-return]


def _plain(steps: int) -> dict[str, Any]:
    """The loop of Transformers' and PEFT's own examples."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig, get_cosine_schedule_with_warmup

    from ftlab.data.chat import Encoder
    from ftlab.data.datamodule import StepBatches
    from ftlab.data.source import read_splits
    from ftlab.model.load import embedded_path
    from ftlab.model.tokenizer import load_tokenizer

    tokenizer, _ = load_tokenizer(path=None)
    rows = Encoder(tokenizer, train_on="answer", max_row_tokens=1024).encode_all(read_splits().train)
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    base = AutoModelForCausalLM.from_pretrained(embedded_path(), quantization_config=four_bits, dtype=torch.float32)
    for module in base.modules():  # the inference kernel of bitsandbytes has no backward pass
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    torch.manual_seed(SEED)
    lora = LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=2 * RANK, target_modules="all-linear")
    model = get_peft_model(base, lora).train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, max(1, round(WARMUP_SHARE * steps)), steps)
    losses, tokens, begin = [], 0, 0.0
    for number, batch in enumerate(StepBatches(rows, batch_rows=ROWS, steps=steps, seed=SEED)):
        if number == WARM_UP:
            tokens, begin = 0, time.perf_counter()
        longest = max(map(len, batch))
        ids, mask, labels = (torch.full((len(batch), longest), fill) for fill in (0, 0, -100))
        for place, row in enumerate(batch):
            ids[place, : len(row)], mask[place, : len(row)] = row.ids, 1
            labels[place, : len(row)] = torch.where(row.supervised, row.ids, -100)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
        tokens += int(mask.sum())
    return _result(tokens, time.perf_counter() - begin, losses[0], losses[-1])


def _result(tokens: float, seconds: float, first_loss: float, last_loss: float) -> dict[str, Any]:
    return {
        "tokens_per_s": round(tokens / seconds, 1), "seconds": round(seconds, 2), "first_loss": first_loss,
        "last_loss": last_loss,
    }  # fmt: skip


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()


if __name__ == "__main__":
    main()
