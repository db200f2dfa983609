"""Lava's stock models with methods of their own: every state is that of Lava's methods, at random spikes."""

import numpy as np
import pytest

from lava_nbp import LavaRuntime
from lava_nbp.on_lava import one_process
from lava_nbp.on_lava.stock_learning import draw_when_asked
from lava_nbp.on_lava.stock_neurons import RestingNeurons
from lava_nbp.on_lava.stock_synapses import DelayedSums

from lava.magma.core.learning.constants import GradedSpikeCfg
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule, Loihi3FLearningRule
from lava.magma.core.learning.random import ConnVarRandom, TraceRandom
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.models import PyLifModelBitAcc

pytestmark = pytest.mark.timeout(60)
STEPS, PRE, POST = 60, 7, 5
LEARNED = ("weights", "tag_1", "tag_2", "x0", "tx", "x1", "x2", "y0", "ty", "y1", "y2", "y3", "a_buff")


def drawn(seed, n, low=0, high=2, often=0.15):
    """Numbers for n neurons in every step, mostly 0, and in half of the steps nothing."""
    rng = np.random.default_rng(seed)
    some = rng.integers(low, high, (n, STEPS)) * (rng.random((n, STEPS)) < often)
    return some * (rng.random(STEPS) < 0.5)


def states(process, names, inputs, monkeypatch, hastened, sets=()):
    """Values of Vars after every few steps, and what was sent."""
    for port, data in inputs.items():
        Source(data=data).s_out.connect(getattr(process, port))
    sink = Sink(shape=process.a_out.shape, buffer=STEPS)
    process.a_out.connect(sink.a_in)
    if not hastened:
        monkeypatch.setattr(one_process, "hasten_arithmetic", lambda model: None)
    found = []
    with LavaRuntime(process, Loihi2SimCfg(select_tag="fixed_pt"), in_process=True) as runtime:
        model = next(m.model for m in runtime._runtime._network.members if m.label.startswith(process.name))
        assert ("run_spk" in vars(model) or "calc_act" in vars(model)) == hastened
        for k in range(STEPS // 6):
            runtime.run(6)
            if k < len(sets):
                process.weights.set(sets[k])
            found.append([getattr(process, name).get() for name in names])
        found.append([sink.data.get()])
    monkeypatch.undo()
    return found


def same(make, names, inputs, monkeypatch, **options):
    own = states(make(), names, inputs, monkeypatch, hastened=False, **options)
    found = states(make(), names, inputs, monkeypatch, hastened=True, **options)
    for ours, lavas in zip(found, own, strict=True):
        for one, other in zip(ours, lavas, strict=True):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
    return found


def weights(seed):
    return np.random.default_rng(seed).integers(-120, 121, (POST, PRE)) * 2


@pytest.mark.parametrize("exponent", [-2, 0, 3])
@pytest.mark.parametrize("bits", [0, 8])
def test_dense(bits, exponent, monkeypatch):
    spikes = drawn(1, PRE, high=200 if bits else 2)
    found = same(
        lambda: Dense(weights=weights(2), num_message_bits=bits, weight_exp=exponent),
        ("weights", "a_buff"), {"s_in": spikes}, monkeypatch,
    )  # fmt: skip
    assert np.count_nonzero(found[-1][0])


@pytest.mark.parametrize("bits", [0, 8])
def test_delay_dense(bits, monkeypatch):
    delays = np.random.default_rng(3).integers(0, 6, (POST, PRE))
    found = same(
        lambda: DelayDense(weights=weights(2), delays=delays, num_message_bits=bits),
        ("weights", "delays", "a_buff"), {"s_in": drawn(4, PRE, high=200 if bits else 2)}, monkeypatch,
    )  # fmt: skip
    assert np.count_nonzero(found[-1][0])


RULES = {
    "the circuit's": {"dw": "-2^-7*x0*y0 + 4*x0*y0*y3 - 2*x0*y0*y3 + 2^-7*x0*y0"},
    "pre and post": {"dw": "2^-1*x0*y1 - 2^-2*y0*x1"},
    "decay and tag": {"dw": "x0*y0*2 - 2^-3*u0*w", "dt": "x0*y1 - 2^-4*u0*t"},
    "constant": {"dw": "y0*(x0 - 1) + x0*2"},
    "pairs": {"dw": "2^-3*x0*y0*x1*y2 - 2^-4*x0*y0*w - y0*x0*(y3 + 2) + 2^-1*x0*y0*(x2 - 3)*sgn(w) + x0*y0"},
    "pairs of many": {"dw": "2^3*x0*y0*y1*y2*y3 - 2^2*x0*y0*x1*x2*(w - 5) + x0*y0*7*y1"},
}


def rule(name, factors, epoch=1):
    kind, traces = {2: (Loihi2FLearningRule, ("x1", "x2", "y1", "y2")), 3: (Loihi3FLearningRule, ("x1", "x2"))}[factors]
    times, impulses = {f"{t}_tau": 3.0 for t in traces}, {f"{t}_impulse": 16.5 for t in traces}
    return kind(**RULES[name], **times, **impulses, t_epoch=epoch, rng_seed=7)


@pytest.mark.parametrize("config", [GradedSpikeCfg.USE_REGULAR_IMPULSE, GradedSpikeCfg.ADD_WITH_SATURATION])
@pytest.mark.parametrize("name", RULES)
def test_learning_dense(name, config, monkeypatch):
    graded = config != GradedSpikeCfg.USE_REGULAR_IMPULSE
    inputs = {
        "s_in": drawn(5, PRE, high=100 if graded else 2, often=0.3),
        "s_in_bap": drawn(6, POST, often=0.3),
        "s_in_y1": drawn(7, POST, high=127),
        "s_in_y2": drawn(8, POST, high=127),
        "s_in_y3": drawn(9, POST, often=0.5),
    }
    found = same(
        lambda: LearningDense(
            weights=weights(2), learning_rule=rule(name, 3), name="plastic", graded_spike_cfg=config,
            num_message_bits=8 if graded else 0,
        ),
        LEARNED, inputs, monkeypatch, sets=[np.full((POST, PRE), 255), weights(10)],
    )  # fmt: skip
    assert not np.array_equal(found[2][0], found[-2][0])  # it has learned


def test_graded_spikes_that_learn_as_plain_ones(monkeypatch):
    """Messages of several bits, of which learning sees that they are not 0."""
    for high in (6, 100):
        same(
            lambda: LearningDense(weights=weights(2), learning_rule=rule("pre and post", 2), name="plastic",
                                  num_message_bits=8),
            LEARNED, {"s_in": drawn(5, PRE, high=high, often=0.3), "s_in_bap": drawn(6, POST, often=0.3)}, monkeypatch,
        )  # fmt: skip


def test_two_factors_and_epochs_of_several_steps(monkeypatch):
    for epoch in (1, 3):

        def make(epoch=epoch):
            return LearningDense(weights=weights(2), learning_rule=rule("pre and post", 2, epoch), name="plastic")

        same(make, LEARNED, {"s_in": drawn(5, PRE), "s_in_bap": drawn(6, POST)}, monkeypatch)


def test_delays_that_are_set_later(monkeypatch):
    """No spike has a negative delay, nor one longer than the longest there was."""
    found = []
    for hastened in (False, True):
        if not hastened:
            monkeypatch.setattr(one_process, "hasten_arithmetic", lambda model: None)
        dense = DelayDense(weights=weights(2), delays=np.random.default_rng(3).integers(0, 6, (POST, PRE)))
        Source(data=drawn(4, PRE, often=0.5)).s_out.connect(dense.s_in)
        with LavaRuntime(dense, Loihi2SimCfg(select_tag="fixed_pt"), in_process=True) as runtime:
            for k in range(10):
                runtime.run(6)
                dense.delays.set(np.random.default_rng(k).integers(-3, 9, (POST, PRE)))
                found.append(dense.a_buff.get())
        monkeypatch.undo()
    assert np.array_equal(found[:10], found[10:])
    assert np.count_nonzero(found)


class Ends:
    """In the place of both ports of a LIF."""

    def recv(self):
        return self.arriving.copy()

    def send(self, spikes):
        self.sent = spikes.copy()


def lif(du, dv, vth, mantissa, exponent):
    model = PyLifModelBitAcc({})
    model.a_in = model.s_out = Ends()
    n = len(mantissa)
    model.u, model.v = np.zeros(n, np.int32), np.zeros(n, np.int32)
    model.du, model.dv, model.vth = du, dv, vth
    model.bias_mant, model.bias_exp = mantissa.astype(np.int16), exponent.astype(np.int16)
    return model


@pytest.mark.parametrize("du", [4095, 0, 2000, 4094])
@pytest.mark.parametrize("dv", [4095, 0, 100, 3000])
def test_lif(du, dv):
    """At rest and not, with input that wraps and saturates, and with Vars that are set in between."""
    rng = np.random.default_rng([du, dv])
    rested = 0
    for _ in range(12):
        n = int(rng.integers(1, 6))
        bias = rng.integers(-4096, 4096, n) * rng.integers(0, 2), rng.integers(0, 8, n)
        vth = int(rng.integers(0, 1 << 17))
        lavas, ours = lif(du, dv, vth, *bias), lif(du, dv, vth, *bias)
        hastened = RestingNeurons(ours)
        for _ in range(100):
            size = 1 << int(rng.integers(1, 27))
            arriving = (rng.integers(-size, size, n) * (rng.random(n) < 0.5) * (rng.random() < 0.2)).astype(np.int32)
            name, low, high = [("v", -(1 << 22), 1 << 22), ("u", -(1 << 22), 1 << 22), ("bias_mant", -9, 9)][
                rng.integers(3)
            ]
            new = rng.integers(low, high, n) if rng.random() < 0.05 else None
            for model in (lavas, ours):
                model.a_in.arriving = arriving
                if new is not None:
                    getattr(model, name)[...] = new
            lavas.run_spk()
            rested += not arriving.any() and hastened._state() == hastened._resting
            hastened.run_spk()
            for name in ("u", "v", "effective_bias", "s_out_buff"):
                one, other = getattr(ours, name), getattr(lavas, name)
                assert one.dtype == other.dtype
                assert np.array_equal(one, other)
            assert np.array_equal(ours.s_out.sent, lavas.s_out.sent)
    assert rested > 5  # the way that computes nothing was taken, too


@pytest.mark.parametrize("decay", ["du", "dv"])
@pytest.mark.parametrize("value", [np.array([4095]), np.array([4095, 100, 0]), np.uint16(4095)])
def test_lif_with_decays_of_every_kind(decay, value):
    """Lava takes one for all neurons, or one for each."""
    lavas, ours = (lif(0, 0, 50, np.full(3, 3), np.zeros(3)) for _ in "ab")
    for model in (lavas, ours):
        setattr(model, decay, value)
    hastened, rng = RestingNeurons(ours), np.random.default_rng(6)
    for _ in range(60):
        lavas.a_in.arriving = ours.a_in.arriving = rng.integers(0, 30, 3, np.int32) * (rng.random() < 0.3)
        lavas.run_spk()
        hastened.run_spk()
        assert np.array_equal(ours.u, lavas.u)
        assert np.array_equal(ours.v, lavas.v)
        assert np.array_equal(ours.s_out.sent, lavas.s_out.sent)


def test_lif_with_a_decay_that_lava_refuses():
    ours = lif(4095, 0, 50, np.full(3, 3), np.zeros(3))
    hastened = RestingNeurons(ours)
    ours.a_in.arriving = np.zeros(3, np.int32)
    for _ in range(5):
        hastened.run_spk()
    ours.du = 4095.0  # as Lava's own Var.set leaves it
    with pytest.raises(TypeError, match="right_shift"):
        hastened.run_spk()


@pytest.mark.parametrize("delays", [
    np.array([[0.0, 1.0], [2.0, 9.0]]), np.array([[858993460, 1], [429496730, 0]], np.int32),
    np.array([[858993460, 1], [-1, 0]]), np.array([[0, 1], [2, 1]], np.uint8),
])  # fmt: skip
@pytest.mark.parametrize("dense", [np.array([[3, -5], [7, 2]], np.int32), np.array([[2**60 + 1, 1], [3, 2**60]])])
def test_delays_and_weights_that_a_ref_port_has_written(delays, dense):
    """Nobody checks them: what Lava does with them is done."""
    model = PyDelayDenseModelBitAcc({})
    model.weights, model.delays, model.a_buff = dense, delays, np.zeros((2, 3), np.int32)
    s_in = np.array([True, True])
    lavas = PyDelayDenseModelBitAcc.calc_act(model, s_in)
    assert np.array_equal(DelayedSums(model).by_delay(s_in), lavas)


def test_random_numbers_are_those_of_every_step():
    """However many steps lie between two that ask for one."""
    for make, names in ((lambda: TraceRandom(3, 4), ("random_trace_decay", "random_impulse_addition")),
                        (ConnVarRandom, ("random_stochastic_round",))):  # fmt: skip
        lavas, ours = make(), make()
        draw_when_asked(ours)
        assert type(ours) is not type(lavas)
        rng = np.random.default_rng(5)
        for _ in range(60):
            for _ in range(int(rng.choice([0, 1, 2, 5, 40, 4096, 9000]))):
                lavas.advance()
                ours.advance()
            name = names[rng.integers(len(names))]
            assert getattr(ours, name) == getattr(lavas, name)


def test_models_derived_from_lavas_are_left_alone():
    class Mine(PyDenseModelBitAcc):
        pass

    model = Mine({})
    one_process.hasten_arithmetic(model)
    assert "run_spk" not in vars(model)


def test_a_model_that_sets_plainly_is_what_it_was():
    model = PyDenseModelBitAcc({})
    one_process.set_plainly(model)
    assert isinstance(model, PyDenseModelBitAcc)
    assert (type(model).__name__, type(model).__module__) == ("PyDenseModelBitAcc", PyDenseModelBitAcc.__module__)
    assert type(model).__setattr__ is object.__setattr__
    assert PyDenseModelBitAcc.__setattr__ is not object.__setattr__
    model.weights = np.ones(3)
    assert vars(model)["weights"].sum() == 3
    again = PyDenseModelBitAcc({})
    one_process.set_plainly(again)
    assert type(again) is type(model)  # one class for all
