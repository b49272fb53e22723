"""Rows as the model sees them, with what carries loss in green: for the terminal and for the HTML page.

In: encoded rows. Out: rich `Text`s and HTML fragments (classes `masked`, `supervised`, `special`, `gap`; their colours
are the page's). In the terminal supervised stretches stand in ⟦brackets⟧ too, so that no colour is needed.
Whatever a row holds is shown, never obeyed: control characters are spelled out, HTML is escaped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from rich.text import Text
from transformers import PreTrainedTokenizerBase

from ftlab.data.row import EncodedRow

SHOWN_TOKENS = 400
"""Tokens of a row that are shown. Of a longer one the middles of its stretches are left out: where the mask begins and
ends stays to be seen."""

_STYLES = {True: "green", False: "bright_black"}
_MARKS = {True: ("⟦", "⟧"), False: ("", "")}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring tokens that are shown alike.

    Attributes:
        text: What they say; of tokens left out, how many there are.
        supervised: Whether they carry loss.
        kind: `text`, `special` (tokens of the template) or `gap` (tokens left out).
    """

    text: str
    supervised: bool
    kind: str


@dataclass(frozen=True, slots=True)
class ColouredRow:
    """A row made ready to be shown.

    Attributes:
        title: Where it stands and how many of its tokens carry loss.
        stretches: Its tokens in order.
    """

    title: str
    stretches: tuple[Stretch, ...]

    def text(self) -> Text:
        """The row for the terminal: masked tokens grey, supervised ones green and in brackets."""
        text = Text(self.title, style="bold").append("\n")
        text = Text().append_text(text)
        for supervised, stretches in groupby(self.stretches, lambda stretch: stretch.supervised):
            begin, end = _MARKS[supervised]
            text.append(begin, style="bold green")
            for stretch in stretches:
                style = {"text": "", "special": "bold ", "gap": "italic "}[stretch.kind] + _STYLES[supervised]
                text.append(stretch.text, style=style)
            text.append(end, style="bold green")
        return text

    def html(self) -> str:
        """The row as an HTML fragment: a figure with its caption and one `span` for each stretch."""
        spans = "".join(
            f'<span class="{"supervised" if stretch.supervised else "masked"}'
            f'{"" if stretch.kind == "text" else " " + stretch.kind}">{escape(stretch.text)}</span>'
            for stretch in self.stretches
        )
        return f'<figure class="row"><figcaption>{escape(self.title)}</figcaption><pre>{spans}</pre></figure>'


def coloured_rows(
    rows: Sequence[EncodedRow],
    origins: Sequence[str],
    *,
    tokenizer: PreTrainedTokenizerBase,
    shown_tokens: int = SHOWN_TOKENS,
) -> list[ColouredRow]:
    """Makes rows ready to be shown.

    Args:
        rows: The rows to show, such as those that `telling_rows` picks.
        origins: Where each stands, as `file:line`.
        tokenizer: Made the ids.
        shown_tokens: About how many tokens of a row are shown.

    Returns:
        One for each row, in order.
    """
    named = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    return [
        ColouredRow(_title(row, origin), tuple(_stretches(row, tokenizer, named, shown_tokens)))
        for row, origin in zip(rows, origins, strict=True)
    ]


def telling_rows(lengths: Sequence[int]) -> list[int]:
    """Picks the rows that show most of a data set: the shortest, the median and the longest.

    Args:
        lengths: Tokens of each row.

    Returns:
        Their places, by length; fewer where there are fewer rows.
    """
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    return list(dict.fromkeys(order[place] for place in (0, len(order) // 2, -1))) if order else []


def _title(row: EncodedRow, origin: str) -> str:
    return _visible(f"{origin}: {len(row):,} tokens, {row.targets_count:,} of them carry loss")


def _stretches(
    row: EncodedRow, tokenizer: PreTrainedTokenizerBase, named: set[int], shown_tokens: int
) -> Iterator[Stretch]:
    tokens = zip(row.ids.tolist(), row.supervised.tolist(), strict=True)
    runs = [list(run) for _, run in groupby(tokens, lambda token: token[1])]
    room = len(row) if len(row) <= shown_tokens else max(2, shown_tokens // len(runs))
    for run in runs:
        head = len(run) if len(run) <= room else (room + 1) // 2
        tail = max(head, len(run) - room // 2)
        yield from _joined(run[:head], tokenizer, named)
        if tail > head:
            yield Stretch(f"\n… {tail - head:,} tokens …\n", run[0][1], "gap")
        yield from _joined(run[tail:], tokenizer, named)


def _joined(tokens: list[tuple[int, bool]], tokenizer: PreTrainedTokenizerBase, named: set[int]) -> Iterator[Stretch]:
    for (supervised, special), group in groupby(tokens, lambda token: (token[1], token[0] in named)):
        ids = [token for token, _ in group]
        text = str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
        yield Stretch(_visible(text), supervised, "special" if special else "text")


def _visible(text: str) -> str:
    """The text with line breaks marked and control characters spelled out."""
    return "".join(
        "↵\n" if char == "\n" else char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )
