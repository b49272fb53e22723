"""From a name to a model in memory: config, skeleton without weights, weights.

Comes in: a folder, a hub id, None (the embedded model) or a shape for random weights. Goes out: a Transformers
model in eval mode on its device, quantised if asked. What must not be here: what is trained (`ftlab.method`).
"""

import logging
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.utils.quantization_config import QuantizationConfigMixin

from ftlab.quantization.bitsandbytes import keep_quantised_weights

Weights = Literal["pretrained", "random"]

DtypeName = Literal["auto", "float32", "bfloat16", "float16"]


def embedded_path() -> Path:
    """The folder of the model that comes with ftlab (`model=tiny`)."""
    return Path(str(resources.files("ftlab.model") / "tiny"))


def choose_dtype(device: torch.device | str, requested: DtypeName = "auto") -> torch.dtype:
    """The dtype of the base weights: `auto` is bfloat16 on a GPU that computes in it, else float32.

    Args:
        device: Where the model will be.
        requested: `auto`, or the name of a dtype.
    """
    if requested != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[requested]
    bfloat16 = torch.device(device).type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if bfloat16 else torch.float32


def load_config(
    *,
    path: str | None,
    weights: Weights = "pretrained",
    shape: Mapping[str, Any] | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    offline: bool = False,
) -> PretrainedConfig:
    """Reads or builds the Transformers config, which holds the model's shape.

    Args:
        path: A folder or a hub id; None = the embedded model.
        weights: `random` with a `shape` builds the config from it and reads nothing.
        shape: Keyword arguments of the config class, with `model_type`.
        trust_remote_code: Lets a hub model bring its own Python code.
        revision: Branch, tag or commit on the hub.
        offline: Never uses the network.

    Raises:
        OSError: The folder has no config, or the hub can't be reached (`check_model` says what to do).
        ValueError: The shape or its `model_type` is none that Transformers knows.
    """
    if weights == "random" and shape:
        arguments = dict(shape)
        return AutoConfig.for_model(arguments.pop("model_type"), **arguments)
    return AutoConfig.from_pretrained(
        path or embedded_path(),
        trust_remote_code=trust_remote_code,
        revision=revision,
        local_files_only=offline or path is None,
    )


def build_skeleton(config: PretrainedConfig, *, trust_remote_code: bool = False) -> PreTrainedModel:
    """Builds the model on the meta device: all modules and shapes, no memory.

    Args:
        config: From `load_config`.
        trust_remote_code: Lets a hub model bring its own Python code.
    """
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)


def load_model(
    *,
    path: str | None,
    device: torch.device | str,
    weights: Weights = "pretrained",
    shape: Mapping[str, Any] | None = None,
    dtype: DtypeName = "auto",
    quantization_config: QuantizationConfigMixin | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    offline: bool = False,
    seed: int = 1,
) -> PreTrainedModel:
    """Loads the base model, or builds it with random weights.

    Weights go straight to the device, layer by layer: a quantised model never holds all its weights in 16 bits.
    Nothing is upcast (embeddings, head and norms keep `dtype`) and recomputation stays off; PEFT's
    `prepare_model_for_kbit_training` would do both.

    Args:
        path: A folder or a hub id; None = the embedded model.
        device: Where the model goes.
        weights: `random` draws them from N(0, initializer_range) and needs no download where `shape` is given.
        shape: See `load_config`.
        dtype: Of all weights that are not quantised.
        quantization_config: From `ftlab.quantization.config.quantization_config`; None = no quantization.
        trust_remote_code: Lets a hub model bring its own Python code.
        revision: Branch, tag or commit on the hub.
        offline: Never uses the network.
        seed: Of random weights: the same for each device and quantization.

    Returns:
        The model in eval mode, with its generation config and with `use_cache` off for training.

    Raises:
        OSError: Config or weights can't be read (`check_model` finds this before).
        ValueError: The shape is none that Transformers knows.
    """
    config = load_config(
        path=path,
        weights=weights,
        shape=shape,
        trust_remote_code=trust_remote_code,
        revision=revision,
        offline=offline,
    )
    options: dict[str, Any] = {
        "config": config,
        "dtype": choose_dtype(device, dtype),
        "device_map": {"": torch.device(device)},
    }
    if quantization_config is not None:
        options["quantization_config"] = quantization_config
    if weights == "random":
        skeleton = build_skeleton(config, trust_remote_code=trust_remote_code)
        with _quiet(reports=True):
            state = _random_weights(skeleton, device, seed)
            model: PreTrainedModel = type(skeleton).from_pretrained(None, state_dict=state, **options)
    else:
        with _quiet(reports=False):
            model = AutoModelForCausalLM.from_pretrained(
                path or embedded_path(),
                trust_remote_code=trust_remote_code,
                revision=revision,
                local_files_only=offline or path is None,
                **options,
            )
    keep_quantised_weights(model)
    model.config.use_cache = False  # training keeps no keys and values; generation follows its own config
    return model.eval()


class RandomTensor:
    """A weight that is drawn when the loader reads it, as a safetensors slice is read from disk.

    So random weights take the same way through Transformers as real ones, and the way that quantises them.

    Args:
        shape: Its size.
        std: Standard deviation of the normal distribution it is drawn from.
        device: Where it is drawn.
        seed: Fixes the values, in whatever order or thread the loader reads.
    """

    def __init__(self, *, shape: torch.Size, std: float, device: torch.device | str, seed: int) -> None:
        self.shape = shape
        self.std = std
        self.device = torch.device(device)
        self.seed = seed

    def __getitem__(self, index: Any) -> Tensor:
        generator = torch.Generator(self.device).manual_seed(self.seed)
        values = torch.empty(self.shape, device=self.device)
        return values.normal_(0.0, self.std, generator=generator)[index]

    def get_shape(self) -> list[int]:
        """The size, under the name that safetensors uses."""
        return list(self.shape)

    def get_dtype(self) -> str:
        """The dtype, under the names that safetensors uses."""
        return "F32"


def _random_weights(skeleton: PreTrainedModel, device: torch.device | str, seed: int) -> dict[str, RandomTensor]:
    """One `RandomTensor` for each matrix; vectors (norms, biases) are left to Transformers' own initialisation."""
    std = getattr(skeleton.config.get_text_config(), "initializer_range", 0.02)
    return {
        name: RandomTensor(shape=weight.shape, std=std, device=device, seed=zlib.crc32(f"{seed}/{name}".encode()))
        for name, weight in skeleton.named_parameters()
        if weight.ndim > 1
    }


@contextmanager
def _quiet(reports: bool) -> Iterator[None]:
    """No loading bar in the log; and no report on missing weights where they are missing on purpose."""
    logger = transformers.utils.logging
    level, bar = logger.get_verbosity(), logger.is_progress_bar_enabled()
    logger.disable_progress_bar()
    if reports:
        logger.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logger.set_verbosity(level)
        if bar:
            logger.enable_progress_bar()
