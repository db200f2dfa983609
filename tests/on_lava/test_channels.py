"""Channels without threads: order, back-pressure, and waiting."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from lava_nbp.on_lava.channels import DirectChannel, DirectSelector, wait_for_message

SIZE = 3


def channel(shape=(2,), dtype=np.int32):
    memory = SimpleNamespace(create_shared_memory=lambda size: SimpleNamespace(buf=memoryview(bytearray(size))))
    made = DirectChannel(SimpleNamespace(smm=memory), "out", "into", shape, dtype, SIZE)
    made.src_port.start()
    made.dst_port.start()
    return made.src_port, made.dst_port


def test_messages_keep_their_order_round_the_ring():
    out, into = channel()
    for k in range(10):
        out.send(np.array([k, -k]))
        assert into.peek().tolist() == [k, -k]
        assert into.recv().tolist() == [k, -k]
    assert not into.probe()


def test_a_message_is_a_copy():
    out, into = channel()
    data = np.array([1, 2])
    out.send(data)
    data[:] = 9
    first = into.recv()
    for _ in range(SIZE):
        out.send(data)
    assert first.tolist() == [1, 2]


def test_a_full_ring_holds_the_sender_until_there_is_room():
    out, into = channel()
    for k in range(SIZE):
        assert out.probe()
        out.send(np.array([k, k]))
    assert not out.probe()
    sender = threading.Thread(target=out.send, args=(np.array([7, 7]),))
    sender.start()
    sender.join(0.1)
    assert sender.is_alive()
    received = [into.recv()[0] for _ in range(SIZE)]
    sender.join(5)
    assert not sender.is_alive()
    assert [*received, into.recv()[0]] == [0, 1, 2, 7]


def test_waiting():
    out, into = channel()
    assert not wait_for_message(into, 0.01)
    out.send(np.zeros(2))
    assert wait_for_message(into, 0.01)
    assert into.probe()
    assert wait_for_message(into, 0)
    into.recv()
    assert not into.probe()


def test_under_a_selector_probing_blocks():
    out, into = channel()
    into.observer = lambda: None
    threading.Timer(0.05, out.send, [np.ones(2)]).start()
    assert into.probe()
    assert into.recv().tolist() == [1, 1]


def test_wrong_shape():
    out, _ = channel()
    with pytest.raises(
        AssertionError, match=r"port 'out' sends an array of shape \(3,\), but its channel has shape \(2,\)"
    ):
        out.send(np.zeros(3))


def test_selecting_waits_for_the_message_and_leaves_it_there():
    out, into = channel()
    sender = threading.Timer(0.1, out.send, [np.array([3, 4])])
    sender.start()
    assert DirectSelector().select((into, lambda: "said")) == "said"
    assert into.recv().tolist() == [3, 4]
    sender.join(5)
