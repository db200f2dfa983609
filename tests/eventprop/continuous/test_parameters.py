"""The one store of a network's numbers: names, order, limits and rates by hand; all see the very same arrays."""

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.continuous.parameters import Parameters, called
from lava_nbp.eventprop.continuous.state import Sums
from lava_nbp.eventprop.equations import NeuronParameters

#: Two layers, of thresholds 1 and 4; the first is recurrent, its delays are those of sources, the second's of synapses.
WEIGHTS, LOOP = [np.ones((2, 3)), np.full((3, 2), 2.0)], np.full((3, 3), 3.0)
P = [[NeuronParameters(10.0 + k) for k in range(3)], NeuronParameters(25.0, 6.0, 4.0)]
DELAYS = [np.array([1.0, 2.0]), np.full((3, 2), 5.0)]


def store(**options):
    given = {
        "recurrent": [LOOP, None], "delays": DELAYS, "recurrent_delays": [np.full((3, 3), 7.0), None],
        "longest_delay": 8.0, "constants_range": (2.0, 50.0), "delay_rate": 0.5, "constant_rate": 0.25,
    } | options  # fmt: skip
    return Parameters(WEIGHTS, P, True, **given)


def test_what_is_trained_has_a_name_limits_and_a_rate():
    own = store()
    assert own.sizes == [2, 3, 2]
    assert own.names == ["W1", "W2", "R1", "D1", "D2", "E1", "tau_m1", "tau_m2", "tau_s1", "tau_s2"]
    assert [m.shape for m in own.matrices] == [
        (2, 3), (3, 2), (3, 3), (2,), (3, 2), (3, 3), (3,), (1,), (3,), (1,)
    ]  # fmt: skip
    logs = pytest.approx((np.log(2.0), np.log(50.0)))
    assert own.limits == [(-1e30, 1e30)] * 3 + [(0.0, 8.0)] * 3 + [logs] * 4
    assert own.factors("adam") == [1.0, 4.0, 1.0] + [0.5] * 3 + [0.25] * 4
    assert own.factors("sgd") == [1.0, 16.0, 1.0] + [0.5] * 3 + [0.25] * 4
    assert [called(name) for name in ("W2", "R11", "E1", "tau_m3")] == [
        "weights of layer 2", "recurrent weights of layer 11", "recurrent delays of layer 1",
        "logarithms of tau_m of layer 3",
    ]  # fmt: skip


@pytest.mark.parametrize("what", ["delay_rate", "constant_rate"])
def test_what_has_no_rate_stays(what):
    """It is no matrix, but can be read, and written as a whole."""
    own = store(**{what: 0.0})
    kept = ["D1", "D2", "E1"] if what == "delay_rate" else ["tau_m1", "tau_m2", "tau_s1", "tau_s2"]
    assert [name for name in store().names if name not in kept] == own.names
    assert len(own.matrices) == len(own.limits) == len(own.factors("adam")) == len(own.names)
    assert own.learns_delays == (what != "delay_rate")
    # One tau_m for a layer whose neurons are alike is read from p.
    assert set(own.read()) == set(store().read()) - ({"tau_m2", "tau_s2"} if what == "constant_rate" else set())
    own.write({name: array * 1.1 for name, array in own.read().items()})
    assert own.read()["tau_m1"] == pytest.approx([11.0, 12.1, 13.2])
    assert own.delays[0] == pytest.approx([1.1, 2.2])


def test_all_see_the_same_arrays():
    own = store()
    first, second = own.views()
    for name, array in (("D1", first.delays), ("D2", second.delays), ("E1", first.loop_delays)):
        own.matrices[own.names.index(name)][...] = 6.0
        assert (array == 6.0).all()
    assert first.delays.shape == (2, 1)
    own.matrices[own.names.index("tau_m2")][...] = np.log(30.0)
    own.refresh()
    assert second.tau_m == pytest.approx([30.0, 30.0])
    assert own.p[1] == NeuronParameters(second.tau_m[0], 6.0, 4.0)
    assert all(any(m is a for a in (*own.weights, *own.loops, *own.delays, *own.loop_delays)) for m in own.matrices[:6])


