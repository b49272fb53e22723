"""The general texts and the probe that forgetting is measured by: read and encoded before any weight is loaded.

In: `evaluation.general` of the configuration. Out: `GeneralRows`, and everything that is wrong with them. Scoring them
is `forgetting`'s.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from itertools import count, islice

from omegaconf import DictConfig
from transformers import PreTrainedTokenizerBase

from ftlab.check.duplicates import find_duplicates
from ftlab.data.chat import Encoder
from ftlab.data.faults import Faults
from ftlab.data.files import find_files
from ftlab.data.hub import read_hub
from ftlab.data.long import LONG, LOST
from ftlab.data.reader import RowReader
from ftlab.data.records import read_records
from ftlab.data.row import EncodedRow, Row
from ftlab.problem import InputError, Problem, raise_all

AUTO = "auto"
EMBEDDED = {"path": ("texts.jsonl", "talks.jsonl"), "probe": ("probe.jsonl",)}
"""The files beside `ftlab.evaluation` that belong to the embedded model."""

ROOM_TOKENS = 16
"""Tokens that an answer to the probe may be longer than twice the longest expected one."""

_LEAKS = ("FT211", "FT213")


@dataclass(frozen=True, slots=True)
class GeneralRows:
    """What forgetting is measured by.

    Attributes:
        texts: General texts: of a conversation the last answer is scored, of plain text all; may be empty.
        prompts: The questions of the probe, as token ids up to where the answer begins; may be empty.
        expected: What each answer must say.
        longest_answer_tokens: Answers to the probe are cut there.
        sources: Where texts and questions come from.
        rows: Texts and questions as they were written.
        notes: What was decided, one sentence each.
    """

    texts: Sequence[EncodedRow]
    prompts: Sequence[Sequence[int]]
    expected: Sequence[str]
    longest_answer_tokens: int
    sources: Sequence[str]
    rows: Sequence[Row]
    notes: list[str] = field(default_factory=list)


def read_general(
    cfg: DictConfig, tokenizer: PreTrainedTokenizerBase, stop_ids: Sequence[int], max_row_tokens: int | None
) -> GeneralRows | None:
    """Reads and encodes what forgetting is measured by.

    Args:
        cfg: The composed configuration.
        tokenizer: With a chat template, where rows are conversations.
        stop_ids: Tokens at which an answer ends.
        max_row_tokens: The most tokens of a row that are scored; None scores all.

    Returns:
        The rows; None where none are asked for, or `auto` knows none for this model.

    Raises:
        InputError: Everything that is wrong with them.
    """
    faults = Faults()
    ids = count()
    with ExitStack() as stack:
        texts = _read(cfg, "path", stack, ids, faults)
        questions = _read(cfg, "probe", stack, ids, faults)
    if texts is None and questions is None:
        return None
    text_rows, probe_rows = texts.rows if texts else [], questions.rows if questions else []
    for row in probe_rows:
        if len(row.messages) < 2:
            what = "must be a question with its answer, but is plain text."
            faults.add(Problem(row.origin, what, "Give it the fields prompt and completion."), same_as="plain text")
    faults.raise_all()
    encoder = Encoder(tokenizer, max_row_tokens=max_row_tokens, long_rows="truncate", stop_ids=stop_ids)
    counts: Counter[str] = Counter()
    encoded = [row.encoded() for row in encoder.encode_batch(text_rows, faults, counts)]
    prompts = [_prompt(encoder, row, faults) for row in probe_rows]
    faults.raise_all()
    if text_rows and not encoded:
        what = f"must hold texts of which something can be scored, but no answer begins in {max_row_tokens} tokens."
        raise InputError([Problem("evaluation.general.path", what, "Raise training.max_row_tokens.")])
    expected = [row.messages[-1].content for row in probe_rows]
    lengths = [len(tokenizer.encode(text, add_special_tokens=False)) for text in expected]
    longest = max(lengths, default=0)
    found = [one for one in (texts, questions) if one]
    return GeneralRows(
        texts=encoded,
        prompts=prompts,
        expected=expected,
        longest_answer_tokens=2 * longest + ROOM_TOKENS,
        sources=[one.name for one in found],
        rows=[*text_rows, *probe_rows],
        notes=[
            *(note for one in found for note in one.notes),
            *_long_notes(counts, max_row_tokens),
            *_cut_notes(lengths, cfg.evaluation.max_new_tokens),
        ],
    )


def silent_note(cfg: DictConfig) -> list[str]:
    """Says that forgetting isn't measured, where nobody decided that."""
    general = cfg.evaluation.general
    if general.path != AUTO or general.hub_id or general.probe not in (AUTO, None) or is_embedded(cfg):
        return []
    return [
        "Forgetting isn't measured: only the embedded model comes with general texts. Name some of your model's own "
        "kind: evaluation.general.path=general.jsonl, or evaluation.general.hub_id=org/name (null = say no more of it)."
    ]


