"""Conversations, and encoders with the templates of `chat_templates`, for the tests of masks."""

import pytest
from transformers import PreTrainedTokenizerFast

from ftlab.data.chat import Encoder
from ftlab.data.row import Message, Row
from ftlab.problem import InputError
from tests.data.chat_templates import byte_level, stop_ids


def row(*turns: str, system: str | None = None, row_id: int = 0) -> Row:
    """A conversation: question, answer, question, answer…"""
    roles = ("user", "assistant")
    messages = tuple(Message(roles[number % 2], text) for number, text in enumerate(turns))
    start = (Message("system", system),) if system is not None else ()
    return Row(row_id, f"rows.jsonl:{row_id + 1}", messages=start + messages)


def encoder(name: str, **settings: object) -> tuple[Encoder, PreTrainedTokenizerFast]:
    tokenizer = byte_level(name)
    return Encoder(tokenizer, stop_ids=stop_ids(tokenizer, name), **settings), tokenizer  # type: ignore[arg-type]


def fault(error: pytest.ExceptionInfo[InputError]) -> str:
    return str(error.value)
