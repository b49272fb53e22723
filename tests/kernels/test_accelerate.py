"""Fused against PEFT on the CPU: outputs and all gradients, over architectures, ranks, dropout, dtypes and bases."""

import copy

import pytest
import torch
from torch import nn

from ftlab.kernels.accelerate import accelerate_model, restore
from tests.kernels.blocks import MORE, build, run, worst

CLOSE = {"rtol": 1e-5, "atol": 1e-6}
"""Transformers' norms and rotary tables are in float32, whatever the model is in."""

IDS = torch.randint(1, 128, (2, 12), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("kind", list(MORE))
def test_fused_equals_peft_for_each_architecture(kind: str) -> None:
    model = build(kind, dtype=torch.float64)
    logits, grads = run(model, IDS)
    notes = accelerate_model(model)
    fused_logits, fused_grads = run(model, IDS)
    assert not [note for note in notes if "plain" in note]
    assert any("2 × attention fused" in note for note in notes), notes
    torch.testing.assert_close(fused_logits, logits, **CLOSE)
    assert worst(fused_grads, grads) < 1e-5


@pytest.mark.parametrize("kind", list(MORE))
def test_attention_and_mlp_agree_to_float64(kind: str) -> None:
    model = build(kind, dtype=torch.float64)
    logits, grads = run(model, IDS)
    accelerate_model(model, norms=False)
    fused_logits, fused_grads = run(model, IDS)
    torch.testing.assert_close(fused_logits, logits, rtol=1e-6, atol=1e-7)
    assert worst(fused_grads, grads) < 1e-7


@pytest.mark.parametrize("kind", list(MORE))
def test_float32_agrees_to_rounding(kind: str) -> None:
    model = build(kind)
    logits, grads = run(model, IDS)
    accelerate_model(model)
    fused_logits, fused_grads = run(model, IDS)
    torch.testing.assert_close(fused_logits, logits, rtol=1e-4, atol=1e-5)
    assert worst(fused_grads, grads) < 1e-4


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text", "phi3"])
def test_dropout_draws_what_peft_draws(kind: str) -> None:
    model = build(kind, dtype=torch.float64, lora_dropout=0.3)
    logits, grads = run(model, IDS)
    accelerate_model(model)
    fused_logits, fused_grads = run(model, IDS)
    torch.testing.assert_close(fused_logits, logits, **CLOSE)
    assert worst(fused_grads, grads) < 1e-5
    other_logits, _ = run(model, IDS, seed=4)
    assert not torch.allclose(other_logits, fused_logits)


@pytest.mark.parametrize(
    "options",
    [
        {"targets": ["q_proj", "v_proj"]},
        {"targets": ["o_proj", "down_proj"]},
        {"targets": ["up_proj", "k_proj"]},
        {"r": 1},
        {"rank_pattern": {"q_proj": 2, "up_proj": 7}, "alpha_pattern": {"v_proj": 3, "gate_proj": 5}},
        {"use_rslora": True, "r": 16},
    ],
)
def test_fused_equals_peft_for_any_choice_of_adapters(options: dict) -> None:
    model = build("llama", dtype=torch.float64, **options)
    logits, grads = run(model, IDS)
    accelerate_model(model)
    fused_logits, fused_grads = run(model, IDS)
    torch.testing.assert_close(fused_logits, logits, **CLOSE)
    assert worst(fused_grads, grads) < 1e-5


def test_adapters_keep_their_dtype_on_a_bfloat16_base_and_lose_no_accuracy() -> None:
    model = build("llama", dtype=torch.bfloat16, adapter_dtype=torch.float32)
    exact = copy.deepcopy(model).float()
    exact_logits, exact_grads = run(exact, IDS)
    logits, grads = run(model, IDS)
    accelerate_model(model)
    fused_logits, fused_grads = run(model, IDS)
    assert {grad.dtype for grad in fused_grads.values()} == {torch.float32}
    assert fused_logits.dtype == torch.bfloat16
    assert (fused_logits - exact_logits).norm() < 2 * (logits - exact_logits).norm()
    assert worst(fused_grads, exact_grads) < 1.5 * worst(grads, exact_grads)


def test_restore_gives_the_model_back_as_it_was() -> None:
    model = build("qwen2")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    forwards = {name: module.forward.__func__ for name, module in model.named_modules()}
    accelerate_model(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: module.forward.__func__ for name, module in model.named_modules()} != forwards
    restore(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: module.forward.__func__ for name, module in model.named_modules()} == forwards
    pointers = [weight.untyped_storage().data_ptr() for weight in model.parameters()]
    assert len(set(pointers)) == len(pointers)


def test_disabled_adapter_and_merging_take_the_plain_path() -> None:
    model = build("llama", dtype=torch.float64)
    with torch.no_grad():
        tuned = model(input_ids=IDS).logits
        with model.disable_adapter():
            base = model(input_ids=IDS).logits
    accelerate_model(model)
    with torch.no_grad():
        many = IDS.repeat(8, 1)
        torch.testing.assert_close(model(input_ids=many).logits[:2], tuned, **CLOSE)
        with model.disable_adapter():
            torch.testing.assert_close(model(input_ids=many).logits[:2], base, **CLOSE)
        model.merge_adapter()
        torch.testing.assert_close(model(input_ids=many).logits[:2], tuned, **CLOSE)
        model.unmerge_adapter()
    logits, _ = run(model, IDS)
    torch.testing.assert_close(logits, tuned, **CLOSE)


def test_another_adapter_switched_on_is_seen() -> None:
    model = build("llama", dtype=torch.float64)
    accelerate_model(model)
    first, _ = run(model, IDS)
    model.add_adapter("other", copy.deepcopy(model.peft_config["default"]))
    model.set_adapter("other")
    plain = copy.deepcopy(model)
    restore(plain)
    for name, weight in model.named_parameters():
        if "other" in name:
            nn.init.constant_(weight, 0.05)
            plain.get_parameter(name).data.copy_(weight)
    second, grads = run(model, IDS)
    plain_logits, plain_grads = run(plain, IDS)
    torch.testing.assert_close(second, plain_logits, **CLOSE)
    assert not torch.allclose(first, second)
    assert worst(grads, plain_grads) < 1e-4


def test_a_copy_of_the_model_trains_its_own_adapters() -> None:
    model = build("llama", dtype=torch.float64)
    logits, grads = run(model, IDS)
    accelerate_model(model)
    copied_logits, copied_grads = run(copy.deepcopy(model), IDS)
    torch.testing.assert_close(copied_logits, logits, **CLOSE)
    assert worst(copied_grads, grads) < 1e-5


def test_generation_with_a_cache_equals_the_plain_path() -> None:
    model = build("llama", dtype=torch.float64).eval()
    prompt = IDS[:, :5]
    plain = model.generate(input_ids=prompt, max_new_tokens=5, do_sample=False, use_cache=True)
    accelerate_model(model)
    assert torch.equal(model.generate(input_ids=prompt, max_new_tokens=5, do_sample=False, use_cache=True), plain)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"use_dora": True}, "variant of LoRA"),
    ],
)
def test_variants_take_the_plain_path_and_say_so(options: dict, reason: str) -> None:
    model = build("llama", dtype=torch.float64, **options)
    logits, grads = run(model, IDS)
    notes = accelerate_model(model)
    assert any(reason in note for note in notes), notes
    fused_logits, fused_grads = run(model, IDS)
    torch.testing.assert_close(fused_logits, logits, **CLOSE)
    assert worst(fused_grads, grads) < 1e-5


def test_a_trained_base_takes_the_plain_path_and_says_so() -> None:
    model = build("llama", dtype=torch.float64)
    model.requires_grad_(True)
    logits, grads = run(model, IDS)
    notes = accelerate_model(model)
    assert any("norms are trained" in note for note in notes), notes
    fused_logits, fused_grads = run(model, IDS)
    torch.testing.assert_close(fused_logits, logits, **CLOSE)
    assert worst(fused_grads, grads) < 1e-5


def test_an_unknown_architecture_takes_the_plain_path_and_says_so() -> None:
    MORE["gpt_neox"] = {}
    try:
        model = build("gpt_neox", targets=["query_key_value"])
    finally:
        del MORE["gpt_neox"]
    notes = accelerate_model(model)
    assert notes == ["kernels: 2 × plain path: GPTNeoXLayer is not known"]
    run(model, IDS)


def test_backward_twice_says_why_it_can_not() -> None:
    model = build("llama")
    accelerate_model(model)
    loss = model(input_ids=IDS).logits.sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="run backward once"):
        loss.backward()
