"""What must hold between keys."""

from pathlib import Path

import pytest

from ftlab.config import rule, validate
from ftlab.config.folder import CONF_DIR
from tests.config.composition import composed


def faults(*overrides: str) -> list[str]:
    return [str(problem) for problem in validate.check(composed(*overrides))]


@pytest.mark.parametrize("method", ["full", "freeze"])
@pytest.mark.parametrize("quantization", ["nf4", "fp4", "int8", "fp8"])
def test_quantized_weights_cannot_be_trained(method: str, quantization: str) -> None:
    (fault,) = faults(f"method={method}", f"quantization={quantization}")
    assert fault.startswith(f"quantization: must be none with method={method}, but is '{quantization}'")
    assert "method=qlora" in fault


@pytest.mark.parametrize("method", ["full", "freeze", "lora", "pissa"])
def test_exact_weights_suit_every_method(method: str) -> None:
    assert faults(f"method={method}") == []


def test_pissa_needs_exact_weights() -> None:
    (fault,) = faults("method=pissa", "quantization=nf4")
    assert fault.startswith("quantization: must be none with method.init_lora_weights=pissa_niter_4, but is 'nf4'")


def test_loftq_needs_four_bits() -> None:
    (fault,) = faults("method=loftq", "quantization=none")
    assert fault.startswith("quantization: must be nf4 or fp4 with method=loftq, but is 'none'")


@pytest.mark.parametrize("method", ["lora", "qlora", "rslora", "lora-plus"])
def test_fp8_base_takes_plain_lora(method: str) -> None:
    assert faults(f"method={method}", "quantization=fp8") == []


@pytest.mark.parametrize("method", ["dora", "ia3", "adalora"])
def test_fp8_base_refuses_methods_that_may_read_its_weights(method: str) -> None:
    (fault,) = faults(f"method={method}", "quantization=fp8")
    assert fault.startswith(f"quantization: must not be fp8 with method={method}")


def test_what_a_base_in_fp8_does_not_bring_is_told() -> None:
    assert rule.fp8_notes("nf4", "model") == rule.fp8_notes("nf4", "fp8") == rule.fp8_notes("none", "model") == []
    assert rule.fp8_notes("fp8", "model")[0].startswith("quantization=fp8 unpacks its weights for each product")
    assert rule.fp8_notes("fp8", "fp8")[0].startswith("kernels=fp8 with quantization=fp8 is not shown to learn")


def test_bits_that_contradict_the_kind_are_refused() -> None:
    (fault,) = faults("quantization=nf4", "quantization.bits=8")
    assert fault.startswith("quantization.bits: must be 4 with quantization.kind=nf4, but is 8.")


def test_rows_longer_than_the_context_are_refused() -> None:
    context = composed().model.context_tokens
    assert faults(f"training.max_row_tokens={context}") == []
    (fault,) = faults(f"training.max_row_tokens={context + 1}")
    assert f"must be at most model.context_tokens, which is {context}" in fault


def test_rows_from_two_places_are_refused() -> None:
    (fault,) = faults("data.path=a.jsonl", "data.hub_id=org/name")
    assert fault.startswith("data.hub_id: must be null where data.path is given")


def test_hub_needs_the_network() -> None:
    (fault,) = faults("data=hub", "data.hub_id=org/name", "offline=true")
    assert fault.startswith("data: must be a file with offline=true")


def test_warm_up_and_decay_must_fit_the_run() -> None:
    (fault,) = faults("scheduler=wsd", "scheduler.warmup=0.5", "scheduler.decay=0.6")
    assert fault.startswith("scheduler.decay: must leave room for scheduler.warmup")


def test_resume_wants_a_folder_that_is_there(tmp_path: Path) -> None:
    assert faults(f"resume={tmp_path}") == []
    (fault,) = faults(f"resume={tmp_path}/gone")
    assert fault.startswith("resume: must be never, auto or a checkpoint folder")


@pytest.mark.parametrize("name", ["tarin", "os.path", "../x", ""])
def test_task_must_be_a_module_of_ours(name: str) -> None:
    assert faults(f"task.name='{name}'")[0].startswith(f"task.name: must be a module of ftlab.task, but is '{name}'.")


@pytest.mark.parametrize(
    ("accelerator", "devices", "gpus", "where"),
    [
        ("gpu", 1, 0, "trainer.accelerator"),
        ("gpu", 2, 1, "trainer.devices"),
        ("auto", 2, 0, "trainer.devices"),
        ("auto", 1, 0, None),
        ("cpu", 4, 0, None),
        ("gpu", 2, 2, None),
    ],
)
def test_hardware_that_is_not_there_is_refused(accelerator: str, devices: int, gpus: int, where: str | None) -> None:
    found = [problem.where for problem in rule.check_devices(accelerator, devices, gpus)]
    assert found == ([] if where is None else [where])


@pytest.mark.parametrize(
    ("arithmetic", "capability", "device"),
    [
        ("fp8", None, "the CPU"),
        ("fp8", (8, 6), "a GPU of CUDA capability 8.6"),
        ("fp8", (8, 9), None),
        ("fp8", (10, 0), None),
        ("model", None, None),
    ],
)
def test_fp8_needs_its_tensor_cores(arithmetic: str, capability: tuple[int, int] | None, device: str | None) -> None:
    found = [str(problem) for problem in rule.check_arithmetic(arithmetic, capability)]
    if device is None:
        assert found == []
        return
    (fault,) = found
    assert fault.startswith(f"kernels.arithmetic: must be model on {device}, but is 'fp8'")
    assert "kernels=auto" in fault


def test_fp8_without_fused_parts_is_refused() -> None:
    (fault,) = faults("kernels=none", "kernels.arithmetic=fp8")
    assert fault.startswith("kernels.arithmetic: must be model where neither")
    assert faults("kernels=fp8") == []


def test_a_blind_test_is_served_or_scored_and_asked_one_set_of_questions() -> None:
    assert faults("task=compare") == faults("task=compare", "questions=expert.jsonl", "compare.serve=true") == []
    (fault,) = faults("task=compare", "compare.action=score", "compare.serve=true")
    assert fault.startswith("compare.serve: must be false with compare.action=score")
    (fault,) = faults("task=compare", "compare.ratings=[anna.json]")
    assert fault.startswith("compare.ratings: are read with compare.action=score only")
    (fault,) = faults("task=compare", "questions=expert.jsonl", "compare.rows=9")
    assert fault.startswith("compare.rows: must be left out where `questions` is given")


def test_factor_on_the_rate_goes_with_no_rate_of_ones_own() -> None:
    (fault,) = faults("training.lr_factor=3", "optimizer.lr=1e-3")
    assert fault.startswith("training.lr_factor: must be 1 where optimizer.lr is given, but is 3")
    assert faults("optimizer.lr=1e-3") == []


def test_factor_reaches_every_optimizer() -> None:
    for file in (CONF_DIR / "optimizer").glob("*.yaml"):
        assert "${training.lr_factor}" in file.read_text(), file
    lion = composed("optimizer=lion-8bit", "training.lr_factor=3")
    assert validate.check(lion) == []
    assert lion.optimizer.lr == pytest.approx(3 * 0.2 * 2e-4 * 10)
