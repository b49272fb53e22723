"""The team's W&B dashboard asks only for what ftlab logs, and is described without a server."""

import json
import socket
from collections.abc import Iterator, Mapping
from math import exp
from typing import Any

import pytest
import torch
import wandb
from omegaconf import OmegaConf

from ftlab import metric
from ftlab.callbacks.loss import LossLog
from ftlab.callbacks.memory import MemoryLog
from ftlab.callbacks.oom import OomLog
from ftlab.callbacks.samples import Question, SampleAnswers
from ftlab.callbacks.throughput import ThroughputLog
from ftlab.data.row import MicroBatch
from ftlab.evaluation.answers import Asked, judge
from ftlab.evaluation.forgetting import General, Probe
from ftlab.evaluation.generate import Answer
from ftlab.evaluation.perplexity import Figure
from ftlab.logger.csv import MetricsFile
from ftlab.logger.evaluation import mirror
from ftlab.logger.wandb import WandbRun
from ftlab.stage.measured import measured
from ftlab.stage.name import filters
from ftlab.stage.outcome import metrics_of
from ftlab.stage.score import Score
from ftlab.training.loss import sum_nll
from scripts import wandb_dashboard
from tests.callbacks.watched import watch
from tests.config.composition import composed
from tests.reference.made_run import made_evaluation
from tests.reference.read_wandb import OfflineRun, read_offline_run

ONLY_ON_A_GPU = {metric.MEMORY_RESERVED_BYTES}


def _score() -> Score:
    """A model of which everything was measured."""
    figure = Figure(loss=1.0, perplexity=exp(1.0), low=2.0, high=3.0, rows=4, tokens=99)
    said = [Answer('{"a": 1}', stopped=True, tokens=4)]
    judged = judge([Asked(1, "x:1", "?", '{"a": 1}')], said, wants="json", validator=None)
    general = General(figure, Probe(1, 2, 0))
    return Score(held_out=figure, text=figure, wants="json", judged=judged, asked=1, fitting=1, general=general)


def _fails_above(tokens: int, micro: MicroBatch, model: torch.nn.Module) -> torch.Tensor:
    if model.training and micro.input_ids.numel() > tokens:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return sum_nll(model, micro)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> OfflineRun:
    """A job of a sweep as W&B gets it: trained under the run's callbacks, out of memory once, measured, shown."""
    folder = tmp_path_factory.mktemp("run")
    config = OmegaConf.to_container(composed(f"output_dir={folder}"), resolve=True)
    assert isinstance(config, dict)
    run = WandbRun(folder, name="qlora-lr2e-4-s1", group="2026-01-31/12-00-00", offline=True)
    run.log_hyperparams({**config, **filters(config, "2026-01-31/12-00-00")})  # type: ignore[arg-type,dict-item]
    answers = SampleAnswers(folder, [Question("q", "r", [1])], lambda prompts: [Answer("a", True, 1) for _ in prompts])
    watchers = [LossLog(), ThroughputLog(), MemoryLog(), OomLog(), answers]
    watch(
        folder,
        watchers,
        loggers=[MetricsFile(folder), run],
        nll=lambda model, micro: _fails_above(14, micro, model),
        micro_batch_tokens=64,
    )
    run.log_metrics({**metrics_of(_score(), of_base=True), **metrics_of(_score(), of_base=False)}, 6)
    mirror(run, made_evaluation(), None, {**measured(watchers), "trainable_parameters": 10.0})
    run.finish()
    assert run.local_folder is not None
    return read_offline_run(run.local_folder)


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("the network was asked"))
        return wandb_dashboard.specification("team", "ftlab", "2026-01-31/12-00-00")


def _panels(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, dict):
        if "viewType" in node:
            yield node
        for value in node.values():
            yield from _panels(value)
    elif isinstance(node, list):
        for value in node:
            yield from _panels(value)


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _texts(value)


def _asked(specification: Any) -> dict[str, set[str]]:
    """The keys that panels and columns ask for, by where W&B has to look for them."""
    found: dict[str, set[str]] = {"history": set(), "summary": set(), "config": set(), "table": set()}
    for panel in _panels(specification):
        config = panel["config"]
        if panel["viewType"] == "Weave":
            found["table"].add(config["panel2Config"]["exp"]["fromOp"]["inputs"]["key"]["val"])
        else:
            found["history" if "Line" in panel["viewType"] else "summary"] |= set(config.get("metrics", []))
        if "groupBy" in config:
            found["config"].add(config["groupBy"].removesuffix(".value"))
    for text in _texts(specification):
        for place in ("summary", "config"):
            if text.startswith(f"{place}:"):
                found[place].add(text.removeprefix(f"{place}:").removesuffix(".value"))
    return found


