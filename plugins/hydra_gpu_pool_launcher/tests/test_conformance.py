"""Hydra's own test suites for launchers."""

from collections.abc import Iterator

import hydra
import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite
from hydra.version import _UNSPECIFIED_, VersionBase

from hydra_plugins.hydra_gpu_pool_launcher.gpu_pool_launcher import GpuPoolLauncher


@pytest.fixture(autouse=True)
def _unset_version_base() -> Iterator[None]:
    """Hydra 1.3's suites expect what it does unless told otherwise, whatever ran in this process before."""
    base = VersionBase.instance()
    before = base.version_base
    if hydra.__version__.startswith("1.3."):
        base.version_base = _UNSPECIFIED_
    yield
    base.version_base = before


def test_launcher_is_discovered() -> None:
    assert GpuPoolLauncher.__name__ in [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("gpu_pool", ["hydra.launcher.cpu_slots=2"])])
class TestLauncher(LauncherTestSuite):
    """As Hydra ships it."""


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("gpu_pool", ["hydra/sweeper=basic", "hydra.sweeper.max_batch_size=2"])]
)
class TestBatches(BatchedSweeperTestSuite):
    """As Hydra ships it, with the basic sweeper's batches."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [
        (
            {
                "defaults": [
                    {"override hydra/launcher": "gpu_pool"},
                    {"override hydra/hydra_logging": "hydra_debug"},
                    {"override hydra/job_logging": "disabled"},
                ]
            },
            ["-m"],
        )
    ],
)
class TestIntegration(IntegrationTestSuite):
    """As Hydra ships it."""
