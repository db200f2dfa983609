"""The nBP network as one Lava Process: spikes in, spikes out, learning on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.errors import InputError
from lava_nbp.loihi.rules import chip_rule, simulated_rule
from lava_nbp.loihi.stock import StockNetwork
from lava_nbp.nbp.circuit import Circuit, check_circuit
from lava_nbp.nbp.draws import Epoch, Rounding, check_epoch
from lava_nbp.nbp.partition import (
    Part,
    check_parts,
    inputs_of,
    neurons_of,
    partition,
    plastic_parts,
    source_port,
    synapses_of,
)
from lava_nbp.nbp.projections import Projections, copies_learn_alike
from lava_nbp.nbp.work import Counters
from lava_nbp.on_lava.clock import Granularity, check_granularity
from lava_nbp.on_lava.gated_process import GatedProcess
from lava_nbp.on_lava.ports import InPort, OutPort, SharedVar
from lava_nbp.on_lava.process import LibraryProcess, NamedMatrices
from lava_nbp.processes.error_neurons import ErrorNeurons
from lava_nbp.processes.gated_lif import GatedLIF
from lava_nbp.processes.hebbian_dense import HebbianDense
from lava_nbp.processes.plastic_lif import PlasticLIF
from lava_nbp.processes.relay_memory import RelayMemory
from lava_nbp.processes.spike_raster import SpikeRaster
from lava_nbp.processes.surrogate_relu import SurrogateReLU
from lava_nbp.processes.synfire_chain import SynfireChain

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class NBPNetwork(LibraryProcess):
    """A whole circuit (`training_circuit`, `inference_circuit`, or one of your own), run spike by spike.

    One Lava step is either one circuit step (``granularity="step"``) or one sample,
    that is `circuit.period` steps (``granularity="sample"``); spikes and weights are
    the same. Lava step 1 of granularity "step" is the one in which the first gating neuron fires (phase
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
        A matrix (pre, post) per name in `circuit.matrices`: even integers in -254 .. 254.
    granularity : {"step", "sample"}
        What one Lava step is.

    Ports
    -----
    <source>_in : (its size,) spikes
        One per source of the circuit, relayed one-to-one to its population: what arrives in the phase before the
        source's makes the population fire in it. Any nonzero entry is one spike. Granularity "sample": the sample's
        spikes. The papers' circuits have x_in (n_in,), to arrive in phase 1, and, if they learn, t_in (n_out,), to
        arrive in phase 3.
    s_out : (n_out,) spikes
        Granularity "step": spikes of the output in this step, in every phase. Granularity
        "sample": spikes of the output in its output phase, the network's answer.
    a_out : (n_out,) int32, weight units
        Pre-activation of the output in its output phase (its summed input without the gate); in
        granularity "step" zero in all other phases (target "lava-stock": whatever dense
        input there is).
    raster_out : (rows, neurons) 0 or 1
        Spikes of every neuron, a row per circuit step (1 or `period` rows), population
        after population as in `circuit.populations`; see `split`. Costs nothing
        unless connected.

    Vars
    ----
    <matrix> : int16, 8-bit mixed-sign values
        One per matrix of the circuit, W1 and W2 in the papers'. `get` and `set` work at any time between runs, move
        the whole matrix at once and set every copy of it; `read_weights` and `write_weights` do so for all.
    gate_breaches : (1,) int64
        Spikes outside the schedule so far; see `Circuit.breach_bounds`. Read-only; stock processes count nothing.

    Raises
    ------
    WeightError
        For weights that do not fit the circuit or the chip's synapses.
    InputError
        For an unknown granularity, or a source or matrix whose name the Process or its models have already.

    Examples
    --------
    >>> import numpy as np
    >>> from lava_nbp import run_config, training_circuit
    >>> from lava_nbp import LavaRuntime
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
        check_circuit(circuit)
        check_granularity(granularity)
        self.circuit, self.granularity = circuit, granularity
        #: The weights; every model works on this memory, or copies it between runs.
        self.projections = Projections(circuit, weights, shared_zeros)
        self._stock: StockNetwork | None = None
        self._counters = Counters.make(shared_zeros)
        self._resets = shared_zeros(2, np.int64)  # how many there were, and the epoch of the last
        super().__init__(
            projections=self.projections, counters=self._counters, resets=self._resets, granularity=granularity,
            name=name,
        )  # fmt: skip
        n_out, rows = circuit.layers[-1], 1 if granularity == "step" else circuit.period
        self.s_out = OutPort(shape=(n_out,))
        self.a_out = OutPort(shape=(n_out,))
        self.raster_out = OutPort(shape=(rows, circuit.n_neurons))
        self.gate_breaches = SharedVar(lambda: self.counters.gate_breaches)
        for source in circuit.sources:
            size = circuit[source.population].size
            self.add_member(f"{source.name}_in", InPort(shape=(size,)), f"source {source.name!r}")
        for matrix in circuit.matrix_shapes:
            self.add_member(matrix, self._matrix_var(matrix), f"matrix {matrix!r}")

    def _matrix_var(self, matrix: str) -> SharedVar:
        def write(value: Any) -> None:
            self.write_weights({**self.read_weights(), matrix: value})

        return SharedVar(lambda: self.read_weights()[matrix], write)

    @property
    def stock(self) -> StockNetwork | None:
        """The lowered network, once it is built for the target "lava-stock"."""
        return self._stock

    @property
    def parts(self) -> tuple[Any, ...]:
        """The Processes it is built from, once it runs with the target "lava-primitives"; else none."""
        return tuple(self.procs)

    @property
    def counters(self) -> Counters:
        """Spikes, synaptic events, updates and gate breaches so far."""
        parts = [part.counters for part in self.parts if isinstance(part, LibraryProcess)]
        return Counters(*(np.sum(counted, axis=0) for counted in zip(self._counters, *parts, strict=True)))

    def source_in(self, source: str) -> InPort:
        """The port of a source."""
        port: InPort = getattr(self, f"{source}_in")
        return port

    def read_weights(self) -> dict[str, Any]:
        """Copies of the matrices as the running model holds them; call it between runs."""
        self._fetch([p.name for p in self.projections.plain.values()])
        return self.projections.read_weights()

    def read_projections(self) -> dict[str, Any]:
        """Copies of every dense projection's own weights, (pre, post), by name; call it between runs."""
        self._fetch()
        return self.projections.matrices()

    def _fetch(self, names: Iterable[str] | None = None) -> None:
        """Take over the weights that stock processes hold in memory of their own, whole matrices at once."""
        if self._stock is not None:
            self._stock.pull(names)

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """Set the matrices and all their copies in the running model; call it between runs.

        Raises
        ------
        WeightError
            As for the constructor; nothing is changed then.
        """
        self.projections.write_weights(weights)
        if self._stock is not None:
            self._stock.push()

    def read_copies(self) -> dict[str, Any]:
        """What every projection holds, if that does not follow from the matrices, see `Projections.read_copies`."""
        if self._stock is not None:
            if copies_learn_alike(self.circuit):
                return {}  # nothing to be read from the models
            self._fetch()
        return self.projections.read_copies()

    def write_copies(self, copies: Mapping[str, Any]) -> None:
        """Set every projection by itself in the running model; call it between runs.

        Raises
        ------
        WeightError
            See `Projections.write_copies`.
        """
        self.projections.write_copies(copies)
        if self._stock is not None:
            self._stock.push()

    def drawn(self) -> Epoch:
        """What the draws of the moment follow from: the circuit's seed, and the epoch that was begun last."""
        return Epoch.of(self.circuit, int(self._resets[1]))

    def reset(self) -> None:
        """Forget spikes under way: the next step is phase 0 again. Call it between runs; the weights stay."""
        self.begin_epoch(int(self._resets[1]))

    def begin_epoch(self, epoch: int) -> None:
        """The same, and what the circuit draws from now on is that of another epoch; see `Executor.begin_epoch`."""
        self._resets[:] = self._resets[0] + 1, check_epoch(epoch)
        if self._stock is not None:
            self._stock.reset()
            return
        for part in self.parts:
            part.reset()

    def split(self, raster: Any) -> dict[str, Any]:
        """Cut spikes of shape (..., neurons) into one array per population."""
        ends = np.cumsum([p.size for p in self.circuit.populations])
        parts = np.split(raster, ends[:-1], axis=-1)
        return {p.name: part for p, part in zip(self.circuit.populations, parts, strict=True)}


@implements(proc=NBPNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyNBPNetworkFixed(PyLoihiProcessModel, metaclass=NamedMatrices):  # type: ignore[misc]
    """Fixed-point CPU model: a `SpikingEngine` on the weights and counters that it shares with the parent."""

    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=18)
    gate_breaches: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        # Imported here because Lava executes this file at every compilation.
        from lava_nbp.nbp.spiking_engine import SpikingEngine

        self._projections: Projections = proc_params["projections"]
        self._engine = SpikingEngine(self._projections, counters=proc_params["counters"])
        self._whole_samples = proc_params["granularity"] == "sample"
        self._resets: Any = proc_params["resets"]
        self._resets_done = int(self._resets[0])
        self._engine.begin_epoch(int(self._resets[1]))

    def start(self) -> None:
        """Let the Vars be the shared memory, then serve the runtime."""
        for matrix, projection in self._projections.plain.items():
            masked = self._projections.circuit.mask_of(projection) is not None
            held = self._projections.matrix_of(projection) if masked else self._projections.arrays[projection.name]
            setattr(self, matrix, held)
        self.gate_breaches = self._engine.counters.gate_breaches
        self._inputs = [getattr(self, f"{source.name}_in") for source in self._projections.circuit.sources]
        super().start()

    def run_spk(self) -> None:
        """One circuit step, or one sample."""
        engine, circuit = self._engine, self._projections.circuit
        if self._resets_done != self._resets[0]:
            self._resets_done = int(self._resets[0])
            engine.begin_epoch(int(self._resets[1]))
        external = [(port.recv() != 0).astype(np.uint8) for port in self._inputs]
        recorded = bool(self.raster_out.csp_ports)
        if self._whole_samples:
            outcome, raster = engine.run(*(spikes[None] for spikes in external), record=recorded)
            assert outcome.membrane is not None
            self.s_out.send(outcome.spikes[0])
            self.a_out.send(outcome.membrane[0])
            if raster is not None:
                self.raster_out.send(raster[-circuit.period :])
            return
        membrane = engine.membrane()
        engine.step(*external)
        self.s_out.send(engine.spikes_of(circuit.answers))
        self.a_out.send(membrane)
        if recorded:
            self.raster_out.send(engine.all_spikes()[None])


@implements(proc=NBPNetwork, protocol=LoihiProtocol)
@tag("fixed_pt", "bit_accurate_loihi")
class SubNBPNetworkFixed(AbstractSubProcessModel):  # type: ignore[misc]
    """Hierarchical model: a `SynfireChain`, a Process per part of the circuit, a `HebbianDense` per matrix.

    The weights live in the memory of the network, so that they are read and written as with the other model.
    """

    built_from = "parts"

    def __init__(self, proc: NBPNetwork) -> None:
        circuit = proc.circuit
        _check_steps(proc)
        check_parts(circuit)
        self.chain = SynfireChain(circuit.period, autostart=True, name="chain")
        #: Spike output of every population.
        self.spikes: dict[str, OutPort] = {name: self.chain.phase(k) for k, name in enumerate(circuit.chain)}
        self.cells: dict[str, tuple[Any, str]] = {}
        parts = partition(circuit)
        for part in parts:
            cell = _make(circuit, part)
            setattr(self, f"part_{cell.name}", cell)
            self.chain.s_out.connect(cell.gate_in)
            first = {name: circuit.first_neuron(population) for name, population in part.members.items()}
            cell.group.draw_by(lambda: proc.drawn().key, first)
            for name, population in part.members.items():
                self.spikes[population] = getattr(cell, f"{name}_out")
                self.cells[population] = (cell, name)
        for part in parts:
            cell, _ = self.cells[next(iter(part.members.values()))]
            for port, sender in inputs_of(circuit, part).items():
                self.spikes[sender].connect(getattr(cell, port))
        for source in circuit.sources:
            cell, _ = self.cells[source.population]
            proc.source_in(source.name).connect(getattr(cell, source_port(source)))
        self._connect_dense(proc)
        self.spikes[circuit.answers].connect(proc.s_out)
        self.cells[circuit.output][0].a_out.connect(proc.a_out)
        if proc.raster_out.out_connections:
            self._connect_raster(proc)

    def _connect_dense(self, proc: NBPNetwork) -> None:
        circuit = proc.circuit
        reward = [circuit.reward(phase) for phase in range(circuit.period)]
        for plastic in plastic_parts(circuit):
            name = plastic.matrix.name
            dense = HebbianDense(
                proc.projections.matrix_of(plastic.matrix),
                rule=circuit.rule,
                third=reward,
                mirrors=plastic.mirrors,
                name=name,
                storage=proc.projections.arrays,
                chip_order=circuit.chip_order,
                rounding=Rounding.of(circuit, plastic.matrix.matrix, proc.drawn),
                mask=circuit.mask_of(plastic.matrix),
            )
            setattr(self, f"dense_{name}", dense)
            for end in dense.synapses.populations:
                self.spikes[plastic.members[end]].connect(getattr(dense, f"{end}_in"))
            for end in dense.synapses.posts:
                cell, role = self.cells[plastic.members[end]]
                sums = dense.a_out if end == "post" else getattr(dense, f"{end}_a_out")
                sums.connect(cell.a_in if role == "s" else getattr(cell, f"{role}_a_in"))
            if circuit.rule is not None and circuit.rule.needs_third_factor:
                self.chain.s_out.connect(dense.third_in)

    def _connect_raster(self, proc: NBPNetwork) -> None:
        self.raster = SpikeRaster({p.name: (p.size,) for p in proc.circuit.populations}, name="raster")
        for name, port in self.spikes.items():
            port.connect(getattr(self.raster, f"{name}_in"))
        self.raster.raster_out.connect(proc.raster_out)


@implements(proc=NBPNetwork, protocol=LoihiProtocol)
@tag("fixed_pt", "bit_accurate_loihi")
class SubNBPNetworkStock(AbstractSubProcessModel):  # type: ignore[misc]
    """Hierarchical model: the lowered circuit as Lava's stock processes, and `PlasticLIF` behind plastic synapses."""

    built_from = "stock"
    write_rule = staticmethod(simulated_rule)

    def __init__(self, proc: NBPNetwork) -> None:
        _check_steps(proc)
        proc._stock = stock = StockNetwork(
            proc.circuit, proc.projections.arrays, PlasticLIF.of, self.write_rule, proc.drawn
        )
        for name, process in stock.processes.items():
            setattr(self, f"part_{name}", process)
        self._connect(proc, stock)

    def _connect(self, proc: NBPNetwork, stock: StockNetwork) -> None:
        for source in proc.circuit.sources:
            proc.source_in(source.name).connect(stock.inputs[source.name].s_in)
        output = proc.circuit.output
        stock.groups[proc.circuit.answers].s_out.connect(proc.s_out)
        for d in stock.lowered.dense:
            if d.post == output:
                stock.dense[d.name].a_out.connect(proc.a_out)
        if proc.raster_out.out_connections:
            self._connect_raster(proc, stock)

    def _connect_raster(self, proc: NBPNetwork, stock: StockNetwork) -> None:
        groups, gating = stock.lowered.groups, proc.circuit.chain
        first = dict(zip((g.name for g in groups), np.cumsum([0, *(g.size for g in groups)]), strict=False))
        order: list[int] = []
        for p in proc.circuit.populations:
            row = first[stock.lowered.chain] + gating.index(p.name) if p.name in gating else first[p.name]
            order += range(row, row + p.size)
        self.raster = SpikeRaster({g.name: (g.size,) for g in groups}, order=order, name="raster")
        for g in groups:
            stock.groups[g.name].s_out.connect(getattr(self.raster, f"{g.name}_in"))
        self.raster.raster_out.connect(proc.raster_out)


@implements(proc=NBPNetwork, protocol=LoihiProtocol)
@tag("fixed_pt", "bit_accurate_loihi")
class SubNBPNetworkChip(SubNBPNetworkStock):
    """Hierarchical model for a chip: the same Processes, lava-loihi's adapters at their ends, and the authors' rule."""

    built_from = "chip"
    write_rule = staticmethod(chip_rule)

    def _connect(self, proc: NBPNetwork, stock: StockNetwork) -> None:
        from lava.proc.embedded_io.spike import NxToPyAdapter, PyToNxAdapter

        if proc.raster_out.out_connections or proc.a_out.out_connections:
            raise InputError(
                "NBPNetwork: raster_out and a_out show what a chip does not send; leave them unconnected, or use the "
                "target 'lava-stock'"
            )
        for source in proc.circuit.sources:
            port = proc.source_in(source.name)
            adapter = PyToNxAdapter(shape=port.shape)
            setattr(self, f"adapter_{source.name}", adapter)
            port.connect(adapter.inp)
            adapter.out.connect(stock.inputs[source.name].s_in)
        self.output = NxToPyAdapter(shape=proc.s_out.shape)
        stock.groups[proc.circuit.answers].s_out.connect(self.output.inp)
        self.output.out.connect(proc.s_out)


def _check_steps(proc: NBPNetwork) -> None:
    if proc.granularity != "step":
        raise InputError(
            f"NBPNetwork: what it is built from runs one circuit step per Lava step, but granularity is "
            f"{proc.granularity!r}; make the NBPNetwork with granularity='step'"
        )


def _make(circuit: Circuit, part: Part) -> GatedProcess:
    """The Process of a part, named after its first population."""
    neurons, synapses = neurons_of(circuit, part), synapses_of(circuit, part)
    name = next(iter(part.members.values()))
    shape, period = (circuit[name].size,), circuit.period
    readout = (circuit.sum_phase - 1) % period if circuit.output in part.members.values() else None
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
        return GatedLIF(
            shape, n_gates=period, synapses=synapses, readout=readout, noise=first.noise, name=name, **common
        )
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
