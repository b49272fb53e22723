"""Which rows `data.replay` means."""

from pathlib import Path

import pytest

from ftlab.data.source import read_rows
from ftlab.problem import InputError
from ftlab.stage.replay import replay_of
from tests.config.composition import composed

GENERAL = Path(__file__).parents[2] / "ftlab" / "evaluation" / "general"


def replayed(settings: str, *overrides: str) -> object:
    return replay_of(composed(f"data.replay={settings}", "output_dir=runs/x", *overrides))


def test_embedded_models_rows_are_known_by_auto() -> None:
    found = replayed("{path: auto, share: 0.1}")
    assert found == {"path": str(GENERAL / "replay.jsonl"), "format": "messages", "share": 0.1}


def test_own_rows_stay_what_they_are() -> None:
    assert replayed("{path: mine.jsonl, share: 0.1}") == {"path": "mine.jsonl", "share": 0.1}


@pytest.mark.parametrize("settings", ["null", "{path: auto, share: 0}", "{path: nowhere.jsonl, share: 0.0}"])
def test_nothing_is_replayed_where_nothing_is_asked_for(settings: str) -> None:
    assert replayed(settings) is None


@pytest.mark.parametrize("override", ["model=llama3-8b", "model.weights=random"])
def test_other_models_name_rows_of_their_own(override: str) -> None:
    with pytest.raises(InputError) as refused:
        replayed("{path: auto, share: 0.1}", override)
    (problem,) = refused.value.problems
    assert problem.where == "data.replay.path"
    assert "data.replay.path=general.jsonl" in problem.fix


def test_replayed_rows_are_not_what_forgetting_is_measured_by() -> None:
    def asked(name: str, row_format: str) -> set[str]:
        rows = read_rows(str(GENERAL / name), row_format=row_format)
        return {next(turn.content for turn in row.messages if turn.role != "system") for row in rows}

    replay = asked("replay.jsonl", "messages")
    assert len(replay) == 300
    assert (GENERAL / "replay.jsonl").stat().st_size < 130_000
    assert not replay & (asked("talks.jsonl", "messages") | asked("probe.jsonl", "prompt-completion"))
