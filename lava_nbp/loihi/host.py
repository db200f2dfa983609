"""What a run on a chip needs of the machine: Intel's lava-loihi, and a board, by SLURM or by the network."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError, MissingLoihiError
from lava_nbp.loihi.boards import LOIHI2, board_of

#: Modules of lava-loihi that a run imports, and what they are for.
MODULES = {
    "lava.magma.core.model.nc": "models for neurocores",
    "lava.magma.core.model.c": "models for the embedded processors",
    "lava.proc.embedded_io": "spike input and output",
    "lava.utils.loihi2_profiler": "what lava.utils.loihi asks for",
}


@dataclass(frozen=True)
class BoardAddress:
    """How to reach a board.

    Attributes
    ----------
    board : str
        Kind of board; a SLURM partition whose name begins so is taken if none is given.
    partition, node : str or None
        SLURM partition, or a node (board) by name; at most one of them.
    generation : str
        Generation of the chip.
    host : str or None
        Address of a board's host in the local network, instead of SLURM.

    Raises
    ------
    InputError
        If more than one of partition, node and host is given.
    """

    board: str
    partition: str | None = None
    node: str | None = None
    generation: str = LOIHI2.generation
    host: str | None = None

    def __post_init__(self) -> None:
        settle(self, "address of a board", InputError)
        for name in ("partition", "node", "host"):
            if getattr(self, name) == "":
                raise InputError(f"address of a board: {name} is '', which names nothing; leave it out")
        if sum(value is not None for value in (self.partition, self.node, self.host)) > 1:
            raise InputError("partition, node and host each say where to run; give one of them")


def default_address(target: str) -> BoardAddress:
    """The board that a target means if nothing else is said.

    Raises
    ------
    InputError
        If no board of the table says that it is the target's.
    """
    board = board_of(target)
    if board is None:
        raise InputError(f"target {target!r} means no board; register one that does: Board(..., target={target!r})")
    return BoardAddress(board.name, generation=board.chip.generation)


def missing_modules() -> dict[str, str]:
    """Modules of lava-loihi that are not here, with what they are for."""
    return {name: what for name, what in MODULES.items() if not _there(name)}


def _there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a parent is not there either
        return False


def require_lava_loihi(target: str) -> None:
    """Raise MissingLoihiError unless lava-loihi is installed: nothing must run on the CPU instead, unasked."""
    missing = missing_modules()
    if missing:
        names = ", ".join(f"{name} ({what})" for name, what in missing.items())
        raise MissingLoihiError(
            f"target {target!r} needs Intel's lava-loihi, but this machine lacks {names}; members of Intel's "
            f"Neuromorphic Research Community get it (docs/loihi.md), and target 'lava-stock' runs the same network "
            f"on Lava's CPU simulator"
        )


def microcode() -> str:
    """The file that LAVA_NBP_MICROCODE names.

    Raises
    ------
    MissingLoihiError
        If it names none that is there.
    """
    path = os.environ.get("LAVA_NBP_MICROCODE")
    if not path or not os.path.isfile(path):
        raise MissingLoihiError(
            f"the library's neurons need microcode on the chip, but LAVA_NBP_MICROCODE is {path!r}; set it to the "
            f"file of a program that computes what PlasticLIF's docstring says (docs/loihi.md)"
        )
    return path


def connect(address: BoardAddress) -> str:
    """Choose the board that Lava's next run uses; says which.

    Raises
    ------
    MissingLoihiError
        If there is no SLURM and no host is named, or SLURM has no such partition or node that is up.
    """
    from lava.utils import loihi

    generation = _generation(loihi, address.generation)
    if address.host is not None:
        try:
            loihi.use_ethernet_host(host_address=address.host, loihi_gen=generation)
        except (ValueError, OSError) as error:
            raise MissingLoihiError(f"host {address.host!r} does not answer: {error}; check loihi.host") from error
        return f"host {address.host}"
    if not slurm_available():
        raise MissingLoihiError(
            "no SLURM controller answers here (sinfo), and no host is named; run on a machine of the NRC cloud, or set "
            "loihi.host to the address of a board"
        )
    nodes = slurm_nodes()
    loihi.use_slurm_host(loihi_gen=generation)
    # Lava 0.10.0 cannot read the last, empty line of sinfo, so that its own partition and board arguments always fail.
    if address.node is not None:
        _choose(address.node, {n.name for n in nodes if n.up}, "node")
        os.environ["BOARD"] = address.node
        return f"node {address.node}"
    up = {n.partition for n in nodes if n.up}
    partition = address.partition or next((name for name in sorted(up) if name.startswith(address.board)), None)
    if partition is None:
        raise MissingLoihiError(
            f"SLURM has no partition for {address.board!r} that is up; it has {', '.join(sorted(up)) or 'none'}: "
            f"set loihi.partition"
        )
    _choose(partition, up, "partition")
    os.environ["PARTITION"] = partition
    return f"partition {partition}"


@dataclass(frozen=True)
class SlurmNode:
    """A node (a board) of a SLURM partition, and whether it can be used."""

    name: str
    partition: str
    up: bool

    def __post_init__(self) -> None:
        settle(self, "node", InputError)


def slurm_available() -> bool:
    """Whether a SLURM controller answers; Lava's own question fails where SLURM is not installed."""
    return shutil.which("sinfo") is not None and bool(_sinfo())


def slurm_nodes() -> list[SlurmNode]:
    """Nodes of all partitions, as sinfo lists them."""
    found = []
    for line in _sinfo():
        partition, node, state = line.split()[:3]
        down = state.rstrip("*~#!%$@^-").startswith(("down", "drain", "fail", "maint"))
        found.append(SlurmNode(node, partition, not down))
    return found


def _sinfo() -> list[str]:
    command = ["sinfo", "--noheader", "--Node", "--format=%R %N %T"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line for line in shown.stdout.splitlines() if len(line.split()) >= 3]


def _choose(name: str, there: set[str], what: str) -> None:
    if name not in there:
        raise MissingLoihiError(
            f"loihi.{what} is {name!r}, but SLURM (sinfo) has {', '.join(sorted(there)) or 'none'} that are up"
        )


def _generation(loihi: Any, name: str) -> Any:
    known = [g.name for g in loihi.ChipGeneration]
    if name not in known:
        raise MissingLoihiError(f"loihi.generation is {name!r}, but Lava knows {', '.join(known)}")
    return loihi.ChipGeneration[name]
