"""FP8 kernels and products, compiled, against their counterparts on the CPU."""

import pytest
import torch
from torch import nn

from ftlab.kernels import fp8

pytestmark = pytest.mark.gpu


def test_rows_and_turning_equal_the_cpu() -> None:
    x, factor = torch.randn(70, 300, dtype=torch.bfloat16), torch.rand(300) + 0.5
    for given in (None, factor):
        expected, scales = fp8.quantise_rows(x, given)
        result, own = fp8.quantise_rows(x.cuda(), None if given is None else given.cuda())
        torch.testing.assert_close(own.cpu(), scales, rtol=1e-6, atol=0)
        assert (result.cpu().float() - expected.float()).abs().max() <= 32  # one unit in the last place
        assert (result.cpu().float() != expected.float()).float().mean() < 0.01
    assert torch.equal(fp8.turned(result).cpu().float(), result.cpu().float().t())


@pytest.mark.parametrize("kind", ["held", "nf4"])
def test_products_equal_the_cpu(kind: str) -> None:
    from bitsandbytes.nn import Linear4bit

    def layer() -> nn.Module:
        torch.manual_seed(0)
        linear = nn.Linear(128, 192, bias=False)
        if kind == "held":
            return fp8.Fp8Linear(linear)
        four = Linear4bit(128, 192, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4")
        four.load_state_dict(linear.state_dict())
        return four

    here, there = layer().to("cpu"), layer().to("cuda")
    own, other = fp8.Fp8Stack([here], 0), fp8.Fp8Stack([there], 0)
    x, dy = torch.randn(64, 128, dtype=torch.bfloat16), torch.randn(64, 192, dtype=torch.bfloat16)
    out, out_there = torch.empty_like(dy), torch.empty_like(dy, device="cuda")
    own.product(x, out)
    other.product(x.cuda(), out_there)
    assert (out_there.cpu() - out).float().norm() < 0.01 * out.float().norm()
    assert (other.back(dy.cuda()).cpu() - own.back(dy)).float().norm() < 0.01 * dy.float().norm()
