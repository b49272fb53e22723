"""The content of rows: what must not be learned, damage, refusals, languages, JSON.

In: rows. Out: findings FT401–FT462: first those of each row in the order of the rows, then those that only the whole
set tells (one script among others, an ending unlike the others). One pass; of each row a few numbers are kept, no text.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ftlab.check.boilerplate import BoilerplateCheck
from ftlab.check.damage import invisible, lost, misread
from ftlab.check.ending import EndingCheck
from ftlab.check.finding import Finding
from ftlab.check.personal import PERSONAL
from ftlab.check.refusal import canned, refusal
from ftlab.check.residue import residue
from ftlab.check.script import ScriptCheck
from ftlab.check.secret import SECRETS
from ftlab.check.sensitive import find_sensitive, hinted
from ftlab.check.structure import StructureCheck
from ftlab.check.wording import Exchange, turn_text
from ftlab.data.row import Row

SENSITIVE = (*SECRETS, *PERSONAL)
"""All that must not be learned; keys first, since a key may hold what looks like a number of a person."""

Turns = list[tuple[str, str]]
"""Of each turn of a row, what it is called in a finding, and all that it says."""

_MASKING = "Remove it, or let check.write=clean.jsonl mask it with check.mask_personal_data=true."
_MENDING = "Mend it, or let check.write=clean.jsonl do so."


def find_content(
    rows: Iterable[Row], *, schema: Mapping[str, Any] | None = None, boilerplate_share: float = 0.05
) -> Iterator[Finding]:
    """Finds what is wrong with the content of rows.

    Args:
        rows: The rows, of one split or of all; they are looked at once.
        schema: What JSON answers must fit (`structure.read_schema` reads it); None where any JSON will do.
        boilerplate_share: Share of the rows (0 to 1) from which on one answer under different questions is a finding.

    Yields:
        At most one finding for each code and row.
    """
    structure, endings, scripts = StructureCheck(schema), EndingCheck(), ScriptCheck()
    boilerplate = BoilerplateCheck(boilerplate_share)
    for row in rows:
        exchange = Exchange.of(row)
        turns = _turns(row)
        yield from _sensitive(row, turns)
        yield from _damage(row, turns)
        yield from _answer(exchange)
        yield from structure.look(exchange)
        boilerplate.look(exchange)
        endings.look(exchange)
        scripts.look(exchange)
    for check in (boilerplate, scripts, endings, structure):
        yield from check.close()


def _turns(row: Row) -> Turns:
    """Where each text of a row stands, and the text."""
    if not row.messages:
        return [("the text", row.text)]
    last = len(row.messages) - 1
    names = ["the answer" if turn == last else f"turn {turn + 1}" for turn in range(last + 1)]
    if len(names) == 2:
        names[0] = "the question"
    return [(name, turn_text(message)) for name, message in zip(names, row.messages, strict=True)]


def _sensitive(row: Row, turns: Turns) -> Iterator[Finding]:
    found: dict[str, list[str]] = {}
    for place, text in turns:
        for match in find_sensitive(text, SENSITIVE):
            shown = f"{place} holds {match.kind.name} ({hinted(text[match.start : match.end])})"
            found.setdefault(match.kind.code, []).append(shown)
    for code, places in found.items():
        more = f", and {len(places) - 1} more like it in the row" if len(places) > 1 else ""
        yield Finding(code, row.origin, f"{places[0]}{more}.", _MASKING, row.id)


def _damage(row: Row, turns: Turns) -> Iterator[Finding]:
    """At most one finding for each kind of damage, at the first turn that has it."""
    for code, look, fix in _DAMAGES:
        for place, text in turns:
            if (what := look(text)) is not None:
                yield Finding(code, row.origin, f"{place} {what}.", fix, row.id)
                break


def _residue(text: str) -> str | None:
    marker = residue(text)
    return None if marker is None else f"holds '{marker}', which a chat template writes"


def _misread(text: str) -> str | None:
    word = misread(text)
    return None if word is None else f"was read in a wrong encoding: {word}"


def _invisible(text: str) -> str | None:
    counts: Counter[str] = invisible(text)
    if not counts:
        return None
    return "holds invisible characters: " + ", ".join(f"{count} × {name}" for name, count in sorted(counts.items()))


def _lost(text: str) -> str | None:
    words = lost(text)
    return None if words is None else f"has lost characters: '{words}'"


_DAMAGES: tuple[tuple[str, Callable[[str], str | None], str], ...] = (
    ("FT441", _residue, _MENDING),
    ("FT442", _misread, _MENDING),
    ("FT443", _invisible, _MENDING),
    ("FT444", _lost, "Export the data anew, in UTF-8."),
)


def _answer(exchange: Exchange) -> Iterator[Finding]:
    row = exchange.row
    if (words := canned(exchange.answer, exchange.prompt)) is not None:
        yield Finding("FT422", row.origin, f"the answer says '{words}'.", "Write the answer anew.", row.id)
    if (words := refusal(exchange.answer)) is not None:
        fix = "Remove the row, unless the model shall refuse here."
        yield Finding("FT423", row.origin, f"the answer declines to help: '{words}'.", fix, row.id)
