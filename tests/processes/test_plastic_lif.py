"""The neuron behind plastic synapses, by hand and against a slow oracle."""

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import PlasticLIF

from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def run(neuron, a, third):
    """Spikes, bap, y1, y2, y3, and u and v after every step."""
    steps = a.shape[1]
    for data, port in ((a, neuron.a_in), (third, neuron.a_third_factor_in)):
        Source(data=data).s_out.connect(port)
    sinks = []
    for port in (neuron.s_out, neuron.s_out_bap, neuron.s_out_y1, neuron.s_out_y2, neuron.s_out_y3):
        sinks.append(Sink(shape=port.shape, buffer=steps))
        port.connect(sinks[-1].a_in)
    states = []
    with LavaRuntime(neuron, timeout=60) as runtime:
        for _ in range(steps):
            runtime.run(1)
            states.append((neuron.u.get(), neuron.v.get()))
        return [sink.data.get().astype(int) for sink in sinks], states


def oracle(a, vth, bias, refractory):
    """One neuron, plain Python integers."""
    spikes, states, last = [], [], -100
    for step, total in enumerate(a):
        u = 64 * int(total)
        while u > 2**23:
            u -= 2**24
        while u <= -(2**23):
            u += 2**24
        v = max(min(u + bias, 2**23 - 1), -(2**23) + 1)
        fires = v > 64 * vth and step - last >= refractory
        last = step if fires else last
        spikes.append(int(fires))
        states.append((u, 0 if fires else v))
    return spikes, states


@pytest.mark.parametrize("refractory", [1, 3])
def test_every_state_in_every_step(refractory, way):
    rng = np.random.default_rng(refractory)
    a = rng.integers(-20_000, 20_000, (3, 30))
    a[:, ::7] = rng.choice([-400_000, -131_072, 131_072, 131_073, 9_216, 9_217], (3, 5))  # wraps, and the very edge
    third = rng.integers(0, 2, (3, 30))
    neuron = PlasticLIF((3,), vth=1024, bias_mant=-4096, bias_exp=7, refractory=refractory)
    (spikes, bap, y1, y2, y3), states = run(neuron, a, third)
    for i in range(3):
        expected, expected_states = oracle(a[i], 1024, -4096 * 128, refractory)
        assert spikes[i].tolist() == expected
        assert [(u[i], v[i]) for u, v in states] == expected_states
    assert spikes.any()
    assert np.array_equal(bap, spikes)
    assert np.array_equal(y3, third)
    assert not y1.any()
    assert not y2.any()


def test_the_third_factor_is_a_trace_of_seven_bits(way):
    (_, _, _, _, y3), _ = run(PlasticLIF((1,), vth=1), np.zeros((1, 3), int), np.array([[-5, 127, 500]]))
    assert y3.tolist() == [[0, 127, 127]]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"vth": 2**17}, "neurons 'n': vth is 131072, but must be an integer in 0 .. 131071"),
        ({"vth": 1, "bias_mant": 4096}, "bias_mant is 4096, but must be an integer in -4096 .. 4095"),
        ({"vth": 1, "bias_exp": 8}, "bias_exp is 8"),
        ({"vth": 1, "refractory": 0}, "refractory is 0, but must be an integer in 1 .. 63"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(InputError, match=message):
        PlasticLIF((1,), name="n", **parameters)
