"""Runs on the stand-in for lava-loihi, each in an interpreter of its own: ``python scenarios.py SCENARIO``.

A scenario prints "went well" at its end. (Lava executes every file beside a Process of its own: keep the Processes of
tests/support/runtime and this file apart.)
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "fake_lava_loihi"))
sys.path.insert(0, str(HERE.parent / "support"))


import numpy as np  # noqa: E402

import lava_nbp  # noqa: E402, F401 - repairs Lava

# What Lava's compiler does for neurocores needs lava-loihi's compiler; the stand-in's neurocores are CPU models.
from lava.magma.compiler import compiler, compiler_graphs  # noqa: E402
from lava.magma.compiler.subcompilers import channel_builders_factory  # noqa: E402
from lava.magma.compiler.subcompilers.py import pyproc_compiler  # noqa: E402

for module in (compiler, compiler_graphs, channel_builders_factory, pyproc_compiler):
    module.AbstractNcProcessModel = module.AbstractCProcessModel = type("NotHere", (), {})
compiler_graphs.ProcessModelTypes = (compiler_graphs.ProcessModelTypes.PY,)

from networks import random_samples, random_weights  # noqa: E402

from lava_nbp import run_config  # noqa: E402

LAYERS = (9, 7, 4)


def problem(seed, n=4, layers=LAYERS):
    rng = np.random.default_rng(seed)
    # Far from +-254, where the rule of the chip and ours differ on Lava's learning engine.
    weights = {name: np.clip(w, -200, 200) for name, w in random_weights(layers, rng).items()}
    x, labels, targets = random_samples(n, layers, rng, density=0.6)
    return weights, x, labels, targets


def executor(target="loihi2"):
    """Infer, train, begin anew, infer: networks take turns on the board; the same bits as the spiking executor."""
    from lava_nbp.executors.make import make_executor
    from lava_nbp.loihi.host import BoardAddress
    from lava_nbp.nbp.paper import training_circuit

    weights, x, _, targets = problem(0, n=3)
    circuit = training_circuit(*LAYERS, chip_order=True)
    results = []
    there = {"address": BoardAddress("oheogulch"), "chunk": 2}
    for name, options in (("spiking", {}), (target, there)):
        with make_executor(name, circuit, weights, **options) as made:
            answers = [made.infer(x).spikes, made.train(x, targets).spikes]
            made.begin_epoch()
            answers += [made.train(x[2:], targets[2:]).spikes, *made.read_weights().values()]
            last = made.infer(x)
            results.append([*answers, last.spikes])
            if name == target:
                assert last.membrane is None
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)
    assert os.environ["SLURM"] == "1", "the board was chosen"
    print("partition", os.environ["PARTITION"], os.environ["LOIHI_GEN"])


def eventprop():
    """A trained EventProp network's answers: those of the clocked engine, without any microcode."""
    from lava_nbp.errors import LavaNBPError
    from lava_nbp.eventprop import ClockedEngine, FixedPoint, NeuronParameters, Setup, TTFSLoss, spike_trains
    from lava_nbp.executors.eventprop_inference import EventPropInferenceExecutor
    from lava_nbp.loihi.host import BoardAddress

    os.environ.pop("LAVA_NBP_MICROCODE", None)
    target, rng = sys.argv[2], np.random.default_rng(0)
    weights = [rng.normal(3.5, 0.7, (4, 6)), rng.normal(1.4, 0.7, (6, 3))]
    setup = Setup(FixedPoint(NeuronParameters(), 1.0, 40.0, neuron="loihi"), TTFSLoss())
    options = {"delays": [rng.integers(0, 5, (4, 6)), None], "recurrent": [rng.normal(0, 0.5, (6, 6)), None]}
    trains = spike_trains([(np.sort(rng.permutation(40)[:9]) * 1.0, rng.integers(0, 4, 9)) for _ in range(3)], 4, 40.0)
    engine = ClockedEngine(weights, setup, **options)
    there = {"target": target, "address": BoardAddress("oheogulch")}
    with EventPropInferenceExecutor(weights, setup, **options, **there) as made:
        for _ in range(2):
            answers = made.infer(trains).said
            assert np.array_equal(answers, engine.infer(trains).said)
            assert np.isfinite(answers).any()
            assert list(made.spikes(trains, 0)) == ["output"]
            for either in (made, engine):
                either.write_masters([m - (m >> 3) for m in engine.masters])
    crowded = spike_trains([([3.0, 3.0], [1, 1])], 4, 40.0)
    with EventPropInferenceExecutor(weights, setup, **options, **there) as made:
        try:
            assert np.array_equal(
                made.infer(crowded).said, ClockedEngine(weights, setup, **options).infer(crowded).said
            )
            print("graded")
        except LavaNBPError as error:
            print("raised", error)


def ladder():
    """Levels of a network that answers by largest voltages: the clocked engine's."""
    from lava_nbp.eventprop import (
        ClockedEngine,
        FixedPoint,
        Ladder,
        MaxVoltageLoss,
        NeuronParameters,
        Setup,
        spike_trains,
    )
    from lava_nbp.executors.eventprop_inference import EventPropInferenceExecutor
    from lava_nbp.loihi.host import BoardAddress

    os.environ.pop("LAVA_NBP_MICROCODE", None)
    target, rng = sys.argv[2], np.random.default_rng(0)
    c = FixedPoint(NeuronParameters(), 1.0, 40.0, 13, neuron="loihi")
    setup = Setup(c, MaxVoltageLoss(), ladder=Ladder(5, 3.0))
    trains = spike_trains([(np.sort(rng.permutation(40)[:9]) * 1.0, rng.integers(0, 4, 9)) for _ in range(3)], 4, 40.0)
    # A hidden layer, with delays; and outputs to which the input's spikes come.
    for weights, delays in (
        ([rng.normal(3.5, 0.7, (4, 6)), rng.normal(0.4, 0.7, (6, 3))], [None, rng.integers(0, 5, (6, 3))]),
        ([rng.normal(1.5, 2.0, (4, 3))], None),
    ):
        engine = ClockedEngine(weights, setup, delays=delays)
        where = {"target": target, "address": BoardAddress("oheogulch")}
        with EventPropInferenceExecutor(weights, setup, delays=delays, **where) as made:
            found = made.infer(trains)
            assert found.voltages
            assert np.array_equal(found.said, engine.infer(trains).said)
            assert len(np.unique(found.said)) > 2
            (only,) = made.spikes(trains, 1).items()
            assert only[0] == "output"
            assert np.array_equal(only[1], engine.spikes(trains, 1)["output"])


