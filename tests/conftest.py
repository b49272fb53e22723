"""What every test runs under: no network, no W&B account, few threads, fixed seeds."""

import atexit
import os
import random
import shutil
import tempfile

import pytest
from hypothesis import settings

# The same examples in every run, so that a red gate means a change; `--hypothesis-profile=default` looks for new ones.
settings.register_profile("gate", derandomize=True)
settings.load_profile("gate")

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # one core each: threads that wait for one another take tenfold time

# Before anything imports torch, Transformers or W&B: they read these once.
os.environ.update(
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    WANDB_MODE="offline",
    WANDB_SILENT="true",
    TOKENIZERS_PARALLELISM="false",
)
if "FTLAB_CACHE" not in os.environ:
    os.environ["FTLAB_CACHE"] = tempfile.mkdtemp(prefix="ftlab-tests-")
    atexit.register(shutil.rmtree, os.environ["FTLAB_CACHE"], ignore_errors=True)
for name in ("WANDB_API_KEY", "HF_TOKEN", "HYDRA_FULL_ERROR", "WANDB_RUN_ID", "WANDB_PROJECT"):
    os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same random numbers for a test whatever ran before it."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_full_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ftlab.app.main` sets the variable for its process, and for the jobs that it starts: not for the next test."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.delenv("HYDRA_FULL_ERROR")
