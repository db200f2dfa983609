"""Checks of arguments that every part of the library makes in the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.errors import InputError, LavaNBPError


def is_integer(value: object) -> bool:
    """Whether a value is an integer of Python or NumPy; True and False are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def shown(value: object, most: int = 60) -> str:
    """A value for a message: not longer than a line can hold."""
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def check_integer(
    value: object,
    low: int,
    high: int | None,
    what: str,
    cure: str = "",
    error: type[LavaNBPError] = InputError,
) -> int:
    """Return a value as an int if it is an integer in low .. high (None: no upper limit).

    Raises
    ------
    InputError, or the given error
        Names what it is, the value, the limit, and the cure if one is given.
    """
    if isinstance(value, (int, np.integer)) and is_integer(value) and low <= value and (high is None or value <= high):
        return int(value)
    limit = f"an integer of {low} or more" if high is None else f"an integer in {low} .. {high}"
    raise error(f"{what} is {value!r}, but must be {limit}" + (f"; {cure}" if cure else ""))


def check_labels(labels: Any, n: int | None, n_classes: int) -> NDArray[np.int64]:
    """Return labels (n,) as int64 if they are integers in 0 .. n_classes - 1; n None: any number.

    Raises
    ------
    InputError
        Names the first label that is none, or the shape and type.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or n not in (None, len(array)) or not np.issubdtype(array.dtype, np.integer):
        wanted = "one integer per sample" if n is None else f"{n} integers, one per sample"
        raise InputError(f"labels have shape {array.shape} and dtype {array.dtype}, but must be {wanted}")
    # Every batch of a training run may come by here with the labels of the whole data set: no copies.
    if array.min(initial=0) < 0 or array.max(initial=0) >= n_classes:
        i = int(np.argmax((array < 0) | (array >= n_classes)))
        raise InputError(
            f"labels[{i}] is {array[i]}, outside the classes 0 .. {n_classes - 1}; this network has {n_classes} outputs"
        )
    return array.astype(np.int64, copy=False)
