"""The nBP network as one Lava Process: spikes in, spikes out, learning on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.errors import InputError
from lava_nbp.loihi.rules import chip_rule, simulated_rule
from lava_nbp.loihi.stock import StockNetwork
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.executor import BREACHES
from lava_nbp.nbp.hebbian import PAPER_RULE
from lava_nbp.nbp.partition import (
    Part,
    check_chain_delays,
    inputs_of,
    neurons_of,
    partition,
    plastic_parts,
    synapses_of,
)
from lava_nbp.on_lava.clock import Granularity, check_granularity
from lava_nbp.on_lava.gated_process import GatedProcess
from lava_nbp.on_lava.ports import InPort, OutPort, SharedVar
from lava_nbp.on_lava.process import LibraryProcess
from lava_nbp.processes.error_neurons import ErrorNeurons
from lava_nbp.processes.gated_lif import GatedLIF
from lava_nbp.processes.hebbian_dense import HebbianDense
from lava_nbp.processes.plastic_lif import PlasticLIF
from lava_nbp.processes.relay_memory import RelayMemory
from lava_nbp.processes.spike_raster import SpikeRaster
from lava_nbp.processes.surrogate_relu import SurrogateReLU
from lava_nbp.processes.synfire_chain import SynfireChain


class NBPNetwork(LibraryProcess):
    """A whole nBP circuit (`training_circuit` or `inference_circuit`), run spike by spike.

    One Lava step is either one circuit step (``granularity="step"``) or one sample,
    that is `circuit.period` steps (``granularity="sample"``); spikes and weights are
    the same. Lava step 1 of granularity "step" is the one in which g00 fires (phase
    0), so n samples take 1 + n * period Lava steps; in granularity "sample" phase 0
    is run before the first sample, and every Lava step ends with phase `period`, in
    which the last weights of its sample change.

    Neuron model, learning rule and sources: see `lava_nbp.nbp.circuit` and
    `lava_nbp.nbp.rule` (Renner et al. 2024, Methods).

    Four models, chosen by the run configuration (`lava_nbp.run_config`): one Lava process
    that runs the compiled spiking engine (target "lava"); a network of this library's
    parts, made by walking the circuit (target "lava-primitives", granularity "step" only); or the
    lowered circuit (`lava_nbp.loihi.lowering`), made of Lava's stock processes and `PlasticLIF`
    (target "lava-stock", granularity "step", circuits in the chip's order); or the same with
    lava-loihi's adapters at its ends (targets "loihi1", "loihi2"; never yet run on a chip). Every
    spike and weight is the same, but for the chip's where weights saturate: its rule ends at -256 .. 253.

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
        granularity "step" zero in all other phases (target "lava-stock": whatever dense
        input there is).
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
        Spikes outside the schedule so far; see `Circuit.breach_bounds`. Read-only; stock processes count nothing.

    Raises
    ------
    WeightError
        For weights that do not fit the circuit or the chip's synapses.
    InputError
        For an unknown granularity.

    Examples
    --------
    >>> import numpy as np
    >>> from lava_nbp import run_config, training_circuit
    >>> from lava_nbp.on_lava.runtime import LavaRuntime
    >>> from lava_nbp.processes import SampleSource
    >>> circuit, weights = training_circuit(4, 3, 2), {"W1": np.full((4, 3), 254), "W2": np.full((3, 2), 100)}
    >>> network = NBPNetwork(circuit=circuit, weights=weights, granularity="step")
    >>> source = SampleSource(circuit=circuit, granularity="step", capacity=1)
    >>> source.x_out.connect(network.x_in)
    >>> source.t_out.connect(network.t_in)
    >>> source.load([[1, 1, 1, 0]], [[1, 0]])  # 3 * 254 > 512: all hidden neurons fire; 3 * 100 is too little
    >>> with LavaRuntime(network, run_config("lava-primitives")) as runtime:
    ...     runtime.run(1 + circuit.period)
    ...     print(network.W2.get().tolist(), len(network.parts))  # the output that should have fired has learned
    [[102, 100], [102, 100], [102, 100]] 12
    """

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
        self.granularity = granularity
        #: The lowered network, once it is built for the target "lava-stock".
        self.stock: StockNetwork | None = None
        super().__init__(engine=self.engine, granularity=granularity, name=name)
        n_in, n_out = circuit.layers[0], circuit.layers[-1]
        rows = 1 if granularity == "step" else circuit.period
        self.x_in = InPort(shape=(n_in,))
        self.t_in = InPort(shape=(n_out,))
        self.s_out = OutPort(shape=(n_out,))
        self.a_out = OutPort(shape=(n_out,))
        self.raster_out = OutPort(shape=(rows, circuit.n_neurons))
        self.W1 = self._matrix_var("W1")
        self.W2 = self._matrix_var("W2")
        self.gate_breaches = SharedVar(lambda: self.counters[BREACHES : BREACHES + 1])

    def _matrix_var(self, matrix: str) -> SharedVar:
        def write(value: Any) -> None:
            self.write_weights({**self.read_weights(), matrix: value})

        return SharedVar(lambda: self.read_weights()[matrix], write)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The Processes it is built from, once it runs with the target "lava-primitives"; else none."""
        return tuple(self.procs)

    @property
    def counters(self) -> Any:
        """Spikes, synaptic events, updates and gate breaches so far."""
        parts = [part for part in self.parts if isinstance(part, LibraryProcess)]
        return np.sum([np.array(self.engine.counters), *(part.counters for part in parts)], axis=0)

    @property
    def circuit(self) -> Circuit:
        """The circuit that runs."""
        return self.engine.circuit

    def read_weights(self) -> dict[str, Any]:
        """Copies of W1 and W2 as the running model holds them; call it between runs."""
        self._fetch([p.name for p in self.circuit.projections if not p.transposed and p.sign == 1])
        return self.engine.read_weights()

    def read_projections(self) -> dict[str, Any]:
        """Copies of every dense projection's own weights, (pre, post), by name; call it between runs."""
        self._fetch()
        return {name: w.copy() for name, w in self.engine.projections.items()}

    def _fetch(self, names: Iterable[str] | None = None) -> None:
        """Take over the weights that stock processes hold in memory of their own, whole matrices at once."""
        if self.stock is not None:
            self.stock.pull(names)

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """Set W1, W2 and all their copies in the running model; call it between runs.

        Raises
        ------
        WeightError
            As for the constructor; nothing is changed then.
        """
        self.engine.write_weights(weights)
        if self.stock is not None:
            self.stock.push()

    def reset(self) -> None:
        """Forget spikes under way: the next step is phase 0 again. Call it between runs; the weights stay."""
        self.engine.reset()
        if self.stock is not None:
            self.stock.reset()
            return
        for part in self.parts:
            part.reset()

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


@implements(proc=NBPNetwork, protocol=LoihiProtocol)
@tag("fixed_pt", "bit_accurate_loihi")
class SubNBPNetworkFixed(AbstractSubProcessModel):  # type: ignore[misc]
    """Hierarchical model: a `SynfireChain`, a Process per part of the circuit, a `HebbianDense` per matrix.

    The weights live in the memory of the network's engine, so that they are read and
    written as with the other model.
    """

    targets = ("lava-primitives",)

    def __init__(self, proc: NBPNetwork) -> None:
        circuit = proc.circuit
        _check_steps(proc, "lava-primitives")
        check_chain_delays(circuit)
        self.part_chain = SynfireChain(circuit.period, autostart=True, name="chain")
        #: Spike output of every population.
        self.spikes: dict[str, OutPort] = {name: self.part_chain.phase(k) for k, name in enumerate(circuit.chain)}
        self.cells: dict[str, tuple[Any, str]] = {}
        parts = partition(circuit)
        for part in parts:
            cell = _make(circuit, part)
            setattr(self, f"part_{cell.name}", cell)
            self.part_chain.s_out.connect(cell.gate_in)
            for name, population in part.members.items():
                self.spikes[population] = getattr(cell, f"{name}_out")
                self.cells[population] = (cell, name)
        for part in parts:
            cell, _ = self.cells[next(iter(part.members.values()))]
            for port, sender in inputs_of(circuit, part).items():
                if sender in self.spikes:
                    self.spikes[sender].connect(getattr(cell, port))
        for port, source in zip((proc.x_in, proc.t_in), circuit.sources, strict=False):
            port.connect(getattr(self.cells[source.population][0], f"{source.name}_in"))
        self._connect_dense(proc)
        self.spikes[circuit.output].connect(proc.s_out)
        self.cells[circuit.output][0].a_out.connect(proc.a_out)
        if proc.raster_out.out_connections:
            self._connect_raster(proc)

    def _connect_dense(self, proc: NBPNetwork) -> None:
        circuit = proc.circuit
        reward = [circuit.reward(phase) for phase in range(circuit.period)]
        for plastic in plastic_parts(circuit):
            name = plastic.matrix.name
            dense = HebbianDense(
                proc.engine.projections[name],
                rule=PAPER_RULE if circuit.learning else None,
                third=reward,
                mirrors=plastic.mirrors,
                name=name,
                storage=proc.engine.projections,
                chip_order=circuit.chip_order,
            )
            setattr(self, f"part_{name}", dense)
            for end in dense.synapses.populations:
                self.spikes[plastic.members[end]].connect(getattr(dense, f"{end}_in"))
            for end in dense.synapses.posts:
                cell, role = self.cells[plastic.members[end]]
                sums = dense.a_out if end == "post" else getattr(dense, f"{end}_a_out")
                sums.connect(cell.a_in if role == "s" else getattr(cell, f"{role}_a_in"))
            if circuit.learning:
                self.part_chain.s_out.connect(dense.third_in)

    def _connect_raster(self, proc: NBPNetwork) -> None:
        self.part_raster = SpikeRaster({p.name: (p.size,) for p in proc.circuit.populations}, name="raster")
        for name, port in self.spikes.items():
            port.connect(getattr(self.part_raster, f"{name}_in"))
        self.part_raster.raster_out.connect(proc.raster_out)


@implements(proc=NBPNetwork, protocol=LoihiProtocol)
@tag("fixed_pt", "bit_accurate_loihi")
class SubNBPNetworkStock(AbstractSubProcessModel):  # type: ignore[misc]
    """Hierarchical model: the lowered circuit as Lava's stock processes, and `PlasticLIF` behind plastic synapses."""

    targets: tuple[str, ...] = ("lava-stock",)
    write_rule = staticmethod(simulated_rule)

    def __init__(self, proc: NBPNetwork) -> None:
        _check_steps(proc, self.targets[-1])
        proc.stock = stock = StockNetwork(proc.circuit, proc.engine.projections, PlasticLIF.of, self.write_rule)
        for name, process in stock.processes.items():
            setattr(self, f"part_{name}", process)
        self._connect(proc, stock)

    def _connect(self, proc: NBPNetwork, stock: StockNetwork) -> None:
        for port, source in zip((proc.x_in, proc.t_in), proc.circuit.sources, strict=False):
            port.connect(stock.inputs[source.name].s_in)
        output = proc.circuit.output
        stock.groups[output].s_out.connect(proc.s_out)
        for d in stock.lowered.dense:
            if d.post == output:
                stock.dense[d.name].a_out.connect(proc.a_out)
        if proc.raster_out.out_connections:
            self._connect_raster(proc, stock)

    def _connect_raster(self, proc: NBPNetwork, stock: StockNetwork) -> None:
        shapes: dict[str, tuple[int, ...]] = {}
        for p in proc.circuit.populations:
            name = stock.lowered.chain if p.name in proc.circuit.chain else p.name
            if name in shapes and next(reversed(shapes)) != name:
                raise InputError(
                    f"circuit {proc.circuit.name!r}: population {p.name!r} is a gating neuron apart from the others; "
                    f"list them one after the other to record a raster"
                )
            shapes[name] = (stock.lowered.by_name[name].size,)
        self.part_raster = SpikeRaster(shapes, name="raster")
        for name in shapes:
            stock.groups[name].s_out.connect(getattr(self.part_raster, f"{name}_in"))
        self.part_raster.raster_out.connect(proc.raster_out)


@implements(proc=NBPNetwork, protocol=LoihiProtocol)
@tag("fixed_pt", "bit_accurate_loihi")
class SubNBPNetworkChip(SubNBPNetworkStock):
    """Hierarchical model for a chip: the same Processes, lava-loihi's adapters at their ends, and the authors' rule."""

    targets = ("loihi1", "loihi2")
    write_rule = staticmethod(chip_rule)

    def _connect(self, proc: NBPNetwork, stock: StockNetwork) -> None:
        from lava.proc.embedded_io.spike import NxToPyAdapter, PyToNxAdapter

        if proc.raster_out.out_connections or proc.a_out.out_connections:
            raise InputError(
                "NBPNetwork: raster_out and a_out show what a chip does not send; leave them unconnected, or use the "
                "target 'lava-stock'"
            )
        for port, source in zip((proc.x_in, proc.t_in), proc.circuit.sources, strict=False):
            adapter = PyToNxAdapter(shape=port.shape)
            setattr(self, f"part_{source.name}-adapter", adapter)
            port.connect(adapter.inp)
            adapter.out.connect(stock.inputs[source.name].s_in)
        self.part_output = NxToPyAdapter(shape=proc.s_out.shape)
        stock.groups[proc.circuit.output].s_out.connect(self.part_output.inp)
        self.part_output.out.connect(proc.s_out)


def _check_steps(proc: NBPNetwork, target: str) -> None:
    if proc.granularity != "step":
        raise InputError(
            f"target {target} runs one circuit step per Lava step, but granularity is "
            f"{proc.granularity!r}; make the NBPNetwork with granularity='step'"
        )


def _make(circuit: Circuit, part: Part) -> GatedProcess:
    """The Process of a part, named after its first population."""
    neurons, synapses = neurons_of(circuit, part), synapses_of(circuit, part)
    name = next(iter(part.members.values()))
    shape, period = (circuit[name].size,), circuit.period
    readout = (circuit.output_phase - 1) % period if circuit.output in part.members.values() else None
    first = next(iter(neurons.values()))
    common: dict[str, Any] = {
        "bias": first.bias,
        "refractory": first.refractory,
        "schedule": first.schedule,
        "gates": first.gates,
    }
    if part.kind == "error":
        return ErrorNeurons(shape, n_gates=period, name=name, **common)
    if part.kind == "memory":
        delays = [s.delay for s in synapses]
        return RelayMemory(shape, delays=delays, n_gates=period, port=synapses[0].pre, name=name, **common)
    if part.kind == "lif":
        return GatedLIF(shape, n_gates=period, synapses=synapses, readout=readout, name=name, **common)
    to_box = [s for s in synapses if s.post == "box"]
    return SurrogateReLU(
        shape,
        gates={population: p.gates for population, p in neurons.items()},
        n_gates=period,
        box_delay=to_box[0].delay if to_box else 0,
        separate=True,
        synapses=[s for s in synapses if s.post != "box"],
        neurons={
            population: {"bias": p.bias, "refractory": p.refractory, "schedule": p.schedule}
            for population, p in neurons.items()
        },
        readout=readout,
        name=name,
    )
