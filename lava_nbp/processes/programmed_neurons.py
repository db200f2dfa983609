"""Neurons of Loihi 2 that run programs: what EventPropInput, EventPropLIF and EventPropTTFS are on the chip."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lava_nbp.base.checks import check_kind
from lava_nbp.loihi.learning_parts import LOST, Group
from lava_nbp.on_lava.ports import InPort, OutPort
from lava_nbp.on_lava.process import LibraryProcess

from lava.magma.core.process.variable import Var


class ProgrammedNeurons(LibraryProcess):
    """A group of populations, each of which runs a program: an input, a layer or a loss of EventProp on Loihi 2.

    `EventPropNetwork` is built from these with the target "loihi2"; there is no CPU model. The programs compute what
    `EventPropInput`, `EventPropLIF` and `EventPropTTFS` do, in other phases: `lava_nbp.loihi.programs.clock`.

    Parameters
    ----------
    group : Group
        Populations, and the synapses that lead to them.
    files : mapping
        Microcode of every population, by its name.
    name : str, optional
        Of the Process.

    Ports
    -----
    start_in : (1,) spikes
        The start of a sample. It comes with the spikes of step 0.
    spikes_in, label_in, s_in, a_in, adjoint_in
        As the group has them. Spikes act in the step after, through synapses of the group; weighted sums act at once.
    s_out, adjoint_out, lI_out
        As others hear them.

    Vars
    ----
    lost : (n,) int32
        Of an input or a layer: spikes of the last sample that found no room, or numbers that no word holds.

    Raises
    ------
    InputError
        For what is no group.
    """

    def __init__(self, group: Group, files: Mapping[str, str], *, name: str | None = None) -> None:
        check_kind(group, Group, "group")
        super().__init__(group=group, files=dict(files), name=name)
        first = group.populations[0]
        for port, size in group.ports.items():
            self.add_member(port, InPort(shape=(size,)), f"group {group.name}")
        for axon in group.sends:
            self.add_member(axon, OutPort(shape=(first.size,)), f"group {group.name}")
        if any(word.name == LOST for word in first.program.state):
            self.lost = Var(shape=(first.size,), init=np.zeros(first.size, np.int32))
