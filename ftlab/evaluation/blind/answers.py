"""The private file of answers, `answers.jsonl`: written in batches, gone on with after a kill, arms named.

In: answers as they are generated. Out: all of them by question and arm. The first line says what they are answers to
and how they were made: answers of other settings never mix.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftlab.problem import InputError, Problem

FILE = "answers.jsonl"
KIND = "ftlab answers 1"


@dataclass(frozen=True, slots=True)
class ArmAnswer:
    """What one arm answered to one question.

    Attributes:
        question: The question's place in `questions.jsonl`, from 0.
        arm: The arm's name.
        text: The answer as generated.
        stopped: Whether it ended itself; else it was cut at the longest length.
        tokens: Its length.
    """

    question: int
    arm: str
    text: str
    stopped: bool
    tokens: int


class AnswerFile:
    """Answers on disk.

    Args:
        path: The file; made where it is missing, gone on with where it is there.
        settings: How the answers are made, as plain values: what can change an answer.

    Attributes:
        answers: What is there, by question and arm.
        note: What was repaired; empty where nothing was.

    Raises:
        InputError: The file holds answers that were made otherwise, or is broken elsewhere than at its end.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.note = ""
        head, self.answers, whole_bytes = _read(path) if path.exists() else (None, {}, 0)
        if head is not None and head != {"kind": KIND, **settings}:
            changed = sorted(
                name for name in {*head, *settings} if head.get(name) != {"kind": KIND, **settings}.get(name)
            )
            what = f"holds answers that were made with other settings ({', '.join(changed)})."
            raise InputError([Problem(str(path), what, "Start another test: compare.folder=<a new folder>.")])
        if head is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # it names the arms, and raters may share this machine
            path.write_text(json.dumps({"kind": KIND, **settings}, ensure_ascii=False) + "\n", encoding="utf-8")
        elif whole_bytes < (size := path.stat().st_size):
            os.truncate(path, whole_bytes)
            self.note = f"{path}: the last line was half written ({size - whole_bytes:,} bytes) and is answered anew."

    def add(self, answers: Iterable[ArmAnswer]) -> None:
        """Appends answers, all in one write that is on the disk before this returns."""
        made = list(answers)
        lines = "".join(json.dumps(asdict(answer), ensure_ascii=False) + "\n" for answer in made)
        with self.path.open("ab") as file:
            file.write(lines.encode(errors="backslashreplace"))  # half a character as JSON escapes it
            file.flush()
            os.fsync(file.fileno())
        self.answers |= {(answer.question, answer.arm): answer for answer in made}


def read_answers(path: Path) -> dict[tuple[int, str], ArmAnswer]:
    """Reads a file of answers that is whole.

    Args:
        path: The file.

    Returns:
        The answers by question and arm.

    Raises:
        InputError: It can't be read.
    """
    return _read(path)[1]


def read_settings(path: Path) -> dict[str, Any]:
    """Reads how the answers of a file that is whole were made.

    Args:
        path: The file.

    Returns:
        What `AnswerFile` was given.

    Raises:
        InputError: It can't be read.
    """
    return _read(path)[0] or {}


def _read(path: Path) -> tuple[dict[str, Any] | None, dict[tuple[int, str], ArmAnswer], int]:
    """Returns the first line (None where it isn't whole), the answers, and how many bytes are whole lines."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError([Problem(str(path), f"can't be read: {error.strerror}.")]) from None
    whole = content[: content.rfind(b"\n") + 1]
    head: dict[str, Any] | None = None
    answers: dict[tuple[int, str], ArmAnswer] = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            value = json.loads(line)
            if number == 1:
                head = dict(value)
            else:
                answer = ArmAnswer(**value)
                answers[answer.question, answer.arm] = answer
        except (ValueError, TypeError):
            what = "is no line of answers: the file was changed by hand or damaged."
            fix = "Remove the file to answer anew, or start another test: compare.folder=<a new folder>."
            raise InputError([Problem(f"{path}:{number}", what, fix)]) from None
    return head, answers, len(whole)
