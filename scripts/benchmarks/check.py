"""Measures the checks of the data: time and memory of duplicates and content on rows that are made up here.

    python -m scripts.benchmarks.check --out docs/benchmarks/check.json
    uv run --with datasketch python -m scripts.benchmarks.check --compare --out docs/benchmarks/check.json

The rows are sentences of random words, an eighth of them Chinese; 2 % are exact copies, 2 % copies with a word added.
So the script also counts how many of the copies planted were found, and how many findings name another row.
`--compare` measures the signatures of two libraries on the same shingles in this run.
"""

import argparse
import json
import os
import platform
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ftlab.check.content import find_content
from ftlab.check.duplicates import find_duplicates
from ftlab.check.near import SIGNATURE
from ftlab.data.row import Message, Row

COPIES = 0.02
COMPARED_ROWS = 2_000


def main() -> None:
    """Measures and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--compare", action="store_true", help="measure rensa against datasketch (must be installed)")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/check.json"))
    arguments = parser.parse_args()
    rows, exact, near = make_rows(arguments.rows)
    characters = sum(len(turn.content) for row in rows for turn in row.messages)
    result: dict[str, Any] = {
        "rows": len(rows),
        "characters": characters,
        "planted": {"exact": len(exact), "near": len(near)},
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "load_average_before": round(os.getloadavg()[0], 1),
        "versions": {name: metadata.version(name) for name in ("rensa", "numpy", "ftfy", "python-stdnum")},
        "python": platform.python_version(),
    }
    splits = {"train": rows}
    result["exact"] = timed(lambda: Counter(f.code for f in find_duplicates(splits, near=False)))
    found: list[tuple[str, int]] = []
    result["exact_and_near"] = timed(lambda: found.extend((f.code, f.row_id or 0) for f in find_duplicates(splits)))
    result["exact_and_near"] |= {
        "exact_found": sum(code == "FT201" and row in exact for code, row in found),
        "near_found": sum(code == "FT202" and row in near for code, row in found),
        "others_found": sum(row not in exact and row not in near for _, row in found),
    }
    result["content"] = timed(lambda: Counter(f.code for f in find_content(rows)))
    if arguments.compare:
        result["signatures"] = compare(rows[:COMPARED_ROWS])
    print(json.dumps(result, indent=2))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")


def timed(work: Callable[[], Any]) -> dict[str, Any]:
    """Runs something once; seconds, and the process's peak memory after it in MiB with what it was before."""
    before = peak_mib()
    started = time.perf_counter()
    outcome = work()
    seconds = time.perf_counter() - started
    took: dict[str, Any] = {"s": round(seconds, 2), "peak_mib_before": before, "peak_mib_after": peak_mib()}
    return took | ({"findings": dict(outcome)} if outcome else {})


def peak_mib() -> int:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def make_rows(count: int) -> tuple[list[Row], set[int], set[int]]:
    """Makes rows, and copies among them.

    Args:
        count: How many rows.

    Returns:
        The rows, the ids of exact copies, and the ids of copies with a word changed.
    """
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9))) for _ in range(20_000)]
    signs = [chr(draw.randint(0x4E00, 0x9FA5)) for _ in range(3_000)]
    rows: list[Row] = []
    exact: set[int] = set()
    near: set[int] = set()
    for number in range(count):
        chance = draw.random()
        if rows and chance < 2 * COPIES:
            source = rows[draw.randrange(len(rows))]
            question, answer = (turn.content for turn in source.messages)
            if chance < COPIES:
                exact.add(number)
            else:
                near.add(number)
                answer = f"{answer[:-1]} {draw.choice(words)}."
        elif number % 8:
            question = " ".join(draw.choices(words, k=12)).capitalize() + "?"
            answer = " ".join(draw.choices(words, k=draw.randint(30, 60))).capitalize() + "."
        else:
            question = "".join(draw.choices(signs, k=20)) + "？"
            answer = "".join(draw.choices(signs, k=draw.randint(60, 120))) + "。"
        rows.append(Row(number, f"made.jsonl:{number + 1}", (Message("user", question), Message("assistant", answer))))
    return [replace(row) for row in rows], exact, near


def compare(rows: list[Row]) -> dict[str, Any]:
    """Measures two libraries' signatures of the same shingles.

    Args:
        rows: The rows.

    Returns:
        Rows a second of each, and the ratio.
    """
    from datasketch import MinHash  # type: ignore[import-not-found]
    from rensa import RMinHash

    sets = [shingles_of(row) for row in rows]
    started = time.perf_counter()
    offsets = np.cumsum([0, *map(len, sets)]).astype(np.uint64)
    RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(sets), offsets, SIGNATURE, 1).to_rows()
    rensa_s = time.perf_counter() - started
    started = time.perf_counter()
    for shingles in sets:
        MinHash(num_perm=SIGNATURE, hashfunc=lambda value: int(value) & 0xFFFFFFFF).update_batch(shingles.tolist())
    datasketch_s = time.perf_counter() - started
    return {
        "rows": len(rows),
        "rensa_rows_per_s": round(len(rows) / rensa_s),
        "datasketch_rows_per_s": round(len(rows) / datasketch_s),
        "ratio": round(datasketch_s / rensa_s, 1),
        "datasketch": metadata.version("datasketch"),
    }


def shingles_of(row: Row) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    """The shingles that the check of near duplicates makes of a row's words."""
    from ftlab.check.near import shingles

    return shingles(" ".join(words_of(row)))


def words_of(row: Row) -> Iterator[str]:
    """The texts of a row's turns."""
    return (turn.content for turn in row.messages)


if __name__ == "__main__":
    main()
