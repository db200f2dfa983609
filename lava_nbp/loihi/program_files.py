"""Files of neuron programs: written out as listings, and found again as microcode.

The assembler of Loihi 2 is not public. So every program is written as a listing, NAME.txt, and whoever has the
assembler puts NAME.dasm beside it. The listing stays: it tells whether the microcode is that of this very network,
whose constants stand in its programs.
"""

from __future__ import annotations

import os
from pathlib import Path

from lava_nbp.base.checks import check_kind
from lava_nbp.base.files import AnyPath, as_path, make_folder, write_atomically
from lava_nbp.errors import MissingLoihiError
from lava_nbp.loihi.programs.learning import LoweredLearning

#: Environment variable that names the folder.
FOLDER = "LAVA_NBP_PROGRAMS"
#: Endings of listings, and of microcode.
LISTING, MICROCODE = ".txt", ".dasm"
#: The C program of the embedded processors, which is in the same folder.
LEARNER = "embedded_learner.c"


def write_programs(lowered: LoweredLearning, folder: AnyPath) -> list[Path]:
    """Write the listing of every population's program into a folder, POPULATION.txt; returns the files.

    Raises
    ------
    InputError
        For what is no lowered network.
    LavaNBPError
        For a folder that cannot be written to.
    """
    check_kind(lowered, LoweredLearning, "lowered")
    where = as_path(folder, "folder of programs")
    make_folder(where)
    written = []
    for name, listing in _listings(lowered).items():
        written.append(where / f"{name}{LISTING}")
        write_atomically(written[-1], listing.encode())
    return written


def program_files(lowered: LoweredLearning) -> dict[str, str]:
    """In the folder that LAVA_NBP_PROGRAMS names: every population's microcode, by its name, and the C program.

    Raises
    ------
    MissingLoihiError
        If there is no such folder, one of the files is missing, or it is of another network's program.
    """
    folder, found = os.environ.get(FOLDER), {}
    cure = (
        f"write the listings with write_programs(network.lower(), FOLDER), put the microcode of each NAME{LISTING} "
        f"beside it as NAME{MICROCODE}, and the embedded processors' program as {LEARNER}, and set {FOLDER} to FOLDER "
        f"(docs/loihi.md)"
    )
    if not folder or not os.path.isdir(folder):
        raise MissingLoihiError(f"EventProp's neurons are programs, but {FOLDER} is {folder!r}: {cure}")
    for name, listing in _listings(lowered).items():
        path, beside = Path(folder, name + MICROCODE), Path(folder, name + LISTING)
        if not path.is_file() or not beside.is_file():
            missing = path if beside.is_file() else beside
            raise MissingLoihiError(f"EventProp's neurons are programs, but {missing} is not there: {cure}")
        if beside.read_bytes() != listing.encode():
            raise MissingLoihiError(f"{beside} is the program of another network, or of other neurons: {cure}")
        found[name] = str(path)
    found[LEARNER] = os.path.join(folder, LEARNER)
    if not os.path.isfile(found[LEARNER]):
        raise MissingLoihiError(f"EventProp learns on embedded processors, but {found[LEARNER]} is not there: {cure}")
    return found


def _listings(lowered: LoweredLearning) -> dict[str, str]:
    return {p.name: p.program.listing() + "\n" for p in lowered.populations}
