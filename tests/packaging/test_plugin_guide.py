"""The plugins that plugins/README.md shows, as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "plugins" / "README.md"
APP = """
import hydra
@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    job = hydra.core.hydra_config.HydraConfig.get().job
    print(job.num if "num" in job else "-", dict(cfg))
    return (cfg.x - 0.25) ** 2 if "x" in cfg else 0.0
main()
"""


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("Backwards", "-m hydra/launcher=backwards +a=1,2", ["1 {'a': 2}", "0 {'a': 1}"]),
        (
            "Halve",
            "-m hydra/sweeper=halve hydra.sweeper.key=+x +y=1",
            [f"{number} {{'y': 1, 'x': {value}}}" for number, value in enumerate((1.0, 0.5, 0.25, 0.125))],
        ),
        ("Three", "hydra.searchpath=[three://] +number=three hydra.run.dir=.", ["{'value': 3, 'square': 9}"]),
    ],
)
def test_plugin_of_the_guide_works(name: str, words: str, expected: list[str], tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    (code,) = [block for block in blocks if f"class {name}(" in block]
    plugin = tmp_path / "hydra_plugins" / "mine" / "plugin.py"
    plugin.parent.mkdir(parents=True)
    (plugin.parent / "__init__.py").touch()
    plugin.write_text(code)
    (tmp_path / "app.py").write_text(APP)
    command = [sys.executable, "app.py", *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "{" in line]
    assert len(lines) == len(expected)
    assert all(part in line for part, line in zip(expected, lines, strict=True)), lines
