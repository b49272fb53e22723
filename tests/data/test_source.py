"""Reading files: what is read, and the one message for everything that can be wrong with them."""

import csv
import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftlab.data.row import Message, Row
from ftlab.data.source import Splits, read_rows, read_splits
from ftlab.problem import InputError

GOOD = {"instruction": "Q", "input": "", "output": "A"}


def record(number: int) -> dict[str, Any]:
    return {"instruction": f"Q{number}", "input": "", "output": f"A{number}"}


def write(path: Path, lines: Sequence[str]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def write_jsonl(path: Path, records: Sequence[Any]) -> str:
    return write(path, [json.dumps(one) for one in records])


def faults(path: str, **settings: Any) -> list[str]:
    with pytest.raises(InputError) as error:
        read_rows(path, **settings)
    told = [str(replace(problem, code="")) for problem in error.value.problems]
    return [text.replace(f"{Path(path).parent}/", "") for text in told]


def answers(rows: Sequence[Row]) -> list[str]:
    return [row.messages[-1].content for row in rows]


# What is read


def test_jsonl_rows_carry_their_line_and_number(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [json.dumps(record(0)), "", "  ", json.dumps(record(1))])
    assert list(read_rows(path)) == [
        Row(0, f"{path}:1", (Message("user", "Q0"), Message("assistant", "A0"))),
        Row(1, f"{path}:4", (Message("user", "Q1"), Message("assistant", "A1"))),
    ]


def test_byte_order_mark_and_windows_line_ends_are_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(record(0)).encode() + b"\r\n" + json.dumps(record(1)).encode())
    assert answers(read_rows(str(path))) == ["A0", "A1"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("file_format", ["auto", "json"])
def test_json_array_rows_carry_the_line_on_which_they_begin(
    tmp_path: Path, indent: int | None, file_format: str
) -> None:
    path = write(tmp_path / "rows.json", [json.dumps([record(0), record(1)], indent=indent)])
    rows = read_rows(path, file_format=file_format)
    assert answers(rows) == ["A0", "A1"]
    assert [row.origin for row in rows] == [f"{path}:{line}" for line in ((1, 1) if indent is None else (2, 7))]


def test_json_ending_with_an_object_a_line_is_read(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.json", [record(0), record(1)])
    assert [row.origin for row in read_rows(path)] == [f"{path}:1", f"{path}:2"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_values_stay_text_and_carry_their_line(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([["instruction", "output"], ["two\nlines, a; b", "007"], ["Q", "NA"], ["Q", '"ä"']])
    rows = read_rows(str(path))
    assert answers(rows) == ["007", "NA", '"ä"']
    assert rows[0].messages[0].content == "two\nlines, a; b"
    assert [row.origin for row in rows] == [f"{path}:{line}" for line in (2, 4, 5)]


def test_tsv_ending_is_csv_with_tabs(tmp_path: Path) -> None:
    assert answers(read_rows(write(tmp_path / "rows.tsv", ["instruction\toutput", "Q\tA, b"]))) == ["A, b"]


def test_parquet_is_read_with_nested_turns(tmp_path: Path) -> None:
    import datasets

    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    path = tmp_path / "rows.parquet"
    datasets.Dataset.from_list([{"messages": turns}, {"messages": turns}]).to_parquet(path)
    rows = read_rows(str(path), row_format="messages")
    assert answers(rows) == ["A", "A"]
    assert [row.origin for row in rows] == [f"{path}:1", f"{path}:2"]


def test_file_format_setting_wins_over_the_ending(tmp_path: Path) -> None:
    assert answers(read_rows(write_jsonl(tmp_path / "rows.txt", [GOOD]), file_format="jsonl")) == ["A"]


def test_folder_and_glob_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "b.jsonl", [record(1)])
    write_jsonl(tmp_path / "a.jsonl", [record(0)])
    write(tmp_path / "notes.txt", ["nothing"])
    write_jsonl(tmp_path / "deep" / "c.jsonl", [record(2)])
    assert answers(read_rows(str(tmp_path))) == ["A0", "A1"]
    assert answers(read_rows(str(tmp_path / "*.jsonl"))) == ["A0", "A1"]
    assert answers(read_rows(str(tmp_path / "**" / "*.jsonl"))) == ["A0", "A1", "A2"]
    assert [row.id for row in read_rows(str(tmp_path / "**" / "*.jsonl"))] == [0, 1, 2]


# What is wrong with files


def test_missing_file_is_told_with_the_closest_name(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [GOOD])
    assert faults(str(tmp_path / "trian.jsonl")) == [
        f"data.path: must be a file, a folder or a glob, but 'trian.jsonl' doesn't exist (looked from {Path.cwd()}). "
        "Did you mean data.path=train.jsonl?"
    ]


def test_missing_folder_is_told(tmp_path: Path) -> None:
    assert faults(str(tmp_path / "no" / "rows.jsonl"))[0].endswith(f"The folder '{tmp_path}/no' doesn't exist either.")


def test_empty_file_is_told(tmp_path: Path) -> None:
    assert faults(write(tmp_path / "rows.jsonl", [])) == ["rows.jsonl: must hold rows, but the file is empty."]


@pytest.mark.parametrize(("name", "lines"), [("rows.jsonl", ["", " "]), ("rows.json", ["[]"]), ("rows.csv", ["a,b"])])
def test_file_without_rows_is_told(tmp_path: Path, name: str, lines: list[str]) -> None:
    assert faults(write(tmp_path / name, lines)) == [f"{name}: must hold rows, but holds none."]


def test_folder_and_glob_without_matches_are_told(tmp_path: Path) -> None:
    write(tmp_path / "notes.txt", ["nothing"])
    assert "has none." in faults(str(tmp_path))[0]
    assert f"matches none in {Path.cwd()}." in faults(str(tmp_path / "*.jsonl"))[0]


def test_unknown_ending_is_told_with_its_fix(tmp_path: Path) -> None:
    assert faults(write(tmp_path / "rows.txt", ["Hello"])) == [
        f"data.path: must be a .jsonl, .ndjson, .json, .csv, .tsv, .parquet file, but is '{tmp_path}/rows.txt'. "
        "Set data.file_format to jsonl, json, csv or parquet.".replace(f"{tmp_path}/", "")
    ]


def test_unknown_file_format_is_told(tmp_path: Path) -> None:
    assert faults(write_jsonl(tmp_path / "rows.jsonl", [GOOD]), file_format="yaml") == [
        "data.file_format: must be one of jsonl, json, csv, parquet, auto, but is 'yaml'."
    ]


def test_broken_json_is_told_by_line_and_column_and_reading_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [json.dumps(GOOD), '{"instruction" "Q"}', json.dumps(GOOD), "{oops", "[1]"])
    assert faults(path) == [
        "rows.jsonl:2: must be a JSON object on one line, but is broken: Expecting ':' delimiter at column 16.",
        "rows.jsonl:4: must be a JSON object on one line, but is broken: Expecting property name enclosed in double "
        "quotes at column 2.",
        'rows.jsonl:5: must be a JSON object, {"field": ...}, but is a list.',
    ]


def test_line_that_is_cut_off_is_told_as_such(tmp_path: Path) -> None:
    (told,) = faults(write(tmp_path / "rows.jsonl", [json.dumps(GOOD), '{"instruction": "Who clo', json.dumps(GOOD)]))
    assert "Unterminated string starting at column 17. A text isn't closed: is the line cut off" in told


def test_list_or_comma_behind_a_broken_first_line_does_not_end_reading(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ['{"instruction": "a"', "[1, 2]", "broken, too", json.dumps(GOOD)])
    assert [told.split(": ")[0] for told in faults(path)] == ["rows.jsonl:1", "rows.jsonl:2", "rows.jsonl:3"]


@pytest.mark.parametrize("line", ["{" + '"a":[' * 100_000, '{"a": NaN}', '{"a": ' + "1" * 5000 + "}", '{"a": "\t"}'])
def test_hostile_line_is_a_fault(tmp_path: Path, line: str) -> None:
    told = faults(write(tmp_path / "rows.jsonl", [json.dumps(GOOD), line]))
    assert len(told) == 1
    assert told[0].startswith("rows.jsonl:2: must be a JSON object on one line, but is broken: ")
    assert len(told[0]) < 700
    assert "set_int_max_str_digits" not in told[0]


@pytest.mark.parametrize("header", ["instruction,output", '"instruction","output"', "instruction;output"])
def test_csv_given_as_jsonl_is_told_once_with_its_fix(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "rows.jsonl", [header, *["Q;A" if ";" in header else "Q,A"] * 2])
    assert faults(path) == ["rows.jsonl:1: must be JSON, but the file looks like CSV. Set data.file_format=csv."]
    assert answers(read_rows(path, file_format="csv")) == ["A", "A"]


def test_csv_given_as_json_is_told_once_with_its_fix(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.json", ["instruction,output", "Q,A"])
    assert faults(path) == ["rows.json:1: must be JSON, but the file looks like CSV. Set data.file_format=csv."]


@pytest.mark.parametrize("indent", [None, 2])
def test_json_array_given_as_jsonl_is_told_once_with_its_fix(tmp_path: Path, indent: int | None) -> None:
    path = write(tmp_path / "rows.jsonl", [json.dumps([GOOD, GOOD], indent=indent)])
    told = faults(path)
    assert len(told) == 1
    assert told[0].startswith("rows.jsonl:1: must be one JSON object a line, but the file is ")
    assert told[0].endswith("Set data.file_format=json.")
    assert answers(read_rows(path, file_format="json")) == ["A", "A"]


def test_jsonl_given_as_csv_is_told_with_its_fix(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.csv", [GOOD])
    assert faults(path) == ["rows.csv:1: must be CSV, but is JSON. Set data.file_format=jsonl."]


def test_broken_json_array_is_told_by_its_line(tmp_path: Path) -> None:
    lines = ["[", json.dumps(GOOD) + ",", '{"instruction": oops},', "]"]
    assert faults(write(tmp_path / "rows.json", lines)) == [
        "rows.json:3: must be JSON, but is broken: Expecting value at column 17; what follows isn't read."
    ]


def test_cut_off_json_array_is_told(tmp_path: Path) -> None:
    told = faults(write(tmp_path / "rows.json", ["[", json.dumps(GOOD) + ","]))
    assert told == ["rows.json: must be a JSON array, but its closing ] is missing. Is the file cut off?"]


def test_text_behind_a_json_array_is_told(tmp_path: Path) -> None:
    told = faults(write(tmp_path / "rows.json", [json.dumps([GOOD]), json.dumps([GOOD])]))
    assert told == ["rows.json:2: must be one JSON array, but more stands behind its end. Put all rows into one."]


def test_csv_row_of_another_width_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", ["instruction,output", "Q,A", "Q,A,b", "Q"])
    fix = 'Put fields that hold the delimiter in "quotes".'
    assert faults(path) == [
        f"rows.csv:3: must have 2 fields as line 1 has, but has 3. {fix}",
        f"rows.csv:4: must have 2 fields as line 1 has, but has 1. {fix}",
    ]


def test_csv_with_an_open_quote_is_told(tmp_path: Path) -> None:
    told = faults(write(tmp_path / "rows.csv", ["instruction,output", 'Q,"A', "Q,A"]))
    assert told == ["rows.csv:3: must be CSV, but is broken: unexpected end of data; what follows isn't read."]


def test_csv_field_longer_than_pythons_limit_is_read(tmp_path: Path) -> None:
    assert (
        len(answers(read_rows(write(tmp_path / "rows.csv", ["instruction,output", "Q," + "A" * 200_000])))[0])
        == 200_000
    )


def test_wrong_encoding_is_told_by_line_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    bad = json.dumps(GOOD | {"output": "Größe"}, ensure_ascii=False).encode("cp1252")
    path.write_bytes(b"\n".join([json.dumps(GOOD).encode(), bad, bad]))
    assert faults(str(path)) == [
        "rows.jsonl:2: must be UTF-8, but byte 48 of the line is 0xf6. (The same in 1 more row.) "
        "If it comes from Windows, convert the file: iconv -f WINDOWS-1252 -t UTF-8."
    ]


def test_utf_16_and_archives_are_told(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(GOOD), encoding="utf-16")
    assert faults(str(tmp_path / "rows.jsonl")) == [
        "rows.jsonl: must be a jsonl file, but is UTF-16 text. Convert it: iconv -f UTF-16 -t UTF-8."
    ]
    with gzip.open(tmp_path / "zip.jsonl", "wb") as file:
        file.write(json.dumps(GOOD).encode())
    assert faults(str(tmp_path / "zip.jsonl")) == ["zip.jsonl: must be a jsonl file, but is a gzip archive. Unpack it."]


def test_utf_16_without_a_mark_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps(GOOD).encode("utf-16-le"))
    (told,) = faults(str(path))
    assert told == "rows.jsonl: must be a jsonl file, but is UTF-16 text. Convert it: iconv -f UTF-16LE -t UTF-8."
    path.write_bytes(json.dumps(GOOD).encode("utf-16-be"))
    assert "iconv -f UTF-16BE -t UTF-8" in faults(str(path))[0]


def test_parquet_under_another_name_and_the_reverse_are_told(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"PAR1....PAR1")
    assert faults(str(tmp_path / "rows.jsonl")) == [
        "rows.jsonl: must be a jsonl file, but is a Parquet file. Set data.file_format=parquet."
    ]
    path = write_jsonl(tmp_path / "rows.parquet", [GOOD])
    assert faults(path) == ["rows.parquet: must be a Parquet file, but isn't one. Set data.file_format to what it is."]


def test_broken_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1" + b"x" * 100 + b"PAR1")
    told = faults(str(tmp_path / "rows.parquet"))
    assert len(told) == 1
    assert told[0].startswith("rows.parquet: must be a Parquet file, but can't be read: ")


def test_unreadable_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [GOOD])

    opened = Path.open

    def refuse(self: Path, *given: Any, **settings: Any) -> Any:
        if self.name == "rows.jsonl":
            raise PermissionError(13, "Permission denied")
        return opened(self, *given, **settings)

    monkeypatch.setattr(Path, "open", refuse)
    assert faults(path) == ["rows.jsonl: can't be read: Permission denied."]


# What is wrong with rows


def test_wrong_field_names_in_all_rows_are_told_once(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [{"question": "Q", "answer": "A"}] * 500)
    assert faults(path) == [
        "rows.jsonl:1: the fields `instruction`, `output` must be there, but the row's fields are `question`, "
        "`answer`. (The same in 499 more rows.) Set data.columns.instruction=question data.columns.output=answer."
    ]
    columns = {"instruction": "question", "output": "answer"}
    assert len(read_rows(path, columns=columns)) == 500


def test_rows_without_output_are_listed_up_to_the_cap_and_counted(tmp_path: Path) -> None:
    told = faults(write_jsonl(tmp_path / "rows.jsonl", [GOOD | {"output": None}] * 50))
    assert told[0] == "rows.jsonl:1: `output` must hold text, but is null. Fill it in, or remove the row."
    assert len(told) == 21
    assert told[20] == "rows.jsonl:21: this row and 29 more have faults, too."


def test_faults_of_all_files_are_told_together(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [GOOD | {"output": ""}])
    write(tmp_path / "b.jsonl", [json.dumps(GOOD), "{"])
    write(tmp_path / "c.jsonl", [])
    told = faults(str(tmp_path / "*.jsonl"))
    assert [line.split(": ")[0] for line in told] == ["c.jsonl", "a.jsonl:1", "b.jsonl:2"]


def test_message_escapes_what_a_terminal_would_obey(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [{"\x1b[31m\ud800": "Q"}])
    assert "`\\x1b[31m\\ud800`" in faults(path)[0]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["jsonl", "json", "csv"]), st.binary(max_size=80) | st.text('{}[]",:\n ab\\u0', max_size=40))
