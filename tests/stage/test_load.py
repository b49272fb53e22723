"""Memory that ends while the base is loaded ends the run with what helps."""

import pytest
import torch

from ftlab.stage import load
from tests.config.composition import composed


@pytest.mark.parametrize("text", ["CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA error: out of memory"])
def test_memory_that_ends_while_loading_is_said_with_what_helps(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def full(**_: object) -> None:
        raise RuntimeError(text + "\nmore lines")

    monkeypatch.setattr(load, "load_model", full)
    with pytest.raises(load.ModelTooLargeError, match=rf"base was loaded: {text} Free the device .*quantization=nf4"):
        load.load_base(composed(), torch.device("cpu"))


def test_other_errors_of_loading_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("size mismatch for weight")

    monkeypatch.setattr(load, "load_model", broken)
    with pytest.raises(RuntimeError, match=r"^size mismatch") as caught:
        load.load_base(composed(), torch.device("cpu"))
    assert not isinstance(caught.value, load.ModelTooLargeError)
