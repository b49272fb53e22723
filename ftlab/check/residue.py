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
    # Alpaca's headings.
    r"|^###\s*(?:Instruction|Response|Input|Human|Assistant):",
    re.MULTILINE,
)
_ASKING = re.compile(r"^(?:USER|Human|User): ", re.MULTILINE)
_ANSWERING = re.compile(r"^(?:ASSISTANT|Assistant|AI):", re.MULTILINE)
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
    if match is not None:
        return match.group().strip()[:40]
    asking = _ASKING.search(prose)  # Vicuna's speakers: a marker only where both sides of the talk are there
    if asking is None or _ANSWERING.search(prose, asking.end()) is None:
        return None
    return asking.group().strip()


def mend_residue(text: str) -> str:
    """Takes the markers off that stand at the start and end of a turn; those inside are left for a person to judge."""
    return text if residue(text) is None else _ENDS.sub("", text)
