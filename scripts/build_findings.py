"""Writes docs/findings.md from the registry of codes: `python -m scripts.build_findings`."""

from pathlib import Path

from ftlab.check.codes import CODES, Code

PAGE = Path(__file__).parents[1] / "docs" / "findings.md"

_RANGES = {
    "FT1": "Format: can a line be read as a row?",
    "FT2": "Duplicates and leakage",
    "FT3": "Tokens",
    "FT4": "Content",
    "FT5": "Masks and templates",
    "FT6": "Sources and splits",
}
_REMEDIES = {"keep": "kept", "drop": "left out", "mend": "mended"}

_HEAD = """# Findings

What a check of the rows can find: `python -m ftlab task=check data.path=mine.jsonl`, and the same checks at the start
of every run. An error stops the run, a warning doesn't, a note only tells.

```
check.silence=[FT401,FT402]   don't report these; a row that can't be used because of one is left out, and counted
check.errors=[FT203]          stop at these, too
check.strict=true             exit code 1 where task=check has warnings alone
check.write=clean.jsonl       write the rows, left out and mended as the last column says
```

This page is made from `ftlab/check/codes.py` by `python -m scripts.build_findings`.
"""


def page() -> str:
    """Returns the page."""
    parts = [_HEAD]
    for prefix, heading in _RANGES.items():
        codes = [code for number, code in CODES.items() if number.startswith(prefix)]
        table = ["| code | what | severity | meaning | `check.write` |", "|---|---|---|---|---|", *map(_line, codes)]
        parts.append(f"\n## {heading}\n\n" + "\n".join(table) + "\n")
    return "".join(parts)


def _line(code: Code) -> str:
    cells = (code.number, code.title, code.severity, code.meaning, _REMEDIES[code.remedy])
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
