"""The report in the terminal: what it advises to type next."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from ftlab.check.finding import Finding
from ftlab.check.report import SplitAccount
from ftlab.check.terminal import print_report
from tests.reference.made_report import made_group, made_report


def printed(codes: list[str], *accounts: SplitAccount) -> str:
    groups = tuple(made_group(code, "error", 1, Finding(code, "rows.jsonl:1", "is odd.", "")) for code in codes)
    report = replace(made_report(), groups=groups, outcome="errors", accounts=accounts, written={}, tokens=None)
    console = Console(file=StringIO(), width=160)
    print_report(console, report, title="demo")
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("code", ["FT104", "FT105", "FT510", "FT606", "FT607"])
def test_silencing_what_leaves_no_row_is_not_advised(code: str) -> None:
    assert "check.silence=[" not in printed([code])
    assert "check.silence=[FT201]" in printed([code, "FT201"])


@pytest.mark.parametrize(
    ("changed", "dropped", "said"),
    [
        (0, 1, "leave out 1 row "),
        (0, 2, "leave out 2 rows"),
        (1, 0, "mend 1 row "),
        (2, 1, "leave out 1 and mend 2 rows"),
    ],
)
def test_advice_counts_rows(changed: int, dropped: int, said: str) -> None:
    assert said in printed(["FT201"], SplitAccount("train", 9, 9 - changed - dropped, changed, dropped, {}))
