"""Evaluation in smaller pieces where memory ends."""

import logging

import pytest
import torch

from ftlab.training.memory import EvaluationTooLargeError, halve_until_it_fits

CPU = torch.device("cpu")


def _run(fits: int, tried: list[int]) -> int:
    def run(size: int) -> int:
        tried.append(size)
        if size > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return size

    return halve_until_it_fits(run, 16, least=2, device=CPU, what="answers", fix="Set evaluation=none.")


def test_size_halves_until_it_fits_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[int] = []
    with caplog.at_level(logging.WARNING, logger="ftlab"):
        assert _run(5, tried) == 4
    assert tried == [16, 8, 4]
    assert "Out of memory with 16 answers at a time: run again with 8." in caplog.text


def test_least_size_is_tried_once_and_its_failure_is_told() -> None:
    tried: list[int] = []
    with pytest.raises(EvaluationTooLargeError, match=r"with 2 answers at a time\. Set evaluation=none"):
        _run(1, tried)
    assert tried == [16, 8, 4, 2]


def test_other_errors_pass_through_at_once() -> None:
    def broken(size: int) -> int:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        halve_until_it_fits(broken, 16, least=1, device=CPU, what="answers", fix="Set evaluation=none.")
