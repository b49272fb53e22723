"""Logs how much memory a step took: what tensors and the allocator held on a GPU, the process's own on a CPU."""

import resource
import sys
from pathlib import Path
from typing import Any

import psutil
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ftlab import logger, metric

_STATUS = Path("/proc/self/status")


class MemoryLog(Callback):
    """Logs each step's memory and keeps the highest of the run, evaluation included.

    Attributes:
        peak_bytes: The highest so far. GPU: bytes in tensors. CPU: resident memory of the process since it began.
        peak_reserved_bytes: GPU: the highest that the allocator held. CPU: 0.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self.peak_reserved_bytes = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Begins a new measurement for the step."""
        device = pl_module.device
        if device.type == "cuda":
            self._note(device)
            torch.cuda.reset_peak_memory_stats(device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs the step."""
        device = pl_module.device
        if device.type == "cuda":
            peak_bytes, reserved_bytes = self._note(device)
            values = {metric.MEMORY_PEAK_BYTES: peak_bytes, metric.MEMORY_RESERVED_BYTES: reserved_bytes}
        else:
            self._note(device)
            resident_bytes = psutil.Process().memory_info().rss
            self.peak_bytes = max(self.peak_bytes, resident_bytes)  # the kernel counts its own peak less exactly
            values = {metric.MEMORY_PEAK_BYTES: resident_bytes}
        logger.log(trainer, values, trainer.global_step)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes evaluation into the peak of the run."""
        self._note(pl_module.device)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes what came after the last step into the peak of the run."""
        self._note(pl_module.device)

    def _note(self, device: torch.device) -> tuple[int, int]:
        """Takes what is the highest by now into the peaks; returns it: of tensors, and held by the allocator."""
        if device.type != "cuda":
            found = peak_resident_bytes(), 0
        else:
            counters = torch.cuda.memory_stats(device)  # once: it takes a good part of a millisecond
            found = counters["allocated_bytes.all.peak"], counters["reserved_bytes.all.peak"]
        self.peak_bytes = max(self.peak_bytes, found[0])
        self.peak_reserved_bytes = max(self.peak_reserved_bytes, found[1])
        return found


def peak_resident_bytes() -> int:
    """Returns the highest resident memory of this process since it began, in bytes."""
    if _STATUS.exists():  # on Linux the other source starts from what the parent process had
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes
