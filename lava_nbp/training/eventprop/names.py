"""Names of what an EventProp run keeps: W1 .. Wn, recurrent weights R1 .., delays D1 .. and E1 .."""

from __future__ import annotations

import re
from collections.abc import Iterable


def forward_names(n_layers: int) -> list[str]:
    """W1 .. Wn, of so many layers behind the input."""
    return [f"W{k}" for k in range(1, n_layers + 1)]


def loop_names(names: Iterable[str]) -> list[str]:
    """Those of recurrent matrices, R1 .. Rn, in the order of their layers: R2 before R10."""
    return sorted((name for name in names if re.fullmatch(r"R\d+", name)), key=lambda name: int(name[1:]))


def late_names(names: Iterable[str]) -> list[str]:
    """Those of delays: D1, .. of weights and E1, .. of recurrent weights."""
    return [name for name in names if re.fullmatch(r"[DE]\d+", name)]
