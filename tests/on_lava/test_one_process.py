"""All models in one process: exceptions with their tracebacks, rings, signals, time-outs, threads, nothing forked."""

import contextlib
import functools
import gc
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import weakref
from pathlib import Path

import numpy as np
import pytest
from doing_processes import Doing, Held, Reaching
from failing_processes import network
from interpreters import LIMIT, in_time, run_script
from runtime_ends import outcome, start

import lava_nbp
from lava_nbp import LavaRuntime, RuntimeFailure
from lava_nbp.processes import SynfireChain

from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.extractor import Extractor, VarWire
from lava.proc.io.injector import Injector
from lava.proc.io.utils import ChannelConfig, ReceiveEmpty, ReceiveNotEmpty, SendFull
from lava.proc.lif.process import LIF

pytestmark = pytest.mark.timeout(60)
SCENARIOS = Path(__file__).parents[1] / "support" / "runtime" / "one_process_scenarios.py"


def started(process, **options):
    """A network in this process; models of any tag, as Lava's Injector has none."""
    return LavaRuntime(process, Loihi2SimCfg(), in_process=True, **options)


def connected(*processes):
    """In a row, so that they are one network; returns the first."""
    for one, other in itertools.pairwise(processes):
        one.b_out.connect(other.b_in)
    return processes[0]


_timers = []


def soon(function, *args, after=0.3):
    """Call a function in another thread after a while, unless the test is over by then."""
    timer = threading.Timer(after, function, args)
    timer.daemon = True
    timer.start()
    _timers.append(timer)
    return timer


@pytest.fixture(autouse=True)
def nothing_comes_later():
    """What a test that fails has planned does not come in the midst of the next."""
    yield
    while _timers:
        _timers.pop().cancel()


def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)


# ------------------------------------------------------------------ exceptions


class Own(Exception):
    """An exception of the program's."""


def test_the_models_own_exception_with_its_own_traceback():
    error = Own("mine")

    def fail(model):
        if model.time_step == 2:
            raise error

    process = Doing(fail, name="mine")
    with pytest.raises(RuntimeFailure) as caught, started(process) as runtime:
        runtime.run(5)
    assert caught.value.__cause__ is error
    frames = traceback.extract_tb(error.__traceback__)
    assert [frame.name for frame in frames][-2:] == ["run_spk", "fail"]
    assert frames[-1].filename == __file__
    assert str(caught.value) == (
        f"Process mine (Doing, model PyDoing) failed in step 2: Own('mine'), at {__file__}:{frames[-1].lineno} in fail"
    )


@pytest.mark.parametrize("phase", ["build", "before", "learn", "after"])
def test_where_it_failed_in_every_phase(phase):
    def fail(model):
        raise Own(phase)

    with pytest.raises(RuntimeFailure, match=rf"Own\('{phase}'\), at .*test_one_process.py:\d+ in fail$") as caught:
        started(Doing(**{phase: fail}, learn=None) if phase != "learn" else Doing(learn=fail)).run(1)
    assert ("while its model was built" if phase == "build" else "in step 1") in str(caught.value)


def test_a_failure_while_others_wait_is_the_failure():
    """Not that of those who wait for it; and all of them end."""

    def wait(model):
        try:
            model.receive()
        finally:
            ended.append(model)

    def fail(model):
        if model.time_step == 3:
            raise Own
        model.send(1)

    ended, waiting, failing = [], [Doing(wait) for _ in range(3)], Doing(fail, name="failing")
    for one in waiting:
        failing.a_out.connect(one.a_in)
    with pytest.raises(RuntimeFailure, match="Process failing .* failed in step 3"), started(failing) as runtime:
        runtime.run(5)
    assert len(ended) in (2 * 3, 3 * 3)
    assert threading.active_count() == len(threading.enumerate())


@pytest.mark.parametrize("waiting", [0, 1, 3])
def test_a_model_that_raises_an_interrupt_or_ends(waiting):
    """Ctrl-C is for the program; sys.exit in a model is a failure of that. Also where others have to wait for it."""

    def raising(error):
        def spike(model):
            if model.time_step == 3:
                raise error
            model.send(1)

        failing = Doing(spike)
        for _ in range(waiting):
            failing.a_out.connect(Doing(lambda model: model.receive()).a_in)
        return failing

    mine = KeyboardInterrupt("mine")
    with pytest.raises(KeyboardInterrupt) as caught, started(raising(mine)) as runtime:
        runtime.run(5)
    assert caught.value is mine
    with (
        pytest.raises(RuntimeFailure, match=r"failed in step 3: SystemExit\(3\)"),
        started(raising(SystemExit(3))) as runtime,
    ):
        runtime.run(5)


def test_a_var_that_its_model_refuses(monkeypatch):
    process = network("never")
    with started(process) as runtime:
        runtime.run(1)
        (member,) = (m for m in runtime._runtime._network.members if "Failing" in m.label)
        error = Own("not this one")
        monkeypatch.setattr(type(member.model), "on_var_update", lambda _: (_ for _ in ()).throw(error))
        with pytest.raises(RuntimeFailure, match="failed when its Var state was set: Own") as caught:
            process.state.set([1, 2, 3])
        assert caught.value.__cause__ is error


# ----------------------------------------------------------------------- rings


def ring(n, kind=LIF, **options):
    lifs = [kind(shape=(1,), name=f"lif{k}", **options) for k in range(n)]
    for k, one in enumerate(lifs):
        one.s_out.connect(lifs[(k + 1) % n].a_in)
    return lifs


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_ring_is_named_at_once(n):
    """Each of n waits for the one before it, in the order of the ring."""
    lifs = ring(n)
    with in_time(), pytest.raises(RuntimeFailure) as caught, LavaRuntime(lifs[0]) as runtime:
        runtime.run(1)
    message = str(caught.value)
    assert message.startswith("Processes wait for each other in step 1: ")
    for k in range(n):
        told = (
            f"lif{k} (LIF, model PyLifModelBitAcc) waits at its port a_in for a message from "
            f"lif{(k - 1) % n} (LIF, model PyLifModelBitAcc), port s_out"
        )
        assert message.count(told) == 1
    assert message.count(" waits at ") == n
    assert "let one of them send before it receives" in message


def test_who_waits_for_a_ring_is_not_of_it():
    lifs, behind = ring(3), [LIF(shape=(1,), name=f"behind{k}") for k in range(3)]
    lifs[1].s_out.connect(behind[0].a_in)
    behind[0].s_out.connect(behind[1].a_in)
    behind[1].s_out.connect(behind[2].a_in)
    with pytest.raises(RuntimeFailure, match="wait for each other") as caught, started(behind[0]) as runtime:
        runtime.run(1)
    assert "behind" not in str(caught.value)


def test_a_ring_that_begins_later():
    """In step 4 one of them receives first."""

    def usual(model):
        model.send(1)
        model.receive()

    def other(model):
        if model.time_step < 4:
            usual(model)
        else:
            model.receive()
            model.send(1)

    one, two = Doing(other, name="one"), Doing(other, name="two")
    one.a_out.connect(two.a_in)
    two.a_out.connect(one.a_in)
    with started(one) as runtime:
        runtime.run(3)
        with pytest.raises(RuntimeFailure, match="wait for each other in step 4: .*one .* waits at its port a_in"):
            runtime.run(1)


def test_who_receives_more_often_than_others_send_is_no_ring():
    def twice(model):
        model.receive()
        model.receive()

    sending, receiving = Doing(lambda model: model.send(1), name="sending"), Doing(twice, name="receiving")
    sending.a_out.connect(receiving.a_in)
    with (
        in_time(),
        pytest.raises(
            RuntimeFailure,
            match=r"^nobody can go on in step 1: receiving \(.*\) waits at its port a_in for a message from sending "
            r".*, port a_out; sending .* did not send or receive as often in that step",
        ),
        started(sending) as runtime,
    ):
        runtime.run(1)


def test_a_channel_that_is_full_is_no_ring():
    def often(model):
        for k in range(100):
            model.send(k)

    sending, receiving = Doing(often, name="sending"), Doing(lambda model: model.receive(), name="receiving")
    sending.a_out.connect(receiving.a_in)
    with (
        in_time(),
        pytest.raises(
            RuntimeFailure,
            match=r"nobody can go on in step 1: sending .* waits at its port a_out to send to receiving .*, port a_in; "
            r"receiving .* did not send or receive as often",
        ),
        started(sending) as runtime,
    ):
        runtime.run(1)


