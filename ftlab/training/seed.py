"""The random numbers of a step: a function of the run's seed, the step and the rank, and of nothing else.

Dropout then draws the same numbers in an unbroken run, a resumed one and a step that is run again after out of
memory, whatever drew random numbers in between (evaluation, sample answers, another callback). So a checkpoint needs
no generator's state: the seed and the step are all of it.
"""

import hashlib

import torch


def seed_step(seed: int, step: int, rank: int) -> None:
    """Sets PyTorch's generators, on the CPU and all GPUs in use, to the start of a step.

    Args:
        seed: The run's seed.
        step: Optimizer steps done before this one.
        rank: This process's number: each rank draws its own dropout.
    """
    value = step_seed(seed, step, rank)
    # `torch.manual_seed` also queues a seed, with a formatted stack trace, for every kind of device that isn't there:
    # milliseconds in which a GPU waits, and memory that grows with each step.
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)


def step_seed(seed: int, step: int, rank: int) -> int:
    """Returns 64 well-mixed bits: PyTorch's CPU generator reads the lower 32 of a seed only."""
    digest = hashlib.blake2b(f"{seed}/{step}/{rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
