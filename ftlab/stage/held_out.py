"""The held-out rows that base and tuned are compared on, and those of them whose answers are judged."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from ftlab.data.row import EncodedRow, Row
from ftlab.evaluation.answers import Wants
from ftlab.evaluation.draw import draw
from ftlab.evaluation.format import expects_json
from ftlab.stage.inputs import Inputs


@dataclass(frozen=True, slots=True)
class Judging:
    """Whose answers are judged, and by what.

    Attributes:
        wants: What they must be; None where none is judged.
        rows: The rows that are asked, in their order.
        fitting: How many rows could be asked.
    """

    wants: Wants | None
    rows: list[Row]
    fitting: int


def held_out_rows(inputs: Inputs) -> tuple[Sequence[Row], Sequence[EncodedRow]]:
    """Returns the rows that base and tuned are compared on: test rows, or where there are none validation rows.

    Rows that were left out when they were encoded are left out here, too: a prompt may be longer than the model reads.
    """
    for rows, encoded in ((inputs.rows.test, inputs.test), (inputs.rows.validation, inputs.validation)):
        if encoded:
            kept = set(encoded.row_ids.tolist())
            return rows if len(kept) == len(rows) else [row for row in rows if row.id in kept], encoded
    return [], inputs.validation


def rows_to_judge(cfg: DictConfig, inputs: Inputs) -> Judging:
    """Draws the held-out rows whose answers are judged: by chance, each source by its share.

    The same rows are drawn for base and tuned, and for every run with the same held-out rows: `data.split_seed`
    decides, not the seed of the training.

    Args:
        cfg: The composed configuration; `evaluation.format` says what answers must be, null asks the references.
        inputs: The rows and their sources.

    Returns:
        Whose answers are judged; none where no row fits or none is wanted.
    """
    rows, wanted, most = held_out_rows(inputs)[0], cfg.evaluation.format, cfg.evaluation.format_rows
    if not most:
        return Judging(None, [], 0)
    fitting = [place for place, row in enumerate(rows) if wanted or expects_json(reference(row))]
    first_ids = sorted(source.first_id for source in inputs.rows.sources)
    sources = [bisect_right(first_ids, rows[place].id) for place in fitting]
    chosen = [rows[fitting[place]] for place in draw(sources, most, cfg.data.split_seed)]
    return Judging((wanted or "json") if chosen else None, chosen, len(fitting))


def question(row: Row) -> str:
    """Returns what a row asks, for people to read."""
    if not row.messages:
        return row.text[: len(row.text) // 2]
    return row.messages[-2].content if len(row.messages) > 1 else ""


def reference(row: Row) -> str:
    """Returns the answer that a row holds."""
    return row.messages[-1].content if row.messages else row.text[len(row.text) // 2 :]
