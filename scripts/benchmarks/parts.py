# mypy: disable-error-code="misc"
"""Times single parts of a step against what they replace, with device events: where a step's time can go.

Imported by step.py. Shapes are those of Llama-3-8B with 8,192 tokens in a forward pass.
"""

from collections.abc import Callable
from typing import Any

import torch

TOKENS, HIDDEN, KEYS, MLP, HEADS, KEY_HEADS, VOCABULARY, RANK = 8192, 4096, 1024, 14336, 32, 8, 128256, 16


def milliseconds(function: Callable[[], Any], repeats: int = 8, warm: int = 3) -> float:
    """Mean time of a call on the device."""
    for _ in range(warm):
        function()
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(repeats):
        function()
    end.record()
    torch.cuda.synchronize()
    return round(float(begin.elapsed_time(end)) / repeats, 4)


def tensor(*shape: int) -> torch.Tensor:
    """Random bf16 on the device."""
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)


def measure() -> dict[str, float | str]:
    """All parts; one that fails says why in place of its time."""
    results: dict[str, float | str] = {}
    for group in (_products, _elementwise, _gated_tiles, _dequantisation, _eight_bits, _attention):
        try:
            group(results)
        except Exception as error:
            results[group.__name__] = f"{type(error).__name__}: {str(error)[:200]}"
        torch.cuda.empty_cache()
    return results


def _products(results: dict[str, float | str]) -> None:
    x, weight, ranks = tensor(TOKENS, HIDDEN), tensor(2 * MLP + 32, HIDDEN), 32
    wide = torch.empty(TOKENS, 2 * MLP + 64, device="cuda", dtype=torch.bfloat16)
    plain = torch.empty(TOKENS, 2 * MLP, device="cuda", dtype=torch.bfloat16)
    results["gate_up forward, contiguous"] = milliseconds(lambda: torch.mm(x, weight[: 2 * MLP].t(), out=plain))
    results["gate_up forward, lines apart"] = milliseconds(
        lambda: torch.mm(x, weight[: 2 * MLP].t(), out=wide[:, : 2 * MLP])
    )
    grad = tensor(TOKENS, 2 * MLP + 64)
    results["gate_up backward, K"] = milliseconds(lambda: plain @ weight[: 2 * MLP])
    results["gate_up backward, K + r"] = milliseconds(lambda: grad[:, : 2 * MLP + ranks] @ weight)
    a, p = tensor(RANK, HIDDEN), tensor(TOKENS, RANK)
    results["addmm_ over [T, hidden]"] = milliseconds(lambda: x.addmm_(p, a))
    b = tensor(MLP, RANK)
    results["dy B of gate"] = milliseconds(lambda: grad[:, :MLP] @ b)
    results["dyT p of hidden, f32"] = milliseconds(lambda: torch.mm(x.t(), p, out_dtype=torch.float32))
    results["qT x, f32"] = milliseconds(lambda: torch.mm(tensor(TOKENS, 48).t(), x, out_dtype=torch.float32))


def _elementwise(results: dict[str, float | str]) -> None:
    from ftlab.kernels.gpu import gated, nll, norm, rope

    x, branch, weight = tensor(TOKENS, HIDDEN), tensor(TOKENS, HIDDEN), tensor(HIDDEN)
    total, _, rstd = norm.norm_forward(x, branch, weight, 1e-5, False)
    results["add + norm forward"] = milliseconds(lambda: norm.norm_forward(x, branch, weight, 1e-5, False))
    results["add + norm backward"] = milliseconds(lambda: norm.norm_backward(x, branch, total, weight, rstd, False))
    stacked = tensor(TOKENS, HIDDEN + 2 * KEYS).split([HIDDEN, KEYS, KEYS], 1)
    apart = tuple(torch.empty_like(part, memory_format=torch.contiguous_format) for part in stacked)
    cos = tensor(TOKENS, 128)
    results["rope"] = milliseconds(lambda: rope.rotate(stacked, apart, cos, cos, 128, 1.0))  # type: ignore[arg-type]
    gate_up = tensor(TOKENS, 2 * MLP + 64)[:, : 2 * MLP]
    p, b, a, dhidden = tensor(TOKENS, 32), tensor(MLP, RANK), tensor(RANK, MLP), tensor(TOKENS, MLP)
    results["gated forward"] = milliseconds(lambda: gated.gated_forward(gate_up, p, b, b, False))
    q = tensor(TOKENS, RANK)
    results["gated backward"] = milliseconds(lambda: gated.gated_backward(dhidden, gate_up, p, b, b, q, a, False))
    logits, targets = tensor(2048, VOCABULARY), torch.randint(0, VOCABULARY, (2048,), device="cuda")
    results["nll of 2048"] = milliseconds(lambda: nll.nll_(logits, targets, 1.0, None, True))
    x2 = torch.empty_like(gate_up)
    results["copy of gate_up"] = milliseconds(lambda: x2.copy_(gate_up))


