"""Fused against PEFT on the GPU, with each kind of base; and packed rows of one length against rows of many."""

import copy
from typing import Any

import pytest
import torch

from ftlab.kernels.accelerate import accelerate_model
from tests.kernels.blocks import MORE, build, run, worst

pytestmark = pytest.mark.gpu

IDS = torch.randint(1, 128, (2, 40), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("kind", list(MORE))
def test_float32_agrees_to_rounding(kind: str) -> None:
    model = build(kind).cuda()
    logits, grads = run(model, IDS.cuda())
    notes = accelerate_model(model)
    assert not [note for note in notes if "plain" in note]
    fused_logits, fused_grads = run(model, IDS.cuda())
    torch.testing.assert_close(fused_logits, logits, rtol=1e-3, atol=1e-4)
    assert worst(fused_grads, grads) < 1e-3


@pytest.mark.parametrize("kind", list(MORE))
def test_bfloat16_loses_no_accuracy(kind: str) -> None:
    model = build(kind, dtype=torch.bfloat16, adapter_dtype=torch.float32).cuda()
    exact_logits, exact_grads = run(copy.deepcopy(model).float(), IDS.cuda())
    with torch.autocast("cuda", torch.bfloat16):  # as in a run: without it, PEFT multiplies adapters in float32
        logits, grads = run(model, IDS.cuda())
        accelerate_model(model)
        fused_logits, fused_grads = run(model, IDS.cuda())
    assert (fused_logits - exact_logits).norm() < 2 * (logits - exact_logits).norm()
    assert worst(fused_grads, exact_grads) < 2 * worst(grads, exact_grads)


def test_packed_rows_of_one_length_equal_the_same_rows_among_others() -> None:
    from ftlab.kernels.attention import packed_attention_forward

    q, k, v = (torch.randn(1, heads, 120, 64, device="cuda", dtype=torch.bfloat16) for heads in (4, 2, 2))
    module: Any = torch.nn.Module()
    results = []
    for borders in ([0, 40, 80, 120], [0, 40, 80, 119, 120]):
        leaves = [tensor.detach().clone().requires_grad_(True) for tensor in (q, k, v)]
        cu = torch.tensor(borders, device="cuda", dtype=torch.int32)
        out, _ = packed_attention_forward(module, *leaves, None, cu_seq_lens_q=cu, max_length_q=40)
        out[:, :80].square().sum().backward()
        results.append([out[:, :80].detach(), *(leaf.grad[:, :, :80] for leaf in leaves)])  # type: ignore[index]
    for left, right in zip(*results, strict=True):
        torch.testing.assert_close(left, right, rtol=0.02, atol=0.02)