def test_a_channel_that_fills_up_over_many_steps():
    """One that is never read: Lava's sender would wait for ever, too; a long run says so, and says when."""
    sending, idle = Doing(lambda model: model.send(1), name="sending"), Doing(name="idle")
    sending.a_out.connect(idle.a_in)
    with started(sending) as runtime:
        runtime.run(64)
        with pytest.raises(RuntimeFailure, match="nobody can go on in step 65: sending"):
            runtime.run(1)


# --------------------------------------------------------------------- signals


def test_an_interrupt_comes_between_two_models():
    """Who is in the midst of its step finishes it; who comes next in the step does not begin."""

    def work(model):
        done.append(("begins", model.time_step))
        if model.time_step == 3:
            interrupt()
            for _ in range(1000):
                time.sleep(0)
        done.append(("ends", model.time_step))
        model.send(1)

    def follow(model):
        model.receive()
        done.append(("follows", model.time_step))

    done, working, following = [], Doing(work), Doing(follow)
    working.a_out.connect(following.a_in)
    with in_time(), pytest.raises(KeyboardInterrupt), started(working) as runtime:
        runtime.run(10)
    assert done[-1] == ("ends", 3)
    assert done.count(("begins", 3)) == 1
    assert ("follows", 2) in done


def busy(model):
    """A loop in Python that has no end."""
    while model.time_step:
        pass


def asleep(model):
    time.sleep(3600)


@pytest.mark.parametrize("how", [busy, asleep])
def test_a_model_that_goes_on_is_interrupted_after_a_second(how):
    soon(interrupt)
    began = time.monotonic()
    with in_time(), pytest.raises(KeyboardInterrupt) as caught, started(Doing(how)) as runtime:
        runtime.run(1)
    assert time.monotonic() - began >= 1
    assert how.__name__ in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


@pytest.mark.parametrize("how", [busy, asleep])
def test_a_second_interrupt_acts_at_once(how):
    soon(interrupt)
    soon(interrupt, after=0.5)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), started(Doing(how)) as runtime:
        runtime.run(1)
    assert time.monotonic() - began < 1.2


def test_an_interrupt_while_models_wait_for_the_program():
    into, out = Injector(shape=(1,)), Extractor(shape=(1,))
    into.out_port.connect(out.in_port)
    soon(interrupt)
    soon(into.send, np.zeros(1), after=LIMIT)  # somebody who could send is there
    with in_time(), pytest.raises(KeyboardInterrupt), started(into) as runtime:
        runtime.run(1)


class Terminated(BaseException):
    """What the program's handler raises."""


@contextlib.contextmanager
def handled(number, handler):
    before = signal.signal(number, handler)
    try:
        yield
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("how", [busy, lambda model: time.sleep(0.001)], ids=["busy", "short steps"])
def test_handlers_of_the_program_act(number, how):
    def react(which, frame):
        assert which == number
        raise Terminated

    soon(interrupt, number)
    with in_time(), handled(number, react), pytest.raises(Terminated), started(Doing(how)) as runtime:
        runtime.run(10**6)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_handler_that_only_notes_the_signal_lets_the_run_go_on(number):
    noted = []

    def work(model):
        if model.time_step in (3, 5):
            interrupt(number)
        model.count[0] += 1

    process = Doing(work)
    with handled(number, lambda *_: noted.append(number)), started(process) as runtime:
        runtime.run(10)
        assert process.count.get().item() == 10
    assert noted == [number, number]


def test_an_interrupt_that_is_ignored_is():
    process = Doing(lambda model: interrupt())
    with handled(signal.SIGINT, signal.SIG_IGN), started(process, timeout=20) as runtime:
        runtime.run(3)


def test_handlers_are_the_programs_own_between_runs():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with started(network("never")) as runtime:
        for _ in range(2):
            runtime.run(1)
            assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_run_in_a_thread_leaves_the_interrupt_to_the_program():
    """The main thread gets it, wherever that is; the run ends with the network."""

    def use():
        with started(Doing(lambda model: time.sleep(0.001))) as runtime:
            runtime._runtime.start(RunContinuous())
            soon(interrupt)
            time.sleep(LIMIT)

    with in_time(), pytest.raises(KeyboardInterrupt):
        use()
    assert not any("network of Lava" in thread.name for thread in threading.enumerate())


