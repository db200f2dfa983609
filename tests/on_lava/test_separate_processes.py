"""Models in operating-system processes: whatever happens to one, the run ends in time, and says why."""

import contextlib
import errno
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from failing_processes import network
from interpreters import LIMIT, in_time, members
from runtime_ends import FOLDER, outcome, start
from segments import remove_abandoned

import lava_nbp
from lava_nbp.errors import RuntimeFailure
from lava_nbp.on_lava import children
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import GatedLIF, SynfireChain

from lava.magma.core.run_conditions import RunSteps
from lava.proc.lif.process import LIF

pytestmark = pytest.mark.timeout(60)


def started(process, **options):
    """A network with an operating-system process for each model."""
    return LavaRuntime(process, in_process=False, **options)


# ------------------------------------------------------------- it works


def test_as_many_children_as_models_and_one_more():
    with started(network("never")) as runtime:
        assert not runtime.in_process
        assert len(multiprocessing.active_children()) == runtime.processes + 1 == 3
    assert not multiprocessing.active_children()


def megabytes(pid, what):
    """Of a process: "Anonymous" memory, or "Private_Dirty": what it shares with nobody, its parent neither."""
    rows = (row.split() for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return next(int(row[1]) for row in rows if row[0] == f"{what}:") / 1024


def test_children_do_not_copy_what_the_parent_holds():
    """A full collection in a child leaves the parent's objects alone."""
    held = [[k] for k in range(1_500_000)]  # 100 MB and more of what the collector looks at
    with started(network("collect", at=1)) as runtime:
        runtime.run(1)
        children = [child.pid for child in multiprocessing.active_children()]
        assert len(children) >= 3
        own = [megabytes(pid, "Private_Dirty") for pid in children]
        assert max(own) < megabytes(os.getpid(), "Anonymous") / 3
    assert len(held) == 1_500_000


# ------------------------------------------------- it fails, and says why

MESSAGES = {
    "kill": r"process of fragile \(Failing, model PyFailing\) ended with exit code -9",
    "exit": r"process of fragile .* ended with exit code 3",
    "die in init": "process of fragile .* ended with exit code 7",
}


@pytest.mark.parametrize("how", MESSAGES)
def test_a_model_that_dies(how):
    with (
        in_time(),
        pytest.raises(RuntimeFailure, match=MESSAGES[how]),
        started(network(how, name="fragile")) as runtime,
    ):
        runtime.run(10)


HARM = {
    "interrupt": r"KeyboardInterrupt\(\)",
    "segmentation fault": "ended with exit code -11",
    "leave a child": "ended with exit code 5",
    "stop": "the time-out passed",
    "start a thread and fail": "a thread is left",
}


@pytest.mark.parametrize("at", [0, 2], ids=["built", "run"])
@pytest.mark.parametrize("how", HARM)
def test_whatever_a_model_does_to_its_process_is_a_short_message(how, at):
    with (
        in_time(),
        pytest.raises(RuntimeFailure, match="(?s)" + HARM[how]) as caught,
        started(network(how, at, name="fragile"), timeout=0.7 if how == "stop" else None) as runtime,
    ):
        runtime.run(10)
    assert len(str(caught.value)) < 20_000
    assert ("while its model was built" if at == 0 else "in step 2") in str(caught.value) or how not in (
        "interrupt", "start a thread and fail",
    )  # fmt: skip


def test_the_traceback_of_the_child_is_in_the_message():
    with (
        pytest.raises(RuntimeFailure, match="(?s)ValueError.*Traceback.*in run_spk.*one too many") as caught,
        started(network("raise")) as runtime,
    ):
        runtime.run(10)
    assert type(caught.value.__cause__) is ValueError


def test_interrupt_while_children_are_started():
    """It takes effect when all are known, and then none is left."""

    def interrupted(delay):
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
        with started(network("hang", at=1)) as runtime:
            runtime.run(1)

    for delay in (0.0, 0.01, 0.02, 0.04, 0.06, 0.08):
        with in_time(), pytest.raises(KeyboardInterrupt):
            interrupted(delay)


def test_a_program_that_ignores_the_ends_of_children():
    """The kernel then keeps no exit codes, and waitpid fails."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with in_time(), pytest.raises(RuntimeFailure, match="ended with exit code"):
            started(network("die in init"))
        with in_time(), started(network("never")) as runtime:
            runtime.run(1)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_service_that_dies_while_a_var_is_set():
    """More messages than a channel holds: the parent would wait for room in it."""
    lif = LIF(shape=(300,), du=0, dv=0, vth=10)
    runtime = started(lif)
    service = next(child for child in multiprocessing.active_children() if "service" in child.name)
    os.kill(service.pid, signal.SIGSTOP)
    threading.Timer(0.5, service.kill).start()
    with in_time(), pytest.raises(RuntimeFailure, match="runtime service ended with exit code -9"):
        lif.v.set(np.zeros(300, int))
    runtime.stop()


def test_two_threads_end_it_at_once(monkeypatch):
    """One stops it, the other's run fails by that: the second waits for the first, and does nothing of its own."""
    inside, go_on, ends, kill = threading.Event(), threading.Event(), [], children.kill_children

    def slowly(infrastructure):
        ends.append(threading.current_thread())
        inside.set()
        assert go_on.wait(LIMIT)
        kill(infrastructure)

    monkeypatch.setattr(children, "kill_children", slowly)
    runtime = started(network("never"))
    stopping = threading.Thread(target=runtime._runtime.kill)
    stopping.start()
    assert inside.wait(LIMIT)
    second = threading.Thread(target=runtime._runtime.kill)
    second.start()
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    with in_time():
        stopping.join()
        second.join()
    assert ends == [stopping]
    assert not multiprocessing.active_children()


def test_a_child_is_released_once_and_then_is_not_alive():
    """Whoever comes second finds nothing to do, in the middle of the first's work, too."""
    with in_time(), started(network("never")) as runtime:
        actors = list(runtime._runtime._messaging_infrastructure.actors)
    for actor in actors:
        assert actor._popen is None
        actor.release()
        actor._is_done = False  # as if it was asked just before
        assert not actor.is_alive()


def test_watchdogs_of_lava_end_with_the_network():
    """They wait for ever for the end of a message to or from the dead."""
    chain, failing, listener = SynfireChain(3, autostart=True), network("kill"), GatedLIF((2,))
    failing.s_out.connect(listener.s_in)
    chain.phase(0).connect(listener.gate_in)
    with in_time(), pytest.raises(RuntimeFailure, match="ended with exit code -9"):
        chain.run(RunSteps(10), lava_nbp.run_config("lava", in_process=False), {"use_watchdog": True})
    assert not multiprocessing.active_children()


def files():
    return len(os.listdir("/proc/self/fd"))


def cannot_start(match):
    before = files()
    with in_time(), pytest.raises(RuntimeFailure, match=f"a network of 2 models cannot be started: .*{match}.*ulimit"):
        started(network("never"))
    assert not multiprocessing.active_children()
    assert files() == before


def test_too_few_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    with contextlib.ExitStack() as holes:  # the limit is one on numbers
        while (number := os.dup(0)) < highest:
            holes.callback(os.close, number)
        os.close(number)
        before = files()
        for more in (0, 1, 3, 6, 9):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + more, hard))
                with pytest.raises(
                    RuntimeFailure, match="network of 2 models cannot be started: .*Too many open files"
                ):
                    started(network("never"))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert files() == before
            assert not multiprocessing.active_children()


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_too_few_processes(nth, monkeypatch):
    fork, done = os.fork, []

    def refuse():
        done.append(1)
        if len(done) == nth:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", refuse)
    cannot_start("Resource temporarily unavailable")


