"""Finds in a rendered conversation what the model will have to write.

In: messages. Out: the conversation as one string, and the spans of it that the model writes. The spans come from
diffing renderings of the same template, never from searching for role markers:

- an answer begins where the rendering of everything before it, with the generation prompt, ends: exactly the string
  from which the model will go on when it is used;
- it ends with the template's end-of-turn token, which is found once by rendering a probe; what the template writes
  behind it (a line break, a second end token) isn't the model's to write.

Where a template asks for the last answer with another prompt than it puts before it (DeepSeek R1 opens thoughts,
Mistral moves the system message), what it asks with is what the model will read: the answer is put behind that.

A template that breaks this otherwise (writes another answer than it asks for, or rewrites an earlier answer once the
conversation goes on) can't be trained from truthfully; the row is refused with the reason. Tokenising is `chat`'s.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from transformers import PreTrainedTokenizerBase

from ftlab.data.answer import NO_PLACE, check_complete, split_thoughts
from ftlab.data.jinja import FIX, UNUSABLE, ChatTemplate
from ftlab.data.row import Message
from ftlab.data.values import RowFault
from ftlab.problem import InputError, Problem

TrainOn = Literal["answer", "assistant", "each", "text"]
"""Which tokens carry loss: the last answer, all answers, all of them but in a row for each, or everything."""

_PROBE = "ftlabprobe"
_OPENING = re.compile(r"<think>\n*$")
_THOUGHT = re.compile(r"<think>(?!\s*<think>).*</think>", re.DOTALL)
NO_ANSWER, ANSWER_FIRST = "FT114", "FT115"


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
    """Renders with the chat template of one tokenizer.

    Args:
        tokenizer: Has a chat template.
        stop_ids: Tokens at which generation stops.

    Attributes:
        template: The template itself.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop_ids: Collection[int]) -> None:
        self.template = ChatTemplate(tokenizer)
        self._tokenizer = tokenizer
        self._stop_ids = stop_ids

    @cached_property
    def closing(self) -> tuple[str, str]:
        """What the template writes behind an answer: up to the end of its stop token, and the rest.

        Raises:
            InputError: There is no template, it doesn't render, or no stop token stands behind an answer.
        """
        try:
            text = self.template.render([Message("user", "?"), Message("assistant", _PROBE)])
        except RowFault as error:
            raise _unusable(f"can't render a question and its answer: {error}") from error
        if _PROBE not in text:
            raise _unusable("doesn't write the text of an answer.")
        behind = text[text.rindex(_PROBE) + len(_PROBE) :]
        end = self._stop_end(behind)
        if end is None:
            raise _unusable(self._no_stop(behind))
        return behind[:end], behind[end:]

    def render(self, messages: Sequence[Message], train_on: TrainOn, tools: str = "") -> Rendered:
        """Renders a conversation and finds the spans that carry loss.

        Args:
            messages: The turns. The last one must be the assistant's, but for `text`.
            train_on: The last answer, all answers, or everything; the rows of `each` are cut by the caller.
            tools: JSON text of the list of functions that may be called; empty = none.

        Returns:
            The string and its spans.

        Raises:
            RowFault: The spans can't be found truthfully; the text says why and what to do.
            InputError: No row can be rendered with this template.
        """
        self.closing  # noqa: B018 - a template without one is refused before its rows are
        text = self.template.render(messages, tools=tools)
        if train_on == "text":
            return Rendered(text, ((0, len(text)),))
        if messages[-1].role != "assistant":
            what = f"the last turn must be the assistant's, but is of role '{messages[-1].role}'."
            raise RowFault(what, "Remove the turns behind the last answer, or set data.train_on=text.", code=NO_ANSWER)
        last = len(messages) - 1
        prompts = {last: self._prompt(messages, last, tools) if last else ""}
        if last:
            text = self._behind_prompt(messages, prompts[last], text)
        turns = [last] if train_on == "answer" else [i for i, turn in enumerate(messages) if turn.role == "assistant"]
        return Rendered(text, tuple(self._span(messages, turn, text, tools, prompts.get(turn)) for turn in turns))

    def _prompt(self, messages: Sequence[Message], turn: int, tools: str) -> str:
        return self.template.render(messages[:turn], tools=tools, generation_prompt=True)

    def _span(
        self, messages: Sequence[Message], turn: int, text: str, tools: str, prompt: str | None
    ) -> tuple[int, int]:
        """Where answer `turn` stands in the whole conversation's `text`, its stop token included."""
        if turn == 0:
            raise RowFault("the conversation begins with an answer.", "Put the question before it.", code=ANSWER_FIRST)
        prompt = self._prompt(messages, turn, tools) if prompt is None else prompt
        done = text if turn == len(messages) - 1 else self.template.render(messages[: turn + 1], tools=tools)
        number = sum(message.role == "assistant" for message in messages[: turn + 1])
        if not done.startswith(prompt):
            what = (
                f"the chat template asks for answer {number} with {_tail(prompt, done)}, but writes the answer behind "
                f"{_tail(done, prompt)}."
            )
            raise RowFault(what, FIX, code=NO_PLACE)
        end = len(prompt) + self._answer_end(messages[turn], done[len(prompt) :], number)
        if not text.startswith(done[:end]):
            what = (
                f"the chat template rewrites answer {number} once the conversation goes on, so it can't be trained "
                "where it stands."
            )
            raise RowFault(
                what, "Set data.train_on=each (a row for each answer) or answer (the last one).", code=NO_PLACE
            )
        check_complete(messages[turn], text[len(prompt) : end], number)
        return len(prompt), end

    def _answer_end(self, message: Message, answer: str, number: int) -> int:
        """The end of the stop token in what stands behind the prompt of an answer."""
        stop, rest = self.closing
        if message.tool_calls:  # templates may end calls with another stop token
            self._check_free_of_stops(message.reasoning + message.content + message.tool_calls)
            end = self._stop_end(answer)
            if end is None:
                raise RowFault(f"the chat template {self._no_stop(answer[-20:])}", FIX, code=NO_PLACE)
            return end
        if not answer.endswith(stop + rest):
            what = f"the chat template ends answer {number} with {answer[-20:]!r} instead of {stop + rest!r}."
            raise RowFault(what, "Set model.chat_template to a template that ends all answers alike.", code=NO_PLACE)
        end = len(answer) - len(rest)
        self._check_free_of_stops(answer[: end - len(stop)])
        return end

    def _behind_prompt(self, messages: Sequence[Message], prompt: str, text: str) -> str:
        """The conversation with its last answer where the model will be asked for it.

        Two manners of templates put it elsewhere: those that open thoughts in the prompt and leave them out of answers,
        and those that put the system message into the last question, but only while nothing answers it (Mistral).

        Args:
            messages: The turns; the last one is an answer.
            prompt: What the model is given before that.
            text: What the template makes of all turns.

        Returns:
            `text`, or where its answer isn't behind `prompt` as it should be and it is clear how it should: that.
        """
        answer, opened = messages[-1], _OPENING.search(prompt)
        if opened and text.startswith(prompt[: opened.start()]) and not _THOUGHT.match(text, opened.start()):
            thoughts, said = split_thoughts(answer)
            if not thoughts or answer.tool_calls:
                what = "the chat template asks for an answer that thinks first (<think>), but the row's answer doesn't."
                fix = f"Put the thoughts into `reasoning_content`, or as <think>…</think> before the answer. Or: {FIX}"
                raise RowFault(what, fix, code=NO_PLACE)
            return f"{prompt}{thoughts}\n</think>\n\n{said}{''.join(self.closing)}"
        if messages[0].role == "system" and not text.startswith(prompt) and self._opening is not None:
            tails = [
                f"{self._opening}{said}{''.join(self.closing)}" for said in (answer.content, answer.content.strip())
            ]
            tail = next((tail for tail in tails if answer.content and text.endswith(tail)), None)
            return text if tail is None else prompt + tail
        return text

    @cached_property
    def _opening(self) -> str | None:
        """What the template writes between the prompt and the text of an answer; None where that isn't clear."""
        question = [Message("user", "?")]
        prompt = self.template.render(question, generation_prompt=True)
        whole = self.template.render([*question, Message("assistant", _PROBE)])
        return whole[len(prompt) :].partition(_PROBE)[0] if whole.startswith(prompt) else None

    def _check_free_of_stops(self, answer: str) -> None:
        found = [token for token in self._stop_tokens if token in answer]
        if found:
            what = f"the answer holds the stop token {found[0]!r} as text."
            raise RowFault(what, "Remove it from the row.", code=NO_PLACE)

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


def _unusable(what: str) -> InputError:
    return InputError([Problem("model.chat_template", f"the chat template {what}", FIX, UNUSABLE)])


def _tail(text: str, other: str) -> str:
    """The end of `text` from a little before where it leaves `other`, quoted."""
    place = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    return repr(text[max(0, place - 20) : place + 20])
