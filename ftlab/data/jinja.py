"""Runs a tokenizer's chat template, which is code that others wrote: sandboxed, bounded, and the same on every day.

In: messages. Out: the conversation as one string. It goes through Transformers' own `apply_chat_template` (Jinja's
immutable sandbox), so that what is trained on is what Transformers and vLLM render when the model is used. Whatever the
template does wrong becomes a `RowFault`.
"""

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import _compile_jinja_template

from ftlab.data.row import Message
from ftlab.data.values import RowFault

UNUSABLE, REFUSED = "FT510", "FT511"

FIX = "Set model.chat_template=default, or name a file."

_SECONDS = 10.0
"""The longest that a template may take for one conversation; real ones take less than a thousandth of it."""

_MAX_CHARS = 50_000_000
"""The longest string that a template may make of one conversation."""

_DATE = {"%d": "26", "%b": "Jul", "%B": "July", "%m": "07", "%Y": "2024", "%y": "24", "%A": "Friday", "%a": "Fri",
         "%H": "12", "%M": "00", "%S": "00"}  # fmt: skip
"""What a template that writes today's date writes instead: the day that Llama 3's templates fall back to."""

_PINNED_DATE = (
    "{%- macro strftime_now(format) -%}{{- format"
    + "".join(f".replace('{code}', '{value}')" for code, value in _DATE.items())
    + " -}}{%- endmacro -%}"
)

_PROBE = "ftlabprobe"

_PLAIN = {"role", "content"}


class ChatTemplate:
    """The chat template of one tokenizer.

    Args:
        tokenizer: Has a chat template.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer

    def render(self, messages: Sequence[Message], *, tools: str = "", generation_prompt: bool = False) -> str:
        """Renders messages to a string.

        Args:
            messages: At least one.
            tools: JSON text of the list of functions that may be called; empty = none.
            generation_prompt: Also write what stands before an answer.

        Returns:
            The string, as the template writes it; today's date is always the same one.

        Raises:
            RowFault: The template refuses these messages, fails, or has no end; the text says why.
        """
        if tools and not self._writes_tools:
            what = "the chat template writes no tools, so the model would never see those of the row."
            raise RowFault(
                what, "Remove `tools` from the row, or name a template file in model.chat_template.", code=REFUSED
            )
        return self._run(
            [_fields(message) for message in messages], json.loads(tools) if tools else None, generation_prompt
        )

    @property
    def notes(self) -> list[str]:
        """What the user should know of this template, one sentence each."""
        if "strftime_now" not in str(self._tokenizer.chat_template):
            return []
        return [
            "The chat template writes today's date: rows hold 26 July 2024 in its place, so that a run can be repeated."
        ]

    @cached_property
    def _writes_tools(self) -> bool:
        parameters = {"type": "object", "properties": {"x": {"type": "string", "description": "x"}}, "required": ["x"]}
        tool = {"type": "function", "function": {"name": _PROBE, "description": "x", "parameters": parameters}}
        try:
            return _PROBE in self._run([{"role": "user", "content": "?"}], [tool], False)
        except RowFault:
            return True  # the row itself will say what is wrong

    def _run(self, messages: list[dict[str, Any]], tools: list[Any] | None, generation_prompt: bool) -> str:
        try:
            template = self._tokenizer.get_chat_template(None, tools)
            if "strftime_now" in template:
                template = _PINNED_DATE + template
            with _time_limit(_SECONDS):
                text = self._text(template, messages, tools, generation_prompt)
                text.encode()
        except MemoryError as error:
            raise RowFault("the chat template needs more memory than there is.", FIX, code=REFUSED) from error
        except Exception as error:  # the template is foreign code and may raise anything
            said = (str(error) or type(error).__name__).rstrip(".")
            raise RowFault(f"the chat template refuses the conversation: {said}.", code=REFUSED) from error
        if len(text) > _MAX_CHARS:
            what = f"the chat template writes {len(text):,} characters, but at most {_MAX_CHARS:,} are allowed."
            raise RowFault(what, FIX, code=REFUSED)
        return str(text)

    def _text(
        self, template: str, messages: list[dict[str, Any]], tools: list[Any] | None, generation_prompt: bool
    ) -> str:
        """What Transformers renders; for turns of role and content alone by the compiled template, in half the time."""
        if tools is None and messages and all(message.keys() == _PLAIN for message in messages):
            given = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": generation_prompt}
            return str(_compile_jinja_template(template).render(**given, **self._tokenizer.special_tokens_map))
        return str(
            self._tokenizer.apply_chat_template(
                messages, tools, chat_template=template, tokenize=False, add_generation_prompt=generation_prompt
            )
        )


def _fields(message: Message) -> dict[str, Any]:
    """A message as templates expect it: fields that a row doesn't have aren't there."""
    fields = {"role": message.role, "content": message.content, "reasoning_content": message.reasoning}
    fields |= {"name": message.name, "tool_call_id": message.call_id}
    given = {key: value for key, value in fields.items() if value or key in ("role", "content")}
    return given | ({"tool_calls": json.loads(message.tool_calls)} if message.tool_calls else {})


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Ends what runs in the block with a TimeoutError; not where signals don't reach (other threads, Windows)."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    if signal.getsignal(signal.SIGALRM) is not _stop:  # setting it takes longer than most templates
        signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _stop(*_: object) -> None:
    raise TimeoutError(f"it takes longer than {_SECONDS:g} s")
