"""A schema is read whole, or the message says what is wrong with the file."""

import json
from pathlib import Path

import pytest

from ftlab.check.structure import read_schema
from ftlab.problem import InputError


def _written(folder: Path, content: object) -> str:
    file = folder / "schema.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


def test_a_schema_with_inner_references_is_read(tmp_path: Path) -> None:
    schema = {"$defs": {"rate": {"type": "number"}}, "properties": {"rate": {"$ref": "#/$defs/rate"}}}
    assert read_schema(_written(tmp_path, schema)) == schema


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"type": "objekt"}, r"valid JSON schema, but in .* \$\.type: 'objekt'"),
        ({"$ref": "#/$defs/nothing"}, r"refers to '/\$defs/nothing'"),
        ({"$ref": "https://elsewhere.invalid/schema.json"}, "refers to 'https://elsewhere.invalid/schema.json'"),
        ("[]", "holds list where an object was expected"),
        ("{", "is none: Expecting"),
    ],
)
def test_what_is_no_schema_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_schema(_written(tmp_path, content))


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"data\.schema: must name a JSON schema, but 'none\.json': No such file"):
        read_schema("none.json")
