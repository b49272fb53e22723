"""Reads the loss curve while it grows, and warns as soon as it shows what later steps can't take back."""

import logging
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ftlab import metric
from ftlab.callbacks.result import StepResult
from ftlab.evaluation.curve.curve import Curve, Settings
from ftlab.evaluation.curve.diagnose import diagnose
from ftlab.evaluation.curve.finding import Diagnosis, Finding
from ftlab.logger.step import StepLogger

_log = logging.getLogger(__name__)

_COLUMNS = ("losses", "grad_norms", "learning_rates", "epochs", "tokens")
"""What is kept of each step, in this order; the first two come from the device."""


class CurveDoctor(Callback):
    """Diagnoses the curve every few steps and at the end; each kind of finding is said once, fatal ones to W&B, too.

    Values stay on the device until the curve is looked at: reading them waits for the device.

    Args:
        settings: What the run was set to, with its steps: overrides are computed from that.
        looks: How often the curve is looked at in a run; a finding must stand at two looks before it is said.
    """

    def __init__(self, settings: Settings, looks: int = 40) -> None:
        if looks < 1:
            raise ValueError(f"`callbacks.curve.looks` must be at least 1, but is {looks}.")
        self._settings = settings
        self._every_steps = max(1, (settings.total_steps or 1) // looks)
        self._pending: dict[int, tuple[Tensor, Tensor, tuple[float, ...]]] = {}
        self._rows: dict[int, tuple[float, ...]] = {}
        self._held_out: dict[int, float] = {}
        self._skipped = 0
        self._seen: set[str] = set()
        self._told: set[tuple[str, str]] = set()

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What the curve shows so far; None before the first step."""
        self._read()
        return diagnose(self._curve(), self._settings) if self._rows else None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Takes the step, and looks at the curve where it is time."""
        step: StepResult = pl_module.last_step  # type: ignore[assignment]
        epoch = trainer.datamodule.epoch_at(trainer.global_step)  # type: ignore[attr-defined]
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        norm = torch.full_like(step.loss, float("nan")) if step.grad_norm is None else step.grad_norm
        known = (float(rate), float(epoch), float(step.supervised_tokens))
        self._skipped = len(pl_module.skipped.rows)  # type: ignore[union-attr, arg-type]
        self._pending[trainer.global_step] = (step.loss.detach(), norm.detach(), known)
        if trainer.global_step % self._every_steps == 0:
            self._look(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the held-out loss."""
        if not trainer.sanity_checking and metric.VAL_LOSS in trainer.callback_metrics:
            self._held_out[trainer.global_step] = float(trainer.callback_metrics[metric.VAL_LOSS])

    def state_dict(self) -> dict[str, Any]:
        """The curve, which a resumed run goes on with."""
        self._read()
        known = {"rows": dict(self._rows), "held_out": dict(self._held_out), "skipped": self._skipped}
        return known | {"told": sorted(self._told)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the curve from a checkpoint."""
        self._rows, self._held_out = dict(state_dict["rows"]), dict(state_dict["held_out"])
        self._skipped = state_dict["skipped"]
        self._told = {tuple(told) for told in state_dict["told"]}

    def _look(self, trainer: Trainer) -> None:
        """Says what is new and sure."""
        found = self.diagnosis
        if found is None or not trainer.is_global_zero:
            return
        grave = [finding for finding in found.findings if finding.severity != "note"]
        for finding in grave:
            certain = finding.kind in self._seen or finding.kind == "non-finite"
            if certain and (finding.kind, finding.severity) not in self._told:
                self._tell(trainer, finding)
        self._seen = {finding.kind for finding in grave}

    def _tell(self, trainer: Trainer, finding: Finding) -> None:
        self._told.add((finding.kind, finding.severity))
        text = told(finding)
        _log.warning("The curve after step %d: %s", trainer.global_step, text)
        for run in trainer.loggers:
            if isinstance(run, StepLogger) and finding.severity == "fatal":
                run.alert(finding.title[:63], text, level="ERROR")

    def _curve(self) -> Curve:
        steps = sorted(self._rows)
        columns = [[self._rows[step][place] for step in steps] for place in range(len(_COLUMNS))]
        known: dict[str, Any] = dict(zip(_COLUMNS, columns, strict=True))
        return Curve(steps=steps, held_out=sorted(self._held_out.items()), skipped=self._skipped, **known)

    def _read(self) -> None:
        """Reads what the device has of the steps since the last time, with one wait."""
        pending, self._pending = self._pending, {}
        if pending:
            pairs = torch.stack([torch.stack([loss, norm.to(loss)]) for loss, norm, _ in pending.values()]).tolist()
            for (step, (_, _, known)), pair in zip(pending.items(), pairs, strict=True):
                self._rows[step] = (*pair, *known)


def told(finding: Finding) -> str:
    """Returns a finding as sentences: what, by which numbers, the likeliest cause, what to try."""
    cause = f" Likeliest cause: {finding.causes[0]}" if finding.causes else ""
    fix = f" Try: {finding.overrides[0]}" if finding.overrides else ""
    return f"{finding.title}. {finding.evidence}{cause}{fix}"
