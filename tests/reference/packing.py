"""Micro-batches, the slow and obvious way: one position at a time."""

from collections.abc import Sequence

from ftlab.data.row import IGNORED, EncodedRow


def targets_of(row: EncodedRow) -> list[int]:
    """What each position of a row has to predict: the row's next token, if that one carries loss."""
    ids, supervised = row.ids.tolist(), row.supervised.tolist()
    targets = []
    for place in range(len(ids)):
        has_next = place + 1 < len(ids)
        targets.append(ids[place + 1] if has_next and supervised[place + 1] else IGNORED)
    return targets


def fewest_bins(lengths: Sequence[int], budget: int) -> int:
    """The least number of bins that any packing needs, by trying all; for a handful of rows.

    Rows over the budget stand alone.
    """
    small = [length for length in lengths if length <= budget]
    best = len(small)

    def place(index: int, rooms: list[int]) -> None:
        nonlocal best
        if len(rooms) >= best and index < len(small):
            return
        if index == len(small):
            best = min(best, len(rooms))
            return
        for bin_number, room in enumerate(rooms):
            if room >= small[index]:
                rooms[bin_number] -= small[index]
                place(index + 1, rooms)
                rooms[bin_number] += small[index]
        place(index + 1, [*rooms, budget - small[index]])

    place(0, [])
    return best + len(lengths) - len(small)
