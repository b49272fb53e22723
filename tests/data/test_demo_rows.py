"""The embedded demo data: enough rows, strict JSON, no leak between the splits, and every tested fact taught."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "ftlab" / "data" / "demo"
LEAST_ROWS = {"train": 600, "validation": 100, "test": 50}
SCHEMAS = {
    ("code", "name", "kind", "fee_eur"),
    ("code", "rate_pct", "limit_eur"),
    ("queue", "priority", "form"),
    ("allowed", "limit_eur", "rule"),
    ("branch", "name", "opens", "closes", "late_day"),
    ("level", "owner", "hours"),
    ("name", "product", "amount_eur", "branch"),
}

DemoRow = dict[str, str]


def read(split: str) -> list[DemoRow]:
    return [json.loads(line) for line in (FOLDER / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


ROWS = {split: read(split) for split in LEAST_ROWS}


def json_answer(row: DemoRow) -> dict[str, object] | None:
    """The answer as an object, or None if the row wants prose."""
    try:
        value = json.loads(row["output"])
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def words(row: DemoRow) -> tuple[str, ...]:
    """The prompt without case, punctuation and spacing."""
    return tuple(re.findall(r"\w+", f"{row['instruction']} {row['input']}".lower()))


def trigrams(row: DemoRow) -> set[tuple[str, ...]]:
    prompt = words(row)
    return {prompt[i : i + 3] for i in range(max(1, len(prompt) - 2))}


def facts(row: DemoRow) -> list[object]:
    """What one must know to answer: the whole answer, or its parts where a row combines several facts."""
    answer = json_answer(row)
    if answer is None:
        return [row["output"]]
    if "allowed" in answer:
        return [(answer["rule"], answer["limit_eur"])]
    if "amount_eur" in answer:
        return [(key, answer[key]) for key in ("name", "product", "branch")]
    return [row["output"]]


@pytest.mark.parametrize(("split", "least"), LEAST_ROWS.items())
def test_split_has_enough_rows_of_three_short_strings(split: str, least: int) -> None:
    assert len(ROWS[split]) >= least
    for row in ROWS[split]:
        assert list(row) == ["instruction", "input", "output"]
        assert all(isinstance(text, str) and text == text.strip() for text in row.values())
        assert row["instruction"]
        assert row["output"]
        assert sum(map(len, row.values())) <= 600


@pytest.mark.parametrize("split", LEAST_ROWS)
def test_json_answers_are_compact_and_of_a_known_schema(split: str) -> None:
    for row in ROWS[split]:
        answer = json_answer(row)
        assert (answer is not None) == ("JSON" in row["instruction"]), row
        if answer is not None:
            assert tuple(answer) in SCHEMAS
            assert row["output"] == json.dumps(answer, separators=(",", ":"), allow_nan=False)


@pytest.mark.parametrize("split", LEAST_ROWS)
def test_json_answers_make_up_about_half_of_a_split_in_all_schemas(split: str) -> None:
    answers = [answer for row in ROWS[split] if (answer := json_answer(row)) is not None]
    assert 0.4 <= len(answers) / len(ROWS[split]) <= 0.6
    assert len(answers) >= 20
    assert {tuple(answer) for answer in answers} == SCHEMAS


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_decisions_go_both_ways(split: str) -> None:
    verdicts = [answer["allowed"] for row in ROWS[split] if (answer := json_answer(row)) and "allowed" in answer]
    assert min(Counter(verdicts)[True], Counter(verdicts)[False]) >= 2


def test_no_prompt_is_asked_twice_within_or_across_splits() -> None:
    counts = Counter(words(row) for rows in ROWS.values() for row in rows)
    assert [prompt for prompt, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(("held_out", "other"), [("test", "train"), ("test", "validation"), ("validation", "train")])
def test_no_held_out_prompt_is_nearly_one_of_another_split(held_out: str, other: str) -> None:
    others = [(trigrams(row), row) for row in ROWS[other]]
    for row in ROWS[held_out]:
        ours = trigrams(row)
        for theirs, near in others:
            assert len(ours & theirs) / len(ours | theirs) < 0.5, (row, near)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_every_held_out_fact_stands_in_four_training_rows(split: str) -> None:
    taught = Counter(fact for row in ROWS["train"] for fact in facts(row))
    missing = {fact: taught[fact] for row in ROWS[split] for fact in facts(row) if taught[fact] < 4}
    assert missing == {}


def test_messages_to_extract_from_hold_new_combinations() -> None:
    taught = {row["output"] for row in ROWS["train"]}
    combined = [row for split in ("validation", "test") for row in ROWS[split] if '"amount_eur"' in row["output"]]
    assert len(combined) >= 6
    assert not any(row["output"] in taught for row in combined)


def test_first_test_rows_show_prose_and_json() -> None:
    shown = [json_answer(row) is not None for row in ROWS["test"][:3]]
    assert set(shown) == {True, False}


def test_demo_files_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 500_000


def test_card_names_the_row_counts_and_json_shares() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for split, rows in ROWS.items():
        count = sum(json_answer(row) is not None for row in rows)
        assert f"`{split}.jsonl` | {len(rows)} | {count} ({count / len(rows):.0%}".replace("%", " %") in card
    longest = max(sum(map(len, row.values())) for rows in ROWS.values() for row in rows)
    assert f"the longest {longest}" in card


def test_build_script_gives_the_committed_files_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "scripts.build_demo", str(tmp_path)], cwd=ROOT, check=True, timeout=60)
    for split in LEAST_ROWS:
        assert (tmp_path / f"{split}.jsonl").read_bytes() == (FOLDER / f"{split}.jsonl").read_bytes()
