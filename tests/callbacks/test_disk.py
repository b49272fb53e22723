"""Whether the disk can hold the checkpoints."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from ftlab.callbacks.disk import checkpoint_bytes, disk_problem


def test_enough_room_is_no_problem(tmp_path: Path) -> None:
    assert disk_problem(tmp_path / "not" / "there", one_checkpoint_bytes=1000, keep=2) is None


def test_too_little_room_says_how_much_is_needed(tmp_path: Path) -> None:
    problem = disk_problem(tmp_path / "not" / "there", one_checkpoint_bytes=10**15, keep=2)
    assert problem is not None
    assert f"must have 4000000.0 GB free for 4 checkpoints, but '{tmp_path}' has" in str(problem)
    assert "Lower training.keep_checkpoints, or choose another output_dir." in str(problem)


def test_checkpoint_bytes_count_what_is_trained() -> None:
    frozen = nn.Parameter(torch.zeros(1000), requires_grad=False)
    trained = nn.Parameter(torch.zeros(100, dtype=torch.bfloat16))
    assert checkpoint_bytes([frozen, trained], state_bytes_per_parameter=8) == 100 * (2 + 8)


def test_checkpoint_bytes_are_near_the_real_size(tmp_path: Path) -> None:
    from ftlab.callbacks.checkpoint_folder import write
    from ftlab.optimizer.build import build_optimizer, state_bytes_per_parameter

    parameter = nn.Parameter(torch.zeros(1000, 100))
    factory = partial(torch.optim.AdamW, lr=0.1)
    optimizer = build_optimizer(factory, [("w", parameter)])
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    folder = tmp_path / "step-000001"
    training = {"optimizer_states": [optimizer.state_dict()]}
    write(folder, weights={"w": parameter.detach()}, training=training, step=1, facts={})
    real = sum(path.stat().st_size for path in folder.iterdir())
    estimate = checkpoint_bytes([parameter], state_bytes_per_parameter(factory))
    assert abs(real - estimate) < 0.02 * estimate
