"""Networks beside what other people do: ``python guest_scenarios.py SCENARIO ...``, one after the other.

Lava is imported where a scenario says so. What a scenario prints, below its name, is compared; the interpreter must end
by itself.
"""

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading

#: The two ways in which a network may run, and what they are called here.
WAYS = {True: "in one process", False: "in processes of its own"}


def network(how="never"):
    from failing_processes import network

    return network(how)


def own(process):
    """A network whose models have operating-system processes of their own."""
    from lava_nbp import LavaRuntime

    return LavaRuntime(process, in_process=False)


def run_both():
    """A network in each of the two ways."""
    import lava_nbp.processes  # noqa: F401 - before Lava
    from lava_nbp import LavaNBPError, LavaRuntime

    for in_process, way in WAYS.items():
        try:
            with LavaRuntime(network(), in_process=in_process) as runtime:
                runtime.run(2)
            print("ran", way, flush=True)
        except LavaNBPError as error:
            print(type(error).__name__, error, flush=True)


def children():
    return len(multiprocessing.active_children())


def loader_first():
    from torch.utils.data import DataLoader

    print(sum(1 for _ in DataLoader(range(4), num_workers=2)))
    run_both()


def queue_first():
    multiprocessing.Queue().put(1)
    run_both()
    print(multiprocessing.get_start_method())


def spawn_first():
    multiprocessing.set_start_method("spawn")
    run_both()
    print(multiprocessing.get_start_method())


def forkserver_later():
    import lava_nbp.processes  # noqa: F401

    multiprocessing.set_start_method("forkserver", force=True)
    run_both()
    multiprocessing.set_start_method("fork", force=True)


def daemonic():
    worker = multiprocessing.Process(target=run_both, daemon=True)
    worker.start()
    worker.join()


def forks_of_the_user():
    for in_process in WAYS:
        _forks(in_process)


def _forks(in_process):
    """They leave the network alone, and say so if they are asked to use it."""
    from lava_nbp import LavaNBPError, LavaRuntime
    from lava_nbp.processes import SynfireChain

    process, chain = network(), SynfireChain(2)
    runtime, other = LavaRuntime(process, in_process=in_process), LavaRuntime(chain, in_process=in_process)
    runtime.run(1)
    sets = lambda: process.state.set(1), lambda: chain.alive.set(0)  # through messages, and in memory that is shared

    def use():
        for what in (lambda: runtime.run(1), process.state.get, *sets):
            try:
                what()
            except LavaNBPError as error:
                print(str(error).split(",")[0].replace(str(os.getppid()), "its parent"), flush=True)
        runtime.stop()
        process.stop()
        run_both()

    pid = os.fork()
    if pid == 0:
        use()
        sys.exit(3)  # with all that happens at the end of an interpreter
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    fork = multiprocessing.Process(target=use)
    fork.start()
    fork.join()
    print(fork.exitcode)
    del fork
    runtime.run(1)
    other.run(1)
    print(process.state.get().tolist(), chain.alive.get().tolist())
    print("is used", flush=True)


def executor_in_a_fork():
    for in_process in WAYS:
        _executor(in_process)


def _executor(in_process):
    import numpy as np

    from lava_nbp import LavaNBPError, initial_weights, make_executor, training_circuit

    circuit = training_circuit(4, 3, 2)
    weights = initial_weights(circuit, np.random.default_rng(0))
    executor = make_executor("lava", circuit, weights, in_process=in_process)
    before = executor.read_weights()
    pid = os.fork()
    if pid == 0:
        zeros = {name: np.zeros_like(w) for name, w in weights.items()}
        uses = (
            lambda: executor.train([[1, 1, 1, 1]], [[1, 0]]),
            lambda: executor.infer([[1, 1, 1, 1]]),
            lambda: executor.write_weights(zeros),
            executor.begin_epoch,
        )
        for use in uses:
            try:
                use()
            except LavaNBPError as error:
                print("fork of that one" in str(error), flush=True)
        executor.close()
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(all(np.array_equal(w, before[name]) for name, w in executor.read_weights().items()))
    executor.train([[1, 1, 1, 1]], [[1, 0]])


def forgotten_in_every_way():
    """A thread that ends by sys.exit, one that raises, and one that is held; and an exception that nobody catches."""
    import lava_nbp.processes  # noqa: F401

    threading.excepthook = lambda _: None

    def leave():
        own(network()).run(1)
        runtime = own(network())
        runtime.run(1)
        sys.exit(4)

    def fail():
        runtime = own(network())
        runtime.run(1)
        raise ZeroDivisionError

    held = []
    for work in (leave, fail, lambda: held.append(own(network()))):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    gc.collect()
    print(children())
    held[0].run(2)
    held.append(own(network()))
    print(children(), flush=True)
    raise SystemExit("the end")


def killed_after_a_thread_has_started_one():
    held = []
    thread = threading.Thread(target=lambda: held.append(own(network())))
    thread.start()
    thread.join()
    held[0].run(1)
    print(children(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def terminated_as_a_group():
    """As a batch system does: everybody gets the signal, and only who started the network reacts."""

    def react(*_):
        raise SystemExit("in order")

    signal.signal(signal.SIGTERM, react)
    runtime = own(network("hang"))
    threading.Timer(0.5, os.killpg, (os.getpgid(0), signal.SIGTERM)).start()
    runtime.run(10)


def in_an_event_loop():
    """As in a notebook: no file of __main__, and a loop that runs."""
    import asyncio

    del sys.modules["__main__"].__file__

    async def cell():
        run_both()

    asyncio.run(cell())


def figures():
    gc.collect()
    with open("/proc/self/maps") as maps:
        lines = len(maps.readlines())
    with open("/proc/self/statm") as pages:
        resident = int(pages.read().split()[1]) * 4
    return {
        "maps": lines,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
        "children": children(),
        "kB": resident,
    }


def nothing_grows(rounds=6):
    """Processes of their own: networks of every kind and end, five a round; what is held after half, and after all."""
    import numpy as np

    import lava_nbp
    from lava_nbp import initial_weights, make_executor, training_circuit
    from lava_nbp.processes import SynfireChain

    from lava.magma.core.run_conditions import RunSteps

    circuit = training_circuit(40, 30, 4)
    weights = initial_weights(circuit, np.random.default_rng(0))

    def one(k):
        with own(network()) as runtime:
            runtime.run(1)
        own(network()).run(1)
        with contextlib.suppress(lava_nbp.RuntimeFailure), own(network("raise")) as runtime:
            runtime.run(9)
        SynfireChain(3).run(RunSteps(1), lava_nbp.run_config("lava", in_process=False))
        executor = make_executor("lava", circuit, weights, in_process=False)
        executor.train(np.ones((2, 40), np.uint8), np.eye(4, dtype=np.uint8)[:2])
        if k % 2:
            executor.close()

    for k in range(rounds):
        one(k)
        if k == rounds // 2 - 1:
            half = figures()
    end = figures()
    print({what: end[what] - half[what] for what in half})


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print("==", name, flush=True)
        globals()[name]()
