"""What is random: against SplitMix64 as published, against Python's integers, and against its distributions."""

import numpy as np
import pytest
from circuit_simulator import drawn, rounded

from lava_nbp.errors import CircuitError
from lava_nbp.nbp import kernels
from lava_nbp.nbp.draws import ALWAYS, Decay, Epoch, bits_of, chosen, rounding_of, skips_of, thresholds_raised
from lava_nbp.nbp.paper import training_circuit


def test_the_bits_are_splitmix64s():
    """Its first outputs for the seed 1234567, as its authors' program prints them."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [int(bits_of(1234567, k, np.array([0], np.uint64), 0)[0]) for k in range(1, 5)] == published


@pytest.mark.parametrize("key", [0, 1, 2**63, 2**64 - 1])
def test_numpy_python_and_kernels_draw_the_same_bits(key):
    b = np.array([0, 1, 5, 2**40], np.uint64)
    for a, c in ((0, 0), (7, 3), (2**33, 9)):
        expected = [drawn(key, a, int(each), c) for each in b]
        assert bits_of(key, a, b, c).tolist() == expected
        with np.errstate(over="ignore"):
            assert [int(kernels.bits(np.uint64(key), a, int(each), c)) for each in b] == expected


def test_noise_is_uniform_below_its_limit():
    key = Epoch.of(training_circuit(2, 2, 2), 3).key
    draws = np.concatenate([thresholds_raised(key, step, 10, 1000, 500) for step in range(100)])
    assert draws.min() == 0
    assert draws.max() == 499
    counts = np.bincount(draws, minlength=500)
    assert abs(counts - 200).max() < 6 * np.sqrt(200)
    # A sum s exceeds it with probability s / 500.
    for s in (2, 100, 400):
        assert abs((draws < s).mean() - s / 500) < 0.006


@pytest.mark.parametrize("probability", [1.0, 0.99, 0.5, 0.1, 0.01, 0.0007])
def test_what_is_rounded_at_random(probability):
    skips, n = skips_of(probability), 20_000
    found = [chosen(skips, 99, sample, 5, n) for sample in range(40)]
    share = np.array([len(places) for places in found]) / n
    sigma = np.sqrt(probability * (1 - probability) / n / 40)
    assert abs(share.mean() - probability) <= 5 * sigma
    # No place is preferred: early and late halves are chosen as often.
    early = sum(int((places < n // 2).sum()) for places in found)
    total = sum(len(places) for places in found)
    assert abs(early - total / 2) <= 5 * np.sqrt(total) / 2
    assert all((np.diff(places) > 0).all() for places in found)


def test_numpy_and_python_choose_the_same():
    for probability in (1.0, 0.6, 0.03, 0.0004):
        for sample in range(3):
            there = rounded(7, sample, 4, probability, list(range(3000)))
            assert chosen(skips_of(probability), 7, sample, 4, 3000).tolist() == there


def test_a_decay_by_hand():
    decay = Decay(1.0, 0.01, 5)
    assert [round(decay.at(epoch), 4) for epoch in range(8)] == [1.0, 1.0, 0.3162, 0.1, 0.0316, 0.01, 0.01, 0.01]
    assert not decay.certain
    assert ALWAYS.certain
    assert ALWAYS.at(0) == ALWAYS.at(99) == 1.0
    assert Decay(0.5, 0.5, 1).at(0) == Decay(0.5, 0.5, 1).at(1) == 0.5
    assert [Decay(0.5, 0.1, 2).at(epoch) for epoch in range(4)] == [0.5, 0.5, 0.1, 0.1]


@pytest.mark.parametrize(
    "bad",
    [(0.0, 1.0, 1), (0.5, 0.1, 1), (1.0, float("nan"), 1), (1.0, 1.5, 2), (1.0, 0.5, 0), (1.0, 0.5, 2.5)],
)
def test_impossible_decays(bad):
    with pytest.raises(CircuitError, match="update probability"):
        Decay(*bad)


def test_draws_of_epochs_seeds_matrices_and_signs_differ():
    circuit = training_circuit(layers=(4, 3, 2), graded=100)
    keys = {Epoch.of(circuit.with_seed(seed), epoch).key for seed in range(5) for epoch in range(5)}
    assert len(keys) == 25
    assert {rounding_of(circuit, m, change) for m in ("W1", "W2") for change in (-2, 2)} == {4, 5, 6, 7}
    plain = training_circuit(layers=(4, 3, 2))
    assert not plain.random
    assert plain.with_seed(3) is plain  # nothing is drawn: the same circuit
