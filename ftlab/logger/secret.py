"""Takes secrets out of what is written down: the configuration and the command line, for W&B and the run card.

A value goes if its name says that it is secret, if it has the form of a known kind of token, or if it holds the value
of an environment variable with a secret name. Numbers stay: `micro_batch_tokens` and `pad_token_id` are no secrets.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "***"

_NAMES = frozenset(
    (
        "token", "key", "apikey", "secret", "password", "passwd", "passphrase", "credential", "credentials",
        "auth", "authorization", "bearer",
    )
)  # fmt: skip
_HARMLESS_NAMES = re.compile(r"(?:pad|eos|bos|unk|mask|stop|end|image)_token$")
_FORMS = re.compile(
    "|".join(
        (
            r"\bhf_[A-Za-z0-9]{16,}",  # Hugging Face
            r"\bwandb_v\d+_[A-Za-z0-9_]{16,}",  # W&B
            r"\blocal-[0-9a-f]{40}\b",  # W&B, own server
            r"\bsk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic
            r"\bgh[pousr]_[A-Za-z0-9]{20,}",  # GitHub
            r"\bgithub_pat_[A-Za-z0-9_]{20,}",
            r"\bglpat-[A-Za-z0-9_-]{16,}",  # GitLab
            r"\bAKIA[0-9A-Z]{16}\b",  # AWS
            r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*",  # JSON web token
            r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",  # user:password of a URL
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
        )
    ),
    re.DOTALL,
)
_HEX_KEY = re.compile(r"[0-9a-f]{40}")
_HASH_NAMES = frozenset(("revision", "commit", "hash", "sha", "sha1", "digest", "fingerprint", "id"))


def redact(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a copy of a nested configuration without secrets.

    >>> redact({"model": {"path": "a", "token": "hf_x"}, "training": {"micro_batch_tokens": 4096}})
    {'model': {'path': 'a', 'token': '***'}, 'training': {'micro_batch_tokens': 4096}}

    Args:
        config: Plain data: mappings, sequences, strings, numbers.
    """
    return {str(key): _redact_value(str(key), value) for key, value in config.items()}


def redact_command(arguments: Sequence[str]) -> list[str]:
    """Returns a command line without secrets.

    >>> redact_command(["method=lora", "+model.hub_token=hf_x"])
    ['method=lora', '+model.hub_token=***']

    Args:
        arguments: What was typed, word by word.
    """
    words = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        words.append(f"{name}={_redact_value(name, value)}" if equals else _redact_value("", argument))
    return words


def _redact_value(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _redact_value(f"{name}.{key}" if _is_secret(name) else str(key), v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(name, item) for item in value]
    if not isinstance(value, str) or not value:
        return value
    return HIDDEN if _is_secret(name) else _redact_text(name, value)


def _is_secret(name: str) -> bool:
    """Whether a name has a secret's word in it: `hub_token`, `apiKey`, `wandb.api-key`; not `monkey` or `tokens`."""
    if _HARMLESS_NAMES.search(name):
        return False
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
    return not _NAMES.isdisjoint(re.split(r"[^a-z0-9]+", words))


def _redact_text(name: str, text: str) -> str:
    for secret in _environment_secrets():
        text = text.replace(secret, HIDDEN)
    named_hash = not _HASH_NAMES.isdisjoint(re.split(r"[^a-z0-9]+", name.lower()))
    if _HEX_KEY.fullmatch(text) and not named_hash:
        return HIDDEN
    return _FORMS.sub(HIDDEN, text)


def _environment_secrets() -> list[str]:
    """The values of the environment's secrets; short ones would hide ordinary words."""
    shortest = 8
    return [value for name, value in os.environ.items() if _is_secret(name) and len(value) >= shortest]
