"""What of an experiment or a run is planned on a chip."""

from __future__ import annotations

from typing import NamedTuple

from lava_nbp.loihi.demand import Activity, Plannable
from lava_nbp.nbp.circuit import Circuit


class Planned(NamedTuple):
    """What `lava_nbp.loihi.plan.make_plan` takes, and what its reader should know.

    Attributes
    ----------
    network : Circuit or Plannable
        A circuit, or a network that is lowered.
    activity : Activity or None
        Spikes that were counted; None: they are assumed.
    notes : tuple of str
        Lines for people.
    """

    network: Circuit | Plannable
    activity: Activity | None = None
    notes: tuple[str, ...] = ()


def planned_circuit(circuit: Circuit, inference: bool = False) -> Planned:
    """A circuit, or what of it only answers."""
    if inference:
        circuit = circuit.answering
    if not circuit.learning or circuit.chip_order:
        return Planned(circuit)
    note = (
        "the chip delivers spikes before it learns; circuit.in_chip_order(), or network.chip_order = true where the "
        "circuit has this option, trains the same way"
    )
    return Planned(circuit, notes=(note,))
