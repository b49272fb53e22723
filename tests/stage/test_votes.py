"""Votes come in by page and by file, each counted once; the score is written down, also in the run's card and W&B."""

import json
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from omegaconf import DictConfig, OmegaConf

from ftlab.evaluation.blind.outcome import Outcome
from ftlab.evaluation.blind.sheet import Rating
from ftlab.evaluation.blind.store import RatingStore
from ftlab.evaluation.blind.trial import Trial
from ftlab.logger.wandb import WandbRun
from ftlab.problem import InputError
from ftlab.report.card import fingerprint
from ftlab.stage import votes
from ftlab.stage.compare import raters_of
from ftlab.stage.votes import Scored, publish, score_test
from tests.config.composition import composed
from tests.reference.made_trial import keep, made_trial, rating_file, two_arms, vote
from tests.reference.trained_run import write_run

ITEMS = 20


def _configured(*overrides: str) -> DictConfig:
    merged = OmegaConf.merge(
        composed("task=compare", "offline=true", "output_dir=x"), OmegaConf.from_dotlist(list(overrides))
    )
    assert isinstance(merged, DictConfig)
    return merged


def _tuned(left: str, right: str) -> str:
    return "tuned"


def _written(file: Path, given: Iterable[Rating]) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(rating_file(given)))
    return file


def _score(folder: Path, *overrides: str) -> Scored:
    return score_test(_configured(f"compare.folder={folder}", *overrides))


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    made = two_arms(tmp_path / "compare", ITEMS)
    raters_of(_configured("compare.raters=[anna,ben]"), made.folder)
    return made


def test_votes_of_the_page_and_of_files_are_put_together(trial: Trial, tmp_path: Path) -> None:
    store = RatingStore(trial.folder / "ratings.sqlite")
    for one in vote(trial, "anna", _tuned):
        keep(store, one)
    sent = _written(tmp_path / "inbox" / "ben.json", vote(trial, "ben", lambda *_: None))
    scored = _score(trial.folder, f"compare.ratings=[{sent.parent}]")
    assert {name: rater.rated for name, rater in scored.result.raters.items()} == {"anna": ITEMS, "ben": ITEMS}
    numbers = json.loads((trial.folder / "result.json").read_text())
    assert numbers["blind"]["wins"] == ITEMS
    assert numbers["votes"] == 2 * ITEMS
    assert len((trial.folder / "result.csv").read_text().splitlines()) == 1 + 2 * ITEMS
    page = (trial.folder / "result.html").read_text()
    assert page.count('<details class="pair">') == ITEMS
    assert "the tuned answer 3" in page


def test_a_file_that_comes_twice_and_by_two_ways_counts_once(trial: Trial, tmp_path: Path) -> None:
    given = vote(trial, "anna", _tuned)
    sent = _written(tmp_path / "anna.json", given)
    copy = _written(trial.folder / "ratings" / "anna (1).json", given)
    for _ in range(2):
        scored = _score(trial.folder, f"compare.ratings=[{sent},{copy},{sent}]")
        assert scored.result.votes == ITEMS


def test_files_that_are_wrong_are_all_named_and_sound_ones_kept(trial: Trial, tmp_path: Path) -> None:
    sound = _written(tmp_path / "sound.json", vote(trial, "anna", _tuned))
    half = tmp_path / "half.json"
    half.write_text(sound.read_text()[:500])
    foreign = _written(tmp_path / "foreign.json", vote(two_arms(tmp_path / "other", ITEMS - 1), "anna", _tuned)[:1])
    stranger = _written(tmp_path / "stranger.json", vote(trial, "mallory", _tuned)[:1])
    files = [sound, half, foreign, stranger, tmp_path / "none.json"]
    with pytest.raises(InputError) as error:
        _score(trial.folder, f"compare.ratings=[{','.join(map(str, files))}]")
    told = {problem.where: problem.what for problem in error.value.problems}
    assert "is no whole JSON file" in told[str(half)]
    assert "belongs to another test" in told[f"{foreign}: rating 1"]
    assert "must be one of anna, ben, but is mallory" in told[f"{stranger}: rating 1"]
    assert "isn't there" in told["compare.ratings"]
    assert not (trial.folder / "result.json").exists()
    assert _score(trial.folder).result.votes == ITEMS


