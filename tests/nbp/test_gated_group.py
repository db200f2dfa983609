"""Gated neurons: cases done by hand, every state against a slow oracle, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neuron_oracle import OracleGroup

from lava_nbp.errors import InputError, WeightError
from lava_nbp.nbp.gated_group import Gate, GatedGroup, Neurons, Readout, Synapses

RELAY_IN = (Synapses("s_in", "s"),)


def run(group, steps):
    """Run steps of (dense, port spikes, gates); the spikes of "s" per step."""
    fired = []
    for dense, ports, gates in steps:
        fired.append(group.fire({k: np.array(v) for k, v in dense.items()})["s"].astype(int).tolist())
        for port, spikes in ports.items():
            group.receive(port, np.array(spikes))
        if group.n_gates:
            group.receive_gates(np.array(gates))
    return fired


def test_by_hand_input_alone_gate_alone_and_both():
    """bias -8192, vth 1024: 520 and 8704 alone stay below 9216, together 9224 > 9216."""
    group = GatedGroup((3,), [Neurons("s")], RELAY_IN)
    fired = run(group, [({}, {"s_in": [1, 0, 1]}, [0]), ({}, {"s_in": [0, 0, 1]}, [1]), ({}, {}, [0])])
    assert fired == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert group.u.tolist() == [[64 * 8704, 64 * 8704, 64 * 9224]]
    assert group.v.tolist() == [[64 * (8704 - 8192)] * 2 + [0]]  # 0 after the spike
    # Spikes: one. Events: two relays, then one relay and a gate to three neurons. No breach.
    assert [int(c[0]) for c in group.counters] == [1, 6, 0, 0]


@pytest.mark.parametrize(("a", "fires"), [(512, 0), (513, 1), (9216, 1)])
def test_by_hand_weighted_input_acts_at_once_and_strictly_above(a, fires):
    group = GatedGroup((1,), [Neurons("s")])
    run(group, [({}, {}, [1])])
    assert run(group, [({"s": [a]}, {}, [0])]) == [[fires]]
    assert group.counters.gate_breaches[0] == 0


def test_by_hand_without_a_gate_9216_is_not_enough_and_9217_is_a_breach():
    group = GatedGroup((2,), [Neurons("s")])
    assert run(group, [({"s": [9216, 9217]}, {}, [0])]) == [[0, 1]]
    assert group.counters.gate_breaches[0] == 1


def test_by_hand_the_24_bit_registers():
    """2**17 in weight units is 2**23, the largest current; one more wraps to -2**23 + 64."""
    group = GatedGroup((4,), [Neurons("s")])
    run(group, [({"s": [2**17, 2**17 + 1, -(2**17), 100_000]}, {}, [0])])
    assert group.u[0].tolist() == [2**23, -(2**23) + 64, 2**23, 6_400_000]
    # 2**23 + bias is no overflow; -2**23 + 64 + bias saturates; where a neuron fired v is 0.
    assert group.v[0].tolist() == [0, -(2**23) + 1, 0, 0]
    assert group.counters.gate_breaches[0] == 2 + 3  # two wraps, three spikes without a gate


def test_by_hand_refractory_period_of_three():
    group = GatedGroup((1,), [Neurons("s", refractory=3)])
    steps = [({}, {}, [1])] + [({"s": [600]}, {}, [1])] * 5
    assert run(group, steps) == [[0], [1], [0], [0], [1], [0]]


def test_by_hand_delays_and_a_gate_from_synapses():
    """box-like: a gate synapse of delay 2 opens for a relay of delay 0 that comes two steps later."""
    synapses = [Synapses("g_in", "s", 8704, 2, "gate"), Synapses("r_in", "s", 520)]
    group = GatedGroup((2,), [Neurons("s", ())], synapses, n_gates=0)
    steps = [({}, {"g_in": [1, 0]}, []), ({}, {}, []), ({}, {"r_in": [1, 1]}, []), ({}, {}, [])]
    assert run(group, steps) == [[0, 0], [0, 0], [0, 0], [1, 0]]
    assert group.counters.gate_breaches[0] == 0


def test_by_hand_readout_shows_the_input_without_gates():
    group = GatedGroup((1,), [Neurons("s", (Gate(0), Gate(1)))], RELAY_IN, n_gates=2, readout=Readout("s", 1))
    shown = []
    for gates in ([1, 0], [0, 1], [0, 0]):
        group.fire({"s": np.array([40])})
        shown.append(group.pre_activation.item())
        group.receive("s_in", np.array([1]))
        group.receive_gates(np.array(gates))
    group.fire({"s": np.array([40])})
    assert shown == [0, 0, 560]
    assert group.pre_activation.item() == 0


def test_several_spikes_at_once_act_as_often():
    group = GatedGroup((1,), [Neurons("s")], RELAY_IN)
    run(group, [({}, {"s_in": [18]}, [0]), ({}, {}, [0])])
    assert group.u.item() == 64 * 18 * 520


def test_reset_forgets_what_is_under_way():
    group = GatedGroup((1,), [Neurons("s")], [Synapses("s_in", "s", delay=3)])
    run(group, [({}, {"s_in": [1]}, [0])] * 3)
    group.reset()
    assert run(group, [({}, {}, [1]), ({}, {}, [1]), ({}, {}, [0])]) == [[0]] * 3


def test_floating_point_neither_wraps_nor_saturates_nor_rounds():
    group = GatedGroup((3,), [Neurons("s")])
    group.use_floating_point()
    run(group, [({}, {}, [1])])
    assert run(group, [({"s": [512.0, 512.01, 1e9]}, {}, [0])]) == [[0, 1, 1]]
    assert group.u[0].tolist() == [64 * (8704 + a) for a in (512.0, 512.01, 1e9)]
    assert group.counters.gate_breaches[0] == 0
    assert run(group, [({"s": [600.5, 0.0, 0.0]}, {}, [0])]) == [[0, 0, 0]]
    assert group.v[0].tolist() == [64 * (600.5 - 8192)] + [-64.0 * 8192] * 2


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_state_in_every_step_against_the_oracle(seed):
    rng = np.random.default_rng(seed)
    n, n_gates = int(rng.integers(1, 5)), int(rng.integers(0, 4))
    names = ["s", "lo", "p"][: rng.integers(1, 4)]
    weights = [520, -520, 8704, 9280, -8128, 512, 254, 32640, -32512]

    def neurons(name):
        entries = rng.integers(0, n_gates, rng.integers(0, 4)) if n_gates else []
        gates = tuple(Gate(int(e), int(rng.choice(weights))) for e in entries)
        schedule = tuple(int(e) for e in rng.integers(0, n_gates, 2)) if n_gates and rng.random() < 0.5 else None
        bias = int(rng.choice([-8192, -4096, -100, 0]))
        return Neurons(name, gates, bias, int(rng.choice([0, 1024, 5000])), int(rng.integers(1, 5)), schedule)

    population = [neurons(name) for name in names]
    ports = ["a1_in", "b_in"]

    def synapse():
        pre, post = str(rng.choice([*names, *ports])), str(rng.choice(names))
        role = "gate" if rng.random() < 0.5 else "relay"
        return Synapses(pre, post, int(rng.choice(weights)), int(rng.integers(0, 6)), role)

    synapses = [synapse() for _ in range(rng.integers(0, 7))]
    group = GatedGroup((n,), population, synapses, n_gates)
    oracle = OracleGroup(
        n,
        [(p.name, [(g.entry, g.weight) for g in p.gates], p.bias, p.vth, p.refractory, p.schedule) for p in population],
        [(s.pre, s.post, s.weight, s.delay, s.role == "gate") for s in synapses],
    )
    fired = 0
    for _ in range(25):
        dense = {
            name: rng.integers(-300_000, 300_000, n) // int(rng.choice([1, 30, 1000]))
            for name in names
            if rng.random() < 0.6
        }
        spikes = {port: rng.integers(0, 3, n) * (rng.random() < 0.5) for port in group.ports}
        gates = (rng.random(n_gates) < 0.4).astype(int)
        found = group.fire(dense)
        for name, s in found.items():
            group.receive(name, s)
        for port, s in spikes.items():
            group.receive(port, s)
        if n_gates:
            group.receive_gates(gates)
        expected = oracle.step(
            {k: v.tolist() for k, v in dense.items()}, {k: v.tolist() for k, v in spikes.items()}, gates.tolist()
        )
        for k, name in enumerate(names):
            assert found[name].astype(int).tolist() == expected[0][name]
            assert group.u[k].tolist() == expected[1][name]
            assert group.v[k].tolist() == expected[2][name]
            fired += sum(expected[0][name])
        c = group.counters
        assert (c.spikes[0], c.synaptic_events[0], c.gate_breaches[0]) == (fired, oracle.events, oracle.breaches)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": -8193}, r"population 's': bias -8193 does not fit the chip.*13 bits.*-8192 .. 8190"),
        ({"bias": -16384}, "bias -16384 does not fit"),
        ({"bias": -0.5}, "bias is -0.5, but must be an integer"),
        ({"bias": 1025}, "bias 1025 is over the threshold 1024"),
        ({"vth": 2**17}, r"vth is 131072, but must be an integer in 0 .. 131071"),
        ({"vth": -1}, "vth is -1"),
        ({"refractory": 0}, "refractory is 0, but must be an integer in 1 .. 63"),
        ({"refractory": 64}, "refractory is 64"),
        ({"gates": (Gate(1),)}, "gate entry is 1, but must be an integer in 0 .. 0; gate_in has 1 entries"),
        ({"schedule": (2,)}, "schedule entry is 2"),
    ],
)
def test_parameters_that_do_not_fit_the_chip(change, message):
    with pytest.raises(InputError, match=message):
        GatedGroup((2,), [Neurons("s", **change)])


def test_the_widest_parameters_that_do_fit():
    group = GatedGroup(
        (1,), [Neurons("s", bias=-8192, vth=2**17 - 1, refractory=63)], [Synapses("s_in", "s", 32640, 62)]
    )
    assert (group.bias_mant.tolist(), group.bias_exp.tolist()) == ([-4096], [7])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weight": 521}, WeightError, "weight 521 does not fit a synapse"),
        ({"weight": 32768}, WeightError, "weight 32768 does not fit"),
        ({"weight": 5.5}, WeightError, "weight is 5.5, but must be an integer"),
        ({"delay": 63}, InputError, r"delay is 63, but must be an integer in 0 .. 62"),
        ({"delay": -1}, InputError, "delay is -1"),
        ({"pre": "spikes"}, InputError, "spike port 'spikes' must end in '_in'"),
        ({"post": "t"}, InputError, "the population is 't', but must be one of s"),
    ],
)
def test_synapses_that_do_not_fit(change, error, message):
    with pytest.raises(error, match=message):
        GatedGroup((2,), [Neurons("s")], [Synapses(**{"pre": "s_in", "post": "s", **change})])


@pytest.mark.parametrize("shape", [0, (), (0,), (2.0,), (3, -1), True])
def test_impossible_shapes(shape):
    with pytest.raises(InputError, match="but must be one or several integers of 1 or more"):
        GatedGroup(shape, [Neurons("s")])


def test_fixed_point_refuses_fractions():
    with pytest.raises(InputError, match="brings 0.5, but the fixed-point model takes integers"):
        GatedGroup((1,), [Neurons("s")]).fire({"s": np.array([0.5])})


def test_what_fires_is_read_only_in_every_step():
    group = GatedGroup((2,), [Neurons("s")], RELAY_IN, readout=Readout("s", 0))
    silent = group.fire({})
    group.receive("s_in", np.array([1, 0]))
    group.receive_gates(np.array([1]))
    loud = group.fire({})
    assert silent is group.silence
    assert loud["s"].tolist() == [True, False]
    for spikes in (silent["s"], loud["s"], group.pre_activation):
        with pytest.raises(ValueError, match="read-only"):
            spikes[0] = 1
    with pytest.raises(TypeError):
        silent["s"] = loud["s"]


def test_synapses_from_one_and_to_one_by_hand():
    group = GatedGroup((3,), [Neurons("s", (), bias=0, vth=100)], [Synapses("k_in", "s", 60, senders=1)], n_gates=0)
    group.fire({})
    group.receive("k_in", np.array([1]))
    assert group.fire({})["s"].tolist() == [False] * 3
    group.receive("k_in", np.array([2]))
    assert group.fire({})["s"].tolist() == [True] * 3  # 2 * 60
    assert group.counters.synaptic_events[0] == 6
    one = GatedGroup((1,), [Neurons("s", (), bias=0, vth=100)], [Synapses("all_in", "s", 40, senders=4)], n_gates=0)
    one.fire({})
    for spikes, fires in (([1, 1, 0, 0], False), ([1, 1, 0, 1], True), ([0, 0, 0, 0], False)):
        one.receive("all_in", np.array(spikes))
        assert one.fire({})["s"].tolist() == [fires]
    assert one.counters.synaptic_events[0] == 5
    for bad in (2, 4):
        with pytest.raises(InputError, match=f"{bad} neurons cannot reach 3"):
            GatedGroup((3,), [Neurons("s")], [Synapses("k_in", "s", 60, senders=bad)])
    with pytest.raises(InputError, match="have other senders"):
        GatedGroup((3,), [Neurons("s")], [Synapses("k_in", "s", 60, senders=1), Synapses("k_in", "s", 4)])
    with pytest.raises(InputError, match="senders"):
        Synapses("k_in", "s", 60, senders=-1)
