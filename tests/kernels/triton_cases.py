"""The Triton kernels against their PyTorch counterparts on the CPU: compiled on a GPU, else interpreted.

Collected by test_triton.py (in a process of its own: the interpreter is chosen where Triton is imported) and by
tests/gpu/test_triton.py.
"""

from typing import Any

import bitsandbytes.functional as bnb
import pytest
import torch

from ftlab.kernels import gated, loss, norm, rope
from ftlab.kernels.gpu import gated as gpu_gated
from ftlab.kernels.gpu import nf4 as gpu_nf4
from ftlab.kernels.gpu import nll as gpu_nll
from ftlab.kernels.gpu import norm as gpu_norm
from ftlab.kernels.gpu import rope as gpu_rope

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp")  # of the interpreter: NumPy warns

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def on_device(function: Any, *args: Any) -> Any:
    """Calls a kernel with copies of its tensors on the device; the results come back to the CPU."""

    def move(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            moved = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=DEVICE)
            return moved.copy_(value)
        return type(value)(map(move, value)) if isinstance(value, (tuple, list)) else value

    moved = [move(arg) for arg in args]
    result = function(*moved)
    return back(result), back(moved)


def back(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.cpu()
    return type(value)(map(back, value)) if isinstance(value, (tuple, list)) else value


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("width", [64, 100])
def test_norm_forward_and_backward(width: int, centred: bool) -> None:
    x, branch, dout, dtotal = torch.randn(4, 5, width)
    weight = torch.randn(width)
    for added in (None, branch):
        expected = norm.norm_forward(x, added, weight, 1e-5, centred)
        result, _ = on_device(gpu_norm.norm_forward, x, added, weight, 1e-5, centred)
        for left, right in zip(result, expected, strict=True):
            torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6)
        for more in (None, dtotal):
            arguments = (dout, more, expected[0], weight, expected[2], centred)
            result, _ = on_device(gpu_norm.norm_backward, *arguments)
            torch.testing.assert_close(result, norm.norm_backward(*arguments), rtol=1e-5, atol=1e-5)