def eventprop_learning():
    """EventProp learns by programs, instruction by instruction: answers, gradients, weights, both synaptic memories."""
    from lava_nbp.errors import LavaNBPError
    from lava_nbp.eventprop import ClockedEngine, FixedPoint, NeuronParameters, Setup, TTFSLoss
    from lava_nbp.executors.chip import ChipRuntime
    from lava_nbp.loihi.program_files import write_programs
    from lava_nbp.processes import EventPropNetwork, SpikeSource

    def raised(runtime, steps):
        try:
            runtime.run(steps)
        except LavaNBPError as error:
            return str(error)
        raise AssertionError("not refused")

    folder, rng, batch, rate = Path(sys.argv[2]), np.random.default_rng(0), 2, 0.05
    c = FixedPoint(NeuronParameters(), 1.0, 16.0, coefficient_bits=16, adjoint_bits=16, neuron="loihi")
    weights, setup = [rng.normal(3.5, 0.7, (4, 6)), rng.normal(1.4, 0.7, (6, 3))], Setup(c, TTFSLoss(tau0=1.0))
    samples = [(np.sort(rng.integers(0, 10, 4)), rng.permutation(4)) for _ in range(4)]
    labels = rng.integers(0, 3, 4)

    def load(room):
        network = EventPropNetwork(
            weights, setup, granularity="step", batch=batch, rate=rate, capacity=batch, room=room
        )
        source = SpikeSource(4, 3, c, granularity="step", period=network.chip_period, capacity=batch)
        source.s_out.connect(network.s_in)
        source.label_out.connect(network.label_in)
        return network, source

    os.environ.pop("LAVA_NBP_PROGRAMS", None)
    print("raised", raised(ChipRuntime(load(room=6)[0], "loihi2"), 1))
    os.environ["LAVA_NBP_PROGRAMS"] = str(folder)
    print("raised", raised(ChipRuntime(load(room=6)[0], "loihi2"), 1))
    print("raised", raised(ChipRuntime(load(room=6)[0], "loihi1"), 1))
    for room in (6, 1):
        network, source = load(room)
        for listing in write_programs(network.lower(), folder):
            # The stand-in's microcode is the listing.
            listing.with_suffix(".dasm").write_text(listing.read_text())
        (folder / "embedded_learner.c").write_text("// the stand-in has it in Python")
        runtime = ChipRuntime(network, "loihi2")
        if room == 1:
            source.load(samples[:batch], labels[:batch])
            print("raised", raised(runtime, 1 + batch * network.chip_period))
            continue
        engine, steps = ClockedEngine(weights, setup), 1
        for first in range(0, len(samples), batch):
            chosen = slice(first, first + batch)
            source.load(samples[chosen], labels[chosen])
            network.rewind()
            runtime.run(steps + batch * network.chip_period)
            engine.forget()
            answers = [
                engine.run_sample(*s, int(label))[0] for s, label in zip(samples[chosen], labels[chosen], strict=True)
            ]
            gradients, before = [g.copy() for g in engine.gradients], [m.copy() for m in engine.masters]
            engine.learn(batch, rate)
            assert np.array_equal(network.answers, answers)
            assert np.min(answers) < c.steps
            learner = network.learner
            for k, gradient in enumerate(gradients):
                assert gradient.any()
                assert np.array_equal(learner.gradients[k].get(), gradient)
                assert np.array_equal(network.read_masters()[k], engine.masters[k])
                assert not np.array_equal(before[k], engine.masters[k])
                mantissas = engine.forward_weights[k] >> engine.exponents[k]
                assert np.array_equal(learner.memories[k].weights.get(), mantissas)
                if k:
                    assert np.array_equal(learner.memories[k].mirror.get(), mantissas.T)
            print("learned", first + batch)
            steps = 0
        for change, given in ((network.write_masters, [engine.masters]), (network.reset, [])):
            try:
                change(*given)
            except LavaNBPError as error:
                print("refused", error)
        runtime.stop()
    listing.write_text("program of another network")
    print("raised", raised(ChipRuntime(load(room=1)[0], "loihi2"), 1))


def parts():
    """The library's own neurons run from their registers alone, as their CPU models do."""
    from lava_nbp.processes import ErrorNeurons, Gate, GatedLIF, RelayMemory, SurrogateReLU, Synapses, SynfireChain

    from lava.magma.core.run_conditions import RunSteps
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    gates = (Gate(0), Gate(2), Gate(2, 512), Gate(1, -8128))
    makers = {
        "lif": lambda: GatedLIF(
            (3,), gates=gates, n_gates=4, refractory=2,
            synapses=[Synapses("s_in", "s"), Synapses("t_in", "s", -520, 2), Synapses("t_in", "s", 1040, 5)],
        ),
        "memory": lambda: RelayMemory((3,), delays=(0, 3), gates=gates, n_gates=4),
        "surrogate": lambda: SurrogateReLU(
            (3,), gates={"s": [Gate(0)], "lo": [Gate(0), Gate(0, 512)], "hi": [Gate(0, 8192)], "box": [Gate(1)]},
            n_gates=4,
        ),
        "error": lambda: ErrorNeurons((3,), gates=gates, n_gates=4),
    }  # fmt: skip
    for name, make in makers.items():
        recorded = []
        for target in ("lava", "loihi2"):
            rng = np.random.default_rng(5)
            process, chain = make(), SynfireChain(4, autostart=True)
            chain.s_out.connect(process.gate_in)
            for port in process.in_ports:
                if port.name == "gate_in":
                    continue
                high = 1200 if port.name.endswith("a_in") else 2
                source = Source(data=rng.integers(0, high, (3, 40)))
                source.s_out.connect(port)
            sinks = []
            for port in [*process.out_ports, chain.s_out]:
                sinks.append(Sink(shape=port.shape, buffer=40))
                port.connect(sinks[-1].a_in)
            process.run(RunSteps(40), run_config(target))
            recorded.append([sink.data.get().astype(int) for sink in sinks])
            process.stop()
        for one, two in zip(*recorded, strict=True):
            assert np.array_equal(one, two), name
        assert all(rows.any() for rows in recorded[0]), name
        print("same", name)


