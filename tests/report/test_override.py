"""Paths in commands that a user is told to type come back as they are."""

import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ftlab.report.run import override


@pytest.mark.parametrize(
    "path",
    [
        "runs/2026-01-31/1",
        "my run",
        "研究/一",
        "a=b,c",
        "[x]",
        "it's",
        'say "a"',
        "a\\b",
        'a\\"b',
        "a\\",
        "$HOME",
        "x(1)",
    ],
)
def test_a_path_comes_back_as_it_is(path: str) -> None:
    (word,) = shlex.split(override("run", Path(path)))
    (read,) = OverridesParser.create().parse_overrides([word])
    assert (read.key_or_group, str(read.value())) == ("run", path)


def test_paths_of_a_list_come_back_as_they_are() -> None:
    paths = ["runs/1", "my run", "a=b,c", "[x]"]
    (word,) = shlex.split(override("runs", *map(Path, paths)))
    (read,) = OverridesParser.create().parse_overrides([word])
    value = read.value()
    assert isinstance(value, list)
    assert [str(one) for one in value] == paths


def test_a_plain_path_is_typed_plainly() -> None:
    assert override("run", Path("runs/2026-01-31/12-00-00-train")) == "run=runs/2026-01-31/12-00-00-train"
