"""The checks that a change must pass besides the tests: lint, format, types, and no index address in the tree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)])
def test_static_checks_pass(command: tuple[str, ...]) -> None:
    _run(*command)


def test_no_file_names_a_package_index() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in tracked.decode().split("\0") if name]
    assert len(files) > 50
    # Written in pieces, so that this file doesn't hold what it looks for.
    hosts = re.compile(
        "|".join((r"pypi\." + "org", r"python" + r"hosted\.", r"pytorch\.org" + "/whl", "registry" + r"\.npmjs"))
    )
    named = [str(file) for file in files if file.is_file() and hosts.search(file.read_text(errors="ignore"))]
    assert not named
