"""Every method of conf/method: it trains, leaves the base alone, and what it saves loads without ftlab."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from peft import PeftConfig, PeftModel
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, PreTrainedModel

from ftlab.config.build import build, build_method
from ftlab.config.folder import CONF_DIR
from ftlab.config.release import COMPOSING
from ftlab.config.target import method_keys
from ftlab.kernels.attention import packed_attention, plain_attention
from ftlab.method.check import check_method
from ftlab.method.method import Method, trainable_parameters
from ftlab.model.load import build_skeleton, load_config, load_model
from ftlab.quantization.config import quantization_config
from tests.model.toy import save_toy

NAMES = sorted(path.stem for path in (CONF_DIR / "method").glob("*.yaml"))
OWN_WEIGHTS = ("full", "freeze")
MERGED = ("lora", "dora", "rslora", "lora-plus", "pissa", "olora")
STEPS = 4
ROWS, TOKENS = 3, 10


def test_every_method_has_a_file() -> None:
    assert len(NAMES) >= 17
    assert {*OWN_WEIGHTS, *MERGED, "qlora", "article", "adalora", "ia3", "vera", "oft", "loftq"} <= set(NAMES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy(tmp_path_factory.mktemp("toy"), initializer_range=0.1)


class Run:
    """A few steps of one method on the toy model, in a plain loop."""

    def __init__(self, name: str, folder: Path, **changes: Any) -> None:
        with initialize_config_dir(config_dir=str(CONF_DIR), **COMPOSING):
            self.cfg: DictConfig = compose("config", [f"method={name}", "output_dir=x"])
        self.folder = folder
        node = OmegaConf.create({**OmegaConf.to_container(self.cfg.method), **changes})  # type: ignore[dict-item]
        self.chosen: PeftConfig | Method = build(method_keys(node), "method")
        self.method = build_method(node, total_steps=STEPS)
        self.ids = torch.randint(3, 300, (ROWS, TOKENS))
        base = self.base()
        self.before = {name: weight.detach().clone() for name, weight in base.named_parameters()}
        self.model = self.method.apply(base)

    def base(self) -> PreTrainedModel:
        config = quantization_config(self.cfg.quantization.kind)
        return load_model(path=str(self.folder), device="cpu", quantization_config=config)

    def train(self) -> list[float]:
        """The mean loss of each step."""
        self.model.train()
        if self.method.layout == "packed":
            packed_attention(self.model)
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=self.cfg.method.learning_rate * 10)
        losses = []
        for step in range(STEPS):
            optimizer.zero_grad()
            loss = self.loss()
            losses.append(loss.item())
            extra = self.method.extra_loss(self.model)
            (loss if extra is None else loss + extra).backward()
            optimizer.step()
            self.method.after_step(self.model, step + 1)
        return losses

    def loss(self) -> Tensor:
        if self.method.layout == "padded":
            logits = self.model(
                input_ids=self.ids,
                attention_mask=torch.ones_like(self.ids),
                logits_to_keep=torch.arange(-TOKENS, -1),
                use_cache=False,
            ).logits
            return cross_entropy(logits.flatten(0, 1), self.ids[:, 1:].flatten())
        borders = torch.arange(0, ROWS * TOKENS + 1, TOKENS, dtype=torch.int32)
        logits = self.model(
            input_ids=self.ids.view(1, -1),
            position_ids=torch.arange(TOKENS).repeat(ROWS)[None],
            cu_seq_lens_q=borders,
            cu_seq_lens_k=borders,
            max_length_q=TOKENS,
            max_length_k=TOKENS,
            use_cache=False,
        ).logits
        return cross_entropy(logits.view(ROWS, TOKENS, -1)[:, :-1].flatten(0, 1), self.ids[:, 1:].flatten())

    @torch.no_grad()
    def logits(self, model: nn.Module) -> Tensor:
        model.eval()
        plain_attention(model)
        logits: Tensor = model(input_ids=self.ids, attention_mask=torch.ones_like(self.ids)).logits
        return logits[:, -TOKENS:]

    def reload(self, folder: Path) -> nn.Module:
        self.method.save(self.model, folder)
        if self.cfg.method.name in OWN_WEIGHTS:
            return AutoModelForCausalLM.from_pretrained(folder)
        with warnings.catch_warnings():
            # PEFT asks Transformers for a renamed attribute, and takes AdaLoRA's rank pattern for LoRA's.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
            warnings.filterwarnings("ignore", message="The following rank_pattern keys did not match")
            return PeftModel.from_pretrained(self.base(), folder)


@pytest.fixture(scope="module", params=NAMES)
def trained(request: pytest.FixtureRequest, folder: Path) -> tuple[Run, list[float]]:
    torch.manual_seed(0)
    run = Run(request.param, folder)
    return run, run.train()


def test_training_lowers_the_loss(trained: tuple[Run, list[float]]) -> None:
    _, losses = trained
    assert losses[-1] < losses[0]


def test_every_trainable_weight_gets_a_gradient(trained: tuple[Run, list[float]]) -> None:
    run, _ = trained
    missing = [name for name, weight in run.model.named_parameters() if weight.requires_grad and weight.grad is None]
    assert missing == []
    count, of_all = trainable_parameters(run.model)
    assert 0 < count <= of_all


def test_the_base_stays_bit_unchanged(trained: tuple[Run, list[float]]) -> None:
    run, _ = trained
    name = run.cfg.method.name
    if name in (*OWN_WEIGHTS, "pissa", "olora"):
        pytest.skip("this method changes the base on purpose")
    wrapped = run.model.get_base_model().named_parameters()
    after = {name.replace("base_layer.", ""): weight for name, weight in wrapped if not weight.requires_grad}
    for key, weight in run.before.items():
        (match,) = (
            w for n, w in after.items() if n.replace(".base_layer", "").endswith(f"model.{key}") or n.endswith(key)
        )
        assert match.dtype == weight.dtype
        assert torch.equal(match, weight), key


def test_what_is_saved_gives_the_same_logits_in_plain_peft(trained: tuple[Run, list[float]], tmp_path: Path) -> None:
    run, _ = trained
    tuned = run.logits(run.model)
    reloaded = run.logits(run.reload(tmp_path))
    changed = (tuned - run.logits(run.base())).abs().max().item()
    assert changed > 1e-3
    torch.testing.assert_close(reloaded, tuned, rtol=1e-4, atol=1e-4 * changed + 1e-5)


def test_saving_leaves_the_run_as_it_was(trained: tuple[Run, list[float]], tmp_path: Path) -> None:
    run, _ = trained
    before = [(name, weight.requires_grad, weight.clone()) for name, weight in run.model.named_parameters()]
    run.method.save(run.model, tmp_path)
    for (name, grad, weight), (other, after) in zip(before, run.model.named_parameters(), strict=True):
        assert (name, grad) == (other, after.requires_grad)
        assert torch.equal(weight, after)


def test_adapters_have_the_dtype_that_the_method_says(trained: tuple[Run, list[float]]) -> None:
    run, _ = trained
    assert {weight.dtype for weight in run.model.parameters() if weight.requires_grad} == {torch.float32}


def test_the_shipped_method_fits_the_model(trained: tuple[Run, list[float]], folder: Path) -> None:
    run, _ = trained
    skeleton = build_skeleton(load_config(path=str(folder)))
    names = [name for name, _ in skeleton.named_modules()]
    kind = run.cfg.quantization.kind
    assert check_method(run.chosen, name=run.cfg.method.name, skeleton=skeleton, quantization=kind) == []
    assert [name for name, _ in skeleton.named_modules()] == names


@pytest.mark.parametrize("name", MERGED)
def test_merged_weights_give_the_same_logits(name: str, folder: Path, tmp_path: Path) -> None:
    run = Run(name, folder)
    run.train()
    tuned = run.logits(run.model)
    merged = run.reload(tmp_path).merge_and_unload()
    torch.testing.assert_close(run.logits(merged), tuned, rtol=1e-3, atol=1e-4 * tuned.abs().max().item())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OWN_WEIGHTS])
def test_float32_adapters_run_under_autocast_close_to_float32(name: str, folder: Path) -> None:
    run = Run(name, folder)
    run.train()
    exact = run.logits(run.model)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = run.logits(run.model)
    assert ((mixed - exact).norm() / exact.norm()).item() < 0.03


def test_autocast_keeps_a_layers_input_in_16_bits(folder: Path) -> None:
    run = Run("lora", folder)
    seen: list[torch.dtype] = []
    layer = run.model.get_base_model().model.layers[0].mlp.up_proj.lora_dropout["default"]
    layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].dtype))
    hidden = torch.randn(1, 4, 64, dtype=torch.bfloat16)
    up_proj = run.model.get_base_model().model.layers[0].mlp.up_proj
    with torch.autocast("cpu", torch.bfloat16):
        up_proj(hidden)
    up_proj.get_base_layer().to(torch.bfloat16)
    up_proj(hidden)
    assert seen == [torch.bfloat16, torch.float32]


@pytest.mark.parametrize(("dtype", "expected"), [("bfloat16", torch.bfloat16), ("model", torch.float32)])
def test_adapter_dtype_is_what_is_asked(dtype: str, expected: torch.dtype, folder: Path) -> None:
    model = Run("lora", folder, adapter_dtype=dtype).model
    assert {weight.dtype for weight in model.parameters() if weight.requires_grad} == {expected}
    assert {weight.dtype for weight in model.parameters() if not weight.requires_grad} == {torch.float32}


@pytest.mark.parametrize(("name", "layout"), [("lora", "packed"), ("prefix-tuning", "padded"), ("full", "packed")])
def test_layout_follows_the_kind_of_method(name: str, layout: str, folder: Path) -> None:
    assert Run(name, folder).method.layout == layout


def test_lora_plus_passes_its_factors_on(folder: Path) -> None:
    assert Run("lora-plus", folder).method.lr_multipliers == {"lora_B": 16.0}


def test_trainable_parameters_count_4_bit_weights_whole(folder: Path) -> None:
    quantised, plain = Run("qlora", folder), Run("lora", folder)
    assert trainable_parameters(quantised.model) == trainable_parameters(plain.model)


def test_a_quantised_model_is_refused_by_full(folder: Path) -> None:
    config = quantization_config("nf4")
    base = load_model(path=str(folder), device="cpu", quantization_config=config)
    with pytest.raises(ValueError, match="must have quantization=none"):
        Run("full", folder).method.apply(base)


def test_freeze_trains_the_last_layers_and_the_named_weights(folder: Path) -> None:
    run = Run("freeze", folder, last_layers=1, patterns=[r"model\.norm", "lm_head"])
    trained = {name.split(".weight")[0] for name, weight in run.model.named_parameters() if weight.requires_grad}
    assert {name for name in trained if "layers" not in name} == {"model.norm", "lm_head"}
    assert {name.split(".")[2] for name in trained if "layers" in name} == {"1"}


def test_loftq_starts_closer_to_the_original_than_plain_rounding(folder: Path) -> None:
    exact = load_model(path=str(folder), device="cpu")
    run = Run("loftq", folder, lora_alpha=48)  # a scale of 3: the start must divide by it
    reference = run.logits(exact)
    ours, rounded = run.logits(run.model), run.logits(run.base())
    assert (ours - reference).norm() < 0.8 * (rounded - reference).norm()


@pytest.mark.parametrize("name", ["pissa", "olora"])
def test_a_start_that_changes_the_base_leaves_step_0_unchanged(name: str, folder: Path) -> None:
    run = Run(name, folder)
    torch.testing.assert_close(run.logits(run.model), run.logits(run.base()), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "rank"), [("pissa", 32), ("olora", 32), ("loftq", 16)])
def test_a_start_from_the_base_is_saved_as_a_plain_lora(name: str, rank: int, folder: Path, tmp_path: Path) -> None:
    run = Run(name, folder)
    run.method.save(run.model, tmp_path)
    saved = PeftConfig.from_pretrained(tmp_path)
    assert saved.init_lora_weights is True
    assert saved.r == rank
