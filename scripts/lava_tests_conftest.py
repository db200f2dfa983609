"""A conftest.py for Lava's own tests: another runtime runs them. `scripts/lava-tests` puts it beside a copy of them.

Lava's Runtime gets a `__new__` that makes the other one, which is a subclass of it: so does every module and every test
that has imported the name, whenever it did. Networks that the other one cannot run are left to Lava's. What became of
each test, and which networks it had, is written down as soon as it is known.
"""

import json
import multiprocessing
import os
import weakref
from importlib import import_module
from multiprocessing import shared_memory
from pathlib import Path

import pytest

import lava_nbp  # noqa: F401  (repairs Lava)

from lava.magma.compiler.executable import Executable
from lava.magma.runtime.runtime import Runtime

#: "module:class" of the other runtime; where to write; and how the names of segments shall begin.
RUNTIME, OUTCOMES, SEGMENTS = (os.environ[f"LAVA_TESTS_{name}"] for name in ("RUNTIME", "OUTCOMES", "SEGMENTS"))

# What is left in /dev/shm can be told from what others have there.
shared_memory._SHM_NAME_PREFIX, shared_memory._SHM_SAFE_NAME_LENGTH = f"/{SEGMENTS}", 48

_made: weakref.WeakSet[Runtime] = weakref.WeakSet()
_running: list[pytest.Item] = []


def _choose(where: str) -> None:
    module, _, name = where.partition(":")
    other = getattr(import_module(module), name)
    why_not = getattr(import_module(module), "why_not", lambda _: "")

    def new(cls, *args, **kwargs):
        reason = ""
        if cls is Runtime:
            executable = kwargs["exe"] if "exe" in kwargs else args[0]
            reason = why_not(executable) if type(executable) is Executable else ""
            cls = Runtime if reason else other
        made = object.__new__(cls)
        _made.add(made)
        for item in _running:
            item.user_properties.append(("network", reason))
        return made

    Runtime.__new__ = new


_choose(RUNTIME)


def _write(test: str, **what: object) -> None:
    with Path(OUTCOMES).open("a") as file:
        file.write(json.dumps({"test": test, **what}) + "\n")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """In the worker: whose networks are made now."""
    _running[:] = [item]
    yield
    _running.clear()


def _said(report) -> str:
    """Why it failed, without the line that names the worker of xdist."""
    return "\n".join(line for line in report.longreprtext.splitlines() if not line.startswith("[gw"))


class Writer:
    """Writes down what happens."""

    def pytest_runtest_logstart(self, nodeid):
        """A test begins: if nothing more comes of it, it is the one that hangs."""
        _write(nodeid, when="begin")

    def pytest_runtest_logreport(self, report):
        """A part of a test has ended."""
        networks = [reason for name, reason in report.user_properties if name == "network"]
        said = _said(report) if report.failed else ""
        _write(report.nodeid, when=report.when, outcome=report.outcome, networks=networks, said=said)

    def pytest_collectreport(self, report):
        """A file could not be read."""
        if report.failed:
            _write(report.nodeid, when="collect", outcome="failed", networks=[], said=_said(report))


def pytest_configure(config):
    """Workers of xdist tell the one that started them, which writes."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Writer())


def pytest_sessionfinish():
    """Python would wait for children, and Lava for their answers, of networks that tests have left running."""
    for runtime in list(_made):
        if type(runtime) is Runtime:
            runtime._is_started = False
    for child in multiprocessing.active_children():
        child.kill()
