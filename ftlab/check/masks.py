"""Preflight of the loss masks: what carries loss is what the model will have to write, and nothing else.

In: encoded rows and the rows they were made of. Out: findings FT501-FT506. Nothing here asks how a mask was made: what
can be seen on token ids is looked at for many rows at once, and what the supervised tokens say is `speech`'s to judge.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ftlab.check.finding import Finding
from ftlab.check.speech import Fault, Speech
from ftlab.data.render import TrainOn
from ftlab.data.row import EncodedRow, Row

_BATCH_ROWS = 1000
"""Rows looked at in one go: enough to keep a fast tokenizer's threads busy, few enough to hold."""


def check_masks(
    encoded: Iterable[EncodedRow],
    rows: Iterable[Row],
    *,
    tokenizer: PreTrainedTokenizerBase,
    stop_ids: Collection[int],
    pad_id: int,
    train_on: TrainOn,
) -> list[Finding]:
    """Proves the loss masks of all rows, or says which ones are wrong and why.

    Args:
        encoded: What is trained on.
        rows: The row that each of `encoded` was made of, in the same order.
        tokenizer: Made the ids; has the chat template.
        stop_ids: Tokens at which generation stops.
        pad_id: The token that fills the places behind a row's end.
        train_on: Which tokens shall carry loss: the last answer, all of them, one of them (`each`), or everything.

    Returns:
        One finding for each breach, in the order of the rows; empty where all masks hold.
    """
    stops = torch.tensor(sorted(stop_ids), dtype=torch.int64)
    bos_id = -1 if tokenizer.bos_token_id is None else int(tokenizer.bos_token_id)
    speech = Speech(tokenizer, frozenset(stop_ids), train_on)
    pairs = zip(encoded, rows, strict=True)
    findings: list[Finding] = []
    while batch := list(islice(pairs, _BATCH_ROWS)):
        seen = _look([one for one, _ in batch], stops, pad_id, bos_id)
        said = speech.faults([(one, row, seen.runs[number]) for number, (one, row) in enumerate(batch)])
        for number, (_, row) in enumerate(batch):
            faults = [*_id_faults(seen, number, tokenizer, pad_id, bos_id), *said[number]]
            findings += [Finding(fault.code, row.origin, fault.what, fault.fix, row.id) for fault in faults]
    return findings


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the ids of some rows show, by the rows' places in the batch.

    Attributes:
        trained: Rows with a token that carries loss (the first never does: nothing predicts it).
        stopped: Rows with a stop token that carries loss.
        padded: Rows whose padding carries loss.
        doubled: Rows that begin with the beginning-of-sequence token twice.
        runs: Of each row the stretches of supervised tokens, as beginning and end (exclusive).
    """

    trained: set[int]
    stopped: set[int]
    padded: set[int]
    doubled: set[int]
    runs: list[list[tuple[int, int]]]


def _look(rows: list[EncodedRow], stops: Tensor, pad_id: int, bos_id: int) -> _Seen:
    """Looks at the ids of all rows at once. Shape letters: R rows, N tokens of all rows."""
    ids_N = torch.cat([row.ids for row in rows])
    supervised_N = torch.cat([row.supervised for row in rows])
    lengths_R = torch.tensor([len(row) for row in rows])
    row_N = torch.arange(len(rows)).repeat_interleave(lengths_R)
    starts_R = lengths_R.cumsum(0) - lengths_R
    place_N = torch.arange(len(ids_N)) - starts_R[row_N]
    inside_N = place_N > 0
    follows_N = inside_N & supervised_N.roll(1)
    before_N = ids_N.roll(1)
    begins_N = supervised_N & ~follows_N
    ends_N = supervised_N & ~(supervised_N & follows_N).roll(-1)
    pad_N = supervised_N & (ids_N == pad_id)
    if pad_id in stops:  # the token that ends an answer may fill up rows, too: then a second one in a row is padding
        pad_N &= inside_N & (before_N == pad_id)
    runs: list[list[tuple[int, int]]] = [[] for _ in rows]
    for number, begin, end in zip(
        row_N[begins_N].tolist(), place_N[begins_N].tolist(), place_N[ends_N].tolist(), strict=True
    ):
        runs[number].append((begin, end + 1))

    def rows_with(places_N: Tensor) -> set[int]:
        return set(row_N[places_N].tolist())

    return _Seen(
        trained=rows_with(supervised_N & inside_N),
        stopped=rows_with(supervised_N & inside_N & torch.isin(ids_N, stops)),
        padded=rows_with(pad_N),
        doubled=rows_with((place_N == 1) & (ids_N == bos_id) & (before_N == bos_id)),
        runs=runs,
    )


def _id_faults(
    seen: _Seen, number: int, tokenizer: PreTrainedTokenizerBase, pad_id: int, bos_id: int
) -> Iterator[Fault]:
    if number not in seen.trained:
        yield Fault("FT501", "the row has no token that carries loss.", "Remove it, or set data.train_on=text.")
    elif number not in seen.stopped:
        fix = "Set model.chat_template to a template that ends answers with a stop token."
        yield Fault("FT502", "no stop token carries loss: the tuned model would never learn to stop.", fix)
    if number in seen.padded:
        pad = tokenizer.convert_ids_to_tokens(pad_id)
        yield Fault("FT503", f"the padding token {pad!r} carries loss.", "Remove it from the row's answer.")
    if number in seen.doubled:
        bos = tokenizer.convert_ids_to_tokens(bos_id)
        yield Fault("FT506", f"the row begins with the token {bos!r} twice.", "Remove it from the row or the template.")
