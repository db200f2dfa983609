"""Networks in one process, in interpreters of their own: ``python one_process_scenarios.py SCENARIO ...``.

What a scenario prints, below its name, is looked at; the interpreter must end by itself.
"""

import cProfile
import gc
import io
import os
import pstats
import sys
import threading
import time
from itertools import pairwise

import numpy as np
from doing_processes import Doing, Held, Reaching
from failing_processes import network
from greenlet import greenlet

import lava_nbp
from lava_nbp import LavaRuntime
from lava_nbp.processes import SynfireChain

from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.extractor import Extractor
from lava.proc.io.injector import Injector


def waits_of_the_only_thread():
    into, out = Injector(shape=(1,), buffer_size=2), Extractor(shape=(1,), buffer_size=2)
    into.out_port.connect(out.in_port)
    with LavaRuntime(into, Loihi2SimCfg(), in_process=True) as runtime:
        for name, use in (
            ("receive", out.receive),
            ("send", lambda: [into.send(np.zeros(1)) for _ in range(3)]),
            ("run", lambda: runtime.run(5)),
        ):
            try:
                use()
            except lava_nbp.RuntimeFailure as error:
                print(f"{name}: {error}")


def _held():
    """What is held, by kind; helper threads have ended, and the collector finds nothing more.

    What a Process's `__del__` lets go of is found by the next collection only.
    """
    time.sleep(0.5)
    while gc.collect():
        pass
    with open("/proc/self/statm") as pages, open("/proc/self/maps") as maps:
        found = {"kB": int(pages.read().split()[1]) * 4, "maps": len(maps.readlines())}
    objects = gc.get_objects()
    return found | {
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "objects": len(objects),
        "greenlets": sum(isinstance(one, greenlet) for one in objects if type(one).__module__ == "greenlet"),
    }


def a_thousand_networks(count=1600):
    """And more, of many kinds and ends; what is held after half, when the allocator has settled, and every quarter."""
    held = Held

    def one(k):
        kind = k % 5
        if kind == 0:
            with LavaRuntime(network("never"), in_process=True) as runtime:
                runtime.run(2)
        elif kind == 1:
            try:
                with LavaRuntime(network("raise"), in_process=True) as runtime:
                    runtime.run(9)
            except lava_nbp.RuntimeFailure:
                pass
        elif kind == 2:
            LavaRuntime(network("never"), in_process=True, timeout=30).run(1)
        elif kind == 3:
            process, reaching = held(), Reaching(confirm=True)
            reaching.reach.connect_var(process.held)
            with LavaRuntime(process, in_process=True) as runtime:
                runtime._runtime.start(RunSteps(2, blocking=False))
                runtime._runtime.wait()
        else:
            SynfireChain(3).run(RunSteps(1), lava_nbp.run_config("lava", in_process=True))

    quarters = []
    for k in range(count):
        one(k)
        if k + 1 in (count // 2, 3 * count // 4, count):
            quarters.append(_held())
    # What is leaked is leaked in both quarters; what an allocator does under load, in one.
    less, more = ({what: b[what] - a[what] for what in a} for a, b in pairwise(quarters))
    allowed = {"kB": 750, "maps": 5}
    grown = {what: min(less[what], more[what]) for what in less}
    grown = {what: n for what, n in grown.items() if n > allowed.get(what, 0)}
    print(grown or "nothing has grown")


def breakpoints():
    def work(model):
        count = model.count
        count += 41 if model.time_step == 1 else 1
        if model.time_step == 1:
            breakpoint()

    sys.stdin = io.StringIO("up\nwhere\np f'the count is {self.count[0]}'\ncontinue\n")
    process, other = Doing(work), Doing(lambda model: model.receive())
    process.a_out.connect(other.b_in)
    with LavaRuntime(process, in_process=True) as runtime:
        runtime.run(4)
        print("ended with", process.count.get().item())


def profile():
    """Every call of `run_spk`, though models wait for each other in turn."""
    from profiled_processes import First, Second, Third

    first, second, third = First(), Second(), Third()
    first.out.connect(second.into)
    second.out.connect(third.into)
    with LavaRuntime(first, in_process=True) as runtime:
        runtime.run(1)
        profiler = cProfile.Profile()
        profiler.enable()
        runtime.run(20)
        profiler.disable()
    stats = pstats.Stats(profiler).stats
    for kind in ("PyFirst", "PySecond", "PyThird"):
        line = sys.modules["profiled_processes"].LINES[kind]
        calls = [numbers[1] for (_, at, name), numbers in stats.items() if name == "run_spk" and at == line]
        print(*calls, "of", kind)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print("==", name, flush=True)
        globals()[name]()
