"""Strict JSON: what passes, and which cause is named for what doesn't."""

from typing import Any

import pytest

from ftlab.evaluation.format import (
    expects_json,
    fields_right,
    find_json,
    fits,
    schema_validator,
    strict_json,
)


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


def test_rows_expect_json_where_their_reference_is_json() -> None:
    assert [expects_json(reference) for reference in ('{"code": "B7"}', "Code B7", '"B7"')] == [True, False, False]


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Here it is: {"a": {"b": [1]}}. See [1] and {2}.', {"a": {"b": [1]}}),
        ('```json\n[{"a": 1}]\n```', [{"a": 1}]),
        ('{"a": {"b": 1}, ', {"b": 1}),
        ('{"a": NaN}', None),
        ('{"a": 1, "a": 2}', None),
        ("12", None),
        ("", None),
        ("[" * 3000, None),
    ],
)
def test_json_is_found_in_the_text_around_it(answer: str, value: Any) -> None:
    assert find_json(answer) == value


@pytest.mark.parametrize(
    ("value", "reference", "counted"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, (2, 2)),
        ({"a": 1.0, "b": 3}, {"a": 1, "b": 2}, (1, 2)),
        ({"a": 1}, {"a": 1, "b": 2}, (1, 2)),
        ({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2}, (2, 3)),
        ({"a": True}, {"a": 1}, (0, 1)),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "x"}]}, (2, 2)),
        ({"a": [1, 2]}, {"a": [2, 1]}, (0, 2)),
        ({"a": {}}, {"a": {}}, (1, 1)),
        ({"a.b": 1}, {"a": {"b": 1}}, (0, 2)),
        (None, {"a": 1, "b": {"c": 2}}, (0, 2)),
    ],
)
def test_fields_are_compared_at_their_places(value: Any, reference: Any, counted: tuple[int, int]) -> None:
    assert fields_right(value, reference) == counted


def test_schema_is_held_against_parsed_values() -> None:
    validator = schema_validator({"type": "object", "required": ["fee"], "properties": {"fee": {"type": "number"}}})
    assert [fits(value, validator) for value in ({"fee": 1}, {"fee": "1"}, {}, [])] == [True, False, False, False]
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    nested = schema_validator({"$ref": "#/$defs/n", "$defs": {"n": {"items": {"$ref": "#/$defs/n"}}}})
    assert not fits(deep, nested)