def test_full_shared_memory(monkeypatch):
    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lava.magma.compiler.channels.pypychannel.Semaphore", refuse)
    cannot_start("No space left on device")


@pytest.mark.parametrize("use", [lambda var: var.get(), lambda var: var.set([1, 2, 3])])
def test_var_of_a_model_that_has_died(use):
    process = network("never", name="gone")
    runtime = started(process)
    runtime.run(1)
    for child in multiprocessing.active_children():
        if child.name.startswith("gone"):
            child.kill()
    with in_time(), pytest.raises(RuntimeFailure, match="process of gone .* ended with exit code -9"):
        use(process.state)


# ----------------------------------------------- whole interpreters, watched

SCENARIOS = [
    "model_raises",
    "model_raises_in_init",
    "child_is_killed",
    "child_exits",
    "wrong_send_shape",
    "exception_in_the_block",
    "forgotten_stop",
    "interrupt_caught",
    "interrupt_of_the_group_caught",
    "interrupt_not_caught",
    "var_of_wrong_size",
    "continuous_pause_steps",
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario):
    assert outcome(start(scenario, "own"), LIMIT + 5) == "well"  # 5 s to import Lava on a busy machine


def test_a_hundred_networks_in_a_row():
    """And none leaves anything mapped or open, though Lava remembers every Process for ever."""
    assert outcome(start("a_hundred_in_a_row", "own"), 50) == "well"


@pytest.mark.timeout(120)
def test_scenarios_tell_this_runtime_from_plain_lava():
    """The tests above can fail: of all these, Lava's own runtime survives one. All at once, to wait only once."""
    processes = {scenario: start(scenario, "plain") for scenario in SCENARIOS}
    deadline = time.monotonic() + LIMIT + 5
    try:
        ends = {s: outcome(p, max(0.1, deadline - time.monotonic())) for s, p in processes.items()}
        # On a machine busy with all of them an interrupt may come before there is anything to leave behind.
        for scenario in [s for s, end in ends.items() if end == "well" and s != "interrupt_not_caught"]:
            ends[scenario] = outcome(start(scenario, "plain"), LIMIT + 5)
    finally:
        remove_abandoned()
    assert {scenario for scenario, end in ends.items() if end == "well"} <= {"interrupt_not_caught"}


def test_parent_that_is_killed_takes_its_children_along():
    code = (
        f"import sys, os, signal; sys.path.insert(0, {str(FOLDER)!r})\n"
        "from runtime_scenarios import network, LavaRuntime\n"
        "LavaRuntime(network('never'), in_process=False).run(3)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    assert process.wait(20) == -signal.SIGKILL
    deadline = time.monotonic() + LIMIT
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not members(process.pid)
