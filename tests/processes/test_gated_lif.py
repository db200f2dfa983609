"""GatedLIF on Lava: by hand, against Lava's stock LIF on all state, beside stock Processes, and what is refused."""

import numpy as np
import pytest
from feeding import feed

import lava_nbp
from lava_nbp.errors import InputError, PortError, RuntimeFailure, WeightError
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import Gate, GatedLIF, Synapses, SynfireChain
from lava_nbp.processes.gated_lif import PyGatedLIFFixed

from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF


@pytest.mark.parametrize("tag", ["fixed_pt", "floating_pt"])
def test_by_hand(tag, way):
    """Gate in step 1 for step 2: 512 is not enough, 513 is; in step 3 the gate is closed."""
    population = GatedLIF((2,))
    inputs = {"gate_in": [[1], [0], [0]], "a_in": [[600, 600], [512, 513], [600, 600]]}
    found = feed(population, inputs, ["s_out"], config=lava_nbp.run_config("lava", tag))
    assert found["s_out"].tolist() == [[0, 0], [0, 1], [0, 0]]
    assert population.breaches.get().tolist() == [0]
    assert population.u.get().tolist() == [64 * 600] * 2
    assert population.v.get().tolist() == [64 * (600 - 8192)] * 2
    assert population.u.get().dtype == (np.float64 if tag == "floating_pt" else np.int64)


def test_floating_point_takes_real_input(way):
    found = feed(
        GatedLIF((2,), readout=0),
        {"gate_in": [[1], [0]], "a_in": [[0.0, 0.0], [512.25, 511.75]]},
        ["s_out", "a_out"],
        config=lava_nbp.run_config("lava", "floating_pt"),
    )
    assert found["s_out"].tolist() == [[0, 0], [1, 0]]
    assert found["a_out"].tolist() == [[0, 0], [512.25, 511.75]]


def test_fixed_point_refuses_real_input(way):
    """The stock source has only a floating-point model that can send a half; our model stays the fixed-point one."""
    source, population = Source(data=np.array([[0.0, 0.5]])), GatedLIF((1,))
    source.s_out.connect(population.a_in)
    config = Loihi2SimCfg(select_tag="floating_pt", exception_proc_model_map={population: PyGatedLIFFixed})
    with (
        pytest.raises(
            RuntimeFailure, match=r"GatedLIF.* in step 2: .*brings 0.5, but the fixed-point model takes integers"
        ),
        LavaRuntime(population, config, timeout=20) as runtime,
    ):
        runtime.run(3)


def test_the_bit_accurate_tag_selects_the_fixed_point_model(way):
    chain, population = SynfireChain(1, autostart=True), GatedLIF((2,))
    chain.s_out.connect(population.gate_in)
    with LavaRuntime(population, lava_nbp.run_config("lava", "bit_accurate_loihi"), timeout=20) as runtime:
        runtime.run(2)
        assert population.u.get().tolist() == [64 * 8704] * 2
        assert population.u.get().dtype == np.int64


def test_all_state_as_lavas_own_bit_accurate_lif(way):
    """Wide random input without gates: u wraps, v saturates, spikes and resets agree with the stock model.

    dv = 4096 is Lava's way to forget v (4095 leaves a remainder); du = 4095 forgets u.
    """
    rng = np.random.default_rng(0)
    rows = rng.integers(-200_000, 200_000, (40, 50)) // rng.choice([1, 10, 100], (40, 1))
    rows[0, :4] = [2**17, 2**17 + 1, -(2**17), 9217]
    ours, stock = GatedLIF((50,)), LIF(shape=(50,), du=4095, dv=4096, vth=1024, bias_mant=-4096, bias_exp=7)
    source = Source(data=rows.T)
    sinks = [Sink(shape=(50,), buffer=40) for _ in range(2)]
    source.s_out.connect(ours.a_in)
    source.s_out.connect(stock.a_in)
    ours.s_out.connect(sinks[0].a_in)
    stock.s_out.connect(sinks[1].a_in)
    with LavaRuntime(ours, timeout=60) as runtime:
        for _ in range(40):
            runtime.run(1)
            assert np.array_equal(ours.u.get(), stock.u.get())
            assert np.array_equal(ours.v.get(), stock.v.get())
        spikes = [sink.data.get() for sink in sinks]
    assert np.array_equal(*spikes)
    assert spikes[0].any()
    assert not spikes[0].all()


