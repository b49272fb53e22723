"""What a finished run proposes to type next."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ftlab.stage.conclude import _next_commands
from tests.config.composition import composed


class _Encoded(list[str]):
    """Rows that were all kept when they were encoded."""

    @property
    def row_ids(self) -> np.ndarray:
        return np.arange(len(self))


def _proposed(folder: Path, *, test: list[str]) -> dict[str, str]:
    inputs: Any = SimpleNamespace(test=_Encoded(test), validation=[], rows=SimpleNamespace(test=test, validation=[]))
    record: Any = SimpleNamespace(wandb=None, place=SimpleNamespace(folder=folder))
    cfg = composed("offline=true", "output_dir=x")
    return _next_commands(cfg, inputs, record, folder / "adapter", has_forgotten=False)


@pytest.mark.parametrize(
    ("folder", "typed"), [("one", "run=one"), ("my run", "'run=my run'"), ("研究", "'run=\"研究\"'")]
)
def test_people_can_be_asked_about_a_run_that_holds_rows_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, typed: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _proposed(Path(folder), test=["row"])["let people judge"] == f"python -m ftlab task=compare {typed}"
    assert "let people judge" not in _proposed(Path(folder), test=[])


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ([], "python -m ftlab -m method=full,lora,qlora"),
        (
            ["method=lora", "data.path=my rows.jsonl", "resume=auto", "hydra.run.dir=x"],
            "python -m ftlab 'data.path=my rows.jsonl' -m method=full,lora,qlora",
        ),
        (["-m", "method=lora,full", "seed=1"], "python -m ftlab seed=1 -m method=full,lora,qlora"),
    ],
)
def test_what_was_typed_stays_in_what_is_proposed(
    monkeypatch: pytest.MonkeyPatch, typed: list[str], shown: str
) -> None:
    monkeypatch.setattr("sys.argv", ["ftlab", *typed])
    assert _proposed(Path("one"), test=[])["compare methods"] == shown
