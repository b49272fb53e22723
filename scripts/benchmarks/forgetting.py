"""Trains the embedded model in full, with LoRA and with QLoRA, with and without replay: target against forgetting.

Each run passes once over the same rows of the demo; with replay a share of an epoch's rows are general conversations
(`scripts.build_general`) on top, so that what is compared has seen the target equally often. Measured are the loss on
the demo's test answers and the loss on the general texts that come with the embedded model, which no run trains on.

usage: python -m scripts.benchmarks.forgetting --out FOLDER [--seeds 1,2] [--shares 0,0.1,0.3] [--steps N]
"""

import argparse
import contextlib
import io
import json
import logging
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from ftlab.config.folder import CONF_DIR
from ftlab.report.scatter import Group, Point, scatter_plot
from ftlab.stage.surroundings import settle
from scripts.benchmarks.svg import standalone
from scripts.build_general import write_replay

METHODS = {"full": "full fine-tuning", "lora": "LoRA", "qlora": "QLoRA"}
QUICK = (
    "logger=none", "offline=true", "training.epochs=1", "training.eval_every_steps=1000", "training.keep_checkpoints=1",
    "~callbacks.samples", "evaluation.samples=0", "evaluation.format_rows=0", "check.near_duplicates=false",
    "data.cache=null",
)  # fmt: skip


def main() -> None:
    """Makes all runs; table and plot are written after each, so that an interrupted one leaves what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--shares", default="0,0.1,0.3")
    parser.add_argument("--steps", type=int, help="of each run, for a trial")
    options = parser.parse_args()
    sys.argv = sys.argv[:1]  # the run card notes the command
    settle(offline=True)
    logging.disable(logging.INFO)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    shares = [float(share) for share in options.shares.split(",")]
    runs: list[dict[str, Any]] = []
    started = time.time()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        replay = Path(scratch) / "replay.jsonl"
        write_replay(replay)
        for seed, share, method in product(seeds, shares, METHODS):
            folder = Path(scratch) / f"{method}-{share}-{seed}"
            base = next((run for run in runs if run["method"] == method), None)
            runs.append(_run(folder, replay, method, share, seed, options.steps, base))
            print(json.dumps(runs[-1]), flush=True)
            _write(options.out, runs, round(time.time() - started))


def _write(out: Path, runs: Sequence[dict[str, Any]], seconds: int) -> None:
    result = {
        "device": f"CPU, {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "bitsandbytes")},
        "seconds": seconds,
        "units": "losses: nats a token; probe: questions right, of those asked; replay: share of an epoch's rows",
        "summary": list(_summary(runs)),
        "runs": runs,
    }
    (out / "forgetting.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "forgetting.svg").write_text(plot(runs))


def _run(
    folder: Path, replay: Path, method: str, share: float, seed: int, steps: int | None, base: dict[str, Any] | None
) -> dict[str, Any]:
    """One run; `base` is an earlier one of the method, whose base (QLoRA's is in 4 bits) needn't be measured again."""
    from ftlab.task.train import run

    mixed = [f"data.replay={{path: {replay}, share: {share}}}"] if share else []
    limit = [f"training.max_steps={steps}"] if steps else []
    measure_base = f"evaluation.base={str(base is None).lower()}"
    cfg = _composed(folder, f"method={method}", f"seed={seed}", measure_base, *QUICK, *mixed, *limit)
    started = time.time()
    with contextlib.redirect_stdout(io.StringIO()):
        run(cfg)
    found = {"method": method, "replay": share, "seed": seed, "seconds": round(time.time() - started, 1)}
    card = json.loads((folder / "run.json").read_text())
    found["rows_per_epoch"] = {source["source"]: source["rows_per_epoch"] for source in card["data"]["sources"]}
    answers, general = card["evaluation"]["perplexity"]["answers"], card["evaluation"]["forgetting"]
    for arm in ("base", "tuned"):
        names = (f"{arm}_target_loss", f"{arm}_general_loss", f"{arm}_probe")
        if arm == "base" and base is not None:
            found |= {name: base[name] for name in names}
        else:
            asked = general[arm]["probe"]
            found |= zip(
                names, (answers[arm]["loss"], general[arm]["loss"], [asked["right"], asked["asked"]]), strict=True
            )
    return found


def _composed(folder: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(config_dir=str(CONF_DIR), version_base="1.3"):
        return compose("config", overrides=[*overrides, f"output_dir={folder}"])


def _summary(runs: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Means over the seeds."""
    names = [f"{arm}_{what}_loss" for what in ("target", "general") for arm in ("base", "tuned")]
    for (method, share), found in _by_setting(runs):
        means = {name: round(mean(run[name] for run in found), 4) for name in names}
        right = {
            f"{arm}_probe": round(mean(run[f"{arm}_probe"][0] / run[f"{arm}_probe"][1] for run in found), 3)
            for arm in ("base", "tuned")
        }
        forgotten = means["tuned_general_loss"] - means["base_general_loss"]
        yield {
            "method": method,
            "replay": share,
            "seeds": len(found),
            **means,
            "forgotten": round(forgotten, 4),
            **right,
        }


def _by_setting(runs: Sequence[dict[str, Any]]) -> list[tuple[tuple[str, float], list[dict[str, Any]]]]:
    settings = dict.fromkeys((run["method"], run["replay"]) for run in runs)
    return [(one, [run for run in runs if (run["method"], run["replay"]) == one]) for one in settings]


def plot(runs: Sequence[dict[str, Any]]) -> str:
    """Draws every run and the means over seeds, joined from no replay to the most.

    Args:
        runs: The results.

    Returns:
        SVG.
    """
    groups, colours = [], []
    for number, (method, name) in enumerate(METHODS.items(), 1):
        own = [run for run in runs if run["method"] == method]
        means = [
            Point(mean(map(_general, found)), mean(map(_target, found)), f"{share:.0%}")
            for (_, share), found in _by_setting(own)
        ]
        groups += [
            Group(name, means, joined=True),
            Group(name, [Point(_general(run), _target(run)) for run in own], faint=True),
        ]
        colours += [number, number]
    return standalone(
        scatter_plot(
            groups,
            colours=colours,
            x_title="forgotten: general loss, tuned less base, nats a token (labels: share of replay)",
            y_title="loss on the target's answers, nats a token",
        )
    )


def _general(run: dict[str, Any]) -> float:
    return float(run["tuned_general_loss"] - run["base_general_loss"])


def _target(run: dict[str, Any]) -> float:
    return float(run["tuned_target_loss"])


if __name__ == "__main__":
    main()
