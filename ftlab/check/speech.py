"""What supervised tokens say, held against the answers of the row they were made of.

In: encoded rows with their stretches of supervised tokens. Out: what is wrong with each. A stretch must say its answer,
must end at the first stop token, and must stand right behind the header that the template writes before an answer
(learned from a probe, not from the way in which masks are made): so a mask that is shifted by one token can't pass.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from ftlab.data.jinja import ChatTemplate
from ftlab.data.render import TrainOn
from ftlab.data.row import EncodedRow, Message, Row
from ftlab.data.values import RowFault

_PROBE = "ftlabprobe"
_QUOTED = 60
"""Characters of a text that a message quotes."""

Run = tuple[int, int]
"""Beginning and end (exclusive) of a stretch of supervised tokens."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a mask.

    Attributes:
        code: Its number in `codes.CODES`.
        what: What is there and what was expected.
        fix: What to type or change; empty where nothing helps but to mend the encoder.
    """

    code: str
    what: str
    fix: str = ""


class Speech:
    """Judges supervised stretches by their text.

    Args:
        tokenizer: Made the ids; has the chat template.
        stop_ids: Tokens at which generation stops.
        train_on: Which tokens shall carry loss.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop_ids: frozenset[int], train_on: TrainOn) -> None:
        self._tokenizer = tokenizer
        self._stop_ids = stop_ids
        self._train_on = train_on
        self._headers = self._probed() if tokenizer.chat_template and train_on != "text" else ("", "")
        self._front_tokens = 8 + 2 * max(len(ids) for ids in self._ids(list(self._headers)))

    def faults(self, rows: Sequence[tuple[EncodedRow, Row, list[Run]]]) -> list[list[Fault]]:
        """Returns what is wrong with each row; rows without supervised tokens are passed over."""
        chats = [(one.ids.tolist(), row, runs) for one, row, runs in rows if runs and self._is_chat(row)]
        pieces = []
        for ids, _, runs in chats:
            for begin, end in runs:
                pieces += [ids[max(0, begin - self._front_tokens) : begin], ids[begin : end - 1]]
        texts = iter(self._decode(pieces))
        spoken = iter([self._chat_faults(*chat, [(next(texts), next(texts)) for _ in chat[2]]) for chat in chats])
        return [
            list(next(spoken) if self._is_chat(row) else _text_faults(one)) if runs else [] for one, row, runs in rows
        ]

    def _is_chat(self, row: Row) -> bool:
        return bool(row.messages) and self._train_on != "text"

    def _chat_faults(self, ids: list[int], row: Row, runs: list[Run], spoken: list[tuple[str, str]]) -> Iterator[Fault]:
        answers = [place for place, turn in enumerate(row.messages) if turn.role == "assistant"]
        wanted = answers[-1:] if self._train_on == "answer" else answers
        if self._train_on == "each":
            spoken_by = [place for place in answers if _says(spoken[0][1], row.messages[place])]
            wanted = spoken_by[:1] or answers[-1:]
        if len(runs) != len(wanted):
            what = f"{len(runs)} stretches of the row carry loss, but {len(wanted)} of its answers should."
            yield Fault("FT504" if len(runs) > len(wanted) else "FT505", what)
            return
        for (begin, end), (front, said), place in zip(runs, spoken, wanted, strict=True):
            stop = next((at for at in range(begin, end) if ids[at] in self._stop_ids), None)
            if stop is None:
                what = f"the answer's loss ends with {self._token(ids[end - 1])}, but generation doesn't stop there."
                yield Fault("FT502", what, "Set model.chat_template to a template that ends answers with a stop token.")
            elif stop != end - 1:
                what = f"what stands behind the answer's stop token {self._token(ids[stop])} carries loss, too."
                yield Fault("FT504", what)
            after_user = place > 0 and row.messages[place - 1].role == "user"
            header = self._headers[0] or (self._headers[1] if after_user else "")
            if not after_user and header not in front and not _leaked(front, said, header):
                header = ""  # behind a tool's result some templates write none
            yield from self._content_faults(front, said, header, row.messages[place])

    def _content_faults(self, front: str, said: str, header: str, turn: Message) -> Iterator[Fault]:
        leaked = _leaked(front, said, header)
        if leaked:
            yield Fault("FT504", f"{leaked!r} carries loss, but is the end of the prompt.")
        elif not front.endswith(header):
            missed = front.rpartition(header)[2] if header in front else front[-_QUOTED:]
            yield Fault("FT505", f"the loss begins behind {missed!r}, but must begin where the prompt ends.")
        elif not _says(said, turn) and not self._says_as_read(said, turn):
            what = f"the tokens that carry loss say {_short(said)!r}, but the answer is {_short(_pieces(turn)[0])!r}."
            yield Fault("FT505", what, "Set model.chat_template to a template that writes answers as they are.")

    def _says_as_read(self, said: str, turn: Message) -> bool:
        """Whether it says what the tokenizer makes of the answer: some normalise text or drop spaces."""
        return all(piece.strip() in said for piece in self._decode(self._ids(_pieces(turn))))

    def _probed(self) -> tuple[str, str]:
        """What the template writes before an answer of its own accord, and all that it writes behind a question.

        The first is empty where nothing but the end of the question asks for an answer (Mistral's `[/INST]`).
        """
        template = ChatTemplate(self._tokenizer)
        question = [Message("user", _PROBE)]
        try:
            asked, told = [template.render(question, generation_prompt=asks) for asks in (True, False)]
        except RowFault:
            return "", ""  # the template wants more than a question: only the text of its answers is judged
        asked_ids, told_ids, behind = self._ids([asked, told, asked.rpartition(_PROBE)[2]])
        shared = next((at for at, pair in enumerate(zip(asked_ids, told_ids, strict=False)) if len({*pair}) > 1), None)
        header, behind_question = self._decode([asked_ids[len(told_ids) if shared is None else shared :], behind])
        return header, behind_question.lstrip()

    def _ids(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def _decode(self, ids: list[list[int]]) -> list[str]:
        """Texts of token ids, special tokens and spaces included; all cores take part where the tokenizer is fast."""
        if self._tokenizer.is_fast:
            return list(self._tokenizer.backend_tokenizer.decode_batch(ids, skip_special_tokens=False))
        keep = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
        return [str(self._tokenizer.decode(one, **keep)) for one in ids]

    def _token(self, token_id: int) -> str:
        return repr(self._tokenizer.convert_ids_to_tokens(token_id))


def _text_faults(one: EncodedRow) -> Iterator[Fault]:
    if not bool(one.supervised[1:].all()):
        missed = int((~one.supervised[1:]).sum())
        yield Fault("FT505", f"{missed} tokens of the text carry no loss, though all of it is trained on.")


def _leaked(front: str, said: str, header: str) -> str:
    """The end of the header that the supervised text begins with, where it isn't in front of it; else nothing."""
    if front.endswith(header):
        return ""
    cuts = range(1, len(header) + 1)
    return next((header[-n:] for n in cuts if said.startswith(header[-n:]) and front.endswith(header[:-n])), "")


def _says(said: str, turn: Message) -> bool:
    return all(piece in said for piece in _pieces(turn))


def _pieces(turn: Message) -> list[str]:
    """The parts of an answer that a template may set apart: thoughts, text, names and texts of tool calls."""
    texts = re.split(r"</?think>", f"{turn.reasoning}</think>{turn.content}")
    calls = list(_strings(json.loads(turn.tool_calls))) if turn.tool_calls else []
    return [piece for text in (*texts, *calls) if (piece := text.strip())] or [""]


def _strings(value: object) -> Iterator[str]:
    """All names of functions and arguments in a list of calls."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "name" and isinstance(inner, str):
                yield inner
            elif key == "arguments" and isinstance(inner, dict):
                yield from map(str, inner)
            else:
                yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _short(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
