"""The shapes that data takes on its way to the model: `Row`, `SpannedRow`, `EncodedRow`, `MicroBatch`.

Only types live here. `source` makes rows, `chat` encodes them, `pack` lays them into micro-batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Layout = Literal["packed", "padded"]
"""How rows share a forward pass: end to end in one sequence, or one below the other with padding."""

IGNORED = -100
"""The target of a position that carries no loss (the value that `cross_entropy` leaves out)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: `system`, `user`, `assistant` or `tool`.
        content: The text.
        reasoning: What an answer thinks before it speaks, where the row keeps it apart from `content`; else empty.
        tool_calls: JSON text of the list of calls that an answer makes, as the row holds them; empty where there are
            none.
        name: The function whose result a `tool` turn is, where the row says so; else empty.
        call_id: The id of the call whose result a `tool` turn is, where the row says so; else empty.
    """

    role: str
    content: str
    reasoning: str = ""
    tool_calls: str = ""
    name: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One example as the user wrote it: a conversation, or plain text.

    Attributes:
        id: Its number in the data set, counted over all files from 0; never reused, so that logs can name it.
        origin: Where it stands, as `file:line`.
        messages: The turns, the last one the answer; empty for plain text.
        text: Plain text; empty for a conversation.
        tools: JSON text of the list of functions that the answers may call; empty where there are none.
        source: The name of the source that it comes from, where a run mixes several (`data.mix`); else empty.
    """

    id: int
    origin: str
    messages: tuple[Message, ...] = ()
    text: str = ""
    tools: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class SpannedRow:
    """A row as token ids on its way into a file: plain numbers, no tensors.

    Attributes:
        id: The row's number; the parts of a row that was split share it.
        ids: Token ids.
        spans: First token and end (exclusive) of each stretch that carries loss, in order, without overlap.
    """

    id: int
    ids: Sequence[int]
    spans: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def targets_count(self) -> int:
        """Tokens of this row that carry loss (the first token never does: nothing predicts it)."""
        return sum(max(end - max(start, 1), 0) for start, end in self.spans)

    def encoded(self) -> "EncodedRow":
        """The same row as tensors."""
        supervised = torch.zeros(len(self.ids), dtype=torch.bool)
        for start, end in self.spans:
            supervised[start:end] = True
        return EncodedRow(self.id, torch.tensor(self.ids, dtype=torch.int64), supervised)


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row as token ids.

    Attributes:
        id: The row's number.
        ids: Token ids, shape [T], int64.
        supervised: Whether token t is a target of the loss, shape [T], bool.
    """

    id: int
    ids: Tensor
    supervised: Tensor

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    @property
    def targets_count(self) -> int:
        """Tokens of this row that carry loss (the first token never does: nothing predicts it)."""
        return int(self.supervised[1:].sum())


@dataclass(slots=True)
class MicroBatch:
    """Rows of one forward pass. Shape letters: B sequences, T tokens a sequence, R rows.

    Attributes:
        input_ids: [B, T] int64. Packed: B = 1, the rows stand end to end. Padded: a row a line, padding on the right.
        position_ids: [B, T] int64, counted from 0 in each row.
        targets: [B, T] int64. The next token of the same row where it is supervised, else `IGNORED`.
        row_ids: Which rows these are, in order.
        cu_seqlens: Packed: [R + 1] int32, where each row begins and the last one ends. Padded: None.
        max_row_tokens: Length of the longest row.
        attention_mask: Padded: [B, T] int64, 1 on tokens, 0 on padding. Packed: None.
    """

    input_ids: Tensor
    position_ids: Tensor
    targets: Tensor
    row_ids: tuple[int, ...]
    cu_seqlens: Tensor | None
    max_row_tokens: int
    attention_mask: Tensor | None

    def to(self, device: torch.device | str) -> "MicroBatch":
        """Returns the same rows on `device` (copied without waiting where the host memory is pinned)."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return replace(
            self,
            input_ids=move(self.input_ids),
            position_ids=move(self.position_ids),
            targets=move(self.targets),
            cu_seqlens=None if self.cu_seqlens is None else move(self.cu_seqlens),
            attention_mask=None if self.attention_mask is None else move(self.attention_mask),
        )
