"""What to change: planned anew, and in an order that helps."""

from dataclasses import replace

import pytest

from ftlab.memory.advice import advise, with_shape
from ftlab.memory.job import Adapter, Job, Optimizer
from ftlab.memory.matrix import CARDS, largest_models
from ftlab.memory.policy import choose
from ftlab.stage.shape import shipped_shapes
from tests.memory.test_policy import GIB, JOB

MODELS = {name: shape for name, shape in shipped_shapes().items() if name != "tiny"}
FULL = replace(JOB, kind="none", method="full", adapter=None, trained_layers=32, trained_bytes=2)


def _changes(job: Job, size: int, row: int = 2048) -> list[tuple[str, bool]]:
    plan = choose(job, device_bytes=size * GIB, longest_row=row, step_tokens=16 * row)
    assert not plan.fits
    return [(change.override, change.fits) for change in advise(plan, MODELS)]


def test_changes_that_are_enough_come_first_and_the_cheapest_of_them_at_the_head() -> None:
    changes = _changes(FULL, 24)
    fits = [enough for _, enough in changes]
    assert fits == sorted(fits, reverse=True)
    assert changes[0] == ("method=lora", True)


def test_full_that_almost_fits_is_told_to_page_before_it_is_told_to_train_less() -> None:
    assert _changes(FULL, 48)[0] == ("optimizer=paged-adamw-8bit", True)


def test_budget_that_the_user_set_too_high_is_given_back_to_the_plan() -> None:
    given = {"micro_batch_tokens": 32768, "recompute": "none"}
    plan = choose(JOB, device_bytes=24 * GIB, longest_row=1024, step_tokens=32768, **given)
    changes = {change.override: change for change in advise(plan, MODELS, given)}
    assert changes["training.micro_batch_tokens=auto training.recompute=auto"].fits
    assert "optimizer=paged-adamw-8bit" not in changes  # it alone would save next to nothing


def test_16_bit_lora_is_told_to_round_the_base() -> None:
    lora = replace(JOB, kind="none")
    assert ("quantization=nf4", True) in _changes(lora, 14)


def test_70b_on_24_gb_is_told_of_a_model_that_fits() -> None:
    large = with_shape(JOB, MODELS["llama3-70b"])
    assert ("model=qwen3-8b", True) in _changes(large, 24)


def test_adapter_follows_to_a_model_with_joined_matrices() -> None:
    job = with_shape(replace(JOB, adapter=Adapter({"self_attn.q_proj": 8}, 32)), MODELS["phi4-mini"])
    assert job.adapter is not None
    assert job.adapter.ranks == {"self_attn.qkv_proj": 8}
    whole = with_shape(JOB, MODELS["phi4-mini"])
    assert whole.adapter is not None
    assert set(whole.adapter.ranks) == set(MODELS["phi4-mini"].linears)


def test_larger_cards_never_train_smaller_models() -> None:
    table = largest_models({"qlora": JOB, "full": FULL}, MODELS, longest_row=2048, step_tokens=32768)
    for row in table.values():
        sizes = [0 if (cell := row[card]) is None else cell["parameters"] for card in CARDS]
        assert sizes == sorted(sizes)


@pytest.mark.parametrize(("card", "fits"), [("24GB", False), ("40GB", False), ("48GB", True), ("80GB", True)])
def test_70b_by_qlora_needs_a_card_of_48_gb(card: str, fits: bool) -> None:
    paged = replace(JOB, optimizer=Optimizer("PagedAdamW32bit", 2, 4, paged=True))
    table = largest_models(
        {"qlora": paged}, {"llama3-70b": MODELS["llama3-70b"]}, longest_row=2048, step_tokens=32768, cards=(card,)
    )
    assert (table["qlora"][card] is not None) == fits
