"""What is set before PyTorch is imported."""

import os

import pytest

from ftlab.stage.surroundings import settle

NAMES = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "HF_HUB_DISABLE_TELEMETRY", "TOKENIZERS_PARALLELISM", "TRANSFORMERS_VERBOSITY"):
        monkeypatch.setenv(name, "")  # so that what is set here is taken back
        monkeypatch.delenv(name)


def test_segments_of_the_allocator_can_grow() -> None:
    settle(offline=False)
    assert os.environ["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"


@pytest.mark.parametrize("name", NAMES)
def test_setting_of_the_user_wins(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "max_split_size_mb:128")
    settle(offline=False)
    assert {key: os.environ[key] for key in NAMES if key in os.environ} == {name: "max_split_size_mb:128"}
