"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lava_nbp.base.checks import shown
from lava_nbp.cli.tables import TableStyle
from lava_nbp.errors import InputError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.circuit_file import SUFFIX, load_circuit
from lava_nbp.nbp.circuits import CIRCUITS, make_circuit

#: Layers where none are asked for: the paper's.
NETWORK = "400-400-10"
#: Of a size, which Python would else refuse to read at some length.
_MOST_DIGITS = 9
#: What a circuit may be.
CIRCUIT = f"{', '.join(CIRCUITS)}, or a .json file that save_circuit wrote."

Network = Annotated[
    str | None, typer.Option(help=f"Layer sizes; default {NETWORK}, or those of the file.", show_default=False)
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a training run.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a key, like data.validation=5000 or target=lava; repeatable."
    ),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Style = Annotated[TableStyle, typer.Option(help="How to print.")]


def circuit_of(name: str, network: str | None) -> Circuit:
    """The circuit of a name and layers, by default the paper's; or that of a file, with its own.

    Raises
    ------
    InputError, CircuitError
        For an unknown name, a file that cannot be read, or layers that it cannot have.
    """
    if network is None and name.endswith(SUFFIX):
        return load_circuit(name)
    return make_circuit(name, layers_of(network or NETWORK))


def layers_of(text: str) -> tuple[int, ...]:
    """Sizes of layers as the command line has them.

    Raises
    ------
    InputError
        For anything but two or more sizes.
    """
    parts = text.split("-")
    if len(parts) < 2 or not all(part.isdecimal() and len(part) <= _MOST_DIGITS for part in parts):
        raise InputError(f"network is {shown(text)}, but must be two or more sizes like {NETWORK}")
    return tuple(map(int, parts))
