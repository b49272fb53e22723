"""The record of a run as it opens: what was decided for the user is said, and stands in the card."""

import json
import logging
from pathlib import Path

import pytest

from ftlab.stage.prepare import prepare
from ftlab.stage.record import Record
from tests.config.composition import composed


def test_what_was_decided_is_said_and_stands_in_the_card(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mine.jsonl"
    made = [{"question": f"What does box {n} cost?", "answer": f"Box {n} costs {n * 3} euros."} for n in range(20)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in [*made, made[0]]))
    cfg = composed(
        f"data.path={path}", f"output_dir={tmp_path / 'run'}", "trainer=cpu", "offline=true", "logger=none",
        "data.cache=null",
    )  # fmt: skip
    with caplog.at_level(logging.INFO), Record(cfg, prepare(cfg)):
        pass
    said = [record.getMessage() for record in caplog.records if record.name == "ftlab.stage.record"]
    assert any("`instruction` is read from `question`" in line for line in said)
    assert any(line.startswith("No validation file: ") for line in said)
    assert any(line.startswith("Checked 21 rows: all are used, warnings: ") and "FT201" in line for line in said)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["notes"] == said
