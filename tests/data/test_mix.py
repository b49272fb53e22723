"""Several sources: what an epoch takes of each, the exact account of it, and every wrong setting by its code."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlab.check.codes import CODES
from ftlab.data.epoch import EpochPart, epoch_order
from ftlab.data.mix import account, epoch_parts, notes
from ftlab.data.source import Splits, read_splits
from ftlab.problem import InputError


def write(file: Path, count: int, word: str) -> str:
    lines = [{"instruction": f"{word} {number}?", "input": "", "output": "A"} for number in range(count)]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(file)


class Encoded:
    """Rows whose lengths are all 10, 3 tokens of them supervised."""

    def __init__(self, splits: Splits) -> None:
        self.row_ids = np.array([row.id for row in splits.train])
        self.lengths = np.full(len(self.row_ids), 10)
        self.targets_counts = np.full(len(self.row_ids), 3)


def read(tmp_path: Path, **settings: Any) -> Splits:
    return read_splits(path=write(tmp_path / "mine.jsonl", 100, "mine"), **settings)


def names(splits: Splits, order: Any) -> Counter[str]:
    sources = [row.source for row in splits.train]
    return Counter(sources[place] for place in order)


def test_weights_say_how_often_an_epoch_passes_over_a_source(tmp_path: Path) -> None:
    mix = [
        {"path": write(tmp_path / "half.jsonl", 60, "half"), "weight": 0.5},
        {"path": write(tmp_path / "twice.jsonl", 7, "twice"), "weight": 2, "name": "double"},
    ]
    splits = read(tmp_path, mix=mix)
    parts = epoch_parts(splits.sources, Encoded(splits))
    main = len(splits.train) - 67
    assert [(part.name, part.rows, part.take) for part in parts] == [
        ("main", main, main), ("half", 60, 30), ("double", 7, 14)
    ]  # fmt: skip
    assert names(splits, epoch_order(parts, seed=1, epoch=0)) == {"main": main, "half": 30, "double": 14}
    assert all(row.source == "main" for row in [*splits.validation, *splits.test])


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_replay_gets_its_share_of_an_epochs_rows(tmp_path: Path, share: float) -> None:
    replay = {"path": write(tmp_path / "general.jsonl", 1000, "general"), "share": share}
    splits = read(tmp_path, replay=replay)
    order = epoch_order(epoch_parts(splits.sources, Encoded(splits)), seed=1, epoch=0)
    assert names(splits, order)["replay"] / len(order) == pytest.approx(share, abs=0.01)


def test_account_is_exact(tmp_path: Path) -> None:
    replay = {"path": write(tmp_path / "general.jsonl", 50, "general"), "share": 0.2}
    splits = read(tmp_path, replay=replay, validation_fraction=0.0)
    parts = epoch_parts(splits.sources, Encoded(splits))
    entries = account(parts, Encoded(splits), epochs=3)
    assert entries == [
        {"source": "main", "rows": 100, "tokens": 1000, "supervised_tokens": 300, "rows_per_epoch": 100,
         "share_of_rows": 0.8, "passes": 3.0},
        {"source": "replay", "rows": 50, "tokens": 500, "supervised_tokens": 150, "rows_per_epoch": 25,
         "share_of_rows": 0.2, "passes": 1.5},
    ]  # fmt: skip
    assert notes(entries)[1] == (
        "Source replay: 50 training rows (500 tokens, 150 of them supervised); an epoch takes 25 of them, 20.0% of its "
        "rows; the run passes over the source 1.50 times."
    )
    assert notes(entries[:1]) == []


@given(st.integers(1, 30), st.integers(1, 70), st.integers(1, 5), st.integers(0, 3))
def test_epochs_take_all_rows_of_a_source_before_any_again(rows: int, take: int, epochs: int, seed: int) -> None:
    parts = [EpochPart("main", 0, 4, 4), EpochPart("other", 4, rows, take)]
    seen: Counter[int] = Counter()
    for epoch in range(epochs):
        order = epoch_order(parts, seed, epoch).tolist()
        assert sorted(place for place in order if place < 4) == [0, 1, 2, 3]
        seen.update(place for place in order if place >= 4)
    assert sum(seen.values()) == take * epochs
    if take != rows:  # epochs that take all take each row once
        counts = [seen[place] for place in range(4, 4 + rows)]
        assert max(counts) - min(counts) <= 1


def test_epochs_of_a_source_differ_and_are_the_same_for_the_same_seed() -> None:
    parts = [EpochPart("main", 0, 1000, 100)]
    first, second = (epoch_order(parts, 1, epoch).tolist() for epoch in (0, 1))
    assert not set(first) & set(second)
    assert first == epoch_order(parts, 1, 0).tolist()
    assert first != epoch_order(parts, 2, 0).tolist()


def test_rows_of_a_single_source_carry_no_name(tmp_path: Path) -> None:
    assert {row.source for row in read(tmp_path).train} == {""}


def test_main_rows_are_held_out_as_without_a_mix(tmp_path: Path) -> None:
    alone = read(tmp_path)
    mixed = read(tmp_path, mix=[{"path": write(tmp_path / "more.jsonl", 50, "more")}])
    assert [row.id for row in mixed.validation] == [row.id for row in alone.validation]
    assert [row.id for row in mixed.test] == [row.id for row in alone.test]


def test_source_that_holds_out_rows_gives_some_to_validation(tmp_path: Path) -> None:
    mix = [{"path": write(tmp_path / "more.jsonl", 100, "more"), "validation": True}]
    assert {row.source for row in read(tmp_path, mix=mix).validation} == {"main", "more"}


def test_mixed_rows_that_equal_held_out_rows_are_left_out_and_said(tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    splits = read(tmp_path, mix=[{"path": write(copy, 100, "mine"), "name": "copy"}])
    held = {row.messages for row in [*splits.validation, *splits.test]}
    assert not held & {row.messages for row in splits.train}
    assert f"{len(held)} rows of mixed sources equal held-out rows and are left out." in splits.notes


def test_source_may_have_its_own_format(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": turns}))
    splits = read(tmp_path, mix=[{"path": str(tmp_path / "chat.jsonl"), "format": "messages"}])
    assert splits.train[-1].messages[0].content == "Q"
    assert splits.train[-1].source == "chat"


@pytest.mark.parametrize(
    ("settings", "where", "code"),
    [
        ({"mix": [{"path": "x", "wieght": 1}]}, "data.mix[0].wieght", "FT601"),
        ({"mix": [{"path": "x", "weight": -1}]}, "data.mix[0].weight", "FT602"),
        ({"mix": [{"path": "x", "weight": float("nan")}]}, "data.mix[0].weight", "FT602"),
        ({"replay": {"path": "x", "share": 1.0}}, "data.replay.share", "FT602"),
        ({"replay": {"path": "x"}}, "data.replay.share", "FT602"),
        ({"mix": [{"weight": 1}]}, "data.mix[0]", "FT603"),
        ({"mix": [{"path": "x", "hub_id": "y"}]}, "data.mix[0]", "FT603"),
        ({"mix": [{"path": "a/x.jsonl"}, {"path": "b/x.jsonl"}]}, "data.mix[0].name", "FT604"),
        ({"mix": [{"path": "x", "columns": "y"}]}, "data.mix[0].columns", "FT605"),
        ({"mix": [{"path": 3}]}, "data.mix[0].path", "FT605"),
    ],
)
def test_wrong_setting_is_told_by_its_key_and_code(
    tmp_path: Path, settings: dict[str, Any], where: str, code: str
) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, **settings)
    problem = error.value.problems[0]
    assert (problem.where, problem.code) == (where, code)
    assert code in CODES


def test_source_without_rows_is_told_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match=r"empty\.jsonl: must hold rows, but holds none"):
        read(tmp_path, mix=[{"path": str(tmp_path / "empty.jsonl")}])


def test_missing_source_is_told_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.mix\[0\]\.path: must be a file"):
        read(tmp_path, mix=[{"path": str(tmp_path / "no.jsonl")}])
