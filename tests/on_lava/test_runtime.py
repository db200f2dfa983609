"""Every way out of a run ends in time, tells why, and leaves nothing (checked by conftest)."""

import contextlib
import errno
import gc
import logging
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from failing_processes import Failing, Listening
from interpreters import members
from scipy.sparse import csr_matrix
from segments import abandoned, remove_abandoned

import lava_nbp
from lava_nbp.errors import InputError, RuntimeFailure
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import GatedLIF, SynfireChain

from lava.magma.core.process.process import ProcessServer
from lava.magma.core.process.variable import VarServer
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.extractor import Extractor
from lava.proc.io.injector import Injector
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor

pytestmark = pytest.mark.timeout(60)
SUPPORT = Path(__file__).parents[1] / "support" / "runtime"
#: Everything has to be over by then.
LIMIT = 10


@pytest.fixture(autouse=True)
def no_garbage_collection():
    """Hypothesis counts collections in a callback of the collector; an interrupt that comes just then is swallowed."""
    gc.disable()
    yield
    gc.enable()


def network(how, at=3, name=None):
    failing, listening = Failing(how, at, name), Listening()
    failing.s_out.connect(listening.s_in)
    return failing


@contextlib.contextmanager
def in_time():
    start = time.monotonic()
    yield
    assert time.monotonic() - start < LIMIT


# ------------------------------------------------------------- it works


def test_run_again_and_again():
    with LavaRuntime(network("never")) as runtime:
        for _ in range(3):
            runtime.run(5)
        assert runtime.processes == 2


def megabytes(pid, what):
    """Of a process: "Anonymous" memory, or "Private_Dirty": what it shares with nobody, its parent neither."""
    rows = (row.split() for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return next(int(row[1]) for row in rows if row[0] == f"{what}:") / 1024


def test_children_do_not_copy_what_the_parent_holds():
    """A full collection in a child leaves the parent's objects alone."""
    held = [[k] for k in range(1_500_000)]  # 100 MB and more of what the collector looks at
    with LavaRuntime(network("collect", at=1)) as runtime:
        runtime.run(1)
        children = [child.pid for child in multiprocessing.active_children()]
        assert len(children) >= 3
        own = [megabytes(pid, "Private_Dirty") for pid in children]
        assert max(own) < megabytes(os.getpid(), "Anonymous") / 3
    assert len(held) == 1_500_000


def test_collecting_goes_on_as_before():
    frozen = gc.get_freeze_count()  # Python 3.12 has set some objects aside itself
    for switch in (gc.enable, gc.disable):
        switch()
        before = gc.isenabled()
        with LavaRuntime(network("never")) as runtime:
            assert gc.isenabled() == before
            runtime.run(1)
        assert gc.get_freeze_count() == frozen


def test_two_networks_at_once():
    with LavaRuntime(network("never")) as one, LavaRuntime(network("never")) as two:
        for _ in range(3):
            one.run(2)
            two.run(3)


def test_run_read_write_run():
    """A stock neuron that is read and set between runs; its arithmetic done by hand."""
    lif = LIF(shape=(2,), bias_mant=3, vth=1000, du=0, dv=0)
    with LavaRuntime(lif) as runtime:
        assert lif.v.get().tolist() == [0, 0]  # before the first run
        runtime.run(4)
        assert lif.v.get().tolist() == [12, 12]
        assert lif.v.get().dtype == np.int32
        lif.v.set(np.array([100, -100]))
        lif.bias_mant.set(5, idx=1)
        runtime.run(2)
        assert lif.v.get().tolist() == [106, -90]
        assert lif.v.get(idx=1) == -90


def test_stock_monitor_with_a_refport():
    """A model that serves its Vars to others waits for several channels at once: Lava's own channels are used."""
    lif, monitor = LIF(shape=(1,), bias_mant=3, vth=10, du=0, dv=0), Monitor()
    monitor.probe(lif.v, 6)
    with LavaRuntime(lif, timeout=30) as runtime:
        runtime.run(6)
        (recorded,) = next(iter(monitor.get_data().values())).values()
        assert recorded.ravel().tolist() == [3, 6, 9, 12, 15, 18]


def test_stock_processes_with_several_senders():
    sources = [Source(data=np.array([[1, 0, 2, 3]])) for _ in range(2)]
    denses = [Dense(weights=np.array([[k]])) for k in (1, 10)]
    sink = Sink(shape=(1,), buffer=5)
    for source, dense in zip(sources, denses, strict=True):
        source.s_out.connect(dense.s_in)
        dense.a_out.connect(sink.a_in)
    with LavaRuntime(sink, Loihi2SimCfg(select_tag="floating_pt")) as runtime:
        runtime.run(5)
        assert sink.data.get().tolist() == [[0, 11, 0, 11, 11]]  # a Dense takes spikes, 0 or 1


def test_from_another_thread():
    errors = []

    def work():
        try:
            with LavaRuntime(network("never")) as runtime:
                runtime.run(3)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert not errors


# ------------------------------------------------- it fails, and says why


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            "raise",
            r"Process fragile \(Failing, model PyFailing\) failed in step 3: ValueError.*in run_spk.*one too many",
        ),
        ("raise unpicklable", r"Process fragile .* failed in step 3: Unpicklable.*in run_spk.*fish and chips"),
        ("kill", r"process of fragile \(Failing, model PyFailing\) ended with exit code -9"),
        ("exit", r"process of fragile .* ended with exit code 3"),
        ("wrong shape", r"Process fragile .* failed in step 3.*sends an array of shape \(5,\).*has shape \(2,\)"),
    ],
)
def test_failing_model(how, message):
    with (
        in_time(),
        pytest.raises(RuntimeFailure, match=f"(?s){message}"),
        LavaRuntime(network(how, name="fragile")) as runtime,
    ):
        runtime.run(10)


