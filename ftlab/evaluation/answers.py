"""What answers are worth: format, fields, closeness to the references, length, and why those that fail do.

In: questions with their references, and what a model wrote. Out: a `Judged`, the same for base and tuned.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from jsonschema.protocols import Validator

from ftlab.evaluation.format import fields_right, find_json, fits, strict_json
from ftlab.evaluation.generate import Answer
from ftlab.evaluation.reference import Closeness, closeness

Wants = Literal["json", "text"]
"""What the questions ask for."""

NOT_THE_SCHEMA, OTHER_VALUES, CUT_OFF, EMPTY = "not the schema", "other values", "cut off", "empty"
"""Causes beside those of `strict_json`: strict JSON that doesn't fit the schema, or fits it with other values than the
reference's; text that came to no end, or that there is none of."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A held-out row that is asked.

    Attributes:
        row: The row's number.
        where: Where it stands, as `file:line`.
        question: As people read it.
        reference: The answer in the data; may be empty.
    """

    row: int
    where: str
    question: str
    reference: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What one model's answers are worth; shares from 0 to 1, None where a measure doesn't apply.

    Attributes:
        strict: Answers that are strict JSON.
        parses: Answers that hold an object or array, text around it allowed.
        schema: Answers whose object or array fits the schema.
        fields: Fields that are as in the reference, of all in answer or reference, over all answers.
        stopped: Answers that ended by themselves.
        mean_tokens: Mean length, in tokens.
        exact: See `Closeness`; over the answers with a reference, as the next three.
        contains: See `Closeness`.
        rouge_l: See `Closeness`.
        bleu: See `Closeness`.
        causes: How many answers fail for each reason, the most frequent first.
        failures: Those answers, grouped by cause in the same order.
    """

    strict: float | None
    parses: float | None
    schema: float | None
    fields: float | None
    stopped: float
    mean_tokens: float
    exact: float | None
    contains: float | None
    rouge_l: float | None
    bleu: float | None
    causes: dict[str, int]
    failures: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)


def judge(asked: Sequence[Asked], answers: Sequence[Answer], *, wants: Wants, validator: Validator | None) -> Judged:
    """Judges what a model wrote.

    Args:
        asked: The questions.
        answers: One a question, in their order.
        wants: Whether answers must be strict JSON.
        validator: What JSON answers must fit; None where any JSON will do.

    Returns:
        Every figure and every failing answer.

    Raises:
        ValueError: There is no question, or there are more or fewer answers than questions.
    """
    if not asked or len(asked) != len(answers):
        raise ValueError(
            f"`answers` must be as many as `asked`, at least one, but there are {len(answers)} and {len(asked)}."
        )
    causes = [_cause(one, answer, wants, validator) for one, answer in zip(asked, answers, strict=True)]
    counts = dict(Counter(cause for cause in causes if cause is not None).most_common())
    failures = [
        {
            "row": one.row,
            "where": one.where,
            "cause": cause,
            "question": one.question,
            "answer": answer.text,
            "reference": one.reference,
        }
        for one, answer, cause in zip(asked, answers, causes, strict=True)
        if cause is not None
    ]
    pairs = [(answer.text, one.reference) for one, answer in zip(asked, answers, strict=True) if one.reference.strip()]
    close = asdict(closeness(*zip(*pairs, strict=True))) if pairs else dict.fromkeys(Closeness.__dataclass_fields__)
    return Judged(
        **_json_figures(asked, answers, wants, validator),
        stopped=sum(answer.stopped for answer in answers) / len(answers),
        mean_tokens=sum(answer.tokens for answer in answers) / len(answers),
        **close,
        causes=counts,
        failures=sorted(failures, key=lambda failure: list(counts).index(failure["cause"])),
    )


def section(
    wants: Wants | None, asked: int, fitting: int, base: Judged | None, tuned: Judged | None
) -> dict[str, Any] | None:
    """Puts both models side by side, as the run card and `evaluation.json` hold them.

    Args:
        wants: What the questions asked for; None where there were none.
        asked: How many there were.
        fitting: Of how many they were drawn.
        base: The base's answers, judged, if it was asked.
        tuned: The tuned model's.

    Returns:
        Plain data; None where nothing was asked.
    """
    if wants is None or (base is None and tuned is None):
        return None
    judged = {"base": base, "tuned": tuned}
    return {"asked": asked, "of": fitting, "wants": wants} | {
        name: one and one.to_dict() for name, one in judged.items()
    }


def _json_figures(
    asked: Sequence[Asked], answers: Sequence[Answer], wants: Wants, validator: Validator | None
) -> dict[str, float | None]:
    if wants == "text":
        return dict.fromkeys(("strict", "parses", "schema", "fields"))
    values = [find_json(answer.text) for answer in answers]
    counted = [
        fields_right(value, find_json(one.reference))
        for one, value in zip(asked, values, strict=True)
        if strict_json(one.reference) is None
    ]
    fitting = None if validator is None else [value is not None and fits(value, validator) for value in values]
    return {
        "strict": sum(strict_json(answer.text) is None for answer in answers) / len(answers),
        "parses": sum(value is not None for value in values) / len(answers),
        "schema": None if fitting is None else sum(fitting) / len(answers),
        "fields": sum(right for right, _ in counted) / sum(of for _, of in counted) if counted else None,
    }


def _cause(one: Asked, answer: Answer, wants: Wants, validator: Validator | None) -> str | None:
    """Why an answer fails; None where it doesn't."""
    return next(_causes(one, answer, wants, validator), None)


def _causes(one: Asked, answer: Answer, wants: Wants, validator: Validator | None) -> Iterator[str]:
    if wants == "text":
        if not answer.text.strip():
            yield EMPTY
        if not answer.stopped:
            yield CUT_OFF
        return
    if cause := strict_json(answer.text):
        yield cause
        return
    value = find_json(answer.text)
    if validator is not None and not fits(value, validator):
        yield NOT_THE_SCHEMA
    if strict_json(one.reference) is None:
        right, of = fields_right(value, find_json(one.reference))
        if right < of:
            yield OTHER_VALUES