@pytest.mark.parametrize("own_runtime", [True, False])
def test_with_plain_lava_run_configuration_and_stock_processes(own_runtime):
    """Source -> Dense -> GatedLIF -> Dense -> LIF, and the gate from a stock source."""
    from lava.magma.core.run_conditions import RunSteps

    spike, gate = Source(data=np.array([[1, 1, 1, 0, 0]])), Source(data=np.array([[0, 1, 0, 0, 0]]))
    before, population = Dense(weights=np.array([[200], [100]]), num_weight_bits=8, weight_exp=2), GatedLIF((2,))
    behind, lif, sink = (
        Dense(weights=np.eye(2) * 100),
        LIF(shape=(2,), du=4095, dv=4095, vth=50),
        Sink(shape=(2,), buffer=5),
    )
    spike.s_out.connect(before.s_in)
    gate.s_out.connect(population.gate_in)
    before.a_out.connect(population.a_in)
    population.s_out.connect(behind.s_in)
    behind.a_out.connect(lif.a_in)
    lif.s_out.connect(sink.a_in)
    config = Loihi2SimCfg(select_tag="fixed_pt")
    # Spike in 1 -> a_in in 2, 3, 4; gate in 2 opens 3: 800 fires, 400 does not; Dense takes a step: LIF fires in 4.
    if own_runtime:
        with LavaRuntime(population, config, timeout=60) as runtime:
            runtime.run(5)
            found = sink.data.get()
    else:
        population.run(RunSteps(5), config)
        found = sink.data.get()
        population.stop()
    assert found.tolist() == [[0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]


def test_chain_entries_inhibition_and_ports_of_its_own(way):
    """Opened in phases 0 and 2, inhibited in 2 by another gate; relays of two delays on two ports."""
    chain = SynfireChain(3, autostart=True)
    population = GatedLIF(
        (1,),
        gates=[Gate(0), Gate(2), Gate(2, -8128)],
        n_gates=3,
        synapses=[Synapses("now_in", "s"), Synapses("later_in", "s", delay=2)],
    )
    chain.s_out.connect(population.gate_in)
    found = feed(population, {"now_in": [[1]] * 9, "later_in": [[0]] * 9}, ["s_out"])
    assert found["s_out"].ravel().tolist() == [0, 1, 0, 0, 1, 0, 0, 1, 0]
    chain = SynfireChain(3, autostart=True)
    population = GatedLIF((1,), gates=[Gate(0)], n_gates=3, synapses=[Synapses("later_in", "s", delay=2)])
    chain.s_out.connect(population.gate_in)
    found = feed(population, {"later_in": [[1], [1], [0], [0], [0]]}, ["s_out"])
    assert found["s_out"].ravel().tolist() == [0, 0, 0, 0, 1]


def test_shapes_of_several_dimensions(way):
    spikes = np.zeros((3, 2, 3), int)
    spikes[0, 1, 2] = 1
    found = feed(GatedLIF((2, 3)), {"s_in": spikes, "gate_in": [[1], [0], [0]]}, ["s_out"])
    assert np.array_equal(found["s_out"][1], spikes[0])
    assert not found["s_out"][2].any()


def test_wrong_shapes_name_both_sides():
    population = GatedLIF((4,), name="memory")
    message = r"SynfireChain.s_out: \(3,\) -> memory.gate_in: \(1,\): the shapes differ"
    with pytest.raises(PortError, match=message):
        SynfireChain(3).s_out.connect(population.gate_in)
    with pytest.raises(PortError, match=r"Dense.a_out: \(2,\) -> memory.a_in: \(4,\)"):
        population.a_in.connect_from(Dense(weights=np.eye(2)).a_out)
    with pytest.raises(PortError, match=r"memory.s_out: \(4,\) -> LIF.a_in: \(5,\)"):
        population.s_out.connect(LIF(shape=(5,)).a_in)
    with pytest.raises(PortError, match=r"RingBuffer.s_out: \(3,\) -> memory.s_in: \(4,\)"):
        population.s_in.connect_from(Source(data=np.zeros((3, 1))).s_out)
    with pytest.raises(PortError, match=r"memory.s_out reshaped: \(2, 2\) -> memory.s_in: \(4,\)"):
        population.s_out.reshape((2, 2)).connect(population.s_in)
    # What is connected by a stock Process's port is Lava's own affair.
    for port in (LIF(shape=(5,)).a_in, population.a_in):
        with pytest.raises(AssertionError, match="are incompatible"):
            Dense(weights=np.eye(2)).a_out.connect(port)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bias": 40_000}, InputError, "bias 40000 does not fit the chip"),
        ({"vth": 200_000}, InputError, "vth is 200000"),
        ({"refractory": 100}, InputError, "refractory is 100"),
        ({"gates": [Gate(3)], "n_gates": 3}, InputError, "gate entry is 3.*gate_in has 3 entries"),
        (lambda: {"gates": [Gate(0, 8705)]}, WeightError, "gate weight 8705 does not fit a synapse"),
        (lambda: {"synapses": [Synapses("s_in", "s", delay=63)]}, InputError, "delay is 63.*0 .. 62"),
        ({"synapses": [Synapses("gate_in", "s")]}, InputError, "port 'gate_in' would be there twice"),
    ],
)
def test_parameters_that_do_not_fit(options, error, message):
    with pytest.raises(error, match=message):
        GatedLIF((2,), **(options() if callable(options) else options))


def test_vars_that_can_only_be_read():
    population = GatedLIF((2,))
    with pytest.raises(InputError, match="GatedLIF.v: .* can only be read"):
        population.v.set(np.zeros(2))