def _gated_tiles(results: dict[str, float | str]) -> None:
    """Tiles of the gated MLP's kernels: tokens, columns, warps, stages, programs a column."""
    from ftlab.kernels.gpu import gated

    gate_up = tensor(TOKENS, 2 * MLP + 64)[:, : 2 * MLP]
    p, b, a, dhidden = tensor(TOKENS, 32), tensor(MLP, RANK), tensor(RANK, MLP), tensor(TOKENS, MLP)
    q = tensor(TOKENS, RANK)
    for tile in ((32, 64, 4, 1), (16, 128, 4, 1), (64, 64, 4, 1), (32, 128, 8, 1)):
        results[f"gated forward {tile}"] = milliseconds(
            lambda tile=tile: gated.gated_forward(gate_up, p, b, b, False, tile)
        )
    tiles = [
        ((32, 64, 4, 1), 8, 32), ((32, 64, 4, 1), 16, 32), ((32, 64, 4, 2), 8, 32), ((32, 64, 4, 3), 8, 32),
        ((16, 64, 4, 2), 8, 32), ((64, 64, 8, 1), 8, 32), ((16, 128, 4, 1), 8, 32), ((32, 32, 4, 2), 8, 32),
        ((64, 32, 4, 1), 8, 32), ((32, 64, 4, 1), 0, 0), ((32, 128, 8, 1), 0, 0), ((16, 128, 4, 1), 0, 0),
    ]  # fmt: skip
    for tile, parts, fused in tiles:
        name = f"gated backward {tile} × {parts}" if fused else f"gated backward {tile}, products apart"
        try:
            results[name] = milliseconds(
                lambda tile=tile, parts=parts, fused=fused: gated.gated_backward(
                    dhidden, gate_up, p, b, b, q, a, False, tile, parts, fused
                ), 5, 2
            )  # fmt: skip
        except Exception as error:
            results[name] = type(error).__name__


def _eight_bits(results: dict[str, float | str]) -> None:
    import bitsandbytes.functional as bnb

    from ftlab.kernels.gpu import fp8

    x, wide, factor = tensor(TOKENS, HIDDEN), tensor(TOKENS, 2 * MLP), torch.rand(2 * MLP, device="cuda") + 1
    weight8, _ = fp8.quantise_rows(tensor(2 * MLP, HIDDEN), None)
    results["fp8 of [T, hidden]"] = milliseconds(lambda: fp8.quantise_rows(x, None))
    results["fp8 of [T, gate_up]"] = milliseconds(lambda: fp8.quantise_rows(wide, factor))
    results["fp8 turned gate_up"] = milliseconds(lambda: fp8.turned(weight8))
    turned = fp8.turned(weight8)
    right = torch.equal(turned.view(torch.uint8), weight8.view(torch.uint8).t())
    results["fp8 turned is right"] = str(right)
    x8, scales = fp8.quantise_rows(x, None)
    d8, d_scales = fp8.quantise_rows(wide, factor)
    ones_out, ones_in = torch.ones(1, 2 * MLP, device="cuda"), torch.ones(1, HIDDEN, device="cuda")
    out = torch.empty_like(wide)

    def multiply(left: Any, right: Any, left_scales: Any, ones: Any, out: Any = None) -> Any:
        return torch._scaled_mm(
            left, right, scale_a=left_scales, scale_b=ones, out_dtype=torch.bfloat16, use_fast_accum=True, out=out
        )

    results["fp8 gate_up forward"] = milliseconds(lambda: multiply(x8, weight8.t(), scales, ones_out, out))
    results["fp8 gate_up backward"] = milliseconds(lambda: multiply(d8, turned.t(), d_scales, ones_in))
    packed, state = bnb.quantize_4bit(tensor(MLP, HIDDEN), quant_type="nf4", compress_statistics=True)
    nested = (state.state2.code, state.state2.absmax, state.offset, state.state2.blocksize)
    lines = torch.ones(MLP, device="cuda")
    for turn in (False, True):
        target = torch.empty((HIDDEN, MLP) if turn else (MLP, HIDDEN), device="cuda", dtype=torch.float8_e4m3fn)
        results[f"nf4 to fp8 of gate, turned {turn}"] = milliseconds(
            lambda turn=turn, target=target: fp8.unpack_nf4(
                packed, state.code, state.absmax, nested, (MLP, HIDDEN), lines, 0, target, turn
            )
        )


def _dequantisation(results: dict[str, float | str]) -> None:
    import bitsandbytes.functional as bnb

    from ftlab.kernels.gpu.nf4 import dequantize

    weight = tensor(MLP, HIDDEN)
    packed, state = bnb.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    nested = (state.state2.code, state.state2.absmax, state.offset, state.state2.blocksize)
    out = torch.empty_like(weight)
    dequantize(packed, state.code, state.absmax, nested, out)
    results["nf4 bit-equal to bitsandbytes"] = str(torch.equal(out, bnb.dequantize_4bit(packed, state)))
    for tile in ((16, 4), (32, 4), (32, 8), (64, 4), (64, 8), (128, 8)):
        results[f"nf4 of gate {tile}"] = milliseconds(
            lambda tile=tile: dequantize(packed, state.code, state.absmax, nested, out, tile), 20
        )
    results["nf4 of gate, bitsandbytes"] = milliseconds(lambda: bnb.dequantize_4bit(packed, state))


def _attention(results: dict[str, float | str]) -> None:
    import torch.nn.functional as functional
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (tensor(TOKENS, heads, 128).requires_grad_(True) for heads in (HEADS, KEY_HEADS, KEY_HEADS))
    borders = torch.arange(0, TOKENS + 1, 2048, device="cuda", dtype=torch.int32)
    grad = tensor(TOKENS, HEADS, 128)

    def varlen() -> torch.Tensor:
        return varlen_attn(q, k, v, borders, borders, 2048, 2048, window_size=(-1, 0))  # type: ignore[return-value]

    results["varlen forward"] = milliseconds(varlen)
    results["varlen forward + backward"] = milliseconds(lambda: varlen().backward(grad))
    rows = [tensor.detach().view(4, 2048, -1, 128).transpose(1, 2).requires_grad_(True) for tensor in (q, k, v)]
    row_grad = grad.view(4, 2048, -1, 128).transpose(1, 2)
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):

        def dense() -> torch.Tensor:
            return functional.scaled_dot_product_attention(rows[0], rows[1], rows[2], is_causal=True, enable_gqa=True)

        results["cuDNN, equal rows, forward + backward"] = milliseconds(lambda: dense().backward(row_grad))
