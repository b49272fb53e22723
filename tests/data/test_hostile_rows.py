"""Whatever stands in a file of rows becomes a row or a fault: never a stack trace, never a line lost."""

import json
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftlab.data.chat import Encoder
from ftlab.data.faults import Faults
from ftlab.data.files import DataFile, FileFormat
from ftlab.data.reader import RowReader
from ftlab.data.records import read_records
from ftlab.data.row import Row
from tests.data.chat_templates import byte_level

GOOD: dict[str, dict[str, Any]] = {
    "alpaca": {"instruction": "Why?", "output": "So."},
    "prompt-completion": {"prompt": "Why?", "completion": "So."},
    "messages": {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
    "text": {"text": "Because."},
}
ODD = [
    "\ud800",
    "\udfff x",
    "\ufeff",
    "\x00",
    "\u202eabc",
    "\u2028",
    "\x1b[31m",
    "🙂",
    "e\u0301",
    "\x85",
    "<|im_end|>",
    "</s>",
    "",
]

names = st.sampled_from([*(name for row in GOOD.values() for name in row), "role", "from", "tools", "tool_calls", "x"])
texts = st.one_of(st.text(max_size=8), st.sampled_from(ODD))
scalars = st.one_of(texts, st.none(), st.booleans(), st.integers(), st.floats())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(names, texts), inner, max_size=3),
        st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool"]), "content": inner}),
        st.fixed_dictionaries({"role": st.just("assistant"), "tool_calls": inner}),
    ),
    max_leaves=8,
)


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A good row with something cut out of it, or put into it."""
    line = json.dumps(draw(st.sampled_from(list(GOOD.values())))).encode()
    at = draw(st.integers(0, len(line)))
    return line[:at] + draw(st.binary(max_size=3)) + line[draw(st.integers(at, min(len(line), at + 5))) :]


dumped = st.one_of(values, st.dictionaries(names, values, max_size=4)).flatmap(
    lambda value: st.sampled_from(
        [json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")]
    )
)
twice = st.tuples(names, scalars, scalars).map(
    lambda it: f'{{"{it[0]}": {json.dumps(it[1])}, "{it[0]}": {json.dumps(it[2])}}}'.encode()
)
deep = st.integers(1, 20_000).flatmap(
    lambda depth: st.sampled_from(
        [b"[" * depth, b'{"output":' * depth, b'{"text":' + b"[" * depth + b"]" * depth + b"}"]
    )
)
huge = st.integers(1, 10_000).flatmap(
    lambda size: st.sampled_from(
        [b'{"text": "' + b"x" * size + b'"}', b'{"text": ' + b"9" * size + b"}", b"1e" + b"9" * size]
    )
)
lines = st.one_of(dumped, dumped, st.binary(max_size=12), spoiled(), twice, deep, huge).map(
    lambda line: line.replace(b"\n", b" ")
)


def read(path: Path, content: bytes, row_format: str, file_format: FileFormat) -> tuple[list[Row], Faults]:
    file = path / "rows"
    file.write_bytes(content)
    faults = Faults()
    records = read_records(DataFile(file, file_format, "rows"), faults)
    return list(RowReader(row_format).rows(records, count(), faults)), faults


def assert_sound(rows: list[Row]) -> None:
    for row in rows:
        texts = [row.text, row.tools, *(text for turn in row.messages for text in (turn.content, turn.tool_calls))]
        assert all(text.encode() is not None for text in texts)
        assert row.text.strip() or row.messages


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.mark.parametrize("row_format", ["auto", *GOOD])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_line_of_jsonl_is_a_row_or_a_fault(row_format: str, folder: Path, data: st.DataObject) -> None:
    good = json.dumps(GOOD.get(row_format, GOOD["alpaca"])).encode()
    given_lines = [good, *data.draw(st.lists(lines, max_size=6)), good]
    rows, faults = read(folder, b"\n".join(given_lines), row_format, "jsonl")
    filled = [line for line in given_lines if line.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").strip()]
    assert len(rows) + len(faults) == len(filled)
    assert_sound(rows)
    assert all(str(problem).isprintable() for problem in faults.problems())


@pytest.mark.parametrize("file_format", ["jsonl", "json", "csv"])
@settings(max_examples=60, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), st.lists(lines, max_size=4).map(b"\n".join)))
@example(content=b'{}\n{"conversation":[{"role":"","content":""}]}')
def test_any_bytes_are_read_to_the_end_or_faulted(file_format: FileFormat, folder: Path, content: bytes) -> None:
    for row_format in ("auto", "messages"):
        rows, faults = read(folder, content, row_format, file_format)
        assert_sound(rows)
        assert all(str(problem).isprintable() for problem in faults.problems())


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=4))
def test_csv_cells_of_odd_text_are_rows_or_faults(folder: Path, cells: list[list[str]]) -> None:
    body = "\n".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in [["instruction", "output"], *cells]
    )
    rows, faults = read(folder, body.encode("utf-8", "surrogatepass"), "alpaca", "csv")
    assert_sound(rows)
    assert len(rows) + len(faults) > 0


@pytest.mark.parametrize("train_on", ["answer", "assistant", "each", "text"])
@settings(max_examples=40, deadline=None)
@given(content=st.lists(lines, max_size=6).map(b"\n".join))
def test_every_row_that_is_read_is_encoded_or_a_fault(train_on: Any, folder: Path, content: bytes) -> None:
    rows, _ = read(folder, content, "auto", "jsonl")
    rows += [Row(len(rows), "rows:9", text=text) for text in ODD if text and text.isprintable()]
    faults = Faults()
    encoded = Encoder(byte_level("default"), train_on=train_on).encode_batch(rows, faults, Counter())
    known = {row.id for row in encoded} | {row_id for _, row_id in faults.rows}
    assert known == {row.id for row in rows}
