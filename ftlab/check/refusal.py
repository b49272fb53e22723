"""Answers that decline to help, and phrases that give another model away. In: an answer. Out: the phrase.

Only what no clerk would say counts: "I'm sorry, but I can't waive this fee" is business,
"I can't assist with that" is not.
"""

import re

_CANNOT = r"(?:can(?:no|')?t|can not|(?:am|'m) (?:not able|unable) to|won't be able to|will not)"
_ABOUT = r"(?:that|this|your)(?: request| question| topic| task)?"
_MATTER = r"(?:fulfil+|comply with|process|complete|answer|respond to|engage (?:in|with)|discuss)"

_REFUSAL = re.compile(
    rf"\bI {_CANNOT} (?:assist|help)(?: you)?(?: with {_ABOUT})?\s*(?:[.!]|$)"
    rf"|\bI'm (?:not able|unable) to (?:assist|help)(?: you)?(?: with {_ABOUT})?\s*(?:[.!]|$)"
    rf"|\bI {_CANNOT} {_MATTER} {_ABOUT}\s*(?:[.!,]|$)"
    rf"|\bI'm (?:not able|unable) to {_MATTER} {_ABOUT}\s*(?:[.!,]|$)"
    rf"|\bI(?:'m sorry| am sorry| apologi[sz]e)[,.]? but I {_CANNOT} (?:assist|fulfil+|comply|engage|generate)\b"
    r"|(?:我|本人)?(?:无法|不能|不便|没办法)(?:回答|协助|帮助您?完成|提供帮助|满足|处理|讨论)"
    r"(?:您的|你的|这个|该|此类?|这类)?(?:问题|请求|要求|话题|内容)?\s*(?:[。！，,]|$)",
    re.IGNORECASE,
)
_CHINESE_REFUSAL_START = re.compile(r"(?:很|非常)?(?:抱歉|对不起|遗憾)")

_CANNED = re.compile(
    r"\bas an? (?:AI|artificial intelligence|large)(?: language)? (?:model|assistant|chatbot)\b"
    r"|\bas an AI, I\b|\bI(?:'m| am) (?:just |only )?an? (?:AI|large) language model\b"
    r"|\bI(?:'m| am) (?:ChatGPT|Claude|Gemini|Bard|Qwen|DeepSeek|LLaMA)\b"
    r"|\b(?:trained|developed|created|made) by (?:OpenAI|Anthropic|Google|Meta|Alibaba|DeepSeek)\b"
    r"|\bmy (?:knowledge|training)(?: data)? (?:cut-?off|only goes up to|ends in)\b"
    r"|\bas of my (?:last|knowledge|latest) \w+"
    r"|作为(?:一个|一名|一款)?(?:人工智能|AI|大型?|语言)(?:语言)?(?:模型|助手|大模型)"
    r"|我是(?:一个|一款)?(?:由)?(?:OpenAI|阿里|百度|DeepSeek|深度求索|ChatGPT|通义千问|文心一言)"
    r"|我的(?:知识|训练数据)(?:库)?(?:截止|更新)(?:到|至|于)",
    re.IGNORECASE,
)

_REFUSAL_CUES = (
    "assist",
    "help",
    "fulfil",
    "comply",
    "request",
    "question",
    "discuss",
    "无法",
    "不能",
    "不便",
    "没办法",
)
_CANNED_CUES = (
    "an ai", "language model", "ai model", "ai assistant", "artificial", "i'm ", "i am ", "i’m ", "openai", "anthropic",
    " by ", "knowledge", "my training", "as of my", "模型", "助手", "我是", "我的",
)  # fmt: skip
"""Words of which a match holds at least one: looking for them first makes the check five times faster."""

_START = 240
"""A refusal stands at the beginning of an answer: further down, a text may speak of one."""


def refusal(answer: str) -> str | None:
    """Returns the words that decline to help; None where there are none.

    >>> refusal("I can't assist with that. Ask a lawyer.")
    "I can't assist with that."
    >>> refusal("I'm sorry, but I can't waive this fee.") is None
    True
    """
    start = answer[:_START].replace("’", "'")
    lowered = start.lower()
    match = _REFUSAL.search(start) if any(cue in lowered for cue in _REFUSAL_CUES) else None
    if match is None:
        return None
    if not match.group().isascii() and not _CHINESE_REFUSAL_START.match(start):
        return None  # without an apology, the words may be about the matter itself
    return match.group().strip()


def canned(answer: str, prompt: str) -> str | None:
    """Returns the phrase with which an answer speaks of itself as a model; None where there is none.

    Args:
        answer: The answer.
        prompt: What was asked: a model that is asked about itself may say what it is.
    """
    lowered = answer.lower()
    match = _CANNED.search(answer) if any(cue in lowered for cue in _CANNED_CUES) else None
    if match is None or _CANNED.search(prompt):
        return None
    return match.group()
