"""The nBP network as one Lava Process: spikes in, spikes out, learning on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.clock import Granularity, check_granularity
from lava_nbp.shared_array import shared_zeros


class MatrixVar(Var):  # type: ignore[misc]
    """A weight matrix in memory that the model shares: checked, and moved as a whole.

    Lava's own Var moves one number at a time, checks nothing, and returns float64.
    """

    def __init__(self, engine: Any, matrix: str) -> None:
        super().__init__(shape=engine.circuit.matrix_shapes[matrix], init=engine.read_weights()[matrix])
        self._engine, self._matrix = engine, matrix

    def get(self, idx: Any = None) -> Any:
        """A copy of the matrix, or of the part `idx` selects, int16."""
        weights = self._engine.read_weights()[self._matrix]
        return weights if idx is None else weights[idx]

    def set(self, value: Any, idx: Any = None) -> None:
        """Replace the matrix, or the part `idx` selects, in every projection that holds it.

        Raises
        ------
        WeightError
            For a wrong shape, or values that synapses cannot hold; nothing is changed then.
        """
        weights = self._engine.read_weights()
        if idx is None:
            weights[self._matrix] = value
        else:
            # Wide enough to keep what is wrong with the value, so that the check can refuse it.
            wide = weights[self._matrix].astype(np.result_type(np.int64, np.asarray(value)))
            wide[idx] = value
            weights[self._matrix] = wide
        self._engine.write_weights(weights)


class NBPNetwork(AbstractProcess):  # type: ignore[misc]
    """A whole nBP circuit (`training_circuit` or `inference_circuit`), run spike by spike.

    One Lava step is either one circuit step (``granularity="step"``) or one sample,
    that is `circuit.period` steps (``granularity="sample"``); spikes and weights are
    the same. Lava step 1 of granularity "step" is the one in which g00 fires (phase
    0), so n samples take 1 + n * period Lava steps; in granularity "sample" phase 0
    is run before the first sample, and every Lava step ends with phase `period`, in
    which the last weights of its sample change.

    Neuron model, learning rule and sources: see `lava_nbp.nbp.circuit` and
    `lava_nbp.nbp.rule` (Renner et al. 2024, Methods).

    Parameters
    ----------
    circuit : Circuit
        What to run.
    weights : mapping
        "W1" (n_in, n_hidden), "W2" (n_hidden, n_out): even integers in -254 .. 254.
    granularity : {"step", "sample"}
        What one Lava step is.

    Ports
    -----
    x_in : (n_in,) spikes
        Input, relayed one-to-one to x: what arrives in phase 1 makes x fire in phase 2.
        Any nonzero entry is one spike. Granularity "sample": the sample's input.
    t_in : (n_out,) spikes
        Target, relayed to t likewise: it must arrive in phase 3. Unused, and best left
        unconnected, by a circuit without targets.
    s_out : (n_out,) spikes
        Granularity "step": spikes of o in this step, in every phase. Granularity
        "sample": spikes of o in phase 4, the network's answer.
    a_out : (n_out,) int32, weight units
        Pre-activation of o in phase 4 (its summed input without the gate); in
        granularity "step" zero in all other phases.
    raster_out : (rows, neurons) 0 or 1
        Spikes of every neuron, a row per circuit step (1 or `period` rows), population
        after population as in `circuit.populations`; see `split`. Costs nothing
        unless connected.

    Vars
    ----
    W1, W2 : int16, 8-bit mixed-sign values
        `get` and `set` work at any time between runs, move the whole matrix at once and
        set every copy of it; `read_weights` and `write_weights` do so for both.
    gate_breaches : (1,) int64
        Spikes outside the schedule so far; see `Circuit.breach_bounds`.

    Raises
    ------
    WeightError
        For weights that do not fit the circuit or the chip's synapses.
    InputError
        For an unknown granularity.
    """

    _runtime = None  # Lava's destructor reads it, even if the constructor refuses its arguments

    def __init__(
        self,
        *,
        circuit: Circuit,
        weights: Mapping[str, Any],
        granularity: Granularity = "sample",
        name: str | None = None,
    ) -> None:
        check_granularity(granularity)
        # Imported here because Lava executes this file at every compilation.
        from lava_nbp.nbp.spiking_engine import SpikingEngine

        self.engine = SpikingEngine(circuit, weights, allocate=shared_zeros)
        super().__init__(engine=self.engine, granularity=granularity, name=name)
        n_in, n_out = circuit.layers[0], circuit.layers[-1]
        rows = 1 if granularity == "step" else circuit.period
        self.x_in = InPort(shape=(n_in,))
        self.t_in = InPort(shape=(n_out,))
        self.s_out = OutPort(shape=(n_out,))
        self.a_out = OutPort(shape=(n_out,))
        self.raster_out = OutPort(shape=(rows, circuit.n_neurons))
        self.W1 = MatrixVar(self.engine, "W1")
        self.W2 = MatrixVar(self.engine, "W2")
        self.gate_breaches = Var(shape=(1,), init=0)

    @property
    def circuit(self) -> Circuit:
        """The circuit that runs."""
        return self.engine.circuit

    def read_weights(self) -> dict[str, Any]:
        """Copies of W1 and W2 as the running model holds them; call it between runs."""
        return self.engine.read_weights()

    def read_projections(self) -> dict[str, Any]:
        """Copies of every dense projection's own weights, (pre, post), by name; call it between runs."""
        return {name: w.copy() for name, w in self.engine.projections.items()}

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """Set W1, W2 and all their copies in the running model; call it between runs.

        Raises
        ------
        WeightError
            As for the constructor; nothing is changed then.
        """
        self.engine.write_weights(weights)

    def reset(self) -> None:
        """Forget spikes under way: the next step is phase 0 again. Call it between runs; the weights stay."""
        self.engine.reset()

    def split(self, raster: Any) -> dict[str, Any]:
        """Cut spikes of shape (..., neurons) into one array per population."""
        return self.engine.split(raster)


