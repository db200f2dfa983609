"""In one process and in many: every way out of a run ends in time, tells why, and leaves nothing (see conftest)."""

import gc
import logging
import multiprocessing
import os
import re
import signal
import threading

import numpy as np
import pytest
from failing_processes import Failing, Listening, network
from interpreters import LIMIT, in_time
from scipy.sparse import csr_matrix

import lava_nbp
from lava_nbp.errors import InputError, RuntimeFailure
from lava_nbp.on_lava.one_process import OneProcessRuntime
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.on_lava.separate_processes import SeparateProcesses
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


@pytest.fixture
def started(in_process):
    """Starts a network in one of the two ways."""

    def start(process, *args, **options):
        runtime = LavaRuntime(process, *args, in_process=in_process, **options)
        assert runtime.in_process == in_process
        assert bool(multiprocessing.active_children()) != in_process
        return runtime

    return start


@pytest.fixture
def config(in_process):
    """The run configuration of target "lava" for one of the two ways."""
    return lava_nbp.run_config("lava", in_process=in_process)


# ------------------------------------------------------------- it works


def test_run_again_and_again(started):
    with started(network("never")) as runtime:
        for _ in range(3):
            runtime.run(5)
        assert runtime.processes == 2


def test_collecting_goes_on_as_before(started):
    frozen = gc.get_freeze_count()  # Python 3.12 has set some objects aside itself
    for switch in (gc.enable, gc.disable):
        switch()
        before = gc.isenabled()
        with started(network("never")) as runtime:
            assert gc.isenabled() == before
            runtime.run(1)
        assert gc.get_freeze_count() == frozen


def test_two_networks_at_once(started):
    with started(network("never")) as one, started(network("never")) as two:
        for _ in range(3):
            one.run(2)
            two.run(3)


def test_run_read_write_run(started):
    """A stock neuron that is read and set between runs; its arithmetic done by hand."""
    lif = LIF(shape=(2,), bias_mant=3, vth=1000, du=0, dv=0)
    with started(lif) as runtime:
        assert lif.v.get().tolist() == [0, 0]  # before the first run
        runtime.run(4)
        assert lif.v.get().tolist() == [12, 12]
        assert lif.v.get().dtype == np.int32
        lif.v.set(np.array([100, -100]))
        lif.bias_mant.set(5, idx=1)
        runtime.run(2)
        assert lif.v.get().tolist() == [106, -90]
        assert lif.v.get(idx=1) == -90


def test_stock_monitor_with_a_refport(started):
    """A model that serves its Vars to others waits for several channels at once: Lava's own channels are used."""
    lif, monitor = LIF(shape=(1,), bias_mant=3, vth=10, du=0, dv=0), Monitor()
    monitor.probe(lif.v, 6)
    with started(lif, timeout=30) as runtime:
        runtime.run(6)
        (recorded,) = next(iter(monitor.get_data().values())).values()
        assert recorded.ravel().tolist() == [3, 6, 9, 12, 15, 18]


def test_stock_processes_with_several_senders(started):
    sources = [Source(data=np.array([[1, 0, 2, 3]])) for _ in range(2)]
    denses = [Dense(weights=np.array([[k]])) for k in (1, 10)]
    sink = Sink(shape=(1,), buffer=5)
    for source, dense in zip(sources, denses, strict=True):
        source.s_out.connect(dense.s_in)
        dense.a_out.connect(sink.a_in)
    with started(sink, Loihi2SimCfg(select_tag="floating_pt")) as runtime:
        runtime.run(5)
        assert sink.data.get().tolist() == [[0, 11, 0, 11, 11]]  # a Dense takes spikes, 0 or 1


def test_from_another_thread(started):
    errors = []

    def work():
        try:
            with started(network("never")) as runtime:
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
        ("raise", r"ValueError\('step 3 is one too many'\)"),
        ("raise unpicklable", r"Unpicklable\('fish and chips'\)"),
        ("wrong shape", r"AssertionError.*sends an array of shape \(5,\).*has shape \(2,\)"),
    ],
)
def test_failing_model(how, message, started):
    with (
        in_time(),
        pytest.raises(
            RuntimeFailure,
            match=rf"(?s)Process fragile \(Failing, model PyFailing\) failed in step 3: {message}.*in run_spk",
        ),
        started(network(how, name="fragile")) as runtime,
    ):
        runtime.run(10)


