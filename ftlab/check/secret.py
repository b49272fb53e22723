"""Secrets: keys of known services by their published prefixes, private keys, random values under a telling name.

The table is our own: `detect-secrets` is made for source code, had its last release in 2024 and brings an HTTP client.
"""

import re
from collections import Counter
from math import log2

from ftlab.check.sensitive import Sensitive

_MASK = "<SECRET>"
_MIN_ENTROPY_BITS = 3.3
"""Shannon entropy a character: random base64 of 20 characters has about 4, an English word of that length 3."""

_NO_VALUE = re.compile(
    r"your|example|placeholder|changeme|redacted|dummy|sample|xxx|\*\*\*|<|\.\.\.|^(.)\1+$", re.IGNORECASE
)


def _is_mixed(match: re.Match[str]) -> bool:
    """Whether the key has digits and letters: `sk-` also begins words with hyphens."""
    key = match.group()
    return any(sign.isdigit() for sign in key) and any(sign.isalpha() for sign in key) and not _NO_VALUE.search(key)


def _is_random(match: re.Match[str]) -> bool:
    value = match.group("value")
    has = [any(test(sign) for sign in value) for test in (str.isdigit, str.isalpha)]
    return all(has) and not _NO_VALUE.search(value) and _entropy_bits(value) >= _MIN_ENTROPY_BITS


def _entropy_bits(value: str) -> float:
    counts = Counter(value).values()
    return -sum(count / len(value) * log2(count / len(value)) for count in counts)


SECRETS: tuple[Sensitive, ...] = (
    Sensitive(
        "FT412",
        "a private key",
        "<PRIVATE_KEY>",
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n)*(?:[A-Za-z-]+: .*\s)*[A-Za-z0-9+/=]{16}"
            r"(?:[A-Za-z0-9+/=.…\s]|\\n)*(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)?"
        ),
        cue=re.compile("PRIVATE KEY"),
    ),
    *(
        Sensitive(
            "FT411",
            name,
            _MASK,
            re.compile(rf"(?<![A-Za-z0-9_-]){pattern}(?![A-Za-z0-9_])"),
            _is_mixed,
            re.compile(cue),
        )
        for name, cue, pattern in (
            ("an Anthropic API key", "sk-", r"sk-ant-[A-Za-z0-9_-]{20,}"),
            ("an OpenAI API key", "sk-", r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
            ("a GitHub token", "g", r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
            ("a GitLab token", "glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
            ("a Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,}"),
            ("a Slack token", "xox", r"xox[abprs]-[A-Za-z0-9-]{10,}"),
            ("a Google API key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
            ("a Stripe key", "_live_", r"[rs]k_live_[A-Za-z0-9]{16,}"),
            ("an npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
        )
    ),
    Sensitive(
        "FT411",
        "an AWS access key",
        _MASK,
        re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
        cue=re.compile("A[KS]IA"),
    ),
    Sensitive(
        "FT411",
        "a JSON web token",
        _MASK,
        re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        cue=re.compile("eyJ"),
    ),
    Sensitive(
        "FT413",
        "a random value under a name that promises a secret",
        _MASK,
        re.compile(
            r"(?i:(?:api|access|secret|private|auth|client)[_-]?(?:key|token|secret)(?:[_-]?id)?|secret|token|passwo?r?d|pwd)"
            r"[\"'`]?\s{0,2}(?:[:=]|=>)\s{0,2}[\"'`]?(?P<value>[A-Za-z0-9+/_=-]{16,})(?![A-Za-z0-9(.\[])"
        ),
        _is_random,
        re.compile(r"[:=]>?\s{0,2}[\"'`]?[A-Za-z0-9+/_=-]{16}"),
    ),
)
