"""Rows as pandas has them, where it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lava_nbp.base.extras import require


def frame_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """A pandas.DataFrame of rows, a column per key; what a row does not have is missing there.

    Raises
    ------
    MissingPackageError
        Without pandas.
    """
    return require("pandas", "frames", "a data frame").DataFrame([dict(row) for row in rows])
