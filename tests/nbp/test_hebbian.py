"""Three-factor learning: weights by hand and against a dense oracle, mirrors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_nbp.errors import InputError, MirrorError, WeightError
from lava_nbp.nbp.hebbian import HebbianSynapses, Mirror
from lava_nbp.nbp.rule import PAPER_RULE, ThreeFactorRule

# ----------------------------------------------------------------- weights


def test_by_hand_learning_acts_on_the_next_steps_sums():
    synapses = HebbianSynapses([[10, 0], [20, -4]], rule=ThreeFactorRule())
    synapses.step({"s": np.array([True, True]), "post": np.array([False, True])}, r=1)
    assert synapses.read_weights().tolist() == [[10, 2], [20, -2]]
    assert synapses.weighted_sums("post").tolist() == [30, 0]
    synapses.step({"s": np.array([True, False]), "post": np.array([True, True])}, r=0)
    assert synapses.read_weights().tolist() == [[8, 0], [20, -2]]
    assert synapses.weighted_sums("post").tolist() == [8, 0]
    assert (synapses.counters.synaptic_events[0], synapses.counters.updates[0]) == (4 + 2, 2 + 2)
    synapses.reset()
    assert synapses.weighted_sums("post").tolist() == [0, 0]


def test_by_hand_saturation():
    synapses = HebbianSynapses([[254, -254]], rule=ThreeFactorRule("4*r*x0*y0"))
    for r in (1, -1, 1000):
        synapses.step({"s": np.array([True]), "post": np.array([True, True])}, r=r)
    assert synapses.read_weights().tolist() == [[254, 254]]
    synapses.step({"s": np.array([True]), "post": np.array([True, False])}, r=-1)
    assert synapses.read_weights().tolist() == [[250, 254]]


def test_fixed_weights_need_no_postsynaptic_spikes():
    synapses = HebbianSynapses([[2], [4]])
    assert synapses.populations == ("s",)
    synapses.step({"s": np.array([True, True])})
    assert synapses.weighted_sums("post").tolist() == [6]


RULES = [PAPER_RULE, "2*x0 - 4*y0 + 2*r*x0*y0", "-2*y0", "2*x0*r", "-200*x0*y0 + 100*r*x0"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_against_a_dense_oracle(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 6, 2)
    text = str(rng.choice(RULES))
    mirrors = (Mirror("copy", "s", "b"), Mirror("back", "post", "a", True), Mirror("neg", "c", "a", True, -1))
    W = 2 * rng.integers(-127, 128, (n, m))
    synapses = HebbianSynapses(W, mirrors, ThreeFactorRule(text))
    held = {"W": W.copy(), "copy": W.copy(), "back": W.T.copy(), "neg": -W.T}
    ends = {"W": ("s", "post"), "copy": ("s", "b"), "back": ("post", "a"), "neg": ("c", "a")}
    sizes = {"s": n, "post": m, "b": m, "a": n, "c": m}
    assert set(synapses.populations) == set(sizes)
    for _ in range(12):
        spikes = {p: rng.random(size) < 0.5 for p, size in sizes.items()}
        r = int(rng.integers(-1, 3))
        synapses.step(spikes, r)
        sums = {p: np.zeros(size, int) for p, size in sizes.items()}
        for name, (pre, post) in ends.items():
            x0, y0 = np.meshgrid(spikes[pre].astype(int), spikes[post].astype(int), indexing="ij")
            held[name] = np.clip(held[name] + eval(text, {"x0": x0, "y0": y0, "r": r}), -254, 254)
            sums[post] += spikes[pre].astype(int) @ held[name]
        for name, w in held.items():
            assert np.array_equal(synapses.projections[name], w)
        for post in ("post", "b", "a"):
            assert np.array_equal(synapses.weighted_sums(post), sums[post])


# ----------------------------------------------------------------- mirrors


def test_mirrors_that_differ_say_where():
    synapses = HebbianSynapses([[2, 4, 6]], [Mirror("back", "post", "a", transposed=True, sign=-1)], ThreeFactorRule())
    synapses.check_mirrors()
    synapses.step({"s": np.ones(1, bool), "post": np.ones(3, bool), "a": np.zeros(1, bool)}, r=1)
    with pytest.raises(MirrorError, match=r"mirror 'back'\[0, 0\] is -2, but W asks for -4 \(3 of 3 synapses differ\)"):
        synapses.check_mirrors()
    synapses.write_weights([[0, 8, -8]])
    synapses.check_mirrors()
    assert synapses.projections["back"].tolist() == [[0], [-8], [8]]


def test_mirrors_that_do_not_fit():
    with pytest.raises(InputError, match="two mirrors have the same name"):
        HebbianSynapses([[2]], [Mirror("W")])
    with pytest.raises(InputError, match="needs 3 neurons in population 'post', which has 2; is `transposed` right"):
        HebbianSynapses(np.zeros((3, 2), int), [Mirror("back", "a", "post", transposed=True)])


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([[1]], WeightError, r"W\[0, 0\] is 1"),
        ([[256]], WeightError, r"W\[0, 0\] is 256"),
        ([[0.5]], WeightError, "dtype float64"),
        ([2, 4], InputError, r"shape \(2,\), but must be a matrix"),
        (np.zeros((0, 3), int), InputError, "at least one synapse"),
    ],
)
def test_weights_that_do_not_fit(weights, error, message):
    with pytest.raises(error, match=message):
        HebbianSynapses(weights)
    if error is WeightError:
        synapses = HebbianSynapses([[2]])
        with pytest.raises(error, match=message):
            synapses.write_weights(weights)
        assert synapses.read_weights().tolist() == [[2]]


def test_spikes_are_read_before_sums_are_made_anew():
    """What `weighted_sums` returns may be given as spikes; and whoever is needed is asked for in silence, too."""
    synapses = HebbianSynapses(np.full((2, 2), 4), rule=ThreeFactorRule("2*x0*y0"))
    synapses.step({"s": np.array([1, 0]), "post": np.zeros(2)})
    synapses.step({"s": np.array([1, 0]), "post": synapses.weighted_sums("post")})
    assert synapses.read_weights().tolist() == [[6, 6], [4, 4]]
    with pytest.raises(KeyError, match="post"):
        synapses.step({"s": np.zeros(2)})
