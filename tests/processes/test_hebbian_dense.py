"""HebbianDense on Lava: learning by hand, in a ring with neurons, mirrors, and bulk weights."""

import numpy as np
import pytest
from feeding import feed

import lava_nbp
from lava_nbp.errors import InputError, MirrorError, RuleError, WeightError
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import GatedLIF, HebbianDense, Mirror, SynfireChain, ThreeFactorRule

from lava.magma.core.run_configs import Loihi2SimCfg


def test_by_hand_potentiation_depression_and_when_they_act(way):
    synapses = HebbianDense([[4, 0], [0, 6]])
    inputs = {
        "s_in": [[1, 0], [1, 1], [0, 1], [0, 0]],
        "post_in": [[1, 1], [1, 0], [0, 1], [1, 1]],
        "third_in": [[1], [0], [0], [1]],
    }
    found = feed(synapses, inputs, ["a_out"], steps=5)
    # Step 1: row 0 gains 2 in both columns, then acts in step 2 as [6, 2]. Step 2: column 0 loses 2 in both rows.
    # Step 3: w[1, 1] loses 2.
    assert found["a_out"].tolist() == [[0, 0], [6, 2], [4 - 2, 2 + 6], [-2, 4], [0, 0]]
    assert synapses.read_weights().tolist() == [[4, 2], [-2, 4]]
    assert synapses.counters == (0, 2 * 1 + 2 * 2 + 2 * 1, 2 + 2 + 1, 0)


def test_the_third_factor_is_a_weighted_sum_of_what_arrives(way):
    """r = 3 from entry 1 alone, 3 - 1 = 2 from both, -1 from entry 2: phases of a chain as reward."""
    synapses = HebbianDense([[0]], rule="2*r*x0*y0", third=(0, 3, -1))
    third = [[1, 1, 0], [0, 1, 1], [0, 0, 1], [5, 0, 0]]
    feed(synapses, {"s_in": [[1]] * 4, "post_in": [[1]] * 4, "third_in": third}, [])
    assert synapses.read_weights().tolist() == [[2 * (3 + 2 - 1)]]


def test_any_spike_is_one_and_weights_saturate(way):
    synapses = HebbianDense([[250]], rule=ThreeFactorRule("2*x0*y0"))
    assert not hasattr(synapses, "third_in")
    feed(synapses, {"s_in": [[7]] * 4, "post_in": [[3]] * 4}, [])
    assert synapses.read_weights().tolist() == [[254]]


def test_fixed_weights_are_a_dense_with_pre_first(way):
    synapses = HebbianDense([[2, 4, 6], [8, 10, 12]], rule=None)
    assert not hasattr(synapses, "post_in")
    found = feed(
        synapses, {"s_in": [[1, 0], [0, 1]]}, ["a_out"], steps=3, config=lava_nbp.run_config("lava", "floating_pt")
    )
    assert found["a_out"].tolist() == [[0, 0, 0], [2, 4, 6], [8, 10, 12]]


def test_a_ring_of_neurons_and_synapses(way):
    """A population excites itself through plastic synapses: no deadlock, and it learns from its own spikes."""
    chain = SynfireChain(1, autostart=True)
    population = GatedLIF((2,))
    synapses = HebbianDense([[0, 254], [254, 0]], rule="2*x0*y0")
    chain.s_out.connect(population.gate_in)
    population.s_out.connect(synapses.s_in)
    population.s_out.connect(synapses.post_in)
    synapses.a_out.connect(population.a_in)
    found = feed(population, {"s_in": [[1, 1]]}, ["s_out"], steps=4, config=Loihi2SimCfg(select_tag="fixed_pt"))
    assert found["s_out"].tolist() == [[0, 0], [1, 1], [0, 0], [0, 0]]  # 254 + 2 is not over 512
    assert synapses.read_weights().tolist() == [[2, 254], [254, 2]]


def test_mirrors_learn_at_their_own_ends(way):
    mirrors = [Mirror("back", "post", "e", transposed=True), Mirror("minus", "t", "e", transposed=True, sign=-1)]
    synapses = HebbianDense([[10, 20]], rule="2*x0*y0", mirrors=mirrors, name="W")
    inputs = {
        "s_in": [[1], [0]], "post_in": [[1, 0], [0, 1]], "e_in": [[1], [1]], "t_in": [[0, 1], [0, 1]]
    }  # fmt: skip
    found = feed(synapses, inputs, ["a_out", "e_a_out"], steps=3)
    assert synapses.read_weights().tolist() == [[12, 20]]
    held = synapses.read_projections()
    assert held["back"].tolist() == [[12], [22]]
    assert held["minus"].tolist() == [[-10], [-16]]
    # To e come back and minus: 12 - 18 in step 2, 22 - 16 in step 3.
    assert found["e_a_out"].tolist() == [[0], [12 - 18], [22 - 16]]
    with pytest.raises(MirrorError, match=r"mirror 'back'\[1, 0\] is 22, but W asks for 20 \(1 of 2 synapses differ\)"):
        synapses.check_mirrors()
    synapses.write_weights([[2, -4]])
    synapses.check_mirrors()
    assert synapses.read_projections()["minus"].tolist() == [[-2], [4]]


def test_weights_in_and_out_between_runs(way):
    rng = np.random.default_rng(0)
    big = 2 * rng.integers(-127, 128, (400, 400))
    synapses = HebbianDense(np.zeros((400, 400), int), mirrors=[Mirror("back", "post", "e", transposed=True)])
    with LavaRuntime(synapses, timeout=60) as runtime:
        runtime.run(1)
        synapses.weights.set(big)
        runtime.run(1)
        assert np.array_equal(synapses.weights.get(), big)
        assert synapses.weights.get().dtype == np.int16
        synapses.weights.set(-2, idx=(3, slice(None)))
        runtime.run(1)
        big[3] = -2
        assert np.array_equal(synapses.read_projections()["back"], big.T)
        for bad, message in ((3, "is 3"), (256, "is 256"), (0.5, "dtype float64")):
            with pytest.raises(WeightError, match=message):
                synapses.weights.set(bad, idx=(0, 0))
        with pytest.raises(WeightError, match=r"W has shape \(2, 2\)"):
            synapses.weights.set(np.zeros((2, 2), int))
        assert np.array_equal(synapses.weights.get(), big)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": [[3]]}, WeightError, r"W\[0, 0\] is 3"),
        ({"weights": [[300]]}, WeightError, r"W\[0, 0\] is 300"),
        ({"weights": [[1.5]]}, WeightError, "dtype float64"),
        ({"rule": "2*x0*y1"}, RuleError, r"factor is 'y1', but must be one of x0, y0, r; r is the third factor"),
        ({"third": ()}, InputError, "uses r, but third is empty"),
        ({"third": (0.5,)}, InputError, "must be integers, one per entry of third_in"),
        ({"mirrors": [Mirror("W")]}, InputError, "two mirrors have the same name"),
    ],
)
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        HebbianDense(**{"weights": [[2]], **options})


def test_a_population_that_is_called_like_a_port():
    with pytest.raises(InputError, match="population 'third': HebbianDense would have a port or Var 'third_in'"):
        HebbianDense([[2]], mirrors=[Mirror("T", "post", "third", transposed=True)])
