"""Every way out of a run ends in time, tells why, and leaves nothing (checked by conftest)."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from failing_processes import Failing, Listening

from lava_nbp.errors import RuntimeFailure
from lava_nbp.lava_runtime import LavaRuntime

pytestmark = pytest.mark.timeout(30)
SUPPORT = Path(__file__).parent / "support"


def network(how, at=3):
    failing, listening = Failing(how, at), Listening()
    failing.s_out.connect(listening.s_in)
    return failing


def test_run_again_and_again():
    with LavaRuntime(network("never")) as runtime:
        for _ in range(3):
            runtime.run(5)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "PyFailing failed.*step 3 is one too many"),
        ("kill", "PyFailing ended with exit code -9"),
        ("exit", "PyFailing ended with exit code 3"),
        ("wrong shape", "PyFailing failed.*Mismatch"),
    ],
)
def test_failing_model(how, message):
    start = time.monotonic()
    with pytest.raises(RuntimeFailure, match=f"(?s){message}"), LavaRuntime(network(how)) as runtime:
        runtime.run(10)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(("how", "message"), [("init", "no such luck"), ("die in init", "exit code 7")])
def test_model_that_cannot_be_built(how, message):
    with pytest.raises(RuntimeFailure, match=message):
        LavaRuntime(network(how))


def test_time_out():
    start = time.monotonic()
    with pytest.raises(RuntimeFailure, match="time-out"), LavaRuntime(network("hang"), timeout=0.5) as runtime:
        runtime.run(10)
    assert time.monotonic() - start < 10


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
    with pytest.raises(RuntimeFailure, match="is stopped; start a new one"):
        runtime.run(1)


def test_stop_without_any_run():
    LavaRuntime(network("never")).stop()


def test_two_networks_at_once():
    with LavaRuntime(network("never")) as one, LavaRuntime(network("never")) as two:
        for _ in range(3):
            one.run(2)
            two.run(3)


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


def test_interrupt_while_running():
    runtime = LavaRuntime(network("hang"))
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), runtime:
        runtime.run(10)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("how", ["forgotten", "killed"])
def test_forgotten_stop_and_killed_parent(how):
    """An interpreter that ends, in order or not, takes its children and shared memory along."""
    code = f"""
        import sys, os, signal
        sys.path.insert(0, {str(SUPPORT)!r})
        from failing_processes import Failing, Listening
        from lava_nbp.lava_runtime import LavaRuntime
        a, b = Failing("never"), Listening()
        a.s_out.connect(b.s_in)
        runtime = LavaRuntime(a)
        runtime.run(3)
        if {how!r} == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], timeout=20, start_new_session=True, check=False
    )
    assert done.returncode == (0 if how == "forgotten" else -signal.SIGKILL)