def leak_warnings(general: GeneralRows, train: Sequence[Row]) -> list[str]:
    """Warns of general rows that are trained on, too: there, memory is measured.

    Args:
        general: What forgetting is measured by.
        train: The training rows.

    Returns:
        One sentence; nothing where no row is.
    """
    findings = find_duplicates({"test": train, "train": general.rows}, near=False)  # read in this order
    leaks = [finding.where for finding in findings if finding.code in _LEAKS]
    if not leaks:
        return []
    hit = len(set(leaks))
    return [
        f"{hit} of {len(general.rows)} general rows are trained on, too, or ask what is trained on, so forgetting "
        f"looks smaller than it is; the first is {leaks[0]}. Remove them from one of both.",
    ]


@dataclass(frozen=True, slots=True)
class _Read:
    """Rows of one kind, where they come from, and what is to be said of them."""

    rows: list[Row]
    name: str
    notes: list[str]


def _read(cfg: DictConfig, kind: str, stack: ExitStack, ids: Iterator[int], faults: Faults) -> _Read | None:
    """The rows that `evaluation.general.path` (with the hub's keys) or `evaluation.general.probe` means."""
    general = cfg.evaluation.general
    key = f"evaluation.general.{kind}"
    given, hub_id = general[kind], general.hub_id if kind == "path" else None
    if hub_id and given not in (AUTO, None):
        what = "must not be set together with evaluation.general.path."
        raise_all([Problem("evaluation.general.hub_id", what, "Set one of them to null.")])
    if not hub_id and (given is None or (given == AUTO and not is_embedded(cfg))):
        return None
    if hub_id:
        hub = read_hub("evaluation.general.hub_id", hub_id, general.hub_config, general.hub_split, faults)
        name, rows = f"{hub_id}/{general.hub_split or 'train'}", RowReader().rows(hub, ids, faults)
    else:
        places, name = [given], str(given)
        if given == AUTO:
            folder = stack.enter_context(as_file(files("ftlab.evaluation") / "general"))
            places, name = (
                [str(folder / file) for file in EMBEDDED[kind]],
                f"embedded {'texts' if kind == 'path' else 'probe'}",
            )
        rows = _rows_of(key, places, ids, faults)
    kept = list(islice(rows, general.rows + 1))
    if not kept and not faults:
        faults.add(Problem(name, "must hold rows, but holds none.", f"Name other rows in {key}, or set it to null."))
    notes = []
    if len(kept) > general.rows:
        notes.append(f"{name}: the first {general.rows} rows are used, those behind are not (evaluation.general.rows).")
    return _Read(kept[: general.rows], name, notes)


def _rows_of(key: str, places: Sequence[str], ids: Iterator[int], faults: Faults) -> Iterator[Row]:
    """The rows of files, folders or globs, each file in the format that its fields tell."""
    for place in places:
        found, problems = find_files(key, place, AUTO)
        for problem in problems:
            faults.add(problem)
        for file in found:
            yield from RowReader().rows(read_records(file, faults), ids, faults)


def _prompt(encoder: Encoder, row: Row, faults: Faults) -> list[int]:
    try:
        return encoder.prompt_ids(row)
    except InputError as error:
        for problem in error.problems:
            faults.add(problem, row_id=row.id)
        return []


def _long_notes(counts: "Counter[str]", limit: int | None) -> list[str]:
    if not counts[LONG]:
        return []
    cut = counts[LONG] - counts[LOST]
    lost = f", {counts[LOST]} left out, because no answer begins there" if counts[LOST] else ""
    return [f"General texts longer than {limit} tokens: {cut} scored up to there{lost}."]


def _cut_notes(lengths: Sequence[int], most: int) -> list[str]:
    """Says which questions of the probe can't be answered right, because the answer may not get long enough."""
    if not (long := [length for length in lengths if length > most]):
        return []
    return [
        f"{len(long)} of {len(lengths)} expected answers of the probe are longer than "
        f"evaluation.max_new_tokens={most}, so that answers are cut off before they can be right: "
        f"evaluation.max_new_tokens={max(long) + 1} lets them end."
    ]


def is_embedded(cfg: DictConfig) -> bool:
    """Returns whether the model is the one that comes with ftlab, with its weights.

    Args:
        cfg: The composed configuration.
    """
    return cfg.model.path is None and cfg.model.weights == "pretrained"
