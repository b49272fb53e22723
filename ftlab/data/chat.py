"""Turns rows into token ids with a loss mask, by the tokenizer's own chat template.

In: `Row`s. Out: `EncodedRow`s; everything that would make training on a row useless or untrue is a problem that names
the row. `render` finds the answers in the rendered string; here they become token positions.

The mask is exact: the ids in front of an answer are the very ids that the model is given when it is used
(`prompt_ids`). Tokenising the whole string at once usually gives that. Where the tokenizer joins the end of the
prompt with the beginning of the answer, the string is cut there and the pieces are tokenised one by one. (With
`train_on=assistant` an earlier answer then stands as the model wrote it, not as its text would be read again.)
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from transformers import PreTrainedTokenizerBase, TokenizersBackend

from ftlab.data.answer import NO_PLACE
from ftlab.data.faults import Faults
from ftlab.data.long import LongRows, fit
from ftlab.data.render import ChatRenderer, Rendered, TrainOn
from ftlab.data.row import EncodedRow, Message, Row, SpannedRow
from ftlab.data.values import RowFault
from ftlab.problem import InputError, Problem

TOO_LONG, NO_TARGET = "FT301", "FT501"

BATCH_ROWS = 1000
"""Rows rendered and tokenised in one go: enough to keep a fast tokenizer's threads busy, few enough to hold."""


