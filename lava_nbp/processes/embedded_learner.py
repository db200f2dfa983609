"""The embedded processors of Loihi 2 that learn: gradients, and weights after every batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_kind
from lava_nbp.loihi.embedded import EmbeddedLearning
from lava_nbp.on_lava.ports import InPort, OutPort
from lava_nbp.on_lava.process import LibraryProcess
from lava_nbp.processes.mirrored_synapses import MirroredSynapses
from lava_nbp.processes.programmed_neurons import ProgrammedNeurons

from lava.magma.core.process.ports.ports import RefPort
from lava.magma.core.process.variable import Var


class EmbeddedLearner(LibraryProcess):
    """Sums the gradients of all matrices, and writes their weights: `lava_nbp.loihi.embedded.EmbeddedLearning`.

    Only its model for embedded processors is there, and its C program is not written.

    Parameters
    ----------
    learning : EmbeddedLearning
        What is computed.
    neurons : sequence of ProgrammedNeurons
        Whose words `lost` are read after every sample.
    synapses : sequence of MirroredSynapses
        Whose memories are written after every batch; named as the matrices.
    file : str
        The C program.
    name : str, optional
        Of the Process.

    Ports
    -----
    start_in : (1,) spikes
        The start of a sample.
    <matrix>_s_in, <matrix>_lI_in : (pre,), (post,) int32
        Spikes in front of a matrix, and lI behind it.
    lost_out : (neurons,) int32
        After a sample, how many of the neurons of each Process lost something.
    lost<k>_ref, <matrix>_ref, <matrix>_mirror_ref
        The neurons' words, and the synaptic memories.

    Vars
    ----
    <matrix>, <matrix>_gradient : (pre, post) int64
        Weights of full precision, 20 fractional bits; gradient of the batch at hand, until the next begins.

    Raises
    ------
    InputError
        For what is no `EmbeddedLearning`.
    """

    def __init__(
        self,
        learning: EmbeddedLearning,
        neurons: Sequence[ProgrammedNeurons],
        synapses: Sequence[MirroredSynapses],
        file: str,
        *,
        name: str | None = None,
    ) -> None:
        check_kind(learning, EmbeddedLearning, "learning")
        matrices, what = tuple(learning.masters), "learner"
        mirrored = tuple(s.name for s in synapses if hasattr(s, "mirror"))
        super().__init__(learning=learning, mirrored=mirrored, asked=len(neurons), file=file, name=name)
        self.start_in, self.lost_out = InPort(shape=(1,)), OutPort(shape=(len(neurons),))
        self._matrices = matrices
        #: Whose memories it writes.
        self.memories = tuple(synapses)
        referred: list[tuple[str, Any]] = [(f"lost{k}_ref", one.lost) for k, one in enumerate(neurons)]
        for matrix, s in zip(matrices, synapses, strict=True):
            n_pre, n_post = s.weights.shape
            self.add_member(f"{matrix}_s_in", InPort(shape=(n_pre,)), what)
            self.add_member(f"{matrix}_lI_in", InPort(shape=(n_post,)), what)
            self.add_member(matrix, Var(shape=(n_pre, n_post), init=learning.masters[matrix].copy()), what)
            self.add_member(f"{matrix}_gradient", Var((n_pre, n_post), init=np.zeros((n_pre, n_post), np.int64)), what)
            referred.append((f"{matrix}_ref", s.weights))
            if s.name in mirrored:
                referred.append((f"{matrix}_mirror_ref", s.mirror))
        for port, var in referred:
            self.add_member(port, RefPort(shape=var.shape), what)
            getattr(self, port).connect_var(var)

    @property
    def masters(self) -> list[Var]:
        """Vars of the weights of full precision, in the order of the matrices."""
        return [getattr(self, name) for name in self._matrices]

    @property
    def gradients(self) -> list[Var]:
        """Vars of the gradients of the batch at hand, in the order of the matrices."""
        return [getattr(self, f"{name}_gradient") for name in self._matrices]
