"""The parts of an answer: thoughts, text and tool calls, and whether a template writes them all.

In: a `Message` and what a template made of it. Out: its parts, or a fault where one is left out in silence.
"""

import json

from ftlab.data.row import Message
from ftlab.data.values import RowFault

NO_PLACE = "FT512"


def split_thoughts(message: Message) -> tuple[str, str]:
    """Returns an answer's thoughts, wherever the row keeps them, and the rest of its text."""
    thoughts, said = message.reasoning, message.content
    if not thoughts and "</think>" in said:
        thoughts, _, said = said.partition("</think>")
    return thoughts.replace("<think>", "").strip("\n"), said.lstrip("\n")


def check_complete(message: Message, written: str, number: int) -> None:
    """Refuses an answer of which the template leaves thoughts or calls out in silence.

    Args:
        message: The answer.
        written: What the template writes for it.
        number: The answer's number, for the message.

    Raises:
        RowFault: A part is left out.
    """
    thoughts, _ = split_thoughts(message)
    if thoughts.strip() not in written:
        what = f"the chat template leaves out the thoughts of answer {number}."
        raise RowFault(what, "Remove them from the row, or name a template file in model.chat_template.", code=NO_PLACE)
    calls = json.loads(message.tool_calls) if message.tool_calls else []
    if any(call["function"]["name"] not in written for call in calls):
        what = f"the chat template leaves out the tool calls of answer {number}."
        raise RowFault(
            what, "Write them into `content`, or name a template file in model.chat_template.", code=NO_PLACE
        )
