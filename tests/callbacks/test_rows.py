"""The rows of each step, each row once an epoch, also after a kill."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from ftlab.callbacks.rows import FILE, RowLog, read_rows
from tests.callbacks.watched import watch


def test_every_row_stands_in_the_step_that_it_was_trained_in(tmp_path: Path) -> None:
    watch(tmp_path, [RowLog(tmp_path)], steps=6)
    rows = read_rows(tmp_path / FILE)
    assert list(rows) == [1, 2, 3, 4, 5, 6]
    assert all(len(ids) == 8 for ids in rows.values())
    for epoch in (range(1, 4), range(4, 7)):
        assert sorted(sum((rows[step] for step in epoch), ())) == list(range(24))


@pytest.mark.parametrize("cut", ["", '5,"1 2', "5,1 2"])
def test_resume_drops_the_steps_after_the_checkpoint(tmp_path: Path, cut: str) -> None:
    watch(tmp_path, [RowLog(tmp_path)], steps=4)
    before = read_rows(tmp_path / FILE)
    with (tmp_path / FILE).open("a") as stream:
        stream.write(cut)
    RowLog(tmp_path).on_train_start(SimpleNamespace(is_global_zero=True, global_step=2), None)  # type: ignore[arg-type]
    assert read_rows(tmp_path / FILE) == {step: before[step] for step in (1, 2)}
    assert not list(tmp_path.glob(".*"))