def test_any_bytes_are_rows_or_faults(tmp_path: Path, file_format: str, content: bytes | str) -> None:
    path = tmp_path / "rows.data"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    try:
        rows = read_rows(str(path), file_format=file_format)
    except InputError as error:
        rows = []
        told = error.problems
    assert rows or told


# Splits


def split(tmp_path: Path, count: int = 40, **settings: Any) -> Splits:
    path = write_jsonl(tmp_path / "rows.jsonl", [record(number) for number in range(count)])
    return read_splits(**({"path": path} | settings))


def ids(splits: Splits) -> list[int]:
    return [row.id for rows in (splits.train, splits.validation, splits.test) for row in rows]


def test_demo_is_read_where_no_source_is_named() -> None:
    splits = read_splits()
    assert len(splits.train) >= 600
    assert len(splits.validation) >= 100
    assert len(splits.test) >= 50
    assert sorted(ids(splits)) == list(range(len(ids(splits))))
    assert splits.train[0].origin == "demo/train.jsonl:1"
    assert splits.notes == []


def test_held_out_rows_are_split_off_and_said(tmp_path: Path) -> None:
    splits = split(tmp_path)
    assert sorted(ids(splits)) == list(range(40))
    assert splits.validation
    assert splits.test
    how = "(data.validation_fraction=0.1, data.split_seed=1)."
    assert splits.notes == [
        f"No validation file: {len(splits.validation)} of 40 rows are held out for it {how}",
        f"No test file: {len(splits.test)} of 40 rows are held out for it {how}",
    ]


