"""A run neither overwrites another nor goes on with other settings."""

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ftlab.problem import InputError
from ftlab.stage.place import Place, check_place, find_place
from tests.config.composition import composed


def _card(folder: Path, *overrides: str, **content: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = OmegaConf.to_container(composed(f"output_dir={folder}", *overrides), resolve=True)
    card = {"format": 1, "status": "interrupted", "attempt": 1, "config": config, **content}
    (folder / "run.json").write_text(json.dumps(card))


def test_new_folder_begins(tmp_path: Path) -> None:
    place = find_place(composed(f"output_dir={tmp_path}"))
    assert place == Place(tmp_path, attempt=1, checkpoint=None)


def test_resume_counts_attempts(tmp_path: Path) -> None:
    _card(tmp_path)
    assert find_place(composed(f"output_dir={tmp_path}", "resume=auto")).attempt == 2


def test_resume_of_a_finished_run_says_so(tmp_path: Path) -> None:
    _card(tmp_path, status="done", metrics={"val_loss": 0.5})
    place = find_place(composed(f"output_dir={tmp_path}", "resume=auto"))
    assert (place.is_done, place.val_loss) == (True, 0.5)


def test_resume_with_other_settings_is_refused_by_key(tmp_path: Path) -> None:
    _card(tmp_path)
    with pytest.raises(InputError, match=r"method\.r: must be 16, as when the run began, but is 8\."):
        find_place(composed(f"output_dir={tmp_path}", "resume=auto", "method.r=8"))


def test_resume_with_other_loggers_is_fine(tmp_path: Path) -> None:
    _card(tmp_path)
    changed = ("resume=auto", "logger=none", "training.micro_batch_tokens=512", "evaluation=none")
    assert find_place(composed(f"output_dir={tmp_path}", *changed)).attempt == 2


def test_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="resume: must be never, auto or the folder of a whole checkpoint"):
        find_place(composed(f"output_dir={tmp_path}", f"resume={tmp_path / 'step-000001'}"))


def test_changed_rows_are_refused(tmp_path: Path) -> None:
    from ftlab.callbacks.checkpoint_folder import Saved

    place = Place(tmp_path, attempt=2, checkpoint=Saved(tmp_path, 3, None, {"data_sha256": "a"}))
    check_place(place, "a")
    with pytest.raises(InputError, match=r"data\.path: must be the rows that the run began with"):
        check_place(place, "b")
