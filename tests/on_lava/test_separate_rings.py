"""Models in processes of their own that wait for each other: when the time-out passes, it is told who, where and why.

What is told of a deadlock is the same as in one process, where nobody has to wait for a time-out.
"""

import re

import pytest
from waiting_processes import AtItsOwnPace, Passing, Sending, Taking

from lava_nbp.errors import RuntimeFailure
from lava_nbp.on_lava.runtime import LavaRuntime

from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.extractor import VarWire
from lava.proc.io.injector import Injector
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor

pytestmark = pytest.mark.timeout(60)

LATE = "the time-out passed before Lava had done its work: "
CURE = "let one of them send before it receives"


def told(process, in_process=False, steps=3, run_config=None):
    """What is said of a network that does not come to an end."""
    timeout = 20 if in_process else 1
    with (
        pytest.raises(RuntimeFailure) as caught,
        LavaRuntime(process, run_config, timeout=timeout, in_process=in_process) as runtime,
    ):
        runtime.run(steps)
    return str(caught.value)


def told_alike(make, **options):
    """The same of a deadlock in both ways; that it is told late is said in one of them."""
    separate, together = told(make(), **options), told(make(), in_process=True, **options)
    assert separate == LATE + together
    return together


def two_lifs():
    one, two = LIF(shape=(1,), name="one"), LIF(shape=(1,), name="two")
    one.s_out.connect(two.a_in)
    two.s_out.connect(one.a_in)
    return one


def ring(length, at=1):
    links = [Passing(at, name=f"link {k}") for k in range(length)]
    for link, following in zip(links, links[1:] + links[:1], strict=True):
        link.s_out.connect(following.s_in)
    return links[0]


def test_two_lifs():
    said = told_alike(two_lifs)
    for who, whom in (("one", "two"), ("two", "one")):
        assert re.search(
            rf"{who} \(LIF, .*?\) waits at its port a_in for a message from {whom} \(LIF, .*?\), port s_out", said
        )
    assert said.startswith("Processes wait for each other in step 1: one")
    assert CURE in said


def test_a_longer_ring_in_a_later_step():
    said = told_alike(lambda: ring(5, at=3), steps=10)
    assert said.startswith("Processes wait for each other in step 3: link 0")
    ring_of = re.findall(r"(link \d) \([^)]*\) waits at its port s_in for a message from (link \d)", said)
    assert ring_of == [(f"link {k}", f"link {(k - 1) % 5}") for k in (0, 4, 3, 2, 1)]


def test_a_ring_behind_which_others_wait_is_all_that_is_told():
    def network():
        one, taking = ring(2), Taking(name="behind")
        one.s_out.connect(taking.s_in)
        return one

    assert "behind" not in told_alike(network)


def test_a_ring_in_a_network_with_ref_ports():
    """Where channels are Lava's own."""

    def network():
        one, monitor = two_lifs(), Monitor()
        monitor.probe(one.v, 3)
        return one

    assert "one (LIF" in told_alike(network)


def test_a_sender_whose_channel_is_full():
    def network():
        sending, taking = Sending(200, name="many"), Taking(name="one by one")
        sending.s_out.connect(taking.s_in)
        return sending

    said = told_alike(network)
    assert re.match(
        r"nobody can go on in step 1: many \(.*\) waits at its port s_out to send to one by one \(.*\), port s_in; "
        r"one by one \(.*\) did not send or receive as often in that step",
        said,
    )


@pytest.mark.parametrize("with_ref_ports", [False, True])
def test_a_receiver_that_gets_too_few_messages(with_ref_ports):
    def network():
        sending, taking = Sending(1, name="one by one"), Taking(2, name="many")
        sending.s_out.connect(taking.s_in)
        if with_ref_ports:
            lif, monitor, sink = LIF(shape=(2,)), Monitor(), Sink(shape=(2,), buffer=3)
            monitor.probe(lif.v, 3)
            sending.s_out.connect(lif.a_in)
            lif.s_out.connect(sink.a_in)
        return sending

    said = told_alike(network)
    assert re.match(r"nobody can go on in step 1: many \(.*\) waits at its port s_in for .* one by one \(", said)


def test_the_program_that_does_not_send():
    injector, sink = Injector(shape=(2,)), Sink(shape=(2,), buffer=3)
    injector.out_port.connect(sink.a_in)
    said = told(injector, run_config=Loihi2SimCfg())
    assert said.startswith(f"{LATE}nobody can go on in step 1: ")
    assert "waits at its port in_port for a message from the program outside the network" in said
    assert "let the program send or receive while the network runs" in said


def test_the_program_that_does_not_receive_from_a_wire():
    """Lava's VarWire brings a channel of its own."""
    lif, wire = LIF(shape=(2,)), VarWire(buffer_size=2)
    wire.connect_var(lif.v)
    try:
        said = told(wire, run_config=Loihi2SimCfg(), steps=9)
    finally:
        wire._multi_processing.stop()
    assert said.startswith(f"{LATE}nobody can go on in step 3: ")
    assert "(VarWire, model PyLoihiVarWireModel) waits at its port src to send to the program outside" in said


def test_who_computes_for_ever_is_named():
    sending, taking = Sending(at=2, name="thinker"), Taking(name="patient")
    sending.s_out.connect(taking.s_in)
    assert re.fullmatch(
        rf"{LATE}Process thinker \(Sending, model PySending\) is at work in step 2; "
        r"raise `timeout` or run fewer steps",
        told(sending),
    )


def test_who_computes_for_ever_beside_a_ring_is_named_too():
    one, sending = ring(2), Sending(at=1, name="thinker")
    sending.s_out.connect(one.s_in)
    said = told(one)
    assert said.startswith(f"{LATE}Processes wait for each other in step 1: link 0")
    assert said.endswith("; meanwhile Process thinker (Sending, model PySending) is at work in step 1")


def test_a_network_that_goes_on_is_no_ring():
    assert re.fullmatch(
        rf"{LATE}the network goes on, in step \d+; raise `timeout` or run fewer steps",
        told(ring(3, 10**9), steps=10**9),
    )


def test_models_without_steps():
    one, two = AtItsOwnPace("one"), AtItsOwnPace("two")
    one.s_out.connect(two.s_in)
    two.s_out.connect(one.s_in)
    assert told(one).startswith(f"{LATE}Processes wait for each other: one (AtItsOwnPace")
