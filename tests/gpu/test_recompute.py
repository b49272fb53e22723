"""What each level keeps for backward, on the GPU."""

import pytest
import torch

from ftlab.kernels.accelerate import accelerate_model
from ftlab.kernels.recompute import ALL, LEAST, NONE, Recompute, set_recompute
from tests.kernels.blocks import build, run

pytestmark = pytest.mark.gpu


def test_each_level_keeps_less() -> None:
    model = build("llama").cuda()
    accelerate_model(model)
    ids = torch.randint(1, 128, (16, 60), device="cuda")
    kept = []
    for policy in (NONE, Recompute(norms=True), Recompute(norms=True, mlp=True), Recompute(True, True, 1), ALL):
        set_recompute(model, policy)
        before = torch.cuda.memory_allocated()
        logits = model(input_ids=ids, use_cache=False).logits
        kept.append(torch.cuda.memory_allocated() - before)
        logits.sum().backward()
        model.zero_grad(set_to_none=True)
        del logits
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == len(kept)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_inputs_in_ram_leave_the_device_and_give_the_same_gradients(fused: bool, dropout: float) -> None:
    model = build("llama", lora_dropout=dropout, layers=6).cuda()
    if fused:
        accelerate_model(model)
    ids = torch.randint(1, 128, (16, 60), device="cuda")
    kept, outcomes = [], []
    for policy in (ALL, LEAST, LEAST):
        set_recompute(model, policy)
        torch.manual_seed(0)
        before = torch.cuda.memory_allocated()
        logits = model(input_ids=ids, use_cache=False).logits
        kept.append(torch.cuda.memory_allocated() - before)
        del logits
        outcomes.append([run(model, ids) for _ in range(2)])  # the second pass reuses what the first one pinned
        model.zero_grad(set_to_none=True)
    inputs = 16 * 60 * 64 * 4
    assert kept[1] <= kept[0] - 3 * inputs
    (exact_logits, exact), *_ = outcomes[0]
    for outcome in outcomes[1:]:
        for logits, grads in outcome:
            assert torch.equal(logits, exact_logits)
            assert all(torch.equal(grads[name], exact[name]) for name in exact)
