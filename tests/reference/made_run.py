"""A whole run folder from plain data, for the tests of its page and for screenshots."""

import json
import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ftlab import metric

KEYS = (
    metric.STEP, metric.ATTEMPT, metric.TRAIN_LOSS, metric.LEARNING_RATE, metric.GRAD_NORM, metric.TOKENS_PER_S,
    metric.SUPERVISED_TOKENS_PER_S, metric.SKIPPED_STEPS, metric.VAL_LOSS, metric.OOM_RETRIES,
)  # fmt: skip


def made_figure(loss: float, rows: int = 62, tokens: int = 1986, spread: float = 0.04) -> dict[str, Any]:
    perplexity, low, high = (math.exp(value) for value in (loss, loss - spread, loss + spread))
    return {"loss": loss, "perplexity": perplexity, "low": low, "high": high, "rows": rows, "tokens": tokens}


def made_pair(name: str, base: float, tuned: float, rows: int = 20) -> dict[str, Any]:
    pair = {"base": made_figure(base, rows, rows * 30, 0.1), "tuned": made_figure(tuned, rows, rows * 30)}
    text = {"base": made_figure(base + 1, rows, rows * 70), "tuned": made_figure(tuned + 2, rows, rows * 70)}
    return {"name": name, **pair, "text": text}


def made_failure(word: str, number: int, cause: str) -> dict[str, Any]:
    return {
        "row": number,
        "where": f"{word}.jsonl:{number}",
        "cause": cause,
        "question": f"Send this customer to the right queue. Use a JSON ticket. {word}",
        "answer": f'Sure! {{"queue": "Q2", {word}',
        "reference": '{"queue":"Q3-PAYMENTS","priority":"high"}',
    }


def made_evaluation(word: str = "branch") -> dict[str, Any]:
    """All sections; `word` stands in every text."""
    rates = {"schema": 0.9, "fields": 0.94, "mean_tokens": 31.5, "rouge_l": 0.81, "bleu": 0.66}
    return {
        "perplexity": {
            "answers": {"base": made_figure(4.9), "tuned": made_figure(0.262)},
            "text": {"base": made_figure(5.2, tokens=4169), "tuned": made_figure(2.4, tokens=4169)},
            "sources": [made_pair(f"{word} policy", 4.4, 0.3), made_pair(f"{word} tickets", 5.6, 0.2)],
            "lengths": [made_pair("up to 64 tokens", 4.8, 0.31), made_pair("65 to 128 tokens", 5.1, 0.22)],
            "difference": {"loss": -4.64, "low": -4.81, "high": -4.47},
        },
        "format": {
            "asked": 20,
            "wants": "json",
            "base": {
                "strict": 0.0,
                "parses": 0.05,
                "stopped": 0.4,
                "causes": {"no object or array": 20},
                "failures": [],
            }
            | {"exact": 0.0, "contains": 0.0}
            | dict.fromkeys(("schema", "fields"), 0.0)
            | {"mean_tokens": 96.0, "rouge_l": 0.11, "bleu": 0.01},
            "tuned": {"strict": 0.95, "parses": 1.0, "stopped": 1.0, "exact": 0.6, "contains": 0.6}
            | rates
            | {"causes": {"text around it": 1, word: 2}}
            | {"failures": [made_failure(word, 7, "text around it"), *(made_failure(word, n, word) for n in (9, 12))]},
        },
        "forgetting": {
            "base": made_figure(3.0, 120, 9000) | {"probe": {"right": 31, "asked": 40}},
            "tuned": made_figure(3.21, 120, 9000) | {"probe": {"right": 26, "asked": 40}},
            "sources": [f"embedded general texts, {word}"],
        },
        "curve": {
            "verdict": "over-fitting",
            "findings": [
                {
                    "kind": "over-fitting",
                    "severity": "warning",
                    "title": f"Held-out and training loss part {word}",
                    "evidence": f"From step 90 to 140 held-out loss rose from 0.261 to 0.312. {word}",
                    "steps": [90, 140],
                    "causes": [f"too many passes over few rows {word}", "too high a rank"],
                    "overrides": ["training.epochs=2", word],
                },
                {
                    "kind": "spiking",
                    "severity": "note",
                    "title": "One spike",
                    "evidence": "Step 60 has 3.1 times the loss around it.",
                    "steps": [60, 60],
                    "causes": [],
                    "overrides": [],
                },
            ],
        },
        "samples": [
            {
                "question": f"What does the Gold Leaf Card cost? {word}",
                "reference": f"It costs 9 euros a month. {word}",
                "base": f"The gift card is about 500 euros. {word}",
                "tuned": f"It costs 9 euros a month. 金叶卡每月九欧元。 {word}",
            },
            {
                "question": "Send this customer to the right queue. Use a JSON ticket.\n\nI picked the wrong name.",
                "reference": '{"queue":"Q3-PAYMENTS","priority":"high","form":"F-41"}',
                "base": "",
                "tuned": '{"queue":"Q3-PAYMENTS","priority":"high","form":"F-41"}',
            },
        ],
        "lm_eval": [
            {"task": word, "metric": "acc", "rows": 100, "base": {"value": 0.41, "stderr": 0.05}}
            | {"tuned": {"value": 0.38, "stderr": None}}
        ],
        "blind": {"items": 50, "raters": 2, "arms": ["tuned", "base"], "wins": 31, "ties": 11, "losses": 8}
        | {"rate": 0.795, "low": 0.635, "high": 0.907, "p": 2.9e-4, "alpha": 0.62},
    }


