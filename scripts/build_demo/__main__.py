"""Writes the embedded demo data: `python -m scripts.build_demo [folder]`, from the repository's root.

The same tables give the same bytes on every machine (a test builds the files and compares them).
"""

import sys
from pathlib import Path

from scripts.build_demo.splits import build_splits

DEFAULT_FOLDER = Path(__file__).parents[2] / "ftlab" / "data" / "demo"


def write_demo(folder: Path) -> None:
    """Writes `train.jsonl`, `validation.jsonl` and `test.jsonl` into `folder` and prints their row counts."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in build_splits().items():
        text = "".join(row.to_line() for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8", newline="\n")
        print(f"{split}: {len(rows)} rows")


if __name__ == "__main__":
    write_demo(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER)
