"""RelayMemory on Lava: what comes back when, by hand, up to the chip's longest delay."""

import numpy as np
import pytest
from feeding import feed

from lava_nbp.errors import InputError
from lava_nbp.processes import Gate, RelayMemory, SynfireChain


@pytest.mark.parametrize("delay", [0, 1, 62])
def test_a_vector_comes_back_when_its_gate_opens(delay, way):
    vector = [1, 0, 1]
    gates = np.zeros((delay + 3, 1), int)
    gates[delay] = 1  # step delay + 1; the vector came in step 1
    found = feed(RelayMemory((3,), delays=delay), {"s_in": [vector], "gate_in": gates}, ["s_out"], steps=delay + 3)
    expected = np.zeros((delay + 3, 3), int)
    expected[delay + 1] = vector
    assert np.array_equal(found["s_out"], expected)


def test_without_its_gate_it_is_forgotten(way):
    memory = RelayMemory((2,), delays=1)
    found = feed(memory, {"s_in": [[1, 1]], "gate_in": [[1], [0], [1], [1]]}, ["s_out"], steps=5)
    assert not found["s_out"].any()
    assert memory.breaches.get().item() == 0


def test_several_delays_bring_it_back_as_often(way):
    chain = SynfireChain(4, autostart=True)
    memory = RelayMemory((2,), delays=(1, 5), gates=[Gate(1)], n_gates=4)
    chain.s_out.connect(memory.gate_in)
    found = feed(memory, {"s_in": [[0, 1]]}, ["s_out"], steps=9)
    assert found["s_out"].tolist() == [[0, 0], [0, 0], [0, 1], [0, 0], [0, 0], [0, 0], [0, 1], [0, 0], [0, 0]]


def test_memories_in_a_row_hold_longer(way):
    first, second = RelayMemory((1,), delays=2), RelayMemory((1,), delays=3)
    open_always = SynfireChain(1, autostart=True)
    open_always.s_out.connect(first.gate_in)
    open_always.s_out.connect(second.gate_in)
    first.s_out.connect(second.s_in)
    found = feed(second, {}, ["s_out"], steps=9, extra=[(first, "s_in", [[0], [1]])])
    assert found["s_out"].ravel().nonzero()[0].tolist() == [2 - 1 + 1 + 2 + 1 + 3]


@pytest.mark.parametrize(("delays", "message"), [(63, "delay is 63"), ((0, -1), "delay is -1"), (1.5, "delay is 1.5")])
def test_delays_beyond_the_limit(delays, message):
    with pytest.raises(InputError, match=f"{message}, but must be an integer in 0 .. 62; chain two memories for more"):
        RelayMemory((2,), delays=delays)


def test_no_delay_at_all():
    with pytest.raises(InputError, match="RelayMemory without delays"):
        RelayMemory((2,), delays=())
