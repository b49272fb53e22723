"""Votes are kept for good, one of each item stands, and files are taken in whole or not at all."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftlab.evaluation.blind.sheet import Choice, Rating, open_marks
from ftlab.evaluation.blind.store import Merged, RatingStore
from ftlab.problem import InputError
from tests.reference.made_trial import keep, rating_file

ROOT = Path(__file__).parents[3]
ITEMS = {f"i-{number}" for number in range(50)}


def vote(
    item: str = "i-1", choice: Choice = "left", *, rater: str = "anna", second: int = 0, comment: str = ""
) -> Rating:
    return Rating("t", rater, item, choice, open_marks(), comment, f"2026-01-01T12:00:{second:02}+00:00")


@pytest.fixture
def store(tmp_path: Path) -> RatingStore:
    return RatingStore(tmp_path / "ratings.sqlite")


def _merge(store: RatingStore, path: Path) -> Merged:
    return store.merge(path, test="t", items=ITEMS, raters=("anna", "ben"))


def _file(path: Path, *ratings: Rating) -> Path:
    path.write_text(json.dumps(rating_file(ratings)))
    return path


def _rows(store: RatingStore) -> int:
    base = sqlite3.connect(store.path)
    (rows,) = base.execute("SELECT count(*) FROM vote").fetchone()
    base.close()
    return int(rows)


def test_the_newest_vote_of_an_item_stands(store: RatingStore) -> None:
    assert keep(store, vote(second=1))
    assert keep(store, vote(choice="tie", second=2))
    assert not keep(store, vote(choice="right", second=1)), "older than the one that stands"
    assert keep(store, vote("i-2", second=1))
    assert store.all() == [vote(choice="tie", second=2), vote("i-2", second=1)]


def test_a_vote_that_is_sent_twice_changes_nothing(store: RatingStore) -> None:
    assert keep(store, vote(second=1))
    assert not keep(store, vote(second=1))
    assert not keep(store, vote(second=5)), "it says the same"
    assert _rows(store) == 1
    assert store.undo("t", "anna") == "i-1"
    assert store.all() == []


def test_a_vote_of_this_moment_stands_over_one_of_a_wrong_clock(store: RatingStore) -> None:
    ahead = replace(vote(), at="2099-01-01T00:00:00+00:00")
    keep(store, ahead)
    assert store.put_now(vote(choice="right"))
    (standing,) = store.all()
    assert standing.choice == "right"
    assert standing.at > ahead.at


def test_undo_takes_back_one_vote_after_another(store: RatingStore) -> None:
    keep(store, vote("i-1", "left", second=1))
    keep(store, vote("i-2", "left", second=2))
    keep(store, vote("i-1", "tie", second=3))
    keep(store, vote("i-1", "right", rater="ben", second=9))
    assert store.undo("t", "anna") == "i-1"
    assert store.of("t", "anna")["i-1"].choice == "left"
    assert store.undo("t", "anna") == "i-2"
    assert store.undo("t", "anna") == "i-1"
    assert store.undo("t", "anna") is None
    assert store.undo("other", "ben") is None
    assert [rating.rater for rating in store.all()] == ["ben"]


def test_any_comment_comes_back_as_it_was(store: RatingStore) -> None:
    comment = "'; DROP TABLE vote; -- \x00 \ud800 \u202e 中\r\n"
    keep(store, vote(comment=comment))
    assert store.all()[0].comment == comment


def test_many_raters_at_once_lose_nothing(store: RatingStore) -> None:
    votes = [vote(f"i-{number}", rater=rater) for number in range(15) for rater in ("anna", "ben", "cy", "di")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: RatingStore(store.path).put_now(one), votes))
    assert {rating.key for rating in store.all()} == {one.key for one in votes}
    assert _rows(store) == len(votes)


def test_a_kill_loses_no_vote_that_was_kept(store: RatingStore) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ftlab.evaluation.blind.sheet import Rating, open_marks\n"
        "from ftlab.evaluation.blind.store import RatingStore\n"
        "store = RatingStore(Path(sys.argv[1]))\n"
        "for number in range(100_000):\n"
        "    store.put_now(Rating('t', 'anna', f'i-{number}', 'tie', open_marks(), '', '2026-01-01T00:00:00+00:00'))\n"
        "    print(number, flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(store.path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        told = [process.stdout.readline() for _ in range(5)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.readlines()
    kept = {rating.item for rating in RatingStore(store.path).all()}
    assert {f"i-{line.strip()}" for line in told} <= kept
    assert len(told) >= 5


def test_a_files_votes_are_merged_once(store: RatingStore, tmp_path: Path) -> None:
    keep(store, vote("i-1", "left", second=1))
    keep(store, vote("i-2", "left", second=9))
    file = _file(
        tmp_path / "anna.json", vote("i-1", "tie", second=5), vote("i-2", "tie", second=5), vote("i-3", second=5)
    )
    assert _merge(store, file) == Merged(added=1, replaced=1, unchanged=1)
    before = store.all()
    assert _merge(store, file) == Merged(unchanged=3)
    assert store.all() == before
    assert {rating.item: rating.choice for rating in before} == {"i-1": "tie", "i-2": "left", "i-3": "left"}


def test_a_merged_vote_that_was_taken_back_does_not_return_with_its_file(store: RatingStore, tmp_path: Path) -> None:
    file = _file(tmp_path / "anna.json", vote(second=5))
    _merge(store, file)
    store.undo("t", "anna")
    assert _merge(store, file) == Merged(unchanged=1)
    assert store.all() == []


def test_times_of_different_zones_are_compared_as_moments(store: RatingStore, tmp_path: Path) -> None:
    keep(store, replace(vote(), at="2026-01-01T12:00:00+00:00"))
    later = replace(vote(choice="tie"), at="2026-01-01T07:00:01-05:00")
    assert _merge(store, _file(tmp_path / "a.json", later)) == Merged(replaced=1)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda text: text[: len(text) // 2], "is no whole JSON file"),
        (lambda text: "", "is no whole JSON file"),
        (lambda text: '{"rows": []}', "must be a file of ratings"),
        (lambda text: text.replace('"test": "t"', '"test": "u"', 1), "rating 1: belongs to another test"),
        (lambda text: text.replace('"i-2"', '"i-99"'), "rating 2: is about the item i-99"),
        (lambda text: text.replace('"rater": "anna"', '"rater": "eve"'), "`rater` must be one of anna, ben"),
        (lambda text: text.replace('"tie"', '"both"'), "rating 2: `choice` must be left, right or tie"),
        (lambda text: text.replace('"comment": ""', '"comment": 7', 1), "`comment` must be text"),
    ],
)
def test_a_faulty_file_is_refused_and_nothing_of_it_is_merged(
    store: RatingStore, tmp_path: Path, spoil: Callable[[str], str], why: str
) -> None:
    file = _file(tmp_path / "anna.json", vote("i-1", second=1), vote("i-2", "tie", second=1))
    spoiled = spoil(file.read_text())
    assert spoiled != file.read_text()
    file.write_text(spoiled)
    merged = _merge(store, file)
    assert why in "\n".join(map(str, merged.refused))
    assert str(file) in str(merged.refused[0])
    assert (merged.added, merged.replaced, merged.unchanged) == (0, 0, 0)
    assert store.all() == []


def test_a_merge_that_breaks_off_leaves_nothing(
    store: RatingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _file(tmp_path / "anna.json", *(vote(f"i-{number}", second=1) for number in range(4)))
    from ftlab.evaluation.blind import store as module

    real = module._keep

    def failing(base: Any, rating: Rating) -> str:
        if rating.item == "i-3":
            raise KeyboardInterrupt
        return real(base, rating)

    monkeypatch.setattr(module, "_keep", failing)
    with pytest.raises(KeyboardInterrupt):
        _merge(store, file)
    assert store.all() == []


def test_links_cannot_be_guessed_and_stay_the_same(store: RatingStore) -> None:
    first = store.raters(["anna", "ben"])
    again = RatingStore(store.path).raters(["ben", "anna", "cy"])
    assert again[:2] == first[::-1]
    tokens = {rater.token for rater in again} | {rater.form for rater in again}
    assert len(tokens) == 6
    assert all(len(token) >= 32 for token in tokens)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "ratings.sqlite"
    foreign.write_text("rater,item,choice\n" * 100)
    with pytest.raises(
        InputError, match=r"ratings\.sqlite: can't be used as a store of ratings: file is not a database"
    ):
        RatingStore(foreign)
    assert foreign.read_text().startswith("rater,item")


def test_a_store_of_a_newer_version_is_refused(store: RatingStore) -> None:
    base = sqlite3.connect(store.path)
    base.execute("PRAGMA user_version = 7")
    base.close()
    with pytest.raises(InputError, match="must be of version 1 at most, but is of version 7"):
        RatingStore(store.path)