@implements(proc=NBPNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyNBPNetworkFixed(PyLoihiProcessModel):  # type: ignore[misc]
    """Fixed-point CPU model: a shell around `SpikingEngine`, whose memory it shares with the parent."""

    x_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=1)
    t_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=1)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=18)
    raster_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    W1: Any = LavaPyType(np.ndarray, np.int16, precision=8)
    W2: Any = LavaPyType(np.ndarray, np.int16, precision=8)
    gate_breaches: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.engine = proc_params["engine"]
        self.whole_samples = proc_params["granularity"] == "sample"
        self.circuit: Circuit = self.engine.circuit

    def start(self) -> None:
        """Let the Vars be the engine's own memory, then serve the runtime."""
        self.W1, self.W2 = self.engine.projections["W1"], self.engine.projections["W2"]
        self.gate_breaches = self.engine.breach_counter
        super().start()

    def run_spk(self) -> None:
        """One circuit step, or one sample."""
        external = [(port.recv() != 0).astype(np.uint8) for port in (self.x_in, self.t_in)]
        external = external[: len(self.circuit.sources)]
        if self.whole_samples:
            outcome, raster = self.engine.run(*(spikes[None] for spikes in external), record=self._recorded())
            self.s_out.send(outcome.spikes[0])
            self.a_out.send(outcome.membrane[0])
            if raster is not None:
                self.raster_out.send(raster[-self.circuit.period :])
            return
        membrane = self.engine.membrane()
        self.engine.step(*external)
        self.s_out.send(self.engine.spikes_of(self.circuit.output))
        self.a_out.send(membrane)
        if self._recorded():
            self.raster_out.send(self.engine.all_spikes()[None])

    def _recorded(self) -> bool:
        return bool(self.raster_out.csp_ports)
