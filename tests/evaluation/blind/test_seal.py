"""Once sealed, nothing of a test can be changed without being found out."""

import json
import stat
from pathlib import Path

import pytest

from ftlab.evaluation.blind.seal import ANSWERS, FILE, QUESTIONS, open_key
from ftlab.evaluation.blind.store import FILE as STORE
from ftlab.evaluation.blind.store import RatingStore
from ftlab.evaluation.blind.strip import Rules
from ftlab.evaluation.blind.trial import Trial
from ftlab.problem import InputError
from tests.reference.made_trial import SECRET, made_trial, two_arms


def test_a_key_is_read_back(tmp_path: Path) -> None:
    rules = Rules(thinking=False, names=("Qwen3",), patterns=("a+",))
    trial = made_trial(tmp_path, {"base": ["x"], "tuned": ["y"]}, rules=rules)
    assert open_key(tmp_path) == trial.key
    assert (trial.key.rules, trial.key.secret_bytes) == (rules, SECRET)


def test_only_their_owner_can_read_key_answers_and_links(tmp_path: Path) -> None:
    two_arms(tmp_path)
    RatingStore(tmp_path / STORE).raters(["anna"])
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (FILE, ANSWERS, STORE)} == {0o600}


def test_secrets_are_different_each_time(tmp_path: Path) -> None:
    from ftlab.evaluation.blind.seal import seal

    two_arms(tmp_path)
    keys = [seal(tmp_path, arms=("base", "tuned"), every_pair=False, rules=Rules()) for _ in range(3)]
    assert len({key.secret for key in keys}) == len({key.test for key in keys}) == 3


def test_changed_files_under_a_sealed_key_are_all_named(tmp_path: Path) -> None:
    two_arms(tmp_path)
    for name in (ANSWERS, QUESTIONS):
        with (tmp_path / name).open("a") as file:
            file.write("\n")
    with pytest.raises(InputError) as error:
        Trial(tmp_path)
    assert [Path(problem.where).name for problem in error.value.problems] == [QUESTIONS, ANSWERS]
    assert all("was changed after it was sealed" in problem.what for problem in error.value.problems)
    assert all("compare.folder=" in problem.fix for problem in error.value.problems)


def test_a_missing_file_under_a_sealed_key_is_named(tmp_path: Path) -> None:
    two_arms(tmp_path)
    (tmp_path / ANSWERS).unlink()
    with pytest.raises(InputError, match=r"answers.jsonl: is missing, but was sealed"):
        Trial(tmp_path)


@pytest.mark.parametrize("change", [{"secret": "00" * 32}, {"arms": ["tuned", "base"]}, {"every_pair": True}])
def test_a_changed_key_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    two_arms(tmp_path)
    value = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(value | change))
    with pytest.raises(InputError, match="was changed after it was sealed"):
        open_key(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"test": "x"}', '{"test": "x", "secret": 3}'])
def test_a_broken_key_is_refused(tmp_path: Path, content: str) -> None:
    two_arms(tmp_path)
    (tmp_path / FILE).write_text(content)
    with pytest.raises(InputError, match="is no whole key"):
        open_key(tmp_path)


def test_a_folder_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be the folder of a sealed test.*compare\.action=answer"):
        open_key(tmp_path)
