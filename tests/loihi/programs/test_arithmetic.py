"""What programs compute in words of 24 bits is what the engine computes in wide integers; at the ends of all ranges."""

import itertools

import numpy as np
import pytest
from program_machine import Neurons

from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, clip_to_register, shift, toward_zero
from lava_nbp.loihi.programs import arithmetic
from lava_nbp.loihi.programs.writer import Writer

ENDS = [0, 1, 2, 3, 1000, (1 << 22) - 1, 1 << 22, (1 << 22) + 1, REGISTER_MAX - 1, REGISTER_MAX]
#: Of every size, and both ends.
NUMBERS = np.unique(
    np.concatenate([ENDS, [-x for x in ENDS], np.random.default_rng(0).integers(-REGISTER_MAX, REGISTER_MAX, 30)])
    >> np.repeat(np.arange(0, 24, 6), 50 // 4 + 1)[:50]
)


def run(write, words, counters=()):
    """Words after what was written, (n,) each, from what they were."""
    names = list(words)
    w = Writer("test", ("unused",), ())
    for name in (*names, *counters, "out"):
        w.state(name, "a number")
    write(w)
    values = np.broadcast_arrays(*(np.asarray(words[name]) for name in names))
    made = Neurons(w.program(), values[0].size, {n: v.ravel() for n, v in zip(names, values, strict=True)})
    made.step({})
    return {name: made.words[name].reshape(values[0].shape) for name in (*names, *counters, "out")}


def pairs():
    return NUMBERS[:, None], NUMBERS


def test_sums_saturate():
    a, b = pairs()
    found = run(lambda w: arithmetic.saturated_sum(w, "out", "a", "b", "n"), {"a": a, "b": b}, ["n"])
    whole = a + b
    assert np.array_equal(found["out"], np.clip(whole, -REGISTER_MAX, REGISTER_MAX))
    assert np.array_equal(found["n"], np.abs(whole) > REGISTER_MAX)
    assert 0 < found["n"].sum() < found["n"].size


def test_currents_wrap_as_lavas_do():
    a, b = pairs()
    found = run(lambda w: arithmetic.wrapped_sum(w, "out", "a", "b", "n", "lost"), {"a": a, "b": b}, ["n", "lost"])
    whole, lost = a + b, np.abs(a + b) == 1 << 23
    wrapped = np.where(whole > 1 << 23, whole - (1 << 24), np.where(whole <= -(1 << 23), whole + (1 << 24), whole))
    assert np.array_equal(found["out"][~lost], wrapped[~lost])
    assert np.array_equal(found["lost"], lost)
    assert np.array_equal(found["n"][~lost], (wrapped != whole)[~lost])
    assert lost.sum() > 1
    assert found["n"].sum() > 9


@pytest.mark.parametrize("kept", [0, 1, 2048, 4013, 4095])
def test_decays_are_cut_towards_0(kept):
    found = run(lambda w: arithmetic.decayed(w, "out", "a", kept), {"a": NUMBERS})
    assert np.array_equal(found["out"], toward_zero(NUMBERS * kept))


@pytest.mark.parametrize("bits", [1, 2, 7, 10, 11, 12, 16])
def test_products(bits):
    for factor in {0, 1, (1 << bits) - 1, (1 << bits) * 2 // 3, 1 << (bits - 1)}:
        found = run(lambda w, f=factor: arithmetic.product(w, "out", "low", "a", f, bits), {"a": NUMBERS}, ["low"])
        assert np.array_equal((found["out"] << bits) + found["low"], NUMBERS * factor)
        assert ((found["low"] >= 0) & (found["low"] < 1 << bits)).all()


@pytest.mark.parametrize("bits", [1, 12, 16])
def test_rounded_sums(bits):
    a, b = pairs()
    one = 1 << bits
    for first, second in itertools.product((1, one * 2 // 3, one - 1), repeat=2):
        found = run(
            lambda w, f=first, s=second: arithmetic.rounded_sum(w, "out", ("a", f), ("b", s), bits, "n"),
            {"a": a, "b": b},
            ["n"],
        )
        whole = shift(a * first + b * second, bits)
        assert np.array_equal(found["n"], np.abs(whole) > REGISTER_MAX)
        clip_to_register(whole)
        assert np.array_equal(found["out"], whole)
    found = run(lambda w: arithmetic.rounded_sum(w, "out", ("a", one - 1), None, bits), {"a": NUMBERS})
    assert np.array_equal(found["out"], shift(NUMBERS * (one - 1), bits))


@pytest.mark.parametrize("theta_bits", [1, 2, 12, 20])
def test_jumps(theta_bits):
    lV, error = pairs()
    for divisor in (1, 2, 3, 1000, 4095, 1 << 22, REGISTER_MAX - 1, REGISTER_MAX):
        found = run(
            lambda w: arithmetic.jump(w, "lV", "e", "divisor", theta_bits, "n"),
            {"lV": lV, "e": error, "divisor": divisor},
            ["n"],
        )
        whole = lV + ((lV + error) << theta_bits) // divisor
        assert np.array_equal(found["n"], np.abs(whole) > REGISTER_MAX)
        assert np.array_equal(found["lV"], np.clip(whole, -REGISTER_MAX, REGISTER_MAX))


def test_a_large_quotient_may_come_back():
    """lV = -8 388 607 and a quotient of more than 24 bits, whose sum fits."""
    lV, error = np.array([-8_388_607]), np.array([8_388_607 + 2049])
    error = np.minimum(error, REGISTER_MAX)
    found = run(
        lambda w: arithmetic.jump(w, "lV", "e", "divisor", 20, "n"), {"lV": lV + 9, "e": error, "divisor": 1}, ["n"]
    )
    assert found["lV"] == -8_388_598 + (9 << 20)  # 9 437 184, beyond 2**23
    assert found["n"] == 0


@pytest.mark.parametrize(
    ("theta_bits", "exponent", "n"),
    [(12, 6, 3), (14, 7, 10), (14, 6, 350), (12, 13, 5), (6, 13, 40), (13, 13, 2), (20, 6, 300), (14, 13, 1)],
)
def test_sums_of_pieces(theta_bits, exponent, n):
    """Weighted sums of pieces, a piece at a time, are the engine's errors, in wide integers."""
    rng, cases = np.random.default_rng(n), 60
    widths, down = arithmetic.limbs(theta_bits, exponent, n, 254), theta_bits - exponent
    d = rng.choice(NUMBERS, (cases, n))
    d[0], d[1] = REGISTER_MAX, -REGISTER_MAX
    d[2:20] = rng.integers(-300, 300, (18, n))
    d[20:30] = rng.integers(-(1 << 20), 1 << 20, (10, n)) // n  # near where sums begin to saturate
    w = 2 * rng.integers(-127, 128, n)
    w[: n // 2] = 254
    assert sum(widths) == 24
    pieces = [
        run(lambda w, k=k: arithmetic.piece(w, "out", "d", widths, k), {"d": d})["out"] for k in range(len(widths))
    ]
    assert np.array_equal(sum(p << sum(widths[:k]) for k, p in enumerate(pieces)), d)
    kept = arithmetic.kept_pieces(widths, max(down, 0))

    def write(writer):
        for k in range(len(widths)):
            arithmetic.collect(writer, f"sum{k}", widths, k, down)
        arithmetic.total(writer, "out", widths, down, "n")

    words = {f"sum{k}": p @ w for k, p in enumerate(pieces)}
    found = run(write, words, ["carry", "n", *(f"piece{k}" for k in kept)])
    whole = ((d @ w) << exponent).astype(np.int64)
    whole = shift(whole, theta_bits)
    assert np.array_equal(found["out"], np.clip(whole, -REGISTER_MAX, REGISTER_MAX))
    assert np.array_equal(found["n"], np.abs(whole) > REGISTER_MAX)
    assert not found["carry"].any()


def test_more_neurons_than_words_sum():
    assert arithmetic.limbs(12, 6, 8256, 254) != ()
    assert arithmetic.limbs(12, 6, 1 << 15, 254) == ()