HARM = {
    "huge": r"ValueError\('x+ \.\.\. \(\d+ characters left out\) \.\.\. x+!'\)",
    "huge and not ASCII": "ValueError.*characters left out",
    "unshowable": "Unshowable, which cannot be shown",
    "sticky": r"Sticky\('glue'\)",
    "several values": r"UnicodeDecodeError\('utf-8'",
    "end": r"SystemExit\('enough'\)",
    "interrupt": r"KeyboardInterrupt\(\)",
    "out of memory": r"MemoryError\(\)",
    "segmentation fault": "ended with exit code -11",
    "leave a child": "ended with exit code 5",
    "stop": "the time-out passed",
    "start a thread and fail": "a thread is left",
}


@pytest.mark.parametrize("at", [0, 2], ids=["built", "run"])
@pytest.mark.parametrize("how", HARM)
def test_whatever_a_model_does_is_a_short_message(how, at):
    with (
        in_time(),
        pytest.raises(RuntimeFailure, match="(?s)" + HARM[how]) as caught,
        LavaRuntime(network(how, at, name="fragile"), timeout=0.7 if how == "stop" else None) as runtime,
    ):
        runtime.run(10)
    assert len(str(caught.value)) < 20_000
    assert ("while its model was built" if at == 0 else "in step 2") in str(caught.value) or "Error" not in HARM[how]
    assert len(str(caught.value.__cause__)) < 20_000