@pytest.mark.parametrize("page", ["workspace", "report"])
def test_every_key_of_the_dashboard_is_one_that_a_run_logs(
    specification: dict[str, Any], logged: OfflineRun, page: str
) -> None:
    asked = _asked(specification[page])
    history = set().union(*logged.history)
    tables = {key.removesuffix(".path") for key in history if key.endswith(".path")}
    assert len(asked["history"]) >= 12
    assert asked["history"] - ONLY_ON_A_GPU <= history
    assert asked["history"] <= set(metric.ALL)
    numbers = history | logged.summary.keys()
    assert metric.TEST_LOSS in asked["summary"]
    assert asked["summary"] <= numbers, asked["summary"] - numbers
    assert {"method_name", "lr", "seed"} <= asked["config"] <= logged.config.keys()
    assert asked["table"] == {"samples", "oom/events", "evaluation/answers", "evaluation/format_failures"} <= tables


def test_runs_are_grouped_by_method_and_filtered_by_the_sweep(
    specification: dict[str, Any], logged: OfflineRun
) -> None:
    section = specification["workspace"]["section"]
    (runs,) = section["runSets"]
    (condition,) = runs["filters"]["filters"]
    assert (condition["key"], condition["value"]) == ({"section": "run", "name": "group"}, logged.run.run_group)
    (ablation,) = (one for one in section["panelBankConfig"]["sections"] if one["name"] == "Ablation, by method")
    drawn = [panel["config"] for panel in ablation["panels"] if "metrics" in panel["config"]]
    assert len(drawn) >= 6
    assert {config["groupBy"] for config in drawn} == {"method_name.value"}
    assert {panel["config"]["xAxis"] for panel in _panels(specification) if "Line" in panel["viewType"]} == {"step"}
    everything = wandb_dashboard.specification("team", "ftlab")["workspace"]["section"]["runSets"][0]
    assert everything["filters"]["filters"] == []


def test_no_panel_of_the_workspace_is_on_a_second_page(specification: dict[str, Any]) -> None:
    sections = specification["workspace"]["section"]["panelBankConfig"]["sections"]
    assert [len(section["panels"]) for section in sections] == [len(part.panels) for part in wandb_dashboard.parts()]
    for section in sections:
        flow = section["flowConfig"]
        assert len(section["panels"]) <= flow["columnsPerPage"] * flow["rowsPerPage"], section["name"]


@pytest.mark.parametrize("page", ["workspace", "report"])
def test_a_panel_shows_every_run_of_a_sweep_of_27_jobs(specification: dict[str, Any], page: str) -> None:
    limits = [panel["config"]["limit"] for panel in _panels(specification[page]) if "metrics" in panel["config"]]
    assert len(limits) > 20
    assert min(limits) >= 27


@pytest.mark.parametrize("group", ['sweeps/lora+qlora, "night"', "sweeps/größen ~ 1"])
def test_a_group_with_symbols_is_filtered_by_as_it_is(group: str) -> None:
    runs = wandb_dashboard.specification("team", "ftlab", group)["workspace"]["section"]["runSets"][0]
    assert [one["value"] for one in runs["filters"]["filters"]] == [group]


@pytest.mark.parametrize("group", ["sweeps/lr=1", "sweeps/a<b", "sweeps/it's", "sweeps\\x"])
def test_a_group_that_a_filter_would_misread_is_refused(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        wandb_dashboard.main(["--entity", "team", "--group", group, "--print"])
    assert end.value.code == 2
    assert "filter by `sweep` in W&B" in capsys.readouterr().err


def test_what_wandb_refuses_is_said_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise wandb.errors.UsageError("No API key configured.")

    monkeypatch.setattr("wandb_workspaces.workspaces.internal.upsert_view2", refuse)
    with pytest.raises(SystemExit, match=r"W&B: No API key configured\.\n.*--print"):
        wandb_dashboard.main(["--entity", "team"])


def test_the_report_has_a_sentence_and_panels_for_each_part(specification: dict[str, Any]) -> None:
    blocks = specification["report"]["blocks"]
    headings = [block["children"][0]["text"] for block in blocks if block["type"] == "heading"]
    assert headings == [part.name for part in wandb_dashboard.parts()]
    grids = [block["metadata"] for block in blocks if block["type"] == "panel-grid"]
    assert len(grids) == len(headings)
    for grid in grids:
        places = [panel["layout"] for panel in grid["panelBankSectionConfig"]["panels"]]
        assert all(place["x"] + place["w"] <= 24 for place in places)
        cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
        assert len(cells) == len(set(cells)), "panels overlap"


def test_print_writes_both_as_json_and_sends_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, specification: dict[str, Any]
) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("the network was asked"))
    wandb_dashboard.main(["--entity", "team", "--group", "2026-01-31/12-00-00", "--print"])
    assert json.loads(capsys.readouterr().out).keys() == specification.keys()
