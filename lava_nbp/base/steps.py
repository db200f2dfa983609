"""Times in ms as whole steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def nearest_steps(times: Any, dt: float) -> NDArray[np.int64]:
    """Step k of dt ms, from k dt to (k + 1) dt, at whose beginning a spike acts: the nearest to its time.

    Of two that are equally near, the later. Times are finite; neither is checked.
    """
    steps: NDArray[np.int64] = np.floor(np.asarray(times) / dt + 0.5).astype(np.int64)
    return steps
