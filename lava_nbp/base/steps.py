"""Times in ms as whole steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Beyond any trial; integers hold more, but not everything that a time divided by a tiny step can be.
_MOST = 2.0**53


def nearest_steps(times: Any, dt: float) -> NDArray[np.int64]:
    """Step k of dt ms, from k dt to (k + 1) dt, at whose beginning a spike acts: the nearest to its time.

    Of two that are equally near, the later; 2**53 at most. Times are finite; neither is checked.
    """
    with np.errstate(over="ignore"):
        steps = np.minimum(np.floor(np.asarray(times) / dt + 0.5), _MOST)
    nearest: NDArray[np.int64] = steps.astype(np.int64)
    return nearest
