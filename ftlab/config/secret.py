"""Keeps tokens out of the command line, which Hydra writes into every run's folder."""

import re
from collections.abc import Iterator, Sequence

from ftlab.problem import Problem

_SECRET_KEY = re.compile(r"(^|[._])(token|api_?key|password|passwd|secret)$", re.IGNORECASE)
_TOKENS = {
    "HF_TOKEN": re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    # Not a commit, as in model=org/name@<commit> and in the folders of the hub's cache.
    "WANDB_API_KEY": re.compile(r"\b(wandb_v\d+_\w{20,}|(?<!@)(?<!snapshots/)[0-9a-f]{40})\b"),
}
_COMMIT_KEY = re.compile(r"(^|[._])(revision|commit)$")


def check(arguments: Sequence[str]) -> Iterator[Problem]:
    """Finds arguments that look like a secret; their values are never repeated.

    Args:
        arguments: The command line without the program.

    Yields:
        A problem for each, with the environment variable to use.
    """
    for argument in arguments:
        key, _, value = argument.lstrip("+~").partition("=")
        held = [name for name, pattern in _TOKENS.items() if pattern.search(argument)]
        if _COMMIT_KEY.search(key) and held == ["WANDB_API_KEY"]:
            continue
        if held or (value and _SECRET_KEY.search(key)):
            place = key if value else "command line"
            yield Problem(
                place,
                "looks like a secret, and the command line is written into the run's folder.",
                f"Set the environment variable {' or '.join(held or _TOKENS)} and leave this out.",
            )
