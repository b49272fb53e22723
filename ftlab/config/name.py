"""What the jobs of a multirun are called: by their method and by what the sweep varies, as `qlora-lr2e-4-s1`.

Hydra tells a job its overrides, but not which of them the sweep varies: so those that all jobs have are put into
`hydra.job.config.override_dirname.exclude_keys`, Hydra's own list of what isn't part of a job's name, when the multirun
starts. Every launcher hands that on.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

LONGEST_BYTES = 100
"""File systems allow 255 bytes a name, W&B 128 characters; a digest takes the place of what is more than this."""

_RATES = ("optimizer.lr", "method.learning_rate", "training.lr_factor")
_SHORT = {"seed": "s", "method.r": "r"} | dict.fromkeys(_RATES, "lr")
_FIRST, _LAST = ("model", "method", "quantization"), (*_RATES, "seed")


class SweptKeys(Callback):
    """Leaves what all jobs of a multirun have in common out of their names."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Looks at what was typed, and at the sweeper's own parameters.

        Args:
            config: The multirun's configuration; the overrides that all its jobs get are extended.
            kwargs: What else Hydra tells.
        """
        params = config.hydra.sweeper.get("params") or {}
        typed = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
        left_out = [*config.hydra.job.config.override_dirname.exclude_keys, *fixed_keys(typed)]
        listed = ",".join(f"'{key}'" for key in left_out)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.overrides.hydra.append(f"hydra.job.config.override_dirname.exclude_keys=[{listed}]")


def fixed_keys(overrides: Sequence[str]) -> list[str]:
    """Returns the keys that have one value in all jobs, each once.

    Args:
        overrides: As typed, those of the sweeper's parameters first; the last one of a key counts.

    >>> fixed_keys(["method=full,lora", "seed=1,2", "training.epochs=1", "seed=3"])
    ['seed', 'training.epochs']
    """
    last = {override.key_or_group: override for override in _parsed(overrides)}
    return [key for key, override in last.items() if not override.is_sweep_override()]


def job_name(method: str, lr: int | float, overrides: Sequence[str], left_out: Sequence[str]) -> str:
    """Names a job by its method and by what the sweep varies; fit for a folder's name on every system.

    Args:
        method: The method's name, which stands first unless models are compared.
        lr: The learning rate that the job runs with, which says more than a factor on it.
        overrides: The job's.
        left_out: Keys that all jobs have in common.

    Returns:
        At most `LONGEST_BYTES` bytes; jobs whose names would be longer are told apart by a digest.

    >>> job_name("qlora", 2e-4, ["method=qlora", "optimizer.lr=2e-4", "seed=1", "data.path=a.jsonl"], ["data.path"])
    'qlora-lr2e-4-s1'
    >>> job_name("qlora", 2e-3, ["method.target_modules=[q_proj,v_proj]", "training.epochs=2"], [])
    'qlora-target_modules-q_proj+v_proj-epochs2'
    """
    swept = {
        override.key_or_group: override.get_value_element_as_str()
        for override in _parsed(overrides)
        if override.key_or_group not in left_out and override.key_or_group != "resume"
    }
    swept.setdefault("method", method)
    ends = Counter(key.rpartition(".")[2] for key in swept)
    parts = []
    for key in sorted(swept, key=_place):
        end = key.rpartition(".")[2]
        short = _SHORT.get(key) or (end if ends[end] == 1 else key)
        parts.append(_rate(lr) if key in _RATES else _part(key, short, swept[key]))
    return _short_enough("-".join(dict.fromkeys(parts)))


def _parsed(overrides: Sequence[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(overrides))


def _place(key: str) -> int:
    """Models and methods first, learning rate and seed last, the others as they were typed."""
    if key in _FIRST:
        return _FIRST.index(key) - len(_FIRST)
    return 1 + _LAST.index(key) if key in _LAST else 0


def _rate(lr: float) -> str:
    digits, _, exponent = f"{lr:.2e}".partition("e")
    return f"lr{float(digits):g}e{int(exponent)}"


def _part(key: str, short: str, value: str) -> str:
    """Such as `r16` and `epochs2`; `packed-true`; the choice alone of a group, whose key has no dot: `nf4`."""
    if re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", value, re.IGNORECASE):
        is_whole = re.fullmatch(r"[+-]?[0-9]+", value)
        return f"{short}{value if is_whole else f'{float(value):.3g}'}"
    plain = re.sub(r"[^\w.+=-]+", "-", value.replace(",", "+")).strip("-.")
    return plain if "." not in key else f"{short}-{plain}"


def _short_enough(name: str) -> str:
    if len(name.encode()) <= LONGEST_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    kept = name.encode()[: LONGEST_BYTES - len(digest) - 1].decode(errors="ignore")
    return f"{kept}-{digest}"