def test_a_score_without_votes_says_how_to_get_some(trial: Trial) -> None:
    with pytest.raises(InputError, match=r"nobody has rated yet.*compare\.serve=true"):
        _score(trial.folder)


def test_a_test_whose_answers_are_all_the_same_needs_no_votes(tmp_path: Path) -> None:
    made_trial(tmp_path, {"base": ["a", "b"], "tuned": ["a", "b"]})
    result = _score(tmp_path).result
    assert (result.asked, result.votes, result.pairs[0].outcome) == (0, 0, Outcome(0, 2, 0))
    assert not (tmp_path / "result.csv").exists()
    assert "same answers" in (tmp_path / "result.html").read_text()


def test_a_score_where_there_is_no_test_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be the folder of a sealed test"):
        _score(tmp_path)
    with pytest.raises(InputError, match="must be given where `run` isn't"):
        score_test(_configured())


def test_votes_of_another_test_in_the_store_are_counted_and_left_out(
    trial: Trial, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = RatingStore(trial.folder / "ratings.sqlite")
    for one in [*vote(trial, "anna", _tuned), *vote(two_arms(tmp_path / "other", 3), "anna", _tuned)]:
        keep(store, one)
    assert _score(trial.folder).result.votes == ITEMS
    assert "3 votes are left out: each belongs to another test" in caplog.text


def _written_weights(run: Path) -> str:
    file = run / "adapter" / "adapter_model.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"trained")
    return fingerprint([file])


def test_the_score_stays_out_of_the_card_of_a_run_that_did_not_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = write_run(tmp_path / "run", "method=lora")
    trial = two_arms(run / "compare", ITEMS, weights=_written_weights(run))
    _written(trial.folder / "ratings" / "anna.json", vote(trial, "expert-1", _tuned))
    (run / "adapter" / "adapter_model.safetensors").write_bytes(b"trained anew")
    before = (run / "run.json").read_bytes()
    cfg = _configured(f"run={run}", "logger={}")
    publish(cfg, score_test(cfg), ["task=compare"])
    assert (run / "run.json").read_bytes() == before
    assert "run.json stays as it is: the answers are not of the weights that lie there now." in caplog.text


def test_files_in_the_folder_of_ratings_that_are_not_read_are_named(
    trial: Trial, caplog: pytest.LogCaptureFixture
) -> None:
    given = vote(trial, "anna", _tuned)
    sent = _written(trial.folder / "ratings" / "ANNA.JSON", given[:5])
    (sent.parent / "ratings-ben.json.txt").write_text("{}")
    assert _score(trial.folder).result.votes == 5
    assert "not read, as their names don't end in .json: ratings-ben.json.txt." in caplog.text


def test_the_score_stands_in_the_runs_card_page_and_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", "method=lora", "logger.wandb.project=mine", evaluation={"samples": []})
    trial = two_arms(run / "compare", ITEMS, weights=_written_weights(run))
    _written(trial.folder / "ratings" / "anna.json", vote(trial, "expert-1", _tuned))
    wandb = create_autospec(WandbRun, instance=True)
    built: list[DictConfig] = []

    def build(nodes: DictConfig, key: str, **given: object) -> dict[str, WandbRun]:
        assert given == {"folder": run, "offline": True}
        built.append(nodes)
        return {"wandb": wandb}

    monkeypatch.setattr(votes, "build_all", build)
    cfg = _configured(f"run={run}")
    scored = score_test(cfg)
    publish(cfg, scored, ["task=compare"])
    section = scored.result.section()
    card = json.loads((run / "run.json").read_text())
    assert (card["evaluation"], card["status"]) == ({"samples": [], "blind": section}, "done")
    assert "In the blind test tuned won 20" in (run / "report.html").read_text()
    assert built[0].wandb.project == "mine"  # the run's own, not the shipped one
    assert wandb.summarise.call_args.args[0]["evaluation/blind/wins"] == ITEMS
    assert wandb.show_table.call_args.args == ("evaluation/blind_votes", scored.rows)
    assert wandb.show_page.call_args.args == ("report", run / "report.html")
    wandb.finish.assert_called_once()