HARM = {
    "huge": r"ValueError\('x+ \.\.\. \(\d+ characters left out\) \.\.\. x+!'\)",
    "huge and not ASCII": "ValueError.*characters left out",
    "unshowable": "Unshowable, which cannot be shown",
    "sticky": r"Sticky\('glue'\)",
    "several values": r"UnicodeDecodeError\('utf-8'",
    "end": r"SystemExit\('enough'\)",
    "out of memory": r"MemoryError\(\)",
}


@pytest.mark.parametrize("at", [0, 2], ids=["built", "run"])
@pytest.mark.parametrize("how", HARM)
def test_whatever_a_model_does_is_a_short_message(how, at, started):
    with (
        in_time(),
        pytest.raises(RuntimeFailure, match="(?s)" + HARM[how]) as caught,
        started(network(how, at, name="fragile")) as runtime,
    ):
        runtime.run(10)
    assert len(str(caught.value)) < 20_000
    assert ("while its model was built" if at == 0 else "in step 2") in str(caught.value)


def test_the_cause_is_the_models_own_exception(started):
    with pytest.raises(RuntimeFailure) as caught, started(network("raise")) as runtime:
        runtime.run(10)
    assert isinstance(caught.value.__cause__, ValueError)


def test_model_that_cannot_be_built(started):
    with in_time(), pytest.raises(RuntimeFailure, match="failed while its model was built.*no such luck"):
        started(network("init"))


def test_time_out(started):
    with (
        in_time(),
        pytest.raises(RuntimeFailure, match="time-out"),
        started(network("hang"), timeout=0.5) as runtime,
    ):
        runtime.run(10)


def test_time_out_while_a_model_is_built(started):
    with in_time(), pytest.raises(RuntimeFailure, match="the time-out passed (before|in) .*Failing.* was built"):
        started(network("hang in init"), timeout=0.5)


def test_interrupt_while_a_model_is_built(started):
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with in_time(), pytest.raises(KeyboardInterrupt):
        started(network("hang in init"))


def test_a_ring_that_waits_for_itself(started, in_process):
    """Two stock LIFs, each of which receives before it sends: in one process that is seen at once."""
    one, two = LIF(shape=(1,)), LIF(shape=(1,))
    one.s_out.connect(two.a_in)
    two.s_out.connect(one.a_in)
    late = "^" if in_process else "^the time-out passed before Lava had done its work: "
    with (
        in_time(),
        pytest.raises(RuntimeFailure, match=f"{late}Processes wait for each other in step 1: "),
        started(one, timeout=None if in_process else 1) as runtime,
    ):
        runtime.run(1)


def test_stopped_by_another_thread(started):
    runtime = started(network("hang"))
    threading.Timer(0.3, runtime.stop).start()
    with in_time(), pytest.raises(RuntimeFailure, match="is stopped|ended with exit code -9"):
        runtime.run(10)


def test_pipes_from_outside_end_with_the_network(started):
    into, out = Injector(shape=(2,)), Extractor(shape=(2,))
    into.out_port.connect(out.in_port)
    threads = set(threading.enumerate())
    with started(into, Loihi2SimCfg()) as runtime:
        into.send(np.array([1.0, 2.0]))
        runtime.run(1)
        assert out.receive().tolist() == [1, 2]
    for use in (out.receive, lambda: into.send(np.zeros(2))):
        with in_time(), pytest.raises(RuntimeFailure, match="is stopped"):
            use()
    assert set(threading.enumerate()) <= threads  # what others started may end meanwhile