def test_files_for_held_out_rows_are_used_whole(tmp_path: Path) -> None:
    validation = write_jsonl(tmp_path / "v.jsonl", [record(100), record(101)])
    test = write_jsonl(tmp_path / "t.jsonl", [record(200)])
    splits = split(tmp_path, validation_path=validation, test_path=test)
    assert answers(splits.train) == [f"A{number}" for number in range(40)]
    assert answers(splits.validation) == ["A100", "A101"]
    assert answers(splits.test) == ["A200"]
    assert ids(splits) == list(range(43))
    assert splits.notes == []


def test_test_rows_are_split_off_where_only_a_validation_file_is_given(tmp_path: Path) -> None:
    splits = split(tmp_path, validation_path=write_jsonl(tmp_path / "v.jsonl", [record(100)]))
    assert answers(splits.validation) == ["A100"]
    assert splits.test
    assert len(splits.train) + len(splits.test) == 40


def test_no_fraction_holds_nothing_out_and_says_so(tmp_path: Path) -> None:
    splits = split(tmp_path, validation_fraction=0.0)
    assert len(splits.train) == 40
    assert splits.notes == [
        "No validation rows: no file is given, and data.validation_fraction=0.",
        "No test rows: no file is given, and data.validation_fraction=0.",
    ]


