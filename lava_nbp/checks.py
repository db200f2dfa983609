"""Checks of arguments that every part of the library makes in the same way."""

from __future__ import annotations

import numpy as np

from lava_nbp.errors import InputError, LavaNBPError


def is_integer(value: object) -> bool:
    """Whether a value is an integer of Python or NumPy; True and False are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


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
