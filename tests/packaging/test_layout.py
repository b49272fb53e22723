"""The tree is what the README says, and its rooms import downwards only."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ftlab"

ROOMS = (
    "task", "stage", "config", "check", "memory", "model", "quantization", "method", "training", "optimizer",
    "callbacks", "logger", "evaluation", "kernels", "data", "export", "report",
)  # fmt: skip
"""The rooms from the caller to the called: each may import those after it, never those before."""

LEAVES = {"problem", "metric"}
LIGHT = ("__init__.py", "__main__.py", "app.py", "problem.py", "metric.py", "config/schema.py")
"""Modules that `--help` and `--cfg job` import, and that therefore import nothing heavy."""
HEAVY = {"torch", "transformers", "lightning", "peft", "bitsandbytes", "wandb", "datasets", "torchmetrics"}


def _imports(file: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(file.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_rooms_import_downwards_only() -> None:
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0]
        if room not in ROOMS:
            continue
        for name in _imports(file):
            parts = name.split(".")
            if parts[0] != "ftlab" or len(parts) < 2 or parts[1] in LEAVES | {"__version__"}:
                continue
            if parts[1] not in ROOMS or ROOMS.index(parts[1]) < ROOMS.index(room):
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_every_folder_is_a_known_room() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= set(ROOMS) | {"conf"}


def test_light_modules_import_nothing_heavy() -> None:
    files = [PACKAGE / name for name in LIGHT]
    files += list((ROOT / "plugins").glob("*/hydra_plugins/**/*.py"))
    assert len(files) >= len(LIGHT) + 1
    for file in files:
        heavy = {name.split(".")[0] for name in _imports(file, top_level_only=True)} & HEAVY
        assert not heavy, f"{file} imports {heavy} when it is imported"


def test_no_room_without_a_purpose() -> None:
    names = {path.stem for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts}
    assert not names & {"utils", "util", "helpers", "helper", "common", "core", "misc"}


def test_readme_tree_names_what_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    tree = re.search(r"<!-- tree -->\n```\n(.*?)```", readme, re.S)
    assert tree, "README.md has a tree between <!-- tree --> and the end of its code block"
    stack: list[str] = []
    seen = 0
    for line in tree.group(1).splitlines():
        entry = re.match(r"^( *)([\w.\-]+/?)", line)
        if not entry:
            continue
        depth = len(entry.group(1)) // 2
        stack[depth:] = [entry.group(2)]
        assert ROOT.joinpath(*stack).exists(), f"README names {'/'.join(stack)}"
        seen += 1
    assert seen >= 25
