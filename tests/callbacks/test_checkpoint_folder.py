"""A checkpoint on disk: whole or not there."""

from pathlib import Path

import pytest
import torch

from ftlab.callbacks import checkpoint_folder
from ftlab.callbacks.checkpoint_folder import best_checkpoint, clean, find_checkpoint, prune, read, write
from ftlab.problem import InputError


def _write(folder: Path, step: int, val_loss: float | None = None) -> Path:
    path = folder / checkpoint_folder.folder_name(step)
    weights = {"w": torch.full((4,), float(step))}
    write(path, weights=weights, training={"global_step": step}, step=step, facts={"val_loss": val_loss, "seed": 1})
    return path


def test_read_gives_back_what_was_written(tmp_path: Path) -> None:
    weights, training = read(_write(tmp_path, 3))
    assert torch.equal(weights["w"], torch.full((4,), 3.0))
    assert training == {"global_step": 3}


def test_write_replaces_what_was_there(tmp_path: Path) -> None:
    _write(tmp_path, 3, val_loss=2.0)
    _write(tmp_path, 3, val_loss=1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000003"]
    assert find_checkpoint(tmp_path).val_loss == 1.0


def test_find_checkpoint_passes_over_what_is_not_whole(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    for step, name in ((4, "training.pt"), (5, "trainable.safetensors"), (6, "state.json")):
        path = _write(tmp_path, step) / name
        path.write_bytes(path.read_bytes()[:-5])
    (_write(tmp_path, 7) / "training.pt").unlink()
    assert find_checkpoint(tmp_path).step == 3
    clean(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000003"]


def test_find_checkpoint_without_any_gives_none(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path / "missing") is None
    assert best_checkpoint(tmp_path) is None


def test_steps_beyond_six_digits_are_still_the_newest(tmp_path: Path) -> None:
    for step in (999_999, 1_000_000):
        _write(tmp_path, step)
    assert find_checkpoint(tmp_path).step == 1_000_000


def test_prune_keeps_newest_and_best(tmp_path: Path) -> None:
    for step, val_loss in ((1, 3.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, None), (6, None)):
        _write(tmp_path, step, val_loss)
    prune(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000005", "step-000006"]


def test_read_refuses_what_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="resume: must be never, auto or the folder of a whole checkpoint, but is"):
        read(tmp_path / "step-000001")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:  # type: ignore[type-arg]
            return (exec, ("raise SystemExit",))

    folder = tmp_path / "step-000001"
    write(folder, weights={}, training={"bomb": Bomb()}, step=1, facts={})
    with pytest.raises(Exception, match="Weights only load failed"):
        read(folder)


def test_files_are_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    sync, rename = checkpoint_folder._sync, Path.rename
    monkeypatch.setattr(checkpoint_folder, "_sync", lambda path: (happened.append(f"sync {path.name}"), sync(path)))
    monkeypatch.setattr(
        Path, "rename", lambda path, target: (happened.append(f"rename {path.name}"), rename(path, target))[1]
    )
    _write(tmp_path, 1)
    files = ["sync trainable.safetensors", "sync training.pt", "sync state.json", "sync .unfinished-step-000001"]
    assert happened == [*files, "rename .unfinished-step-000001", f"sync {tmp_path.name}"]
