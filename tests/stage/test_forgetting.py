"""General texts and probe tell what a model forgot: exact losses, the model left as it was, damage seen."""

import json
from importlib.resources import files
from itertools import islice
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from torch import nn
from torch.nn import functional as F

from ftlab.kernels.attention import packed_attention, plain_attention
from ftlab.report.verdict import has_forgotten
from ftlab.stage.forgetting import score_general
from ftlab.stage.inputs import Inputs
from ftlab.stage.load import load_base
from ftlab.stage.outcome import comparisons, metrics_of, sections
from ftlab.stage.prepare import prepare
from ftlab.stage.score import Score
from tests.config.composition import composed

ROWS = 6


def _some(name: str, folder: Path) -> Path:
    """A few rows of a file that comes with the embedded model."""
    lines = (files("ftlab.evaluation") / "general" / name).read_text().splitlines()
    (folder / name).write_text("\n".join(islice(lines, 0, None, max(len(lines) // ROWS, 1))) + "\n")
    return folder / name


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> DictConfig:
    folder = tmp_path_factory.mktemp("general")
    probe = _some("probe.jsonl", folder)
    for name in ("texts.jsonl", "talks.jsonl"):
        _some(name, folder)
    general = (f"evaluation.general.path={folder}/t*.jsonl", f"evaluation.general.probe={probe}")
    return composed(f"output_dir={folder / 'run'}", "trainer=cpu", "method=lora", "data.cache=null", *general)


@pytest.fixture(scope="module")
def inputs(cfg: DictConfig) -> Inputs:
    return prepare(cfg)


@pytest.fixture
def model(cfg: DictConfig, inputs: Inputs) -> nn.Module:
    base = load_base(cfg, inputs.device)
    packed_attention(base)
    return base


def test_loss_is_that_of_a_plain_loop_and_the_model_stays_as_it_was(
    cfg: DictConfig, inputs: Inputs, model: nn.Module
) -> None:
    model.train()
    found = score_general(cfg, inputs, model)
    assert model.training
    assert found is not None
    assert found.texts is not None
    assert found.probe is not None
    plain_attention(model)
    model.eval()
    total, tokens = 0.0, 0
    assert inputs.general is not None
    for row in inputs.general.texts:
        with torch.no_grad():
            logits = model(input_ids=row.ids[None]).logits[0, :-1].float()
        losses = F.cross_entropy(logits, row.ids[1:], reduction="none")[row.supervised[1:]]
        total, tokens = total + losses.sum().item(), tokens + len(losses)
    assert found.texts.tokens == tokens
    assert found.texts.loss == pytest.approx(total / tokens, rel=1e-4)
    assert found.texts.low is not None
    assert found.texts.high is not None
    assert found.texts.low < found.texts.perplexity < found.texts.high  # type: ignore[operator]
    assert found.probe.right >= 0.6 * found.probe.asked


def test_damage_shows_in_both_and_reaches_card_metrics_and_summary(
    cfg: DictConfig, inputs: Inputs, model: nn.Module
) -> None:
    before = score_general(cfg, inputs, model)
    with torch.no_grad():
        for weight in (weight for weight in model.parameters() if weight.ndim > 1):
            weight += 0.4 * weight.std() * torch.randn_like(weight)
    after = score_general(cfg, inputs, model)
    assert before is not None
    assert after is not None
    base, tuned = Score(general=before), Score(general=after)
    found = sections(inputs, base, tuned, [])["forgetting"]
    assert found["tuned"]["loss"] > found["base"]["loss"] + 0.1
    assert found["tuned"]["probe"]["right"] < found["base"]["probe"]["right"]
    assert len(found["sources"]) == 2
    assert has_forgotten(found)
    assert not has_forgotten(sections(inputs, tuned, base, [])["forgetting"])
    assert not has_forgotten(sections(inputs, None, tuned, [])["forgetting"])
    json.dumps(found, allow_nan=False)
    assert metrics_of(tuned, of_base=False)["general/loss"] == found["tuned"]["loss"]
    assert metrics_of(base, of_base=True)["general/loss_base"] == found["base"]["loss"]
    lines = {line.name: line for line in comparisons(base, tuned)}
    (texts,) = (line for name, line in lines.items() if name.startswith("perplexity of"))
    assert texts.verdict.endswith("times higher")
    assert any(name.startswith("general questions") for name in lines)


def test_cut_answers_to_the_probe_are_counted_in_card_and_summary(
    cfg: DictConfig, inputs: Inputs, model: nn.Module
) -> None:
    short = cfg.copy()
    short.evaluation.max_new_tokens = 1  # no answer has ended after it
    found = score_general(short, inputs, model)
    assert found is not None
    assert found.probe is not None
    assert found.probe.cut == found.probe.asked == ROWS + 1
    cut = Score(general=found)
    section = sections(inputs, None, cut, [])["forgetting"]
    assert section["tuned"]["probe"]["cut"] == found.probe.asked
    lines = {line.name.strip(): line for line in comparisons(None, cut)}
    assert lines["answers cut off before their end"].tuned == str(found.probe.asked)
    whole = Score(general=score_general(cfg, inputs, model))
    assert "answers cut off before their end" not in {line.name.strip() for line in comparisons(whole, whole)}


def test_nothing_is_measured_where_nothing_is_named(inputs: Inputs, cfg: DictConfig, model: nn.Module) -> None:
    silent = prepare(composed(f"output_dir={cfg.output_dir}", "trainer=cpu", "data.cache=null", "evaluation=none"))
    assert silent.general is None
    assert score_general(cfg, silent, model) is None
