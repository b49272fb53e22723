"""Every shipped YAML file composes, is sound, and binds to the signatures that it names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ftlab.config import compose, target, validate
from ftlab.config.folder import CONF_DIR
from tests.config.composition import choices, composed

FILES = sorted(CONF_DIR.rglob("*.yaml"))
GIVEN = {"custom": "model.path=some/model", "hub": "data.hub_id=org/name", "lm-eval": "evaluation.tasks=[hellaswag]"}
"""What a choice asks its user for."""

NEEDED = {
    "cluster=ray": "hydra_plugins.hydra_ray_launcher",
    "cluster=slurm": "hydra_plugins.hydra_submitit_launcher",
    "search=default": "optuna",
    "search=learning-rate": "optuna",
}
"""What a choice needs of other packages."""


def group_choices() -> Iterator[tuple[str, str]]:
    for path in FILES:
        group = path.relative_to(CONF_DIR).parent.as_posix()
        if group != "." and not group.startswith("hydra/"):
            yield group, path.stem


def overrides_for(group: str, choice: str) -> list[str]:
    several = group in ("callbacks", "logger")
    asked = GIVEN.get(choice) or ("data.path=rows.jsonl" if group == "data" and choice != "demo" else None)
    chosen = f"{group}=[{choice}]" if several else f"{group}={choice}"
    return [chosen, "output_dir=runs/x", *([asked] if asked else [])]


def test_there_are_as_many_files_as_the_guide_promises() -> None:
    counts = {group: len(choices(group)) for group in ("model", "method", "quantization", "optimizer", "scheduler")}
    assert counts["model"] >= 18
    assert counts["method"] >= 17
    assert counts["quantization"] >= 4
    assert counts["optimizer"] >= 7
    assert counts["scheduler"] >= 5
    assert len(FILES) >= 75


@pytest.mark.parametrize(("group", "choice"), list(group_choices()))
def test_choice_composes_and_binds(group: str, choice: str) -> None:
    skip_without_extra(f"{group}={choice}")
    cfg = composed(*overrides_for(group, choice))
    assert validate.check(cfg) == []
    assert target.check(cfg) == []


@pytest.mark.parametrize("group", ["task", "model", "quantization", "method", "data", "evaluation"])
def test_choice_is_called_by_its_file_name(group: str) -> None:
    for choice in choices(group):
        assert composed(*overrides_for(group, choice))[group].name == choice


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CONF_DIR).as_posix())
def test_file_says_what_it_is_for(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("#") and not line.startswith("# @package") for line in lines[:2])
    assert max(map(len, lines)) <= 120


def test_every_value_is_commented() -> None:
    explains_itself = re.compile(
        r"(name|note|_target_|task_type|dir|subdir|rope_type|\w+_factor|\w+_attention): |- |\w[\w-]*:$|\{\}|defaults: "
    )
    bare = [
        f"{path.relative_to(CONF_DIR)}: {line}"
        for path in FILES
        if "hydra" not in path.relative_to(CONF_DIR).parts
        for line in map(str.strip, path.read_text(encoding="utf-8").splitlines())
        if re.match(r"\w+: ", line) and "#" not in line and not explains_itself.match(line)
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("overrides", "quantization", "optimizer"),
    [
        ([], "nf4", "PagedAdamW32bit"),
        (["method=qlora"], "nf4", "PagedAdamW32bit"),
        (["method=qlora", "quantization=int8"], "int8", "PagedAdamW32bit"),
        (["quantization=none", "method=qlora"], "none", "PagedAdamW32bit"),
        (["method=qlora", "optimizer=adamw"], "nf4", "AdamW"),
        (["method=lora"], "none", "AdamW"),
        (["method=lora", "quantization=nf4"], "nf4", "AdamW"),
        (["method=full"], "none", "AdamW"),
        (["method=article"], "nf4", "PagedAdamW32bit"),
        (["method=loftq"], "nf4", "PagedAdamW32bit"),
    ],
)
def test_method_brings_its_companions_and_the_command_line_wins(
    overrides: list[str], quantization: str, optimizer: str
) -> None:
    cfg = composed(*overrides)
    assert cfg.quantization.name == quantization
    assert cfg.optimizer._target_.rpartition(".")[2] == optimizer


def test_learning_rate_follows_method_model_and_optimizer() -> None:
    assert composed("model=llama3-8b").optimizer.lr == 2e-4
    assert composed("model=llama3-8b", "method=full").optimizer.lr == 2e-5
    assert composed("model=tiny").optimizer.lr == pytest.approx(2e-4 * composed("model=tiny").model.lr_multiplier)
    assert composed("model=llama3-8b", "optimizer=lion-8bit").optimizer.lr < 2e-4
    assert composed("method=qlora", "optimizer.lr=1e-3").optimizer.lr == 1e-3


def test_article_is_the_articles_recipe() -> None:
    cfg = composed("model=llama3-8b", "method=article")
    assert (cfg.method.r, cfg.method.lora_alpha, cfg.method.lora_dropout) == (16, 32, 0.05)
    assert list(cfg.method.target_modules) == ["q_proj", "v_proj"]
    assert (cfg.training.batch_rows, cfg.training.max_steps, cfg.optimizer.lr) == (16, 500, 2e-4)
    assert composed("method=article", "training.max_steps=7").training.max_steps == 7
    assert composed("method=article", "training=default").training.max_steps is None


def test_path_alone_means_the_users_rows_in_any_known_format() -> None:
    cfg = composed("method=qlora", "model=llama3-8b", "data.path=mine.jsonl")
    assert (cfg.data.path, cfg.data.format, cfg.data.validation_path, cfg.data.test_path) == (
        "mine.jsonl",
        "auto",
        None,
        None,
    )
    assert validate.check(cfg) == []


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("logger=[wandb,tensorboard]", ["wandb", "tensorboard"]),
        ("logger=csv", []),
        ("logger=none", []),
        ("logger=[]", []),
        ("logger=tensorboard", ["tensorboard"]),
    ],
)
def test_several_loggers_or_none_can_be_chosen(override: str, names: list[str]) -> None:
    assert list(composed(override).logger) == names


def test_one_callback_can_be_left_out() -> None:
    assert "oom" not in composed("~callbacks.oom").callbacks


def test_experiment_wins_over_the_groups_and_the_command_line_over_it() -> None:
    assert composed("experiment=demo-lora-r64").method.r == 64
    assert composed("experiment=demo-lora-r64", "method.r=8").method.r == 8
    assert composed("experiment=demo-lora-r64", "method=dora").method.name == "dora"


def skip_without_extra(choice: str) -> None:
    if choice in NEEDED:
        pytest.importorskip(NEEDED[choice], reason=f"{choice} needs an extra that isn't installed")


def commands() -> list[str]:
    """What the files say can be typed."""
    found = [
        line.strip("# ").split("  ")[0].removeprefix("python -m ftlab").strip()
        for path in FILES
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip("# ").startswith("python -m ftlab ")
    ]
    assert len(found) >= 5
    return found


@pytest.mark.parametrize("command", commands())
def test_command_in_a_file_composes(command: str) -> None:
    words = command.split()
    for word in words:
        skip_without_extra(word)
    overrides = [word for word in words if word != "-m" and "..." not in word and not word.startswith("group=")]
    check = compose.check_multirun if "-m" in words else compose.check_run
    OverridesParser.create().parse_overrides(overrides)
    assert check([text for text in overrides if not text.startswith("key=")]) == []
