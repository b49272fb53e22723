"""Models come from a folder or from a shape, the same way with and without quantization."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from ftlab.model.load import build_skeleton, choose_dtype, embedded_path, load_config, load_model
from ftlab.quantization.config import quantization_config
from tests.model.toy import SHAPE, save_toy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy(tmp_path_factory.mktemp("toy"))


def random_model(**options: object) -> PreTrainedModel:
    return load_model(path=None, weights="random", shape=SHAPE, device="cpu", **options)  # type: ignore[arg-type]


def test_a_folder_loads_as_transformers_loads_it(folder: Path) -> None:
    ours = load_model(path=str(folder), device="cpu")
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    for (name, a), (other, b) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(a, b)
    assert not ours.training
    assert not any(module.training for module in ours.modules())
    assert ours.config.use_cache is False
    assert ours.generation_config.eos_token_id == 2


def test_generation_still_uses_its_cache(folder: Path) -> None:
    assert load_model(path=str(folder), device="cpu").generation_config.use_cache is not False


def test_nothing_is_upcast_around_quantised_layers() -> None:
    model = random_model(dtype="bfloat16", quantization_config=quantization_config("nf4"))
    kinds = {weight.dtype for weight in model.parameters()}
    assert kinds == {torch.bfloat16, torch.uint8}
    assert model.is_loaded_in_4bit


@pytest.mark.parametrize("kind", ["none", "nf4", "fp4", "int8"])
def test_random_weights_have_the_modules_of_read_ones(kind: str, folder: Path) -> None:
    config = quantization_config(kind)  # type: ignore[arg-type]
    drawn, read = (
        random_model(quantization_config=config),
        load_model(path=str(folder), device="cpu", quantization_config=config),
    )
    kinds = [[(name, type(module)) for name, module in model.named_modules()] for model in (drawn, read)]
    assert kinds[0] == kinds[1]
    for (name, weight), (other, twin) in zip(drawn.named_parameters(), read.named_parameters(), strict=True):
        assert (name, weight.shape, weight.dtype) == (other, twin.shape, twin.dtype)
    assert drawn.state_dict().keys() == read.state_dict().keys()


def test_random_weights_follow_the_initializer_range_and_the_seed() -> None:
    one, same, other = random_model(seed=1), random_model(seed=1), random_model(seed=2)
    weights = [model.model.layers[1].mlp.up_proj.weight for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert weights[0].std().item() == pytest.approx(0.2, rel=0.05)
    assert not torch.equal(weights[0], one.model.layers[0].mlp.up_proj.weight)
    assert torch.equal(one.model.norm.weight, torch.ones(64))


def test_random_weights_of_a_quantised_model_are_those_of_the_plain_one() -> None:
    plain, rounded = random_model(), random_model(quantization_config=quantization_config("int8"))
    layers = [model.model.layers[0].mlp.up_proj for model in (plain, rounded)]
    scale = layers[1].weight.SCB[:, None] / 127
    torch.testing.assert_close(layers[1].weight.data * scale, layers[0].weight.data, rtol=0, atol=float(scale.max()))


def test_a_skeleton_takes_no_memory() -> None:
    skeleton = build_skeleton(load_config(path=None, weights="random", shape=SHAPE))
    assert {weight.device.type for weight in skeleton.parameters()} == {"meta"}


def test_dtype_is_float32_on_a_cpu_unless_named() -> None:
    assert choose_dtype("cpu") == torch.float32
    assert choose_dtype("cpu", "bfloat16") == torch.bfloat16
    assert choose_dtype("cpu", "float16") == torch.float16


@pytest.mark.skipif(not (embedded_path() / "config.json").is_file(), reason="the embedded model is not built yet")
def test_no_path_means_the_embedded_model() -> None:
    model = load_model(path=None, device="cpu")
    assert sum(weight.numel() for weight in model.parameters()) <= 8_000_000


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["none", "nf4"])
def test_an_8b_shape_is_built_in_seconds_without_a_second_copy(kind: str) -> None:
    import time

    shape = {
        **SHAPE,
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "tie_word_embeddings": False,
    }
    config = quantization_config(kind, device="cuda")  # type: ignore[arg-type]
    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    model = load_model(path=None, weights="random", shape=shape, device="cuda", quantization_config=config)
    torch.cuda.synchronize()
    seconds, peak = time.perf_counter() - start, torch.cuda.max_memory_allocated()
    held = torch.cuda.memory_allocated()
    print(f"{kind}: {seconds:.1f} s, holds {held / 2**30:.2f} GiB, peak {peak / 2**30:.2f} GiB")  # noqa: T201
    assert seconds < 60
    assert peak < held + 4 * 2**30
    del model