def test_norm_backward_takes_the_gradient_of_a_sum() -> None:
    x, weight = torch.randn(3, 64), torch.randn(64)
    _, _, rstd = norm.norm_forward(x, None, weight, 1e-5, False)
    ones = torch.ones(()).expand(3, 64)
    expected = norm.norm_backward(ones, ones, x, weight, rstd, False)
    grad = torch.ones((), device=DEVICE).expand(3, 64)
    result = gpu_norm.norm_backward(grad, grad, x.to(DEVICE), weight.to(DEVICE), rstd.to(DEVICE), False)
    torch.testing.assert_close(result.cpu(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("heads", "width"), [((4, 2), 16), ((6, 3), 24)])
def test_rope_there_and_back(heads: tuple[int, int], width: int) -> None:
    tokens = 6
    sizes = [heads[0] * width, heads[1] * width, heads[1] * width]
    sources = torch.randn(tokens, sum(sizes) + 3)[:, : sum(sizes)].split(sizes, 1)
    cos, sin = torch.randn(2, 1, 3, width // 2).repeat(1, 1, 1, 2)
    expected = tuple(torch.empty(source.shape) for source in sources)
    for sign in (1.0, -1.0):
        rope.rotate(sources, expected, cos.flatten(0, 1), sin.flatten(0, 1), width, sign)
        nans = tuple(torch.full(source.shape, float("nan")) for source in sources)
        _, (_, result, *_) = on_device(
            gpu_rope.rotate, sources, nans, cos.flatten(0, 1), sin.flatten(0, 1), width, sign
        )
        for left, right in zip(result, expected, strict=True):
            torch.testing.assert_close(left, right)


@pytest.mark.parametrize("tanh", [False, True])
@pytest.mark.parametrize("ranks", [(4, 4, 4), (4, 2, 0), (0, 0, 0), (40, 3, 5)])
def test_gated_forward_and_backward(ranks: tuple[int, int, int], tanh: bool) -> None:
    tokens, width = 37, 70
    gate_up = torch.randn(tokens, 2 * width + 9)[:, : 2 * width]
    projected, dprojected = torch.randn(tokens, ranks[0] + ranks[1] + 2), torch.randn(tokens, ranks[2])
    gate_b, up_b, down_a = torch.randn(width, ranks[0]), torch.randn(width, ranks[1]), torch.randn(ranks[2], width)
    result, _ = on_device(gpu_gated.gated_forward, gate_up, projected, gate_b, up_b, tanh)
    expected = gated.gated_forward(gate_up, projected, gate_b, up_b, tanh)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)
    arguments = (torch.randn(tokens, width), gate_up, projected, gate_b, up_b, dprojected, down_a, tanh)
    result, (_, overwritten, *_) = on_device(gpu_gated.gated_backward, *arguments)
    expected = gated.gated_backward(*arguments)
    torch.testing.assert_close(overwritten, gate_up, rtol=1e-4, atol=1e-4)
    for left, right in zip(result, expected, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-3)


def test_gated_backward_equals_autograd() -> None:
    tokens, width = 5, 12
    gate_up = torch.randn(tokens, 2 * width, dtype=torch.float64, requires_grad=True)
    projected, dprojected = torch.randn(tokens, 7, dtype=torch.float64), torch.randn(tokens, 2, dtype=torch.float64)
    gate_b = torch.randn(width, 4, dtype=torch.float64, requires_grad=True)
    up_b = torch.randn(width, 3, dtype=torch.float64, requires_grad=True)
    down_a = torch.randn(2, width, dtype=torch.float64, requires_grad=True)
    dhidden = torch.randn(tokens, width, dtype=torch.float64)
    for tanh in (False, True):
        hidden = gated.gated_forward(gate_up, projected, gate_b, up_b, tanh)
        ((hidden * dhidden).sum() + (hidden @ down_a.t() * dprojected).sum()).backward()
        own = gate_up.detach().clone()
        result = gated.gated_backward(
            dhidden, own, projected, gate_b.detach(), up_b.detach(), dprojected, down_a.detach(), tanh
        )
        for left, right in zip((own, *result), (gate_up.grad, gate_b.grad, up_b.grad, down_a.grad), strict=True):
            torch.testing.assert_close(left, right)
        for leaf in (gate_up, gate_b, up_b, down_a):
            leaf.grad = None


@pytest.mark.parametrize(("nested", "dtype"), [(True, torch.bfloat16), (True, torch.float32), (False, torch.float16)])
def test_nf4_is_bit_equal_to_bitsandbytes(nested: bool, dtype: torch.dtype) -> None:
    if dtype == torch.bfloat16 and DEVICE == "cpu":
        pytest.skip("the interpreter cuts bfloat16 off instead of rounding it")
    weight = torch.randn(48, 192, dtype=dtype)
    packed, state = bnb.quantize_4bit(weight.to(DEVICE), quant_type="nf4", compress_statistics=nested)
    second = (state.state2.code, state.state2.absmax, state.offset, state.state2.blocksize) if nested else None
    out = torch.full((48, 192), float("nan"), dtype=dtype, device=DEVICE)
    gpu_nf4.dequantize(packed, state.code, state.absmax, second, out)
    assert torch.equal(out, bnb.dequantize_4bit(packed, state))


@pytest.mark.parametrize(("scale", "cap"), [(1.0, None), (0.5, None), (1.0, 3.0)])
def test_nll_and_its_gradient(scale: float, cap: float | None) -> None:
    logits, targets = 4 * torch.randn(5, 130), torch.randint(0, 130, (5,))
    expected = logits.clone()
    losses = loss.nll_(expected, targets, scale, cap, True)
    own, (result, *_) = on_device(gpu_nll.nll_, logits, targets, scale, cap, True)
    torch.testing.assert_close(own, losses, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)