def test_exception_in_the_block_passes_through(started):
    def block():
        with started(network("never")) as runtime:
            runtime.run(2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()


def test_stopped_runtime_says_so(started):
    runtime = started(network("never"))
    runtime.run(2)
    runtime.stop()
    runtime.stop()
    with pytest.raises(RuntimeFailure, match="is stopped, and Lava compiles a Process only once"):
        runtime.run(1)


def test_stop_without_any_run(started):
    started(network("never")).stop()


def test_interrupt_while_running(started):
    runtime = started(network("hang"))
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with in_time(), pytest.raises(KeyboardInterrupt), runtime:
        runtime.run(10)
    with started(network("never")) as again:  # the interpreter is as good as before
        again.run(1)


@pytest.mark.parametrize("timeout", [0, -1, "3", float("nan"), float("inf"), True, 1j, [1], 10**400, np.array([1.0])])
def test_time_outs_that_are_none(timeout):
    with pytest.raises(InputError, match="^timeout is .*, but must be a positive number of seconds"):
        LavaRuntime(network("never"), timeout=timeout)


@pytest.mark.parametrize("timeout", [np.float32(30), np.int64(30), 30])
def test_time_outs_of_every_type(timeout, started):
    with started(network("never"), timeout=timeout) as runtime:
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


def test_wrong_arguments_stop_nothing(started):
    with started(network("never")) as runtime:
        for steps in (0, -1, 2.5, True, "3", None, np.array([3])):
            message = re.escape(f"number of steps is {steps!r}, but must be an integer of 1 or more")
            with pytest.raises(InputError, match=message):
                runtime.run(steps)
        for steps in (2**53 + 1, 10**400):
            with pytest.raises(InputError, match="number of steps is .*, but Lava counts 9007199254740992 at most"):
                runtime.run(steps)
        runtime.run(np.int64(1))


# ------------------------------------------------------- nobody stops it


def living():
    """How many networks have not ended; their operating-system processes are there exactly as long."""
    found = [one for one in gc.get_objects() if type(one) in (OneProcessRuntime, SeparateProcesses) and not one.stopped]
    own = sum(type(one) is SeparateProcesses for one in found)
    assert bool(multiprocessing.active_children()) == bool(own)
    return len(found)


def test_a_network_that_nobody_can_reach_is_ended(started):
    before = living()
    runtime = started(network("never"))
    runtime.run(1)
    assert living() == before + 1
    del runtime
    assert living() == before


def test_networks_of_process_run_are_ended_when_they_are_collected(config, in_process):
    def use(process):
        process.run(RunSteps(1), config)

    gc.collect()
    use(SynfireChain(3, autostart=True))
    assert living() == 1
    gc.collect()
    assert living() == 0
    for _ in range(9):  # nobody collects, but whoever starts one more: what is only memory waits for Python to do so
        use(SynfireChain(3, autostart=True))
    assert living() <= 5 or in_process
    gc.collect()
    assert living() == 0


def test_a_process_that_is_held_keeps_its_network(config):
    def started():
        process, listener = SynfireChain(3, autostart=True), Listening((3,))
        process.s_out.connect(listener.s_in)
        process.run(RunSteps(1), config)
        return listener

    held = started()
    gc.collect()
    held.run(RunSteps(1))
    held.stop()


def test_ended_by_the_collector_in_another_thread(config):
    gc.collect()
    SynfireChain(3).run(RunSteps(1), config)
    assert living() == 1
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join(LIMIT)
    assert living() == 0


def test_lava_forgets_a_network(started):
    processes, variables = ProcessServer().num_processes, VarServer().num_vars
    handlers = len(logging.getLogger().handlers)
    for _ in range(3):
        process = network("never")
        assert process.id >= processes
        with started(process):
            pass
    assert (ProcessServer().num_processes, VarServer().num_vars) == (processes, variables)
    assert len(logging.getLogger().handlers) <= handlers + 1


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
def test_values_that_a_var_cannot_hold(value, message, started):
    process = network("never")
    with started(process) as runtime:
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


# ------------------------------------- run, pause, wait as in Lava scripts


def test_process_run_of_the_library_is_watched(config):
    chain = SynfireChain(3, autostart=True)
    failing = network("raise")
    chain_sink, listener = Sink(shape=(3,), buffer=20), GatedLIF((2,))
    chain.s_out.connect(chain_sink.a_in)
    failing.s_out.connect(listener.s_in)
    chain.phase(0).connect(listener.gate_in)
    with in_time(), pytest.raises(RuntimeFailure, match="failed in step 3"):
        chain.run(RunSteps(10), config)
    with pytest.raises(RuntimeFailure, match="is stopped"):
        chain.run(RunSteps(10), config)


def test_continuous_pause_steps_wait_stop(config):
    chain = SynfireChain(4, autostart=True)
    sink = Sink(shape=(4,), buffer=1)
    chain.s_out.connect(sink.a_in)
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