def test_limits_cut_and_count():
    own = store()
    own.delays[0][...] = -1.0, 9.0
    own.matrices[own.names.index("tau_m1")][...] = np.log([1.0, 10.0, 99.0])
    assert own.cut() == 4
    assert own.delays[0].tolist() == [0.0, 8.0]
    assert own.views()[0].tau_m == pytest.approx([2.0, 10.0, 50.0], rel=1e-15)
    assert own.cut() == 0


def test_gradients_come_in_the_order_of_the_matrices():
    """Delays of sources as they are given, constants by their logarithms, and summed where a layer is alike."""
    own = store()
    by = [Sums.of(w, loop, view, True) for w, loop, view in zip(own.weights, own.loops, own.views(), strict=True)]
    for k, sums in enumerate(by):
        for m, array in enumerate(sums):
            array[...] = 10 * k + m
    found = dict(zip(own.names, own.gradients(by), strict=True))
    assert {name: g.shape for name, g in found.items()} == {
        name: m.shape for name, m in zip(own.names, own.matrices, strict=True)
    }
    for name, number in (("W1", 0), ("W2", 10), ("R1", 1), ("D1", 2), ("D2", 12), ("E1", 3)):
        assert (found[name] == number).all()
    assert found["tau_m1"] == pytest.approx([40.0, 44.0, 48.0])
    assert found["tau_s1"] == pytest.approx(5 * NeuronParameters().tau_s)
    assert found["tau_m2"] == pytest.approx([14 * 25.0 * 2])
    assert found["tau_s2"] == pytest.approx([15 * 6.0 * 2])


def test_what_is_written_is_refused_as_a_whole():
    own, good = store(), store().read()
    for name, bad, message in (
        ("W1", np.inf, "W1 has an entry inf"),
        ("R1", 1e31, r"R1 has an entry 1e\+31, but all must be in -1e\+30"),
        ("D2", 8.5, r"D2 has an entry 8.5, but all must be in 0 .. 8"),
        ("tau_s2", 1.0, r"tau_s2 has an entry 1.0, but all must be in 2 .. 50"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            own.write({key: 0.9 * array for key, array in good.items()} | {name: np.full_like(good[name], bad)})
        assert all(np.array_equal(array, good[key]) for key, array in own.read().items())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 8.5])
@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("name", ["W2", "R1", "D1", "D2", "E1", "tau_m1", "tau_s2"])
def test_no_kernel_reads_what_there_cannot_be(name, learned, bad):
    """Written in place: what is learned is cut to its limits, if it is a number, and all else refused."""
    own = store() if learned else store(delay_rate=0.0)
    arrays = dict(zip(own.names, own.matrices, strict=True))
    arrays |= {"D1": own.delays[0], "D2": own.delays[1], "E1": own.loop_delays[0]}
    arrays[name].flat[-1] = bad
    cuts = name[0] == "t" or (name[0] in "DE" and learned)
    fine = np.isfinite(bad) if name[0] in "WR" else cuts and not np.isnan(bad)
    if not fine:
        with pytest.raises(InputError, match=f"{called(name)} hold {bad:g}, but must be finite, and in .*; write oth"):
            own.refresh()
        arrays[name].flat[-1] = 1.0
    own.refresh()
    if cuts and fine:
        low, high = own.limits[own.names.index(name)]
        assert arrays[name].flat[-1] == (high if bad > 0 else low)
    for view in own.views():
        assert (view.delays >= 0).all()
        assert (view.loop_delays <= 8.0).all()
        assert ((view.tau_m >= 2.0) & (view.tau_s <= 50.0)).all()


def test_written_constants_are_those_that_are_learned_and_read():
    """One of a layer is all its neurons', and the optimizer goes on from its logarithm."""
    own = Parameters([np.ones((2, 3))], NeuronParameters(20.0, 5.0), True, constant_rate=1.0)
    own.write(own.read() | {"tau_m1": np.array([12.0]), "tau_s1": np.array([3.0])})
    own.refresh()
    assert own.p == NeuronParameters(12.0, 3.0)
    assert own.layers[0].tau_m.tolist() == [12.0] * 3
    logs = dict(zip(own.names, own.matrices, strict=True))
    assert (logs["tau_m1"], logs["tau_s1"]) == (np.log([12.0]), np.log([3.0]))
