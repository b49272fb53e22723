"""Markers of chat templates that were left in the text.

In: text. Out: the first marker, or the text without those at its ends.
"""

import re

_NAMES = (
    "im_start|im_end|im_sep|endoftext|startoftext|begin_of_text|end_of_text|start_header_id|end_header_id|eot_id|eom_id"
    "|python_tag|user|assistant|system|end|eot|pad|start_of_role|end_of_role|return|channel|message|start"
    "|finetune_right_pad_id|reserved_special_token_\\d+"
)
_TOKEN = (
    rf"<\|(?:{_NAMES})\|>|<｜[^｜<>\n]{{1,40}}｜>|</?(?:start|end)_of_turn>"
    r"|\[/?INST\]|<</?SYS>>|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS)\]"
)
_AT_START = r"<(?:s|bos)>"
_AT_END = r"</s>|<eos>|<pad>"

_MARKER = re.compile(
    rf"{_TOKEN}"
    # `<s>` and `</s>` are also HTML: as markers they stand at the very start and end, without a partner.
    rf"|^\s*{_AT_START}(?!.*</s>.)|(?<!<s>)(?:{_AT_END})\s*$"
    # Alpaca's headings and Vicuna's speakers, alone on a line or with both sides of the talk.
    r"|^###\s*(?:Instruction|Response|Input|Human|Assistant):"
    r"|^(?:USER|Human|User): [\s\S]*?^(?:ASSISTANT|Assistant|AI):",
    re.MULTILINE,
)
_STRIKE = re.compile(r"<s>[^<>\[\]]*</s>")
_ENDS = re.compile(rf"\A(?:\s*(?:{_TOKEN}|{_AT_START}))+\s*|\s*(?:(?:{_TOKEN}|{_AT_END})\s*)+\Z")
_CODE = re.compile(r"```[\s\S]*?```|`[^`\n]+`")


def residue(text: str) -> str | None:
    """Finds a marker of a chat template.

    Markers in code (between back quotes) are what the text speaks of, and don't count.

    Args:
        text: The text of one turn.

    Returns:
        The first marker; None where there is none.
    """
    if not any(sign in text for sign in ("<", "[", "###", ":")):
        return None
    prose = _CODE.sub("", text)
    match = _MARKER.search(prose if _STRIKE.fullmatch(prose.strip()) else _STRIKE.sub("", prose))
    return None if match is None else match.group().strip().splitlines()[0][:40]


def mend_residue(text: str) -> str:
    """Takes the markers off that stand at the start and end of a turn; those inside are left for a person to judge."""
    return text if residue(text) is None else _ENDS.sub("", text)
