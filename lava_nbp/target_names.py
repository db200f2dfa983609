"""Names of the targets: what can run a circuit. All give the same bits."""

from __future__ import annotations

from typing import Literal, get_args

Target = Literal["reference", "sample", "spiking", "lava", "lava-primitives"]
TARGETS: tuple[str, ...] = get_args(Target)
#: Those that Lava runs.
LAVA_TARGETS = ("lava", "lava-primitives")
