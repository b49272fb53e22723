"""FP8 kernels and products, compiled, against their counterparts on the CPU."""

import pytest
import torch
from torch import nn

from ftlab.kernels import fp8
from ftlab.kernels.accelerate import accelerate_model
from ftlab.model.load import load_model
from ftlab.quantization.config import quantization_config
from tests.kernels.blocks import run, with_lora

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


def test_base_is_rounded_while_it_loads_and_learns_near_its_unpacked_weights() -> None:
    shape = {
        "model_type": "llama", "vocab_size": 512, "hidden_size": 1024, "intermediate_size": 4096,
        "num_hidden_layers": 4, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 64,
    }  # fmt: skip
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    config = quantization_config("fp8")
    base = load_model(path=None, weights="random", shape=shape, device="cuda", quantization_config=config)
    linear = sum(module.weight.numel() for module in base.modules() if isinstance(module, fp8.Fp8Linear))
    assert linear > 50e6
    assert torch.cuda.max_memory_allocated() - before < 2 * linear  # never as much as in 16 bits
    model = with_lora(base.requires_grad_(False), adapter_dtype=torch.float32)
    ids = torch.randint(1, 512, (4, 128), device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        logits, grads = run(model, ids)
        notes = accelerate_model(model, arithmetic="fp8")
        assert not [note for note in notes if "plain" in note]
        fused_logits, fused_grads = run(model, ids)
    assert 0 < (fused_logits - logits).float().norm() < 0.2 * logits.float().norm()
    for name, grad in grads.items():
        assert nn.functional.cosine_similarity(fused_grads[name].flatten(), grad.flatten(), dim=0) > 0.7, name
