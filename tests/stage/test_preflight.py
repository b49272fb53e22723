"""The preflight of masks in a run: an encoder that is broken stops it, and the message names the rows and says why."""

import json
from pathlib import Path

import pytest

from ftlab.data.chat import Encoder
from ftlab.data.row import SpannedRow
from ftlab.problem import InputError
from ftlab.stage.prepare import prepare
from tests.config.composition import composed


def _refused(folder: Path) -> str:
    rows = folder / "mine.jsonl"
    records = [{"instruction": f"Name fee {number}.", "output": f"{number} euros."} for number in range(12)]
    rows.write_text("".join(json.dumps(record) + "\n" for record in records))
    settings = [f"data.path={rows}", f"output_dir={folder / 'run'}", "trainer=cpu", "offline=true", "data.cache=null"]
    with pytest.raises(InputError) as caught:
        prepare(composed(*settings))
    return str(caught.value)


@pytest.mark.parametrize(
    ("moved", "code", "why"),
    [
        ((0, -1), "FT502", "no stop token carries loss"),
        ((-1, 0), "FT504", "carries loss, but is the end of the prompt"),
        ((1, 0), "FT505", "the loss begins behind"),
    ],
    ids=["stop left out", "prompt leaked", "beginning cut"],
)
def test_broken_encoder_stops_the_run(
    moved: tuple[int, int], code: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = Encoder._encoded

    def broken(self: Encoder, *arguments: object) -> SpannedRow:
        row = encoded(self, *arguments)  # type: ignore[arg-type]
        ((start, end),) = row.spans
        return SpannedRow(row.id, row.ids, ((start + moved[0], end + moved[1]),))

    monkeypatch.setattr(Encoder, "_encoded", broken)
    said = _refused(tmp_path)
    assert "mine.jsonl:1: " in said
    assert why in said
    assert f"[{code}]" in said


@pytest.mark.parametrize("train_on", ["answer", "each"])
def test_cut_answers_are_not_taken_for_broken_masks(train_on: str, tmp_path: Path) -> None:
    rows = tmp_path / "mine.jsonl"
    answers = ["Yes.", "The fee is four euros a month. " * 20]
    turns = [[("user", "One?"), ("assistant", "First."), ("user", "Two?"), ("assistant", answer)] for answer in answers]
    records = [{"messages": [{"role": role, "content": text} for role, text in row]} for row in turns]
    rows.write_text("".join(json.dumps(record) + "\n" for record in records))
    inputs = prepare(
        composed(
            "data=messages", f"data.path={rows}", f"data.train_on={train_on}", "data.long_rows=truncate",
            "training.max_row_tokens=90", "data.validation_fraction=0", f"output_dir={tmp_path / 'run'}",
            "trainer=cpu", "offline=true", "data.cache=null",
        )
    )  # fmt: skip
    assert inputs.train.lengths.max() == 90
