"""The two commands: `record` trains and writes the curves, `judge` lets the doctor read them.

Recording goes on where a file of curves leaves off: what it holds is not run again, what failed is.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.benchmarks.curves import judge, train
from scripts.benchmarks.curves.plan import Spec, specs

FILE = Path("docs/benchmarks/curves.json")
FLUSH_RUNS = 5


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmarks.curves", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("--out", type=Path, default=FILE)
    recording.add_argument("--workers", type=int, default=1)
    recording.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    recording.add_argument("--only", default="", help="runs whose name holds this word")
    recording.add_argument("--limit", type=int, help="at most so many runs")
    recording.add_argument("--list", action="store_true", help="say what would be run")
    judging = commands.add_parser("judge")
    judging.add_argument("--curves", type=Path, default=FILE)
    judging.add_argument("--out", type=Path, default=FILE.with_suffix(".md"))
    options = parser.parse_args()
    if options.command == "judge":
        recorded = json.loads(options.curves.read_text())
        options.out.write_text(judge.report(judge.judge(judge.with_curve(recorded)), recorded))
        print(options.out)
        return
    wanted = [spec for spec in specs() if options.only in spec.name]
    done = _read(options.out)
    missing = [spec for spec in wanted if "losses" not in done.get(spec.name, {})][: options.limit]
    if options.list:
        for spec in missing:
            print(f"{spec.name:34} {spec.steps:4} steps of {spec.batch_rows:2} rows  {spec.detail}")
        return
    _record(missing, done, options)


def _record(missing: Sequence[Spec], done: dict[str, Any], options: argparse.Namespace) -> None:
    begun, order = time.perf_counter(), [spec.name for spec in specs()]
    for count, result in enumerate(_results(missing, options.workers, options.device), 1):
        done[result["name"]] = result
        said = result.get("failed") or f"{len(result['losses'])} steps {result['ended'] or ''}"
        elapsed = time.perf_counter() - begun
        print(
            f"{elapsed:5.0f} s  {count}/{len(missing)}  {result['name']:34} {result['seconds']:5.1f} s  {said}",
            flush=True,
        )
        if count % FLUSH_RUNS == 0 or count == len(missing):
            _write(options.out, sorted(done.values(), key=lambda run: order.index(run["name"])), options.device)


def _results(missing: Sequence[Spec], workers: int, device: str) -> Iterator[dict[str, Any]]:
    """Yields results as they come; a worker that dies takes its pool along, and what is left is run by a new one."""
    os.environ["OMP_NUM_THREADS"] = "1"
    spawn = multiprocessing.get_context("spawn")
    left = {spec.name: spec for spec in missing}
    with TemporaryDirectory() as cache:
        while left:
            before = len(left)
            with ProcessPoolExecutor(workers, spawn, train.begin, (device,)) as pool:
                running = {pool.submit(train.record, spec, device, cache): name for name, spec in left.items()}
                try:
                    for future in as_completed(running):
                        result = future.result()
                        del left[running[future]]
                        yield result
                except BrokenProcessPool as error:
                    print(f"A worker died ({error}); {len(left)} runs are left.", flush=True)
            if len(left) == before:  # no run came through: another pool would die as well
                return


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    return {run["name"]: run for run in json.loads(file.read_text())["runs"]}


def _write(file: Path, runs: Sequence[dict[str, Any]], device: str) -> None:
    """Writes whole or not at all, a run a line."""
    names = ("torch", "transformers", "peft", "lightning")
    head = {"device": _device_name(device), "versions": {name: version(name) for name in names}}
    lines = ",\n".join(json.dumps(run, separators=(",", ":")) for run in runs)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(f'{json.dumps(head)[:-1]},"runs":[\n{lines}\n]}}\n')
    temporary.replace(file)


def _device_name(device: str) -> str:
    if device == "cpu":
        return "CPU, one thread a run"
    import torch

    return torch.cuda.get_device_name()


if __name__ == "__main__":
    main()
