"""What each level keeps for backward, on the GPU."""

import pytest
import torch

from ftlab.kernels.accelerate import accelerate_model
from ftlab.kernels.recompute import ALL, NONE, Recompute, set_recompute
from tests.kernels.blocks import build

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
