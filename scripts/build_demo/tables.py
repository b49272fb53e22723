"""The content: facts, messages, rules and wordings, read from the TOML files beside this module.

Nothing is made up here or in the other modules: whoever wants other rows edits a table and builds again.
"""

import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

FOLDER = Path(__file__).parent


def read_table(name: str) -> dict[str, Any]:
    """Returns the table `<name>.toml` as it stands."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


WORLD = read_table("world")
PROBLEMS: list[dict[str, Any]] = read_table("problem")["problem"]
POLICIES: list[dict[str, Any]] = read_table("policy")["policy"]
TASKS: dict[str, dict[str, Any]] = read_table("question")