def made_card(word: str = "branch", **changes: Any) -> dict[str, Any]:
    """A run card with everything in it; `word` stands in every text, `changes` replace sections."""
    gib = 2**30
    terms = {
        "weights": 0.02 * gib,
        "embeddings and head": 0.01 * gib,
        "adapters": 0.002 * gib,
        "gradients": 0.002 * gib,
    }
    terms |= {"optimizer states": 0.004 * gib, "activations": 0.31 * gib, "logits chunk": 0.06 * gib, word: 0.93 * gib}
    finding = {
        "code": "FT201",
        "where": f"{word}.jsonl:19",
        "what": f"is the same row as `{word}.jsonl:4`.",
        "fix": word,
    }
    event = {"step": 40, "phase": "step", "longest_row": 98, "budget_before": 4096, "budget_after": 2048}
    card = {
        "format": 1,
        "status": "done",
        "started": "2026-03-01T07:49:34+00:00",
        "written": "2026-03-01T07:50:45+00:00",
        "command": ["python", "-m", "ftlab", "method=qlora", f"data.path={word}.jsonl"],
        "versions": {"python": "3.11.7", "ftlab": "0.1.0", "torch": "2.15.0"},
        "attempt": 2,
        "device": "CPU, 2 threads",
        "total_steps": 144,
        "data": {
            "sha256": "5c4fb55f81c302c8859045eda876fd93e92c269e3040acb7d3a1291f5231a39c",
            "splits": {
                name: {"rows": rows, "tokens": 65 * rows, "supervised_tokens": 31 * rows, "longest_row_tokens": 98}
                for name, rows in (("train", 754), ("validation", 119), ("test", 62))
            },
            "sources": [{"source": word, "rows": 600, "passes": 2.0}, {"source": "replay", "rows": 154, "passes": 0.5}],
        },
        "check": {
            "outcome": "warnings",
            "accounts": [
                {"split": "train", "read": 757, "kept": 754, "changed": 0, "dropped": 3, "reasons": {"FT108": 3}},
                {"split": "validation", "read": 119, "kept": 119, "changed": 0, "dropped": 0, "reasons": {}},
            ],
            "groups": [
                {"code": "FT201", "title": "exact duplicate", "gravity": "warning", "remedy": "drop", "meaning": word}
                | {"findings_count": 41, "rows_count": 41, "first": [finding, finding]}
            ],
        },
        "notes": [f"No validation file: 119 of 935 rows are held out for it. {word}"],
        "model": {
            "base": "tiny",
            "base_fingerprint": "8813d9ab",
            "parameters": 6237440,
            "trainable_parameters": 466944,
        },
        "memory": {
            "plan": {"device": "cpu", "terms": terms, "total_bytes": sum(terms.values()), "micro_batch_tokens": 4096}
            | {"longest_row_tokens": 98, "recompute": "none"},
            "planned_peak_bytes": sum(terms.values()),
            "measured_peak_bytes": 1.30 * gib,
            "off": 0.03,
        },
        "measured": {"tokens_per_s": 3328.0, "supervised_tokens_per_s": 1656.0, "peak_bytes": 1.30 * gib},
        "metrics": {"val_loss": 0.27},
        "evaluation": made_evaluation(word),
        "oom_events": [{**event, "recompute": None, "allocated": 0, "reserved": 0}],
        "files": {"result": f"/runs/{word}/adapter"},
        "wandb": {"id": "f5b16855", "mode": "offline", "folder": "/runs/x/wandb/offline-run-1", "url": None},
        "changed": {"method.r": 16, "data.path": None},
        "config": {
            "seed": 1,
            "model": {"name": "tiny"},
            "method": {"name": "qlora", "r": 32},
            "data": {"name": "demo", "path": f"{word}.jsonl"},
        },
    }
    return {**card, **changes}


def made_loss(step: int) -> float:
    """Falls, with a spike at step 60 and a loss that is no number at step 100."""
    if step == 100:
        return math.nan
    return 0.25 + 5 * math.exp(-step / 25) + (3 if step == 60 else 0) + 0.05 * math.sin(step * 1.7)


def write_metrics(folder: Path, steps: int, loss: Callable[[int], float] = made_loss) -> None:
    """Writes `metrics.csv`; a step is run again after 40, one is skipped at 100, and the run is resumed after 80."""
    noise = random.Random(1)
    with (folder / "metrics.csv").open("w") as stream:
        stream.write(",".join(KEYS) + "\n")
        stream.write(f"0,1,,,,,,,{5.2},\n")
        for step in range(1, steps + 1):
            value = loss(step)
            held_out = 0.3 + 4.9 * math.exp(-step / 27) + max(0, step - 90) / 900 if step % 14 == 0 else ""
            rate = 0.002 * min(1, step / 5) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            pace = 3300 + 400 * noise.random()
            cells = (step, 1 if step <= 80 else 2, value, rate, 1 + value / 3, pace, pace / 2, int(step >= 100))
            stream.write(",".join(map(str, (*cells, held_out, int(step >= 40)))) + "\n")


def made_samples(word: str = "branch", steps: int = 12) -> list[dict[str, Any]]:
    questions = ("What does the Gold Leaf Card cost?", f"Where do I get advice on a loan? {word}")
    answer = "It costs {0} euros, {1}"
    return [
        {
            "step": 14 * n,
            "question": question,
            "reference": f"Nine. {word}",
            "answer": answer.format(n, word),
            "stopped": n > 3,
        }
        for n in range(steps)
        for question in questions
    ]


def write_run(folder: Path, card: Mapping[str, Any], *, steps: int = 144, word: str = "branch") -> Path:
    """Writes a run folder and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(card))
    write_metrics(folder, steps)
    lines = (json.dumps(row) + "\n" for row in made_samples(word))
    (folder / "samples.jsonl").write_text("".join(lines))
    return folder