# -------------------------------------------------------------------- time-outs


def short_naps(model):
    while model.time_step:
        time.sleep(0.01)


def in_thread(function):
    """Call a function in another thread; what it raises is raised here."""
    found = []

    def work():
        try:
            function()
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive()
    for error in found:
        raise error


@pytest.mark.parametrize(
    ("how", "where"),
    [  # a thread that sleeps is not woken: there the time-out acts when the sleep is over
        (busy, "main thread"), (short_naps, "main thread"), (asleep, "main thread"),
        (busy, "another thread"), (short_naps, "another thread"),
    ],
)  # fmt: skip
def test_the_time_out_says_where(how, where):

    def use():
        with started(Doing(how, name="slow"), timeout=0.5) as runtime:
            runtime.run(5)

    with (
        in_time(),
        pytest.raises(
            RuntimeFailure,
            match=r"^the time-out passed in Process slow \(Doing, model PyDoing\), step 1, at .*test_one_process.py:"
            rf"\d+ in {how.__name__}: it is 0.5 s; raise `timeout` or run fewer steps$",
        ),
    ):
        use() if where == "main thread" else in_thread(use)


def test_the_time_out_acts_on_a_run_of_many_short_steps():
    with in_time(), pytest.raises(RuntimeFailure, match="time-out passed"), started(Doing(), timeout=0.5) as runtime:
        runtime.run(10**9)


def test_the_time_out_is_one_per_run():
    with started(Doing(lambda model: time.sleep(0.05)), timeout=0.9) as runtime:
        for _ in range(4):
            runtime.run(5)


# ------------------------------------------------------ threads, pause, stop


@pytest.fixture
def chain():
    """A chain under `Process.run`, and how many steps it has done."""
    made = SynfireChain(4, autostart=True)
    yield made
    made.stop()


CONFIG = functools.partial(lava_nbp.run_config, "lava", in_process=True)


def test_continuous_pause_go_on_wait_stop(chain):
    config, seen = CONFIG(), [0]
    for _ in range(3):
        chain.run(RunContinuous(), config)
        time.sleep(0.05)
        chain.pause()
        seen.append(int(chain.counters.spikes[0]))
        assert seen[-1] > seen[-2]
        time.sleep(0.02)
        assert int(chain.counters.spikes[0]) == seen[-1]
        chain.run(RunSteps(3), config)
        seen.append(seen[-1] + 3)
        assert int(chain.counters.spikes[0]) == seen[-1]
        chain.run(RunSteps(4, blocking=False), config)
        chain.wait()
        seen.append(seen[-1] + 4)
        assert int(chain.counters.spikes[0]) == seen[-1]
    chain.run(RunContinuous(), config)
    with in_time():
        chain.stop()
    assert not any("network of Lava" in thread.name for thread in threading.enumerate())


def test_a_failure_of_a_run_in_a_thread_is_told_to_who_waits():
    error = Own("there")

    def fail(model):
        if model.time_step == 3:
            raise error

    process = Doing(fail)
    with started(process) as runtime:
        runtime._runtime.start(RunSteps(10, blocking=False))
        with pytest.raises(RuntimeFailure, match="failed in step 3: Own") as caught:
            runtime._runtime.wait()
        assert caught.value.__cause__ is error
        with pytest.raises(RuntimeFailure, match="is stopped"):
            process.count.get()


def test_runs_from_different_threads_one_after_the_other():
    process = Doing(lambda model: model.count.__iadd__(1))
    with started(process) as runtime:
        for k in range(6):
            runtime.run(2) if k % 2 else in_thread(lambda: runtime.run(2))
        runtime._runtime.start(RunSteps(2, blocking=False))
        runtime._runtime.wait()
        in_thread(lambda: runtime.run(1))
        assert process.count.get().item() == 15
    in_thread(lambda: None)


