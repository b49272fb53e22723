"""The Triton kernels, compiled, against their PyTorch counterparts on the CPU."""

import pytest
import torch

pytest.importorskip("triton")
from ftlab.kernels import gated
from ftlab.kernels.gpu import gated as gpu_gated
from tests.kernels.triton_cases import *  # noqa: F403

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("tile", [(32, 128, 8, 1), (32, 64, 4, 1), (32, 64, 4, 2), (32, 64, 4, 3)])
def test_each_tile_of_the_gated_backward_gives_the_same(tile: tuple[int, int, int, int]) -> None:
    tokens, width, rank = 700, 330, 16
    gate_up = torch.randn(tokens, 2 * width + 32, dtype=torch.bfloat16)
    arguments = [torch.randn(size, dtype=torch.bfloat16) for size in ((tokens, 2 * rank), (width, rank), (width, rank))]
    arguments += [torch.randn(tokens, rank, dtype=torch.bfloat16), torch.randn(rank, width, dtype=torch.bfloat16)]
    dhidden = torch.randn(tokens, width, dtype=torch.bfloat16)
    exact = gate_up[:, : 2 * width].float()
    expected = gated.gated_backward(dhidden.float(), exact, *(argument.float() for argument in arguments), False)
    own = gate_up[:, : 2 * width].cuda()
    result = gpu_gated.gated_backward(dhidden.cuda(), own, *(argument.cuda() for argument in arguments), False, tile)
    for left, right in zip((own, *result), (exact, *expected), strict=True):
        assert (left.cpu().float() - right).norm() < 0.01 * right.norm()
