"""What must hold between the keys of a configuration: one function for each rule."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ftlab.problem import Problem

_OWN_WEIGHTS = ("ftlab.method.full.FullMethod", "ftlab.method.freeze.FreezeMethod")
_FP8_CAPABILITY = (8, 9)
"""The CUDA capability from which devices have FP8 tensor cores (NVIDIA's programming guide, compute capabilities)."""
_HELD_OUT_QUESTIONS = 50
"""What `compare.rows` is as shipped."""
_BITS = {"none": 16, "nf4": 4, "fp4": 4, "int8": 8, "fp8": 8}


def check(cfg: DictConfig) -> Iterator[Problem]:
    """Tries every rule on a configuration whose keys are sound one by one.

    Args:
        cfg: The whole configuration.

    Yields:
        Problems, in the order of the pipeline.
    """
    for holds in _RULES:
        yield from holds(cfg)


def check_devices(accelerator: str, devices: int, gpus: int) -> Iterator[Problem]:
    """Compares the hardware that is asked for with what is there; the run calls this once torch is imported.

    Args:
        accelerator: `auto`, `cpu` or `gpu`.
        devices: How many.
        gpus: How many GPUs this machine has.

    Yields:
        At most one problem.
    """
    if accelerator == "gpu" and gpus == 0:
        yield Problem(
            "trainer.accelerator",
            "must be cpu or auto here, but is 'gpu': torch sees no GPU on this machine.",
            "Use trainer=cpu; if there is a GPU, check its driver and that torch is built for it.",
        )
    elif accelerator != "cpu" and devices > max(gpus, 1):
        yield Problem("trainer.devices", f"must be at most {max(gpus, 1)} here, but is {devices}.")


def check_arithmetic(arithmetic: str, capability: tuple[int, int] | None) -> Iterator[Problem]:
    """Compares the arithmetic that is asked for with what the device can; the run calls this once torch is imported.

    Args:
        arithmetic: `kernels.arithmetic`.
        capability: The GPU's CUDA capability; None = the run takes the CPU.

    Yields:
        At most one problem.
    """
    if arithmetic == "fp8" and (capability is None or capability < _FP8_CAPABILITY):
        device = "the CPU" if capability is None else "a GPU of CUDA capability {}.{}".format(*capability)
        yield Problem(
            "kernels.arithmetic",
            f"must be model on {device}, but is 'fp8': FP8 tensor cores begin at CUDA capability 8.9 (Ada, Hopper).",
            "Use kernels=auto, which is exact.",
        )


def fp8_notes(kind: str, arithmetic: str) -> list[str]:
    """Says what a base in FP8 doesn't bring.

    Args:
        kind: `quantization.kind`.
        arithmetic: `kernels.arithmetic`.

    Returns:
        At most one note.
    """
    if kind != "fp8":
        return []
    if arithmetic == "fp8":
        return [
            "kernels=fp8 with quantization=fp8 is not shown to learn in a real run on a GPU. Watch train/grad_norm, or "
            "use kernels=auto, which is exact."
        ]
    return [
        "quantization=fp8 unpacks its weights for each product, which saves memory and costs time; quantization=nf4 is "
        "half as large."
    ]


def _task_exists(cfg: DictConfig) -> Iterator[Problem]:
    name = cfg.task.name
    if not name.isidentifier() or find_spec(f"ftlab.task.{name}") is None:
        yield Problem("task.name", f"must be a module of ftlab.task, but is {name!r}.", "Choose by name: task=train.")


def _trained_weights_are_not_quantized(cfg: DictConfig) -> Iterator[Problem]:
    if cfg.quantization.kind != "none" and cfg.method._target_ in _OWN_WEIGHTS:
        yield Problem(
            "quantization",
            f"must be none with method={cfg.method.name}, but is {cfg.quantization.name!r}: "
            "quantized weights have no gradient and can't be trained.",
            "Use quantization=none, or method=qlora, which trains an adapter on a quantized base.",
        )


def _pissa_reads_exact_weights(cfg: DictConfig) -> Iterator[Problem]:
    start = str(cfg.method.get("init_lora_weights", ""))
    if cfg.quantization.kind != "none" and start.startswith("pissa"):
        yield Problem(
            "quantization",
            f"must be none with method.init_lora_weights={start}, but is {cfg.quantization.name!r}: "
            "the adapter starts from the exact weights and changes them.",
            "Use quantization=none, or method=qlora.",
        )


def _loftq_mends_rounding(cfg: DictConfig) -> Iterator[Problem]:
    if cfg.method._target_.endswith(".LoftqConfig") and cfg.quantization.bits != 4:
        yield Problem(
            "quantization",
            f"must be nf4 or fp4 with method={cfg.method.name}, but is {cfg.quantization.name!r}: "
            "there is no 4-bit rounding to mend.",
            "Use quantization=nf4, or method=lora.",
        )


def _fp8_takes_plain_lora(cfg: DictConfig) -> Iterator[Problem]:
    method = cfg.method
    if cfg.quantization.kind != "fp8" or method._target_ in _OWN_WEIGHTS or method._target_.endswith(".LoftqConfig"):
        return
    start = str(method.get("init_lora_weights", ""))
    plain = method._target_ == "peft.LoraConfig" and not method.get("use_dora")
    if not plain or start not in ("True", "False", "gaussian"):
        yield Problem(
            "quantization",
            f"must not be fp8 with method={method.name}: that method may read the base's weights, which PEFT can't "
            "unpack from FP8; only plain LoRA adds to what they give.",
            "Use method=lora, or quantization=nf4.",
        )


def _bits_agree(cfg: DictConfig) -> Iterator[Problem]:
    kind, bits = cfg.quantization.kind, cfg.quantization.bits
    if bits != _BITS[kind]:
        yield Problem(
            "quantization.bits",
            f"must be {_BITS[kind]} with quantization.kind={kind}, but is {bits}.",
            "Choose by name: quantization=none, nf4, fp4, int8 or fp8.",
        )


def _fp8_has_a_kernel(cfg: DictConfig) -> Iterator[Problem]:
    if cfg.kernels.arithmetic == "fp8" and not (cfg.kernels.attention or cfg.kernels.mlp):
        yield Problem(
            "kernels.arithmetic",
            "must be model where neither kernels.attention nor kernels.mlp is true, but is 'fp8': "
            "only fused parts multiply in FP8.",
            "Use kernels=fp8 for FP8, or kernels=none without it.",
        )


def _rows_fit_the_context(cfg: DictConfig) -> Iterator[Problem]:
    longest, context = cfg.training.max_row_tokens, cfg.model.context_tokens
    if longest is not None and context is not None and longest > context:
        yield Problem(
            "training.max_row_tokens",
            f"must be at most model.context_tokens, which is {context}, but is {longest}.",
            "Shorten the rows, or choose a model with a longer context.",
        )


def _rows_come_from_one_place(cfg: DictConfig) -> Iterator[Problem]:
    if cfg.data.path is not None and cfg.data.hub_id is not None:
        yield Problem(
            "data.hub_id",
            f"must be null where data.path is given, but is {cfg.data.hub_id!r} beside {cfg.data.path!r}.",
            "Keep one of them.",
        )
    hub_id = cfg.data.hub_id
    if hub_id is not None and cfg.offline and not Path(hub_id).is_dir():
        what = f"must be a file with offline=true, but is {hub_id!r} of the hub."
        yield Problem("data", what, "Use data=rows.jsonl, or offline=false.")


def _factor_reaches_the_rate(cfg: DictConfig) -> Iterator[Problem]:
    rate = OmegaConf.to_container(cfg.optimizer, resolve=False)["lr"]  # type: ignore[index, call-overload]
    if cfg.training.lr_factor != 1 and "training.lr_factor" not in str(rate):
        yield Problem(
            "training.lr_factor",
            f"must be 1 where optimizer.lr is given, but is {cfg.training.lr_factor}: "
            "it is a factor on the rate that follows from method and model.",
            "Leave out one of the two.",
        )


def _schedule_fits_the_run(cfg: DictConfig) -> Iterator[Problem]:
    warmup, decay = cfg.scheduler.warmup, cfg.scheduler.get("decay", 0)
    if warmup < 1 and decay < 1 and warmup + decay > 1:
        yield Problem(
            "scheduler.decay", f"must leave room for scheduler.warmup, but {warmup} + {decay} is more than the run."
        )


def _resume_names_a_checkpoint(cfg: DictConfig) -> Iterator[Problem]:
    if cfg.resume not in ("never", "auto") and not Path(cfg.resume).is_dir():
        yield Problem(
            "resume",
            f"must be never, auto or a checkpoint folder, but is {cfg.resume!r}, and there is no such folder.",
            "With hydra.run.dir=<the run's folder> resume=auto finds the newest checkpoint.",
        )


def _a_test_is_served_or_scored(cfg: DictConfig) -> Iterator[Problem]:
    if "compare" not in cfg:
        return
    if cfg.compare.action == "score" and cfg.compare.serve:
        yield Problem("compare.serve", "must be false with compare.action=score.", "Score in a command of its own.")
    if cfg.compare.action != "score" and cfg.compare.ratings:
        what = "are read with compare.action=score only, but it is 'answer'."
        yield Problem("compare.ratings", what, "Add compare.action=score.")
    if cfg.questions is not None and cfg.compare.rows != _HELD_OUT_QUESTIONS:
        what = "must be left out where `questions` is given: it counts held-out rows, and the file is asked whole."
        yield Problem("compare.rows", what)


_RULES: tuple[Callable[[DictConfig], Iterator[Problem]], ...] = (
    _task_exists,
    _trained_weights_are_not_quantized,
    _pissa_reads_exact_weights,
    _loftq_mends_rounding,
    _fp8_takes_plain_lora,
    _bits_agree,
    _fp8_has_a_kernel,
    _rows_fit_the_context,
    _rows_come_from_one_place,
    _factor_reaches_the_rate,
    _schedule_fits_the_run,
    _resume_names_a_checkpoint,
    _a_test_is_served_or_scored,
)
