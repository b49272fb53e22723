"""Opens what was trained: a run's folder, an adapter's or a model's, with base and tuned ready to be compared.

In: the configuration of this command. Out: an `OpenedRun`. What is missing or doesn't match is said before any weight
is loaded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch import nn

from ftlab.kernels.accelerate import restore
from ftlab.method.saved import adapter_layout, check_fit, load_adapter
from ftlab.model.check import check_model
from ftlab.model.load import build_skeleton, embedded_path, load_config
from ftlab.problem import InputError, Problem, raise_all
from ftlab.stage.inputs import Inputs
from ftlab.stage.load import accelerate, base_fingerprint, load_base
from ftlab.stage.prepare import prepare
from ftlab.stage.recall import recall, rooted
from ftlab.stage.source import load_model_config, model_source, plain
from ftlab.stage.trained import RUN, Trained, find_trained, same_model
from ftlab.training.memory import release


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """What was trained, and all that comparing it with its base needs.

    Attributes:
        cfg: The run's own configuration, with what was typed now on top.
        inputs: Its rows, tokenizer and device; nothing of it holds weights.
        trained: Where the result lies and what it is.
        notes: What has changed since, one sentence each; they are the first of `inputs.notes`, too.
    """

    cfg: DictConfig
    inputs: Inputs
    trained: Trained
    notes: list[str]

    @property
    def card(self) -> Mapping[str, Any]:
        """The run's card; empty where it isn't the folder of a run."""
        return self.trained.card

    def arms(self, *, base: bool = True) -> Iterator[tuple[str, nn.Module]]:
        """Yields the models one after the other: `base`, then `tuned`. Each is valid until the next one is asked for.

        An adapter is loaded once and switched off for the base. Of two whole models the first one's memory is freed
        before the second one is loaded.

        Args:
            base: Whether the base is wanted.

        Yields:
            Name and model, in evaluation mode on the run's device.
        """
        return self._adapter_arms(base) if self.trained.kind == "adapter" else self._model_arms(base)

    def _adapter_arms(self, base: bool) -> Iterator[tuple[str, nn.Module]]:
        model = load_adapter(load_base(self.cfg, self.inputs.device), self.trained.result)
        accelerate(self.cfg, model)
        try:
            if base:
                with model.disable_adapter():
                    yield "base", model
            yield "tuned", model
        finally:
            restore(model)

    def _model_arms(self, base: bool) -> Iterator[tuple[str, nn.Module]]:
        if base:
            first = load_base(self.cfg, self.inputs.device)
            yield "base", first
            first.to("meta")  # type: ignore[arg-type]  # frees its memory, also where the caller still holds it
            release(self.inputs.device)
        tuned = self.cfg.copy()
        tuned.model = {**self.cfg.model, "path": str(self.trained.result), "revision": None, "weights": "pretrained"}
        yield "tuned", load_base(tuned, self.inputs.device)


def open_run(cfg: DictConfig, overrides: Sequence[str] | None = None) -> OpenedRun:
    """Opens what `run=` names.

    Args:
        cfg: The configuration of this command.
        overrides: What was typed; None asks Hydra.

    Returns:
        The run, its own configuration composed again with what was typed on top.

    Raises:
        InputError: It holds nothing that was trained, its base doesn't match, or its rows can't be read.
    """
    typed = list(HydraConfig.get().overrides.task if overrides is None else overrides)
    trained = find_trained(cfg.run, typed)
    composed, notes = recall(trained, typed)
    problems = _base_problems(composed, trained)
    try:
        inputs = prepare(composed, trains=False)
    except InputError as error:
        raise InputError([*problems, *error.problems]) from error
    raise_all(problems)
    if trained.kind == "adapter" and adapter_layout(trained.result) == "padded":
        inputs = replace(inputs, layout="padded")
    notes += _data_notes(inputs, trained.card, typed)
    return OpenedRun(composed, replace(inputs, notes=[*notes, *inputs.notes]), trained, notes)


def _base_problems(cfg: DictConfig, trained: Trained) -> list[Problem]:
    """Whether the base is the one that the result was trained from, as far as it can be told without weights."""
    source, shape = model_source(cfg), plain(cfg.model.shape)
    if check_model(**source, weights=cfg.model.weights, shape=shape):
        return []  # said by `prepare`
    problems = list(_changed_base(cfg, trained))
    name = cfg.model.path or cfg.model.name
    config = load_model_config(cfg)
    if problems:
        return problems
    if trained.kind == "adapter":
        skeleton = build_skeleton(config, trust_remote_code=cfg.model.trust_remote_code)
        return check_fit(trained.result, skeleton, "model", name)
    own = load_config(path=str(trained.result), trust_remote_code=cfg.model.trust_remote_code)
    return same_model(own, config, trained.result, name)


def _changed_base(cfg: DictConfig, trained: Trained) -> Iterator[Problem]:
    """Compares the base's files with those that the run began with, or where they are on the hub their names."""
    card = trained.card
    began = card.get("model", {}).get("base_fingerprint")
    folder = Path(cfg.model.path) if cfg.model.path else embedded_path()
    now = base_fingerprint(folder) if cfg.model.weights == "pretrained" else None
    before, path = card.get("config", {}).get("model", {}).get("path"), cfg.model.path
    if began is not None and now is not None and began != now:
        what = f"must be the base that the run began with, but the weights in '{folder}' are others."
        yield Problem("model.path", what, f"Name the folder that holds the base of {card['model'].get('base')}.")
    elif card and (began is None or now is None) and path not in (before, rooted(before, trained.started_in)):
        what = f"must be {before}, the base that the run began with, but is {path}."
        yield Problem("model.path", what, f"Leave it out: {RUN}=... brings the run's own base.")


def _data_notes(inputs: Inputs, card: Mapping[str, Any], typed: Sequence[str]) -> list[str]:
    """Says where the rows aren't those of the run."""
    before = card.get("data", {}).get("sha256")
    if before in (None, inputs.data_sha256) or any(word.lstrip("+~").startswith("data") for word in typed):
        return []
    return ["The rows, the tokenizer or the chat template have changed since the run: its own numbers may differ."]
