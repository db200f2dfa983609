"""What is repaired of Lava, where, in which order, and what is said where Lava is not, or is another."""

import importlib
import importlib.util
import json
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest

from lava_nbp.base import lava_repair
from lava_nbp.base.lava_repair import found_version, how_to_get, require_lava
from lava_nbp.errors import MissingPackageError
from lava_nbp.on_lava.runtime import LavaRuntime

from lava.magma.core.process.ports.ports import ReshapePort
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

PLAIN = sys.version_info < (3, 11)
VAR_MODEL = "lava.magma.compiler.var_model"
MULTIPROCESSING = "lava.magma.runtime.message_infrastructure.multiprocessing"
PORTS = "lava.magma.core.process.ports.ports"


def run(*lines):
    """What a fresh interpreter prints as JSON on its last line."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(["import json, sys", *lines])],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# ------------------------------------------------------------- what is repaired


def test_every_module_of_lava_can_be_imported():
    files = [path for path in metadata.files("lava-nc") if path.suffix == ".py" and path.parts[0] == "lava"]
    names = sorted({".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files})
    assert len(names) > 130
    failed = run(
        "import importlib, lava_nbp",
        "failed = {}",
        f"for name in {names}:",
        "    try:",
        "        importlib.import_module(name)",
        "    except Exception as error:",
        "        failed[name] = repr(error)",
        "print(json.dumps(failed))",
    )
    assert failed == {}


def test_lava_alone_fails_where_it_is_repaired():
    """The test above can fail."""
    failed = run(
        "try:",
        f"    import {VAR_MODEL}; failed = ''",
        "except ValueError as error:",
        "    failed = str(error)",
        "print(json.dumps(failed))",
    )
    assert failed.startswith("mutable default") is not PLAIN


def test_nothing_is_done_where_nothing_has_to_be():
    assert lava_repair._REPAIRS.keys() == {MULTIPROCESSING} | (set() if PLAIN else {VAR_MODEL, PORTS})


def test_the_dataclasses_of_others_stay_as_they_are():
    hashable = run(
        "import dataclasses, lava_nbp",
        "before = dataclasses.dataclass",
        f"import {VAR_MODEL} as repaired",
        "from lava.magma.compiler.subcompilers.address import NcLogicalAddress",
        "after = dataclasses.dataclass",
        "@dataclasses.dataclass",
        "class Mine:",
        "    x: int = 0",
        "kinds = [repaired.ByteEncoder, NcLogicalAddress, Mine]",
        "print(json.dumps([before is after, *(kind.__hash__ is not None for kind in kinds)]))",
    )
    assert hashable == [True, not PLAIN, False, False]


ORDERS = {
    "the library first": ["import lava_nbp", f"import {PORTS} as ports"],
    "Lava first": [f"import {PORTS} as ports", "import lava_nbp"],
    "Lava first, and in vain": [
        "try:",
        f"    import {VAR_MODEL}",
        "except ValueError:",
        "    pass",
        "import lava_nbp",
        f"import {PORTS} as ports",
    ],
    "the library twice": [
        "import lava_nbp",
        "for name in [name for name in sys.modules if name.startswith('lava_nbp')]: del sys.modules[name]",
        "import lava_nbp",
        f"import {PORTS} as ports",
    ],
}


@pytest.mark.parametrize("order", ORDERS)
def test_whoever_is_first(order):
    shapes = run(
        *ORDERS[order],
        "import numpy as np",
        "from lava_nbp.processes import SynfireChain",
        f"import {VAR_MODEL}",
        "port = ports.ReshapePort((2, 3), (6,))",
        "forward, backward = port.get_transform_func_fwd(), port.get_transform_func_bwd()",
        "print(json.dumps([forward(np.arange(6)).tolist(), backward(forward(np.arange(6))).tolist()]))",
    )
    assert shapes == [[[0, 1, 2], [3, 4, 5]], [0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("multiprocessing.Queue()", "fork"),
        ("multiprocessing.set_start_method('fork')", "fork"),
        ("multiprocessing.set_start_method('spawn')", "spawn"),
        ("pass", "fork"),
    ],
)
@pytest.mark.parametrize(
    "order", ["import lava_nbp", f"try: import {MULTIPROCESSING}\nexcept RuntimeError: import lava_nbp"]
)
def test_a_start_method_that_was_fixed_before_lava_stays(before, after, order):
    lines = ["import multiprocessing", before, *([] if PLAIN else ["import lava_nbp"]), order]
    assert run(*lines, f"import {MULTIPROCESSING}", "print(json.dumps(multiprocessing.get_start_method()))") == after


def test_network_with_a_reshaped_port():
    rows = np.arange(12).reshape(6, 2)
    source, sink = Source(data=rows), Sink(shape=(2, 3), buffer=2)
    source.s_out.reshape((2, 3)).connect(sink.a_in)
    with LavaRuntime(source, Loihi2SimCfg(select_tag="fixed_pt"), timeout=60) as runtime:
        runtime.run(2)
        assert np.array_equal(sink.data.get(), rows.reshape(2, 3, 2))


def test_reshape_there_and_back():
    data, port = np.arange(24).reshape(2, 3, 4), ReshapePort((4, 6), (2, 3, 4))
    assert np.array_equal(port.get_transform_func_fwd()(data), data.reshape(4, 6))
    assert np.array_equal(port.get_transform_func_bwd()(data.reshape(4, 6)), data)


# ------------------------------------------------------------ what is refused


REPAIRS = {VAR_MODEL: lava_repair._hashable_defaults, PORTS: lava_repair._reshape_by_position}


@pytest.mark.parametrize("found", ["0.9.0", "0.10.1", None])
@pytest.mark.parametrize("name", REPAIRS)
def test_another_lava_is_refused_where_it_had_to_be_repaired(name, found, monkeypatch):
    monkeypatch.setattr(lava_repair, "found_version", lambda: found)
    monkeypatch.setitem(lava_repair._REPAIRS, name, REPAIRS[name])
    monkeypatch.setattr(np, "reshape", lambda a, /, shape: a)  # as NumPy 2.4 has it
    spec = lava_repair._Finder().find_spec(name, importlib.import_module(name.rpartition(".")[0]).__path__)
    module = importlib.util.module_from_spec(spec)
    with pytest.raises(MissingPackageError) as caught:
        spec.loader.exec_module(module)
    message = str(caught.value)
    assert f"{name} does not run on Python 3.{sys.version_info[1]} as it is" in message
    assert "repairs lava-nc 0.10.0 only" in message
    assert (found or "of a version that nothing tells") in message
    assert message.endswith(how_to_get("lava-nc"))


def test_the_command_that_brings_lava():
    nc, dl = how_to_get("lava-nc"), how_to_get("lava-dl")
    assert nc.startswith("pip install ")
    assert nc.endswith(f"lava-nc=={found_version()}")
    assert ("--no-deps" in nc) is ("--no-deps" in dl) is not PLAIN
    assert "'lava-nbp[dl]'" in dl


def test_without_lava_the_message_says_how_to_get_it(monkeypatch):
    require_lava("this")
    monkeypatch.delitem(sys.modules, "lava.magma")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="^this needs Lava, which is not installed; run: pip install "):
        require_lava("this")
