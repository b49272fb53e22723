"""Composition is tested without the task that would run afterwards."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def stand_in_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task module that is there and does nothing."""
    module = ModuleType("ftlab.task.train")
    module.__spec__ = ModuleSpec("ftlab.task.train", loader=None)
    monkeypatch.setitem(sys.modules, "ftlab.task.train", module)
