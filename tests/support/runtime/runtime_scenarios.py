"""Ways to end a Lava run, each a script: ``python runtime_scenarios.py SCENARIO[,SCENARIO...] RUNTIME SEGMENTS``.

RUNTIME is this library's, "one" (all models in one process) or "own" (each in a process of its own), or "plain" (Lava's
own). SEGMENTS is how the names of shared memory begin: Lava's own runtime leaves some behind, and tests that run beside
it shall not take them for theirs. "went well" is printed after the last scenario; the interpreter must then end by
itself.
"""

import gc
import os
import signal
import sys
import threading
import time
from functools import partial
from multiprocessing import shared_memory

from failing_processes import network

from lava_nbp.on_lava.runtime import LavaRuntime, watch

from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg


class Plain:
    """Lava's own runtime with the interface of LavaRuntime."""

    def __init__(self, process):
        self.process = process

    def run(self, steps):
        self.process.run(RunSteps(steps), Loihi2SimCfg(select_tag="fixed_pt"))

    def stop(self):
        self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def expect_failure(runtime, how):
    try:
        with runtime(network(how)) as started:
            started.run(10)
    except Exception as error:
        print("raised", type(error).__name__)


def model_raises(runtime):
    expect_failure(runtime, "raise")


def model_raises_in_init(runtime):
    expect_failure(runtime, "init")


def child_is_killed(runtime):
    expect_failure(runtime, "kill")


def child_exits(runtime):
    expect_failure(runtime, "exit")


def wrong_send_shape(runtime):
    expect_failure(runtime, "wrong shape")


def exception_in_the_block(runtime):
    started = runtime(network("never"))
    try:
        started.run(3)
        raise ZeroDivisionError
    except ZeroDivisionError:
        pass  # nobody stops it


def forgotten_stop(runtime):
    runtime(network("never")).run(3)


def interrupt_caught(runtime):
    started = runtime(network("hang"))
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        started.run(10)
    except KeyboardInterrupt:
        started.stop()


def interrupt_of_the_group_caught(runtime):
    """As Ctrl-C in a terminal: every process of the group gets it."""
    started = runtime(network("hang"))
    threading.Timer(1.5, os.killpg, (os.getpgid(0), signal.SIGINT)).start()
    try:
        started.run(10)
    except KeyboardInterrupt:
        started.stop()


def interrupt_not_caught(runtime):
    print("went well", flush=True)
    threading.Timer(1.5, os.killpg, (os.getpgid(0), signal.SIGINT)).start()
    runtime(network("hang")).run(10)


def var_of_wrong_size(runtime):
    process = network("never")
    with runtime(process) as started:
        started.run(1)
        try:
            import numpy as np

            process.state.set(np.arange(5))
        except Exception as error:
            print("raised", type(error).__name__)
        started.run(1)


def a_hundred_in_a_row(runtime):
    """In a young interpreter, which forks fast."""

    def held():
        gc.collect()
        with open("/proc/self/maps") as maps:
            return len(maps.readlines()), len(os.listdir("/proc/self/fd"))

    before = None
    for _ in range(100):
        with runtime(network("never")) as started:
            started.run(1)
        before = before or held()
    maps, files = held()
    assert maps < before[0] + 50, maps - before[0]  # one each would be a hundred; the interpreter may take some
    assert files == before[1], files - before[1]


def continuous_pause_steps(runtime):
    process = network("never")
    config = Loihi2SimCfg(select_tag="fixed_pt")
    if runtime is not Plain:
        watch(process, process.compile(config), **runtime.keywords)
    process.run(RunContinuous(), config)
    time.sleep(0.3)
    process.pause()
    process.run(RunSteps(3), config)
    process.stop()


RUNTIMES = {"one": partial(LavaRuntime, in_process=True), "own": partial(LavaRuntime, in_process=False), "plain": Plain}

if __name__ == "__main__":
    names, which, segments = sys.argv[1:]
    shared_memory._SHM_NAME_PREFIX, shared_memory._SHM_SAFE_NAME_LENGTH = f"/{segments}", 48
    for name in names.split(","):
        globals()[name](RUNTIMES[which])
    print("went well", flush=True)
