"""Σ NLL of each row against a slow loop, in every layout and architecture, within the budget of logits."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, TaskType, get_peft_model
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    OPTConfig,
    OPTForCausalLM,
)  # fmt: skip

from ftlab.data.pack import collate
from ftlab.data.row import EncodedRow, Layout
from ftlab.kernels.attention import packed_attention
from ftlab.training.loss import sum_nll
from ftlab.training.row_nll import BYTES_PER_LOGIT, row_nll
from tests.reference.nll import row_nll as slow_nll
from tests.training.toy import toy_model, toy_rows

VOCABULARY = 48
PLENTY, SCARCE = 10**9, 3 * BYTES_PER_LOGIT * VOCABULARY
"""Budgets for all positions, and for three."""

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def _whole(row: EncodedRow) -> EncodedRow:
    return EncodedRow(row.id, row.ids, torch.ones_like(row.supervised))


def _expected(model: Any, rows: list[EncodedRow]) -> Tensor:
    with torch.no_grad():
        sums = [(slow_nll(model, row).item(), slow_nll(model, _whole(row)).item()) for row in rows]
    return torch.tensor(sums, dtype=torch.float64)


@pytest.mark.parametrize("budget", [PLENTY, SCARCE])
@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_rows_equal_a_loop_over_one_row_and_token_at_a_time(layout: Layout, budget: int) -> None:
    model, rows = toy_model(dtype=torch.float64), toy_rows(5)
    expected = _expected(model, rows)
    if layout == "packed":
        packed_attention(model)
    found = row_nll(model, collate(rows, layout, pad_id=0), budget)
    torch.testing.assert_close(found[:, [0, 2]], expected, rtol=1e-10, atol=1e-10)
    assert found[:, 1].tolist() == [row.targets_count for row in rows]
    assert found[:, 3].tolist() == [len(row) - 1 for row in rows]
    assert found[:, 0].sum().item() == pytest.approx(sum_nll(model, collate(rows, layout, pad_id=0)).item(), rel=1e-12)


SHAPE: dict[str, Any] = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
LLAMA: dict[str, Any] = {
    **SHAPE, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip
ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {
    "learned positions, tied head": lambda: GPT2LMHeadModel(GPT2Config(**SHAPE, n_embd=16, n_layer=2, n_head=2)),
    "a projection behind the decoder": lambda: OPTForCausalLM(
        OPTConfig(
            **SHAPE, hidden_size=16, ffn_dim=24, num_hidden_layers=2, num_attention_heads=2, word_embed_proj_dim=8
        )
    ),
    "capped logits": lambda: Gemma2ForCausalLM(
        Gemma2Config(**LLAMA, num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.2)
    ),
    "scaled logits": lambda: CohereForCausalLM(CohereConfig(**LLAMA, logit_scale=0.3)),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_whatever_a_model_does_to_its_logits_is_kept(name: str) -> None:
    torch.manual_seed(0)
    model, rows = ARCHITECTURES[name]().double().eval(), toy_rows(4)
    found = row_nll(model, collate(rows, "padded", pad_id=0), SCARCE)
    torch.testing.assert_close(found[:, [0, 2]], _expected(model, rows), rtol=1e-9, atol=1e-9)


ADAPTERS = {
    "lora": LoraConfig(task_type=TaskType.CAUSAL_LM, r=2, init_lora_weights=False, target_modules=["q_proj"]),
    "prompt-tuning": PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3),
    "prefix-tuning": PrefixTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3),
    "trained head": LoraConfig(
        task_type=TaskType.CAUSAL_LM, r=2, init_lora_weights=False, target_modules=["q_proj"],
        modules_to_save=["lm_head"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ADAPTERS)
def test_adapters_have_their_part_and_switched_off_they_have_none(name: str) -> None:
    base, rows = toy_model(), toy_rows(4)
    micro = collate(rows, "padded", pad_id=0)
    before = row_nll(base.double(), micro, SCARCE)
    model = get_peft_model(toy_model(), ADAPTERS[name]).double().eval()
    if name == "trained head":
        with torch.no_grad():
            model.base_model.model.lm_head.modules_to_save["default"].weight.mul_(1.5)

    def call(input_ids: Tensor) -> Any:
        return model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids))

    torch.testing.assert_close(row_nll(model, micro, SCARCE)[:, [0, 2]], _expected(call, rows), rtol=1e-9, atol=1e-9)
    with model.disable_adapter():
        off = row_nll(model, micro, SCARCE)
    torch.testing.assert_close(off, before, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(row_nll(model, micro, SCARCE), before)


class _Largest(TorchDispatchMode):
    """Watches how large tensors with a vocabulary's width get, and what all tensors of it hold at once."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.bytes, self.live, self.peak = width, 0, 0, 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, list | tuple) else [out]:
            if isinstance(tensor, Tensor) and tensor.ndim > 1 and tensor.shape[-1] == self.width:
                self._see(tensor)
        return out

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage.data_ptr(), storage.nbytes()
        if key in self.known:
            return
        self.known.add(key)
        self.bytes = max(self.bytes, size)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.live -= size


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_logits_never_take_more_than_their_budget(layout: Layout) -> None:
    """4,099 words over 200 tokens: all logits would take 3.3 MB, and each of their copies as much again."""
    torch.manual_seed(0)
    vocabulary, budget = 4099, 1_000_000
    model = toy_model(vocab_size=vocabulary)
    ids = torch.randint(1, vocabulary, (4, 50))
    rows = [EncodedRow(number, row, torch.ones(50, dtype=torch.bool)) for number, row in enumerate(ids)]
    if layout == "packed":
        packed_attention(model)
    micro = collate(rows, layout, pad_id=0)
    with _Largest(vocabulary) as seen:
        row_nll(model, micro, budget)
    assert 0 < seen.bytes <= budget / 3
    assert seen.peak <= budget
    with _Largest(vocabulary) as seen, torch.no_grad():
        sum_nll(model, micro)
    assert seen.bytes > budget, "the test must see logits that are made at once"