def test_a_program_that_ignores_the_ends_of_children():
    """The kernel then keeps no exit codes, and waitpid fails."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with in_time(), pytest.raises(RuntimeFailure, match="ended with exit code"):
            LavaRuntime(network("die in init"))
        with in_time(), LavaRuntime(network("never")) as runtime:
            runtime.run(1)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_the_cause_is_the_models_own_exception():
    with pytest.raises(RuntimeFailure) as caught, LavaRuntime(network("raise")) as runtime:
        runtime.run(10)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("how", "message"), [("init", "failed while its model was built.*no such luck"), ("die in init", "exit code 7")]
)
def test_model_that_cannot_be_built(how, message):
    with in_time(), pytest.raises(RuntimeFailure, match=message):
        LavaRuntime(network(how))


def test_time_out():
    with (
        in_time(),
        pytest.raises(RuntimeFailure, match="time-out"),
        LavaRuntime(network("hang"), timeout=0.5) as runtime,
    ):
        runtime.run(10)


def test_time_out_while_a_model_is_built():
    with in_time(), pytest.raises(RuntimeFailure, match="time-out passed before .*Failing.* was built"):
        LavaRuntime(network("hang in init"), timeout=0.5)


def test_interrupt_while_a_model_is_built():
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with in_time(), pytest.raises(KeyboardInterrupt):
        LavaRuntime(network("hang in init"))


def test_interrupt_while_children_are_started():
    """It takes effect when all are known, and then none is left."""

    def interrupted(delay):
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
        with LavaRuntime(network("hang", at=1)) as runtime:
            runtime.run(1)

    for delay in (0.0, 0.01, 0.02, 0.04, 0.06, 0.08):
        with in_time(), pytest.raises(KeyboardInterrupt):
            interrupted(delay)


def test_time_out_of_a_ring_that_waits_for_itself():
    """Two stock LIFs, each of which receives before it sends."""
    one, two = LIF(shape=(1,)), LIF(shape=(1,))
    one.s_out.connect(two.a_in)
    two.s_out.connect(one.a_in)
    with (
        in_time(),
        pytest.raises(RuntimeFailure, match="the time-out passed before .*: Processes wait for each other in step 1: "),
        LavaRuntime(one, timeout=1, in_process=False) as runtime,
    ):
        runtime.run(1)


def test_service_that_dies_while_a_var_is_set():
    """More messages than a channel holds: the parent would wait for room in it."""
    lif = LIF(shape=(300,), du=0, dv=0, vth=10)
    runtime = LavaRuntime(lif)
    service = next(child for child in multiprocessing.active_children() if "service" in child.name)
    os.kill(service.pid, signal.SIGSTOP)
    threading.Timer(0.5, service.kill).start()
    with in_time(), pytest.raises(RuntimeFailure, match="runtime service ended with exit code -9"):
        lif.v.set(np.zeros(300, int))
    runtime.stop()


def test_stopped_by_another_thread():
    runtime = LavaRuntime(network("hang"))
    threading.Timer(0.3, runtime.stop).start()
    with in_time(), pytest.raises(RuntimeFailure, match="is stopped|ended with exit code -9"):
        runtime.run(10)


def test_pipes_from_outside_end_with_the_network():
    into, out = Injector(shape=(2,)), Extractor(shape=(2,))
    into.out_port.connect(out.in_port)
    threads = threading.active_count()
    with LavaRuntime(into, Loihi2SimCfg()) as runtime:
        into.send(np.array([1.0, 2.0]))
        runtime.run(1)
        assert out.receive().tolist() == [1, 2]
    for use in (out.receive, lambda: into.send(np.zeros(2))):
        with in_time(), pytest.raises(RuntimeFailure, match="is stopped"):
            use()
    assert threading.active_count() <= threads


def test_watchdogs_of_lava_end_with_the_network():
    """They wait for ever for the end of a message to or from the dead."""
    chain, failing, listener = SynfireChain(3, autostart=True), network("kill"), GatedLIF((2,))
    failing.s_out.connect(listener.s_in)
    chain.phase(0).connect(listener.gate_in)
    with in_time(), pytest.raises(RuntimeFailure, match="ended with exit code -9"):
        chain.run(RunSteps(10), lava_nbp.run_config("lava"), {"use_watchdog": True})
    assert not multiprocessing.active_children()


def test_exception_in_the_block_passes_through():
    def block():
        with LavaRuntime(network("never")) as runtime:
            runtime.run(2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()


def test_stopped_runtime_says_so():
    runtime = LavaRuntime(network("never"))
    runtime.run(2)
    runtime.stop()
    runtime.stop()
    with pytest.raises(RuntimeFailure, match="is stopped, and Lava compiles a Process only once"):
        runtime.run(1)


def test_stop_without_any_run():
    LavaRuntime(network("never")).stop()


def test_interrupt_while_running():
    runtime = LavaRuntime(network("hang"))
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with in_time(), pytest.raises(KeyboardInterrupt), runtime:
        runtime.run(10)
    with LavaRuntime(network("never")) as again:  # the interpreter is as good as before
        again.run(1)


@pytest.mark.parametrize("timeout", [0, -1, "3", float("nan"), float("inf"), True, 1j, [1], 10**400, np.array([1.0])])
def test_time_outs_that_are_none(timeout):
    with pytest.raises(InputError, match="^timeout is .*, but must be a positive number of seconds"):
        LavaRuntime(network("never"), timeout=timeout)


@pytest.mark.parametrize("timeout", [np.float32(30), np.int64(30), 30])
def test_time_outs_of_every_type(timeout):
    with LavaRuntime(network("never"), timeout=timeout) as runtime:
        runtime.run(1)


@pytest.mark.parametrize("process", [None, 3, "network", Failing, [1]])
def test_what_is_no_process(process):
    with pytest.raises(InputError, match="^process is .*, but must be a Process of Lava; give one"):
        LavaRuntime(process)


@pytest.mark.parametrize("config", [3, 0, "", "lava", [], Loihi2SimCfg, RunSteps(1)])
def test_what_is_no_run_configuration(config):
    with pytest.raises(InputError, match=r"^run_config is .*, but must be a RunConfig .* lava_nbp.run_config$"):
        LavaRuntime(network("never"), config)


def test_a_network_that_was_compiled_before():
    process = network("never")
    LavaRuntime(process).stop()
    with pytest.raises(InputError, match="compiled already.*; make the network anew"):
        LavaRuntime(process)


def test_wrong_arguments_stop_nothing():
    with LavaRuntime(network("never")) as runtime:
        for steps in (0, -1, 2.5, True, "3", None, np.array([3])):
            message = re.escape(f"number of steps is {steps!r}, but must be an integer of 1 or more")
            with pytest.raises(InputError, match=message):
                runtime.run(steps)
        for steps in (2**53 + 1, 10**400):
            with pytest.raises(InputError, match="number of steps is .*, but Lava counts 9007199254740992 at most"):
                runtime.run(steps)
        runtime.run(np.int64(1))


# ------------------------------------------------- nobody stops it, limits


def test_a_network_that_nobody_can_reach_is_ended():
    runtime = LavaRuntime(network("never"))
    runtime.run(1)
    del runtime
    assert not multiprocessing.active_children()


def test_networks_of_process_run_are_ended_when_they_are_collected():
    def use(process):
        process.run(RunSteps(1), lava_nbp.run_config("lava"))

    use(SynfireChain(3, autostart=True))
    assert multiprocessing.active_children()
    gc.collect()
    assert not multiprocessing.active_children()
    for _ in range(9):  # nobody collects, but whoever starts one more
        use(SynfireChain(3, autostart=True))
    assert len(multiprocessing.active_children()) <= 2 * 5
    gc.collect()
    assert not multiprocessing.active_children()


def test_a_process_that_is_held_keeps_its_network():
    def started():
        process, listener = SynfireChain(3, autostart=True), Listening((3,))
        process.s_out.connect(listener.s_in)
        process.run(RunSteps(1), lava_nbp.run_config("lava"))
        return listener

    held = started()
    gc.collect()
    held.run(RunSteps(1))
    held.stop()


def test_ended_by_the_collector_in_another_thread():
    SynfireChain(3).run(RunSteps(1), lava_nbp.run_config("lava"))
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join(LIMIT)
    assert not multiprocessing.active_children()


def test_lava_forgets_a_network():
    processes, variables = ProcessServer().num_processes, VarServer().num_vars
    handlers = len(logging.getLogger().handlers)
    for _ in range(3):
        process = network("never")
        assert process.id >= processes
        with LavaRuntime(process):
            pass
    assert (ProcessServer().num_processes, VarServer().num_vars) == (processes, variables)
    assert len(logging.getLogger().handlers) <= handlers + 1


def files():
    return len(os.listdir("/proc/self/fd"))


def cannot_start(match):
    before = files()
    with in_time(), pytest.raises(RuntimeFailure, match=f"a network of 2 models cannot be started: .*{match}.*ulimit"):
        LavaRuntime(network("never"))
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
                    LavaRuntime(network("never"))
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


# ------------------------------------------------------------------ Vars


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.arange(5), r"Failing.state has shape \(3,\), but the value has \(5,\)"),
        (np.zeros((3, 1)), r"has shape \(3,\), but the value has \(3, 1\)"),
        (np.array([1, 2, 1024]), r"Failing.state cannot hold 1024: its model keeps integers in -1024 .. 1023"),
        ([1, 2.5, 3], "cannot hold 2.5"),
        (np.nan, "cannot hold nan"),
        (np.array(["a", "b", "c"]), "holds numbers"),
        (None, "Failing.state holds numbers, but the value has dtype object: None"),
        ([[1], [1, 2], [3]], r"Failing.state holds numbers, but the value is \[\[1\], \[1, 2\], \[3\]\]"),
        ([1, 2, 3j], "holds numbers, but the value has dtype complex128"),
        (np.array([1, 2, 3], "datetime64[s]"), "holds numbers, but the value has dtype datetime64"),
        ([1, None, 3], "holds numbers, but the value has dtype object"),
        ({1, 2, 3}, "holds numbers"),
        (10**30, "holds numbers"),
        (2**63, "cannot hold 9223372036854775808"),
        (np.inf, "cannot hold inf"),
        ("abc", r"Failing.state: \(3,\) holds numbers, but the value is 'abc'"),
        ("\u00e4", r"holds numbers, but the value is"),
        (csr_matrix([[1, 2, 3]]), r"holds numbers, but the value is"),
    ],
)
def test_values_that_a_var_cannot_hold(value, message):
    process = network("never")
    with LavaRuntime(process) as runtime:
        runtime.run(1)
        with pytest.raises(InputError, match=message):
            process.state.set(value)
        assert process.state.get().tolist() == [1, 2, 3]  # nothing has changed, nothing has stopped
        process.state.set([7, 8, -9])
        process.state.set(1023, idx=0)
        with pytest.raises(InputError, match="cannot hold 4000"):
            process.state.set(4000, idx=(1,))
        for idx, message in ((7, "idx is 7: index 7 is out of bounds"), ("a", "idx is 'a': only integers")):
            with pytest.raises(InputError, match=message):
                process.state.set(1, idx=idx)
            with pytest.raises(InputError, match=message):
                process.state.get(idx)
        with pytest.raises(InputError, match=r"selects a part of shape \(2,\), but the value has \(3,\)"):
            process.state.set([1, 2, 3], idx=slice(2))
        process.level.set(0.25)
        runtime.run(1)
        assert process.state.get().tolist() == [1023, 8, -9]
        assert process.level.get().tolist() == [0.25]


@pytest.mark.parametrize("use", [lambda var: var.get(), lambda var: var.set([1, 2, 3])])
def test_var_of_a_model_that_has_died(use):
    process = network("never", name="gone")
    runtime = LavaRuntime(process)
    runtime.run(1)
    for child in multiprocessing.active_children():
        if child.name.startswith("gone"):
            child.kill()
    with in_time(), pytest.raises(RuntimeFailure, match="process of gone .* ended with exit code -9"):
        use(process.state)


# ------------------------------------- run, pause, wait as in Lava scripts


def test_process_run_of_the_library_is_watched():
    chain = SynfireChain(3, autostart=True)
    failing = network("raise")
    chain_sink, listener = Sink(shape=(3,), buffer=20), GatedLIF((2,))
    chain.s_out.connect(chain_sink.a_in)
    failing.s_out.connect(listener.s_in)
    chain.phase(0).connect(listener.gate_in)
    with in_time(), pytest.raises(RuntimeFailure, match="failed in step 3"):
        chain.run(RunSteps(10), lava_nbp.run_config("lava"))
    with pytest.raises(RuntimeFailure, match="is stopped"):
        chain.run(RunSteps(10), lava_nbp.run_config("lava"))


def test_continuous_pause_steps_wait_stop():
    chain = SynfireChain(4, autostart=True)
    sink = Sink(shape=(4,), buffer=1)
    chain.s_out.connect(sink.a_in)
    config = lava_nbp.run_config("lava")
    with in_time():
        chain.run(RunContinuous(), config)
        for use in (sink.data.get, lambda: chain.run(RunSteps(1), config)):
            with pytest.raises(RuntimeFailure, match=r"the network is running; call wait\(\) or pause\(\)"):
                use()
        chain.pause()
        before = int(chain.counters.spikes[0])
        assert before >= 1
        chain.run(RunSteps(5), config)
        assert chain.counters.spikes[0] == before + 5
        chain.run(RunSteps(7, blocking=False), config)
        chain.wait()
        assert chain.counters.spikes[0] == before + 12
        chain.pause()
        with pytest.raises(InputError, match="must be RunSteps or RunContinuous"):
            chain.run(5, config)
        chain.stop()


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


def start(scenario, runtime):
    segments = abandoned() if runtime == "plain" else "psm_"
    return subprocess.Popen(
        [sys.executable, str(SUPPORT / "runtime_scenarios.py"), scenario, runtime, segments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def outcome(process, seconds):
    """How a scenario ended: "well", or what was wrong. Whatever is left of it is killed."""
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return "hangs"
    finally:
        time.sleep(0.2)  # helper processes end a moment later
        left = members(process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    if left:
        return f"leaves {len(left)} processes"
    return "well" if "went well" in printed else printed


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario):
    assert outcome(start(scenario, "nbp"), LIMIT + 5) == "well"  # 5 s to import Lava on a busy machine


def test_a_hundred_networks_in_a_row():
    """And none leaves anything mapped or open, though Lava remembers every Process for ever."""
    assert outcome(start("a_hundred_in_a_row", "nbp"), 50) == "well"


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
        f"import sys, os, signal; sys.path.insert(0, {str(SUPPORT)!r})\n"
        "from runtime_scenarios import network, LavaRuntime\n"
        "LavaRuntime(network()).run(3)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    assert process.wait(20) == -signal.SIGKILL
    deadline = time.monotonic() + LIMIT
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not members(process.pid)
