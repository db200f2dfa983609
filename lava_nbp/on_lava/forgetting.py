"""Let Lava forget the Processes of a network: it remembers every Process and every Var that was ever made.

With a Process it keeps its runtime, its initial values and whatever its models share with it, and a network that
nobody can reach any more could not be ended. Lava never looks at what it remembers; numbers go on as before.

Every Process also adds a handler to the root logger, and every compilation one to the compiler's: the same message
would be written hundreds of times.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from lava.magma.core.process.process import AbstractProcess, ProcessServer
from lava.magma.core.process.variable import VarServer


def forget(processes: Iterable[AbstractProcess]) -> None:
    """Take these Processes, and those that they are parts or wholes of, from Lava's lists."""
    found: dict[int, AbstractProcess] = {}
    ahead = list(processes)
    while ahead:
        process = ahead.pop()
        if id(process) not in found:
            found[id(process)] = process
            ahead += process.procs.members
            if process.parent_proc is not None:
                ahead.append(process.parent_proc)
    known, variables = ProcessServer(), VarServer()
    known.processes[:] = [p for p in known.processes if id(p) not in found]
    variables.vars[:] = [v for v in variables.vars if id(v.process) not in found]
    for name in ("", "lava.magma.compiler.compiler"):
        _keep_one_of_each_handler(logging.getLogger(name))


def _keep_one_of_each_handler(logger: logging.Logger) -> None:
    """Remove handlers that write the same to the same stream as one before them."""
    seen = set()
    for handler in list(logger.handlers):
        if type(handler) is not logging.StreamHandler or handler.filters:
            continue
        form = handler.formatter
        what = (id(handler.stream), handler.level, form and (type(form), form._fmt, form.datefmt))
        if what in seen:
            logger.removeHandler(handler)
        seen.add(what)
