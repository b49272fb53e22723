"""Finds what `run=` names, and what it was started with.

In: a path and what was typed. Out: a `Trained`: an adapter or a whole model, with the run's card and overrides where it
is a run of ftlab. Reads no weights.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf
from transformers import PretrainedConfig

from ftlab.config.explain import key_of
from ftlab.method.saved import CONFIG, adapter_config, check_adapter
from ftlab.model.load import embedded_path
from ftlab.problem import InputError, Problem, raise_all
from ftlab.report.card import FILE, read_card
from hydra_plugins.hydra_ftlab_hub import rooted

RUN = "run"
ADAPTER, MODEL = "adapter", "model"
"""Where the result lies in the run folder: an adapter, or a whole model."""

_SHAPE = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size")


@dataclass(frozen=True, slots=True)
class Trained:
    """What was trained.

    Attributes:
        folder: What was named.
        result: Where the adapter or the model lies.
        kind: Which of the two it is.
        card: The run's card; empty where it is no run of ftlab.
        overrides: What the run was started with, or what stands for it.
        config_name: The primary configuration.
        started_in: The folder that the run was started from: its relative paths begin there. None = not known.
    """

    folder: Path
    result: Path
    kind: Literal["adapter", "model"]
    card: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    config_name: str = "config"
    started_in: Path | None = None


def find_trained(run: str | None, typed: Sequence[str]) -> Trained:
    """Finds out what a path is.

    Args:
        run: `run=`.
        typed: The overrides of this command.

    Returns:
        What was trained.

    Raises:
        InputError: Nothing that was trained is there, or its base isn't known.
    """
    fix = "Add run=runs/<date>/<time>-train-..., an adapter's folder or a model's."
    if run is None:
        raise InputError([Problem(RUN, "must name what was trained, but is null.", fix)])
    folder = Path(run).expanduser().absolute()
    if not folder.is_dir():
        raise InputError([Problem(RUN, f"must be a folder, but '{run}' is {_what(folder)}.", fix)])
    inside = folder.name in (ADAPTER, MODEL) and (folder.parent / FILE).is_file()
    if inside or (folder / FILE).is_file():
        return _run(folder.parent if inside else folder, run)
    if (folder / CONFIG).is_file():
        return _adapter(folder, typed)
    if (folder / "config.json").is_file():
        return _model(folder, typed)
    what = f"must hold a run ({FILE}), an adapter ({CONFIG}) or a model (config.json), but '{run}' holds none of them."
    raise InputError([Problem(RUN, what, fix)])


def same_model(tuned: PretrainedConfig, base: PretrainedConfig, folder: Path, name: str) -> list[Problem]:
    """Compares the shapes of two whole models: only alike ones read the same tokens.

    Args:
        tuned: The config of what was trained.
        base: The base's.
        folder: Where the trained one lies.
        name: The base as the user knows it.

    Returns:
        At most one problem.
    """
    one, other = tuned.get_text_config(), base.get_text_config()
    found = {key: (getattr(one, key, None), getattr(other, key, None)) for key in _SHAPE}
    misfits = [f"{key} is {mine} there and {its} here" for key, (mine, its) in found.items() if mine != its]
    if not misfits:
        return []
    what = f"must be the base that '{folder}' was trained from, but {name} isn't: {', '.join(misfits)}."
    return [Problem("model", what, "Name it with model=..., or model=custom model.path=...")]


def _run(folder: Path, run: str) -> Trained:
    """The folder of a run of ftlab."""
    card = _card(folder)
    result = next((folder / name for name in (ADAPTER, MODEL) if (folder / name).is_dir()), None)
    overrides, config_name, started_in = _stored(folder)
    task = card["config"].get("task", {}).get("name")
    if task != "train":
        what = f"must be the folder of a training run, but '{run}' is that of task={task}."
        of = card.get("trained", {}).get("run")
        raise InputError([Problem(RUN, what, f"What it measured is {RUN}={of}" if of else "")])
    if result is None:
        raise InputError([_unfinished(folder, card, overrides)])
    kind: Literal["adapter", "model"] = "adapter" if result.name == ADAPTER else "model"
    raise_all(_incomplete(result, kind))
    return Trained(folder, result, kind, card, tuple(overrides), config_name, started_in)


def _adapter(folder: Path, typed: Sequence[str]) -> Trained:
    """An adapter from elsewhere: its base is named now, or lies where the adapter says."""
    raise_all(check_adapter(folder, RUN))
    overrides = ["method=lora"]  # stands for whichever it is: brings a base that isn't quantised
    if not _names(typed, "model"):
        base = str(adapter_config(folder).get("base_model_name_or_path") or "")
        if not base or not Path(base).is_dir():
            what = f"must be named, because the adapter's base is '{base}', which is no folder here."
            raise InputError([Problem("model", what, f"Add model=custom model.path={base or '...'}")])
        is_embedded = Path(base).resolve() == embedded_path().resolve()
        overrides += ["model=tiny"] if is_embedded else ["model=custom", f"model.path={_quoted(base)}"]
    return Trained(folder, folder, "adapter", overrides=tuple(overrides))


def _model(folder: Path, typed: Sequence[str]) -> Trained:
    """A whole model from elsewhere: nothing in it names its base."""
    raise_all(_incomplete(folder, "model"))
    if not _names(typed, "model"):
        what = f"must be named, because '{folder}' holds a whole model, which doesn't say what it was trained from."
        raise InputError([Problem("model", what, "Add model=..., or model=custom model.path=...")])
    return Trained(folder, folder, "model", overrides=("method=full",))


def _card(folder: Path) -> dict[str, Any]:
    try:
        card = read_card(folder)
        if card is None or not isinstance(card["config"], dict):
            raise KeyError("config")
    except KeyError as error:
        what = f"must be a run of ftlab, but '{folder / FILE}' has no {error}."
        raise InputError([Problem(RUN, what)]) from error
    except (ValueError, OSError) as error:  # cut off, or of a newer ftlab
        raise InputError([Problem(RUN, f"can't be read: {folder / FILE}: {error}.".replace("..", "."))]) from error
    return card


def _stored(folder: Path) -> tuple[list[str], str, Path | None]:
    """What the run was started with, as Hydra wrote it down: the overrides, the primary configuration, and where."""
    hydra = folder / ".hydra"
    missing = [name for name in ("overrides.yaml", "hydra.yaml") if not (hydra / name).is_file()]
    if missing:
        what = f"must be a whole run folder, but '{hydra}' lacks {' and '.join(missing)}."
        raise InputError([Problem(RUN, what, "Copy the hidden folder too, or name the adapter's folder elsewhere.")])
    try:
        overrides = [str(word) for word in OmegaConf.load(hydra / "overrides.yaml")]
        own = OmegaConf.load(hydra / "hydra.yaml").hydra
        began = OmegaConf.select(own, "runtime.cwd")
        started_in = Path(began) if began else None
        if started_in and started_in != Path.cwd():  # model=./folder means what it meant there
            overrides = [rooted(word, started_in) for word in overrides]
        return overrides, str(own.job.config_name), started_in
    except Exception as error:  # of the file system, of YAML, of OmegaConf: all mean that the folder isn't whole
        what = f"must be a whole run folder, but '{hydra}' can't be read: {str(error).splitlines()[0]}."
        raise InputError([Problem(RUN, what, "Copy the hidden folder again.")]) from error


def _unfinished(folder: Path, card: Mapping[str, Any], overrides: Sequence[str]) -> Problem:
    """What to type for a run that has no result yet."""
    status = card.get("status", "running")
    kept = [word for word in overrides if key_of(word) not in ("resume", "output_dir")]
    command = shlex.join(["python", "-m", "ftlab", *kept, "resume=auto", f"hydra.run.dir={folder}"])
    why = f" ({card['error']})" if "error" in card else ""
    what = f"must hold a result, but '{folder}' has neither {ADAPTER} nor {MODEL}: the run's status is {status}{why}."
    return Problem(RUN, what, f"To go on with it: {command}")


def _incomplete(folder: Path, kind: Literal["adapter", "model"]) -> Iterator[Problem]:
    if kind == "adapter":
        yield from check_adapter(folder, RUN)
    elif not (folder / "config.json").is_file() or not _weights(folder):
        what = f"must hold a whole model, but '{folder}' lacks config.json or files of weights that it lists."
        yield Problem(RUN, what, "Copy the whole folder again.")


def _weights(folder: Path) -> bool:
    """Whether all files of weights are there."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return any(folder.glob("*.safetensors")) or any(folder.glob("pytorch_model*.bin"))
    try:
        files = set(json.loads(index.read_text())["weight_map"].values())
    except (ValueError, KeyError, AttributeError):
        return False
    return all((folder / name).is_file() for name in files)


def _names(typed: Sequence[str], group: str) -> bool:
    return any(key_of(word).partition(".")[0] == group for word in typed)


def _what(path: Path) -> str:
    return "a file" if path.is_file() else "not there"


def _quoted(text: str) -> str:
    """A value as Hydra's override grammar reads it back."""
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"
