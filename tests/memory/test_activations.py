"""What layers keep on a CPU, measured, is what the plan says they keep."""

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ftlab.kernels import linear
from ftlab.kernels.accelerate import accelerate_model
from ftlab.kernels.recompute import ALL, NONE, Recompute, set_recompute
from ftlab.memory.activations import activation_bytes
from ftlab.memory.job import Adapter, Fused, Job, Optimizer
from ftlab.memory.level import Level
from ftlab.memory.shape import shape_of
from tests.kernels.blocks import MORE, SHAPE, build

TOKENS = 48
IDS = torch.randint(1, 128, (1, TOKENS), generator=torch.Generator().manual_seed(5))


def _kept_bytes(model: nn.Module) -> int:
    """Bytes of the tensors that a forward pass keeps for backward, each storage once, without weights."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tensor.shape[:2] != (1, 1) and TOKENS in tensor.shape:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    embedded = model.get_input_embeddings()(IDS).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        hidden = model.get_base_model().get_decoder()(inputs_embeds=embedded, use_cache=False).last_hidden_state
    assert hidden.requires_grad
    return sum(held.values())


def _job(kind: str, dropout: float, fused: bool) -> Job:
    shape = shape_of(SHAPE | MORE[kind] | {"model_type": kind})
    return Job(
        shape=shape, kind="none", double_quantization=False, base_bytes=4, trained_bytes=4, activation_bytes=4,
        stream_bytes=4, method="adapter", optimizer=Optimizer("AdamW", 2, None), device="cuda",
        adapter=Adapter(dict.fromkeys(shape.linears, 4), 2, dropout), kernels=Fused(fused, fused, fused),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text", "phi3"])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_kept_bytes_are_the_planned_ones_on_each_way_through_a_layer(kind: str, fused: bool, dropout: float) -> None:
    model = build(kind, lora_dropout=dropout)
    if fused:
        accelerate_model(model)
    planned = activation_bytes(_job(kind, dropout, fused), TOKENS, Level())
    measured = _kept_bytes(model)
    if dropout and not fused:  # on a CPU, PyTorch's dropout keeps a mask as wide as its input, on a GPU one of bytes
        assert planned < measured < 1.35 * planned
    else:
        assert measured == pytest.approx(planned, rel=0.2)  # the final norm and attention's tables come on top


@pytest.mark.parametrize("policy", [Recompute(norms=True, mlp=True), ALL])
def test_recomputation_keeps_no_mask_of_dropout(policy: Recompute, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[weakref.ref[Tensor]] = []
    draw = linear.draw_masks

    def watched(*args: Any) -> Any:
        masks = draw(*args)
        drawn.extend(weakref.ref(mask) for mask in masks if mask is not None)
        return masks

    monkeypatch.setattr(linear, "draw_masks", watched)
    model = build("llama", lora_dropout=0.4)
    accelerate_model(model)
    alive = {}
    for level in (NONE, policy):
        drawn.clear()
        set_recompute(model, level)
        out = model(input_ids=IDS, use_cache=False).logits.sum()
        gc.collect()
        alive[level] = sum(mask() is not None for mask in drawn)
        assert out.requires_grad
        out.backward()
    assert alive[NONE] > alive[policy]
    assert alive[policy] == 0 or policy != ALL
