"""Draws a few of many rows by chance, each source by its share; the same rows give the same ones.

The first rows of a file are often of one kind: what is measured on them says little of the others.
"""

from collections.abc import Sequence

import numpy as np


def draw(sources: Sequence[int], most: int, seed: int) -> list[int]:
    """Draws places, stratified by source: each source gives its share of the places, up or down to the next whole one.

    All places are put in order of their source, by chance within it, and every N/n-th of them is taken.

    >>> draw([0, 0, 0, 0, 1, 1], 3, seed=1)
    [0, 1, 4]

    Args:
        sources: Which source each place is of.
        most: How many are drawn; all where there are no more.
        seed: Decides which.

    Returns:
        The places, ascending.
    """
    if len(sources) <= most:
        return list(range(len(sources)))
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(sources))
    order_N = shuffled[np.argsort(np.asarray(sources)[shuffled], kind="stable")]
    steps = (np.arange(most) + random.random()) * len(sources) / max(most, 1)
    return sorted(order_N[steps.astype(np.int64)].tolist())
