"""What a device has."""

import pytest

from ftlab.memory.budget import card_bytes, host_bytes, stated_bytes
from ftlab.problem import InputError


@pytest.mark.parametrize(
    ("stated", "gib"),
    [("24GB", 23.64), (24, 23.64), ("24", 23.64), ("22.5GiB", 22.5), ("23034MiB", 22.494), ("80 gb", 78.8)],
)
def test_sizes_are_read_as_people_write_them(stated: str | int, gib: float) -> None:
    size = stated_bytes(stated)
    assert size is not None
    assert size / 2**30 == pytest.approx(gib, rel=1e-3)


def test_auto_is_left_to_the_machine() -> None:
    assert stated_bytes("auto") is None


@pytest.mark.parametrize("stated", ["much", "24 apples", "-3GB", "0GB", ""])
def test_what_is_no_size_is_refused_with_an_example(stated: str) -> None:
    with pytest.raises(InputError, match=r"trainer\.memory: must be auto or a size.*24GB"):
        stated_bytes(stated)


def test_host_has_memory_and_a_machine_without_gpu_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2**28 < host_bytes() < 2**50
    monkeypatch.setenv("PATH", "/nowhere")
    assert card_bytes() is None


def test_container_limit_is_respected(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    from pathlib import Path

    from ftlab.memory import budget

    limit, used = Path(str(tmp_path), "max"), Path(str(tmp_path), "current")
    limit.write_text("3000000\n")
    used.write_text("1000000\n")
    monkeypatch.setattr(budget, "_CGROUP", ((str(limit), str(used)),))
    import psutil

    assert host_bytes() == pytest.approx(2_000_000 + psutil.Process().memory_info().rss, rel=0.05)