def test_networks_of_several_threads_at_the_same_time():
    """Each thread takes turns of its own."""

    def use(k):
        def pass_on(model):
            model.send(model.receive() + 1)
            model.count[0] += model.time_step
            time.sleep(0)

        def begin(model):
            model.send(k)
            assert model.receive() == k + 3

        first, others = Doing(begin), [Doing(pass_on) for _ in range(3)]
        for one, other in itertools.pairwise([first, *others, first]):
            one.a_out.connect(other.a_in)
        with started(first, timeout=30) as runtime:
            for _ in range(4):
                runtime.run(25)
            found[k] = [other.count.get().item() for other in others]

    found = {}
    threads = [threading.Thread(target=use, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert found == {k: [5050] * 3 for k in range(6)}


@pytest.mark.parametrize("how", [busy, short_naps, lambda model: model.receive("b")], ids=["busy", "naps", "waits"])
def test_stopped_from_another_thread(how):
    """While it runs in the main thread, and while it runs in one of its own."""
    process, other = Doing(how), Doing(busy if how not in (busy, short_naps) else lambda model: None)
    other.b_out.connect(process.b_in)
    runtime = started(process)
    timer = soon(runtime.stop)
    with in_time(), pytest.raises(RuntimeFailure, match="the network is stopped"):
        runtime.run(10)
    timer.join(LIMIT)
    with pytest.raises(RuntimeFailure, match="is stopped"):
        runtime.run(1)


def test_stopped_by_its_own_model():
    """A model that ends the network from inside."""
    held = []
    process = Doing(lambda model: held[0].stop())
    held.append(started(process))
    with in_time(), pytest.raises(RuntimeFailure, match="is stopped"):
        held[0].run(3)
    held[0].stop()


def test_a_model_that_runs_another_network():
    """A network in a model in a network: each has turns of its own."""

    def run(model):
        inner = Doing(lambda m: m.count.__iadd__(1))
        with started(inner) as runtime:
            runtime.run(3)
            model.count[0] += inner.count.get().item()

    outer, late = Doing(run), Doing(lambda model: model.receive())
    outer.a_out.connect(late.b_in)
    with started(outer) as runtime:
        runtime.run(2)
        assert outer.count.get().item() == 6


# -------------------------------------------------------- the program outside


def piped(**options):
    into, out = Injector(shape=(2,), **options), Extractor(shape=(2,), **options)
    into.out_port.connect(out.in_port)
    return into, out


def test_messages_into_a_run_in_a_thread_and_out_of_it():
    into, out = piped()
    with started(into) as runtime:
        runtime._runtime.start(RunSteps(20, blocking=False))
        for k in range(20):
            into.send(np.array([k, -k]))
            assert out.receive().tolist() == [k, -k]
        runtime._runtime.wait()


def test_another_thread_sends_and_receives_while_the_main_one_runs():
    into, out = piped(buffer_size=3)
    received = []

    def feed():
        for k in range(30):
            into.send(np.array([k, 0]))

    def drain():
        received.extend(int(out.receive()[0]) for _ in range(30))

    threads = [threading.Thread(target=work) for work in (feed, drain)]
    with started(into) as runtime:
        for thread in threads:
            thread.start()
        runtime.run(30)
        for thread in threads:
            thread.join(LIMIT)
        assert received == list(range(30))


def test_pipes_that_do_not_wait():
    config = ChannelConfig(
        send_full=SendFull.NON_BLOCKING_DROP,
        receive_empty=ReceiveEmpty.NON_BLOCKING_ZEROS,
        receive_not_empty=ReceiveNotEmpty.FIFO,
    )
    into, out = piped(buffer_size=2, channel_config=config)
    with started(into) as runtime:
        assert out.receive().tolist() == [0, 0]
        runtime.run(1)  # nothing sent: zeros
        assert out.receive().tolist() == [0, 0]
        into.send(np.array([1, 2]))
        into.send(np.array([3, 4]))
        with pytest.warns(UserWarning, match="Send buffer is full"):
            into.send(np.array([5, 6]))
        runtime.run(2)
        assert [out.receive().tolist() for _ in range(3)] == [[1, 2], [3, 4], [0, 0]]


def test_newest_and_sum_of_what_came():
    for policy, found in ((ReceiveNotEmpty.ACCUMULATE, [4, 6]), (ReceiveNotEmpty.FIFO, [1, 2])):
        into, out = piped(channel_config=ChannelConfig(receive_not_empty=policy))
        with started(into) as runtime:
            into.send(np.array([1, 2]))
            into.send(np.array([3, 4]))
            runtime.run(1)
            assert out.receive().tolist() == found


def test_a_pause_while_a_model_waits_for_the_program():
    """It is left in the midst of its step, which is the first of the next run."""
    into, out = piped()
    with started(into) as runtime:
        inner = runtime._runtime
        inner.start(RunContinuous())
        into.send(np.array([1, 1]))
        assert out.receive().tolist() == [1, 1]
        with in_time():
            inner.pause()
        inner.start(RunSteps(2, blocking=False))
        for k in (2, 3, 4):
            into.send(np.array([k, k]))
        with in_time():
            assert [out.receive().tolist() for _ in range(2)] == [[2, 2], [3, 3]]
            inner.wait()
        inner.start(RunSteps(1))
        assert out.receive().tolist() == [4, 4]


def test_vars_while_it_is_paused_in_the_midst_of_a_step():
    """Another thread than its own reads and sets them, and the run goes on with what was set."""
    into, lif = Injector(shape=(2,)), LIF(shape=(2,), vth=10_000, du=0, dv=0)
    into.out_port.connect(lif.a_in)
    with started(into) as runtime:
        inner = runtime._runtime
        inner.start(RunContinuous())
        into.send(np.array([1, 2]))
        with in_time():
            inner.pause()
            while not lif.v.get().any():
                inner.start(RunContinuous())
                inner.pause()
        assert lif.v.get().tolist() == [1, 2]
        lif.v.set(np.array([1000, 0]))
        assert lif.v.get().tolist() == [1000, 0]
        inner.start(RunSteps(1, blocking=False))
        into.send(np.array([0, 0]))
        with in_time():
            inner.wait()
        assert lif.v.get().tolist() == [1001, 2]  # the current stays


def test_a_wire_at_a_var():
    """Its values come after every step; Lava makes a helper process for it, and keeps it."""
    held, wire = Held(), VarWire()
    wire.connect_var(held.held)
    try:
        with started(held) as runtime:
            runtime.run(2)
            assert [wire.receive().tolist() for _ in range(2)] == [[11, 21, 31], [12, 22, 32]]
            runtime._runtime.start(RunSteps(2, blocking=False))
            assert [wire.receive().tolist() for _ in range(2)] == [[13, 23, 33], [14, 24, 34]]
            runtime._runtime.wait()
    finally:
        wire._multi_processing.stop()


def test_a_network_that_is_stopped_while_the_program_waits_for_it():
    into, out = piped()
    runtime = started(into)
    runtime._runtime.start(RunContinuous())
    soon(runtime.stop)
    with in_time(), pytest.raises(RuntimeFailure, match="is stopped"):
        out.receive()


# ----------------------------------------------- nothing forked, wherever it is


@pytest.fixture
def nothing_of_the_systems(monkeypatch):
    """No forks, no shared memory, no semaphores."""

    def refuse(*_, **__):
        raise OSError("there is none")

    for name in ("os.fork", "os.posix_spawn", "multiprocessing.shared_memory.SharedMemory.__init__"):
        monkeypatch.setattr(name, refuse)
    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    monkeypatch.setattr("lava.magma.compiler.channels.pypychannel.Semaphore", refuse)


def test_it_takes_nothing_of_the_systems(nothing_of_the_systems):
    held, reaching = Held(), Reaching(confirm=True)
    reaching.reach.connect_var(held.held)
    with started(held) as runtime:
        runtime.run(3)
    with LavaRuntime(network("never")) as runtime:
        runtime.run(3)
        assert runtime.in_process
    circuit = lava_nbp.training_circuit(4, 3, 2)
    weights = lava_nbp.initial_weights(circuit, np.random.default_rng(0))
    for target in ("lava", "lava-primitives"):
        with lava_nbp.make_executor(target, circuit, weights) as executor:
            executor.train([[1, 0, 1, 1]], [[0, 1]])


def test_files_and_threads_are_those_of_before():
    files, threads = set(os.listdir("/proc/self/fd")), set(threading.enumerate())
    with started(connected(*[Doing() for _ in range(20)]), timeout=30) as runtime:
        runtime.run(3)
        assert set(os.listdir("/proc/self/fd")) <= files  # what others held may end meanwhile
        assert set(threading.enumerate()) <= threads


def test_under_another_start_method(monkeypatch):
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda *_: "spawn")
    with LavaRuntime(network("never")) as runtime:
        runtime.run(2)


# ------------------------------------------------------------- what is let go


def test_a_network_is_let_go_when_it_is_stopped():
    """Its models and what they hold are free at once, without the collector, though the Processes are kept."""
    big, models = np.zeros(10), []

    class Tracked(np.ndarray):
        pass

    def build(model):
        model.big = big.view(Tracked)
        models.append(weakref.ref(model.big))

    processes = [Doing(lambda model: model.send(1), build=build) for _ in range(3)]
    runtime = started(connected(*processes))
    runtime.run(3)
    runtime.stop()
    assert not [ref for ref in models if ref() is not None]


def test_networks_that_are_collected_in_the_midst_of_anothers_step():
    """Unreachable ones, of both ways, and some that have failed; the one that runs does not notice."""

    def leave(in_process):
        process = Doing(lambda model: model.send(1))
        cycle = [process]
        cycle.append(cycle)
        cycle.append(LavaRuntime(process, in_process=in_process))
        cycle[-1].run(1)

    def work(model):
        if model.time_step % 3 == 0:
            leave(in_process=True)
        gc.collect()
        model.count[0] += 1
        model.send(1)

    working, other = Doing(work), Doing(lambda model: model.receive())
    working.a_out.connect(other.a_in)
    leave(in_process=False)
    with started(working) as runtime:
        runtime.run(7)
        assert working.count.get().item() == 7
    gc.collect()
    assert not multiprocessing.active_children()


# --------------------------------------------------- whole interpreters, watched


def test_ways_to_end_a_run_in_one_interpreter():
    """Those of processes of their own that make sense here; afterwards the interpreter ends by itself."""
    scenarios = (
        "model_raises", "model_raises_in_init", "wrong_send_shape", "exception_in_the_block", "forgotten_stop",
        "interrupt_caught", "interrupt_of_the_group_caught", "var_of_wrong_size", "continuous_pause_steps",
        "a_hundred_in_a_row",
    )  # fmt: skip
    assert outcome(start(",".join(scenarios), "one"), LIMIT + 30) == "well"


def test_an_interrupt_that_nobody_catches():
    assert outcome(start("interrupt_not_caught", "one"), LIMIT + 5) == "well"


def run(*scenarios, seconds=60):
    """Exit code, and the lines that every scenario wrote."""
    code, written = run_script(SCENARIOS, *scenarios, seconds=seconds)
    parts = [part.split("\n", 1) for part in written.split("== ")[1:]]
    return code, {name: lines.splitlines() for name, lines in parts}


def test_waits_that_nobody_could_end_are_errors_at_once():
    """The program's only thread waits for a network that only it could run."""
    code, lines = run("waits_of_the_only_thread")
    assert code == 0
    said = lines["waits_of_the_only_thread"]
    assert [line.split(":")[0] for line in said] == ["receive", "send", "run"]
    assert "the program waits for a message from port" in said[0]
    assert "run it first, with blocking=False if this is to happen meanwhile" in said[0]
    assert "whose buffer of 2 is full" in said[1]
    assert "waits at its port in_port for a message from the program outside the network" in said[2]


def test_a_thousand_networks_leave_nothing():
    code, lines = run("a_thousand_networks", seconds=120)
    assert (code, lines["a_thousand_networks"]) == (0, ["nothing has grown"])


def test_breakpoints():
    """pdb stops in the model's frame, shows its variables, and goes on."""
    code, written = run_script(SCENARIOS, "breakpoints", seconds=60)
    assert code == 0, written
    assert "(Pdb)" in written
    assert "run_spk" in written
    assert "the count is 41" in written
    assert "ended with 44" in written


def test_a_profile_counts_every_model():
    code, lines = run("profile")
    assert (code, lines["profile"]) == (0, ["20 of PyFirst", "20 of PySecond", "20 of PyThird"])
    assert sys.getprofile() is None
