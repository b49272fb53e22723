"""Reads a data set of the Hugging Face hub into records, through `datasets` and its cache.

In: a data set's id. Out: the same `Record`s as files give. Needs the network the first time; afterwards the cache
serves, with `HF_HUB_OFFLINE=1` too.
"""

from collections.abc import Iterator

from ftlab.data.faults import Faults
from ftlab.data.records import Record
from ftlab.problem import Problem


def read_hub(hub_id: str, config: str | None, split: str | None, faults: Faults) -> Iterator[Record]:
    """Reads one split of a hub data set.

    Args:
        hub_id: Its id, such as `org/name`.
        config: Its configuration, where it has several.
        split: Its split; None is `train`.
        faults: Takes what is wrong.

    Yields:
        The split's records, in order.
    """
    import datasets  # here, since it takes two seconds that files needn't pay

    split = split or "train"
    try:
        rows = datasets.load_dataset(hub_id, config, split=split)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        what = f"must be a data set that can be reached, but '{hub_id}' can't be loaded: {_first_line(error)}"
        faults.add(Problem("data.hub_id", what, "Check the id, data.hub_config, data.hub_split and your access to it."))
        return
    for number, row in enumerate(rows, 1):
        yield Record(f"{hub_id}/{split}:{number}", dict(row))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
