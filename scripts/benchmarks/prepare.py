"""Prepares one file with ftlab and with TRL, in turns on the same machine, and writes down time and memory.

    uv venv /tmp/trl && uv pip install --python /tmp/trl/bin/python trl==1.16.0 transformers==5.23.0 datasets==5.2.0
    python -m scripts.benchmarks.prepare --peer /tmp/trl/bin/python --out docs/benchmarks/prepare-cpu.json

The work is the same for both: read generated conversations from JSONL, render them with the embedded model's chat
template, tokenise, mask all but the answers, pack to 4,096 tokens; two processes, cold cache. Imports are not timed,
the start of worker processes is. Then: the same file a second time with ftlab's cache, and ftlab's peak memory on a
million rows, all processes together. The two are timed in turns, since other work may run on the machine; medians are
compared, and so is the processor time of all processes, on which a busy machine bears less.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

PROCESSES = 2
BUDGET = 4096
WORDS = [
    "account", "card", "fee", "month", "transfer", "branch", "customer", "form", "queue", "loan", "rate", "saving",
    "teller", "vault", "cheque", "credit", "debit", "euro", "limit", "product", "code",
]  # fmt: skip
MODEL = Path(__file__).parents[2] / "ftlab" / "model" / "tiny"


def main() -> None:
    """Runs all and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="the Python of an environment with TRL")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--many-rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/prepare-cpu.json"))
    parser.add_argument("--once", nargs=2, metavar=("FILE", "CACHE"), help="prepare once and print the figures")
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(prepare(Path(arguments.once[0]), Path(arguments.once[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_json(arguments.out, measure(arguments, Path(folder)))


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Times both in turns, then the second run, then the memory of many rows."""
    file = generate(folder / "rows.jsonl", arguments.rows)
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    second: list[dict[str, Any]] = []
    for turn in range(arguments.repeats):
        cache = folder / f"cache-{turn}"
        ours.append(once(file, cache))
        second.append(once(file, cache))
        if arguments.peer:
            peer = Path(__file__).with_name("prepare_peer.py")
            theirs.append(run([arguments.peer, str(peer), str(file), str(MODEL), str(PROCESSES)])[0])
        print(json.dumps([ours[-1], second[-1], *theirs[-1:]]), flush=True)
    many = once(generate(folder / "many.jsonl", arguments.many_rows), folder / "cache-many")
    print(json.dumps(many), flush=True)
    ours_s = statistics.median(entry["total_s"] for entry in ours)
    result = {
        "cpu": {"model": cpu_model(), "cores": psutil.cpu_count()},
        "versions": {name: metadata.version(name) for name in ("transformers", "tokenizers", "datasets", "pyarrow")},
        "python": platform.python_version(),
        "rows": arguments.rows,
        "ftlab": {"rows_per_s": arguments.rows / ours_s, "median_s": ours_s, "runs": ours},
        "ftlab_second_run_s": statistics.median(entry["total_s"] for entry in second),
        "ftlab_many_rows": {"rows": arguments.many_rows, **many},
    }
    if theirs:
        theirs_s = statistics.median(entry["read_s"] + entry["prepare_s"] for entry in theirs)
        result["trl"] = {"rows_per_s": arguments.rows / theirs_s, "median_s": theirs_s, "runs": theirs}
        result["times_faster"] = theirs_s / ours_s
        cpu = [statistics.median(entry["cpu_s"] for entry in entries) for entries in (theirs, ours)]
        result["times_less_processor_time"] = cpu[0] / cpu[1]
    return result


def once(file: Path, cache: Path) -> dict[str, Any]:
    """Prepares a file with ftlab in a process of its own, and samples the memory of it and its children."""
    command = [sys.executable, "-m", "scripts.benchmarks.prepare", "--once", str(file), str(cache)]
    figures, peak = run(command)
    return {**figures, "peak_rss_bytes": peak}


def run(command: list[str]) -> tuple[dict[str, Any], int]:
    """Runs a command that prints JSON on its last line; also the highest sum of its processes' resident memory."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True)
        peak = 0
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read() if process.stderr else ""))
        reader.start()
        while process.poll() is None:
            peak = max(peak, resident_bytes(psutil.Process(process.pid)))
            time.sleep(0.25)
        reader.join()
        if process.returncode:
            raise RuntimeError(f"{command} failed:\n{errors[0][-3000:]}")
        output.seek(0)
        return json.loads(output.read().strip().splitlines()[-1]), peak


def resident_bytes(process: psutil.Process) -> int:
    """The resident memory of a process and all its children; what they share is counted for each."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def prepare(file: Path, cache: Path) -> dict[str, Any]:
    """Prepares a file once: rows, ids and masks, and the plan of the micro-batches of an epoch."""
    from ftlab.data.cache import key
    from ftlab.data.chat import Encoder
    from ftlab.data.encoding import fingerprint, prepare_splits
    from ftlab.data.pack import lengths, plan_micro_batches
    from ftlab.data.source import read_splits
    from ftlab.model.tokenizer import load_tokenizer

    source: dict[str, Any] = {"path": None, "trust_remote_code": False, "revision": None, "offline": True}
    tokenizer, _ = load_tokenizer(**source, weights="pretrained", chat_template=None)
    encoder = Encoder(tokenizer)
    marks, began_cpu_s = [time.perf_counter()], sum(os.times()[:4])
    splits = read_splits(path=str(file), row_format="messages", validation_fraction=0.0, cache=cache)
    marks.append(time.perf_counter())
    name = key(rows=splits.key, tokenizer=fingerprint(tokenizer))
    encoded = prepare_splits(encoder, splits, key=name, cache=cache)
    marks.append(time.perf_counter())
    plan = plan_micro_batches(lengths(encoded.train), BUDGET, "packed")
    marks.append(time.perf_counter())
    used_cpu_s = sum(os.times()[:4]) - began_cpu_s
    tokens = int(encoded.train.lengths.sum())
    read_s, encode_s, pack_s = (after - before for before, after in pairwise(marks))
    return {
        "read_s": read_s, "encode_s": encode_s, "pack_s": pack_s, "total_s": marks[-1] - marks[0], "cpu_s": used_cpu_s,
        "rows": len(encoded.train), "sequences": len(plan), "fill": tokens / (len(plan) * BUDGET), "tokens": tokens,
        "supervised_tokens": int(encoded.train.targets_counts.sum()),
    }  # fmt: skip


def generate(file: Path, rows: int) -> Path:
    """Writes short conversations, the same ones each time."""
    chance = random.Random(1)
    with file.open("w") as stream:
        for number in range(rows):
            question = f"{' '.join(chance.choices(WORDS, k=chance.randint(6, 16)))} {number}?"
            answer = f"{' '.join(chance.choices(WORDS, k=chance.randint(4, 24))).capitalize()}."
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            stream.write(f"{json.dumps({'messages': turns})}\n")
    return file


def cpu_model() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Writes the result file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
