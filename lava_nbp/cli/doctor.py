"""What this machine has for the library: one line each, with the cure."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lava_nbp.base.fields import settle
from lava_nbp.base.lava_repair import LAVA_DL, LAVA_NC, found_version, how_to_get
from lava_nbp.base.targets import TARGETS
from lava_nbp.errors import InputError

State = Literal["ok", "missing", "wrong"]

#: Targets that need Lava.
_ON_LAVA = tuple(name for name, target in TARGETS.items() if target.on_lava)
#: Targets that need what Intel gives to members of its community only.
_ON_CHIP = tuple(name for name, target in TARGETS.items() if target.on_chip)

#: The first and the last Python that were tested.
_FIRST, _LAST = (3, 10), (3, 13)
#: Packages of extras, the extra, and what needs them.
_EXTRAS = (
    ("torchvision", "vision", "MNIST and Fashion-MNIST"),
    ("nir", "exchange", "the format nir"),
    ("tonic", "tonic", "the data set tonic"),
    ("tensorboard", "tensorboard", "train --tensorboard"),
    ("submitit", "slurm", "study --on slurm"),
    ("optuna", "search", "a search of lava-nbp study"),
    ("pandas", "frames", "frame() of runs and studies"),
)
#: Shared memory that a network of a hundred Processes takes, in MB, and more to be safe.
_SHARED_MB = 256
_SHM = Path("/dev/shm")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    name, state, found : str
        What, how it is, and what was found.
    cure : str
        What to do; "" if nothing is to be done.
    needed : bool
        Whether nothing works without it; else only a part does not.
    """

    name: str
    state: State
    found: str
    cure: str = ""
    needed: bool = False

    def __post_init__(self) -> None:
        settle(self, "finding", InputError)

    def __str__(self) -> str:
        return f"{self.state:<8}{self.name}: {self.found}" + (f"; {self.cure}" if self.cure else "")

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def examine() -> list[Finding]:
    """Look at Python, Lava, the extras, lava-loihi, SLURM, boards, microcode, data and shared memory."""
    extras = [_extra(*extra) for extra in _EXTRAS]
    return [
        _python(),
        _lava("lava-nc", LAVA_NC, f"the targets {', '.join(_ON_LAVA)} and the Processes"),
        _lava("lava-dl", LAVA_DL, "algorithm slayer, and whoever runs netx files,"),
        *extras,
        _lava_loihi(),
        *_slurm(),
        _microcode(),
        _data(),
        _shared_memory(),
    ]


def _python() -> Finding:
    right = _FIRST <= sys.version_info[:2] <= _LAST
    cure = "" if right else f"make the environment with Python {_shown(_FIRST)} to {_shown(_LAST)}"
    return Finding("Python", "ok" if right else "wrong", platform.python_version(), cure, needed=True)


def _shown(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _lava(name: str, tested: str, what: str) -> Finding:
    found, cure = found_version(name), how_to_get(name)
    if found is None:
        return Finding(name, "missing", "not installed", f"only {what} need it: {cure}")
    right = found == tested
    return Finding(name, "ok" if right else "wrong", found, "" if right else cure)


def _extra(package: str, extra: str, what: str) -> Finding:
    found = found_version(package)
    if found is None:
        return Finding(package, "missing", "not installed", f"only {what} needs it: pip install 'lava-nbp[{extra}]'")
    return Finding(package, "ok", found)


def _lava_loihi() -> Finding:
    from lava_nbp.loihi.host import missing_modules

    missing = missing_modules()
    if not missing:
        return Finding("lava-loihi", "ok", "its modules are here")
    return Finding(
        "lava-loihi",
        "missing",
        f"no {', '.join(missing)}",
        f"only the targets {' and '.join(_ON_CHIP)} need it: Intel gives it to members of its Neuromorphic Research "
        "Community (docs/loihi.md); target lava-stock runs the same network here",
    )


def _slurm() -> list[Finding]:
    from lava_nbp.loihi.boards import BOARDS
    from lava_nbp.loihi.host import slurm_available, slurm_nodes

    if not slurm_available():
        cure = (
            "only chips and study --on slurm need it: log in to the NRC cloud, or to a cluster, or set loihi.host to "
            "the address of a board"
        )
        return [
            Finding("SLURM", "missing", "no controller answers (sinfo)", cure),
            Finding("board", "missing", "none can be seen without SLURM", cure),
        ]
    nodes = slurm_nodes()
    up = sorted({node.partition for node in nodes if node.up})
    board = Finding("board", "ok", f"partitions that are up: {', '.join(up)}")
    if not up:
        board = Finding("board", "missing", "no partition is up", "wait, or ask Intel's support; sinfo shows the state")
    elif not any(name.startswith(tuple(BOARDS)) for name in up):
        cure = "set loihi.partition, if one of them has boards; only chips need one"
        board = Finding("board", "missing", f"no partition is named after a board: {', '.join(up)}", cure)
    number = len({node.name for node in nodes})
    return [Finding("SLURM", "ok", f"{number} node{'' if number == 1 else 's'}"), board]


def _microcode() -> Finding:
    path = os.environ.get("LAVA_NBP_MICROCODE", "")
    if path and os.path.isfile(path):
        return Finding("microcode", "ok", path)
    found = f"LAVA_NBP_MICROCODE is {path!r}, no file" if path else "LAVA_NBP_MICROCODE is not set"
    return Finding("microcode", "missing", found, "only learning on a chip needs it: see docs/loihi.md")


def _data() -> Finding:
    from lava_nbp.data import DATA_SETS
    from lava_nbp.data.options import ROOT_VARIABLE

    root, folders = os.environ.get(ROOT_VARIABLE, ""), [entry.folder for entry in DATA_SETS.values() if entry.folder]
    cure = f"set {ROOT_VARIABLE} to the folder that holds {folders[0]}; the digits and generated Yin-Yang need none"
    if not root:
        return Finding("data", "missing", f"{ROOT_VARIABLE} is not set", cure)
    if not os.path.isdir(root):
        return Finding("data", "wrong", f"{ROOT_VARIABLE} is {root!r}, no folder", cure)
    there = [folder.partition("/")[0] for folder in folders if os.path.isdir(Path(root) / folder)]
    if not there:
        return Finding("data", "wrong", f"{root} has none of {', '.join(folders)}", cure)
    return Finding("data", "ok", f"{root} has {', '.join(there)}")


def _shared_memory() -> Finding:
    if not _SHM.is_dir():
        return Finding("/dev/shm", "missing", "no such folder", "Lava's messages need it: use Linux", needed=True)
    free = shutil.disk_usage(_SHM).free // 2**20
    left = sum(name.startswith("psm_") for name in os.listdir(_SHM))
    found = f"{free} MB free" + (f", {left} segments of other programs, or left by killed ones" if left else "")
    if free < _SHARED_MB:
        cure = f"Lava's messages need about {_SHARED_MB} MB: delete segments that nobody uses, or start the container "
        return Finding("/dev/shm", "wrong", found, cure + "with --shm-size=1g")
    return Finding("/dev/shm", "ok", found)
