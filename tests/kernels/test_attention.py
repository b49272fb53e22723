"""Packed rows behave as if each had a forward pass of its own: outputs, gradients, and nothing leaks."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel

from ftlab.kernels import attention
from ftlab.kernels.attention import (
    PACKED,
    packed_attention,
    packed_attention_forward,
    packing_obstacle,
    plain_attention,
)
from tests.model.toy import toy_model

LENGTHS = (1, 7, 19, 2, 12)

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama"},
    "llama_one_kv_head": {"model_type": "llama", "num_key_value_heads": 1},
    "qwen2": {"model_type": "qwen2"},
    "qwen2_sliding": {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    "qwen3": {"model_type": "qwen3"},
    "mistral_window_5": {"model_type": "mistral", "sliding_window": 5},
    "mistral_window_2": {"model_type": "mistral", "sliding_window": 2},
    "gemma3": {
        "model_type": "gemma3_text",
        "sliding_window": 6,
        "layer_types": ["sliding_attention", "full_attention"],
        "query_pre_attn_scalar": 24,
    },
    "phi3": {"model_type": "phi3", "sliding_window": None, "pad_token_id": 0},
    "phi3_window_4": {"model_type": "phi3", "sliding_window": 4, "pad_token_id": 0},
    "smollm3": {"model_type": "smollm3", "pad_token_id": 0},
    "olmo2": {"model_type": "olmo2"},
}


def pack(rows: list[Tensor]) -> dict[str, Any]:
    lengths = torch.tensor([len(row) for row in rows])
    borders = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]).to(torch.int32)
    longest = int(lengths.max())
    return {
        "input_ids": torch.cat(rows)[None],
        "position_ids": torch.cat([torch.arange(len(row)) for row in rows])[None],
        "cu_seq_lens_q": borders,
        "cu_seq_lens_k": borders,
        "max_length_q": longest,
        "max_length_k": longest,
        "use_cache": False,
    }


def random_rows(lengths: tuple[int, ...] = LENGTHS) -> list[Tensor]:
    return [torch.randint(3, 300, (length,)) for length in lengths]


def loss_and_gradients(model: PreTrainedModel, logits: Tensor) -> list[Tensor]:
    """Of a loss that weighs each logit of each token differently."""
    weights = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).sin().view_as(logits)
    model.zero_grad()
    (logits * weights).sum().backward()
    return [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_rows_equal_separate_rows_for_each_family(family: str) -> None:
    model = toy_model(torch.float64, **FAMILIES[family])
    rows = random_rows()
    separate = torch.cat([model(input_ids=row[None], use_cache=False).logits[0] for row in rows])
    expected = loss_and_gradients(model, separate)

    packed_attention(model)
    packed = model(**pack(rows)).logits[0]
    actual = loss_and_gradients(model, packed)

    # Gemma computes its norms and RoPE in float32 whatever the model's dtype is.
    torch.testing.assert_close(packed, separate, rtol=1e-5, atol=1e-6)
    assert len(actual) == len(expected) > 0
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.parametrize("family", ["llama", "mistral_window_5"])
def test_a_changed_row_leaves_the_others_bit_equal(family: str) -> None:
    model = toy_model(**FAMILIES[family])
    packed_attention(model)
    rows = random_rows()
    before = model(**pack(rows)).logits[0].split(LENGTHS)
    rows[2] = (rows[2] + 1) % 300
    after = model(**pack(rows)).logits[0].split(LENGTHS)
    same = [torch.equal(ours, theirs) for ours, theirs in zip(before, after, strict=True)]
    assert same == [True, True, False, True, True]


def test_dropout_is_applied_while_training() -> None:
    model = toy_model(attention_dropout=0.5).train()
    packed_attention(model)
    rows = random_rows()
    assert not torch.equal(model(**pack(rows)).logits, model(**pack(rows)).logits)


def test_a_call_without_borders_is_refused() -> None:
    model = toy_model()
    packed_attention(model)
    with pytest.raises(RuntimeError, match=r"`cu_seq_lens_q` and `max_length_q` are missing"):
        model(input_ids=torch.arange(3, 9)[None], use_cache=False)


@pytest.mark.parametrize("arguments", [{"softcap": 30.0}, {"s_aux": torch.zeros(4)}, {"is_causal": False}])
def test_attention_of_another_kind_is_refused(arguments: dict[str, Any]) -> None:
    q = torch.randn(1, 4, 6, 8)
    with pytest.raises(RuntimeError, match="Use the padded layout"):
        packed_attention_forward(
            nn.Identity(), q, q, q, None, cu_seq_lens_q=torch.tensor([0, 6]), max_length_q=6, **arguments
        )


def test_switching_goes_there_and_back() -> None:
    model = toy_model()
    ids = torch.arange(3, 9)[None]
    before = model(input_ids=ids).logits
    packed_attention(model)
    assert model.config._attn_implementation == PACKED
    plain_attention(model)
    torch.testing.assert_close(model(input_ids=ids).logits, before, rtol=0, atol=0)


def test_plain_attention_leaves_a_users_choice() -> None:
    model = toy_model()
    model.set_attn_implementation("eager")
    plain_attention(model)
    assert model.config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "gemma2", "layer_types": ["full_attention"] * 2}, "attn_logit_softcapping"),
        ({"model_type": "gpt2", "n_embd": 64, "n_head": 4, "n_layer": 2}, None),
        ({"model_type": "mamba"}, "does not call attention|convolutions"),
        ({"model_type": "bloom"}, "does not call attention"),
        (
            {"model_type": "gemma3_text", "use_bidirectional_attention": True, "layer_types": ["full_attention"] * 2},
            "later tokens",
        ),
        ({"model_type": "gpt_oss", "num_local_experts": 2, "layer_types": ["full_attention"] * 2}, "sinks"),
    ],
)
def test_models_that_cannot_pack_say_why(changes: dict[str, Any], reason: str | None) -> None:
    with torch.device("meta"):
        model = toy_model(**changes)
    obstacle = packing_obstacle(model)
    if reason is None:
        assert obstacle is None
        return
    with pytest.raises(ValueError, match=reason):
        packed_attention(model)


class TestVarlenKernel:
    """The arguments that the CUDA kernel gets, with a stand-in that computes the same on the CPU."""

    @pytest.fixture(params=[True, False], ids=["newer", "torch_2_11"])
    def calls(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
        seen: list[SimpleNamespace] = []

        def stand_in(q: Tensor, k: Tensor, v: Tensor, cu_q: Tensor, cu_k: Tensor, *longest: int, **kw: Any) -> Tensor:
            seen.append(SimpleNamespace(same_borders=cu_q is cu_k, **kw))
            left, right = kw["window_size"]
            assert right == 0
            window = None if left == -1 else left + 1
            return attention._attend_by_row(q, k, v, cu_q, 0.0, kw["scale"], window)

        names = {"window_size", *(["enable_gqa"] if request.param else [])}
        monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", stand_in)
        monkeypatch.setattr(attention, "_varlen_parameters", lambda: frozenset(names))
        monkeypatch.setattr(attention, "_varlen_takes", lambda q, dropout: True)
        return seen

    @pytest.mark.parametrize("family", ["llama", "mistral_window_5"])
    def test_outputs_equal_separate_rows(self, family: str, calls: list[SimpleNamespace]) -> None:
        model = toy_model(**FAMILIES[family])
        rows = random_rows()
        separate = torch.cat([model(input_ids=row[None], use_cache=False).logits[0] for row in rows])
        packed_attention(model)
        torch.testing.assert_close(model(**pack(rows)).logits[0], separate, rtol=1e-4, atol=1e-4)
        assert len(calls) == 2
        assert all(call.same_borders for call in calls)

    def test_a_window_longer_than_every_row_is_left_out(self, calls: list[SimpleNamespace]) -> None:
        model = toy_model(model_type="mistral", sliding_window=max(LENGTHS))
        packed_attention(model)
        model(**pack(random_rows()))
        assert {call.window_size for call in calls} == {(-1, 0)}


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("window", [None, 100])
def test_cuda_rows_equal_separate_rows(dtype: torch.dtype, window: int | None) -> None:
    lengths = [1, 130, 700, 33]
    q = torch.randn(1, 8, sum(lengths), 64, device="cuda", dtype=dtype, requires_grad=True)
    k, v = (torch.randn(1, 2, sum(lengths), 64, device="cuda", dtype=dtype, requires_grad=True) for _ in range(2))
    borders = torch.tensor([0, *torch.tensor(lengths).cumsum(0)], dtype=torch.int32, device="cuda")
    out, _ = packed_attention_forward(
        nn.Identity(), q, k, v, None, cu_seq_lens_q=borders, max_length_q=700, sliding_window=window
    )
    weights = torch.randn_like(out)
    ours = [out, *torch.autograd.grad((out * weights).sum(), (q, k, v))]

    wide = [tensor.detach().double().requires_grad_() for tensor in (q, k, v)]
    rows = []
    for start, end in zip(borders.tolist(), borders.tolist()[1:], strict=False):
        band = torch.ones(end - start, end - start, device="cuda", dtype=torch.bool).tril()
        band = band if window is None else band.triu(1 - window)
        parts = [wide[0][:, :, start:end], *(tensor[:, :, start:end].repeat_interleave(4, 1) for tensor in wide[1:])]
        rows.append(scaled_dot_product_attention(*parts, attn_mask=band).transpose(1, 2))
    reference = torch.cat(rows, 1)
    theirs = [reference, *torch.autograd.grad((reference * weights.double()).sum(), wide)]
    for a, b in zip(ours, theirs, strict=True):
        error = ((a.double() - b).norm() / b.norm()).item()
        assert error < (1e-2 if dtype == torch.bfloat16 else 1e-5)
