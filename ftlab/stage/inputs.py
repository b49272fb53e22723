"""What a run starts from, once all of it is checked: rows, tokenizer, method, plan. Nothing of it holds weights."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch.optim import Optimizer
from transformers import PreTrainedTokenizerBase

from ftlab.data.chat import Encoder
from ftlab.data.encoded_store import StoredEncodedRows
from ftlab.data.epoch import EpochPart
from ftlab.data.row import Layout
from ftlab.data.source import Splits
from ftlab.memory.plan import Plan
from ftlab.method.method import Method
from ftlab.optimizer.schedule import Schedule
from ftlab.stage.general import GeneralRows
from ftlab.stage.place import Place


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run starts from; nothing of it holds weights.

    Attributes:
        place: The run's folder, and what the run goes on from.
        device: Where the model will be.
        precision: Lightning's name of the arithmetic: `bf16-mixed` or `32-true`.
        tokenizer: With padding token and chat template.
        stop_ids: Tokens at which an answer ends.
        encoder: Turns rows into ids; also makes the prompts of held-out questions.
        rows: The rows as the user wrote them.
        train: Encoded training rows.
        validation: Encoded validation rows.
        test: Encoded test rows.
        parts: What each source gives to an epoch.
        sources: What each source gives to the whole run, as plain data.
        data_sha256: Hash of all token ids and masks: changes with a row, the tokenizer or the template.
        total_steps: Optimizer steps of the whole run.
        eval_every_steps: Optimizer steps between held-out evaluations.
        checkpoint_every_steps: Optimizer steps between checkpoints.
        method: What is trained.
        layout: How rows share a forward pass.
        optimizer: The optimizer's class with its settings.
        schedule: Factor of the learning rate by step.
        plan: What memory the run is going to take; None where its model can't be planned.
        micro_batch_tokens: Tokens of a forward pass on one device, to begin with.
        notes: What was decided for the user, one sentence each.
        warnings: Those of the notes that put the result in doubt.
        general: What forgetting is measured by; None where it isn't.
        check: What became of every row and what the check found, as plain data.
    """

    place: Place
    device: torch.device
    precision: str
    tokenizer: PreTrainedTokenizerBase
    stop_ids: tuple[int, ...]
    encoder: Encoder
    rows: Splits
    train: StoredEncodedRows
    validation: StoredEncodedRows
    test: StoredEncodedRows
    parts: tuple[EpochPart, ...]
    sources: list[dict[str, Any]]
    data_sha256: str
    total_steps: int
    eval_every_steps: int
    checkpoint_every_steps: int
    method: Method
    layout: Layout
    optimizer: "partial[Optimizer]"
    schedule: Schedule
    plan: Plan | None
    micro_batch_tokens: int
    notes: list[str]
    warnings: list[str] = field(default_factory=list)
    general: GeneralRows | None = None
    check: dict[str, Any] = field(default_factory=dict)

    @property
    def pad_id(self) -> int:
        """The id that fills the places behind a row's end."""
        return int(self.tokenizer.pad_token_id)
