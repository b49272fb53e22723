from enum import Enum
from typing import Any, Literal, Union

import pytest

from ftlab.config import kind


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, int, True),
        (True, int, False),
        (1.0, int, False),
        (1, float, True),
        ("1", float, False),
        (None, int | None, True),
        (None, Union[int, None], True),  # noqa: UP007 (the old form, which libraries still use)
        ("x", int | None, False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        (1, Literal[True], False),
        (True, Literal[True], True),
        ("pissa_niter_4", Literal["pissa_niter_[number of iters]"], True),
        ("pissa_niter", Literal["pissa_niter_[number of iters]"], False),
        ([1, 2], list[int], True),
        ([1, "x"], list[int], False),
        ("ab", list[str], False),
        ([0.9, 0.99], tuple[float, float], True),
        ({"a": 1.0}, dict[str, float], True),
        ({"a": "x"}, dict[str, float], False),
        ([], dict, False),
        (object(), Any, True),
        ("RED", Colour, True),
    ],
)
def test_value_is_compared_with_its_annotation(value: Any, annotation: Any, expected: bool) -> None:
    assert kind.matches(value, annotation) is expected


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int | None, "a whole number or null"),
        (Literal["a", "b"], "one of a, b"),
        (bool | Literal["a"], "true or false or a"),
        (list[str], "a list of text"),
        (list, "a list"),
        (dict[str, float], "a mapping to a number"),
        (dict[str, Any], "a mapping to anything"),
        (Colour, "one of RED"),
    ],
)
def test_annotation_is_put_into_words(annotation: Any, words: str) -> None:
    assert kind.describe(annotation) == words
