"""Ports and Vars of the library's Processes; and Lava's own classes, which stay as they are."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import lava_nbp.on_lava as on_lava
import lava_nbp.processes  # noqa: F401 - what follows holds after the import
from lava_nbp.errors import PortError
from lava_nbp.on_lava.ports import InPort, OutPort

from lava.magma.core.process.ports import ports as lava_ports
from lava.magma.core.process.ports.exceptions import ReshapeError
from lava.proc.dense.process import Dense

#: What Lava's classes have after Lava is imported, and after all of the library is, too.
PATCHED = """
import importlib, pkgutil
import lava_nbp  # what it repairs of Lava is repaired now
import lava.magma.core.process.ports.ports as ports
import lava.magma.core.process.process as process
import lava.magma.core.process.variable as variable
import lava.magma.compiler.compiler, lava.magma.compiler.channels.pypychannel as channels
import lava.magma.runtime.runtime as runtime
import lava.magma.runtime.runtime_services.runtime_service as services
import lava.magma.core.run_configs as configs
modules = (ports, process, variable, channels, runtime, services, configs)
def members():
    classes = [c for m in modules for c in vars(m).values() if isinstance(c, type)]
    return {(c.__module__, c.__name__, k): v for c in classes for k, v in vars(c).items() if not k.startswith("_abc")}
before = members()
import lava_nbp.processes, lava_nbp.executors
for room in (lava_nbp.on_lava, lava_nbp.executors, lava_nbp.processes):
    for module in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
        importlib.import_module(module.name)
after = members()
print([k for k in before if before[k] is not after[k]], [k for k in after if k not in before])
"""


def test_no_class_of_lava_is_changed():
    done = subprocess.run([sys.executable, "-c", PATCHED], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"


def test_lavas_concat_with_works():
    first, second = Dense(weights=np.eye(2)), Dense(weights=np.eye(2))
    assert first.a_out.concat_with(second.a_out, axis=0).shape == (4,)


@pytest.mark.parametrize("port", [InPort, OutPort])
def test_ports_check_with_lavas_own_signature(port):
    ours, lavas = (inspect.signature(cls._validate_ports) for cls in (port, lava_ports.AbstractPort))
    assert list(ours.parameters) == list(lavas.parameters)
    assert [p.default for p in ours.parameters.values()] == [p.default for p in lavas.parameters.values()]


def overrides():
    """Methods of Lava's that the library's classes replace, with both."""
    modules = [importlib.import_module(m.name) for m in pkgutil.iter_modules(on_lava.__path__, f"{on_lava.__name__}.")]
    classes = {
        c for m in modules for c in vars(m).values() if inspect.isclass(c) and c.__module__.startswith("lava_nbp.")
    }
    for kind in classes:
        for name, own in vars(kind).items():
            of_lava = [vars(c)[name] for c in kind.__mro__[1:] if c.__module__.startswith("lava.") and name in vars(c)]
            if of_lava and inspect.isfunction(own) and inspect.isfunction(of_lava[0]) and name != "__init__":
                yield f"{kind.__name__}.{name}", own, of_lava[0]


def test_no_signature_of_lava_is_another():
    """Whoever passes an argument by its name finds it."""
    found = list(overrides())
    assert len(found) > 30
    for name, own, lavas in found:
        theirs = inspect.signature(lavas).parameters
        ours = inspect.signature(own).parameters
        if any(p.kind is p.VAR_KEYWORD for p in ours.values()):
            continue
        assert list(ours)[: len(theirs)] == list(theirs), name
        assert all((p.default is p.empty) == (ours[p.name].default is p.empty) for p in theirs.values()), name


def test_concat_reshape_flatten_and_transpose_of_own_ports():
    one, two = OutPort((2, 3)), OutPort((2, 3))
    assert one.concat_with(two, axis=0).shape == (4, 3)
    assert one.reshape((6,)).shape == one.flatten().shape == (6,)
    assert one.transpose().shape == (3, 2)
    with pytest.raises(ReshapeError):
        one.reshape((5,))
    with pytest.raises(PortError, match=r"OutPort reshaped: \(6,\) -> a InPort: \(5,\)"):
        OutPort((2, 3)).flatten().connect(InPort((5,)))
