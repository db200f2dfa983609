"""Single neurons by hand: stacks, relays, tables, and the loss against the tables of the engine."""

import numpy as np
import pytest
from program_machine import Neurons

from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.losses import TTFSTables
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.loihi.programs.clock import TURN, Clock
from lava_nbp.loihi.programs.neurons import input_program, lif_program, table_program, ttfs_program


def test_a_clock_by_hand():
    clock = Clock(5, 3)
    assert (TURN, clock.backward, clock.period) == (3, 9, 24)
    made = Neurons(input_program(clock, 1), 1)
    seen = []
    for t in range(30):
        made.step({"start_in": t == 2})
        seen.append(tuple(int(made.words[name][0]) for name in ("clock", "k", "piece")))
    assert seen[:3] == [(24, 5, 2), (24, 5, 2), (0, 5, 2)], "nothing runs before the start"
    assert seen[10:15] == [(8, 5, 2), (9, 4, 0), (10, 4, 1), (11, 4, 2), (12, 3, 0)]
    assert seen[25:28] == [(23, 0, 2), (24, 0, 2), (24, 0, 2)]


def test_an_input_replays_its_spikes_backward():
    """Steps 0 and 3 of T = 5, two spikes in the latter; backward steps 4 .. 0 begin at 9, 12, 15, 18, 21."""
    made = Neurons(input_program(Clock(5, 3), 2), 1)
    sent = [int(made.step({"start_in": t == 0, "s_in": {0: 1, 3: 2, 6: 9}.get(t, 0)})["s_out"][0]) for t in range(25)]
    assert {t: n for t, n in enumerate(sent) if n} == {0: 1, 3: 2, 12: 2, 21: 1}
    assert made.words["lost"] == 0


def test_a_spike_without_room_is_counted():
    made = Neurons(input_program(Clock(5, 1), 2), 2)
    for t in range(5):
        made.step({"start_in": t == 0, "s_in": np.array([1, t < 2])})
    assert made.words["lost"].tolist() == [3, 0]
    made.step({"start_in": 1})
    assert made.words["lost"].tolist() == [0, 0], "the next sample begins anew"
    assert made.words["step0"].tolist() == [-1, -1]


def test_a_lif_neuron_by_hand():
    """u keeps a half, v a quarter; the threshold is 64 * 30."""
    c = FixedPoint(NeuronParameters(20.0, 5.0), 1.0, 4.0, neuron="loihi", coefficient_bits=12)
    for name, value in {"du": 2047, "dv": 3072, "vth": 30, "slope": 1 << 15}.items():
        c.__dict__[name] = value
    clock = Clock(4, 1)
    made = Neurons(lif_program(c, clock, 2, None, ()), 1)
    seen = []
    for t in range(5):
        sent = made.step({"start_in": t == 0, "a_in": {1: 20, 2: 10}.get(t, 0)})
        seen.append((int(made.words["I"][0]), int(made.words["V"][0]), int(sent["s_out"][0])))
    # 64 * 20 = 1280; 1280 / 2 + 640 = 1280 and 1280 / 4 + 1280 = 1600; then 640 and 400 + 640; 320 and 260 + 320
    assert seen == [(0, 0, 0), (1280, 1280, 0), (1280, 1600, 0), (640, 1040, 0), (320, 580, 0)]
    made.step({"start_in": 1})
    for t in range(1, 4):
        sent = made.step({"a_in": 31 if t == 2 else 0})["s_out"]
        assert bool(sent[0]) == (t == 2)  # 1984 > 1920
    assert [int(made.words[name][0]) for name in ("V", "I", "spikes", "step0", "value0")] == [992, 992, 1, 1, 992]


def test_a_table_is_played_once_a_sample():
    made = Neurons(table_program(), 3, {"value": [5, 1, 9]})
    assert made.step({"start_in": 1})["s_out"].tolist() == [0, 0, 0]
    assert made.step({"s_in": np.array([0, 1, 4])})["s_out"].tolist() == [0, 1, 9]
    assert made.step({"s_in": 1})["s_out"].tolist() == [5, 0, 0]
    made.step({"start_in": 1})
    assert made.step({"s_in": 1})["s_out"].tolist() == [5, 1, 9]


@pytest.mark.parametrize("seed", range(4))
def test_errors_of_first_spikes(seed):
    """The loss alone, fed with the tables as chains of neurons play them."""
    rng, T, n = np.random.default_rng(seed), 12, 4
    c = FixedPoint(NeuronParameters(), 0.5, T * 0.5, adjoint_bits=(10, 14, 16, 20)[seed])
    tables = TTFSTables.of(TTFSLoss(tau0=(0.5, 1.0, 4.0, 2.0)[seed]), c)
    for label in range(n):
        first = rng.integers(0, T, n)
        first[rng.random(n) < 0.3] = T
        first[: 2 * (label == 1)] = 3  # a tie
        clock = Clock(T, 2)
        made = Neurons(ttfs_program(clock, tables.weight), n)
        share_in = heard_in = 0
        for t in range(clock.backward):
            arriving = {
                "start_in": t == 0,
                "label_in": (np.arange(n) == label) * (t == label),
                "s_in": (first == t - 2) | (t > first.min() + 6),  # later spikes are no first ones
                "decay_in": tables.decay[t - 3 - first.min()] + 1 if t >= 3 + first.min() else 0,
                "late_in": tables.late[t - 3] + 1 if 0 <= t - 3 < T else 0,
                "share_in": share_in,
                "heard_in": heard_in,
            }
            arriving["s_in"] = (first == t - 2) | ((t - 2 > first) & (t % 3 == 0))
            sent = made.step(arriving)
            share_in, heard_in = int(sent["share_out"].sum()), int(sent["heard_out"].sum())
        assert np.array_equal(sent["adjoint_out"], tables.errors(first, label)), (first, label)
