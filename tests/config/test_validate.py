"""Every kind of fault that a composed configuration can have, and the words for it."""

import pytest

from ftlab.config import validate
from tests.config.composition import composed


def faults(*overrides: str) -> list[str]:
    return [str(problem) for problem in validate.check(composed(*overrides))]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+training.epoch=3", "training.epoch: is not a key. Did you mean `training.epochs`?"),
        ("+epochs=3", "epochs: is not a key. Did you mean `training.epochs`?"),
        ("+model.nonsense=3", "model.nonsense: is not a key."),
        ("training.batch_rows=abc", "training.batch_rows: must be a whole number, but is 'abc'."),
        ("training.batch_rows=1.5", "training.batch_rows: must be a whole number, but is 1.5."),
        ("training.batch_rows=true", "training.batch_rows: must be a whole number, but is True."),
        ("training.batch_rows=0", "training.batch_rows: must be at least 1, but is 0."),
        ("training.batch_rows=null", "training.batch_rows: must be a whole number, but is None."),
        ("training.max_steps=x", "training.max_steps: must be a whole number or null, but is 'x'."),
        ("optimizer.lr=0", "optimizer.lr: must be more than 0, but is 0."),
        ("optimizer.lr=fast", "optimizer.lr: must be a number, but is 'fast'."),
        ("data.validation_fraction=0.5", "data.validation_fraction: must be less than 0.5, but is 0.5."),
        ("scheduler.min_lr_ratio=2", "scheduler.min_lr_ratio: must be at most 1, but is 2."),
        ("offline=maybe", "offline: must be true or false, but is 'maybe'."),
        ("model.name=1", "model.name: must be text, but is 1."),
        ("model.shape=3", "model.shape: must be a mapping to anything or null, but is 3."),
        ("+method.lr_multipliers={lora_B:x}", "method.lr_multipliers: must be a mapping to a number, but is {'lora_B'"),
        ("~method.learning_rate", "method.learning_rate: is missing. Add method.learning_rate=<a number>."),
        ("~training", "training: is missing."),
        ("training=null", "training: must hold keys of its own, but is None."),
        ("logger.wandb=3", "logger.wandb: must hold keys of its own, but is 3."),
        ("model.weights=none", "model.weights: must be one of pretrained, random, but is 'none'."),
        ("quantization.bits=5", "quantization.bits: must be one of 4, 8, 16, but is 5."),
    ],
)
def test_fault_is_named_with_its_full_key(override: str, message: str) -> None:
    if override == "training=null":  # Hydra refuses it as a choice; an experiment file could still write it
        cfg = composed()
        cfg.training = None
        found = [str(problem) for problem in validate.check(cfg)]
    else:
        found = faults(override)
    assert any(fault.startswith(message) for fault in found), found


def test_unresolvable_reference_is_named() -> None:
    assert faults("optimizer.lr=${nothing.here}")[0].startswith("optimizer.lr: can't be worked out: ")


def test_missing_learning_rate_is_named_where_it_is_missing() -> None:
    assert "method.learning_rate: must be a number, but is None." in faults("method.learning_rate=null")


def test_key_that_must_be_given_is_asked_for() -> None:
    assert faults("model=custom", "data=alpaca") == [
        "model.path: must be given. Add model.path=<a folder or a hub id>.",
        "data.path: must be given. Add data.path=<your file>.",
    ]


def test_all_faults_come_together() -> None:
    found = faults("+training.epoch=3", "seed=-1", "trainer.devices=0", "evaluation.samples=x")
    assert len(found) == 4


def test_whole_number_suits_a_key_that_takes_fractions() -> None:
    assert faults("training.epochs=2", "optimizer.lr=1") == []
    assert faults("training.epochs=0.5") == []


def test_suggestion_prefers_the_closest_full_key() -> None:
    known = ["training.epochs", "training.max_steps", "data.path", "model.path"]
    assert validate.suggestion("trainig.epochs", known) == "Did you mean `training.epochs`?"
    assert validate.suggestion("max_steps", known) == "Did you mean `training.max_steps`?"
    assert validate.suggestion("completely.different", known) == ""