def test_single_row_is_trained_on_and_said(tmp_path: Path) -> None:
    splits = split(tmp_path, count=1)
    assert len(splits.train) == 1
    assert splits.notes == [
        "No validation rows: no file is given, and too few different rows (1).",
        "No test rows: no file is given, and too few different rows (1).",
    ]


def test_unused_fields_are_said(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "extra.jsonl", [record(number) | {"id": number, "source": "x"} for number in range(9)]
    )
    assert read_splits(path=path).notes[0] == "These fields of the data aren't used: id, source."


def test_held_out_file_that_is_trained_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must not name a file that data\.path names, too") as error:
        split(tmp_path, validation_path=str(tmp_path / "*.jsonl"))
    assert [problem.where for problem in error.value.problems] == ["data.validation_path"]


def test_faults_of_every_split_are_told_together(tmp_path: Path) -> None:
    validation = write_jsonl(tmp_path / "v.jsonl", [{"instruction": "Q", "output": ""}])
    with pytest.raises(InputError) as error:
        split(tmp_path, validation_path=validation, test_path=str(tmp_path / "no.jsonl"))
    assert [problem.where for problem in error.value.problems] == ["data.test_path", f"{validation}:1"]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"path": "x.jsonl", "hub_id": "org/name"}, "data.hub_id"),
        ({"path": "x.jsonl", "validation_fraction": 0.5}, "data.validation_fraction"),
        ({"path": "x.jsonl", "validation_fraction": -0.1}, "data.validation_fraction"),
        ({"validation_path": "v.jsonl"}, "data.path"),
    ],
)
def test_wrong_setting_is_told_by_its_key(wrong: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as error:
        read_splits(**wrong)
    assert [problem.where for problem in error.value.problems] == [where]


def test_hub_rows_are_read_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked = []

    def load(*args: Any, **settings: Any) -> datasets.Dataset:
        asked.append((args, settings))
        return datasets.Dataset.from_list([record(number) for number in range(30)])

    monkeypatch.setattr(datasets, "load_dataset", load)
    splits = read_splits(hub_id="org/name", hub_config="en")
    assert asked == [(("org/name", "en"), {"split": "train", "streaming": False})]  # the tests run without a network
    assert sorted(ids(splits)) == list(range(30))
    assert splits.train[0].origin.startswith("org/name/train:")


def test_unreachable_hub_id_is_told_with_its_fix() -> None:
    with pytest.raises(InputError) as error:
        read_splits(hub_id="org/no-such-data-set")
    (problem,) = error.value.problems
    assert problem.where == "data.hub_id"
    assert problem.what.startswith(
        "must be a data set that can be reached, but 'org/no-such-data-set' can't be loaded: "
    )
    assert problem.fix == "Check the id, data.hub_config, data.hub_split and your access to it."


def test_share_of_the_training_rows_leaves_the_held_out_ones_alone(tmp_path: Path) -> None:
    whole, half, quarter = (split(tmp_path, 80, train_share=share) for share in (1.0, 0.5, 0.25))
    texts = [{row.messages[0].content for row in splits.train} for splits in (whole, half, quarter)]
    assert texts[0] > texts[1] > texts[2]
    assert [len(found) for found in texts] == [
        len(whole.train),
        round(len(whole.train) / 2),
        round(len(whole.train) / 4),
    ]
    for splits in (half, quarter):
        assert [row.id for row in splits.validation] == [row.id for row in whole.validation]
        assert [row.id for row in splits.test] == [row.id for row in whole.test]
    assert f"{len(half.train)} of {len(whole.train)} training rows are used (data.train_share=0.5)." in half.notes
    assert "train_share" not in " ".join(whole.notes)
    assert len({whole.key, half.key, quarter.key}) == 3, "each is kept under a name of its own"


def test_share_takes_nothing_of_mixed_sources_and_leaves_a_row(tmp_path: Path) -> None:
    other = write_jsonl(tmp_path / "other.jsonl", [record(number) for number in range(100, 120)])
    splits = split(tmp_path, 40, train_share=0.001, mix=[{"path": other}])
    assert [row.source for row in splits.train].count("other") == 20
    assert len(splits.train) == 21
