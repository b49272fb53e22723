"""What is searched: Hydra's words for it, Optuna's, and back to a job's overrides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Transformer
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hydra_plugins.hydra_ftlab_optuna._failure import OptionError

_DIGITS = 4
"""Significant digits of a number that a job gets: more make names that nobody can read, and no better search."""


@dataclass(frozen=True, slots=True)
class Space:
    """What a search tries.

    Attributes:
        searched: Key, perhaps with `+`, and what it may be.
        fixed: Overrides that all jobs get, as typed.
    """

    searched: dict[str, BaseDistribution]
    fixed: list[str]

    def ends(self) -> list[list[str]]:
        """Returns overrides that together hold each key's first and last value: two jobs."""
        pairs = {key: _ends(distribution) for key, distribution in self.searched.items()}
        return [self.overrides({key: pair[place] for key, pair in pairs.items()}) for place in (0, 1)]

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """Returns a job's overrides.

        Args:
            values: What Optuna chose, by key.
        """
        return [*(f"{key}={_word(value)}" for key, value in values.items()), *self.fixed]


def read_space(params: Mapping[str, Any], typed: Sequence[str]) -> Space:
    """Reads the space.

    Args:
        params: Key → what it may be, as in `hydra.sweeper.params`.
        typed: Overrides; they win over `params`.

    Returns:
        The space.

    Raises:
        OptionError: A text can't be read; a key is given in a way that can't be searched; nothing is left to search.
    """
    searched: dict[str, BaseDistribution] = {}
    fixed: dict[str, str] = {}
    wrong = []
    for text in [*(f"{key}={_word(value)}" for key, value in params.items()), *typed]:
        try:
            override = OverridesParser.create().parse_override(text)
            key = override.get_key_element()
            searched.pop(key, None)
            fixed.pop(key, None)
            if override.is_sweep_override():
                searched[key] = _distribution(override)
            else:
                fixed[key] = text
        except (HydraException, ValueError) as error:
            wrong.append(f"`{text}` can't be searched: {str(error).splitlines()[0]}")
    if not wrong and not searched:
        wrong = ["There is nothing to search: give keys in `hydra.sweeper.params`, or lr=interval(0.1,1), or lr=1,2,3."]
    if wrong:
        raise OptionError("\n".join(wrong))
    return Space(searched, [*fixed.values()])


def _distribution(override: Override) -> BaseDistribution:
    if override.is_interval_sweep():
        value = override.value()
        assert isinstance(value, IntervalSweep)
        assert value.start is not None
        assert value.end is not None
        log = "log" in value.tags
        if isinstance(value.start, int) and isinstance(value.end, int):
            return IntDistribution(value.start, value.end, log=log)
        return FloatDistribution(float(value.start), float(value.end), log=log)
    if not override.is_discrete_sweep():
        raise ValueError("use interval, choice or range.")
    values: list[Any] = list(override.sweep_iterator(transformer=Transformer.encode))
    if not values:
        raise ValueError("it has no value.")
    if override.is_range_sweep() and all(isinstance(value, int) for value in values):
        step = values[1] - values[0] if len(values) > 1 else 1
        if [*range(values[0], values[-1] + (1 if step > 0 else -1), step)] == values:  # not shuffled
            return IntDistribution(min(values), max(values), step=abs(step))
    return CategoricalDistribution(values)


def _ends(distribution: BaseDistribution) -> tuple[Any, Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0], distribution.choices[-1]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return distribution.low, distribution.high


def _word(value: Any) -> str:
    """Returns a value as it is typed."""
    if isinstance(value, float):
        return repr(float(f"{value:.{_DIGITS}g}"))
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)
