"""Names of the targets: what can run a circuit, and what can run an EventProp network."""

from __future__ import annotations

from typing import Literal, get_args

#: nBP: all give the same bits.
Target = Literal["reference", "sample", "spiking", "lava", "lava-primitives", "lava-stock", "loihi1", "loihi2"]
#: Those that need Intel's lava-loihi and a board.
CHIP_TARGETS = ("loihi1", "loihi2")
#: Those that run on every machine.
TARGETS = tuple(target for target in get_args(Target) if target not in CHIP_TARGETS)
NBP_TARGETS = (*TARGETS, *CHIP_TARGETS)
#: Those that can run with faults.
FAULT_TARGETS = ("sample", "spiking")
#: EventProp: continuous time, or fixed steps and integers; of the latter all give the same bits.
EventPropTarget = Literal["continuous", "clocked", "lava", "lava-primitives"]
EVENTPROP_TARGETS: tuple[str, ...] = get_args(EventPropTarget)
CLOCKED_TARGETS = ("clocked", "lava", "lava-primitives")
#: Those that Lava runs.
LAVA_TARGETS = ("lava", "lava-primitives", "lava-stock")
#: Those that learn in the chip's order only, see `lava_nbp.nbp.circuit.Circuit`.
CHIP_ORDER_TARGETS = ("lava-stock", *CHIP_TARGETS)
#: Those of Lava in which a Lava step is a step of the circuit.
STEP_TARGETS = ("lava-primitives", "lava-stock", *CHIP_TARGETS)
