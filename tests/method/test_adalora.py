"""AdaLoRA's penalty is PEFT's, its ranks shrink on schedule, and a resumed run cuts the same directions."""

import warnings

import pytest
import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel
from torch import Tensor

from ftlab.method.adalora import stretch_schedule
from ftlab.method.peft import PeftMethod
from tests.model.toy import toy_model

IDS = torch.arange(3, 19).view(2, 8)


def config(**changes: int) -> AdaLoraConfig:
    values = {"init_r": 6, "target_r": 2, "tinit": 10, "tfinal": 30, "deltaT": 1, "total_step": 100} | changes
    return AdaLoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "up_proj"], **values)


def build(total_steps: int, **changes: int) -> tuple[PeftMethod, PeftModel, torch.optim.Optimizer]:
    torch.manual_seed(3)
    method = PeftMethod(peft_config=config(**changes), name="adalora", total_steps=total_steps)
    model = method.apply(toy_model()).train()
    return method, model, torch.optim.SGD([w for w in model.parameters() if w.requires_grad], lr=0.05)


def step(method: PeftMethod, model: PeftModel, optimizer: torch.optim.Optimizer, number: int) -> None:
    optimizer.zero_grad()
    ids = torch.randint(3, 300, (2, 8), generator=torch.Generator().manual_seed(number))
    loss: Tensor = model(input_ids=ids).logits.square().mean() + method.extra_loss(model)
    loss.backward()
    optimizer.step()
    method.after_step(model, number)


def kept(model: PeftModel) -> int:
    """Directions whose weight is not masked to zero."""
    return sum(int((w != 0).sum()) for name, w in model.named_parameters() if "lora_E" in name)


def test_penalty_is_what_peft_adds_to_its_own_loss() -> None:
    method, model, _ = build(20)
    with_penalty = model(input_ids=IDS, labels=IDS).loss
    without = model.get_base_model()(input_ids=IDS, labels=IDS).loss
    torch.testing.assert_close(method.extra_loss(model), with_penalty - without, rtol=1e-5, atol=1e-6)


def test_ranks_shrink_to_the_target_over_the_run() -> None:
    method, model, optimizer = build(20)
    counts = []
    for number in range(1, 21):
        step(method, model, optimizer, number)
        counts.append(kept(model))
    assert counts[0] == 24  # 4 modules of rank 6
    assert counts[-1] == counts[14] == 8  # 4 modules of rank 2, fixed over the last 30 %
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("total_steps", [1, 2, 3, 5, 1000])
def test_schedule_keeps_its_shares_and_room_for_a_cut(total_steps: int) -> None:
    stretched = stretch_schedule(config(deltaT=10), total_steps)
    assert stretched.total_step == total_steps
    assert stretched.tinit < total_steps - stretched.tfinal
    assert stretched.deltaT >= 1
    if total_steps == 1000:
        assert (stretched.tinit, stretched.tfinal, stretched.deltaT) == (100, 300, 100)


@pytest.mark.parametrize("total_steps", [1, 2, 3])
def test_the_shortest_runs_end_well(total_steps: int) -> None:
    method, model, optimizer = build(total_steps)
    for number in range(1, total_steps + 1):
        step(method, model, optimizer, number)
    assert kept(model) == (24 if total_steps == 1 else 8)  # after one step there is no importance to cut by


def test_other_configs_pass_through() -> None:
    plain = LoraConfig()
    assert stretch_schedule(plain, 5) is plain


def test_the_users_config_is_left_alone() -> None:
    mine = config()
    stretch_schedule(mine, 5)
    assert mine.total_step == 100


@pytest.mark.parametrize("at", [8, 17])
def test_a_resumed_run_cuts_the_same_directions(at: int) -> None:
    method, model, optimizer = build(20)
    for number in range(1, at + 1):
        step(method, model, optimizer, number)
    weights = {name: w.detach().clone() for name, w in model.named_parameters() if w.requires_grad}
    state = {name: value.clone() for name, value in method.state(model).items()}

    other, resumed, its_optimizer = build(20)
    with torch.no_grad():
        for name, weight in resumed.named_parameters():
            if weight.requires_grad:
                weight.copy_(weights[name])
    other.restore(resumed, state)
    restored = other.state(resumed)
    assert restored.keys() == state.keys()
    assert all(torch.equal(restored[name], state[name]) for name in state)
    for number in range(at + 1, 21):
        step(method, model, optimizer, number)
        step(other, resumed, its_optimizer, number)
    for (name, one), (_, two) in zip(model.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(one, two), name


def test_a_step_without_gradients_changes_nothing() -> None:
    method, model, optimizer = build(20)
    step(method, model, optimizer, 1)
    before = method.state(model)
    optimizer.zero_grad()
    method.after_step(model, 2)
    after = method.state(model)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_saved_at_any_moment_it_loads_and_training_goes_on(tmp_path_factory: pytest.TempPathFactory) -> None:
    method, model, optimizer = build(20)
    for number in range(1, 21):
        step(method, model, optimizer, number)
        if number not in (2, 8, 20):  # at 20 a module has lost all its rank
            continue
        folder = tmp_path_factory.mktemp("saved")
        method.save(model, folder)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
            warnings.filterwarnings("ignore", message="The following rank_pattern keys did not match")
            reloaded = PeftModel.from_pretrained(toy_model(), folder)
        torch.testing.assert_close(reloaded(input_ids=IDS).logits, model(input_ids=IDS).logits, rtol=1e-4, atol=1e-5)
    ranks = [int((w != 0).sum()) for name, w in model.named_parameters() if "lora_E" in name]
    assert sum(ranks) == 8
    assert 0 in ranks
