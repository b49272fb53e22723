"""What answers are worth: each share, and each failing answer under its cause."""

import json

import pytest

from ftlab.evaluation.answers import Asked, judge, section
from ftlab.evaluation.format import schema_validator
from ftlab.evaluation.generate import Answer

SCHEMA = schema_validator({"type": "object", "required": ["fee"], "properties": {"fee": {"type": "number"}}})
JSON = [
    ('{"fee":4}', '{"fee": 4}', None),
    ('{"fee":4}', '{"fee": 5}', "other values"),
    ('{"fee":4}', '{"fee": "4"}', "not the schema"),
    ('{"fee":4}', 'It is {"fee": 4}.', "text around it"),
    ('{"fee":4}', '{"fee": 4', "truncated"),
    ('{"fee":4}', 'It is {"fee": 5}.', "text around it"),
    ('{"fee":4}', "Four euros.", "no object or array"),
    ('{"fee":4,"card":"Gold"}', '{"fee": 4}', "other values"),
]


def _asked(pairs: list[tuple[str, str, str | None]]) -> list[Asked]:
    return [Asked(10 + place, f"mine.jsonl:{place + 1}", f"q{place}", one[0]) for place, one in enumerate(pairs)]


def _answers(pairs: list[tuple[str, str, str | None]], stopped: bool = True) -> list[Answer]:
    return [Answer(one[1], stopped, len(one[1])) for one in pairs]


def test_json_answers_are_counted_by_every_measure() -> None:
    found = judge(_asked(JSON), _answers(JSON), wants="json", validator=SCHEMA)
    assert found.strict == 4 / 8
    assert found.parses == 6 / 8
    assert found.schema == 5 / 8
    assert found.fields == 3 / 9  # 1 of 1, 0, 0, 1, 0, 0, 0, 1 of 2
    assert (found.stopped, found.exact) == (1.0, 0.0)
    assert found.mean_tokens == sum(len(one[1]) for one in JSON) / 8


def test_failures_are_listed_by_cause_the_most_frequent_first() -> None:
    found = judge(_asked(JSON), _answers(JSON), wants="json", validator=SCHEMA)
    assert list(found.causes.items())[:2] == [("other values", 2), ("text around it", 2)]
    assert sum(found.causes.values()) == len(found.failures) == 7
    assert [failure["cause"] for failure in found.failures][:4] == ["other values"] * 2 + ["text around it"] * 2
    by_row = {failure["row"]: failure["cause"] for failure in found.failures}
    assert by_row == {10 + place: cause for place, (_, _, cause) in enumerate(JSON) if cause}
    assert found.failures[0] == {
        "row": 11, "where": "mine.jsonl:2", "cause": "other values", "question": "q1", "answer": '{"fee": 5}',
        "reference": '{"fee":4}',
    }  # fmt: skip


def test_without_a_schema_or_json_references_these_measures_do_not_apply() -> None:
    found = judge([Asked(1, "x:1", "q", "four")], [Answer('{"a": 1}', True, 3)], wants="json", validator=None)
    assert (found.strict, found.schema, found.fields, found.failures) == (1.0, None, None, [])


def test_text_answers_fail_where_they_are_empty_or_cut_off() -> None:
    asked = [Asked(place, "x", "q", reference) for place, reference in enumerate(("four euros", "", "gold"))]
    said = [Answer("four euros", True, 2), Answer(" ", True, 0), Answer("gold gold gold", False, 3)]
    found = judge(asked, said, wants="text", validator=None)
    assert (found.strict, found.parses, found.schema, found.fields) == (None, None, None, None)
    assert found.causes == {"empty": 1, "cut off": 1}
    assert (found.stopped, found.exact, found.contains) == (2 / 3, 1 / 2, 1.0)


def test_without_references_closeness_does_not_apply() -> None:
    found = judge([Asked(1, "x", "q", "")], [Answer("a", True, 1)], wants="text", validator=None)
    assert (found.exact, found.contains, found.rouge_l, found.bleu) == (None, None, None, None)


def test_answers_must_be_as_many_as_questions() -> None:
    with pytest.raises(ValueError, match="`answers` must be as many as `asked`"):
        judge([], [], wants="text", validator=None)


def test_section_is_plain_data() -> None:
    judged = judge(_asked(JSON), _answers(JSON), wants="json", validator=SCHEMA)
    found = section("json", 8, 20, None, judged)
    assert found == json.loads(json.dumps(found, allow_nan=False))
    assert found is not None
    assert (found["asked"], found["of"], found["wants"], found["base"]) == (8, 20, "json", None)
    assert found["tuned"]["strict"] == 0.5
    assert section(None, 0, 0, None, None) is None
