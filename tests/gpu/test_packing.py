"""Rows of real templates, packed into one varlen pass on the GPU and padded: the same loss and gradients."""

from typing import Any

import pytest
import torch

from tests.training.packed_rows import FAMILIES, family_model, rows_of, step

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", FAMILIES)
def test_float32_packed_equals_padded(name: str) -> None:
    model, rows = family_model(name, torch.float32).cuda(), rows_of(name)
    loss, gradients = step(model, rows, 10_000, "packed")
    padded_loss, padded = step(model, rows, 10_000, "padded")
    assert float(loss) == pytest.approx(float(padded_loss), rel=1e-4)
    for weight, gradient in padded.items():
        assert float((gradients[weight] - gradient).norm() / gradient.norm().clamp_min(1e-9)) < 1e-2, weight


@pytest.mark.parametrize("name", FAMILIES)
def test_bfloat16_packed_is_as_near_to_the_exact_step_as_padded(name: str) -> None:
    rows = rows_of(name)
    model = family_model(name, torch.bfloat16)
    exact_model = family_model(name, torch.float64)
    exact_model.load_state_dict(model.state_dict())  # the rounded weights
    exact_loss, exact = step(exact_model, rows, 1, "padded")  # on the CPU
    model.cuda()
    results: dict[Any, tuple[float, float]] = {}
    for layout in ("packed", "padded"):
        loss, gradients = step(model, rows, 10_000, layout)  # type: ignore[arg-type]
        error = sum(float((gradients[weight].double().cpu() - exact[weight]).norm() ** 2) for weight in exact)
        size = sum(float(gradient.norm() ** 2) for gradient in exact.values())
        results[layout] = (abs(float(loss) / float(exact_loss) - 1), (error / size) ** 0.5)
    assert results["packed"][0] < 0.002
    assert results["packed"][1] < 2 * results["padded"][1]