class Encoder:
    """Encodes rows with one tokenizer.

    Args:
        tokenizer: With a chat template, where rows are conversations.
        train_on: Which tokens of a conversation carry loss: the last answer (`answer`), all answers (`assistant`), all
            answers but in an encoded row for each (`each`), or everything (`text`). Plain text carries loss everywhere.
        max_row_tokens: The longest row allowed, in tokens; None allows all.
        long_rows: What becomes of longer ones (`ftlab.data.long`).
        system: The system message of conversations that bring none; None adds none.
        stop_ids: Tokens at which generation stops, besides the tokenizer's end-of-sequence token: those of the
            model's generation config (Gemma and Phi name their end of turn only there).

    Attributes:
        stop_ids: All tokens at which generation stops.
        notes: What the user should know of the chat template, one sentence each.

    Raises:
        InputError: No stop token is known.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        train_on: TrainOn = "answer",
        max_row_tokens: int | None = None,
        long_rows: LongRows = "error",
        system: str | None = None,
        stop_ids: Iterable[int] = (),
    ) -> None:
        eos = () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)
        self.stop_ids = frozenset({*eos, *stop_ids})
        if not self.stop_ids:
            what = "the tokenizer has no end-of-sequence token, so the tuned model could never stop."
            raise InputError([Problem("model.path", what, "Set `eos_token` in its tokenizer_config.json.")])
        self._tokenizer = tokenizer
        self._train_on: TrainOn = train_on
        self._max_row_tokens = max_row_tokens
        self._long_rows: LongRows = long_rows
        self._system = system
        self._renderer = ChatRenderer(tokenizer, self.stop_ids)
        self.notes = self._renderer.template.notes

    def encode(self, row: Row) -> EncodedRow:
        """Encodes one row.

        Raises:
            InputError: The row can't be trained on; the problem names it.
        """
        return self.encode_all([row])[0]

    def encode_all(self, rows: Sequence[Row]) -> list[EncodedRow]:
        """Encodes rows, in their order.

        Args:
            rows: Conversations and plain texts.

        Returns:
            One encoded row for each row (with `long_rows` of `drop` or `split`: none or several for one that is too
            long; with `train_on` of `each`: one for each answer).

        Raises:
            InputError: The template fits no row; or every row that can't be trained on: it isn't rendered truthfully,
                has no supervised token or no supervised stop token, or is longer than allowed.
        """
        faults = Faults()
        encoded: list[EncodedRow] = []
        for first in range(0, len(rows), BATCH_ROWS):
            batch = self.encode_batch(rows[first : first + BATCH_ROWS], faults, Counter())
            encoded += [row.encoded() for row in batch]
        faults.raise_all()
        return encoded

    def prompt_ids(self, row: Row) -> list[int]:
        """The ids from which the model goes on: everything in front of the last answer, generation prompt included.

        A plain text has no answer: its first half is the prompt.

        Raises:
            InputError: The chat template refuses the row.
        """
        if not row.messages:
            start = self._tokenize([row.text[: len(row.text) // 2]])[0]
            return self._framed(start, end=False)
        messages = self._messages(row)
        asked = messages[:-1] if messages[-1].role == "assistant" else messages
        try:
            return self._tokenize([self._renderer.template.render(asked, tools=row.tools, generation_prompt=True)])[0]
        except RowFault as error:
            raise InputError([Problem(row.origin, error.what, error.fix, error.code)]) from error

    def encode_batch(self, rows: Sequence[Row], faults: Faults, counts: "Counter[str]") -> list[SpannedRow]:
        """Encodes rows that are tokenised in one go.

        Args:
            rows: Conversations and plain texts, few enough to hold.
            faults: Takes every row that can't be trained on.
            counts: Takes what became of rows that are too long, by the names of `ftlab.data.long`.

        Returns:
            The rows that can be trained on, in their order.

        Raises:
            InputError: The template fits no row.
        """
        rendered = [(row, found) for row in rows for found in self._render(row, faults)]
        texts = [text for _, found in rendered for text in (found.text, *_prompts(found))]
        ids = iter(self._tokenize(texts))
        encoded: list[SpannedRow] = []
        for row, found in rendered:
            whole, *prompts = [next(ids) for _ in range(1 + len(_prompts(found)))]
            try:
                encoded += self._fitted(self._encoded(row, found, whole, prompts), counts)
            except RowFault as error:
                _add(error, row, faults)
        return encoded

    def _render(self, row: Row, faults: Faults) -> list[Rendered]:
        """The row as strings: with `each` one for each answer, else one."""
        if not row.messages:
            return [Rendered(row.text, ((0, len(row.text)),))]
        messages, train_on = self._messages(row), self._train_on
        ends = [len(messages)]
        if train_on == "each":
            train_on = "answer"
            ends = [place for place, turn in enumerate(messages, 1) if turn.role == "assistant"] or ends
        try:
            return [self._renderer.render(messages[:end], train_on, row.tools) for end in ends]
        except RowFault as error:
            _add(error, row, faults)
            return []

    def _encoded(self, row: Row, found: Rendered, whole: list[int], prompts: list[list[int]]) -> SpannedRow:
        """Places the spans on the tokens and checks the outcome.

        Raises:
            RowFault: The row can't be trained on; the text says why.
        """
        if not row.messages:
            whole = self._framed(whole, end=True)
        if not prompts:
            encoded = SpannedRow(row.id, whole, ((0, len(whole)),))
        else:
            ids, starts = self._placed(found, whole, prompts)
            encoded = SpannedRow(row.id, ids, tuple((start, self._stop_end(ids, start)) for start in starts))
        if encoded.targets_count == 0:
            fix = "Remove it, or set data.train_on=text."
            raise RowFault("the row has no token that carries loss.", fix, code=NO_TARGET)
        return encoded

    def _fitted(self, encoded: SpannedRow, counts: "Counter[str]") -> list[SpannedRow]:
        """The row, or what becomes of it where it is too long.

        Raises:
            RowFault: It is too long, and that is an error.
        """
        limit = self._max_row_tokens
        if limit is None or len(encoded) <= limit:
            return [encoded]
        if self._long_rows != "error":
            return fit(encoded, limit, self._long_rows, counts)
        raise RowFault(
            f"the row is {len(encoded)} tokens long, but at most {limit} are allowed.",
            "Shorten or remove it, or set data.long_rows=truncate, split or drop, or "
            f"training.max_row_tokens={len(encoded)} if the model's context allows that.",
            code=TOO_LONG,
        )

    def _placed(self, found: Rendered, whole: list[int], prompts: list[list[int]]) -> tuple[list[int], list[int]]:
        """The row's ids and where each answer begins in them."""
        if all(whole[: len(prompt)] == prompt for prompt in prompts):
            return whole, [len(prompt) for prompt in prompts]
        cuts = [0, *(start for start, _ in found.spans), len(found.text)]
        pieces = self._tokenize([found.text[a:b] for a, b in pairwise(cuts)])
        ids = [token for piece in pieces for token in piece]
        if self._tokenizer.decode(ids) != self._tokenizer.decode(whole):
            raise RowFault(
                "the tokenizer joins the end of the question with the beginning of the answer.",
                "Set model.chat_template to a template with a special token or a line break between them.",
                code=NO_PLACE,
            )
        starts = [sum(map(len, pieces[: number + 1])) for number in range(len(found.spans))]
        return ids, starts

    def _stop_end(self, ids: list[int], start: int) -> int:
        for place in range(start, len(ids)):
            if ids[place] in self.stop_ids:
                return place + 1
        what = "the stop token behind the answer isn't read as a token of its own by the tokenizer."
        raise RowFault(what, code=NO_PLACE)

    def _messages(self, row: Row) -> tuple[Message, ...]:
        if self._system is None or row.messages[0].role == "system":
            return row.messages
        return (Message("system", self._system), *row.messages)

    def _framed(self, ids: list[int], *, end: bool) -> list[int]:
        """Plain text between the tokens that begin and end a sequence, where the tokenizer has them; never twice."""
        bos, eos = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        head = [] if bos is None or ids[:1] == [bos] else [bos]
        tail = [] if eos is None or not end or ids[-1:] == [eos] else [eos]
        return [*head, *ids, *tail]

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        """Ids of strings that already hold their special tokens: none is added."""
        if not texts:
            return []
        if type(self._tokenizer) is TokenizersBackend and not self._tokenizer.split_special_tokens:
            backend = self._tokenizer.backend_tokenizer  # its ids without what Transformers would make around them
            backend.no_truncation()
            backend.no_padding()
            return [found.ids for found in backend.encode_batch_fast(texts, add_special_tokens=False)]
        ids: list[list[int]] = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return ids


def _prompts(found: Rendered) -> list[str]:
    """What stands in front of each answer, as the model will be given it."""
    return [found.text[:start] for start, _ in found.spans if start > 0]


def _add(fault: RowFault, row: Row, faults: Faults) -> None:
    faults.add(Problem(row.origin, fault.what, fault.fix, fault.code), same_as=fault.same_as, row_id=row.id)
