"""Strict JSON: what passes, and which cause is named for what doesn't."""

import pytest

from ftlab.evaluation.format import expects_json, json_rate, strict_json


@pytest.mark.parametrize(
    "answer",
    ["{}", "[]", ' {"a": [1, 2.5e3, null, true, "ü\\n"]}\n', '[{"a": {"b": "it\'s"}}]', '{"NaN": "Infinity"}'],
)
def test_an_object_or_array_alone_is_strict(answer: str) -> None:
    assert strict_json(answer) is None


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ('```json\n{"a": 1}\n```', "code fence"),
        ('Here it is: {"a": 1}', "text around it"),
        ('{"a": 1} I hope this helps.', "text around it"),
        ('{"a": 1}{"a": 2}', "text around it"),
        ("The fee is 4 euros.", "no object or array"),
        ('"a string"', "no object or array"),
        ("12", "no object or array"),
        ("true", "no object or array"),
        ('{"a": [1, 2', "truncated"),
        ('{"a": "he said \\"', "truncated"),
        ('{"a": 1, "b', "truncated"),
        ("{'a': 1}", "single quotes"),
        ('{"a": NaN}', "not a number"),
        ("[-Infinity]", "not a number"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "duplicate key"),
        ('{"a": 1,}', "invalid"),
        ("{a: 1}", "invalid"),
        ('{"a": "b\nc"}', "invalid"),
        ('{"a": "x"]', "invalid"),
        ("[" * 100_000 + "]" * 100_000, "invalid"),
    ],
)
def test_the_cause_of_a_failure_is_named(answer: str, cause: str) -> None:
    assert strict_json(answer) == cause


def test_json_rate_counts_strict_answers() -> None:
    assert json_rate(['{"a": 1}', "no", "[1]", "{'a': 1}"]) == 0.5


def test_json_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one answer"):
        json_rate([])


def test_rows_expect_json_where_their_reference_is_json() -> None:
    assert [expects_json(reference) for reference in ('{"code": "B7"}', "Code B7", '"B7"')] == [True, False, False]
