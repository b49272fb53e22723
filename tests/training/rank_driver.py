"""One rank of a run on two, in a process of its own; it leaves what it saw in a file."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ftlab.callbacks.checkpoint import Checkpoint
from ftlab.data.row import MicroBatch
from ftlab.training.loss import sum_nll
from ftlab.training.step import RowTooLargeError
from ftlab.training.strategy import StepReducedDDP
from tests.training.toy import PlainMethod, run_toy, toy_model, toy_module, toy_rows

CASES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "fewer rows than ranks": {"batch_rows": 1},
    "out of memory on one rank": {"limit": 20},
    "never fits on one rank": {"limit": 0},
    "unused weight, and a term of the method": {"unused": True},
}


class Pulling(PlainMethod):
    """Adds Σ w² to the loss."""

    def extra_loss(self, model: nn.Module) -> Tensor:
        return sum((p**2).sum() for p in model.model.parameters())  # type: ignore[return-value, union-attr]


def run(case: str, folder: Path, rank: int | None) -> dict[str, Any]:
    """Runs a case, on two ranks or, with None, alone."""
    settings = CASES[case]

    def nll(model: nn.Module, micro: MicroBatch) -> Tensor:
        if rank == 1 and model.training and micro.input_ids.numel() > settings.get("limit", 10_000):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return sum_nll(model, micro)

    model = toy_model()
    if settings.get("unused"):
        model.unused = nn.Parameter(torch.ones(4))
    if rank == 1:  # ranks begin with the same weights, whatever they were before
        for parameter in model.parameters():
            parameter.data.add_(1.0)
    method = Pulling() if settings.get("unused") else PlainMethod()
    module = toy_module(model, nll=nll, method=method)
    several = {} if rank is None else {"devices": 2, "strategy": StepReducedDDP(process_group_backend="gloo")}
    checkpoint = Checkpoint(folder=folder / "checkpoints", every_steps=2, eval_every_steps=2, keep=9)
    try:
        recorder, _ = run_toy(
            folder,
            module,
            rows=toy_rows(24),
            batch_rows=settings.get("batch_rows", 8),
            callbacks=[checkpoint],
            **several,  # type: ignore[arg-type]
        )
    except RowTooLargeError as error:
        return {"error": str(error)}
    return {
        "losses": recorder.losses,
        "norms": recorder.norms,
        "validations": recorder.validations,
        "rows": recorder.rows,
        "weights": {name: tensor.clone() for name, tensor in module.state_dict().items()},
        "budget": module.runner.micro_batch_tokens,
        "tokens": module.last_step.tokens,
    }


def main(case: str, folder: Path, rank: int, port: int) -> None:
    """Takes a rank's place, as a launcher would set it."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    os.environ.update(LOCAL_RANK=str(rank), NODE_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.save(run(case, folder, rank), folder / f"rank{rank}.pt")
