"""The Triton kernels, compiled, against their PyTorch counterparts on the CPU."""

import pytest

pytest.importorskip("triton")
from tests.kernels.triton_cases import *  # noqa: F403

pytestmark = pytest.mark.gpu
