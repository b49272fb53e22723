"""Arrow arrays from and to buffers: PyArrow's own ways import pandas, which takes longer than preparing a small set.

All arrays are whole (no slices) and without nulls.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray


def numbers(values: Sequence[int] | NDArray[Any], dtype: str) -> Any:
    """Returns an array of whole numbers; `dtype` is Arrow's and NumPy's name of it, such as `int64`."""
    held = np.asarray(values, dtype)
    return pa.Array.from_buffers(getattr(pa, dtype)(), len(held), [None, pa.py_buffer(held)])


def texts(values: Sequence[str]) -> Any:
    """Returns an array of strings."""
    held = [value.encode() for value in values]
    return pa.StringArray.from_buffers(len(held), _offsets(held), pa.py_buffer(b"".join(held)))


def lists(values: Sequence[Sequence[int]]) -> Any:
    """Returns an array of lists of int32."""
    held = np.fromiter(chain.from_iterable(values), np.int32)
    kind = pa.list_(pa.int32())
    return pa.Array.from_buffers(kind, len(values), [None, _offsets(values)], children=[numbers(held, "int32")])


def held_numbers(array: Any, dtype: str) -> NDArray[Any]:
    """Returns the values of an array of whole numbers, shape [N], without a copy."""
    return np.frombuffer(array.buffers()[1], dtype, count=len(array)) if len(array) else np.zeros(0, dtype)


def held_lists(array: Any) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Returns the values of all lists of an array, end to end, and where each list begins and the last one ends."""
    offsets = np.frombuffer(array.buffers()[1], np.int32, count=len(array) + 1)
    return held_numbers(array.values, "int32"), offsets


def _offsets(values: Sequence[Any]) -> Any:
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    return pa.py_buffer(offsets)
