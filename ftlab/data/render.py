"""Renders a conversation with the tokenizer's own chat template and finds what the model will have to write.

In: messages. Out: the conversation as one string, and the spans of it that the model writes. The spans come from
diffing renderings of the same template, never from searching for role markers:

- an answer begins where the rendering of everything before it, with the generation prompt, ends: exactly the string
  from which the model will go on when it is used;
- it ends with the template's end-of-turn token, which is found once by rendering a probe; what the template writes
  behind it (a line break, a second end token) isn't the model's to write.

A template that breaks this (writes another answer than it asks for, or rewrites an earlier answer once the
conversation goes on) can't be trained from truthfully; the row is refused with the reason. Tokenising is `chat`'s.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import jinja2
from transformers import PreTrainedTokenizerBase

from ftlab.data.row import Message
from ftlab.problem import InputError, Problem

TrainOn = Literal["answer", "assistant", "text"]
"""Which tokens carry loss: the last answer, all answers, or everything."""

_PROBE = "ftlabprobe"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as the model reads it.

    Attributes:
        text: The whole string.
        spans: Beginning and end (exclusive, in characters) of each stretch that carries loss, in order.
    """

    text: str
    spans: tuple[tuple[int, int], ...]


class ChatRenderer:
    """The chat template of one tokenizer.

    Args:
        tokenizer: Has a chat template.
        stop_ids: Tokens at which generation stops.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop_ids: Collection[int]) -> None:
        self._tokenizer = tokenizer
        self._stop_ids = stop_ids

    @cached_property
    def closing(self) -> tuple[str, str]:
        """What the template writes behind an answer: up to the end of its stop token, and the rest.

        Raises:
            InputError: There is no template, it doesn't render, or no stop token stands behind an answer.
        """
        try:
            text = self.text([Message("user", "?"), Message("assistant", _PROBE)])
        except ValueError as error:
            raise InputError([_template_problem(f"can't render a question and its answer: {error}")]) from error
        if _PROBE not in text:
            raise InputError([_template_problem("doesn't write the text of an answer.")])
        behind = text[text.rindex(_PROBE) + len(_PROBE) :]
        end = self._stop_end(behind)
        if end is None:
            raise InputError([_template_problem(self._no_stop(behind))])
        return behind[:end], behind[end:]

    def text(self, messages: Sequence[Message], *, generation_prompt: bool = False) -> str:
        """Renders messages to a string.

        Args:
            messages: At least one.
            generation_prompt: Also write what stands before an answer.

        Returns:
            The string, as the template writes it.

        Raises:
            ValueError: The template refuses these messages; the text says why.
        """
        conversation = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    conversation, tokenize=False, add_generation_prompt=generation_prompt
                )
            )
        except (jinja2.TemplateError, ValueError, TypeError, LookupError) as error:
            raise ValueError(str(error) or type(error).__name__) from error

    def render(self, messages: Sequence[Message], train_on: TrainOn) -> Rendered:
        """Renders a conversation and finds the spans that carry loss.

        Args:
            messages: The turns. The last one must be the assistant's, but for `text`.
            train_on: The last answer, all answers, or everything.

        Returns:
            The string and its spans.

        Raises:
            ValueError: The spans can't be found truthfully; the text says why and what to do.
            InputError: No row can be rendered with this template.
        """
        stop, rest = self.closing
        text = self.text(messages)
        if train_on == "text":
            return Rendered(text, ((0, len(text)),))
        if messages[-1].role != "assistant":
            raise ValueError(
                f"the last turn must be the assistant's, but is of role '{messages[-1].role}'. "
                "Remove the turns behind the last answer, or set data.train_on=text."
            )
        last = len(messages) - 1
        turns = [last] if train_on == "answer" else [i for i, turn in enumerate(messages) if turn.role == "assistant"]
        return Rendered(text, tuple(self._span(messages, turn, text, stop, rest) for turn in turns))

    def _span(self, messages: Sequence[Message], turn: int, text: str, stop: str, rest: str) -> tuple[int, int]:
        """Where answer `turn` stands in the whole conversation's `text`, its stop token included."""
        if turn == 0:
            raise ValueError("the conversation begins with an answer. Put the question before it.")
        prompt = self.text(messages[:turn], generation_prompt=True)
        done = text if turn == len(messages) - 1 else self.text(messages[: turn + 1])
        if not done.startswith(prompt):
            raise ValueError(
                f"the chat template asks for answer {_ordinal(turn, messages)} with {_tail(prompt, done)}, but writes "
                f"the answer behind {_tail(done, prompt)}. Set model.chat_template=default, or name a file."
            )
        if not done.endswith(stop + rest):
            raise ValueError(
                f"the chat template ends answer {_ordinal(turn, messages)} with {done[-20:]!r} instead of "
                f"{stop + rest!r}. Set model.chat_template to a template that ends all answers alike."
            )
        end = len(done) - len(rest)
        self._check_free_of_stops(done[len(prompt) : end - len(stop)])
        if not text.startswith(done[:end]):
            raise ValueError(
                f"the chat template rewrites answer {_ordinal(turn, messages)} once the conversation goes on, so it "
                "can't be trained where it stands. Set data.train_on=answer, or write one row for each answer."
            )
        return len(prompt), end

    def _check_free_of_stops(self, answer: str) -> None:
        found = [token for token in self._stop_tokens if token in answer]
        if found:
            raise ValueError(f"the answer holds the stop token {found[0]!r} as text. Remove it from the row.")

    @cached_property
    def _stop_tokens(self) -> list[str]:
        return [str(token) for token in self._tokenizer.convert_ids_to_tokens(sorted(self._stop_ids))]

    def _stop_end(self, behind: str) -> int | None:
        """The end of the first stop token in `behind`, or None."""
        ends = [
            (behind.index(token), behind.index(token) + len(token)) for token in self._stop_tokens if token in behind
        ]
        return min(ends)[1] if ends else None

    def _no_stop(self, behind: str) -> str:
        stops = ", ".join(map(repr, self._stop_tokens)) or "nothing"
        return (
            f"ends an answer with {behind!r}, but generation stops at {stops} only: the tuned model would never learn "
            "to stop."
        )


def _template_problem(what: str) -> Problem:
    return Problem(
        "model.chat_template", f"the chat template {what}", "Set model.chat_template=default, or name a file."
    )


def _ordinal(turn: int, messages: Sequence[Message]) -> int:
    """The number of an answer among the answers, from 1."""
    return sum(message.role == "assistant" for message in messages[: turn + 1])


def _tail(text: str, other: str) -> str:
    """The end of `text` from a little before where it leaves `other`, quoted."""
    place = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    return repr(text[max(0, place - 20) : place + 20])
