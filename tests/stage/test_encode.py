"""Preparing by the configuration: mixes, long rows and the folder of prepared data."""

import json
from pathlib import Path

import pytest

from ftlab.problem import InputError
from ftlab.stage.encode import cache_folder
from ftlab.stage.inputs import Inputs
from ftlab.stage.prepare import prepare
from tests.config.composition import composed


def write(file: Path, count: int, word: str) -> Path:
    lines = [{"instruction": f"{word} {number}?", "input": "", "output": f"{word} " * 9} for number in range(count)]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file


def prepared(folder: Path, *overrides: str) -> Inputs:
    mine = write(folder / "mine.jsonl", 40, "mine")
    common = (f"output_dir={folder / 'run'}", "trainer=cpu", "offline=true", f"data.path={mine}")
    return prepare(composed(*common, *overrides))


def test_mix_and_replay_reach_epochs_steps_and_account(tmp_path: Path) -> None:
    more, general = write(tmp_path / "more.jsonl", 30, "more"), write(tmp_path / "general.jsonl", 90, "general")
    inputs = prepared(
        tmp_path,
        f"data.mix=[{{path:{more},weight:0.5}}]",
        f"data.replay={{path:{general},share:0.25}}",
        "training.epochs=2",
    )
    main = sum(row.source == "main" for row in inputs.rows.train)
    takes = {part.name: part.take for part in inputs.parts}
    assert takes == {"main": main, "more": 15, "replay": round((main + 15) / 3)}
    assert inputs.total_steps == 2 * -(-sum(takes.values()) // 16)
    assert [entry["source"] for entry in inputs.sources] == ["main", "more", "replay"]
    assert inputs.sources[0]["passes"] == pytest.approx(2.0)
    assert sum(entry["tokens"] for entry in inputs.sources) == int(inputs.train.lengths.sum())
    assert sum(note.startswith("Source ") for note in inputs.notes) == 3


def test_long_rows_are_treated_as_asked_and_said(tmp_path: Path) -> None:
    longest = int(prepared(tmp_path).train.lengths.max())
    inputs = prepared(tmp_path, "data.long_rows=truncate", f"training.max_row_tokens={longest - 2}")
    assert int(inputs.train.lengths.max()) == longest - 2
    assert any("data.long_rows=truncate" in note for note in inputs.notes)


def test_run_without_a_row_left_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.long_rows: must leave rows to train on.*FT607"):
        prepared(tmp_path, "data.long_rows=drop", "training.max_row_tokens=5")


def test_folder_of_prepared_data_is_the_one_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTLAB_CACHE", str(tmp_path / "from-environment"))
    assert cache_folder(composed()) == tmp_path / "from-environment"
    assert cache_folder(composed(f"data.cache={tmp_path / 'given'}")) == tmp_path / "given"
    assert cache_folder(composed("data.cache=null")) is None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FTLAB_CACHE", str(tmp_path / "file" / "below"))
    assert cache_folder(composed()) is None
    with pytest.raises(InputError, match=r"data\.cache: must be a folder that can be written"):
        cache_folder(composed(f"data.cache={tmp_path / 'file' / 'below'}"))