def fails():
    """A model that fails ends the run and leaves nothing; missing microcode is seen before anything is loaded."""
    from lava_nbp.errors import LavaNBPError
    from lava_nbp.executors.make import make_executor
    from lava_nbp.nbp.paper import training_circuit

    import lava.proc.lif.ncmodels as stock

    def fail(self):
        raise ValueError("out of cores")

    stock.NcModelLif.run_spk = fail
    weights, x, _, targets = problem(0)
    for _ in range(2):
        with make_executor("loihi2", training_circuit(*LAYERS, chip_order=True), weights) as made:
            try:
                made.train(x, targets)
            except LavaNBPError as error:
                print("raised", str(error).splitlines()[0])
        os.environ["LAVA_NBP_MICROCODE"] = "nowhere.dasm"


def refused():
    """Nothing runs on the CPU unasked."""
    from lava_nbp.errors import InputError, MissingLoihiError
    from lava_nbp.executors.lava_nbp import CircuitSession
    from lava_nbp.nbp.paper import inference_circuit
    from lava_nbp.processes import HebbianDense, NBPNetwork

    def message(make):
        try:
            make()
        except (MissingLoihiError, InputError) as error:
            return str(error)
        raise AssertionError("not refused")

    from lava.magma.core.run_conditions import RunSteps

    print(message(lambda: HebbianDense(np.zeros((2, 2), int)).run(RunSteps(1), run_config("loihi2"))))
    weights, _, _, _ = problem(0)
    circuit = inference_circuit(*LAYERS)
    for options in ({"raster": True}, {"granularity": "sample"}):
        print(
            message(
                lambda options=options: CircuitSession(circuit, weights, "loihi2", **options).run(
                    np.zeros((1, 9), np.uint8)
                )
            )
        )
    assert NBPNetwork(circuit=circuit, weights=weights).stock is None
    # A stock Process without a model for the chip: the stand-in has none for Sparse.
    from scipy.sparse import csr_matrix

    from lava.proc.sparse.process import Sparse

    sparse = Sparse(weights=csr_matrix(np.ones((2, 2))))
    print(message(lambda: sparse.run(RunSteps(1), run_config("loihi2"))))


def train():
    """A configuration of the chip: an epoch there, resumed there, the same weights as the spiking target."""
    from lava_nbp.runs.train import train as run
    from lava_nbp.training.config import load_config

    config, folder = Path(sys.argv[2]), Path(sys.argv[3])
    small = ["network.n_hidden=6", "data.train=3", "data.test=2", "data.validation=1", "data.side=3", "loihi.chunk=2"]
    small += ["network.initial_clip=100", "target=loihi1"]
    first = run(load_config(config, [*small, "epochs=1"]), folder / "chip")
    assert first["last"]["test_accuracy_membrane"] is None
    run(load_config(config, [*small, "epochs=2"]), folder / "chip", resume=True)
    run(load_config(config, [*small, "epochs=2", "target=spiking"]), folder / "spiking")
    from lava_nbp.training.run import load_run

    chip, spiking = (load_run(folder / name).state.weights for name in ("chip", "spiking"))
    for name, w in spiking.items():
        assert np.array_equal(chip[name], w)


if __name__ == "__main__":
    scenarios = (executor, eventprop, ladder, eventprop_learning, parts, fails, refused, train)
    {scenario.__name__: scenario for scenario in scenarios}[sys.argv[1]]()
    print("went well")
