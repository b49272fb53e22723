"""The sealed key, `key.json`: the secret that joins sides to arms, and hashes of the questions and answers it is for.

In: what a test is made of. Out: `Key`. The test's id is the hash of the key, and stands in every sheet and every vote:
neither key nor answers can be changed after the first vote without being found out, and nothing of the key can be told
from the id, since the secret is in what is hashed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftlab.evaluation.blind.strip import Rules
from ftlab.problem import InputError, Problem, raise_all

FILE = "key.json"
QUESTIONS = "questions.jsonl"
ANSWERS = "answers.jsonl"

_NEW_TEST = "Put back what was sealed, or start another test: compare.folder=<a new folder>."


@dataclass(frozen=True, slots=True)
class Key:
    """What was sealed.

    Attributes:
        secret: 64 hexadecimal digits, from the system's random numbers.
        arms: The arms' names.
        every_pair: Whether each question is asked with every pair of arms.
        rules: What is taken out of the answers before anybody sees them.
        questions_sha256: Hash of `questions.jsonl`.
        answers_sha256: Hash of `answers.jsonl`.
        sealed: When, ISO 8601, UTC.
    """

    secret: str
    arms: tuple[str, ...]
    every_pair: bool
    rules: Rules
    questions_sha256: str
    answers_sha256: str
    sealed: str

    @property
    def test(self) -> str:
        """The test's id: the first 16 digits of the key's SHA-256."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def secret_bytes(self) -> bytes:
        """The secret as HMAC takes it."""
        return bytes.fromhex(self.secret)


def seal(folder: Path, *, arms: tuple[str, ...], every_pair: bool, rules: Rules, secret: bytes | None = None) -> Key:
    """Seals the questions and answers of a folder with a new key, which only its owner can read.

    Args:
        folder: Holds both files, whole.
        arms: The arms' names.
        every_pair: Whether each question is asked with every pair of arms.
        rules: What is taken out of the answers.
        secret: 32 random bytes; None takes them from the system.

    Returns:
        The key.
    """
    key = Key(
        secret=(secret or os.urandom(32)).hex(),
        arms=arms,
        every_pair=every_pair,
        rules=rules,
        questions_sha256=_sha256(folder / QUESTIONS),
        answers_sha256=_sha256(folder / ANSWERS),
        sealed=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    temporary = folder / f".{FILE}.{os.getpid()}"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"test": key.test, **asdict(key)}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / FILE)
    return key


def open_key(folder: Path) -> Key:
    """Reads the key of a folder and checks everything that it seals.

    Args:
        folder: Of the test.

    Returns:
        The key.

    Raises:
        InputError: There is none, it was changed, or questions or answers were changed under it; all that is wrong.
    """
    file = folder / FILE
    if not file.is_file():
        what = f"must be the folder of a sealed test, but '{folder}' has no {FILE}."
        raise InputError([Problem("compare.folder", what, "Write the answers first: compare.action=answer.")])
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        test, key = value.pop("test"), _key(value)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise InputError([Problem(str(file), "is no whole key.", _NEW_TEST)]) from None
    if key.test != test:
        raise InputError([Problem(str(file), "was changed after it was sealed.", _NEW_TEST)])
    raise_all(_changed(folder, key))
    return key


def _key(value: Mapping[str, Any]) -> Key:
    rules: dict[str, Any] = {
        name: tuple(given) if isinstance(given, list) else given for name, given in value["rules"].items()
    }
    key = Key(**{**value, "arms": tuple(value["arms"]), "rules": Rules(**rules)})
    bytes.fromhex(key.secret)
    return key


def _changed(folder: Path, key: Key) -> list[Problem]:
    problems = []
    for name, sealed in ((QUESTIONS, key.questions_sha256), (ANSWERS, key.answers_sha256)):
        file = folder / name
        if not file.is_file():
            problems.append(Problem(str(file), f"is missing, but was sealed on {key.sealed}.", _NEW_TEST))
        elif (found := _sha256(file)) != sealed:
            what = f"was changed after it was sealed on {key.sealed} (SHA-256 {found[:12]}…, sealed {sealed[:12]}…)."
            problems.append(Problem(str(file), what, _NEW_TEST))
    return problems


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
