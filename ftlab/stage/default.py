"""Which settings of a run differ from the shipped ones. In: a configuration as plain data. Out: the shipped values."""

from collections.abc import Mapping
from typing import Any

from ftlab.config.compose import recompose
from ftlab.logger.secret import redact
from ftlab.stage.place import flat
from ftlab.stage.source import plain

ITS_OWN = ("output_dir", "run", "questions")
"""Keys that each run has a value of its own for."""

NOT_THERE = "not there"


def differences(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the shipped value of every key in which a configuration differs from `python -m ftlab` as it is.

    Args:
        config: Resolved plain data.

    Returns:
        Shipped values by full key, in the order of the keys; `not there` where the shipped configuration has none.
    """
    shipped = recompose([])
    shipped.output_dir = config["output_dir"]  # what lies in the run's folder is as shipped
    before, now = flat(redact(plain(shipped))), flat(config)
    own = {key for key in before.keys() | now.keys() if key.partition(".")[0] in ITS_OWN}
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return {key: before.get(key, NOT_THERE) for key in changed if key not in own}
