"""Every code that is used is registered, and documented as registered."""

import re
from pathlib import Path

from ftlab.check.codes import CODES
from scripts.build_findings import PAGE, page

PACKAGE = Path(__file__).parents[2] / "ftlab"


def used() -> set[str]:
    registry = PACKAGE / "check" / "codes.py"
    files = [file for file in PACKAGE.rglob("*.py") if file != registry]
    return {code for file in files for code in re.findall(r'"(FT\d{3})"', file.read_text(encoding="utf-8"))}


def test_every_used_code_is_registered_and_every_registered_one_used() -> None:
    assert used() == set(CODES)
    assert len(CODES) >= 60


def test_numbers_ascend_and_are_said_once() -> None:
    numbers = list(CODES)
    assert numbers == sorted(numbers)
    assert all(re.fullmatch(r"FT[1-6]\d\d", number) for number in numbers)
    titles = [code.title for code in CODES.values()]
    assert len(set(titles)) == len(titles)


def test_page_is_what_the_registry_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m scripts.build_findings"
