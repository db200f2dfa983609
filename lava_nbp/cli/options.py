"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lava_nbp.cli.tables import TableStyle
from lava_nbp.errors import InputError
from lava_nbp.nbp.circuits import CIRCUITS

#: Layers where none are asked for: the paper's.
NETWORK = "400-400-10"
#: What a circuit may be.
CIRCUIT = f"{', '.join(CIRCUITS)}, or a .json file that save_circuit wrote."

RunFolder = Annotated[Path, typer.Argument(help="Folder of a training run.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a key, like data.validation=5000 or target=lava; repeatable."
    ),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Style = Annotated[TableStyle, typer.Option(help="How to print.")]


def layers_of(text: str) -> tuple[int, ...]:
    """Sizes of layers as the command line has them.

    Raises
    ------
    InputError
        For anything but two or more sizes.
    """
    parts = text.split("-")
    if len(parts) < 2 or not all(part.isdecimal() for part in parts):
        raise InputError(f"network is {text!r}, but must be two or more sizes like {NETWORK}")
    return tuple(map(int, parts))
